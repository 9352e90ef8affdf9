using Npgsql;
using Townhall.Simulation.Loop;

namespace Townhall.Simulation.Store;

/// <summary>The database server as its clients meet it: statements take time, answers get lost, and at times nobody is there.</summary>
internal sealed class Server(World world, Tables tables)
{
    private const double ExecutesForTheDead = 0.5;
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(2);

    public Tables Tables { get; } = tables;

    public bool IsAway { get; private set; }

    /// <summary>How often an answer is lost although the statement was executed.</summary>
    public double AnswersLost { get; set; }

    /// <summary>How often a statement fails for no fault of its own (deadlock, lock timeout).</summary>
    public double Conflicts { get; set; }

    /// <summary>A worker asks whether it may end.</summary>
    public event Action? Asked;

    /// <summary>How often a worker was told that it may end.</summary>
    public int Drained { get; private set; }

    public void Ask() => Asked?.Invoke();

    public void Agree() => Drained++;

    public void GoAway()
    {
        IsAway = true;
        Tables.RollBackAll();
    }

    public void ComeBack() => IsAway = false;

    /// <summary>Executes a statement at one instant some time from now and answers some time later.</summary>
    /// <param name="wants">The worker whose row the statement must lock, or null.</param>
    /// <param name="transaction">The open transaction it belongs to, or null.</param>
    public Task<T> ExecuteAsync<T>(
        SimulatedProcess client, string what, Func<T> statement, CancellationToken cancellationToken, Guid? wants = null, object? transaction = null)
    {
        var done = new TaskCompletionSource<T>();
        if (cancellationToken.CanBeCanceled)
        {
            cancellationToken.Register(() => done.TrySetCanceled(cancellationToken));
        }

        world.At(world.Between(0.0002, 0.003), what, () => Arrive(new Statement<T>(client, what, statement, done, wants, transaction)));
        return done.Task;
    }

    private sealed record Statement<T>(
        SimulatedProcess Client, string What, Func<T> Run, TaskCompletionSource<T> Done, Guid? Wants, object? Transaction);

    private void Arrive<T>(Statement<T> statement)
    {
        // Sent and then killed: the server may have read it or not.
        if (!statement.Client.IsAlive && !world.Chance(ExecutesForTheDead))
        {
            return;
        }

        if (IsAway)
        {
            Answer(statement, world.Chance(0.5) ? world.Between(0.001, 0.01) : world.Between(0.5, 3), new NpgsqlException("The server is away."));
            return;
        }

        if (world.Chance(Conflicts))
        {
            world.Tally.Happened("conflict");
            Answer(statement, world.Between(0.001, 0.01), new PostgresException("deadlock detected", "ERROR", "ERROR", PostgresErrorCodes.DeadlockDetected));
            return;
        }

        if (statement.Wants is { } id && Tables.Workers.TryGetValue(id, out var row) && row.LockedBy is { } other && other != statement.Transaction)
        {
            Wait(statement, row);
            return;
        }

        T result;
        try
        {
            result = statement.Run();
        }
        catch (NpgsqlException refused)
        {
            Answer(statement, world.Between(0.001, 0.01), refused);
            return;
        }

        if (world.Chance(AnswersLost))
        {
            world.Tally.Happened("answer is lost");
            Answer(statement, world.Between(0.01, 3), new NpgsqlException("The connection broke after the statement was executed."));
        }
        else
        {
            world.At(world.Between(0.0002, 0.003), $"{statement.What} answered", () => statement.Done.TrySetResult(result), statement.Client);
        }
    }

    private void Wait<T>(Statement<T> statement, WorkerRow row)
    {
        var waiting = true;
        row.Waiting.Add(() =>
        {
            if (waiting)
            {
                waiting = false;
                Arrive(statement);
            }
        });
        world.At(LockTimeout, $"{statement.What} waits for a lock no longer", () =>
        {
            if (waiting)
            {
                waiting = false;
                Answer(statement, TimeSpan.Zero, new PostgresException("lock timeout", "ERROR", "ERROR", PostgresErrorCodes.LockNotAvailable));
            }
        });
    }

    private void Answer<T>(Statement<T> statement, TimeSpan delay, Exception failure) =>
        world.At(delay, $"{statement.What} failed", () => statement.Done.TrySetException(failure), statement.Client);
}

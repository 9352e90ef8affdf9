using Npgsql;
using Townhall.Contracts.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.Simulation.Loop;
using Townhall.Worker.Protocol;

namespace Townhall.Simulation.Town;

/// <summary>What the network does to messages between workers and dispatchers.</summary>
internal sealed class Network
{
    public double Lost { get; set; }

    public double Doubled { get; set; }

    /// <summary>The longest a message takes, in seconds.</summary>
    public double Slowest { get; set; } = 0.02;
}

/// <summary>One worker's way to the dispatchers: each call goes to one of them, late, twice, or not at all.</summary>
internal sealed class Link(World world, Network network, Func<IReadOnlyList<SimulatedDispatcher>> dispatchers, SimulatedProcess worker) : IDispatcher
{
    private static readonly TimeSpan BeyondWait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Plain = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Quick = TimeSpan.FromSeconds(5);

    /// <summary>Nothing comes through while it is true.</summary>
    public bool IsCut { get; set; }

    public Task<Answer<RegisterReply>> RegisterAsync(string key, RegisterRequest request, CancellationToken cancellationToken) =>
        CallAsync("register", Quick, (at, hangUp) => at.RegisterAsync(request, hangUp), cancellationToken);

    public Task<Answer<LeaseReply>> LeaseAsync(string token, LeaseRequest request, CancellationToken cancellationToken) =>
        CallAsync(
            "lease", TimeSpan.FromMilliseconds(request.WaitMs) + BeyondWait, (at, hangUp) => at.LeaseAsync(token, request, hangUp), cancellationToken);

    public Task<Answer<RenewReply>> RenewAsync(string token, RenewRequest request, TimeSpan deadline, CancellationToken cancellationToken) =>
        CallAsync("renew", deadline, (at, hangUp) => at.RenewAsync(token, request, hangUp), cancellationToken);

    public Task<Answer<DirectivesReply>> DirectivesAsync(string token, DirectivesRequest request, CancellationToken cancellationToken) =>
        CallAsync(
            "directives", TimeSpan.FromMilliseconds(request.WaitMs) + BeyondWait,
            (at, hangUp) => at.DirectivesAsync(token, request, hangUp), cancellationToken);

    public Task<Answer<SettleReply>> SettleAsync(string token, SettleRequest request, CancellationToken cancellationToken) =>
        CallAsync("settle", Plain, (at, hangUp) => at.SettleAsync(token, request, hangUp), cancellationToken);

    public Task<Answer<DrainReply>> DrainAsync(string token, DrainRequest request, CancellationToken cancellationToken) =>
        CallAsync("drain", Quick, (at, hangUp) => at.DrainAsync(token, request, hangUp), cancellationToken);

    private TimeSpan Delay() => world.Between(0.0002, network.Slowest);

    private bool Loses()
    {
        if (IsCut)
        {
            return true;
        }

        if (world.Chance(network.Lost))
        {
            world.Tally.Happened("message is lost");
            return true;
        }

        return false;
    }

    private Task<Answer<T>> CallAsync<T>(
        string call, TimeSpan deadline, Func<SimulatedDispatcher, CancellationToken, Task<Answer<T>>> serve, CancellationToken cancellationToken)
    {
        var reply = new TaskCompletionSource<Answer<T>>();
        var hangUp = new CancellationTokenSource();
        if (cancellationToken.CanBeCanceled)
        {
            cancellationToken.Register(() =>
            {
                if (reply.TrySetCanceled(cancellationToken))
                {
                    world.At(Delay(), $"{call} hung up", hangUp.Cancel);
                }
            });
        }

        world.Quietly(deadline, () =>
        {
            if (reply.TrySetResult(new Answer<T>.Unknown("deadline")))
            {
                hangUp.Cancel();
            }
        }, worker);
        var all = dispatchers();
        if (world.Tally.Calm)
        {
            _ = CountAsync(reply.Task);
        }

        var doubled = world.Chance(network.Doubled);
        if (doubled)
        {
            world.Tally.Happened("message is doubled");
        }

        for (var copies = doubled ? 2 : 1; copies > 0; copies--)
        {
            var at = all[world.Random.Next(all.Count)];
            if (!Loses())
            {
                world.At(Delay(), $"{call} arrives", () => Arrive(call, at, reply, serve, hangUp.Token));
            }
        }

        return reply.Task;
    }

    private async Task CountAsync<T>(Task<Answer<T>> call)
    {
        try
        {
            world.Tally.Ended(await call is not Answer<T>.Unknown);
        }
        catch (OperationCanceledException)
        {
            // Its caller hung up: it has no end to be counted.
        }
    }

    private void Arrive<T>(
        string call, SimulatedDispatcher at, TaskCompletionSource<Answer<T>> reply,
        Func<SimulatedDispatcher, CancellationToken, Task<Answer<T>>> serve, CancellationToken hangUp)
    {
        if (!at.IsAlive)
        {
            world.At(Delay(), $"{call} refused", () => reply.TrySetResult(new Answer<T>.Unknown("connection refused")), worker);
            return;
        }

        // Its end resets the connection, which the caller sees some time later.
        void Reset() => world.At(Delay(), $"{call} reset", () => reply.TrySetResult(new Answer<T>.Unknown("connection reset")), worker);
        at.Gone += Reset;
        at.Take(() => _ = AnswerAsync(call, at, reply, serve, () => at.Gone -= Reset, hangUp));
    }

    private async Task AnswerAsync<T>(
        string call, SimulatedDispatcher at, TaskCompletionSource<Answer<T>> reply,
        Func<SimulatedDispatcher, CancellationToken, Task<Answer<T>>> serve, Action served, CancellationToken hangUp)
    {
        Answer<T> answer;
        try
        {
            answer = await serve(at, hangUp);
        }
        catch (OperationCanceledException) when (hangUp.IsCancellationRequested)
        {
            return;
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException or OverloadedException)
        {
            answer = new Answer<T>.Unknown("503");
        }
        catch (Exception unforeseen)
        {
            world.Fail($"{call} failed in the dispatcher: {unforeseen}");
            return;
        }
        finally
        {
            served();
        }

        if (!Loses())
        {
            world.At(Delay(), $"{call} replied", () => reply.TrySetResult(answer), worker);
        }
    }
}

namespace Townhall.Api.Agents;

/// <summary>How many agents the town has, counted at most every ten seconds however many ask.</summary>
internal sealed class AgentTally(Func<CancellationToken, Task<long>> count, TimeProvider clock)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CountDeadline = TimeSpan.FromSeconds(5);
    private readonly Lock _gate = new();
    private Task<long>? _counting;
    private long _begunAt;

    /// <returns>A count that was at most ten seconds old when it was asked for.</returns>
    /// <exception cref="Npgsql.NpgsqlException">The database failed; the next who asks lets it be counted anew.</exception>
    public Task<long> ReadAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_counting is null || _counting is { IsCompleted: true, IsCompletedSuccessfully: false }
                || (_counting.IsCompleted && clock.GetElapsedTime(_begunAt) >= Fresh))
            {
                // Nobody's request owns it: who began it may go while others wait for it.
                _begunAt = clock.GetTimestamp();
                _counting = CountAsync();
            }

            return _counting.WaitAsync(cancellationToken);
        }
    }

    private async Task<long> CountAsync()
    {
        using var deadline = new CancellationTokenSource(CountDeadline, clock);
        return await count(deadline.Token);
    }
}

namespace Townhall.Faults.Rows;

/// <summary>The rows that are built, in the order of their numbers.</summary>
public static class Matrix
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new(1, "kill -9 townhall while 32 clients create", Killed.Townhall, Times: 50, Short: true),
        new(3, "kill -9 dispatcher, one and two of them", Killed.Dispatcher, Times: 20, Short: true),
        new(4, "kill -9 agent-worker while it runs commands", Killed.Worker, Times: 20, Short: true),
        new(9, "kill -9 everything at once", Killed.Everything, Times: 100, Short: true),
        new(16, "Redis kill -9", RedisFaults.Killed, Times: 20, Short: true),
        new(18, "Redis emptied and its connections cut under load", RedisFaults.Emptied, Times: 20, Short: true),
        new(19, "Redis paused 5 s or 60 s", RedisFaults.Paused, Times: 20, Short: true, BoundSecs: 150),
        new(24, "Postgres restarted, fast and immediate", PostgresFaults.Restarted, Times: 20, Short: true),
        new(26, "Postgres paused 5 s or 60 s", PostgresFaults.Paused, Times: 20, Short: true, BoundSecs: 180),
        new(37, "a worker frozen for three leases and resumed", Frozen.Worker, Times: 42, Short: true),
    ];

    public static Scenario Of(int row) => All.FirstOrDefault(one => one.Row == row) ?? throw new ArgumentException($"Row {row} is not built.", nameof(row));
}

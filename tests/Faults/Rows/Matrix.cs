namespace Townhall.Faults.Rows;

/// <summary>The rows that are built, in the order of their numbers.</summary>
public static class Matrix
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        new(1, "kill -9 townhall while 32 clients create", Killed.Townhall, Times: 50, Short: true),
        new(2, "kill -9 townhall after the commit, before the ring", Killed.BeforeTheRing, Times: 20, Short: true),
        new(3, "kill -9 dispatcher, one and two of them", Killed.Dispatcher, Times: 20, Short: true),
        new(4, "kill -9 agent-worker while it runs commands", Killed.Worker, Times: 20, Short: true),
        new(5, "kill -9 only the command", Killed.Child, Times: 20, Short: true),
        new(8, "kill -9 edge, callers repeat with their keys", Killed.Edge, Times: 20, Short: true),
        new(9, "kill -9 everything at once", Killed.Everything, Times: 100, Short: true),
        new(10, "SIGTERM worker with short work", Stopped.WithShortWork, Times: 20, Short: true),
        new(11, "SIGTERM worker with work longer than its grace", Stopped.WithLongWork, Times: 20, Short: true),
        new(14, "a twin of a worker that still drains", Stopped.AndReplacedByItsTwin, Times: 20, Short: true),
        new(15, "Redis shut down and started again", RedisContent.RestartedClean, Times: 20, Short: false),
        new(16, "Redis kill -9", RedisFaults.Killed, Times: 20, Short: true),
        new(17, "Redis loses the tail of its file", RedisContent.TailCut, Times: 20, Short: false),
        new(18, "Redis emptied and its connections cut under load", RedisFaults.Emptied, Times: 20, Short: true),
        new(19, "Redis paused 5 s or 60 s", RedisFaults.Paused, Times: 20, Short: true, BoundSecs: 120),
        new(20, "Redis at its memory limit", RedisContent.Full, Times: 20, Short: false),
        new(21, "the disk of Redis full", RedisContent.DiskFull, Times: 20, Short: false),
        new(22, "replies of Redis lost", RedisContent.RepliesLost, Times: 20, Short: false),
        new(23, "forged rings and entries in Redis", RedisContent.Forged, Times: 20, Short: true),
        new(24, "Postgres restarted, fast and immediate", PostgresFaults.Restarted, Times: 20, Short: true),
        new(25, "Postgres crashes while 10,000 tasks are looked up", PostgresLimits.CrashInTheLook, Times: 3, Short: false, BoundSecs: 180),
        new(26, "Postgres paused 5 s or 60 s", PostgresFaults.Paused, Times: 20, Short: true, BoundSecs: 180),
        new(27, "the disk of the tables full, or all of Postgres' disk", PostgresLimits.DiskFull, Times: 20, Short: false, BoundSecs: 120),
        new(28, "all connections of Postgres taken", PostgresLimits.ConnectionsTaken, Times: 20, Short: false),
        new(29, "a snapshot held for ten minutes", PostgresLimits.LongSnapshot, Times: 1, Short: false, BoundSecs: 900),
        new(30, "rows of the ledger head, tasks or agents locked for 5 s", PostgresLimits.LocksHeld, Times: 21, Short: true),
        new(31, "deadlocks and serialization failures", PostgresLimits.Conflicts, Times: 20, Short: true),
        new(32, "answers of commits cut off, callers repeat with their keys", Networks.CommitReplyLost, Times: 20, Short: true),
        new(33, "Postgres read only", PostgresLimits.ReadOnly, Times: 20, Short: true),
        new(34, "slow network to Postgres and Redis: +5, +50, +500 ms, 256 kbit/s, 5 to 40 % of packets lost", Networks.Slow, Times: 20, Short: false, BoundSecs: 120),
        new(35, "workers, dispatcher, townhall and Postgres parted, also one way", Networks.Parted, Times: 20, Short: true),
        new(36, "the clock of one process two hours off, or jumping an hour", Networks.WrongClock, Times: 12, Short: false),
        new(37, "a worker with a dozen leases frozen for up to three leases and resumed", Frozen.Worker, Times: 44, Short: true, BoundSecs: 120),
        new(38, "each agent rung for up to five times", RedisContent.RungFiveTimes, Times: 20, Short: true, BoundSecs: 120),
        new(39, "poison tasks: crashes, floods, spins, memory, and one that loses its workers", Poison.Tasks, Times: 20, Short: false, BoundSecs: 180),
        new(40, "poison rows: agents that no caller could make", Poison.Rows, Times: 20, Short: true),
        new(42, "64 MiB or 1 GiB of output without a newline", Poison.Output, Times: 20, Short: true),
        new(43, "a grandchild holds standard output", Poison.GrandchildHoldsOutput, Times: 20, Short: true),
        new(46, "five minutes down, then 10,000 tasks due and 1,000 clients waiting", Whole.Herd, Times: 1, Short: false, BoundSecs: 500),
        new(52, "all files of townhall or the dispatcher used up", Networks.FilesUsedUp, Times: 20, Short: true),
        new(53, "two busy processes a core for longer than a lease", Whole.Starved, Times: 3, Short: false, BoundSecs: 150),
        new(54, "the database put back to an older copy", Whole.OldBackup, Times: 20, Short: false, BoundSecs: 120),
        new(56, "dispatcher, townhall or Postgres killed under a steady load", Recovered.Throughput, Times: 20, Short: false, BoundSecs: 120),
    ];

    public static Scenario Of(int row) => All.FirstOrDefault(one => one.Row == row) ?? throw new ArgumentException($"Row {row} is not built.", nameof(row));
}

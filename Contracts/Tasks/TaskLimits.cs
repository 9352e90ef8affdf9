namespace Townhall.Contracts.Tasks;

/// <summary>Bounds of what a caller may send; beyond them the answer is 413 or 422 and nothing changes.</summary>
public static class TaskLimits
{
    /// <summary>UTF-8 bytes of a task's text. Default of every deployment: 256 KiB.</summary>
    public const int DescriptionBytes = 256 * 1024;

    /// <summary>UTF-8 bytes of one steering note: 16 KiB.</summary>
    public const int SteeringBytes = 16 * 1024;

    /// <summary>UTF-8 bytes of all steering notes of a task together: 256 KiB.</summary>
    public const int SteeringBytesInAll = 256 * 1024;

    /// <summary>UTF-8 bytes of one message that is no task: 16 KiB.</summary>
    public const int MessageBytes = 16 * 1024;

    /// <summary>Messages of one inbox that nobody acted on yet.</summary>
    public const int InboxMessages = 1000;

    /// <summary>Tags of a task.</summary>
    public const int Tags = 32;

    /// <summary>Characters of one tag.</summary>
    public const int TagLength = 128;

    /// <summary>Characters of a concurrency or rate key.</summary>
    public const int KeyLength = 128;

    /// <summary>The key of all tasks together; no task may name it.</summary>
    public const string TownKey = "town";

    /// <summary>Seconds from acceptance to a task's end that may be demanded: 30 days.</summary>
    public const int TotalTimeoutSecs = 30 * 24 * 60 * 60;

    /// <summary>Result bytes kept in the task itself; the rest is a blob.</summary>
    public const int InlineResultBytes = 64 * 1024;

    /// <summary>Bytes of one blob, and of one output upload: 1 MiB.</summary>
    public const int BlobBytes = 1024 * 1024;

    /// <summary>Output kept of one attempt: 16 MiB; what comes after is counted and dropped.</summary>
    public const long OutputBytes = 16L * 1024 * 1024;

    /// <summary>Attempts that may end without an answer before the task is dead (K in docs/invariants.md).</summary>
    public const int Crashes = 3;

    /// <summary>Attempts that workers may give back because they end or their agent is killed. One more and the task is dead: it takes
    /// longer than its workers live, and would start for ever.</summary>
    public const int Releases = 20;
}

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>What a caller may do, as words; each is also the name of the policy that demands it.</summary>
public static class Scopes
{
    /// <summary>Read everything of the town.</summary>
    public const string TownRead = "town.read";

    /// <summary>Hand over, change and withdraw work.</summary>
    public const string TownWrite = "town.write";

    /// <summary>Make, change and end agents, and set what may run at once.</summary>
    public const string AgentManage = "agent.manage";

    /// <summary>Everything except being a worker, and keys themselves.</summary>
    public const string Admin = "admin";

    /// <summary>Register as a worker. No other scope implies it.</summary>
    public const string Worker = "worker";

    /// <summary>All of them, in the order in which they are told.</summary>
    public static IReadOnlyList<string> All { get; } = [TownRead, TownWrite, AgentManage, Admin, Worker];

    /// <summary>The set of one word; nothing for a word that is no scope.</summary>
    public static ScopeSet Of(string word) => word switch
    {
        TownRead => ScopeSet.TownRead,
        TownWrite => ScopeSet.TownWrite,
        AgentManage => ScopeSet.AgentManage,
        Admin => ScopeSet.Admin,
        Worker => ScopeSet.Worker,
        _ => ScopeSet.None,
    };

    /// <summary>The set of several words; those that are no scope count for nothing.</summary>
    public static ScopeSet Of(IEnumerable<string> words) => words.Aggregate(ScopeSet.None, static (set, word) => set | Of(word));

    /// <summary>The words of a set, as it was given: without what admin implies.</summary>
    public static string[] Words(this ScopeSet set) => [.. All.Where(word => (set & Of(word)) != 0)];

    /// <summary>Whether a set allows what <paramref name="demanded"/> stands for.</summary>
    public static bool Allows(this ScopeSet set, ScopeSet demanded) =>
        (set & demanded) == demanded || ((set & ScopeSet.Admin) != 0 && (demanded & ScopeSet.Worker) == 0);
}

/// <summary>Scopes as bits, so that a check is one operation.</summary>
[Flags]
public enum ScopeSet
{
    None = 0,
    TownRead = 1,
    TownWrite = 2,
    AgentManage = 4,
    Admin = 8,
    Worker = 16,
}

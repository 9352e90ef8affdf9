namespace Townhall.Contracts.Ids;

/// <summary>Names one piece of work. UUIDv7: ids sort by the moment of acceptance.</summary>
public readonly record struct TaskId(Guid Value)
{
    public static TaskId New() => new(TimeOrdered.Next());

    public override string ToString() => Value.ToString("D");
}

/// <summary>Names one durable agent. Never used again, also after the agent was pruned.</summary>
public readonly record struct AgentId(Guid Value)
{
    /// <summary>Random (version 4): people name agents by the first four digits, which must differ.</summary>
    public static AgentId New() => new(Guid.NewGuid());

    /// <summary>The mailbox of whoever leads the town, called <c>supervisor</c> or <c>conductor</c>. It is no agent and runs nothing.</summary>
    public static readonly AgentId Supervisor = new(new Guid("00000000-0000-0000-0000-000000000001"));

    public override string ToString() => Value.ToString("D");
}

/// <summary>Names one start of one worker process (its incarnation); the next start has another.</summary>
public readonly record struct WorkerId(Guid Value)
{
    public static WorkerId New() => new(TimeOrdered.Next());

    public override string ToString() => Value.ToString("D");
}

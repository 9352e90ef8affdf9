namespace Townhall.Contracts.Ledger;

/// <summary>What a ledger entry can say. CamelCase on the wire; filters accept snake_case as well.</summary>
public static class Actions
{
    public const string AgentSpawned = "AgentSpawned";
    public const string AgentChanged = "AgentChanged";
    public const string AgentPaused = "AgentPaused";
    public const string AgentResumed = "AgentResumed";
    public const string AgentKilled = "AgentKilled";
    public const string AgentRestarted = "AgentRestarted";
    public const string AgentClosed = "AgentClosed";
    public const string AgentStopped = "AgentStopped";
    public const string AgentRecovered = "AgentRecovered";
    public const string AgentPruned = "AgentPruned";
    public const string TaskAdded = "TaskAdded";
    public const string TaskAssigned = "TaskAssigned";
    public const string TaskStarted = "TaskStarted";
    public const string TaskCompleted = "TaskCompleted";
    public const string TaskFailed = "TaskFailed";
    public const string TaskRetried = "TaskRetried";
    public const string TaskReleased = "TaskReleased";
    public const string TaskCancelRequested = "TaskCancelRequested";
    public const string TaskCancelled = "TaskCancelled";
    public const string TaskReclaimed = "TaskReclaimed";
    public const string TaskReassigned = "TaskReassigned";
    public const string BulkStarted = "BulkStarted";
    public const string BulkFinished = "BulkFinished";
    public const string TaskSteered = "TaskSteered";
    public const string SteeringDelivered = "SteeringDelivered";
    public const string MessageSent = "MessageSent";
    public const string MessageDelivered = "MessageDelivered";
    public const string MessageActedOn = "MessageActedOn";
    public const string MessageMoved = "MessageMoved";
    public const string MessageRemoved = "MessageRemoved";
    public const string TaskDead = "TaskDead";
    public const string LeaseExpired = "LeaseExpired";
    public const string ResultRefused = "ResultRefused";
    public const string WorkerRegistered = "WorkerRegistered";
    public const string WorkerDrained = "WorkerDrained";
    public const string WorkerLost = "WorkerLost";
    public const string LimitChanged = "LimitChanged";
    public const string TenantChanged = "TenantChanged";
    public const string TownChanged = "TownChanged";
    public const string KeyCreated = "KeyCreated";
    public const string KeyRotated = "KeyRotated";
    public const string KeyRevoked = "KeyRevoked";
    public const string AuthenticationRefused = "AuthenticationRefused";
    public const string AccessDenied = "AccessDenied";
    public const string LedgerRestoreAccepted = "LedgerRestoreAccepted";
}

/// <summary>How an entry ended, as <c>outcome</c>.</summary>
public static class Outcomes
{
    public const string Success = "success";
    public const string Failure = "failure";
    public const string Denied = "denied";
}

using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Health;

/// <summary>Something that may keep a service from its work although its database answers. Readiness then answers with its refusal.</summary>
public interface IStanding
{
    /// <summary>Why it does not work now; null while it does.</summary>
    Refusal? Refusal { get; }
}

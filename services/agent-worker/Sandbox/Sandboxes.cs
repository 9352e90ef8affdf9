using Townhall.Contracts.Agents;

namespace Townhall.Worker.Sandbox;

/// <summary>Decides what an agent's commands run in: what its trust level demands, never less.</summary>
/// <param name="Bubblewrap">The sandbox, or null where it does not work.</param>
/// <param name="Bare">No sandbox, or null where commands would then run as root.</param>
/// <param name="WhyNone">Why there is no sandbox, for people.</param>
internal sealed record Sandboxes(BubblewrapSandbox? Bubblewrap, BareSandbox? Bare, string? WhyNone)
{
    /// <summary>What this worker says about itself at registration.</summary>
    public string Name => Bubblewrap?.Name ?? Runtimes.Results.NoSandbox;

    /// <returns>Null when the level demands a sandbox and there is none, or when there is no safe way to run at all.</returns>
    public ISandbox? For(string trustLevel) =>
        Bubblewrap ?? (ISandbox?)(TrustLevels.RequiresSandbox(trustLevel) ? null : Bare);
}

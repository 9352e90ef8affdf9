using System.Collections.Concurrent;
using Townhall.Api.Text;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api.Agents;

/// <summary>Which agent a caller means.</summary>
internal abstract record AgentReference
{
    public sealed record One(AgentId Id, string Name) : AgentReference;

    public sealed record Nobody : AgentReference;

    /// <summary>The town's mailbox, which is no agent.</summary>
    public sealed record Supervisor : AgentReference;

    public sealed record Several : AgentReference;
}

/// <summary>Resolves references, remembering exact names and ids so that the hot path asks the database nothing.</summary>
/// <remarks>
/// A remembered answer can only be outdated by the agent being gone, because names are unique and an id is never given
/// twice; accepting a task checks the agent again in its own transaction, and <see cref="Forget"/> is called when that fails.
/// </remarks>
internal sealed class AgentDirectory(AgentStore agents)
{
    private const int Most = 20_000;
    private readonly ConcurrentDictionary<string, AgentReference.One> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a reference means the town's mailbox, whatever else it could mean.</summary>
    public static bool IsSupervisor(string reference) =>
        reference.Equals("supervisor", StringComparison.OrdinalIgnoreCase) || reference.Equals("conductor", StringComparison.OrdinalIgnoreCase)
        || (Guid.TryParse(TaggedIds.Bare(reference, TaggedIds.Agent), out var id) && id == AgentId.Supervisor.Value);

    public ValueTask<AgentReference> ResolveAsync(string reference, CancellationToken cancellationToken)
    {
        var bare = TaggedIds.Bare(reference, TaggedIds.Agent);
        return _known.TryGetValue(bare, out var known) ? new(known)
            : IsSupervisor(bare) ? new(new AgentReference.Supervisor())
            : new(AskAsync(bare, cancellationToken));
    }

    /// <summary>The one agent that is meant, or why there is not exactly one. The supervisor is none.</summary>
    public async ValueTask<(AgentId Id, Refusal? Refusal)> OneAsync(string reference, CancellationToken cancellationToken)
    {
        var (id, refusal) = await MailboxAsync(reference, cancellationToken);
        return refusal is null && id == AgentId.Supervisor ? (default, Problems.IsSupervisor()) : (id, refusal);
    }

    /// <summary>The same for a member <c>agent</c> of a body, which may have been left out.</summary>
    public async ValueTask<(AgentId Id, Refusal? Refusal)> WorkingAsync(string? reference, CancellationToken cancellationToken) =>
        PlainText.Fault("agent", reference, 256, lines: false) is { } fault
            ? (default, Problems.Invalid(fault))
            : await OneAsync(reference!, cancellationToken);

    /// <summary>The one agent, or the supervisor, that is meant.</summary>
    public async ValueTask<(AgentId Id, Refusal? Refusal)> MailboxAsync(string reference, CancellationToken cancellationToken)
    {
        if (PlainText.Fault("agent", reference, 256, lines: false) is { } fault)
        {
            return (default, Problems.BadQuery(fault));
        }

        return await ResolveAsync(reference, cancellationToken) switch
        {
            AgentReference.One one => (one.Id, null),
            AgentReference.Supervisor => (AgentId.Supervisor, null),
            AgentReference.Several => (default, Problems.AgentAmbiguous(reference)),
            _ => (default, Problems.AgentNotFound(reference)),
        };
    }

    public void Forget(string reference) => _known.TryRemove(TaggedIds.Bare(reference, TaggedIds.Agent), out _);

    private async Task<AgentReference> AskAsync(string reference, CancellationToken cancellationToken)
    {
        var found = await agents.ResolveAsync(reference, cancellationToken);
        switch (found)
        {
            case []:
                return new AgentReference.Nobody();
            case [var (id, name)]:
                var one = new AgentReference.One(id, name);
                // Nicknames and short ids may become ambiguous by the next spawn; names and ids cannot.
                if (Guid.TryParse(reference, out _) || name.Equals(reference, StringComparison.OrdinalIgnoreCase))
                {
                    if (_known.Count >= Most)
                    {
                        _known.Clear();
                    }

                    _known[reference] = one;
                }

                return one;
            default:
                return new AgentReference.Several();
        }
    }
}

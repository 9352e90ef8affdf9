using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    private const int PageSize = 1000;

    /// <param name="limit">1 to 1000.</param>
    public Task<AgentPage> AgentPageAsync(int limit, string? cursor, CancellationToken cancellationToken) => CallAsync(
        Call.Get($"v1/agents{new Query().Add("limit", limit).Add("cursor", cursor)}"), AnswerJson.Default.AgentPage, cancellationToken);

    /// <summary>All agents, page by page.</summary>
    public IAsyncEnumerable<TownAgent> AgentsAsync(CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await AgentPageAsync(PageSize, cursor, stop);
            return (page.Agents, page.NextCursor);
        },
        cancellationToken);

    /// <param name="agent">Id, name, nickname, label or short id, as wherever an agent is named.</param>
    public Task<TownAgent> AgentAsync(string agent, CancellationToken cancellationToken) =>
        CallAsync(Call.Get(AgentPath(agent)), AnswerJson.Default.TownAgent, cancellationToken);

    public Task<SpawnedAgent> SpawnAsync(NewAgent agent, CancellationToken cancellationToken) => CallAsync(
        Call.Post("v1/agents", Repeat.Keyed, agent, RequestJson.Default.NewAgent), AnswerJson.Default.SpawnedAgent, cancellationToken);

    public Task<TownAgent> ChangeAgentAsync(string agent, AgentChange change, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(change);
        return CallAsync(Call.Patch(AgentPath(agent), Merge(change)), AnswerJson.Default.TownAgent, cancellationToken);
    }

    /// <summary>Starts nothing more.</summary>
    /// <param name="freeze">True: what runs stands still, too; false: it goes on; null: as it is.</param>
    public Task<ControlledAgent> PauseAsync(string agent, bool? freeze, CancellationToken cancellationToken) => CallAsync(
        freeze is null
            ? Call.Post(AgentPath(agent, "/pause"), Repeat.Harmless)
            : Call.Post(AgentPath(agent, "/pause"), Repeat.Harmless, new PauseRequest(freeze), RequestJson.Default.PauseRequest),
        AnswerJson.Default.ControlledAgent, cancellationToken);

    public Task<ControlledAgent> InterruptAsync(string agent, CancellationToken cancellationToken) =>
        MoveAsync(agent, "/interrupt", Repeat.Harmless, cancellationToken);

    public Task<ControlledAgent> ResumeAsync(string agent, CancellationToken cancellationToken) =>
        MoveAsync(agent, "/resume", Repeat.Harmless, cancellationToken);

    public Task<ControlledAgent> CloseAsync(string agent, CancellationToken cancellationToken) =>
        MoveAsync(agent, "/close", Repeat.Harmless, cancellationToken);

    public Task<ControlledAgent> KillAsync(string agent, CancellationToken cancellationToken) =>
        MoveAsync(agent, "/kill", Repeat.Harmless, cancellationToken);

    // An active agent cannot be restarted, so the second of two would be refused although the first went well.
    public Task<ControlledAgent> RestartAsync(string agent, CancellationToken cancellationToken) =>
        MoveAsync(agent, "/restart", Repeat.Doubles, cancellationToken);

    private Task<ControlledAgent> MoveAsync(string agent, string move, Repeat repeat, CancellationToken cancellationToken) =>
        CallAsync(Call.Post(AgentPath(agent, move), repeat), AnswerJson.Default.ControlledAgent, cancellationToken);

    private static string AgentPath(string agent, string move = "") => $"v1/agents/{Segment(agent)}{move}";

    /// <summary>All items of a paged list.</summary>
    private static async IAsyncEnumerable<T> AllAsync<T>(
        Func<string?, CancellationToken, Task<(T[] Items, string? Next)>> page, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? cursor = null;
        do
        {
            var (items, next) = await page(cursor, cancellationToken);
            foreach (var item in items)
            {
                yield return item;
            }

            // An empty page may have others behind it, but one that leads to itself would keep us here for ever.
            cursor = next == cursor ? null : next;
        }
        while (cursor is not null);
    }

    /// <summary>A merge patch (RFC 7396): null takes away, what is not said is not in it.</summary>
    private static byte[] Merge(AgentChange change)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            Whole("max_concurrency", change.MaxConcurrency);
            Whole("max_attempts", change.MaxAttempts);
            Whole("weight", change.Weight);
            switch (change.TimeoutSecs)
            {
                case null:
                    break;
                case 0:
                    json.WriteNull("timeout_secs");
                    break;
                case { } secs:
                    json.WriteNumber("timeout_secs", secs);
                    break;
            }

            if (change.Tenant is not null)
            {
                json.WriteString("tenant", change.Tenant);
            }

            Name("nickname", change.Nickname);
            Name("role_id", change.RoleId);
            json.WriteEndObject();

            void Whole(string name, int? value)
            {
                if (value is { } number)
                {
                    json.WriteNumber(name, number);
                }
            }

            void Name(string name, string? value)
            {
                switch (value)
                {
                    case null:
                        break;
                    case "":
                        json.WriteNull(name);
                        break;
                    default:
                        json.WriteString(name, value);
                        break;
                }
            }
        }

        return body.WrittenSpan.ToArray();
    }
}

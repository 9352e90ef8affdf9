using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Townhall.Api.Agents;
using Townhall.Api.Idempotency;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Redis;

namespace Townhall.Api.Tasks;

/// <summary><c>POST /v1/tasks/assign-batch</c>: 1 to 500 assignments, each judged alone.</summary>
internal sealed record NewBatch([Length(1, NewBatch.TasksMost)] NewAssignment?[]? Tasks)
{
    public const int TasksMost = 500;

    /// <summary>500 scripts of 16 KiB; a task alone may have 256 KiB.</summary>
    public const int BytesMost = 8 * 1024 * 1024;

    public Refusal? Fault() =>
        Tasks is null or { Length: 0 or > TasksMost } ? Problems.Invalid($"tasks must hold 1 to {TasksMost} assignments.") : null;
}

/// <summary>What became of one assignment of a batch: a task, or an error.</summary>
internal sealed record BatchRow(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? TaskId = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Guid? AgentId = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? AgentName = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] BatchError? Error = null)
{
    public static BatchRow Of(Refusal refusal) => new(Error: new(refusal.Code, refusal.Detail));
}

/// <summary>A refusal's code and detail, as the single call would have answered.</summary>
internal sealed record BatchError(string Code, string Detail);

/// <summary>The rows in the order of the assignments.</summary>
internal sealed record BatchView(BatchRow[] Tasks, int Accepted, int Refused);

/// <summary>Accepts many tasks with one commit, asking for each agent once.</summary>
internal sealed class BatchAssignment(AgentDirectory agents, TaskStore tasks, KeyStore keys, Doorbell doorbell)
{
    /// <summary>Judges every row alone; those that pass are committed together, in one transaction with the key if there is one.</summary>
    /// <returns>What to answer; <see cref="KeyOutcome.Reused"/> when nothing was done.</returns>
    /// <exception cref="NpgsqlException">The database failed; whether the tasks were accepted is not known.</exception>
    public async Task<KeyOutcome> AssignAsync(
        NewAssignment?[] assignments, IdempotencyKey key, Caller caller, CancellationToken cancellationToken)
    {
        var draft = await DraftAsync(assignments, caller, cancellationToken);
        var outcome = await keys.OnceAsync(
            caller.Name, key, TaskId.New().Value, StatusCodes.Status200OK,
            async (connection, stop) => JsonSerializer.Serialize(
                draft.Judge(await tasks.AcceptAsync(connection, [.. draft.Offered], stop), agents), TownhallJson.Default.BatchView),
            cancellationToken);
        if (outcome is KeyOutcome.Answered { Replayed: false })
        {
            draft.Ring(doorbell);
        }

        return outcome;
    }

    /// <inheritdoc cref="AssignAsync(NewAssignment?[], IdempotencyKey, Caller, CancellationToken)"/>
    public async Task<BatchView> AssignAsync(NewAssignment?[] assignments, Caller caller, CancellationToken cancellationToken)
    {
        var draft = await DraftAsync(assignments, caller, cancellationToken);
        var view = draft.Judge(await tasks.AcceptAsync([.. draft.Offered], cancellationToken), agents);
        draft.Ring(doorbell);
        return view;
    }

    /// <summary>Refuses what can be refused without the database's judgement, and makes tasks of the rest.</summary>
    private async Task<Draft> DraftAsync(NewAssignment?[] assignments, Caller caller, CancellationToken cancellationToken)
    {
        var draft = new Draft(assignments.Length);
        var known = new Dictionary<string, AgentReference>(StringComparer.Ordinal);
        for (var i = 0; i < assignments.Length; i++)
        {
            if (assignments[i] is not { } assignment)
            {
                draft.Rows[i] = BatchRow.Of(Problems.Invalid("An assignment must not be null."));
                continue;
            }

            if (assignment.Fault() is { } fault)
            {
                draft.Rows[i] = BatchRow.Of(fault);
                continue;
            }

            var reference = assignment.Agent!;
            if (!known.TryGetValue(reference, out var found))
            {
                known[reference] = found = (await agents.ResolveAsync(reference, cancellationToken)).For(caller);
            }

            if (found is AgentReference.One one)
            {
                draft.Offer(i, assignment.ToTask(TaskId.New(), one.Id, caller.Name), reference);
            }
            else
            {
                draft.Rows[i] = BatchRow.Of(TaskRefusals.Unknown(found, reference));
            }
        }

        return draft;
    }

    /// <summary>The rows of one call on their way to an answer.</summary>
    private sealed class Draft(int size)
    {
        private readonly List<(int Row, string Reference)> _places = new(size);
        private readonly HashSet<AgentId> _rung = [];

        public BatchRow[] Rows { get; } = new BatchRow[size];

        public List<AcceptedTask> Offered { get; } = new(size);

        public void Offer(int row, AcceptedTask task, string reference)
        {
            _places.Add((row, reference));
            Offered.Add(task);
        }

        public BatchView Judge(Judgement[] judged, AgentDirectory agents)
        {
            var accepted = 0;
            for (var i = 0; i < judged.Length; i++)
            {
                var (row, reference) = _places[i];
                if (judged[i].Outcome == AcceptOutcome.Accepted)
                {
                    accepted++;
                    _rung.Add(Offered[i].Agent);
                    Rows[row] = new(Offered[i].Id.Value, Offered[i].Agent.Value, reference);
                    continue;
                }

                if (judged[i].Outcome == AcceptOutcome.AgentNotFound)
                {
                    agents.Forget(reference);
                }

                Rows[row] = BatchRow.Of(TaskRefusals.Of(judged[i].Outcome, reference));
            }

            return new(Rows, accepted, Rows.Length - accepted);
        }

        public void Ring(Doorbell doorbell)
        {
            foreach (var agent in _rung)
            {
                doorbell.Ring(Doorbell.Work, agent.ToString());
            }
        }
    }
}

using Npgsql;
using Townhall.Contracts.Ids;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Settling;
using Townhall.Dispatcher.Workers;
using Townhall.Scaler.Demand;
using Townhall.Simulation.Loop;

namespace Townhall.Simulation.Store;

/// <summary>One process' way to the tables, in the shape of the product's stores.</summary>
internal sealed class Connection(Server server, SimulatedProcess client, Mutation mutation) : IClaimStore, ISettleStore, IReaperStore, IDemandStore
{
    private Tables Tables => server.Tables;

    public Task<Claim> ClaimAsync(
        WorkerId worker, Guid request, string[] runtimes, Turn[] turns, int limit, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "claim", () => Tables.Claim(worker.Value, request, runtimes, turns, limit), cancellationToken, worker.Value);

    /// <summary>The last look for leases that an earlier call was given.</summary>
    public Task? LastRepeat { get; private set; }

    public Task<Lease[]> RepeatAsync(WorkerId worker, Guid request, CancellationToken cancellationToken)
    {
        var repeat = server.ExecuteAsync(client, "repeat", () => Tables.Repeat(worker.Value, request), cancellationToken);
        LastRepeat = repeat;
        return repeat;
    }

    public Task<RenewVerdict[]> RenewAsync(Guid worker, LeaseRef[] leases, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "renew", () => Tables.Renew(worker, leases), cancellationToken);

    public Task<Directive[]> CancelsAsync(Guid worker, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "cancels", () => Tables.Cancels(worker), cancellationToken);

    public Task<Settled[]> SettleAsync(IReadOnlyList<Ending> endings, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "settle", () => Tables.Settle(endings), cancellationToken);

    public Task<bool> BeginAsync(long epoch, bool broken, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "reaper begins", () => Tables.Begin(epoch, broken), cancellationToken);

    public Task<IReadOnlyList<Guid>> ExpireAsync(CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "expire", Tables.Expire, cancellationToken);

    public Task<int> LoseSilentWorkersAsync(CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "lose silent workers", Tables.LoseSilent, cancellationToken);

    /// <summary>Keys and their permits are not modelled: nothing is ever parked.</summary>
    public Task<IReadOnlyList<Guid>> AdmitAsync(string[]? keys, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Guid>>([]);

    /// <summary>Whose attempts were withdrawn is kept back: every ring about them is lost, and their workers hear it with a renewal.</summary>
    public async Task<IReadOnlyList<Guid>> ExpireDeadlinesAsync(CancellationToken cancellationToken)
    {
        await server.ExecuteAsync(client, "expire deadlines", Tables.ExpireDeadlines, cancellationToken);
        return [];
    }

    public Task<IReadOnlyList<Guid>> SweepAsync(CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "sweep", Tables.Sweep, cancellationToken);

    public Task<int> EnsurePartitionsAsync(CancellationToken cancellationToken) => Task.FromResult(0);

    public Task<long> LeadAsync(Guid holder, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "lead", () => Tables.Lead(holder), cancellationToken);

    public Task<bool> RegisterAsync(RegisterRequest worker, string token, CancellationToken cancellationToken) =>
        server.ExecuteAsync(
            client, "register", () => Tables.Register(worker.Incarnation, worker.Pid, worker.Runtimes, worker.Slots, token), cancellationToken,
            worker.Incarnation);

    /// <summary>A worker that lives or was declared lost and whose token this is; null when there is none.</summary>
    public Task<(KnownWorker Worker, bool Lives)?> FindAsync(Guid id, string token, CancellationToken cancellationToken) =>
        server.ExecuteAsync<(KnownWorker, bool)?>(
            client, "find worker",
            () => Tables.Workers.TryGetValue(id, out var row) && row.State != "drained" && row.Token == token
                ? (new KnownWorker(new WorkerId(id), row.Runtimes, row.Slots), row.IsLive) : null,
            cancellationToken);

    public Task<bool> TouchAsync(Guid id, CancellationToken cancellationToken) => server.ExecuteAsync(
        client, "touch worker", () =>
        {
            Tables.Touch(id);
            return true;
        }, cancellationToken, id);

    public Task<bool> EndedAsync(Guid id, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "worker ended", () => Tables.Ended(id), cancellationToken, id);

    public Task<T> AskAsync<T>(string what, Func<Tables, T> question, CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, what, () => question(Tables), cancellationToken);

    public Task<AgentCounts> CountAgentsAsync(CancellationToken cancellationToken) =>
        server.ExecuteAsync(client, "agents", () => Tables.AgentCounts(), cancellationToken);

    public async Task<TownDemand> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await server.ExecuteAsync(client, "demand", () => Tables.Demand(), cancellationToken);
        }
        catch (NpgsqlException) when (mutation == Mutation.UnknownIsZero)
        {
            return new(default, 0, 0, 0, 0, null, 0, 0, 0);
        }
    }

    /// <summary>
    /// The transaction of <c>WorkerStore.DrainAsync</c>: lock, look, move. The decision is the product's own. Between the three
    /// statements anything may happen that does not need the worker's row.
    /// </summary>
    public async Task<DrainReply> DrainAsync(KnownWorker worker, bool stopping, CancellationToken cancellationToken)
    {
        server.Ask();
        var transaction = new object();
        var id = worker.Id.Value;
        void BreakOff() => Unlock(id, transaction);
        client.Gone += BreakOff;
        try
        {
            var early = mutation == Mutation.DrainWithoutRecheck ? await LookAsync(worker, transaction, cancellationToken) : default;
            var state = await server.ExecuteAsync(client, "drain locks", () => Lock(id, transaction), cancellationToken, id, transaction);
            if (state is null or "drained" or "lost")
            {
                return new(Drained: true, [], WorkWaiting: false);
            }

            var (held, waiting) = mutation == Mutation.DrainWithoutRecheck ? early : await LookAsync(worker, transaction, cancellationToken);
            var next = WorkerStore.AfterAsking(state, held.Length > 0, waiting, stopping);
            await server.ExecuteAsync(client, "drain commits", () => Commit(id, transaction, state, next), cancellationToken, id, transaction);
            return new(next == "drained", held, WorkWaiting: waiting && next != "drained");
        }
        finally
        {
            client.Gone -= BreakOff;
            Unlock(id, transaction);
        }
    }

    private Task<(LeaseRef[] Held, bool Waiting)> LookAsync(KnownWorker worker, object transaction, CancellationToken cancellationToken) =>
        server.ExecuteAsync(
            client, "drain looks", () => (Tables.Held(worker.Id.Value), Tables.Ready(worker.Runtimes).Any()), cancellationToken, null, transaction);

    private string? Lock(Guid id, object transaction)
    {
        if (!Tables.Workers.TryGetValue(id, out var row))
        {
            return null;
        }

        // The client may be gone by now; then nobody would ever unlock it.
        if (client.IsAlive)
        {
            Tables.Lock(row, transaction);
        }

        return row.State;
    }

    private bool Commit(Guid id, object transaction, string state, string next)
    {
        var row = Tables.Workers[id];
        if (row.LockedBy == transaction)
        {
            if (next != state)
            {
                Tables.MoveWorker(row, next);
                if (next == "drained")
                {
                    server.Agree();
                }
            }

            Tables.Unlock(row, transaction);
            return true;
        }

        // Rolled back meanwhile: the server was away.
        throw new NpgsqlException("The transaction is gone.");
    }

    private void Unlock(Guid id, object transaction)
    {
        if (Tables.Workers.TryGetValue(id, out var row))
        {
            Tables.Unlock(row, transaction);
        }
    }
}

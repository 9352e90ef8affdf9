using Npgsql;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Postgres that has no room, no connection, no lock or no leave to write.</summary>
internal static class PostgresLimits
{
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(4);

    /// <summary>Its tables stand on a disk that is filled, a file system of its own, so that the server itself lives on (even
    /// seeds); or everything does, so that it cannot write its log, crashes and cannot come up (odd seeds).</summary>
    public static Task DiskFull(FaultRun run, CancellationToken deadline) =>
        run.Seed % 2 == 0 ? TablesFullAsync(run, deadline) : EverythingFullAsync(run, deadline);

    private static async Task EverythingFullAsync(FaultRun run, CancellationToken deadline)
    {
        await using var disk = await SmallDisk.MountAsync(400, deadline, "postgres");
        var data = Path.Combine(disk.Folder, "data");
        Directory.CreateDirectory(data);
        await using var postgres = await PostgresServer.StartOwnAsync(deadline, data);
        await PostgresFaults.UnderLoadAsync(run, deadline, async town =>
        {
            using (run.History.FaultWindow(Aftermath))
            {
                disk.Fill();
                // Its log fills what is left of its current file first.
                var agent = await town.TryScalarAsync<string>("SELECT name FROM agent LIMIT 1", deadline);
                var big = new string('x', 200_000);
                await Eventually.Is(
                    async () => postgres.HasExited || (await town.Client.AssignAsync(agent!, "sleep 0.01 " + big, deadline)).Status == 503 && !await WritesAsync(postgres, deadline),
                    static stopped => stopped, deadline, "Postgres to be unable to write its log");
                run.Happened(true, $"the whole disk of Postgres was full: it {(postgres.HasExited ? "ended" : "lived and could not write")}, assignments were 503");
                await Scenario.LastAsync(2, deadline);
                disk.Free();
                if (postgres.HasExited)
                {
                    await postgres.StartAgainAsync(deadline);
                }

                await Eventually.Is(() => WritesAsync(postgres, deadline), static writes => writes, deadline, "Postgres to write again");
            }
        }, new(Workers: 2), postgres);
        await postgres.StopAsync(deadline);
    }

    private static async Task<bool> WritesAsync(PostgresInstance postgres, CancellationToken deadline)
    {
        try
        {
            await using var admin = NpgsqlDataSource.Create(postgres.ConnectionString("postgres") + ";Pooling=false;Timeout=2;Command Timeout=2");
            await ExecuteAsync(admin, "CREATE TABLE IF NOT EXISTS written (what text)", deadline);
            await ExecuteAsync(admin, "INSERT INTO written VALUES ('x')", deadline);
            return true;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return false;
        }
    }

    private static async Task TablesFullAsync(FaultRun run, CancellationToken deadline)
    {
        await using var disk = await SmallDisk.MountAsync(64, deadline, "postgres");
        await using var postgres = await PostgresServer.StartOwnAsync(deadline);
        await using var admin = NpgsqlDataSource.Create(postgres.ConnectionString("postgres"));
        await ExecuteAsync(admin, $"CREATE TABLESPACE small LOCATION '{disk.Folder}'", deadline);
        await PostgresFaults.UnderLoadAsync(run, deadline, async town =>
        {
            using (run.History.FaultWindow(Aftermath))
            {
                disk.Fill();
                var big = new string('x', 200_000);
                var agent = await town.TryScalarAsync<string>("SELECT name FROM agent LIMIT 1", deadline);
                var refused = await Eventually.Is(
                    () => town.Client.AssignAsync(agent!, "sleep 0.01 " + big, deadline), static call => call.Status == 503, deadline, "a refusal");
                using var read = await town.Client.Http.GetAsync(new Uri("/v1/agents", UriKind.Relative), deadline);
                run.Require(read.IsSuccessStatusCode, $"reading agents was answered {read.StatusCode}");
                run.Happened(refused.Status == 503, "the disk of the tables is full: assignments are 503, reads are answered");
                await Scenario.LastAsync(1, deadline);
                disk.Free();
            }
        }, new(Workers: 2, Tablespace: "small"), postgres);
    }

    public static Task ConnectionsTaken(FaultRun run, CancellationToken deadline) => PostgresFaults.UnderLoadAsync(run, deadline, async town =>
    {
        var taken = new List<NpgsqlConnection>();
        try
        {
            using (run.History.FaultWindow(Aftermath))
            {
                // The owner may use the reserved ones too; what the services hold already stays theirs.
                while (true)
                {
                    var one = new NpgsqlConnection(town.Postgres.ConnectionString("postgres") + ";Pooling=false");
                    taken.Add(one);
                    await one.OpenAsync(deadline);
                }
            }
        }
        catch (PostgresException full) when (full.SqlState == "53300")
        {
            run.Happened(taken.Count > 100, $"{taken.Count - 1} connections were taken, the next was refused");
            using (run.History.FaultWindow(Aftermath))
            {
                await Scenario.LastAsync(3, deadline);
                foreach (var one in taken)
                {
                    await one.DisposeAsync();
                }
            }
        }
    });

    /// <summary>A transaction of somebody else holds the oldest snapshot for ten minutes.</summary>
    public static Task LongSnapshot(FaultRun run, CancellationToken deadline) => PostgresFaults.UnderLoadAsync(run, deadline, async town =>
    {
        const int Secs = 600;
        await Scenario.LastAsync(10, deadline);
        var before = await LatenessAsync(town, 10, deadline);
        await using var holder = await town.Database.Owner.OpenConnectionAsync(deadline);
        await using var transaction = await holder.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, deadline);
        await using (var look = new NpgsqlCommand("SELECT count(*) FROM task", holder))
        {
            await look.ExecuteScalarAsync(deadline);
        }

        await Scenario.LastAsync(Secs, deadline);
        var held = await town.TryScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND state = 'idle in transaction'", deadline);
        run.Happened(held > 0, $"a snapshot was held for {Secs} s");
        var after = await LatenessAsync(town, 10, deadline);
        run.See($"p99 of the wait for a worker {before * 1000:0} ms before, {after * 1000:0} ms at the end");
        run.Require(after < Math.Max(3 * before, 0.25), "starts came more than three times as late");
    });

    /// <summary>Somebody else holds the rows that everybody wants.</summary>
    public static Task LocksHeld(FaultRun run, CancellationToken deadline) => PostgresFaults.UnderLoadAsync(run, deadline, async town =>
    {
        var sql = (run.Seed % 3) switch
        {
            0 => "SELECT * FROM ledger_head FOR UPDATE",
            1 => "SELECT * FROM task FOR UPDATE",
            _ => "SELECT * FROM agent FOR UPDATE",
        };
        using (run.History.FaultWindow(Aftermath))
        {
            await using var holder = await town.Database.Owner.OpenConnectionAsync(deadline);
            await using var transaction = await holder.BeginTransactionAsync(deadline);
            await using (var take = new NpgsqlCommand(sql, holder))
            {
                await take.ExecuteNonQueryAsync(deadline);
            }

            var most = 0L;
            var from = run.History.Now;
            while (run.History.Now - from < 5)
            {
                most = Math.Max(most, await town.TryScalarAsync<long>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename <> 'town_admin'", deadline));
                await Scenario.LastAsync(0.2, deadline);
            }

            run.Happened(true, $"held for 5 s: {sql}");
            run.See($"at most {most} connections of the services");
            run.Require(most <= 40, $"{most} connections piled up");
        }
    });

    /// <summary>One statement in five over tasks fails, as if it had met a deadlock or another transaction's change.</summary>
    public static Task Conflicts(FaultRun run, CancellationToken deadline) => PostgresFaults.UnderLoadAsync(run, deadline, async town =>
    {
        using (run.History.FaultWindow(Aftermath))
        {
            await ExecuteAsync(town.Database.Owner, """
                CREATE SEQUENCE faulted;
                GRANT USAGE ON SEQUENCE faulted TO PUBLIC;
                CREATE FUNCTION fail_sometimes() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF random() < 0.2 THEN
                        PERFORM nextval('faulted');
                        RAISE EXCEPTION 'injected' USING ERRCODE = CASE WHEN random() < 0.5 THEN '40001' ELSE '40P01' END;
                    END IF;
                    RETURN NULL;
                END
                $$;
                CREATE TRIGGER fail_sometimes AFTER INSERT OR UPDATE OR DELETE ON task FOR EACH STATEMENT EXECUTE FUNCTION fail_sometimes();
                """, deadline);
            await Scenario.LastAsync(6, deadline);
            await ExecuteAsync(town.Database.Owner, "DROP TRIGGER fail_sometimes ON task", deadline);
        }

        var failed = await town.TryScalarAsync<long>("SELECT last_value FROM faulted", deadline);
        run.Happened(failed > 5, $"{failed} statements failed with 40001 or 40P01");
    });

    /// <summary>The server becomes read only, as after a failover that the pools did not notice.</summary>
    public static Task ReadOnly(FaultRun run, CancellationToken deadline) => PostgresFaults.UnderLoadAsync(run, deadline, async town =>
    {
        await using var admin = NpgsqlDataSource.Create(town.Postgres.ConnectionString("postgres") + ";Pooling=false");
        using (run.History.FaultWindow(Aftermath))
        {
            await ExecuteAsync(admin, "ALTER SYSTEM SET default_transaction_read_only = on", deadline);
            await ExecuteAsync(admin, "SELECT pg_reload_conf()", deadline);
            var agent = await town.TryScalarAsync<string>("SELECT name FROM agent LIMIT 1", deadline);
            await Eventually.Is(
                () => town.Client.AssignAsync(agent!, "sleep 0.01", deadline), static call => call.Status == 503, deadline, "a refusal");
            run.Happened(true, "the server was read only: assignments are 503");
            await Scenario.LastAsync(2, deadline);
            await ExecuteAsync(admin, "ALTER SYSTEM RESET default_transaction_read_only", deadline);
            await ExecuteAsync(admin, "SELECT pg_reload_conf()", deadline);
        }
    });

    /// <summary>Many tasks are due when the dispatcher comes up, and the server crashes in the middle.</summary>
    public static Task CrashInTheLook(FaultRun run, CancellationToken deadline) => Scenario.InTownAsync(run, new(Workers: 2, Slots: 256), deadline, async town =>
    {
        const int Tasks = 10_000;
        var agents = await town.AgentsAsync(8, deadline, fake: false, concurrency: 256);
        await town.Dispatchers[0].KillAsync(deadline);
        town.DispatcherToRedis.Partition();
        await using (var load = Load.Start(town, run, agents, clients: 64, TimeSpan.Zero, deadline))
        {
            await Eventually.Holds(() => run.History.Calls.Count >= Tasks, deadline, "all calls");
        }

        await town.Dispatchers[0].StartAsync(deadline);
        await Scenario.LastAsync(0.2 + (0.3 * run.Random.NextDouble()), deadline);
        var left = await town.TryScalarAsync<long>("SELECT count(*) FROM task", deadline);
        await town.Postgres.StopAsync(deadline);
        run.Happened(left > 0, $"Postgres crashed with {left} tasks to go, and no ring was heard");
        await town.Postgres.StartAgainAsync(deadline);
    }, stuckSecs: 60);

    internal static async Task ExecuteAsync(NpgsqlDataSource database, string sql, CancellationToken deadline)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(deadline);
    }

    private static async Task<double> LatenessAsync(TownUnderTest town, int secs, CancellationToken deadline) => await town.TryScalarAsync<double>($"""
        SELECT coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at)), 0)::float8
        FROM task_history WHERE created_at > now() - interval '{secs} s'
        """, deadline);
}

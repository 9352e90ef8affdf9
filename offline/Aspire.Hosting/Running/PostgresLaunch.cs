using System.Globalization;
using Aspire.Hosting.ApplicationModel;
using Npgsql;

namespace Aspire.Hosting.Running;

/// <summary>Runs a local Postgres: loopback only, passwords by SCRAM, checksums, every commit on disk.</summary>
internal sealed class PostgresLaunch(
    PostgresServerResource postgres, DataDirectory data, Spawner spawner, HostConsole console, TimeProvider clock)
    : ILaunch
{
    private PostgresHome? _home;

    public async Task<LaunchPlan> PrepareAsync(CancellationToken cancellationToken)
    {
        _home ??= await PostgresHome.FindAsync(data, postgres.Name, spawner, console, cancellationToken);
        var versionFile = Path.Combine(_home.Cluster, "PG_VERSION");
        var programs = LocalPrograms.RequirePostgres(
            File.Exists(versionFile) ? (await File.ReadAllTextAsync(versionFile, cancellationToken)).Trim() : null);
        if (!File.Exists(versionFile))
        {
            await InitialiseAsync(programs, cancellationToken);
        }

        // After a kill -9 of everything Postgres recovers by itself; it must only be alone.
        await OldServer.EndAsync(Path.Combine(_home.Cluster, "postmaster.pid"), "postgres", Native.SigInt, clock, cancellationToken);

        return new LaunchPlan(
            Path.Combine(programs, "postgres"),
            [
                "-D", _home.Cluster,
                "-p", postgres.PrimaryEndpoint.Port.ToString(CultureInfo.InvariantCulture),
                "-c", $"listen_addresses={EndpointReference.LoopbackHost}",
                "-c", "unix_socket_directories=",
                "-c", "password_encryption=scram-sha-256",
                "-c", "fsync=on",
                "-c", "jit=off",
                "-c", "max_connections=200",
                "-c", "shared_buffers=256MB",
                "-c", "max_wal_size=2GB",
                "-c", "logging_collector=off",
                "-c", "log_destination=stderr",
                "-c", "log_line_prefix=%m [%p] ",
                "-c", "log_checkpoints=off",
            ],
            _home.Cluster)
        {
            Environment = HostEnvironment.ForServer(),
            RunAs = _home.Owner,

            // SIGTERM would wait for every client to leave; SIGINT ends them and writes a checkpoint.
            StopSignal = Native.SigInt,
            DeathSignal = "INT",
        };
    }

    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = await ConnectAsync(cancellationToken);
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            await command.ExecuteScalarAsync(cancellationToken);
            return null;
        }
        catch (Exception error) when (error is NpgsqlException or TimeoutException)
        {
            return error.Message;
        }
    }

    public async Task OnHealthyAsync(CancellationToken cancellationToken)
    {
        await using var connection = await ConnectAsync(cancellationToken);
        foreach (var database in postgres.DatabaseNames.Values)
        {
            // Asking first keeps the log free of an error at every start; we are the only one who makes databases here.
            await using var find = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection);
            find.Parameters.Add(new NpgsqlParameter<string> { TypedValue = database });
            if (await find.ExecuteScalarAsync(cancellationToken) is null)
            {
                var name = database.Replace("\"", "\"\"", StringComparison.Ordinal);
                await using var create = new NpgsqlCommand($"CREATE DATABASE \"{name}\"", connection);
                await create.ExecuteNonQueryAsync(cancellationToken);
            }
        }
    }

    private async Task<NpgsqlConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(
            await postgres.ConnectionStringExpression.GetValueAsync(cancellationToken))
        {
            Database = "postgres",
            Pooling = false,
            Timeout = 2,
            CommandTimeout = 30,
        }.ConnectionString);
        await connection.OpenAsync(cancellationToken);
        return connection;
    }

    /// <summary>Makes the cluster beside its final place and moves it there, so that half of one is never taken for a whole.</summary>
    private async Task InitialiseAsync(string programs, CancellationToken cancellationToken)
    {
        console.Say("making a Postgres cluster (once)");
        var draft = $"{_home!.Cluster}.new";
        var passwordFile = Path.Combine(_home.Directory, "owner.password");
        if (Directory.Exists(draft))
        {
            Directory.Delete(draft, recursive: true);
        }

        try
        {
            SecretFiles.Write(passwordFile, (await postgres.PasswordParameter.GetValueAsync(cancellationToken))!);
            if (_home.Owner is { } owner)
            {
                Native.ChangeOwner(passwordFile, owner.UserId, owner.GroupId);
            }

            var user = await postgres.UserNameReference.GetValueAsync(cancellationToken);
            List<string> said = [];
            var initdb = await ChildProcess.StartAsync(
                spawner,
                new LaunchPlan(
                    Path.Combine(programs, "initdb"),
                    [
                        "-D", draft, "--username", user!, "--pwfile", passwordFile, "--auth=scram-sha-256",
                        "--data-checksums", "--encoding=UTF8", "--locale=C",
                    ],
                    _home.Directory)
                {
                    Environment = HostEnvironment.ForServer(),
                    RunAs = _home.Owner,
                },
                line =>
                {
                    lock (said)
                    {
                        said.Add(line);
                    }
                });
            if (await initdb.Exited.WaitAsync(cancellationToken) is not 0 and var exitCode)
            {
                throw new HostRefusedException(
                    $"townhall: initdb ended with exit code {exitCode}: {string.Join(" / ", said.TakeLast(3))}", HostRefusedException.CannotCreate);
            }

            Directory.Move(draft, _home.Cluster);
        }
        finally
        {
            File.Delete(passwordFile);
        }
    }
}

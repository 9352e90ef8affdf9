using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using StackExchange.Redis;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Health;

/// <summary>One of a service's ways into the database, and the setting that names it.</summary>
public sealed record FootingSource(string Setting, NpgsqlDataSource Source);

/// <summary>Refuses to stand on servers that are set so that the town's promises would not hold.</summary>
/// <remarks>
/// Postgres is asked before anything else starts; where it is away then, as soon as it answers. Redis is asked when it
/// answers: in the first seconds one that is too old or evicts ends the service with code 78, later, since no service needs
/// Redis to start, it is said aloud and by <c>/ready</c> while it lasts.
/// </remarks>
public sealed partial class Footing(
    IServiceProvider services, IEnumerable<FootingSource> sources, TownSettings town, IHostApplicationLifetime host, TimeProvider clock,
    ILogger<Footing> logger) : BackgroundService, IHostedLifecycleService
{
    private static readonly TimeSpan AtStart = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(10);
    private readonly List<FootingSource> _unasked = [.. sources];
    private volatile string? _redisFault;

    /// <summary>Why this process ends, each with its remedy; empty while it need not.</summary>
    public IReadOnlyList<string> Mistakes { get; private set; } = [];

    /// <summary>Why a town cannot rely on its Redis, by what that said last; null when it can, or Redis never answered.</summary>
    public string? RedisFault => _redisFault;

    /// <exception cref="SettingsException">Postgres answers, and is not set as it must be.</exception>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (await AskPostgresAsync(cancellationToken) is { Count: > 0 } mistakes)
        {
            throw new SettingsException(mistakes);
        }
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var began = clock.GetTimestamp();
        var redis = services.GetService<RedisDoor>();
        var redisAnswered = false;
        try
        {
            while (true)
            {
                if (await AskPostgresAsync(stoppingToken) is { Count: > 0 } mistakes)
                {
                    End(mistakes);
                    return;
                }

                if (redis is not null && await AskRedisAsync(redis) is { } facts)
                {
                    var fault = facts.Fault;
                    if (fault is not null && !redisAnswered && clock.GetElapsedTime(began) < AtStart)
                    {
                        End([$"ConnectionStrings__redis: {fault.What} {fault.Remedy}"]);
                        return;
                    }

                    redisAnswered = true;
                    Tell(fault);
                }

                // What is not known yet is asked for often while it is still the start.
                var open = _unasked.Count > 0 || (redis is not null && !redisAnswered);
                await Task.Delay(open ? clock.GetElapsedTime(began) < AtStart ? Soon : TimeSpan.FromSeconds(1) : Later, clock, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Asks what has not answered yet.</summary>
    /// <returns>What must be repaired.</returns>
    private async Task<List<string>> AskPostgresAsync(CancellationToken cancellationToken)
    {
        var mistakes = new List<string>();
        for (var i = _unasked.Count - 1; i >= 0; i--)
        {
            try
            {
                if (await AskAsync(_unasked[i], mistakes, cancellationToken))
                {
                    _unasked.RemoveAt(i);
                }
            }
            catch (Exception away) when (away is NpgsqlException or TimeoutException or SocketException)
            {
                LogUnasked(_unasked[i].Setting, away.Message);
            }
        }

        return mistakes;
    }

    /// <returns>False when there is no ledger yet, and so no answer.</returns>
    private async Task<bool> AskAsync(FootingSource source, List<string> mistakes, CancellationToken cancellationToken)
    {
        await using var command = source.Source.CreateCommand("""
            SELECT current_setting('synchronous_commit'), current_user::text, to_regclass('public.ledger') IS NOT NULL,
                   (SELECT string_agg(DISTINCT privilege, ', ')
                    FROM pg_partition_tree(to_regclass('public.ledger')) AS part, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
                    WHERE has_table_privilege(part.relid, privilege)
                       OR (privilege = 'UPDATE' AND has_any_column_privilege(part.relid, privilege))),
                   coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('public.ledger')), false)
            """);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var (durable, role, known) = (row.GetString(0), row.GetString(1), row.GetBoolean(2));
        if (durable == "off")
        {
            mistakes.Add(
                $"{source.Setting}: synchronous_commit is off for role {role}, so work that was accepted could be lost with the server. "
                + $"Set it to on, in postgresql.conf, for the database, or with ALTER ROLE {role} SET synchronous_commit = on.");
        }

        var rights = row.IsDBNull(3) ? row.GetBoolean(4) ? "own" : null : row.GetString(3);
        if (rights is not null && !town.OneDatabaseRole)
        {
            mistakes.Add(
                $"{source.Setting}: role {role} may {rights} the ledger, so a service could rewrite what happened. "
                + "Connect as town_app (the dispatcher's sequencer: town_sequencer), or accept one role for all with TOWN_ONE_DATABASE_ROLE=true.");
        }

        return known;
    }

    /// <returns>Null when it did not answer.</returns>
    private async Task<RedisFacts?> AskRedisAsync(RedisDoor redis)
    {
        try
        {
            // Section by section: several at once are a syntax error to those that are too old.
            var (said, server) = await redis.AskAsync(static data => data.ExecuteAsync("INFO", "server"));
            var (answered, memory) = await redis.AskAsync(static data => data.ExecuteAsync("INFO", "memory"));
            return said && answered ? RedisFacts.Of($"{server}\n{memory}") : null;
        }
        catch (RedisServerException refused)
        {
            LogRedisSilent(refused.Message);
            return RedisFacts.Untold;
        }
    }

    private void Tell(RedisShortcoming? fault)
    {
        if (fault?.What != _redisFault)
        {
            _redisFault = fault?.What;
            if (fault is null)
            {
                LogRelied();
            }
            else
            {
                LogUnreliable(fault.What, fault.Remedy);
            }
        }
    }

    private void End(IReadOnlyList<string> mistakes)
    {
        Mistakes = mistakes;
        host.StopApplication();
    }

    [LoggerMessage(LogLevel.Debug, "{Setting} could not be asked for its settings yet: {Reason}")]
    private partial void LogUnasked(string setting, string reason);

    [LoggerMessage(LogLevel.Information, "Redis does not say what it is ({Reason}); it should be 7.0 or newer, with maxmemory-policy noeviction")]
    private partial void LogRedisSilent(string reason);

    [LoggerMessage(LogLevel.Error, "{What} {Remedy} /ready answers 503 until then")]
    private partial void LogUnreliable(string what, string remedy);

    [LoggerMessage(LogLevel.Information, "Redis is again as a town needs it")]
    private partial void LogRelied();
}

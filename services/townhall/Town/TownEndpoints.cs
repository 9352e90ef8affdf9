using System.Reflection;
using Microsoft.AspNetCore.Http.HttpResults;
using StackExchange.Redis;
using Townhall.Api.Agents;
using Townhall.Api.Caching;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;
using Townhall.Settings;

namespace Townhall.Api.Town;

internal static partial class TownEndpoints
{
    private const int AgentsShown = 1000;

    private static readonly string s_version =
        typeof(TownEndpoints).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0.0.0";

    public static void AddTown(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<TownStore>().AddSingleton<Readiness>().AddSingleton<Uptime>();

    public static void MapTown(this WebApplication app)
    {
        app.Services.GetRequiredService<Uptime>();

        // All services read the file; one of them says what is odd in it.
        foreach (var warning in app.Services.GetRequiredService<TownFileSource>().Warnings)
        {
            LogFileWarning(app.Logger, warning);
        }

        app.MapGet("/health", GetHealth).AllowAnonymous().WithTags("Probes");
        app.MapGet("/healthz", GetHealth).AllowAnonymous().WithTags("Probes");
        app.MapGet("/ready", GetReady).AllowAnonymous().WithTags("Probes").Produces<ReadyView>().Produces<ReadyView>(503);
        app.MapGet("/readyz", GetReady).AllowAnonymous().WithTags("Probes").Produces<ReadyView>().Produces<ReadyView>(503);
        app.MapGet("/v1/town", GetTown).RequireAuthorization(Scopes.TownRead).WithEntityTag().WithTags("Town");
        app.MapGet("/v1/status", GetStatus).RequireAuthorization(Scopes.TownRead).WithEntityTag().WithTags("Town");
    }

    internal static Ok<HealthView> GetHealth(Uptime uptime, IHostApplicationLifetime host) => TypedResults.Ok(new HealthView(
        "ok", s_version, uptime.Seconds, "production", "command", CognitionLive: false, "postgres",
        host.ApplicationStopping.IsCancellationRequested));

    /// <summary>For strangers: which part does not stand, in fixed words. Why is in the log and in <c>/v1/status</c>.</summary>
    internal static async Task<IResult> GetReady(Readiness readiness, TownSettings town, CancellationToken cancellationToken)
    {
        var standing = await readiness.ReadAsync(cancellationToken);
        var view = ReadyView.Of(standing, town.Name);
        return standing.Words is null ? TypedResults.Ok(view) : TypedResults.Json(view, TownhallJson.Default.ReadyView, statusCode: 503);
    }

    internal static Ok<TownView> GetTown(TownSettings town, IConfiguration configuration) =>
        TypedResults.Ok(new TownView(town.Name, town.Root, RedisAddress(configuration)));

    internal static async Task<Ok<StatusView>> GetStatus(
        TownSettings town, IConfiguration configuration, TownStore store, AgentStore agents, AgentTally tally, Readiness readiness,
        CancellationToken cancellationToken,
        bool deep = false)
    {
        var (tasks, workers) = await store.CountsAsync(cancellationToken);
        var page = await agents.ListAsync(Guid.Empty, AgentsShown + 1, cancellationToken);
        var shown = page.Count > AgentsShown ? [.. page.Take(AgentsShown)] : page;
        // Those of a town whose agents are all shown are counted already.
        var count = page.Count > AgentsShown ? await tally.ReadAsync(cancellationToken) : page.Count;
        return TypedResults.Ok(new StatusView(
            town.Name, town.Root, RedisAddress(configuration), count, shown, tasks, workers,
            page.Count > AgentsShown ? Cursors.Write(AgentEndpoints.List, shown[^1].Id) : null,
            deep ? await store.DeepAsync(cancellationToken) : null, await store.OldestSnapshotAsync(cancellationToken),
            (await readiness.ReadAsync(cancellationToken)).Troubles));
    }

    [LoggerMessage(LogLevel.Warning, "{Warning}")]
    private static partial void LogFileWarning(ILogger logger, string warning);

    /// <summary>Where Redis is, without what opens it.</summary>
    private static string RedisAddress(IConfiguration configuration) =>
        configuration.GetConnectionString("redis") is { Length: > 0 } connection
            ? $"redis://{string.Join(',', ConfigurationOptions.Parse(connection).EndPoints.Select(static end => end.ToString()))}"
            : "";
}

/// <summary>Counts from the process's start, not from the first question.</summary>
internal sealed class Uptime(TimeProvider clock)
{
    private readonly long _start = clock.GetTimestamp();

    public long Seconds => (long)clock.GetElapsedTime(_start).TotalSeconds;
}

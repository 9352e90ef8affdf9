using System.Globalization;

namespace Townhall.AppHost;

/// <summary>What distinguishes one town from another on the same machine.</summary>
/// <param name="Name">The town's name: <c>TOWN_NAME</c>, default <c>town</c>.</param>
/// <param name="Root">The directory the town works on: <c>TOWN_ROOT</c>, default the repository.</param>
/// <param name="Data">Where everything it keeps on disk lives: <c>TOWN_DATA</c>, default <c>.town</c> in the repository.</param>
/// <param name="Port">The public port: <c>TOWN_PORT</c>, default 8080.</param>
/// <param name="Tls">The edge serves TLS: <c>TOWN_TLS_ENABLED</c>, default false.</param>
internal sealed record TownSettings(string Name, string Root, string Data, int Port, bool Tls)
{
    /// <summary>Where callers of this machine find the town.</summary>
    public string Address => string.Create(CultureInfo.InvariantCulture, $"{(Tls ? "https" : "http")}://127.0.0.1:{Port}");

    /// <exception cref="DistributedApplicationException">The port is not a port.</exception>
    public static TownSettings Read(IDistributedApplicationBuilder builder)
    {
        var repository = Path.GetFullPath(Path.Combine(builder.AppHostDirectory, ".."));
        var port = Setting("TOWN_PORT", "8080");
        return new(
            Setting("TOWN_NAME", "town"),
            Path.GetFullPath(Setting("TOWN_ROOT", repository)),
            Path.GetFullPath(Setting("TOWN_DATA", Path.Combine(repository, ".town"))),
            int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 65536
                ? number
                : throw new DistributedApplicationException($"TOWN_PORT is '{port}'; it must be a number from 1 to 65535."),
            string.Equals(Setting("TOWN_TLS_ENABLED", "false"), "true", StringComparison.OrdinalIgnoreCase));

        string Setting(string name, string otherwise) => builder.Configuration[name] is { Length: > 0 } told ? told : otherwise;
    }
}

internal static class TownSettingsExtensions
{
    /// <summary>Tells a service which town it serves. All other <c>TOWN_*</c> variables reach it from the AppHost's own environment.</summary>
    public static IResourceBuilder<ProjectResource> WithTown(this IResourceBuilder<ProjectResource> service, TownSettings settings) => service
        .WithEnvironment("TOWN_NAME", settings.Name)
        .WithEnvironment("TOWN_ROOT", settings.Root)
        .WithEnvironment("TOWN_DATA", settings.Data);

    /// <summary>How the edge is asked for its health: where it serves TLS, on a plain port of its own that nobody else reaches.</summary>
    public static IResourceBuilder<ProjectResource> WithEdgeProbe(this IResourceBuilder<ProjectResource> edge, TownSettings settings) => settings.Tls
        ? edge.WithHttpEndpoint(name: "probe", env: "TOWN_PROBE_PORT").WithHttpHealthCheck("/internal/ready", endpointName: "probe")
        : edge.WithHttpHealthCheck("/internal/ready");
}

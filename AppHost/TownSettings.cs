using System.Globalization;
using Townhall.Settings;

namespace Townhall.AppHost;

/// <summary>What distinguishes one town from another on the same machine.</summary>
/// <param name="Name">The town's name: <c>TOWN_NAME</c>, default <c>town</c>.</param>
/// <param name="Root">The directory the town works on: <c>TOWN_ROOT</c>, default the repository.</param>
/// <param name="Data">Where everything it keeps on disk lives: <c>TOWN_DATA</c>, default <c>.town</c> in the repository.</param>
/// <param name="Port">The public port: <c>TOWN_PORT</c>, default 8080.</param>
/// <param name="Tls">The edge serves TLS: <c>TOWN_TLS_ENABLED</c>, default false.</param>
/// <param name="ConfigFile">Where its <c>tinytown.toml</c> is, or would be: <c>TOWN_CONFIG</c>, default in the root.</param>
internal sealed record TownSettings(string Name, string Root, string Data, int Port, bool Tls, string ConfigFile)
{
    /// <summary>Where callers of this machine find the town.</summary>
    public string Address => string.Create(CultureInfo.InvariantCulture, $"{(Tls ? "https" : "http")}://127.0.0.1:{Port}");

    /// <exception cref="DistributedApplicationException">The port is not a port, or the file has mistakes.</exception>
    public static TownSettings Read(IDistributedApplicationBuilder builder)
    {
        var repository = Path.GetFullPath(Path.Combine(builder.AppHostDirectory, ".."));
        var source = FileOf(builder, repository);
        var mistakes = source.Mistakes.ToList();
        var port = Setting("TOWN_PORT", "8080");
        if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535)
        {
            mistakes.Add($"TOWN_PORT is '{port}'; it must be a number from 1 to 65535.");
        }

        return mistakes is not []
            ? throw new DistributedApplicationException(string.Join(Environment.NewLine, mistakes))
            : new(
                Setting("TOWN_NAME", "town"),
                Path.GetFullPath(Setting("TOWN_ROOT", repository)),
                Path.GetFullPath(Setting("TOWN_DATA", Path.Combine(repository, ".town"))),
                number,
                string.Equals(Setting("TOWN_TLS_ENABLED", "false"), "true", StringComparison.OrdinalIgnoreCase),
                source.Path);

        string Setting(string name, string otherwise) => builder.Configuration[name] is { Length: > 0 } told ? told : otherwise;
    }

    private static TownFileSource FileOf(IDistributedApplicationBuilder builder, string repository)
    {
        try
        {
            return builder.Configuration.AddTownFile(repository);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new DistributedApplicationException($"The settings file cannot be read: {unreadable.Message}");
        }
    }
}

internal static class TownSettingsExtensions
{
    /// <summary>Tells a service which town it serves. All other <c>TOWN_*</c> variables reach it from the AppHost's own environment.</summary>
    public static IResourceBuilder<ProjectResource> WithTown(this IResourceBuilder<ProjectResource> service, TownSettings settings) => service
        .WithEnvironment("TOWN_NAME", settings.Name)
        .WithEnvironment("TOWN_ROOT", settings.Root)
        .WithEnvironment("TOWN_DATA", settings.Data)
        .WithEnvironment("TOWN_CONFIG", settings.ConfigFile);

    /// <summary>How the edge is asked for its health: where it serves TLS, on a plain port of its own that nobody else reaches.</summary>
    public static IResourceBuilder<ProjectResource> WithEdgeProbe(this IResourceBuilder<ProjectResource> edge, TownSettings settings) => settings.Tls
        ? edge.WithHttpEndpoint(name: "probe", env: "TOWN_PROBE_PORT").WithHttpHealthCheck("/internal/ready", endpointName: "probe")
        : edge.WithHttpHealthCheck("/internal/ready");
}

using Microsoft.Extensions.Configuration;

namespace Townhall.Settings;

/// <summary>
/// The order of the sources, strongest first: flags, <c>TOWN_*</c>, <c>ConnectionStrings__*</c>, the names that earlier systems
/// used (<c>REDIS_URL</c>, <c>TINYTOWN_*</c>, <c>AGENTD_*</c>), the file.
/// </summary>
public static class TownConfiguration
{
    /// <summary>Names of earlier systems, and the setting that each gives a value to where nothing stronger does.</summary>
    public static readonly IReadOnlyDictionary<string, string> Earlier = new Dictionary<string, string>
    {
        ["TINYTOWN_TOWN_NAME"] = "TOWN_NAME",
        ["TINYTOWN_TOWN_DIR"] = "TOWN_ROOT",
        ["TINYTOWN_REST_BIND"] = "TOWN_BIND",
        ["TINYTOWN_REST_PORT"] = "TOWN_PORT",
        ["AGENTD_API_CORS_ORIGINS"] = "TOWN_CORS_ORIGINS",
    };

    /// <summary>The variables that win over a setting's value in the file, itself among them.</summary>
    public static IEnumerable<string> Stronger(string setting) =>
    [
        setting,
        .. Earlier.Where(pair => pair.Value == setting).Select(static pair => pair.Key),
        .. setting is "REDIS_URL" || setting.StartsWith("TINYTOWN_REDIS_", StringComparison.Ordinal) ? (string[])["ConnectionStrings__redis"] : [],
    ];

    /// <summary>Puts the file and the earlier names below everything that is there already.</summary>
    /// <param name="root">Where the file is looked for when neither <c>TOWN_CONFIG</c> nor <c>TOWN_ROOT</c> says so; null is the working directory.</param>
    /// <returns>The file, with its mistakes and warnings.</returns>
    /// <exception cref="IOException">The file is there and cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The same.</exception>
    public static TownFileSource AddTownFile(this ConfigurationManager configuration, string? root = null)
    {
        string? Told(string name) => configuration[name] is { Length: > 0 } told ? told : null;

        var path = TownFile.PathFrom(name => Told(name) ?? (name == "TOWN_ROOT" ? Told("TINYTOWN_TOWN_DIR") ?? root : null));
        // Before it is read: what changes meanwhile is seen at the next look.
        var stamp = FileStamp.Of(path);
        var file = TownFile.Read(path);
        var earlier = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, setting) in Earlier)
        {
            if (Told(name) is { } value)
            {
                earlier[setting] = value;
            }
        }

        var inFile = file.Settings();
        var (redis, mistake) = RedisAddress.From(name => Told(name) ?? inFile.GetValueOrDefault(name));
        if (redis is not null)
        {
            earlier["ConnectionStrings:redis"] = redis;
        }

        var source = new TownFileSource(path, file, configuration, earlier)
        {
            Stamp = stamp,
            Refused = mistake is null ? [] : [mistake],
            Ignored = Told("AGENTD_API_TOKEN_DB") is null ? [] : ["AGENTD_API_TOKEN_DB is set and ignored: keys and tokens are kept in Postgres."],
        };
        configuration.Sources.Add(source);
        return source;
    }
}

using System.Collections;

namespace Aspire.Hosting.Running;

/// <summary>What children inherit from the host's own environment.</summary>
internal static class HostEnvironment
{
    /// <summary>Marks every process of this host, and what those start in turn.</summary>
    public const string HostIdVariable = "TOWN_HOST_ID";

    /// <summary>Names the FIFO that ends when the host does.</summary>
    public const string LifetimeVariable = "TOWN_LIFETIME_PIPE";

    // As in Aspire: the AppHost's own web and environment settings are not its services'.
    private static readonly HashSet<string> OwnSettings =
    [
        "ASPNETCORE_URLS", "ASPNETCORE_ENVIRONMENT", "DOTNET_ENVIRONMENT", "DOTNET_LAUNCH_PROFILE", "ASPIRE_LOGLEVEL",
    ];

    /// <summary>
    /// The ambient environment of a service. Unlike Aspire this leaves out connection strings and parameters: a service
    /// gets those it references and no others, so that the owner's password does not reach everybody.
    /// </summary>
    public static Dictionary<string, string> Inherited()
    {
        var inherited = new Dictionary<string, string>();
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (!OwnSettings.Contains(name)
                && !name.StartsWith("ConnectionStrings__", StringComparison.OrdinalIgnoreCase)
                && !name.StartsWith("Parameters__", StringComparison.OrdinalIgnoreCase))
            {
                inherited[name] = (string?)variable.Value ?? "";
            }
        }

        return inherited;
    }

    /// <summary>
    /// The little that a database server needs; no settings of ours, and messages in one language. It does not carry the
    /// host's id either: a server is found by its pid file and ends by its own signal, never in a sweep.
    /// </summary>
    public static Dictionary<string, string> ForServer() => new()
    {
        ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin",
        ["LC_ALL"] = "C",
        ["TZ"] = "UTC",
    };
}

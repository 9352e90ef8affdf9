using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Forwarder;

namespace Townhall.Edge.Routing;

/// <summary>Which public path belongs to which service. A path that is not here does not exist outside.</summary>
internal static class TownRoutes
{
    public const string Townhall = "townhall";
    public const string Scaler = "scaler";
    public const string Notifier = "notifier";

    // What waits by design goes through a cluster of its own, because patience is a property of a cluster.
    private const string TownhallStreams = "townhall-streams";

    /// <summary>How much longer than a request may take a service may say nothing: its own answer is to come first.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Four keep-alives of the notifier: a stream that misses them all is dead, not quiet.</summary>
    private static readonly TimeSpan EventPatience = TimeSpan.FromSeconds(60);

    /// <summary>A command may print nothing for hours; a lost townhall closes its connections, so nothing is waited for in vain.</summary>
    private static readonly TimeSpan OutputPatience = TimeSpan.FromHours(24);

    /// <summary>500 tasks in one call; every other body is small.</summary>
    private const long BatchBytesMost = 8 * 1024 * 1024;

    /// <summary>The table, most particular first.</summary>
    public static IReadOnlyList<RouteConfig> Routes { get; } =
    [
        Route("output", TownhallStreams, "/v1/tasks/{id}/output", 0, Query("follow", QueryParameterMatchMode.Exact, "true", "1")),
        Route("assign-batch", Townhall, "/v1/tasks/assign-batch") with { MaxRequestBodySize = BatchBytesMost },
        Route("long-poll", TownhallStreams, "/v1/{**rest}", 1, Query("wait_secs", QueryParameterMatchMode.Exists)),
        Route("v1", Townhall, "/v1/{**rest}", 2),
        Route("health", Townhall, "/health"),
        Route("healthz", Townhall, "/healthz"),
        Route("ready", Townhall, "/ready"),
        Route("readyz", Townhall, "/readyz"),
        Route("metrics", Townhall, "/metrics"),
        Route("openapi", Townhall, "/openapi/{**rest}"),
        Route("docs", Townhall, "/docs/{**rest}"),
        Route("scaling", Scaler, "/api/scaling/{**rest}"),
        Route("events", Notifier, "/events"),
    ];

    /// <summary>Where the services are, from <c>services:{name}:http:0</c> (environment: <c>services__{name}__http__0</c>).</summary>
    /// <param name="requestTimeout">The longest that a service lets a request take.</param>
    /// <returns>Nothing of use when an address is missing or is not one; then <paramref name="mistakes"/> names it.</returns>
    public static IReadOnlyList<ClusterConfig> Clusters(IConfiguration configuration, TimeSpan requestTimeout, List<string> mistakes)
    {
        var townhall = Address(configuration, Townhall, mistakes);
        var scaler = Address(configuration, Scaler, mistakes);
        var notifier = Address(configuration, Notifier, mistakes);
        return
        [
            Cluster(Townhall, townhall, requestTimeout + Patience),
            Cluster(TownhallStreams, townhall, OutputPatience),
            Cluster(Scaler, scaler, requestTimeout + Patience),
            Cluster(Notifier, notifier, EventPatience),
        ];
    }

    private static string Address(IConfiguration configuration, string service, List<string> mistakes)
    {
        var text = configuration[$"services:{service}:http:0"];
        if (Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https")
        {
            return text!;
        }

        mistakes.Add($"services__{service}__http__0 must be the address of the {service} service, as http://127.0.0.1:5001.");
        return string.Empty;
    }

    private static RouteConfig Route(string name, string cluster, string path, int order = 0, params RouteQueryParameter[] query) => new()
    {
        RouteId = name,
        ClusterId = cluster,
        Order = order,
        Match = new RouteMatch { Path = path, QueryParameters = query },
        // The services judge the Host that the caller named, as they do without an edge.
        Transforms = [new Dictionary<string, string>(StringComparer.Ordinal) { ["RequestHeaderOriginalHost"] = "true" }],
    };

    private static RouteQueryParameter Query(string name, QueryParameterMatchMode mode, params string[] values) =>
        new() { Name = name, Mode = mode, Values = values.Length == 0 ? null : values };

    private static ClusterConfig Cluster(string name, string address, TimeSpan patience) => new()
    {
        ClusterId = name,
        Destinations = new Dictionary<string, DestinationConfig>(StringComparer.Ordinal) { [name] = new() { Address = address } },
        HttpRequest = new ForwarderRequestConfig
        {
            ActivityTimeout = patience,
            Version = System.Net.HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            AllowResponseBuffering = false,
        },
    };
}

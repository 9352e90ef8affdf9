using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Townhall.OpenApi.Describing;

/// <summary>One public operation as its service built it.</summary>
/// <param name="Json">How that service reads and writes JSON.</param>
public sealed record ServedOperation(string Method, string Path, RouteEndpoint Endpoint, JsonSerializerOptions Json)
{
    /// <summary>As <c>GET /v1/agents</c>.</summary>
    public string Key => $"{Method} {Path}";

    public MethodInfo Handler => Endpoint.Metadata.GetMetadata<MethodInfo>()
        ?? throw new InvalidOperationException($"{Key} has no handler method to describe.");
}

/// <summary>What the services offer, asked of the services themselves: each is built as at a start, and not started.</summary>
public static class ServedApi
{
    private static readonly string[] Services = ["Townhall.Api", "Townhall.Scaler", "Townhall.Notifier"];
    private static readonly Lock Gate = new();

    private static readonly JsonSerializerOptions OwnJson = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };


    /// <summary>Every public operation, by path; what the edge does not route is not public.</summary>
    public static IReadOnlyList<ServedOperation> All() =>
        [.. Services.SelectMany(Operations)
            .Where(static one => !one.Path.StartsWith("/internal/", StringComparison.Ordinal))
            .OrderBy(static one => one.Path, StringComparer.Ordinal).ThenBy(static one => one.Method, StringComparer.Ordinal)];

    private static List<ServedOperation> Operations(string assembly)
    {
        List<ServedOperation> found = [];
        lock (Gate)
        {
            Extensions.Inspect = app => found.AddRange(Read(app));
            try
            {
                string[] settings = ["--TOWN_NAME=described", "--ConnectionStrings:town=Host=127.0.0.1", "--ConnectionStrings:redis=127.0.0.1:1"];
                var main = Assembly.Load(assembly).EntryPoint!;
                // The built service returns at once: nothing in it was started.
                if (main.Invoke(null, [settings]) is not (Task<int> { IsCompletedSuccessfully: true } or 0) || found.Count == 0)
                {
                    throw new InvalidOperationException($"{assembly} could not be built; its messages stand above.");
                }
            }
            finally
            {
                Extensions.Inspect = null;
            }
        }

        return found;
    }

    private static IEnumerable<ServedOperation> Read(WebApplication app)
    {
        var json = app.Services.GetRequiredService<IOptions<JsonOptions>>().Value.SerializerOptions;
        // A service that did not say how minimal APIs write, writes its documents itself: in snake_case, as all of ours.
        json = json.PropertyNamingPolicy == JsonNamingPolicy.SnakeCaseLower ? json : OwnJson;
        return
        [
            .. from source in ((IEndpointRouteBuilder)app).DataSources
               from endpoint in source.Endpoints.OfType<RouteEndpoint>()
               from method in endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? ["GET"]
               select new ServedOperation(method, PathOf(endpoint), endpoint, json),
        ];
    }

    private static string PathOf(RouteEndpoint endpoint)
    {
        var path = endpoint.RoutePattern.RawText!.TrimEnd('/');
        return path.StartsWith('/') ? path : "/" + path;
    }
}

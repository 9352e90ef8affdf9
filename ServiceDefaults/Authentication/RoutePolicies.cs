using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>An endpoint that passes a request on, credential and all, to a service that decides about it.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class DecidedBehindAttribute : Attribute;

/// <summary>Every route says whom it serves, or the process does not start.</summary>
public static class RoutePolicies
{
    /// <summary>What anybody may ask, also when authentication is on: the probes, and the description of the API, which shows nothing of the town and is
    /// opened by browsers that have no key to send. Beside them only probes under <c>/internal/</c>, which the edge does not route.</summary>
    public static IReadOnlyList<string> Anonymous { get; } =
    [
        "/health", "/healthz", "/ready", "/readyz", "/metrics", "/api/scaling",
        "/docs", "/docs/page.css", "/docs/page.js", "/openapi/v1.json", "/openapi/v1.yaml",
    ];

    /// <summary>Looks at every endpoint that was mapped.</summary>
    /// <exception cref="SettingsException">At least one has no policy, or is anonymous and must not be.</exception>
    public static void Check(WebApplication app)
    {
        var known = app.Services.GetService<IOptions<AuthorizationOptions>>()?.Value;
        string[] mistakes =
        [
            .. ((IEndpointRouteBuilder)app).DataSources.SelectMany(static source => source.Endpoints)
                .Select(endpoint => Mistake(endpoint, known)).OfType<string>(),
        ];
        if (mistakes.Length > 0)
        {
            throw new SettingsException(mistakes);
        }
    }

    /// <summary>Every route with its methods and what it demands (<c>anonymous</c>, a policy's name, or <c>decided_behind</c>), one a line, in order.</summary>
    internal static string Describe(EndpointDataSource routes) => string.Join('\n', routes.Endpoints.OfType<RouteEndpoint>()
        .Select(static route => string.Join(
            ' ',
            string.Join(',', route.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods.Order(StringComparer.Ordinal) ?? Enumerable.Repeat("*", 1)),
            '/' + route.RoutePattern.RawText?.TrimStart('/').TrimEnd('/'),
            route.Metadata.GetMetadata<IAllowAnonymous>() is not null ? "anonymous"
                : route.Metadata.GetMetadata<IAuthorizeData>()?.Policy ?? "decided_behind"))
        .Order(StringComparer.Ordinal));

    private static string? Mistake(Microsoft.AspNetCore.Http.Endpoint endpoint, AuthorizationOptions? known)
    {
        var path = (endpoint as RouteEndpoint)?.RoutePattern.RawText ?? "";
        var demands = endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>();
        var anonymous = endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null;
        return anonymous && !Anonymous.Contains(path) && !path.StartsWith("/internal/", StringComparison.Ordinal)
            ? $"Route {endpoint.DisplayName} is anonymous, but only {string.Join(", ", Anonymous)} and /internal/* may be; give it a scope."
            : demands.FirstOrDefault(demand => demand.Policy is null || known?.GetPolicy(demand.Policy) is null) is { } unknown
            ? $"Route {endpoint.DisplayName} demands the policy '{unknown.Policy}', which does not exist; use one of {string.Join(", ", Scopes.All)}."
            : !anonymous && demands.Count == 0 && endpoint.Metadata.GetMetadata<DecidedBehindAttribute>() is null
            ? $"Route {endpoint.DisplayName} has no authorization policy; add .RequireAuthorization(Scopes.…)."
            : null;
    }
}

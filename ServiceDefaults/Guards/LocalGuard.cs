using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Guards;

/// <summary>
/// What stands between a town and the rest of the world. Without authentication: only loopback peers, only known Host names
/// (a page that rebinds its name to 127.0.0.1 sends its own), only same-origin pages, only JSON bodies (a form cannot send one).
/// With it, listed Host names where any are listed, and JSON bodies.
/// </summary>
public static class LocalGuard
{
    private static readonly Refusal NotLocal =
        new(403, "not_local", "Without authentication this town answers only to this machine.");

    private static readonly Refusal WrongHost =
        new(403, "host_not_allowed", "This Host is not served here; add it to TOWN_ALLOWED_HOSTS if it should be.");

    private static readonly Refusal WrongOrigin =
        new(403, "origin_not_allowed", "Pages of other origins may not call this town.");

    /// <summary>Put behind the problem documents and before routing's endpoints.</summary>
    public static void UseLocalGuard(this IApplicationBuilder app, TownSettings settings)
    {
        var hosts = new HashSet<string>(["localhost", "127.0.0.1", "[::1]", .. settings.AllowedHosts], StringComparer.OrdinalIgnoreCase);
        if (settings.Auth.Mode == AuthMode.None)
        {
            app.Use((context, next) => Judge(context, hosts) is { } refusal ? refusal.ExecuteAsync(context) : next(context));
            return;
        }

        // Who calls is known: other machines may, and pages as far as CORS lets them.
        var listed = settings.AllowedHosts.Count > 0;
        app.Use((context, next) =>
            listed && !hosts.Contains(context.Request.Host.Host) ? WrongHost.ExecuteAsync(context)
            : JudgeBody(context) is { } refusal ? refusal.ExecuteAsync(context)
            : next(context));
    }

    internal static Refusal? Judge(HttpContext context, IReadOnlySet<string> hosts)
    {
        var request = context.Request;
        if (context.Connection.RemoteIpAddress is { } peer && !IPAddress.IsLoopback(peer))
        {
            return NotLocal;
        }

        if (!hosts.Contains(request.Host.Host))
        {
            return WrongHost;
        }

        if (request.Headers.Origin is [{ } origin, ..] && !SameOrigin(origin, request))
        {
            return WrongOrigin;
        }

        return JudgeBody(context);
    }

    private static Refusal? JudgeBody(HttpContext context) =>
        HasBody(context.Request) && !IsJson(context.Request) && !AcceptsBytes(context) ? CommonRefusals.NotJson : null;

    /// <summary>JSON in UTF-8: an encoding that the framework does not know would be its exception, not the caller's mistake.</summary>
    private static bool IsJson(HttpRequest request) =>
        request.HasJsonContentType()
        && (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.Charset.HasValue
            || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase) || type.Charset.Equals("\"utf-8\"", StringComparison.OrdinalIgnoreCase));

    private static bool SameOrigin(string origin, HttpRequest request) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var uri)
        && string.Equals(uri.Authority, request.Host.Value, StringComparison.OrdinalIgnoreCase);

    private static bool HasBody(HttpRequest request) =>
        request.ContentLength is > 0 || request.Headers.TransferEncoding.Count > 0;

    // Where a service behind decides, bytes that say so pass: no page can send them unasked, and that service refuses them where it wants JSON.
    private static bool AcceptsBytes(HttpContext context) =>
        context.GetEndpoint()?.Metadata is { } endpoint
        && (endpoint.GetMetadata<AcceptsBytesAttribute>() is not null
            || (endpoint.GetMetadata<DecidedBehindAttribute>() is not null && context.Request.ContentType == "application/octet-stream"));
}

/// <summary>An endpoint whose body is bytes, not JSON.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class AcceptsBytesAttribute : Attribute;

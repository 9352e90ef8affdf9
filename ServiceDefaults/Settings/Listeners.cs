using System.Net;
using Microsoft.Extensions.Configuration;
using Townhall.ServiceDefaults.Authentication;

namespace Townhall.ServiceDefaults.Settings;

/// <summary>Registered by a service all whose listeners speak TLS, whatever scheme their addresses name.</summary>
public sealed class ServesTls;

/// <summary>Where a service listens, as the host will decide, and whether it may: without authentication only this machine is served.</summary>
public static class Listeners
{
    /// <summary>The addresses, by the host's own precedence.</summary>
    public static IReadOnlyList<(string Setting, string Address)> Of(IConfiguration configuration)
    {
        (string Setting, string Address)[] endpoints =
        [
            .. configuration.GetSection("Kestrel:Endpoints").GetChildren()
                .Select(static endpoint => (endpoint.Path.Replace(":", "__", StringComparison.Ordinal) + "__Url", endpoint["Url"] ?? "http://localhost:5000")),
        ];
        if (endpoints is not [])
        {
            return endpoints;
        }

        if (configuration["urls"] is { Length: > 0 } urls)
        {
            return [.. Split(urls).Select(static url => ("ASPNETCORE_URLS", url))];
        }

        return
        [
            .. Split(configuration["http_ports"]).Select(static port => ("ASPNETCORE_HTTP_PORTS", $"http://*:{port}")),
            .. Split(configuration["https_ports"]).Select(static port => ("ASPNETCORE_HTTPS_PORTS", $"https://*:{port}")),
        ];
    }

    /// <summary>Whether others than this machine could connect.</summary>
    public static bool IsOpen(string address)
    {
        // Kestrel's forms that are no URI: http://*:80, http://+:80, http://unix:/path.
        var host = address[(address.IndexOf("://", StringComparison.Ordinal) is var at and >= 0 ? at + 3 : 0)..];
        if (host.StartsWith("unix:", StringComparison.OrdinalIgnoreCase) || host.StartsWith("pipe:", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        host = host.StartsWith('[') ? host[1..Math.Max(1, host.IndexOf(']', StringComparison.Ordinal))] : host.Split('/', ':')[0];
        return !host.Equals("localhost", StringComparison.OrdinalIgnoreCase) && !(IPAddress.TryParse(host, out var ip) && IPAddress.IsLoopback(ip));
    }

    /// <summary>Adds every address that must not be listened on.</summary>
    public static void Check(IConfiguration configuration, AuthMode mode, List<string> mistakes)
    {
        if (mode == AuthMode.None)
        {
            mistakes.AddRange(Of(configuration).Where(static one => IsOpen(one.Address)).Select(static one =>
                $"{one.Setting} binds {one.Address}, which others than this machine reach, and TOWN_AUTH_MODE is none: bind 127.0.0.1, or set TOWN_AUTH_MODE to api_key or oidc."));
        }

        // The host would fail with a stack trace: no service but the edge has a certificate to serve.
        if (!string.Equals(configuration["TOWN_TLS_ENABLED"], "true", StringComparison.OrdinalIgnoreCase))
        {
            mistakes.AddRange(Of(configuration).Where(one => one.Address.StartsWith("https:", StringComparison.OrdinalIgnoreCase) && (mode != AuthMode.None || !IsOpen(one.Address))).Select(static one =>
                $"{one.Setting} binds {one.Address}, and TLS is served by the edge alone, with TOWN_TLS_ENABLED=true and its certificate: name an http address here."));
        }
    }

    /// <summary>What is allowed on these listeners and should be thought about, each with its remedy; the same for every service.</summary>
    /// <param name="tls">All of them speak TLS.</param>
    public static IEnumerable<string> Warnings(TownSettings town, bool tls)
    {
        if (town.Auth.Mode == AuthMode.ApiKey && town.OpenListeners is not [])
        {
            yield return "keys are good for as long as nobody copies them; where others reach this town, TOWN_AUTH_MODE=oidc is the better choice.";
        }

        foreach (var (setting, address) in tls ? [] : town.OpenListeners.Where(static one => !one.Address.StartsWith("https:", StringComparison.OrdinalIgnoreCase)))
        {
            yield return $"{setting} binds {address}, which others than this machine reach, without TLS: keys and tokens can be read on their way. "
                + "Let others reach the edge only, with TOWN_TLS_ENABLED=true, and bind 127.0.0.1 or an address of the town's own network here.";
        }
    }

    private static string[] Split(string? text) => text?.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
}

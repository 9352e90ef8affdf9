using System.Globalization;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Edge.Listening;

/// <summary>How the public listener is secured: <c>TOWN_BIND</c>, <c>TOWN_TLS_*</c>, <c>TOWN_MTLS_*</c>, <c>TOWN_CORS_*</c> (docs/configuration.md).</summary>
internal sealed record EdgeSettings
{
    /// <summary><c>TOWN_TLS_ENABLED</c>: serve TLS in place of plain HTTP. Default false.</summary>
    public bool Tls { get; init; }

    /// <summary><c>TOWN_TLS_CERT_FILE</c>: PEM, the server's certificate first, then those between it and its root.</summary>
    public string CertFile { get; init; } = "";

    /// <summary><c>TOWN_TLS_KEY_FILE</c>: PEM, the private key of that certificate, without a password.</summary>
    public string KeyFile { get; init; } = "";

    /// <summary><c>TOWN_MTLS_ENABLED</c>: ask clients for a certificate, and refuse one that the CA did not sign. Default false.</summary>
    public bool AskClients { get; init; }

    /// <summary><c>TOWN_MTLS_REQUIRED</c>: refuse clients without one, too. Default false.</summary>
    public bool RequireClients { get; init; }

    /// <summary><c>TOWN_MTLS_CA_FILE</c>: PEM, the authorities that sign clients' certificates.</summary>
    public string CaFile { get; init; } = "";

    /// <summary><c>TOWN_CORS_ORIGINS</c>: origins whose pages may call, exactly as browsers send them. Default none.</summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary><c>TOWN_CORS_CREDENTIALS</c>: whether those pages may send cookies. Default false.</summary>
    public bool CorsCredentials { get; init; }

    /// <summary><c>TOWN_PROBE_PORT</c>: a port on the loopback address that answers probes without TLS; null: none.</summary>
    public int? ProbePort { get; init; }

    /// <summary>Reads and checks all of them; what is wrong is added to <paramref name="mistakes"/>.</summary>
    public static EdgeSettings From(IConfiguration configuration, TownSettings? town, TimeProvider clock, List<string> mistakes)
    {
        var required = Switch("TOWN_MTLS_REQUIRED");
        var settings = new EdgeSettings
        {
            Tls = Switch("TOWN_TLS_ENABLED"),
            CertFile = configuration["TOWN_TLS_CERT_FILE"] ?? "",
            KeyFile = configuration["TOWN_TLS_KEY_FILE"] ?? "",
            AskClients = Switch("TOWN_MTLS_ENABLED") || required,
            RequireClients = required,
            CaFile = configuration["TOWN_MTLS_CA_FILE"] ?? "",
            Origins = configuration["TOWN_CORS_ORIGINS"]?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [],
            CorsCredentials = Switch("TOWN_CORS_CREDENTIALS"),
            ProbePort = Port(),
        };
        settings.CheckFiles(clock, mistakes);
        settings.CheckOrigins(town, mistakes);
        return settings;

        bool Switch(string key)
        {
            var text = configuration[key];
            if (text is { Length: > 0 } && !bool.TryParse(text, out _))
            {
                mistakes.Add($"{key} must be true or false.");
            }

            return bool.TryParse(text, out var value) && value;
        }

        int? Port()
        {
            if (configuration["TOWN_PROBE_PORT"] is not { Length: > 0 } text)
            {
                return null;
            }

            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536)
            {
                return port;
            }

            mistakes.Add("TOWN_PROBE_PORT must be a number from 1 to 65535.");
            return null;
        }
    }

    private void CheckFiles(TimeProvider clock, List<string> mistakes)
    {
        if (AskClients && !Tls)
        {
            mistakes.Add("TOWN_MTLS_ENABLED (or TOWN_MTLS_REQUIRED) needs TOWN_TLS_ENABLED=true: without TLS there are no client certificates.");
        }

        if (Tls && (CertFile.Length == 0 || KeyFile.Length == 0))
        {
            mistakes.Add("TOWN_TLS_ENABLED needs TOWN_TLS_CERT_FILE and TOWN_TLS_KEY_FILE, both PEM.");
        }
        else if (Tls && Certificates.Fault(CertFile, KeyFile, clock) is { } fault)
        {
            mistakes.Add(fault);
        }

        if (AskClients && CaFile.Length == 0)
        {
            mistakes.Add("TOWN_MTLS_ENABLED needs TOWN_MTLS_CA_FILE, the authorities that sign clients' certificates.");
        }
        else if (AskClients && Certificates.AuthoritiesFault(CaFile, clock) is { } wrong)
        {
            mistakes.Add(wrong);
        }
    }

    private void CheckOrigins(TownSettings? town, List<string> mistakes)
    {
        if (Origins.Count > 0 && town?.Auth.Mode == AuthMode.None)
        {
            mistakes.Add("TOWN_CORS_ORIGINS lets pages of other origins call, and TOWN_AUTH_MODE is none: set it to api_key or oidc first.");
        }

        if (Origins.Contains("*", StringComparer.Ordinal) && (CorsCredentials || Origins.Count > 1))
        {
            mistakes.Add("TOWN_CORS_ORIGINS is *, which goes neither with TOWN_CORS_CREDENTIALS=true nor with other origins: name the origins exactly.");
        }

        mistakes.AddRange(Origins.Where(static origin => origin != "*" && !IsOrigin(origin)).Select(static origin =>
            $"TOWN_CORS_ORIGINS holds '{origin}', which is no origin: write scheme://host[:port] in lower case, without a path."));
    }

    /// <summary>As browsers send it: nothing else would ever be equal to it.</summary>
    private static bool IsOrigin(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
        && string.Equals(uri.GetLeftPart(UriPartial.Authority), text, StringComparison.Ordinal) && uri.UserInfo.Length == 0;
}

using System.Globalization;
using Microsoft.Extensions.Configuration;
using Townhall.Contracts.Keys;
using Townhall.Secrets;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>How a town finds out who calls.</summary>
public enum AuthMode
{
    /// <summary>It does not: everybody is <c>local</c>, and only this machine is served.</summary>
    None,

    /// <summary>By keys: named ones in Postgres, the one in a file, the one configured as a hash.</summary>
    ApiKey,

    /// <summary>By tokens of an OpenID Connect issuer; named keys work beside them.</summary>
    Oidc,
}

/// <summary>The settings of authentication, <c>TOWN_AUTH_*</c> (docs/authentication.md).</summary>
public sealed record AuthSettings
{
    /// <summary><c>TOWN_AUTH_MODE</c>: <c>none</c> (default), <c>api_key</c> or <c>oidc</c>.</summary>
    public AuthMode Mode { get; init; }

    /// <summary><c>TOWN_AUTH_API_KEY_HASH</c>: an Argon2id hash as <c>tt auth gen-key</c> prints it; null: none.</summary>
    public string? ApiKeyHash { get; init; }

    /// <summary><c>TOWN_AUTH_API_KEY_SCOPES</c>: what the configured key may do; set but empty: nothing.</summary>
    public ScopeSet ApiKeyScopes { get; init; }

    /// <summary><c>TOWN_ADMIN_KEY_FILE</c>: a file with a key that has scope <c>admin</c>; here its id and hash. Null: none.</summary>
    public (ulong Id, byte[] Hash)? AdminKey { get; init; }

    /// <summary><c>TOWN_AUTH_ISSUER</c>: the exact <c>iss</c> of accepted tokens.</summary>
    public string Issuer { get; init; } = "";

    /// <summary><c>TOWN_AUTH_AUDIENCE</c>: what <c>aud</c> must hold.</summary>
    public string Audience { get; init; } = "";

    /// <summary><c>TOWN_AUTH_JWKS_URL</c>: where the issuer's keys are; null: its discovery document says so.</summary>
    public Uri? JwksUrl { get; init; }

    /// <summary><c>TOWN_AUTH_REQUIRED_SCOPES</c>: words that every token must carry beside what an endpoint demands. Default none.</summary>
    public IReadOnlyList<string> RequiredScopes { get; init; } = [];

    /// <summary><c>TOWN_AUTH_CLOCK_SKEW_SECONDS</c>: how far the issuer's clock may be off, 0 to 300 s. Default 60 s.</summary>
    public TimeSpan ClockSkew { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary><c>TOWN_PUBLIC_PROBES</c>: whether <c>/metrics</c> and <c>/api/scaling</c> are anonymous. Default true; false: they want <c>town.read</c>.</summary>
    public bool PublicProbes { get; init; } = true;

    /// <summary>Reads and checks all of them; what is wrong is added to <paramref name="mistakes"/>.</summary>
    public static AuthSettings From(IConfiguration configuration, List<string> mistakes)
    {
        var mode = configuration["TOWN_AUTH_MODE"]?.Trim() switch
        {
            null or "" or "none" => AuthMode.None,
            "api_key" => AuthMode.ApiKey,
            "oidc" => AuthMode.Oidc,
            var other => Wrong($"TOWN_AUTH_MODE must be none, api_key or oidc, not '{other}'.", AuthMode.None),
        };
        var settings = new AuthSettings
        {
            Mode = mode,
            PublicProbes = Probes(),
            ClockSkew = Skew(),
            RequiredScopes = Words(configuration["TOWN_AUTH_REQUIRED_SCOPES"]),
        };
        if (mode != AuthMode.None)
        {
            settings = ReadConfiguredKey(settings with { AdminKey = ReadKeyFile(configuration, mistakes) }, configuration, mistakes);
        }

        return mode == AuthMode.Oidc ? ReadIssuer(settings, configuration, mistakes) : settings;

        bool Probes() => Text(configuration, "TOWN_PUBLIC_PROBES") switch
        {
            null => true,
            var text when bool.TryParse(text, out var value) => value,
            _ => Wrong("TOWN_PUBLIC_PROBES must be true or false.", true),
        };

        TimeSpan Skew() => Text(configuration, "TOWN_AUTH_CLOCK_SKEW_SECONDS") switch
        {
            null => TimeSpan.FromSeconds(60),
            var text when int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= 300 =>
                TimeSpan.FromSeconds(seconds),
            _ => Wrong("TOWN_AUTH_CLOCK_SKEW_SECONDS must be a whole number from 0 to 300.", TimeSpan.Zero),
        };

        T Wrong<T>(string mistake, T otherwise)
        {
            mistakes.Add(mistake);
            return otherwise;
        }
    }

    private static (ulong Id, byte[] Hash)? ReadKeyFile(IConfiguration configuration, List<string> mistakes)
    {
        if (Text(configuration, "TOWN_ADMIN_KEY_FILE") is not { } path)
        {
            return null;
        }

        try
        {
            var hash = new byte[KeyFormat.HashBytes];
            if (KeyFormat.TryRead(File.ReadAllText(path).AsSpan().Trim(), out var id, hash))
            {
                return (id, hash);
            }

            mistakes.Add($"TOWN_ADMIN_KEY_FILE ({path}) holds no key of this town's form; remove it and the AppHost makes one.");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            mistakes.Add($"TOWN_ADMIN_KEY_FILE ({path}) cannot be read: {failure.Message}");
        }

        return null;
    }

    private static AuthSettings ReadConfiguredKey(AuthSettings settings, IConfiguration configuration, List<string> mistakes)
    {
        if (Text(configuration, "TOWN_AUTH_API_KEY_HASH") is not { } hash)
        {
            return settings;
        }

        if (Argon2.Fault(hash) is { } fault)
        {
            mistakes.Add($"TOWN_AUTH_API_KEY_HASH {fault}");
        }

        // Unset and empty differ here: nobody is to get rights because a line was forgotten.
        if (configuration["TOWN_AUTH_API_KEY_SCOPES"] is not { } scopes)
        {
            mistakes.Add($"TOWN_AUTH_API_KEY_HASH is set without TOWN_AUTH_API_KEY_SCOPES; say what that key may do: some of {string.Join(", ", Scopes.All)}, or nothing (set and empty).");
            return settings;
        }

        var words = Words(scopes);
        mistakes.AddRange(words.Where(static word => Scopes.Of(word) == ScopeSet.None)
            .Select(static word => $"TOWN_AUTH_API_KEY_SCOPES names '{word}', which is no scope; there are {string.Join(", ", Scopes.All)}."));
        return settings with { ApiKeyHash = hash, ApiKeyScopes = Scopes.Of(words) };
    }

    private static AuthSettings ReadIssuer(AuthSettings settings, IConfiguration configuration, List<string> mistakes)
    {
        var (issuer, audience, jwks) = (
            Text(configuration, "TOWN_AUTH_ISSUER"), Text(configuration, "TOWN_AUTH_AUDIENCE"), Text(configuration, "TOWN_AUTH_JWKS_URL"));
        if (issuer is null)
        {
            mistakes.Add("TOWN_AUTH_MODE=oidc needs TOWN_AUTH_ISSUER, the address that tokens name as iss.");
        }
        else if (!Secure(issuer, out _))
        {
            mistakes.Add("TOWN_AUTH_ISSUER must be an https address (http only on the loopback address).");
        }

        if (audience is null)
        {
            mistakes.Add("TOWN_AUTH_MODE=oidc needs TOWN_AUTH_AUDIENCE: without it tokens for other programs would be taken.");
        }

        Uri? keys = null;
        if (jwks is not null && !Secure(jwks, out keys))
        {
            mistakes.Add("TOWN_AUTH_JWKS_URL must be an https address (http only on the loopback address).");
        }

        return settings with { Issuer = issuer ?? "", Audience = audience ?? "", JwksUrl = keys };
    }

    /// <summary>Who can change an answer on its way can make tokens; nobody can between a machine and itself.</summary>
    internal static bool Secure(string text, out Uri? address) =>
        Uri.TryCreate(text, UriKind.Absolute, out address)
        && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback));

    private static string? Text(IConfiguration configuration, string key) =>
        configuration[key]?.Trim() is { Length: > 0 } text ? text : null;

    private static string[] Words(string? text) =>
        text?.Split([',', ' '], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
}

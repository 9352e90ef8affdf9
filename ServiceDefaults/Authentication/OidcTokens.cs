using Microsoft.AspNetCore.Authentication;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Judges access tokens of the configured issuer (RFC 7519, RFC 9068). A token that was found good is remembered until it ends or the issuer's keys change.</summary>
internal sealed class OidcTokens(TownSettings town, IssuerKeys keys, TimeProvider clock)
{
    private const int Remembered = 2048;
    private const int SubjectLengthMost = 255;

    // Asymmetric only: with a symmetric algorithm the issuer's public key would be a password that everybody knows.
    private static readonly string[] Algorithms =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    private readonly AuthSettings _settings = town.Auth;
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly Recent<(Caller Caller, int Generation)> _good = new(Remembered);

    /// <summary>Three parts with two dots between them.</summary>
    public static bool LooksLikeOne(ReadOnlySpan<char> credential) => credential.Count('.') == 2;

    public async Task<AuthenticateResult> JudgeAsync(string token, CancellationToken cancellationToken)
    {
        var mark = Fingerprint.Of(token);
        if (_good.TryFind(mark, out var good) && good.Generation == keys.Generation && clock.GetUtcNow() < good.Caller.EndsAt)
        {
            return await good.Caller.Proven;
        }

        if (Read(token) is not { } read || !Algorithms.Contains(read.Alg, StringComparer.Ordinal) || read.Subject is not { Length: > 0 and <= SubjectLengthMost } subject
            || subject.Any(static one => char.IsControl(one) || char.IsSurrogate(one)))
        {
            return Refuse(AuthRefusals.NotTaken);
        }

        if (await keys.FindAsync(string.IsNullOrEmpty(read.Kid) ? null : read.Kid, cancellationToken) is not { } possible)
        {
            return Refuse(AuthRefusals.IssuerAway);
        }

        var generation = keys.Generation;
        if (possible.Count == 0 || !(await _handler.ValidateTokenAsync(read, Rules(possible))).IsValid)
        {
            return Refuse(AuthRefusals.NotTaken);
        }

        var words = Words(read);
        var caller = new Caller($"oidc:{subject}", Scopes.Of(words.Select(static word => word.Replace(':', '.'))), town.Name)
        {
            EndsAt = new DateTimeOffset(read.ValidTo, TimeSpan.Zero) + _settings.ClockSkew,
        };
        if (_settings.RequiredScopes.FirstOrDefault(word => !words.Contains(word, StringComparer.Ordinal)) is { } missing)
        {
            return AuthenticateResult.Fail(new RefusedException(AuthRefusals.InsufficientScope(missing)) { Caller = caller, Scope = missing });
        }

        _good.Add(mark, (caller, generation));
        return await caller.Proven;
    }

    private static AuthenticateResult Refuse(Problems.Refusal refusal) => AuthenticateResult.Fail(new RefusedException(refusal));

    private static JsonWebToken? Read(string token)
    {
        try
        {
            return new JsonWebToken(token);
        }
        catch (Exception malformed) when (malformed is ArgumentException or SecurityTokenException or System.Text.Json.JsonException or FormatException)
        {
            return null;
        }
    }

    private static string[] Words(JsonWebToken token) =>
    [
        .. token.Claims.Where(static claim => claim.Type is "scope" or "scp")
            .SelectMany(static claim => claim.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)),
    ];

    private TokenValidationParameters Rules(IReadOnlyList<SecurityKey> possible) => new()
    {
        ValidIssuer = _settings.Issuer,
        ValidAudience = _settings.Audience,
        ValidAlgorithms = Algorithms,
        IssuerSigningKeys = possible,
        TryAllIssuerSigningKeys = true,
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        ValidateIssuerSigningKey = true,
        LifetimeValidator = (begins, ends, _, _) =>
        {
            var now = clock.GetUtcNow().UtcDateTime;
            return ends is { } end && now < end + _settings.ClockSkew && (begins is null || begins.Value - _settings.ClockSkew <= now);
        },
    };
}

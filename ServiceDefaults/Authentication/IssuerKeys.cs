using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// The signing keys of the issuer: fetched when first needed, looked at again every ten minutes, and at once when a token
/// names a key that is not there, though only so often: tokens are made up easily.
/// </summary>
internal sealed partial class IssuerKeys(AuthSettings settings, TimeProvider clock, ILogger<IssuerKeys> logger) : IDisposable
{
    private const int AnswerBytesMost = 256 * 1024;
    private const int KeysMost = 64;
    private const int RsaBitsLeast = 2048;

    /// <summary>Fetches at once for unknown keys; one more every <see cref="RefillEvery"/>.</summary>
    private const int BurstMost = 4;
    private static readonly TimeSpan RefillEvery = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(10);

    /// <summary>How long known keys are relied on while the issuer does not answer.</summary>
    private static readonly TimeSpan Usable = TimeSpan.FromHours(1);
    private static readonly TimeSpan FetchDeadline = TimeSpan.FromSeconds(3);

    /// <summary>After a failed fetch nobody tries for so long.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(2),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        MaxConnectionsPerServer = 2,
    })
    { MaxResponseContentBufferSize = AnswerBytesMost, Timeout = FetchDeadline };

    private readonly Lock _gate = new();
    private Set? _set;
    private Task<bool>? _fetching;
    private long _failedAt;
    private double _allowed = BurstMost;
    private long _allowedAt;

    /// <summary>Changes whenever the keys do: what was judged by others is judged anew.</summary>
    public int Generation => Volatile.Read(ref _set)?.Generation ?? 0;

    /// <summary>The keys that a token with this <c>kid</c> may be signed with; without one, all.</summary>
    /// <returns>Null when the issuer cannot be asked; empty when it has no such key.</returns>
    public async Task<IReadOnlyList<SecurityKey>?> FindAsync(string? kid, CancellationToken cancellationToken)
    {
        var set = Volatile.Read(ref _set);
        var age = set is null ? TimeSpan.MaxValue : clock.GetElapsedTime(set.FetchedAt);
        if (age > Usable)
        {
            if (!await FetchAsync().WaitAsync(cancellationToken))
            {
                return null;
            }
        }
        else if (set!.Of(kid).Count == 0)
        {
            if (!Allowed())
            {
                return [];
            }

            if (!await FetchAsync().WaitAsync(cancellationToken))
            {
                return null;    // it may have this key by now
            }
        }
        else if (age > Fresh && Allowed())
        {
            _ = FetchAsync();   // for the next one; says itself when it fails
        }

        return Volatile.Read(ref _set)?.Of(kid);
    }

    public void Dispose() => _client.Dispose();

    private bool Allowed()
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            _allowed = _allowedAt == 0 ? BurstMost : Math.Min(BurstMost, _allowed + (clock.GetElapsedTime(_allowedAt, now) / RefillEvery));
            _allowedAt = now;
            if (_allowed < 1)
            {
                return false;
            }

            _allowed--;
            return true;
        }
    }

    private Task<bool> FetchAsync()
    {
        lock (_gate)
        {
            return _fetching is { IsCompleted: false } ? _fetching
                : _failedAt != 0 && clock.GetElapsedTime(_failedAt) < Pause ? Task.FromResult(false)
                : _fetching = FetchOnceAsync();
        }
    }

    private async Task<bool> FetchOnceAsync()
    {
        await Task.Yield();
        try
        {
            using var deadline = new CancellationTokenSource(FetchDeadline, clock);
            var json = await _client.GetStringAsync(settings.JwksUrl ?? await DiscoverAsync(deadline.Token), deadline.Token);
            var keys = new JsonWebKeySet(json).Keys.Where(Usual).Take(KeysMost).ToArray();
            var before = Volatile.Read(ref _set);
            var same = before is not null && before.Json == json;
            Volatile.Write(ref _set, new Set(keys, json, clock.GetTimestamp(), same ? before!.Generation : (before?.Generation ?? 0) + 1));
            return true;
        }
        catch (Exception away) when (away is HttpRequestException or OperationCanceledException or TimeoutException or JsonException or ArgumentException or InvalidDataException)
        {
            lock (_gate)
            {
                _failedAt = clock.GetTimestamp();
            }

            LogAway(settings.Issuer, away.GetType().Name);
            return false;
        }
    }

    /// <exception cref="InvalidDataException">The document is not this issuer's, or names no secure address.</exception>
    private async Task<Uri> DiscoverAsync(CancellationToken cancellationToken)
    {
        // OpenID Connect Discovery 1.0, section 4.
        using var document = JsonDocument.Parse(await _client.GetStringAsync(
            new Uri(settings.Issuer.TrimEnd('/') + "/.well-known/openid-configuration"), cancellationToken));
        return document.RootElement is { ValueKind: JsonValueKind.Object } root
            && root.TryGetProperty("issuer", out var issuer) && issuer.ValueKind == JsonValueKind.String && issuer.ValueEquals(settings.Issuer)
            && root.TryGetProperty("jwks_uri", out var uri) && uri.ValueKind == JsonValueKind.String
            && AuthSettings.Secure(uri.GetString()!, out var keys)
            ? keys!
            : throw new InvalidDataException("The discovery document does not name this issuer and a secure jwks_uri.");
    }

    /// <summary>Asymmetric, for signatures, and strong enough. A symmetric key in a public document is nobody's secret.</summary>
    private static bool Usual(JsonWebKey key) =>
        key.Use is null or "" or "sig"
        && (key is { Kty: JsonWebAlgorithmsKeyTypes.EllipticCurve } || (key is { Kty: JsonWebAlgorithmsKeyTypes.RSA } && key.KeySize >= RsaBitsLeast));

    [LoggerMessage(LogLevel.Warning, "The keys of issuer {Issuer} cannot be fetched ({Reason}); tokens that need them are answered 503 until they can")]
    private partial void LogAway(string issuer, string reason);

    private sealed record Set(JsonWebKey[] Keys, string Json, long FetchedAt, int Generation)
    {
        public IReadOnlyList<SecurityKey> Of(string? kid) =>
            kid is null ? Keys : [.. Keys.Where(key => string.Equals(key.Kid, kid, StringComparison.Ordinal))];
    }
}

using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Authentication;

/// <summary>An OpenID Connect issuer of this test's own, with keys that it can change, and able to be away.</summary>
internal sealed class Issuer : IAsyncDisposable
{
    public const string Audience = "townhall";

    private readonly int _port = Ports.Free();
    private readonly List<(string Kid, RSA Key)> _keys = [];
    private readonly ECDsa _curve = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private WebApplication? _app;
    private int _fetches;

    public string Address => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_port}");

    /// <summary>How often its keys were asked for.</summary>
    public int Fetches => Volatile.Read(ref _fetches);

    public RSA Newest => _keys[^1].Key;

    public static async Task<Issuer> StartAsync()
    {
        var issuer = new Issuer();
        issuer.AddKey("first");
        await issuer.ComeAsync();
        return issuer;
    }

    /// <summary>Signs with a new key from now on; <paramref name="alone"/> withdraws the older ones.</summary>
    public void AddKey(string kid, bool alone = false)
    {
        if (alone)
        {
            _keys.Clear();
        }

        _keys.Add((kid, RSA.Create(2048)));
    }

    public async Task ComeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(Address);
        _app = builder.Build();
        _app.MapGet("/.well-known/openid-configuration", () => Results.Text(
            $$"""{"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys"}""", "application/json"));
        _app.MapGet("/keys", () =>
        {
            Interlocked.Increment(ref _fetches);
            return Results.Text(KeySet(), "application/json");
        });
        await _app.StartAsync();
    }

    public async Task GoAsync()
    {
        if (_app is { } app)
        {
            _app = null;
            using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
            await app.StopAsync(now.Token);
            await app.DisposeAsync();
        }
    }

    /// <summary>A token with the newest key, good unless told otherwise.</summary>
    public string Token(
        string scope = "town.read", string subject = "ada", int lifeSecs = 300, int beginsInSecs = 0, string? audience = null, string? issuer = null,
        string? kid = null, string algorithm = "RS256", Func<byte[], byte[]>? sign = null)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var body = string.Join('.', Part(new Dictionary<string, object> { ["alg"] = algorithm, ["typ"] = "at+jwt", ["kid"] = kid ?? _keys[^1].Kid }), Part(new Dictionary<string, object>
        {
            ["iss"] = issuer ?? Address,
            ["aud"] = audience ?? Audience,
            ["sub"] = subject,
            ["scope"] = scope,
            ["iat"] = now,
            ["nbf"] = now + beginsInSecs,
            ["exp"] = now + lifeSecs,
        }));
        var bytes = Encoding.ASCII.GetBytes(body);
        var signature = sign?.Invoke(bytes) ?? _keys[^1].Key.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return $"{body}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>A good token by the issuer's other key, on a curve.</summary>
    public string CurveToken() => Token(kid: "curve", algorithm: "ES256", sign: bytes => _curve.SignData(bytes, HashAlgorithmName.SHA256));

    public async ValueTask DisposeAsync()
    {
        await GoAsync();
        _curve.Dispose();
        _keys.ForEach(static one => one.Key.Dispose());
    }

    private static string Part(Dictionary<string, object> members) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(members));

    private string KeySet()
    {
        var curve = _curve.ExportParameters(false);
        var keys = _keys.Select(static one => (one.Kid, Parameters: one.Key.ExportParameters(false))).Select(static one =>
            $$"""{"kty":"RSA","use":"sig","kid":"{{one.Kid}}","n":"{{Base64Url.EncodeToString(one.Parameters.Modulus)}}","e":"{{Base64Url.EncodeToString(one.Parameters.Exponent)}}"}""")
            .Append($$"""{"kty":"EC","use":"sig","kid":"curve","crv":"P-256","x":"{{Base64Url.EncodeToString(curve.Q.X)}}","y":"{{Base64Url.EncodeToString(curve.Q.Y)}}"}""")
            .Append("""{"kty":"oct","kid":"shared","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}""");
        return $$"""{"keys":[{{string.Join(',', keys)}}]}""";
    }
}

using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Logging.Abstractions;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Authentication;

public sealed class OidcTests : IAsyncLifetime
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));
    private Issuer _issuer = null!;
    private IssuerKeys _keys = null!;
    private OidcTokens _tokens = null!;

    public async Task InitializeAsync()
    {
        _issuer = await Issuer.StartAsync();
        _tokens = Judge();
    }

    public async Task DisposeAsync()
    {
        _keys.Dispose();
        await _issuer.DisposeAsync();
    }

    [Fact]
    public async Task A_good_token_is_its_subject_with_its_scopes()
    {
        var caller = Assert.IsType<Caller>((await _tokens.JudgeAsync(_issuer.Token("town.read agent:manage openid"), _deadline)).Principal);

        Assert.Equal(("oidc:ada", ScopeSet.TownRead | ScopeSet.AgentManage), (caller.Name, caller.Scopes));
    }

    [Fact]
    public async Task A_token_on_a_curve_is_good_too() => Assert.True((await _tokens.JudgeAsync(_issuer.CurveToken(), _deadline)).Succeeded);

    [Fact]
    public async Task The_same_token_again_asks_nobody()
    {
        var token = _issuer.Token();
        var first = await _tokens.JudgeAsync(token, _deadline);
        var second = await _tokens.JudgeAsync(token, _deadline);

        Assert.Same(first.Principal, second.Principal);
        Assert.Equal(1, _issuer.Fetches);
    }

    public static TheoryData<string> Bad() => new(
        "expired", "not yet", "other audience", "other issuer", "no algorithm", "public key as password", "shared key", "other key", "changed", "no subject", "cut", "empty");

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task A_bad_token_is_refused(string how)
    {
        var good = _issuer.Token();
        using var other = RSA.Create(2048);
        var token = how switch
        {
            "expired" => _issuer.Token(lifeSecs: -120),
            "not yet" => _issuer.Token(beginsInSecs: 120),
            "other audience" => _issuer.Token(audience: "another program"),
            "other issuer" => _issuer.Token(issuer: "http://127.0.0.1:1"),
            "no algorithm" => _issuer.Token(algorithm: "none", sign: static _ => []),
            "public key as password" => _issuer.Token(algorithm: "HS256", sign: bytes => HMACSHA256.HashData(Encoding.ASCII.GetBytes(_issuer.Newest.ExportSubjectPublicKeyInfoPem()), bytes)),
            "shared key" => _issuer.Token(algorithm: "HS256", kid: "shared", sign: static bytes => HMACSHA256.HashData("secret-secret-secret-secret-secret"u8, bytes)),
            "other key" => _issuer.Token(sign: bytes => other.SignData(bytes, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)),
            "changed" => good[..(good.IndexOf('.', StringComparison.Ordinal) + 10)] + "AAAA" + good[(good.IndexOf('.', StringComparison.Ordinal) + 14)..],
            "no subject" => _issuer.Token(subject: ""),
            "cut" => good[..^20],
            _ => "..",
        };

        Assert.Equal((401, "credential_refused"), Refusal(await _tokens.JudgeAsync(token, _deadline)));
        Assert.True((await _tokens.JudgeAsync(good, _deadline)).Succeeded);
    }

    [Fact]
    public async Task Clocks_may_differ_by_the_skew()
    {
        Assert.True((await _tokens.JudgeAsync(_issuer.Token(lifeSecs: -30), _deadline)).Succeeded);
        Assert.True((await _tokens.JudgeAsync(_issuer.Token(beginsInSecs: 30), _deadline)).Succeeded);
    }

    [Fact]
    public async Task A_new_key_of_the_issuer_is_fetched_when_a_token_names_it_and_a_withdrawn_one_no_longer_counts()
    {
        var before = _issuer.Token();
        Assert.True((await _tokens.JudgeAsync(before, _deadline)).Succeeded);

        _issuer.AddKey("second", alone: true);

        Assert.True((await _tokens.JudgeAsync(_issuer.Token(), _deadline)).Succeeded);
        Assert.Equal(401, Refusal(await _tokens.JudgeAsync(before, _deadline)).Status);
    }

    [Fact]
    public async Task Made_up_key_names_do_not_make_the_issuer_busy()
    {
        Assert.True((await _tokens.JudgeAsync(_issuer.Token(), _deadline)).Succeeded);

        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(401, Refusal(await _tokens.JudgeAsync(_issuer.Token(kid: $"made-up-{i}"), _deadline)).Status);
        }

        Assert.InRange(_issuer.Fetches, 2, 6);
    }

    [Fact]
    public async Task An_issuer_that_is_away_is_503_until_it_comes_and_known_keys_go_on()
    {
        await _issuer.GoAsync();
        Assert.Equal((503, "issuer_unavailable"), Refusal(await _tokens.JudgeAsync(_issuer.Token(), _deadline)));

        await _issuer.ComeAsync();
        await Eventually.Is(
            async () => (await _tokens.JudgeAsync(_issuer.Token(), _deadline)).Succeeded, static good => good, _deadline, "the issuer to be asked again");

        await _issuer.GoAsync();
        Assert.True((await _tokens.JudgeAsync(_issuer.Token(subject: "grace"), _deadline)).Succeeded);
        Assert.Equal(503, Refusal(await _tokens.JudgeAsync(_issuer.Token(kid: "perhaps new"), _deadline)).Status);
    }

    [Fact]
    public async Task A_token_without_a_required_scope_is_known_and_refused()
    {
        _keys.Dispose();
        _tokens = Judge("townhall");

        var missing = await _tokens.JudgeAsync(_issuer.Token("town.read"), _deadline);

        Assert.Equal((403, "insufficient_scope"), Refusal(missing));
        Assert.Contains("townhall", ((RefusedException)missing.Failure!).Refusal.Detail, StringComparison.Ordinal);
        Assert.True((await _tokens.JudgeAsync(_issuer.Token("town.read townhall"), _deadline)).Succeeded);
    }

    private static (int Status, string Code) Refusal(AuthenticateResult result) =>
        result.Failure is RefusedException { Refusal: var refusal } ? (refusal.Status, refusal.Code) : (200, "");

    private OidcTokens Judge(params string[] required)
    {
        var auth = new AuthSettings
        {
            Mode = AuthMode.Oidc,
            Issuer = _issuer.Address,
            Audience = Issuer.Audience,
            RequiredScopes = required,
        };
        _keys = new IssuerKeys(auth, TimeProvider.System, NullLogger<IssuerKeys>.Instance);
        return new OidcTokens(new TownSettings { Name = "oak", Root = "/", Auth = auth }, _keys, TimeProvider.System);
    }
}

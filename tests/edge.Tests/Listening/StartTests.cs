using Townhall.Testing;

namespace Townhall.Edge.Tests.Listening;

/// <summary>A listener that would not be what its settings say does not start, and says why.</summary>
public sealed class StartTests : IDisposable
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));
    private readonly Authority _authority = new("ours");
    private readonly PemFolder _files = new();

    public void Dispose()
    {
        _authority.Dispose();
        _files.Dispose();
    }

    [Fact]
    public async Task All_mistakes_are_said_at_once_and_the_exit_code_is_78()
    {
        var log = await RefusedAsync(new()
        {
            ["ASPNETCORE_URLS"] = "http://0.0.0.0:0",
            ["TOWN_TLS_ENABLED"] = "true",
            ["TOWN_TLS_CERT_FILE"] = "/nowhere/edge.crt",
            ["TOWN_TLS_KEY_FILE"] = "/nowhere/edge.key",
            ["TOWN_MTLS_REQUIRED"] = "true",
            ["TOWN_CORS_ORIGINS"] = "*,https://a.example/path",
            ["TOWN_CORS_CREDENTIALS"] = "true",
            ["TOWN_PROBE_PORT"] = "none",
        });

        Assert.All(
            (string[])["ASPNETCORE_URLS", "TOWN_AUTH_MODE", "TOWN_TLS_CERT_FILE (/nowhere/edge.crt)", "TOWN_MTLS_CA_FILE", "TOWN_CORS_CREDENTIALS", "'https://a.example/path'", "TOWN_PROBE_PORT"],
            said => Assert.Contains(said, log, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_certificate_that_cannot_be_served_is_refused()
    {
        var (cert, key) = _files.Pair("good", _authority.Sign("good"));
        var (_, otherKey) = _files.Pair("other", _authority.Sign("other"));
        var (late, lateKey) = _files.Pair("late", _authority.Sign("late", beginsInDays: -3, endsInDays: -1));
        var (early, earlyKey) = _files.Pair("early", _authority.Sign("early", beginsInDays: 1, endsInDays: 3));
        var text = _files.Text("text", "no PEM");

        Assert.Contains("TOWN_TLS_KEY_FILE", await TlsAsync(cert, otherKey), StringComparison.Ordinal);
        Assert.Contains("TOWN_TLS_KEY_FILE", await TlsAsync(cert, text), StringComparison.Ordinal);
        Assert.Contains("expired", await TlsAsync(late, lateKey), StringComparison.Ordinal);
        Assert.Contains("valid from", await TlsAsync(early, earlyKey), StringComparison.Ordinal);
        Assert.Contains("TOWN_TLS_CERT_FILE", await TlsAsync(text, key), StringComparison.Ordinal);
        Assert.Contains("TOWN_MTLS_CA_FILE", await TlsAsync(cert, key, text), StringComparison.Ordinal);
        Assert.Contains("still valid", await TlsAsync(cert, key, late), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_authentication_an_open_address_is_refused_also_by_its_own_setting()
    {
        var log = await RefusedAsync(new() { ["TOWN_BIND"] = "0.0.0.0" });

        Assert.Contains("http://0.0.0.0:", log, StringComparison.Ordinal);
        Assert.Contains("TOWN_AUTH_MODE", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_towns_file_says_of_the_listener_counts_and_its_lines_are_named()
    {
        var file = _files.Text("tinytown.toml", """
            [townhall]
            bind = "0.0.0.0"
            [townhall.tls]
            enabled = true
            cert_file = "missing.crt"
            key_file = "missing.key"
            [townhall.mtls]
            required = true
            """);
        var log = await RefusedAsync(new() { ["TOWN_CONFIG"] = file });

        Assert.Contains("http://0.0.0.0:", log, StringComparison.Ordinal);
        Assert.Contains($"TOWN_TLS_CERT_FILE ({Path.Combine(Path.GetDirectoryName(file)!, "missing.crt")})", log, StringComparison.Ordinal);
        Assert.Contains($"It is townhall.tls.cert_file in {file}, line 5.", log, StringComparison.Ordinal);
        Assert.Contains("TOWN_MTLS_CA_FILE", log, StringComparison.Ordinal);
    }

    private Task<string> TlsAsync(string cert, string key, string? ca = null) => RefusedAsync(new()
    {
        ["TOWN_TLS_ENABLED"] = "true",
        ["TOWN_TLS_CERT_FILE"] = cert,
        ["TOWN_TLS_KEY_FILE"] = key,
        ["TOWN_MTLS_ENABLED"] = ca is null ? "" : "true",
        ["TOWN_MTLS_CA_FILE"] = ca ?? "",
    });

    private async Task<string> RefusedAsync(Dictionary<string, string> settings)
    {
        foreach (var service in (string[])["townhall", "scaler", "notifier"])
        {
            settings[$"services__{service}__http__0"] = "http://127.0.0.1:1";
        }

        await using var edge = await ServiceProcess.BeginAsync("services/edge", settings);
        Assert.Equal(78, await edge.Process.ExitAsync(_deadline));
        // Its last words may arrive after its end.
        return await Eventually.Is(() => edge.Process.Log, static log => log.Length > 0, _deadline);
    }
}

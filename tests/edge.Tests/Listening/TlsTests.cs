using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Townhall.Testing;

namespace Townhall.Edge.Tests.Listening;

/// <summary>TLS and mTLS as clients meet them: by handshakes.</summary>
public sealed class TlsTests : IDisposable
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
    public async Task TLS_is_served_with_the_certificate_of_the_file_and_plain_HTTP_is_not()
    {
        await using var town = await TlsTown.StartAsync(_files, _authority.Sign("first"), [], _deadline);

        Assert.Equal("CN=first", await town.HandshakeAsync(_authority, null, _deadline));
        using var client = town.Client(_authority);
        using var answer = await client.GetAsync(new Uri("/v1/agents", UriKind.Relative), _deadline);
        Assert.Equal(200, (int)answer.StatusCode);
        Assert.Equal("max-age=31536000", answer.Headers.GetValues("Strict-Transport-Security").Single());
        Assert.Equal("nosniff", answer.Headers.GetValues("X-Content-Type-Options").Single());

        using var plain = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => plain.GetAsync(town.Plain, _deadline));
    }

    [Fact]
    public async Task A_replaced_certificate_is_served_without_a_restart_and_a_broken_one_is_not()
    {
        await using var town = await TlsTown.StartAsync(_files, _authority.Sign("first"), [], _deadline);
        Assert.Equal("CN=first", await town.HandshakeAsync(_authority, null, _deadline));

        _files.Pair("edge", _authority.Sign("second"));
        await Eventually.Is("CN=second", () => town.HandshakeAsync(_authority, null, _deadline), _deadline);

        _files.Text("edge.crt", "nothing of use");
        await Eventually.Holds(() => town.Log.Contains("edge.crt) holds no PEM certificate", StringComparison.Ordinal), _deadline);
        Assert.Equal("CN=second", await town.HandshakeAsync(_authority, null, _deadline));
    }

    [Fact]
    public async Task With_mTLS_required_only_clients_of_the_authority_get_in()
    {
        using var stranger = new Authority("theirs");
        var ca = _files.Text("ca.crt", _authority.Certificate.ExportCertificatePem());
        await using var town = await TlsTown.StartAsync(
            _files, _authority.Sign("edge"), new() { ["TOWN_MTLS_REQUIRED"] = "true", ["TOWN_MTLS_CA_FILE"] = ca }, _deadline);

        using (var client = town.Client(_authority, _authority.Sign("ada", client: true)))
        {
            using var answer = await client.GetAsync(new Uri("/v1/agents", UriKind.Relative), _deadline);
            Assert.Equal(200, (int)answer.StatusCode);
        }

        foreach (var refused in (X509Certificate2?[])[null, stranger.Sign("mallory", client: true), _authority.Sign("a server", client: false), _authority.Sign("late", client: true, beginsInDays: -3, endsInDays: -1)])
        {
            using var client = town.Client(_authority, refused);
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => client.GetAsync(new Uri("/v1/agents", UriKind.Relative), _deadline));
        }
    }

    [Fact]
    public async Task With_mTLS_that_is_not_required_none_is_well_and_a_strangers_is_not()
    {
        using var stranger = new Authority("theirs");
        var ca = _files.Text("ca.crt", _authority.Certificate.ExportCertificatePem());
        await using var town = await TlsTown.StartAsync(
            _files, _authority.Sign("edge"), new() { ["TOWN_MTLS_ENABLED"] = "true", ["TOWN_MTLS_CA_FILE"] = ca }, _deadline);

        foreach (var welcome in (X509Certificate2?[])[null, _authority.Sign("ada", client: true)])
        {
            using var client = town.Client(_authority, welcome);
            using var answer = await client.GetAsync(new Uri("/v1/agents", UriKind.Relative), _deadline);
            Assert.Equal(200, (int)answer.StatusCode);
        }

        using var mallory = town.Client(_authority, stranger.Sign("mallory", client: true));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => mallory.GetAsync(new Uri("/v1/agents", UriKind.Relative), _deadline));
    }
}

/// <summary>An edge that serves TLS, with a plain port for probes.</summary>
internal sealed class TlsTown : IAsyncDisposable
{
    private readonly Upstream _upstream;
    private readonly KeptProcess _edge;
    private readonly int _port;

    private TlsTown(Upstream upstream, KeptProcess edge, int port) => (_upstream, _edge, _port) = (upstream, edge, port);

    public Uri Plain => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{_port}/v1/agents"));

    public string Log => _edge.Log;

    public static async Task<TlsTown> StartAsync(PemFolder files, X509Certificate2 certificate, Dictionary<string, string> more, CancellationToken deadline)
    {
        var (cert, key) = files.Pair("edge", certificate);
        var (port, probe) = (Ports.Free(), Ports.Free());
        var upstream = await Upstream.StartAsync("any");
        var edge = await KeptProcess.StartAsync("edge", Programs.Dotnet(), [Programs.Built("services/edge")], new Dictionary<string, string>(more)
        {
            ["ASPNETCORE_URLS"] = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}"),
            ["services__townhall__http__0"] = upstream.Address,
            ["services__scaler__http__0"] = upstream.Address,
            ["services__notifier__http__0"] = upstream.Address,
            ["TOWN_TLS_ENABLED"] = "true",
            ["TOWN_TLS_CERT_FILE"] = cert,
            ["TOWN_TLS_KEY_FILE"] = key,
            ["TOWN_PROBE_PORT"] = probe.ToString(CultureInfo.InvariantCulture),
        });
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false })
        {
            BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{probe}")),
        };
        await Eventually.Is(
            async () =>
            {
                Assert.False(edge.HasExited, edge.Log);
                try
                {
                    using var answer = await client.GetAsync(new Uri("/internal/ready", UriKind.Relative), deadline);
                    return (int)answer.StatusCode;
                }
                catch (HttpRequestException)
                {
                    return 0;       // not listening yet
                }
            },
            static status => status == 200, deadline, "the edge to be ready");
        using var elsewhere = await client.GetAsync(new Uri("/v1/agents", UriKind.Relative), deadline);
        Assert.Equal(404, (int)elsewhere.StatusCode);
        return new TlsTown(upstream, edge, port);
    }

    /// <summary>A client that trusts one authority, and shows a certificate of its own if it has one.</summary>
    public HttpClient Client(Authority trusted, X509Certificate2? own = null)
    {
        var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, server, _, _) => Trusts(trusted, server);
        if (own is not null)
        {
            handler.SslOptions.ClientCertificates = [own];
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => own;
        }

        return new HttpClient(handler) { BaseAddress = new Uri(string.Create(CultureInfo.InvariantCulture, $"https://127.0.0.1:{_port}")) };
    }

    /// <summary>The subject of the certificate that the edge shows.</summary>
    public async Task<string> HandshakeAsync(Authority trusted, X509Certificate2? own, CancellationToken deadline)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", _port, deadline);
        await using var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "127.0.0.1",
                EnabledSslProtocols = SslProtocols.None,
                ClientCertificates = own is null ? null : [own],
                RemoteCertificateValidationCallback = (_, server, _, _) => Trusts(trusted, server),
            },
            deadline);
        return tls.RemoteCertificate!.Subject;
    }

    public async ValueTask DisposeAsync()
    {
        await _edge.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    private static bool Trusts(Authority authority, X509Certificate? server)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority.Certificate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build((X509Certificate2)server!);
    }
}

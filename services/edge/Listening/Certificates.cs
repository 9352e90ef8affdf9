using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Townhall.Edge.Listening;

/// <summary>
/// The certificates that handshakes use, read again when their files change. Files that are wrong are said once and left
/// alone: what was loaded before goes on.
/// </summary>
internal sealed partial class Certificates : BackgroundService
{
    /// <summary>How soon a replaced file is noticed. Two small reads; files are replaced by links in some places, which watchers miss.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(5);
    private static readonly Oid ClientAuthentication = new("1.3.6.1.5.5.7.3.2");

    private readonly EdgeSettings _settings;
    private readonly TimeProvider _clock;
    private readonly ILogger<Certificates> _logger;
    private Loaded _loaded;
    private byte[] _refused = [];

    public Certificates(EdgeSettings settings, TimeProvider clock, ILogger<Certificates> logger)
    {
        (_settings, _clock, _logger) = (settings, clock, logger);
        _loaded = Load(settings);
    }

    /// <summary>What a handshake is told now.</summary>
    public SslServerAuthenticationOptions Options => Volatile.Read(ref _loaded).Options;

    /// <summary>What is wrong with a certificate and its key, with the setting and the remedy; null when they can be served.</summary>
    public static string? Fault(string certFile, string keyFile, TimeProvider clock)
    {
        if ((Missing("TOWN_TLS_CERT_FILE", certFile) ?? Missing("TOWN_TLS_KEY_FILE", keyFile)) is { } missing)
        {
            return missing;
        }

        try
        {
            using var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(certFile));
            var now = clock.GetUtcNow().UtcDateTime;
            if (certificate.NotAfter.ToUniversalTime() <= now)
            {
                return $"TOWN_TLS_CERT_FILE ({certFile}) expired at {certificate.NotAfter.ToUniversalTime():u}; put a new certificate there.";
            }

            if (certificate.NotBefore.ToUniversalTime() > now)
            {
                return $"TOWN_TLS_CERT_FILE ({certFile}) is valid from {certificate.NotBefore.ToUniversalTime():u} only; check it and this machine's clock.";
            }
        }
        catch (Exception failure) when (Unreadable(failure))
        {
            return $"TOWN_TLS_CERT_FILE ({certFile}) holds no PEM certificate.";
        }

        try
        {
            using var both = X509Certificate2.CreateFromPemFile(certFile, keyFile);
            return null;
        }
        catch (Exception failure) when (Unreadable(failure))
        {
            return $"TOWN_TLS_KEY_FILE ({keyFile}) holds no PEM private key that belongs to the certificate in TOWN_TLS_CERT_FILE ({certFile}).";
        }
    }

    /// <summary>What is wrong with the authorities of client certificates; null when nothing is.</summary>
    public static string? AuthoritiesFault(string caFile, TimeProvider clock)
    {
        if (Missing("TOWN_MTLS_CA_FILE", caFile) is { } missing)
        {
            return missing;
        }

        try
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(caFile);
            if (authorities.Count == 0)
            {
                return $"TOWN_MTLS_CA_FILE ({caFile}) holds no PEM certificate.";
            }

            // One that is valid is enough: the others may be on their way out, or in.
            var last = authorities.Max(static one => one.NotAfter.ToUniversalTime());
            return last <= clock.GetUtcNow().UtcDateTime
                ? $"TOWN_MTLS_CA_FILE ({caFile}) holds no certificate that is still valid, the last one expired at {last:u}, so no client could connect; put a current authority there."
                : null;
        }
        catch (Exception failure) when (Unreadable(failure))
        {
            return $"TOWN_MTLS_CA_FILE ({caFile}) holds no PEM certificate.";
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, _clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                Tick();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>One look: takes what is new, if it is right.</summary>
    internal void Tick()
    {
        var print = Print(_settings);
        if (print.AsSpan().SequenceEqual(_loaded.Print) || print.AsSpan().SequenceEqual(_refused))
        {
            return;
        }

        if ((Fault(_settings.CertFile, _settings.KeyFile, _clock) ?? (_settings.AskClients ? AuthoritiesFault(_settings.CaFile, _clock) : null)) is { } fault)
        {
            _refused = print;
            LogRefused(fault);
            return;
        }

        try
        {
            Volatile.Write(ref _loaded, Load(_settings));
            _refused = [];
            LogTaken(_loaded.NotAfter);
        }
        catch (Exception changing) when (Unreadable(changing))
        {
            LogRefused(changing.Message);       // replaced between two looks at it; the next turn sees the whole
        }
    }

    private static Loaded Load(EdgeSettings settings)
    {
        var print = Print(settings);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(settings.CertFile);
        var between = new X509Certificate2Collection();
        between.AddRange(chain.Skip(1).ToArray());
        var certificate = X509Certificate2.CreateFromPemFile(settings.CertFile, settings.KeyFile);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate, between, offline: true),
            ClientCertificateRequired = settings.AskClients,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (settings.AskClients)
        {
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(settings.CaFile);
            options.RemoteCertificateValidationCallback = (_, client, _, _) => Trusts(authorities, client, settings.RequireClients);
        }

        return new(print, options, certificate.NotAfter.ToUniversalTime());
    }

    private static bool Trusts(X509Certificate2Collection authorities, X509Certificate? client, bool required)
    {
        if (client is null)
        {
            return !required;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(ClientAuthentication);
        return client is X509Certificate2 whole && chain.Build(whole);
    }

    /// <summary>Over the content, because times of files lie when links are turned.</summary>
    private static byte[] Print(EdgeSettings settings)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in (string[])[settings.CertFile, settings.KeyFile, .. settings.AskClients ? [settings.CaFile] : Array.Empty<string>()])
        {
            all.AppendData(File.Exists(path) ? File.ReadAllBytes(path) : []);
            all.AppendData([0]);
        }

        return all.GetHashAndReset();
    }

    private static string? Missing(string setting, string path) =>
        File.Exists(path) ? null : $"{setting} ({path}) is not there; put the file there or correct the path.";

    private static bool Unreadable(Exception failure) => failure is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException;

    [LoggerMessage(LogLevel.Information, "The certificate was replaced; the new one is served until {NotAfter:u}")]
    private partial void LogTaken(DateTime notAfter);

    [LoggerMessage(LogLevel.Warning, "The certificate's files changed and are wrong; the old ones are served on. {Fault}")]
    private partial void LogRefused(string fault);

    private sealed record Loaded(byte[] Print, SslServerAuthenticationOptions Options, DateTime NotAfter);
}

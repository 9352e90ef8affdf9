using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Townhall.Edge.Tests.Listening;

/// <summary>An authority of a test's own, and what it signs.</summary>
internal sealed class Authority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public Authority(string name)
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        var now = TimeProvider.System.GetUtcNow();
        Certificate = request.CreateSelfSigned(now.AddDays(-30), now.AddDays(30));
    }

    public X509Certificate2 Certificate { get; }

    /// <summary>A certificate for the loopback address, with its key.</summary>
    /// <param name="client">For a client; otherwise for a server.</param>
    public X509Certificate2 Sign(string name, bool client = false, int beginsInDays = -1, int endsInDays = 1)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(client ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1")], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        using var signed = request.Create(Certificate, now.AddDays(beginsInDays), now.AddDays(endsInDays), RandomNumberGenerator.GetBytes(8));
        return signed.CopyWithPrivateKey(key);
    }

    public void Dispose()
    {
        Certificate.Dispose();
        _key.Dispose();
    }
}

/// <summary>A folder with PEM files, removed in the end.</summary>
internal sealed class PemFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("townhall-pem-").FullName;

    public string this[string name] => Path.Combine(_path, name);

    public string Text(string name, string text)
    {
        File.WriteAllText(this[name], text);
        return this[name];
    }

    /// <summary>Writes a certificate and its key.</summary>
    public (string Cert, string Key) Pair(string name, X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        return (Text($"{name}.crt", certificate.ExportCertificatePem()), Text($"{name}.key", key.ExportPkcs8PrivateKeyPem()));
    }

    public void Dispose() => Directory.Delete(_path, recursive: true);
}

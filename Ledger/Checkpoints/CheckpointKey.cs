using System.Security.Cryptography;
using System.Text;

namespace Townhall.Ledger.Checkpoints;

/// <summary>The key file cannot be used; the message says why and what would be right.</summary>
public sealed class CheckpointKeyException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>What anybody needs to check a town's checkpoints.</summary>
public sealed class CheckpointPublicKey : IDisposable
{
    private readonly ECDsa _key;

    private CheckpointPublicKey(ECDsa key)
    {
        _key = key;
        Id = IdOf(key);
    }

    /// <summary>SHA-256 of the key as SubjectPublicKeyInfo, lower-case hex.</summary>
    public string Id { get; }

    /// <param name="pem">A public key of curve P-256, as PEM.</param>
    /// <exception cref="CheckpointKeyException">It is none.</exception>
    public static CheckpointPublicKey FromPem(string pem)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            CheckpointKey.RequireP256(key);
            return new(key);
        }
        catch (Exception other) when (other is CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw new CheckpointKeyException("This is not a public key of curve P-256 in PEM.", other);
        }
    }

    /// <summary>Whether this key signed exactly this checkpoint.</summary>
    public bool Signed(Checkpoint checkpoint) =>
        checkpoint.KeyId == Id && checkpoint.Hash.Length == 32 && checkpoint.Signature.Length == 64
        && _key.VerifyData(checkpoint.SignedBytes(), checkpoint.Signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

    public void Dispose() => _key.Dispose();

    internal static string IdOf(ECDsa key) => Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));
}

/// <summary>Signs a town's checkpoints. Its file is the only place where the private key is: never a database, never an environment.</summary>
public sealed class CheckpointKey : IDisposable
{
    private const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode TooOpen =
        UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly ECDsa _key;

    private CheckpointKey(ECDsa key)
    {
        _key = key;
        PublicPem = key.ExportSubjectPublicKeyInfoPem();
        Public = CheckpointPublicKey.FromPem(PublicPem);
    }

    /// <summary>What checks the signatures; ends with this.</summary>
    public CheckpointPublicKey Public { get; }

    /// <summary>The same as PEM.</summary>
    public string PublicPem { get; }

    /// <summary>Reads the key, or makes it, mode 0600, where there is no file. Two that begin at once use the same.</summary>
    /// <exception cref="CheckpointKeyException">The file is open to others, is no key, or cannot be made.</exception>
    public static CheckpointKey Ensure(string path)
    {
        try
        {
            if (!File.Exists(path))
            {
                Make(path);
            }

            return Read(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointKeyException($"The ledger's key {path} cannot be read or made: {failure.Message}", failure);
        }
    }

    /// <summary>Signs where the chain stands.</summary>
    public Checkpoint Sign(string town, long seq, byte[] hash, DateTime at)
    {
        var unsigned = new Checkpoint(town, seq, hash, at, Public.Id, []);
        return unsigned with
        {
            Signature = _key.SignData(unsigned.SignedBytes(), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation),
        };
    }

    public void Dispose()
    {
        Public.Dispose();
        _key.Dispose();
    }

    internal static void RequireP256(ECDsa key)
    {
        if (key.ExportParameters(includePrivateParameters: false).Curve.Oid.Value != ECCurve.NamedCurves.nistP256.Oid.Value)
        {
            throw new CryptographicException("The curve is not P-256.");
        }
    }

    private static CheckpointKey Read(string path)
    {
        if ((File.GetUnixFileMode(path) & TooOpen) != 0)
        {
            throw new CheckpointKeyException($"The ledger's key {path} is open to others; chmod 600 it, and make a new one if somebody may have read it.");
        }

        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            RequireP256(key);
            return new(key);
        }
        catch (Exception other) when (other is CryptographicException or ArgumentException)
        {
            key.Dispose();
            throw new CheckpointKeyException($"{path} holds no private key of curve P-256 in PEM.", other);
        }
    }

    private static void Make(string path)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder, OwnerReadsAndWrites | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var draft = $"{path}.{Guid.CreateVersion7():N}";
        using (var stream = new FileStream(draft, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = OwnerReadsAndWrites,
        }))
        {
            stream.Write(Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem()));
            stream.Flush(flushToDisk: true);
        }

        try
        {
            // Whole or not at all, and never over another one's.
            File.Move(draft, path, overwrite: false);
        }
        catch (IOException) when (File.Exists(path))
        {
            File.Delete(draft);     // somebody was quicker: theirs is the town's
        }
    }
}

using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Townhall.Secrets;

/// <summary>Argon2id (RFC 9106) of the system's <c>libargon2</c>, or of <c>libsodium</c> where only that is.</summary>
public static partial class Argon2
{
    private const int MemoryKibMost = 1024 * 1024;
    private const int HashBytes = 32;
    private const int SaltBytes = 16;

    // RFC 9106, section 4, second choice, with one lane: what libsodium can check, too.
    private const uint Passes = 3;
    private const uint MemoryKib = 64 * 1024;

    private static readonly Lazy<bool> HasArgon2 = new(static () => NativeLibrary.TryLoad(Library, typeof(Argon2).Assembly, DllImportSearchPath.SafeDirectories, out _));
    private static readonly Lazy<bool> HasSodium = new(static () =>
        NativeLibrary.TryLoad(Sodium, typeof(Argon2).Assembly, DllImportSearchPath.SafeDirectories, out _) && sodium_init() >= 0);

    private const string Library = "libargon2.so.1";
    private const string Sodium = "libsodium.so.23";

    /// <summary>What is wrong with a hash, as the end of a sentence that names its setting; null when it can be checked here.</summary>
    public static string? Fault(string hash) =>
        Form().Match(hash) is not { Success: true } form || Number(form, "m") > MemoryKibMost || Number(form, "t") > 64 || Number(form, "p") > 64
            ? "must be an Argon2id hash as $argon2id$v=19$m=65536,t=3,p=1$SALT$HASH, with at most 1 GiB of memory, 64 passes and 64 lanes; tt auth gen-key prints one."
            : !HasArgon2.Value && !HasSodium.Value
            ? "needs libargon2 (or libsodium) on this machine: install the package libargon2-1."
            : !HasArgon2.Value && Number(form, "p") != 1
            ? "has several lanes, which libsodium cannot check: install the package libargon2-1, or use a hash with p=1."
            : null;

    /// <summary>Whether a secret belongs to a hash. Takes tens of milliseconds and the memory that the hash names, on purpose.</summary>
    /// <exception cref="InvalidOperationException">Neither library is there; see <see cref="Fault"/>.</exception>
    public static bool Verify(string hash, string secret)
    {
        var bytes = Encoding.UTF8.GetBytes(secret);
        try
        {
            return HasArgon2.Value ? argon2id_verify(hash, bytes, (nuint)bytes.Length) == 0
                : HasSodium.Value ? crypto_pwhash_str_verify(hash, bytes, (ulong)bytes.Length) == 0
                : throw new InvalidOperationException("Neither libargon2 nor libsodium is there.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    /// <summary>A hash of a secret, with 64 MiB and three passes.</summary>
    /// <exception cref="InvalidOperationException"><c>libargon2</c> is not there.</exception>
    public static string Hash(string secret)
    {
        if (!HasArgon2.Value)
        {
            throw new InvalidOperationException("Making an Argon2id hash needs libargon2: install the package libargon2-1.");
        }

        var (bytes, encoded) = (Encoding.UTF8.GetBytes(secret), new byte[256]);
        var failure = argon2id_hash_encoded(
            Passes, MemoryKib, 1, bytes, (nuint)bytes.Length, RandomNumberGenerator.GetBytes(SaltBytes), SaltBytes, HashBytes,
            encoded, (nuint)encoded.Length);
        return failure == 0
            ? Encoding.ASCII.GetString(encoded.AsSpan(0, Array.IndexOf(encoded, (byte)0)))
            : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"libargon2 answered {failure}."));
    }

    private static int Number(Match form, string group) => int.Parse(form.Groups[group].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^\$argon2id\$v=19\$m=(?<m>[1-9][0-9]{0,7}),t=(?<t>[1-9][0-9]{0,2}),p=(?<p>[1-9][0-9]?)\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,172}$", RegexOptions.ExplicitCapture)]
    private static partial Regex Form();

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int argon2id_verify(string encoded, byte[] secret, nuint length);

    [LibraryImport(Library)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int argon2id_hash_encoded(
        uint passes, uint memoryKib, uint lanes, byte[] secret, nuint length, byte[] salt, nuint saltLength, nuint hashLength,
        byte[] encoded, nuint encodedLength);

    [LibraryImport(Sodium)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int sodium_init();

    [LibraryImport(Sodium, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int crypto_pwhash_str_verify(string encoded, byte[] secret, ulong length);
}

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Remembers what was seen lately, in bounded memory: at most twice <paramref name="most"/>, and always the last <paramref name="most"/>.</summary>
internal sealed class Recent<TValue>(int most)
{
    private readonly Lock _gate = new();
    private Dictionary<UInt128, TValue> _young = [];
    private Dictionary<UInt128, TValue> _old = [];

    public bool TryFind(UInt128 key, out TValue value)
    {
        lock (_gate)
        {
            return _young.TryGetValue(key, out value!) || _old.TryGetValue(key, out value!);
        }
    }

    public void Add(UInt128 key, TValue value)
    {
        lock (_gate)
        {
            if (_young.Count >= most)
            {
                (_old, _young) = (_young, []);
            }

            _young[key] = value;
        }
    }
}

/// <summary>A credential's place in memory: half of its SHA-256, so that no credential is kept.</summary>
internal static class Fingerprint
{
    public static UInt128 Of(ReadOnlySpan<char> credential)
    {
        var most = System.Text.Encoding.UTF8.GetMaxByteCount(credential.Length);
        var rented = System.Buffers.ArrayPool<byte>.Shared.Rent(most);
        Span<byte> hash = stackalloc byte[32];
        var length = System.Text.Encoding.UTF8.GetBytes(credential, rented);
        System.Security.Cryptography.SHA256.HashData(rented.AsSpan(0, length), hash);
        System.Buffers.ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(hash);
    }
}

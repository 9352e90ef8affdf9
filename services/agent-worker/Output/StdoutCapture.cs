namespace Townhall.Worker.Output;

/// <summary>Keeps the beginning of what a command wrote to standard output: its result, unless it writes a result file.</summary>
internal sealed class StdoutCapture(int most)
{
    private byte[] _bytes = new byte[4096];
    private int _count;

    /// <summary>All bytes written, kept or not.</summary>
    public long Total { get; private set; }

    public ReadOnlySpan<byte> Kept => _bytes.AsSpan(0, _count);

    public void Append(ReadOnlySpan<byte> written)
    {
        Total += written.Length;
        var taken = written[..Math.Min(written.Length, most - _count)];
        if (_count + taken.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Min(most, Math.Max(_count + taken.Length, _bytes.Length * 2)));
        }

        taken.CopyTo(_bytes.AsSpan(_count));
        _count += taken.Length;
    }
}

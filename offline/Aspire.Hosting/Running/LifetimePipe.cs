using Microsoft.Win32.SafeHandles;

namespace Aspire.Hosting.Running;

/// <summary>
/// A FIFO whose only writer is this host. Who reads it sees its end when the host goes, however it goes: workers, which
/// the host did not start, learn from it that they are to drain.
/// </summary>
internal sealed class LifetimePipe : IDisposable
{
    private readonly string _path;
    private readonly SafeFileHandle _end;

    public LifetimePipe(string path)
    {
        _path = path;

        // The one a killed host left has no writer any more and says "gone" to whoever still reads it; leave it to them.
        File.Delete(path);
        Native.MakeFifo(path);

        // Opening for reading too does not wait for a reader; children do not inherit it (close-on-exec).
        _end = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
    }

    public void Dispose()
    {
        _end.Dispose();

        // Without a writer, opening a FIFO for reading waits for ever; a file that is not there fails at once.
        File.Delete(_path);
    }
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Townhall.Cli.Invoking;

/// <summary>Whoever read our answers has gone: there is nobody to tell anything, and nothing went wrong.</summary>
internal sealed class ReaderLeftException(IOException cause) : IOException(cause.Message, cause);

/// <summary>
/// Standard output that notices when its reader goes, as in <c>tt events -f | head</c>: at the next write, and also while there is
/// nothing to write. The console's own stream would swallow the one and never see the other.
/// </summary>
internal sealed partial class OutputPipe : Stream
{
    private const int StandardOutput = 1;
    private const int BrokenPipe = 32;
    private const int Interrupted = 4;
    private const short ErrorOrHangUp = 0x8 | 0x10;
    private readonly FileStream _stream;

    private OutputPipe(FileStream stream) => _stream = stream;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Files have no reader who could go, and share their position with others: they stay with the console.</summary>
    public static (Stream Out, CancellationToken ReaderLeft) Open()
    {
        try
        {
            var stream = new FileStream(new SafeFileHandle(StandardOutput, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            if (stream.CanSeek)
            {
                return (Console.OpenStandardOutput(), CancellationToken.None);
            }

            return (new OutputPipe(stream), Console.IsOutputRedirected ? Watch() : CancellationToken.None);
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return (Console.OpenStandardOutput(), CancellationToken.None);      // standard output is closed, or something unusual
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            _stream.Write(buffer);
        }
        catch (IOException broken) when (broken.HResult == BrokenPipe)
        {
            throw new ReaderLeftException(broken);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await _stream.WriteAsync(buffer, cancellationToken);
        }
        catch (IOException broken) when (broken.HResult == BrokenPipe)
        {
            throw new ReaderLeftException(broken);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
        // Nothing is held back.
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>A thread that waits for the other end to be closed; it lives as long as the process.</summary>
    private static CancellationToken Watch()
    {
        var left = new CancellationTokenSource();
        new Thread(() =>
        {
            var entry = new PollEntry { Descriptor = StandardOutput, Asked = 0, Found = 0 };
            int found;
            do
            {
                // Asked for nothing, poll still answers errors and hang-ups; -1 waits for one.
                found = Poll(ref entry, 1, -1);
            }
            while (found < 0 && Marshal.GetLastPInvokeError() == Interrupted);
            if (found > 0 && (entry.Found & ErrorOrHangUp) != 0)
            {
                left.Cancel();
            }
        })
        { IsBackground = true, Name = "reader watch" }.Start();
        return left.Token;
    }

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollEntry entry, nuint count, int timeout);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Asked;
        public short Found;
    }
}

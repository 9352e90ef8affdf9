using Townhall.Worker.Processes;

namespace Townhall.Worker.Output;

/// <summary>Reads both streams of a command on a thread of its own, in the order they come, until they end or it is stopped.</summary>
/// <remarks>
/// A thread, because pipes have no asynchronous reads in .NET and because blocking it is how a full buffer slows the command
/// down. There are never more of them than command slots.
/// </remarks>
internal sealed class OutputReader
{
    private const int StackBytes = 256 * 1024;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputBuffer _output;
    private readonly StdoutCapture _capture;
    private readonly int _standardOutput;
    private readonly int _standardError;
    private readonly int _stopRead;
    private int _stopWrite;

    private OutputReader(int standardOutput, int standardError, OutputBuffer output, StdoutCapture capture)
    {
        (_standardOutput, _standardError, _output, _capture) = (standardOutput, standardError, output, capture);
        (_stopRead, _stopWrite) = Libc.Pipe();
    }

    /// <summary>Ends when both streams have ended, or the reader was stopped and has let go of them.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Takes over two descriptors and closes them in the end.</summary>
    public static OutputReader Start(int standardOutput, int standardError, OutputBuffer output, StdoutCapture capture)
    {
        var reader = new OutputReader(standardOutput, standardError, output, capture);
        new Thread(reader.Read, StackBytes) { IsBackground = true, Name = "command-output" }.Start();
        return reader;
    }

    /// <summary>Lets go of the streams although somebody still holds their other end.</summary>
    public void Stop()
    {
        if (Interlocked.Exchange(ref _stopWrite, -1) is >= 0 and var write)
        {
            _ = Libc.Close(write);
        }
    }

    private void Read()
    {
        Span<byte> buffer = new byte[32 * 1024];
        Span<Libc.PollFd> fds =
        [
            new Libc.PollFd { Fd = _standardOutput, Events = Libc.PollIn },
            new Libc.PollFd { Fd = _standardError, Events = Libc.PollIn },
            new Libc.PollFd { Fd = _stopRead, Events = Libc.PollIn },
        ];

        // poll ignores negative descriptors, which is how an ended stream leaves the set.
        while (fds[0].Fd >= 0 || fds[1].Fd >= 0)
        {
            _ = Libc.Poll(fds, -1);
            var moved = false;
            for (var stream = 0; stream < 2; stream++)
            {
                if (fds[stream].Fd < 0 || fds[stream].Returned == 0)
                {
                    continue;
                }

                var length = Libc.Read(fds[stream].Fd, buffer);
                if (length > 0)
                {
                    moved = true;
                    var read = buffer[..length];
                    _output.Append(read);
                    if (stream == 0)
                    {
                        _capture.Append(read);
                    }
                }
                else if (length == 0)
                {
                    fds[stream].Fd = -1;
                }
            }

            // What was already in the pipe is read before the stop counts.
            if (!moved && fds[2].Returned != 0)
            {
                break;
            }
        }

        _ = Libc.Close(_standardOutput);
        _ = Libc.Close(_standardError);
        _ = Libc.Close(_stopRead);
        Stop();
        _ended.SetResult();
    }
}

using System.Text;
using Townhall.Contracts.Workers;
using Townhall.Worker.Output;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>A command that was started: its descriptors, its tree and its output, from the first fork to the last byte.</summary>
internal sealed class RunningCommand
{
    // A grandchild may keep a stream open for ever; what it would still say is not waited for.
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly ChildProcess _child;
    private readonly OutputReader _reader;
    private readonly int _startReport;
    private readonly bool _reportsStart;
    private readonly TimeProvider _clock;

    private RunningCommand(ChildProcess child, ProcessTree tree, OutputReader reader, StdoutCapture capture, int startReport, bool reportsStart, TimeProvider clock)
    {
        (_child, Tree, _reader, Capture, _startReport, _reportsStart, _clock) = (child, tree, reader, capture, startReport, reportsStart, clock);
    }

    public ProcessTree Tree { get; }

    public StdoutCapture Capture { get; }

    public Task<ExitStatus> Exited => _child.Exited;

    /// <summary>Starts a command with the prompt (or nothing) as standard input.</summary>
    /// <exception cref="SpawnException">It could not be started.</exception>
    public static async Task<RunningCommand> StartAsync(
        Launch launch, ISandbox sandbox, IReadOnlyList<KeyValuePair<string, string>> environment, string inputFile, Lease lease,
        OutputBuffer output, int captureBytes, CommandUser? user, ChildProcesses children, TimeProvider clock)
    {
        // Standard input is a file, not a pipe: nobody has to feed it, and a command that never reads it blocks nobody.
        var input = Libc.Open(inputFile, Libc.ReadOnly | Libc.CloseOnExec);
        if (input < 0)
        {
            throw Libc.Broken($"Opening {inputFile}");
        }

        var (outRead, outWrite) = Libc.Pipe();
        var (errRead, errWrite) = Libc.Pipe();
        var (reportRead, reportWrite) = Libc.Pipe();
        if (user is not null)
        {
            // Programs open /dev/stdout by name, and that asks for the right to open the pipe, which began as ours.
            _ = Libc.ChangeOwner(outWrite, user.Uid, user.Gid);
            _ = Libc.ChangeOwner(errWrite, user.Uid, user.Gid);
        }

        try
        {
            List<int> inherited = sandbox.ReportsStart ? [input, outWrite, errWrite, reportWrite] : [input, outWrite, errWrite];
            var child = await children.StartAsync(new SpawnRequest(launch.Arguments, environment, launch.Folder, inherited));
            var (task, attempt) = CommandEnvironment.Marks(lease);
            var capture = new StdoutCapture(captureBytes);
            var reader = OutputReader.Start(outRead, errRead, output, capture);
            return new RunningCommand(
                child, new ProcessTree(child, sandbox.Shape, task, attempt), reader, capture, reportRead, sandbox.ReportsStart, clock);
        }
        catch (Exception refused) when (refused is SpawnException or ArgumentException)
        {
            _ = Libc.Close(outRead);
            _ = Libc.Close(errRead);
            _ = Libc.Close(reportRead);
            throw;
        }
        finally
        {
            _ = Libc.Close(input);
            _ = Libc.Close(outWrite);
            _ = Libc.Close(errWrite);
            _ = Libc.Close(reportWrite);
        }
    }

    /// <summary>Ends whatever is left of the tree and collects the last output.</summary>
    /// <returns>How the main process ended, and whether the command itself ever ran.</returns>
    public async Task<(ExitStatus Status, bool Ran)> FinishAsync()
    {
        Tree.Kill();
        var status = await _child.Exited.WaitAsync(LastWords, _clock);

        // Once more, now that nobody is left who could fork unseen.
        Tree.Kill();
        try
        {
            await _reader.Ended.WaitAsync(LastWords, _clock);
        }
        catch (TimeoutException)
        {
            _reader.Stop();
            await _reader.Ended.WaitAsync(LastWords, _clock);
        }

        return (status, ReadStartReport());
    }

    /// <summary>Bubblewrap reports an exit code only for a command that it could start (bwrap(1), --json-status-fd).</summary>
    private bool ReadStartReport()
    {
        Span<byte> report = stackalloc byte[4096];
        var length = 0;
        while (length < report.Length && Libc.Read(_startReport, report[length..]) is > 0 and var read)
        {
            length += read;
        }

        _ = Libc.Close(_startReport);
        return !_reportsStart || Encoding.UTF8.GetString(report[..length]).Contains("\"exit-code\"", StringComparison.Ordinal);
    }
}

using System.Diagnostics;
using System.Globalization;

namespace Aspire.Hosting.Running;

/// <summary>What to start, and how it ends.</summary>
internal sealed record LaunchPlan(string Program, IReadOnlyList<string> Arguments, string WorkingDirectory)
{
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The signal that asks it to end in an orderly way.</summary>
    public int StopSignal { get; init; } = Native.SigTerm;

    /// <summary>What it gets when the host dies without a word.</summary>
    public string DeathSignal { get; init; } = "KILL";

    /// <summary>The user to run as, where the program refuses to run as root.</summary>
    public UserAccount? RunAs { get; init; }
}

/// <summary>
/// A running child: in a session of its own, so that Ctrl-C in the terminal reaches the host alone and the host decides the
/// order of stopping; bound to the host's life by a parent-death signal; its output read to the end, whoever is slow.
/// </summary>
internal sealed class ChildProcess
{
    private readonly Process _process;
    private readonly int _stopSignal;

    private ChildProcess(Process process, int stopSignal, Action<string> onLine)
    {
        _process = process;
        _stopSignal = stopSignal;
        Id = process.Id;

        // Nobody types into a service.
        process.StandardInput.Close();
        var outputs = Task.WhenAll(
            LineReader.ReadAsync(process.StandardOutput.BaseStream, onLine),
            LineReader.ReadAsync(process.StandardError.BaseStream, onLine));
        Exited = WaitAsync(outputs);
    }

    public int Id { get; }

    /// <summary>The exit code, once it ended and its last lines were read; 128 + n when signal n ended it.</summary>
    public Task<int> Exited { get; }

    public static async Task<ChildProcess> StartAsync(Spawner spawner, LaunchPlan plan, Action<string> onLine)
    {
        // The parent-death signal is forgotten when the user changes, so it is asked for after that.
        List<string> arguments = [];
        if (plan.RunAs is { } user)
        {
            arguments.AddRange(user.SetPrivArguments);
            arguments.Add("setpriv");
        }

        arguments.AddRange(["--pdeathsig", plan.DeathSignal, "--", plan.Program, .. plan.Arguments]);
        var info = new ProcessStartInfo("setsid", ["setpriv", .. arguments])
        {
            WorkingDirectory = plan.WorkingDirectory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.Environment.Clear();
        foreach (var (name, value) in plan.Environment)
        {
            info.Environment[name] = value;
        }

        return new ChildProcess(await spawner.StartAsync(info), plan.StopSignal, onLine);
    }

    /// <summary>Asks it to end, and ends it when it has not by <paramref name="bound"/> or when <paramref name="hurry"/> is cancelled.</summary>
    /// <returns>False when it had to be killed.</returns>
    public async Task<bool> StopAsync(TimeSpan bound, TimeProvider clock, CancellationToken hurry)
    {
        if (!Exited.IsCompleted)
        {
            Native.Signal(Id, _stopSignal);
            try
            {
                await Exited.WaitAsync(bound, clock, hurry);
            }
            catch (Exception error) when (error is TimeoutException or OperationCanceledException)
            {
                Native.Signal(Id, Native.SigKill);
                await Exited;
                return false;
            }
        }

        return true;
    }

    public override string ToString() => Id.ToString(CultureInfo.InvariantCulture);

    private async Task<int> WaitAsync(Task outputs)
    {
        await _process.WaitForExitAsync();
        var exitCode = _process.ExitCode;

        // A grandchild may have inherited the pipe and keep it open: its end is not waited for, its lines are still read.
        await Task.WhenAny(outputs, Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, CancellationToken.None));
        _ = outputs.ContinueWith(_ => _process.Dispose(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        return exitCode;
    }
}

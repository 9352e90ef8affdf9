using Microsoft.Extensions.Logging;
using Townhall.Contracts.Tasks;
using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;
using Townhall.Worker.Output;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;
using Townhall.Worker.Settings;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>What every attempt of this process shares.</summary>
internal sealed record CommandHost(
    WorkerSettings Settings, CommandUser? User, Sandboxes Sandboxes, WorkFolders Folders, ChildProcesses Children, Warden.Warden Warden,
    TimeProvider Clock, ILogger Logger);

/// <summary>Runs a command line as a process tree that ends with its attempt, whatever it does.</summary>
internal sealed partial class CommandRuntime(CommandHost host, OutputUploads uploads, BlobUploads blobs, int inlineResultBytes) : IAgentRuntime
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(5);

    private readonly ILogger _logger = host.Logger;

    public bool HasProcess => true;

    public async ValueTask<AttemptResult> RunAsync(Attempt attempt)
    {
        var sandboxName = host.Sandboxes.Name;
        try
        {
            return await RunInFolderAsync(attempt);
        }
        catch (OperationCanceledException) when (attempt.Reason != EndReason.None)
        {
            return Ended(attempt, attempt.Reason, null, 0, sandboxName);
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException or ArgumentException or TimeoutException)
        {
            LogBroken(attempt.Lease.TaskId, attempt.Lease.Epoch, broken);
            return Results.Failed(attempt, FailureCodes.StartFailed, broken.Message, sandboxName);
        }
    }

    private async Task<AttemptResult> RunInFolderAsync(Attempt attempt)
    {
        var lease = attempt.Lease;
        if (host.Sandboxes.For(lease.TrustLevel) is not { } sandbox)
        {
            return Results.Failed(
                attempt, FailureCodes.SandboxUnavailable,
                $"An agent of trust level '{lease.TrustLevel}' runs in a sandbox only, and this worker has none: {host.Sandboxes.WhyNone}.",
                Results.NoSandbox);
        }

        var own = host.Settings.AgentClis.GetValueOrDefault(lease.Cli.Trim());
        var preset = own is null ? Presets.Find(lease.Cli) : null;
        var (line, mistake) = preset is null ? CommandLine.Split(own ?? lease.Cli) : (preset.Arguments, null);
        if (line is null)
        {
            return Results.Failed(attempt, FailureCodes.BadCommandLine, mistake!, sandbox.Name);
        }

        if (MissingGrant(lease.Grant) is { } missing)
        {
            return Results.Failed(attempt, FailureCodes.StartFailed, $"The grant names {missing}, which does not exist.", sandbox.Name);
        }

        var (program, notFound) = ProgramLookup.Find(line[0], host.Settings.CommandPath, lease.Grant, sandbox, host.User);
        if (program is null)
        {
            return Results.Failed(attempt, FailureCodes.ProgramNotFound, notFound!, sandbox.Name);
        }

        await attempt.MayRunAsync();
        var folders = host.Folders.Create($"{lease.TaskId:N}-{lease.Epoch}");
        try
        {
            return await RunProgramAsync(attempt, sandbox, preset, [program.Path, .. line[1..]], program.Folders, folders);
        }
        finally
        {
            RemoveFolders(attempt, folders);
        }
    }

    private async Task<AttemptResult> RunProgramAsync(
        Attempt attempt, ISandbox sandbox, Preset? preset, string[] line, IReadOnlyList<string> programFolders, AttemptFolders folders)
    {
        var lease = attempt.Lease;
        host.Folders.Write(folders.Prompt, lease.Description);
        host.Folders.Write(folders.Steer, "");
        WriteGitSettings(lease.Grant, folders);

        var seen = sandbox.Seen(folders);
        var path = host.Settings.CommandPath.Where(folder => programFolders.Contains(folder) || sandbox.Sees(folder, lease.Grant));
        var environment = CommandEnvironment.Of(
            lease, attempt.Traceparent, seen, sandbox.TempFolder(folders), path, preset, host.Settings.CommandEnvironment);
        var command = Placeholders.Fill(line, lease.Description, seen.Prompt);
        var launch = sandbox.Wrap(command, programFolders, lease.Grant, folders);
        var input = preset is null or { Prompt: PromptRoute.StandardInput } ? folders.Prompt : "/dev/null";

        // Before the command: what we say to it waits in its pipe, and counts also when we are killed a moment later.
        await host.Warden.StartAsync();
        var output = uploads.Open(attempt.Reference);
        try
        {
            var running = await RunningCommand.StartAsync(
                launch, sandbox, environment, input, lease, output, TaskLimits.BlobBytes, host.User, host.Children, host.Clock);
            host.Warden.Guard(running.Tree, sandbox.Shape, lease);
            attempt.Attach(running.Tree, folders, (untilFence, paused) => host.Warden.Fence(lease, untilFence, paused));
            var ending = await WaitAsync(attempt, running);
            var (status, ran) = await running.FinishAsync();
            host.Warden.Release(lease);
            if (attempt.Reason != EndReason.Lost)
            {
                await FlushAsync(attempt, output);
            }

            // A command that ended by itself has a result, also when somebody asked for its end while we still uploaded output:
            // dropping it would run its side effects twice.
            if (attempt.Reason == EndReason.Lost || (attempt.Reason != EndReason.None && ending != Ending.ByItself))
            {
                return Ended(attempt, attempt.Reason, status, output.Printed, sandbox.Name);
            }

            return await ReportAsync(attempt, sandbox, folders, running, ending, status, ran, output.Printed);
        }
        finally
        {
            uploads.Forget(output);
        }
    }

    /// <summary>Waits until the command ends by itself, is told to, or has taken too long; asks politely where there is time for it.</summary>
    private async Task<Ending> WaitAsync(Attempt attempt, RunningCommand running)
    {
        using var limit = attempt.Lease.TimeoutSecs is > 0 and var secs
            ? new CancellationTokenSource(TimeSpan.FromSeconds(Math.Min(secs, TimeSpan.FromDays(30).TotalSeconds)), host.Clock)
            : new CancellationTokenSource();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, attempt.Ending);
        try
        {
            await running.Exited.WaitAsync(either.Token);
            return Ending.ByItself;
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            // A frozen tree cannot hear SIGTERM, and must not be thawed to hear it.
            var timedOut = attempt.Reason == EndReason.None;
            if (attempt.Reason is EndReason.None or EndReason.Cancelled && !attempt.IsFrozen)
            {
                running.Tree.Terminate();
                await Task.WhenAny(running.Exited, Task.Delay(Grace, host.Clock, CancellationToken.None));
            }

            return timedOut ? Ending.TimedOut : Ending.Told;
        }
    }

    private async Task<AttemptResult> ReportAsync(
        Attempt attempt, ISandbox sandbox, AttemptFolders folders, RunningCommand running, Ending ending, ExitStatus status, bool ran, long printed)
    {
        var written = ExchangeFiles.ReadResult(folders.Result, TaskLimits.BlobBytes);
        var text = written is { } file
            ? ResultText.From(file.Bytes, file.Total, inlineResultBytes, TaskLimits.BlobBytes)
            : ResultText.From(running.Capture.Kept, running.Capture.Total, inlineResultBytes, TaskLimits.BlobBytes);
        var blob = text.Whole is { } whole ? await blobs.StoreAsync(attempt, text.Sha256!, whole) : null;

        var (code, detail) = Failure.Of(attempt.Lease, ending, status, ran, sandbox, text.Inline);
        return new AttemptResult(
            attempt.Reference, code is null ? AttemptOutcomes.Completed : AttemptOutcomes.Failed, ran ? status.AsShellCode : null,
            text.Inline, blob, text.Bytes, code, Results.Detail(detail), sandbox.Name, attempt.Ran.TotalMilliseconds, printed);
    }

    private static AttemptResult Ended(Attempt attempt, EndReason reason, ExitStatus? status, long printed, string sandbox) =>
        reason == EndReason.Cancelled
            ? new(attempt.Reference, AttemptOutcomes.Cancelled, status?.AsShellCode, null, null, 0, FailureCodes.Cancelled, null, sandbox,
                attempt.Ran.TotalMilliseconds, printed)
            : new(attempt.Reference, AttemptOutcomes.Released, status?.AsShellCode, null, null, 0, null, null, sandbox,
                attempt.Ran.TotalMilliseconds, printed);

    private static string? MissingGrant(AgentGrant grant) =>
        grant.Read.Concat(grant.Write).Concat(grant.Workdir is { } folder ? [folder] : []).FirstOrDefault(path => !Path.Exists(path));

    /// <summary>Git refuses folders of other owners; those that the grant names are meant to be used.</summary>
    private void WriteGitSettings(AgentGrant grant, AttemptFolders folders)
    {
        var granted = grant.Read.Concat(grant.Write).Concat(grant.Workdir is { } folder ? [folder] : []).Distinct().ToList();
        if (granted is not [])
        {
            // In git's file format a quoted value protects everything but quotes, backslashes and newlines.
            var lines = granted.Where(static path => path.AsSpan().IndexOfAny('"', '\\', '\n') < 0).Select(static path => $"\tdirectory = \"{path}\"\n");
            host.Folders.Write(Path.Combine(folders.Work, ".gitconfig"), $"[safe]\n{string.Concat(lines)}");
        }
    }

    private async Task FlushAsync(Attempt attempt, OutputBuffer output)
    {
        try
        {
            // The result says how much was printed; readers should not see it before the output itself.
            await output.EmptyAsync().WaitAsync(FlushPatience, host.Clock);
        }
        catch (TimeoutException)
        {
            LogUnflushed(attempt.Lease.TaskId, output.Waiting);
        }
    }

    private void RemoveFolders(Attempt attempt, AttemptFolders folders)
    {
        try
        {
            host.Folders.Remove(folders);
        }
        catch (Exception stuck) when (stuck is IOException or UnauthorizedAccessException)
        {
            // The result is what counts; the next start of a worker removes what was left.
            LogLeftover(attempt.Lease.TaskId, stuck.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Attempt {Epoch} of {TaskId} could not be run")]
    private partial void LogBroken(Guid taskId, int epoch, Exception broken);

    [LoggerMessage(LogLevel.Warning, "The last {Bytes} bytes that {TaskId} printed could not be stored; its result is settled without them")]
    private partial void LogUnflushed(Guid taskId, int bytes);

    [LoggerMessage(LogLevel.Warning, "The work folder of {TaskId} could not be removed ({Reason}); a later worker will")]
    private partial void LogLeftover(Guid taskId, string reason);
}

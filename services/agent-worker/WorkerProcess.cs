using Microsoft.Extensions.Logging;
using Townhall.Worker.Directives;
using Townhall.Worker.Drain;
using Townhall.Worker.Leasing;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Output;
using Townhall.Worker.Processes;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;
using Townhall.Worker.Runtimes;
using Townhall.Worker.Runtimes.Command;
using Townhall.Worker.Runtimes.Noop;
using Townhall.Worker.Sandbox;
using Townhall.Worker.Settings;

namespace Townhall.Worker;

/// <summary>One worker from its first registration to its end; forgotten by the dispatcher, it registers again as somebody new.</summary>
internal sealed partial class WorkerProcess(
    WorkerSettings settings, string key, CommandUser? user, ChildProcesses children, StopSignal stop, TimeProvider clock, ILogger logger)
{
    /// <returns>The exit code of the process.</returns>
    public async Task<int> RunAsync()
    {
        var incarnation = settings.Incarnation ?? Guid.CreateVersion7();
        using var dispatcher = new DispatcherClient(settings.Dispatcher, clock);
        using var folders = WorkFolders.Open(settings.Data, incarnation, user);
        if (folders is null)
        {
            LogTwin(incarnation);
            return ExitCodes.BadSettings;
        }

        using var warden = new Warden.Warden(children, logger);
        var sandboxes = settings.Runtimes.Contains(Contracts.Agents.Runtimes.Command)
            ? await SandboxSetup.ProbeAsync(settings, user, folders, children, clock)
            : new Sandboxes(null, null, "this worker runs no commands");
        if (sandboxes.WhyNone is { } why)
        {
            LogNoSandbox(why);
        }

        var registrar = new Registrar(dispatcher, settings, key, clock, logger);
        try
        {
            while (true)
            {
                var (session, exitCode) = await registrar.RegisterAsync(incarnation, sandboxes.Name, stop.Requested);
                if (session is null)
                {
                    return exitCode;
                }

                using (session)
                {
                    var host = new CommandHost(settings, user, sandboxes, folders, children, warden, clock, logger);
                    if (await RunSessionAsync(dispatcher, session, host) != SessionEnd.Forgotten || stop.Requested.IsCancellationRequested)
                    {
                        return ExitCodes.Done;
                    }

                    LogForgotten(session.RefusedWith);
                }

                incarnation = Guid.CreateVersion7();
            }
        }
        catch (OperationCanceledException) when (stop.Requested.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
    }

    private async Task<SessionEnd> RunSessionAsync(DispatcherClient dispatcher, Session session, CommandHost host)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(session.Over);
        Dictionary<string, IAgentRuntime> runtimes = [];
        using var loop = new WorkLoop(dispatcher, session, runtimes, settings, stop, clock, logger);
        var uploads = new OutputUploads(dispatcher, session, loop.Lose, clock, logger);
        var blobs = new BlobUploads(dispatcher, session, clock, logger);
        foreach (var runtime in settings.Runtimes)
        {
            runtimes[runtime] = runtime == Contracts.Agents.Runtimes.Noop
                ? new NoopRuntime(session.Reply.InlineResultBytes)
                : new CommandRuntime(host, uploads, blobs, session.Reply.InlineResultBytes);
        }

        var beside = Task.WhenAll(
            uploads.RunAsync(ended.Token),
            new DirectivePoll(dispatcher, session, loop.Heeded, loop.Direct, clock, settings.Random, logger).RunAsync(ended.Token));
        Unforeseen.EndsTheProcess(beside);
        var end = await loop.RunAsync();
        LogEnd(end);
        await ended.CancelAsync();
        await beside;
        return end;
    }

    [LoggerMessage(LogLevel.Error, "TOWN_WORKER_INCARNATION {Incarnation} is another process that runs here: each start of a worker needs an id of its own")]
    private partial void LogTwin(Guid incarnation);

    [LoggerMessage(LogLevel.Warning, "Commands run without a sandbox here, and those of untrusted agents not at all: {Reason}")]
    private partial void LogNoSandbox(string reason);

    [LoggerMessage(LogLevel.Warning, "The dispatcher no longer knows this worker ({Status}); everything it ran was ended, and it registers anew")]
    private partial void LogForgotten(int status);

    [LoggerMessage(LogLevel.Information, "The session ended: {End}")]
    private partial void LogEnd(SessionEnd end);
}

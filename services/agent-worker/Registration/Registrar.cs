using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;
using Townhall.Worker.Settings;

namespace Townhall.Worker.Registration;

/// <summary>Introduces this process to the dispatcher, for at most a minute.</summary>
internal sealed partial class Registrar(IDispatcher dispatcher, WorkerSettings settings, string key, TimeProvider clock, ILogger logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Version = typeof(Registrar).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";

    /// <summary>Registers a new incarnation.</summary>
    /// <returns>The session; or null and the exit code that says why there is none.</returns>
    public async Task<(Session? Session, int ExitCode)> RegisterAsync(Guid incarnation, string sandbox, CancellationToken cancellationToken)
    {
        var request = new RegisterRequest(
            Guid.CreateVersion7(), incarnation, settings.Name, Environment.MachineName, Environment.ProcessId, Version,
            [.. settings.Runtimes], settings.Slots, sandbox);
        var started = clock.GetTimestamp();
        var backoff = new Backoff(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(2), clock, settings.Random);
        var complained = false;
        while (true)
        {
            switch (await dispatcher.RegisterAsync(key, request, cancellationToken))
            {
                case Answer<RegisterReply>.Given(var reply):
                    LogRegistered(reply.WorkerId, reply.Town, settings.Slots, sandbox);
                    return (new Session(incarnation, reply), Lifetime.ExitCodes.Done);
                case Answer<RegisterReply>.TokenRefused(var status):
                    LogKeyRefused(status);
                    return (null, Lifetime.ExitCodes.KeyRefused);
                case Answer<RegisterReply>.Refused(var status, var detail):
                    LogRefused(status, detail);
                    return (null, status == 403 ? Lifetime.ExitCodes.KeyRefused : Lifetime.ExitCodes.BadSettings);
                case Answer<RegisterReply>.Unknown(var reason) when clock.GetElapsedTime(started) > Patience:
                    LogGivenUp(reason);
                    return (null, Lifetime.ExitCodes.Unreachable);
                case Answer<RegisterReply>.Unknown(var reason):
                    if (!complained)
                    {
                        complained = true;
                        LogWaiting(reason, Patience);
                    }

                    await backoff.PauseAsync(cancellationToken);
                    break;
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Registered as {WorkerId} in town '{Town}' with {Slots} slots, sandbox {Sandbox}")]
    private partial void LogRegistered(Guid workerId, string town, int slots, string sandbox);

    [LoggerMessage(LogLevel.Error, "The dispatcher refused the worker key ({Status}); it needs a key with scope 'worker'")]
    private partial void LogKeyRefused(int status);

    [LoggerMessage(LogLevel.Error, "The dispatcher refused the registration ({Status}: {Detail})")]
    private partial void LogRefused(int status, string detail);

    [LoggerMessage(LogLevel.Warning, "The dispatcher does not answer yet ({Reason}); trying for {Patience}")]
    private partial void LogWaiting(string reason, TimeSpan patience);

    [LoggerMessage(LogLevel.Error, "The dispatcher did not answer in time ({Reason}); ending so that the host can decide")]
    private partial void LogGivenUp(string reason);
}

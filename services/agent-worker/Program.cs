using Microsoft.Extensions.Logging;
using Townhall.Worker;
using Townhall.Worker.Lifetime;
using Townhall.Worker.Logging;
using Townhall.Worker.Processes;
using Townhall.Worker.Sandbox;
using Townhall.Worker.Settings;
using Townhall.Worker.Warden;

if (args is [Warden.Argument])
{
    return WardenProgram.Run(input: 0);
}

Hardening.Apply();
var clock = TimeProvider.System;
var log = new LineLog(Console.Error, LogLevel.Information, clock);
var variables = Environment.GetEnvironmentVariables();
var (settings, mistakes) = WorkerSettings.Read(
    variables.Keys.Cast<string>().ToDictionary(static name => name, name => (string?)variables[name] ?? ""));
var (user, unknownUser) = settings is null ? (null, null) : SandboxSetup.ChooseUser(settings);
var key = settings is null || unknownUser is not null ? null : settings.Key.Take();
if (settings is null || unknownUser is not null || key is null)
{
    foreach (var mistake in (IEnumerable<string>)[.. mistakes, .. unknownUser is null ? [] : (string[])[unknownUser]])
    {
        Console.Error.WriteLine(mistake);
    }

    if (settings is not null && unknownUser is null)
    {
        Console.Error.WriteLine("The worker key is empty: nothing could be read from where TOWN_WORKER_KEY_FD or TOWN_WORKER_KEY_FILE points.");
    }

    return ExitCodes.BadSettings;
}

using var traces = WorkerTraces.Collect();
WorkerSettings.ScrubEnvironment(settings);
if (settings.LifetimePipe is { } pipe)
{
    // At once means at once: sandboxes end with us by the kernel's doing, bare commands by the warden's.
    LifetimePipe.Watch(pipe, static () => Libc.ExitNow(ExitCodes.Done));
}

using var stop = new StopSignal();
stop.ListenToSignals();
using var children = new ChildProcesses(Orphans.Collected);
return await new WorkerProcess(settings, key, user, children, stop, clock, log).RunAsync();

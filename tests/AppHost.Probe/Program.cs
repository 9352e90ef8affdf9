using Townhall.AppHost.Probe;

// host: runs the little town · service: listens · worker: lives as long as the host · once N: ends at once with N
return args switch
{
    ["host"] => ProbeHost.Run(),
    ["service"] => await ProbeService.RunAsync(),
    ["worker"] => ProbeWorker.Run(),
    ["once", var exitCode] => int.Parse(exitCode, System.Globalization.CultureInfo.InvariantCulture),
    _ => 64,
};

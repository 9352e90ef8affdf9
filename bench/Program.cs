using System.Runtime.InteropServices;
using Npgsql;
using Townhall.Bench;
using Townhall.Testing;

// One result line of JSON per benchmark on stdout, progress on stderr: 0 measured, 1 could not measure, 64 wrong arguments.
try
{
    var options = Options.Parse(args);
    using var interrupted = new CancellationTokenSource();
    using var pressed = PosixSignalRegistration.Create(PosixSignal.SIGINT, EndInOrder);
    using var told = PosixSignalRegistration.Create(PosixSignal.SIGTERM, EndInOrder);
    foreach (var benchmark in Catalog.Named(options.Name))
    {
        await benchmark.MeasureAsync(options, interrupted.Token);
    }

    return 0;

    // Everything that was started is ended, and its data removed, before this process goes.
    void EndInOrder(PosixSignalContext signal)
    {
        signal.Cancel = true;
        interrupted.Cancel();
    }
}
catch (UsageException wrong)
{
    await Console.Error.WriteLineAsync(wrong.Message);
    return 64;
}
catch (Exception failure) when (failure is NotMeasuredException or EventuallyException or MissingProgramException
    or NpgsqlException or IOException or HttpRequestException or OperationCanceledException)
{
    await Console.Error.WriteLineAsync($"bench: could not measure: {failure}");
    return 1;
}

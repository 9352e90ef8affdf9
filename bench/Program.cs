using Npgsql;
using Townhall.Bench;
using Townhall.Testing;

// One result line of JSON per benchmark on stdout, progress on stderr: 0 measured, 1 could not measure, 64 wrong arguments.
try
{
    var options = Options.Parse(args);
    using var interrupted = new CancellationTokenSource();
    Console.CancelKeyPress += (_, pressed) =>
    {
        // Everything that was started is ended in order before this process goes.
        pressed.Cancel = true;
        interrupted.Cancel();
    };
    foreach (var benchmark in Catalog.Named(options.Name))
    {
        await benchmark.MeasureAsync(options, interrupted.Token);
    }

    return 0;
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

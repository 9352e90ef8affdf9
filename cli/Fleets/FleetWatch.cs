using System.Text;
using Townhall.Client;
using Townhall.Client.Following;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Fleets;

/// <summary>Looks at the tasks of a fleet until all have ended. Looking changes nothing.</summary>
internal sealed class FleetWatch(IReadOnlyList<FleetTaskRun> runs, TownClient town, TimeProvider clock, Patience patience)
{
    /// <summary>Tasks asked about at once; a large fleet must not become a load of its own.</summary>
    private const int AskedAtOnce = 8;

    private const int LineBytesMost = 64 * 1024;

    public bool AllEnded => runs.All(static run => Ended(run.State));

    /// <summary>Workers at work and wanted; null when the scaler does not say.</summary>
    public (int Active, int Recommended)? Workers { get; private set; }

    public static bool Ended(string state) => TaskLifecycle.Parse(state) is { } known && TaskLifecycle.IsTerminal(known);

    /// <summary>One look at every task that has not ended.</summary>
    /// <returns>Those whose state is another now.</returns>
    public async Task<IReadOnlyList<FleetTaskRun>> LookAsync(bool withOutput, CancellationToken cancellationToken)
    {
        var changed = new List<FleetTaskRun>();
        try
        {
            foreach (var some in runs.Where(static run => !Ended(run.State)).Chunk(AskedAtOnce))
            {
                var rows = await Task.WhenAll(some.Select(run => town.TaskAsync(run.Id.ToString(), cancellationToken)));
                foreach (var (run, row) in some.Zip(rows))
                {
                    if (run.Seen?.State != row.State)
                    {
                        changed.Add(run);
                    }

                    run.RunningSince = row.State == "running" ? run.RunningSince ?? clock.GetTimestamp() : null;
                    run.Seen = row;
                }
            }

            if (withOutput)
            {
                await Task.WhenAll(runs.Where(static run => run.State == "running").Take(AskedAtOnce).Select(run => ReadLineAsync(run, cancellationToken)));
            }

            patience.Regained();
        }
        catch (TownException away) when (patience.Accepts(away))
        {
            // Seen as before until it answers again; the notice says so.
        }

        return changed;
    }

    public async Task LookAtWorkersAsync(CancellationToken cancellationToken)
    {
        try
        {
            var reading = await town.ScalingAsync(cancellationToken);
            Workers = (reading.Workers.Active, reading.RecommendedWorkers);
        }
        catch (TownException)
        {
            Workers = null;     // shown as unknown; the tasks themselves are asked elsewhere
        }
    }

    /// <summary>Takes the newest whole line of what a task printed.</summary>
    private async Task ReadLineAsync(FleetTaskRun run, CancellationToken cancellationToken)
    {
        var attempt = Math.Max(1, run.Seen?.Attempt ?? 1);
        if (attempt != run.OutputAttempt)
        {
            (run.OutputAttempt, run.OutputOffset) = (attempt, 0);
        }

        await using var body = await town.OutputAsync(run.Id.ToString(), attempt, run.OutputOffset, follow: false, cancellationToken);
        var buffer = new byte[LineBytesMost];
        int read;
        try
        {
            read = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        }
        catch (IOException)
        {
            return;     // the next look reads the same bytes
        }

        var text = buffer.AsSpan(0, read);
        var end = text.LastIndexOf((byte)'\n');
        if (end < 0)
        {
            return;
        }

        run.OutputOffset += end + 1;
        var lines = Encoding.UTF8.GetString(text[..end]).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        run.LastLine = lines is [.., var last] ? last : run.LastLine;
    }
}

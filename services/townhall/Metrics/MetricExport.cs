using System.Diagnostics.Metrics;
using Townhall.Contracts.Traces;

namespace Townhall.Api.Metrics;

/// <summary>The families of <c>/metrics</c> as instruments, for a collector that is sent metrics instead of fetching them.</summary>
/// <remarks>A collector asks in its own time and without waiting, so a reading is kept ready; while the database does not say, there is none.</remarks>
internal sealed class MetricExport : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);
    private readonly Meter _meter = new(TaskTraces.Name);
    private readonly MetricSnapshot _snapshot;
    private readonly TimeProvider _clock;

    // Null while the database does not say: an outage is not zero, and not what was before it either.
    private volatile MetricReading? _reading;

    public MetricExport(MetricSnapshot snapshot, TimeProvider clock)
    {
        (_snapshot, _clock) = (snapshot, clock);
        foreach (var family in Exported)
        {
            var unit = Seconds(family) ? "s" : null;
            if (family.Type == "counter")
            {
                _meter.CreateObservableCounter(NameOf(family), () => Observe(family), unit, family.Help);
            }
            else
            {
                _meter.CreateObservableGauge(NameOf(family), () => Observe(family), unit, family.Help);
            }
        }
    }

    /// <summary>All but histograms, whose buckets cannot be handed over, and what only says something about the page.</summary>
    public static IEnumerable<MetricFamily> Exported => MetricFamilies.All.Where(static family =>
        family.Type != "histogram" && family != MetricFamilies.Requests && family != MetricFamilies.SnapshotAge);

    /// <summary>Dots, and neither unit nor <c>_total</c>: what turns it into Prometheus' form adds both again.</summary>
    public static string NameOf(MetricFamily family)
    {
        var name = family.Name;
        name = Seconds(family) ? name[..^"_seconds".Length] : family.Type == "counter" ? name[..^"_total".Length] : name;
        return name.Replace('_', '.');
    }

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, _clock);
        try
        {
            do
            {
                _reading = await _snapshot.ReadAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the normal way out of the loop.
        }
    }

    private static bool Seconds(MetricFamily family) => family.Name.EndsWith("_seconds", StringComparison.Ordinal);

    private IEnumerable<Measurement<double>> Observe(MetricFamily family) => _reading is not { } reading
        ? []
        : MetricValues.Of(reading, TimeSpan.Zero).Where(one => one.Family == family).SelectMany(static one => one.Values.Select(value => one.Label is null
            ? new Measurement<double>(value.Value)
            : new Measurement<double>(value.Value, KeyValuePair.Create(one.Label, (object?)value.Key))));
}

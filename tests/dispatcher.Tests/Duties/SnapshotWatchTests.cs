using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Townhall.Dispatcher.Duties;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

public sealed class SnapshotWatchTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task A_snapshot_that_is_held_too_long_is_named_with_its_holder_until_it_ends()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var heard = new Heard();
        var town = new Seed(database).Town with { SnapshotAlarm = TimeSpan.FromMilliseconds(1) };
        using var watch = new SnapshotWatch(
            database.App, new Led(), town, services.GetRequiredService<IMeterFactory>(), TimeProvider.System, heard);
        Assert.Null(await watch.TurnAsync(deadline));

        await using (var holder = new NpgsqlConnection(database.ConnectionString("town_admin") + ";Application Name=forgotten report;Pooling=false"))
        {
            await holder.OpenAsync(deadline);
            await using var held = await holder.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, deadline);
            await using var look = new NpgsqlCommand("SELECT count(*) FROM task", holder, held);
            await look.ExecuteScalarAsync(deadline);

            // Another role's session, which the services' own role may not see.
            var oldest = await Eventually.Is<HeldSnapshot?>(() => watch.TurnAsync(deadline), static one => one?.Age > TimeSpan.FromMilliseconds(2), deadline);
            Assert.Equal(("town_admin", "forgotten report", "idle in transaction"), (oldest!.Role, oldest.Application, oldest.State));
            Assert.Contains("role town_admin, application 'forgotten report', idle in transaction", Assert.Single(heard.Lines), StringComparison.Ordinal);
            Assert.True(Gauge() > 0.002);
            await watch.TurnAsync(deadline);
            Assert.Single(heard.Lines);     // not every few seconds
        }

        await Eventually.Is<HeldSnapshot?>(() => watch.TurnAsync(deadline), static one => one is null, deadline);
        Assert.Contains("No snapshot", heard.Lines.Last(), StringComparison.Ordinal);
        Assert.Equal(0, Gauge());
    }

    private static double Gauge()
    {
        var last = double.NaN;
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Townhall" && instrument.Name == "townhall.snapshot.age")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, value, _, _) => last = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return last;
    }

    private sealed class Led : ILeadership
    {
        public long? Epoch => 1;
    }

    private sealed class Heard : ILogger<SnapshotWatch>
    {
        public ConcurrentQueue<string> Lines { get; } = new();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));
    }
}

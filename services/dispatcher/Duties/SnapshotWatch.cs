using System.Diagnostics.Metrics;
using System.Globalization;
using Npgsql;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Duties;

/// <summary>Who holds the oldest snapshot of this database, and since when.</summary>
/// <param name="Pid">Of the server's process; 0 for a prepared transaction.</param>
internal sealed record HeldSnapshot(TimeSpan Age, DateTime Since, int Pid, string Role, string Application, string State);

/// <summary>Watches, while this process leads, for a snapshot that is held so long that claims grow slow behind it.</summary>
/// <remarks>Seen by people as a warning that names the holder, and as gauge <c>townhall.snapshot.age</c> (s) of meter <c>Townhall</c>.</remarks>
internal sealed partial class SnapshotWatch : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan RemindEvery = TimeSpan.FromMinutes(1);
    private readonly NpgsqlDataSource _database;
    private readonly ILeadership _leadership;
    private readonly TownSettings _town;
    private readonly TimeProvider _clock;
    private readonly ILogger<SnapshotWatch> _logger;
    private readonly Meter _meter;
    private double _ageSecs;
    private bool _warned;
    private long _warnedAt;

    public SnapshotWatch(
        NpgsqlDataSource database, ILeadership leadership, TownSettings town, IMeterFactory meters, TimeProvider clock, ILogger<SnapshotWatch> logger)
    {
        (_database, _leadership, _town, _clock, _logger) = (database, leadership, town, clock, logger);
        _meter = meters.Create("Townhall");
        _meter.CreateObservableGauge(
            "townhall.snapshot.age", () => Volatile.Read(ref _ageSecs), "s", "Age of the oldest snapshot or transaction of the town's database; 0 without one.");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, _clock);
        try
        {
            do
            {
                await TurnAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the next leader watches on.
        }
    }

    /// <summary>Looks once; nothing while another process leads.</summary>
    internal async Task<HeldSnapshot?> TurnAsync(CancellationToken cancellationToken)
    {
        if (_leadership.Epoch is null)
        {
            Volatile.Write(ref _ageSecs, 0);
            return null;
        }

        try
        {
            var oldest = await OldestAsync(_database, cancellationToken);
            Volatile.Write(ref _ageSecs, oldest?.Age.TotalSeconds ?? 0);
            Tell(oldest);
            return oldest;
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(failure.Message);
            return null;
        }
    }

    private static async Task<HeldSnapshot?> OldestAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("SELECT age_secs, since, pid, role, application, state FROM oldest_snapshot()");
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken)
            ? new(
                TimeSpan.FromSeconds(Math.Max(0, row.GetDouble(0))), row.GetDateTime(1), row.GetInt32(2), row.IsDBNull(3) ? "" : row.GetString(3),
                row.IsDBNull(4) ? "" : row.GetString(4), row.IsDBNull(5) ? "" : row.GetString(5))
            : null;
    }

    private void Tell(HeldSnapshot? oldest)
    {
        if (oldest is not null && oldest.Age >= _town.SnapshotAlarm)
        {
            if (!_warned || _clock.GetElapsedTime(_warnedAt) >= RemindEvery)
            {
                (_warned, _warnedAt) = (true, _clock.GetTimestamp());
                LogHeld(
                    (long)oldest.Age.TotalSeconds, oldest.Since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture), oldest.Pid, oldest.Role,
                    oldest.Application, oldest.State);
            }
        }
        else if (_warned)
        {
            _warned = false;
            LogReleased();
        }
    }

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    [LoggerMessage(LogLevel.Warning, "A snapshot of the database is held for {AgeSecs} s, since {Since}, by process {Pid} (role {Role}, application '{Application}', {State}): dead rows gather behind it and claims grow slow until it ends")]
    private partial void LogHeld(long ageSecs, string since, int pid, string role, string application, string state);

    [LoggerMessage(LogLevel.Information, "No snapshot is held too long any more")]
    private partial void LogReleased();

    [LoggerMessage(LogLevel.Warning, "The oldest snapshot could not be looked up; the next turn tries again: {Reason}")]
    private partial void LogFailed(string reason);
}

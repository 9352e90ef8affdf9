using System.Globalization;
using Npgsql;
using Townhall.Contracts.Ledger;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Health;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>Says whether the town's ledger is the one that was kept.</summary>
internal interface ILedgerGuard
{
    /// <summary>What the last comparison found; false before the first.</summary>
    bool Sound { get; }

    /// <summary>Compares now.</summary>
    /// <returns>False when this town must not go on.</returns>
    /// <exception cref="NpgsqlException">The database did not answer; what was found before still stands.</exception>
    Task<bool> CheckAsync(CancellationToken cancellationToken);
}

/// <summary>Compares the ledger with the last kept checkpoint: at start, and with every turn of the leadership.</summary>
/// <remarks>
/// A database that was put back to an older copy, or whose ledger was rewritten, must not go on in silence: results were told
/// that it no longer knows, and its next entries would take their numbers. Whoever finds that tells the others through the
/// table <c>ledger_alarm</c>. A restore that is meant is accepted by naming the place that is given up (docs/ledger.md).
/// </remarks>
internal sealed partial class LedgerGuard(
    CheckpointSettings settings, CheckpointTable table, NpgsqlDataSource database, TownSettings town, TimeProvider clock, ILogger<LedgerGuard> logger)
    : IHostedLifecycleService, ILedgerGuard, IStanding, IDisposable
{
    private static readonly TimeSpan RemindEvery = TimeSpan.FromMinutes(1);
    private readonly SemaphoreSlim _one = new(1, 1);
    private Checkpoint? _kept;
    private bool _keptRead;
    private bool _compared;
    private string? _told;
    private long _toldAt;
    private volatile bool _sound;
    private volatile Refusal? _refusal;

    public bool Sound => _sound;

    public Refusal? Refusal => _refusal;

    /// <summary>What <c>TOWN_LEDGER_ACCEPT</c> would have to say; null while nothing is refused.</summary>
    internal string? RefusedPlace { get; private set; }

    public async Task<bool> CheckAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            var standing = await table.StandingAsync(town.Name, cancellationToken);
            if (await FindAsync(standing, cancellationToken) is not { } mismatch)
            {
                await PassAsync(standing, cancellationToken);
            }
            else if (settings.Key is { } key && mismatch.Place is { } place && place == settings.Accepted)
            {
                // What is accepted must at least agree with itself, or nothing could follow from it.
                if (await HeadAsync(standing, cancellationToken) is { } torn)
                {
                    await RefuseAsync(torn, cancellationToken);
                }
                else
                {
                    await AcceptAsync(place, mismatch.Reason, standing, key, cancellationToken);
                }
            }
            else
            {
                await RefuseAsync(mismatch, cancellationToken);
            }

            return _sound;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Signs where the chain stands now, if it has grown, keeps it outside and lets readers find it.</summary>
    /// <returns>Null when there was nothing new, or nobody may sign.</returns>
    /// <exception cref="IOException">It could not be kept; nothing was published.</exception>
    public async Task<Checkpoint?> SignAsync(CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (settings is not { Key: { } key, Keeper: { } keeper } || !_sound)
            {
                return null;
            }

            var standing = await table.StandingAsync(town.Name, cancellationToken);
            if (standing.Seq <= (_kept?.Seq ?? 0))
            {
                return null;
            }

            // Kept first: what readers can find must not be news to whoever compares.
            var made = key.Sign(town.Name, standing.Seq, standing.Hash, standing.At);
            await keeper.AppendAsync(made, cancellationToken);
            Volatile.Write(ref _kept, made);
            await table.PublishAsync(made, cancellationToken);
            return made;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Before anything else starts, where the database answers.</summary>
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        if (settings.Key is null)
        {
            LogUnsigned();
        }

        try
        {
            await CheckAsync(cancellationToken);
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogLater(failure.Message);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _one.Dispose();

    /// <summary>The first kept place that the ledger does not hold; null when it holds all of them.</summary>
    private async Task<Mismatch?> FindAsync(ChainStanding standing, CancellationToken cancellationToken)
    {
        if (settings is { Key: { } key, Keeper: { } keeper })
        {
            try
            {
                Volatile.Write(ref _kept, await keeper.LatestAsync(cancellationToken));
                _keptRead = true;
            }
            catch (InvalidDataException changed)
            {
                return new(0, null, $"{changed.Message} Somebody changed what was kept.");
            }
            catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
            {
                if (!_keptRead)
                {
                    return new(0, null, $"The kept checkpoints cannot be read: {unreadable.Message}");
                }

                LogKeptUnreadable(unreadable.Message);      // what was read before still counts
            }

            if (_kept is { } kept && await CompareAsync("kept", kept, key, standing, cancellationToken) is { } lost)
            {
                return lost;
            }

            if (standing.Latest is { } published && await CompareAsync("published", published, key, standing, cancellationToken) is { } forged)
            {
                return forged;
            }

            if (!_compared && await HeadAsync(standing, cancellationToken) is { } torn)
            {
                return torn;
            }
        }

        return standing.Alarm is { } alarm && await table.HashAtAsync(town.Name, alarm.Seq, cancellationToken) is var there
            && (there is null || !there.AsSpan().SequenceEqual(alarm.Hash))
            ? new(alarm.Seq, alarm.Hash, alarm.Reason)
            : null;
    }

    /// <summary>Whether the head row speaks of the entry that stands there.</summary>
    private async Task<Mismatch?> HeadAsync(ChainStanding standing, CancellationToken cancellationToken)
    {
        var last = await table.HashAtAsync(town.Name, standing.Seq, cancellationToken);
        return last is not null && last.AsSpan().SequenceEqual(standing.Hash)
            ? null
            : new(
                standing.Seq, standing.Hash,
                $"The head of the ledger says {standing.Seq}, but {(last is null ? "there is no such entry" : "that entry is another one")}; this cannot be accepted, only repaired.",
                MayBeAccepted: false);
    }

    private async Task<Mismatch?> CompareAsync(
        string which, Checkpoint checkpoint, CheckpointKey key, ChainStanding standing, CancellationToken cancellationToken)
    {
        var what = $"The {which} checkpoint of {checkpoint.At:yyyy-MM-dd'T'HH:mm:ss'Z'} at entry {checkpoint.Seq}";
        if (checkpoint.Town != town.Name)
        {
            return Lost($"{what} is of another town.");
        }

        if (checkpoint.KeyId != key.Public.Id)
        {
            return Lost($"{what} was signed by key {checkpoint.KeyId[..Math.Min(16, checkpoint.KeyId.Length)]}, this town signs with {key.Public.Id[..16]}.");
        }

        if (!key.Public.Signed(checkpoint))
        {
            return Lost($"{what} does not bear the signature of this town's key: somebody changed it.");
        }

        return await table.HashAtAsync(town.Name, checkpoint.Seq, cancellationToken) switch
        {
            null => Lost($"{what} is ahead of the ledger, which ends at {standing.Seq}: its tail is missing, as after a restore of an older copy."),
            var hash when !checkpoint.Remembers(hash) => Lost($"{what} remembers another entry than the one that stands there: the ledger was rewritten, or goes on from an older copy."),
            _ => null,
        };

        Mismatch Lost(string why) => new(checkpoint.Seq, checkpoint.Hash, why);
    }

    private async Task PassAsync(ChainStanding standing, CancellationToken cancellationToken)
    {
        if (!_compared && settings.Key is { } key)
        {
            await table.PublishAsync(town.Name, key, cancellationToken);
            if (_kept is null && standing.Latest is { } published)
            {
                LogNothingKept(published.Seq);
            }
        }

        if (standing.Alarm is not null)
        {
            await table.ClearAsync(town.Name, cancellationToken);
        }

        if (_told is not null)
        {
            LogSoundAgain(town.Name);
        }

        (_compared, _sound, _refusal, _told, RefusedPlace) = (true, true, null, null, null);
    }

    private async Task RefuseAsync(Mismatch mismatch, CancellationToken cancellationToken)
    {
        (_sound, RefusedPlace) = (false, mismatch.Place);
        _refusal = Problems.LedgerBroken($"{mismatch.Reason} Nothing is sealed and no work is given out; see the dispatcher's log.");
        if (_told != mismatch.Reason || clock.GetElapsedTime(_toldAt) > RemindEvery)
        {
            (_told, _toldAt) = (mismatch.Reason, clock.GetTimestamp());
            LogBroken(town.Name, mismatch.Reason, mismatch.Place is { } place ? $"; or, if this state is meant, start the dispatcher once with TOWN_LEDGER_ACCEPT={place}" : "");
        }

        await table.RaiseAsync(town.Name, mismatch.Seq, mismatch.Hash ?? LedgerHash.Genesis, mismatch.Reason, cancellationToken);
    }

    /// <summary>What the ledger is now counts from here on; that it was decided is written into it.</summary>
    private async Task AcceptAsync(string place, string reason, ChainStanding standing, CheckpointKey key, CancellationToken cancellationToken)
    {
        await using (var command = database.CreateCommand("""
            INSERT INTO ledger_pending (town, actor, action, detail) VALUES ($1, 'operator', $2, json_build_object(
                'reason', $3::text, 'given_up', $4::text, 'found_seq', $5::bigint, 'found_hash', encode($6::bytea, 'hex'), 'key_id', $7::text)::text)
            """))
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Actions.LedgerRestoreAccepted });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = reason });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = place });
            command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = standing.Seq });
            command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = standing.Hash });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = key.Public.Id });
            await command.ExecuteNonQueryAsync(cancellationToken);
        }

        var made = key.Sign(town.Name, standing.Seq, standing.Hash, standing.At);
        await table.PublishAsync(made, cancellationToken);
        await table.ClearAsync(town.Name, cancellationToken);
        // Last: until it is kept the next look finds the same again, and is accepted again.
        await settings.Keeper!.AppendAsync(made, cancellationToken);
        Volatile.Write(ref _kept, made);
        LogAccepted(town.Name, reason, standing.Seq);
        await table.PublishAsync(town.Name, key, cancellationToken);
        (_compared, _sound, _refusal, _told, RefusedPlace) = (true, true, null, null, null);
    }

    /// <summary>A kept place that the ledger does not hold.</summary>
    /// <param name="Hash">Null when what was kept cannot be read.</param>
    private sealed record Mismatch(long Seq, byte[]? Hash, string Reason, bool MayBeAccepted = true)
    {
        /// <summary>What an operator must say to give it up, and nothing else is accepted by it later; null when nobody can.</summary>
        public string? Place => !MayBeAccepted ? null : Hash is null ? "unreadable" : string.Create(CultureInfo.InvariantCulture, $"{Seq}:{Convert.ToHexStringLower(Hash)[..16]}");
    }

    [LoggerMessage(LogLevel.Critical, "The ledger of town {Town} is not the one that was kept. {Reason} Nothing is sealed and no work is given out. Bring back the right database{Otherwise}")]
    private partial void LogBroken(string town, string reason, string otherwise);

    [LoggerMessage(LogLevel.Warning, "The ledger of town {Town} was accepted as it is at entry {Seq}, as TOWN_LEDGER_ACCEPT says. Given up: {Reason}")]
    private partial void LogAccepted(string town, string reason, long seq);

    [LoggerMessage(LogLevel.Information, "The ledger of town {Town} holds again what was kept")]
    private partial void LogSoundAgain(string town);

    [LoggerMessage(LogLevel.Warning, "No checkpoint is kept outside the database, although one was made at entry {Seq}: a restored or rewritten ledger is found from now on only")]
    private partial void LogNothingKept(long seq);

    [LoggerMessage(LogLevel.Warning, "The kept checkpoints cannot be read any more; the last one read still counts: {Reason}")]
    private partial void LogKeptUnreadable(string reason);

    [LoggerMessage(LogLevel.Warning, "No key signs this town's ledger (TOWN_DATA or TOWN_LEDGER_KEY_FILE): a rewritten or restored ledger cannot be told from the right one")]
    private partial void LogUnsigned();

    [LoggerMessage(LogLevel.Warning, "The ledger is compared with what was kept as soon as the database answers: {Reason}")]
    private partial void LogLater(string reason);
}

using System.Globalization;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>Who signs the town's checkpoints, how often, and where they are kept.</summary>
/// <param name="Key">Null where neither a key file nor a data folder is known: then nothing is signed.</param>
/// <param name="Keeper">Where they are kept outside the database; null without a key.</param>
/// <param name="Period">The least time between two.</param>
/// <param name="Accepted">The kept place that an operator gives up, as the alarm names it; null for none.</param>
internal sealed record CheckpointSettings(CheckpointKey? Key, ICheckpointKeeper? Keeper, TimeSpan Period, string? Accepted) : IDisposable
{
    /// <summary>Reads and checks all of them; what is wrong is added to <paramref name="mistakes"/>. Makes the key file where there is none.</summary>
    public static CheckpointSettings From(IConfiguration configuration, string town, List<string> mistakes)
    {
        var data = configuration["TOWN_DATA"] is { Length: > 0 } folder ? Path.GetFullPath(folder) : null;
        var file = configuration["TOWN_LEDGER_KEY_FILE"] is { Length: > 0 } told ? Path.GetFullPath(told)
            : data is null ? null : Path.Combine(data, "ledger.key");
        if (!double.TryParse(
                configuration["TOWN_CHECKPOINT_SECS"] is { Length: > 0 } given ? given : "60", NumberStyles.Float, CultureInfo.InvariantCulture,
                out var seconds) || seconds is not (>= 0.1 and <= 3600))
        {
            mistakes.Add("TOWN_CHECKPOINT_SECS must be 0.1 to 3600 seconds.");
            seconds = 60;
        }

        var accepted = configuration["TOWN_LEDGER_ACCEPT"] is { Length: > 0 } place ? place : null;
        var unsigned = new CheckpointSettings(null, null, TimeSpan.FromSeconds(seconds), accepted);
        if (file is null)
        {
            return unsigned;
        }

        try
        {
            var kept = Path.Combine(data ?? Path.GetDirectoryName(file)!, $"ledger-{town}.checkpoints");
            return unsigned with { Key = CheckpointKey.Ensure(file), Keeper = new CheckpointFile(kept) };
        }
        catch (CheckpointKeyException unusable)
        {
            mistakes.Add($"{unusable.Message} TOWN_LEDGER_KEY_FILE names another.");
            return unsigned;
        }
    }

    public void Dispose() => Key?.Dispose();
}

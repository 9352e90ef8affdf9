using System.Globalization;
using Townhall.Ledger.Checkpoints;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Checkpoints;

/// <summary>Who signs the town's checkpoints, how often, and where they are kept.</summary>
/// <param name="Key">Null where neither a key file nor a data folder is known: then nothing is signed.</param>
/// <param name="Keeper">Where they are kept outside the database; null without a key.</param>
/// <param name="Period">The least time between two.</param>
/// <param name="Accepted">The kept place that an operator gives up, as the alarm names it; null for none.</param>
internal sealed record CheckpointSettings(CheckpointKey? Key, ICheckpointKeeper? Keeper, TimeSpan Period, string? Accepted) : IDisposable
{
    /// <exception cref="SettingsException">A setting is wrong, or the key file cannot be used.</exception>
    public static CheckpointSettings From(IConfiguration configuration, string town)
    {
        var data = configuration["TOWN_DATA"] is { Length: > 0 } folder ? Path.GetFullPath(folder) : null;
        var file = configuration["TOWN_LEDGER_KEY_FILE"] is { Length: > 0 } told ? Path.GetFullPath(told)
            : data is null ? null : Path.Combine(data, "ledger.key");
        if (!double.TryParse(
                configuration["TOWN_CHECKPOINT_SECS"] is { Length: > 0 } given ? given : "60", NumberStyles.Float, CultureInfo.InvariantCulture,
                out var seconds) || seconds is not (>= 0.1 and <= 3600))
        {
            throw new SettingsException(["TOWN_CHECKPOINT_SECS must be 0.1 to 3600 seconds."]);
        }

        var accepted = configuration["TOWN_LEDGER_ACCEPT"] is { Length: > 0 } place ? place : null;
        if (file is null)
        {
            return new(null, null, TimeSpan.FromSeconds(seconds), accepted);
        }

        try
        {
            var kept = Path.Combine(data ?? Path.GetDirectoryName(file)!, $"ledger-{town}.checkpoints");
            return new(CheckpointKey.Ensure(file), new CheckpointFile(kept), TimeSpan.FromSeconds(seconds), accepted);
        }
        catch (CheckpointKeyException unusable)
        {
            throw new SettingsException([$"{unusable.Message} TOWN_LEDGER_KEY_FILE names another."]);
        }
    }

    public void Dispose() => Key?.Dispose();
}

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Townhall.Settings;

namespace Townhall.ServiceDefaults.Settings;

/// <summary>Looks at tinytown.toml every two seconds and takes over what may change; of the rest it says that it waits for the next start.</summary>
internal sealed partial class TownFileWatch(
    TownFileSource source, TownSettings town, IConfiguration configuration, TimeProvider clock, ILogger<TownFileWatch> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);
    private FileStamp _seen = source.Stamp;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                Look();
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the normal way out of the loop.
        }
    }

    /// <summary>One look. A file with mistakes changes nothing.</summary>
    internal void Look()
    {
        try
        {
            var stamp = FileStamp.Of(source.Path);
            if (stamp == _seen)
            {
                return;
            }

            _seen = stamp;
            var file = TownFile.Read(source.Path);
            if (file.Mistakes is not [])
            {
                LogRefused(string.Join(' ', file.Mistakes));
                return;
            }

            var before = source.File;
            var changed = source.Take(file);
            town.Take(TownSettings.From(configuration));
            foreach (var key in changed)
            {
                if (key.Effect == TakesEffect.AtOnce)
                {
                    LogTaken(key.Name);
                }
                else if (key.Effect == TakesEffect.AtStart)
                {
                    LogWaits(key.Name);
                }
            }

            foreach (var warning in file.Warnings.Except(before.Warnings))
            {
                LogWarning(warning);
            }
        }
        catch (Exception wrong) when (wrong is SettingsException or IOException or UnauthorizedAccessException)
        {
            LogRefused(wrong.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Warning}")]
    private partial void LogWarning(string warning);

    [LoggerMessage(LogLevel.Warning, "The changed settings file is not taken over; what was read before stays. {Mistakes}")]
    private partial void LogRefused(string mistakes);

    [LoggerMessage(LogLevel.Information, "{Key} was changed in the settings file and is in effect")]
    private partial void LogTaken(string key);

    [LoggerMessage(LogLevel.Warning, "{Key} was changed in the settings file; it takes effect at the next start")]
    private partial void LogWaits(string key);
}

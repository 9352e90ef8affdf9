using System.Globalization;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Signal;

/// <param name="QuietWindow"><c>TOWN_SCALE_DOWN_QUIET_SECS</c>: how long fewer workers must have been enough before fewer are recommended, 0 to 3600 s. Default 60 s.</param>
internal sealed record SignalSettings(TimeSpan QuietWindow)
{
    private const string Name = "TOWN_SCALE_DOWN_QUIET_SECS";

    /// <exception cref="SettingsException">The value is not a number of seconds.</exception>
    public static SignalSettings From(IConfiguration configuration)
    {
        if (configuration[Name] is not { Length: > 0 } text)
        {
            return new(TimeSpan.FromSeconds(60));
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 3600
            ? new(TimeSpan.FromSeconds(seconds))
            : throw new SettingsException([$"{Name} must be 0 to 3600 seconds, not '{text}'."]);
    }
}

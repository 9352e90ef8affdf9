using System.Globalization;

namespace Townhall.Scaler.Signal;

/// <param name="QuietWindow"><c>TOWN_SCALE_DOWN_QUIET_SECS</c>: how long fewer workers must have been enough before fewer are recommended, 0 to 3600 s. Default 60 s.</param>
internal sealed record SignalSettings(TimeSpan QuietWindow)
{
    private const string Name = "TOWN_SCALE_DOWN_QUIET_SECS";

    /// <summary>Reads and checks it; what is wrong is added to <paramref name="mistakes"/>.</summary>
    public static SignalSettings From(IConfiguration configuration, List<string> mistakes)
    {
        var text = configuration[Name] is { Length: > 0 } told ? told : "60";
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= 3600)
        {
            return new(TimeSpan.FromSeconds(seconds));
        }

        mistakes.Add($"{Name} must be 0 to 3600 seconds, not '{text}'.");
        return new(TimeSpan.Zero);
    }
}

using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Townhall.Settings;

namespace Townhall.ServiceDefaults.Settings;

internal static class TownSettingsRegistration
{
    /// <summary>Reads the settings from all sources, and watches the file for what may change.</summary>
    /// <param name="more">Reads what a service has beside them.</param>
    /// <exception cref="SettingsException">At least one is wrong; every mistake of file and variables at once.</exception>
    public static TownSettings AddTownSettings(
        this WebApplicationBuilder builder, Action<IConfiguration, TownSettings, List<string>>? more)
    {
        TownFileSource source;
        try
        {
            source = builder.Configuration.AddTownFile();
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException([$"tinytown.toml cannot be read: {unreadable.Message}"]);
        }

        TownSettings town;
        try
        {
            town = TownSettings.From(builder.Configuration, source.Mistakes, more);
        }
        catch (SettingsException wrong)
        {
            throw new SettingsException([.. wrong.Mistakes.Select(mistake => Located(mistake, source.File))]);
        }

        builder.Services.AddSingleton(town);
        builder.Services.AddSingleton(source);
        builder.Services.AddHostedService<TownFileWatch>();
        return town;
    }

    /// <summary>A mistake names its setting first; whoever wrote that into the file looks for a line.</summary>
    private static string Located(string mistake, TownFile file)
    {
        var setting = mistake.Split(' ', 2)[0];
        return Environment.GetEnvironmentVariable(setting) is null or "" && file.WhereIs(setting) is { } place
            ? $"{mistake} It is {place}."
            : mistake;
    }
}

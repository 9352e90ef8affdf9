using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting.Running;

/// <summary>What a project's own <c>Properties/launchSettings.json</c> says about running it.</summary>
internal sealed record LaunchProfile(
    string Name, IReadOnlyList<Uri> Urls, IReadOnlyDictionary<string, string> Environment, IReadOnlyList<string> Arguments)
{
    private static readonly JsonDocumentOptions Lenient = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>The chosen profile, else the one the host runs under if the project has it, else the first that runs the project.</summary>
    public static LaunchProfile? Find(string projectPath, ProjectResourceOptions options, IConfiguration configuration)
    {
        var file = Path.Combine(Path.GetDirectoryName(projectPath)!, "Properties", "launchSettings.json");
        if (options.ExcludeLaunchProfile || !File.Exists(file))
        {
            return null;
        }

        using var settings = JsonDocument.Parse(File.ReadAllText(file), Lenient);
        if (!settings.RootElement.TryGetProperty("profiles", out var profiles))
        {
            return null;
        }

        if (options.LaunchProfileName is { } wanted)
        {
            return profiles.TryGetProperty(wanted, out var named)
                ? Read(wanted, named)
                : throw new DistributedApplicationException($"{file} has no profile '{wanted}'.");
        }

        if ((configuration["AppHost:DefaultLaunchProfileName"] ?? configuration["DOTNET_LAUNCH_PROFILE"]) is { } shared
            && profiles.TryGetProperty(shared, out var same))
        {
            return Read(shared, same);
        }

        foreach (var profile in profiles.EnumerateObject())
        {
            if (Text(profile.Value, "commandName") is null or "" or "Project" or "Executable")
            {
                return Read(profile.Name, profile.Value);
            }
        }

        return null;
    }

    private static LaunchProfile Read(string name, JsonElement profile)
    {
        var environment = profile.TryGetProperty("environmentVariables", out var variables)
            ? variables.EnumerateObject().ToDictionary(static variable => variable.Name, static variable => variable.Value.ToString())
            : [];

        // Plain http only: this host has no certificate to give.
        var urls = (Text(profile, "applicationUrl") ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(static url => new Uri(url))
            .Where(static url => url.Scheme == Uri.UriSchemeHttp)
            .Take(1)
            .ToList();
        var arguments = (Text(profile, "commandLineArgs") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return new(name, urls, environment, arguments);
    }

    private static string? Text(JsonElement profile, string property) =>
        profile.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}

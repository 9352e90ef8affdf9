using System.Globalization;
using System.Reflection;
using System.Runtime.Versioning;
using System.Xml.Linq;
using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.Running;

/// <summary>Starts a service's built program, directly, with the environment Aspire would give it.</summary>
internal sealed class ProjectLaunch(
    ProjectResource project, IDistributedApplicationBuilder builder, DataDirectory data, string hostId, HttpClient http) : ILaunch
{
    private readonly ProjectMetadataAnnotation _metadata = project.Annotations.OfType<ProjectMetadataAnnotation>().Single();

    public async Task<LaunchPlan> PrepareAsync(CancellationToken cancellationToken)
    {
        var program = BuiltProgram(_metadata.Metadata.ProjectPath, builder.AppHostAssembly);
        if (!File.Exists(program))
        {
            throw new HostRefusedException($"townhall: {program} is not there: build the solution first.", HostRefusedException.Unavailable);
        }

        var profile = LaunchProfile.Find(_metadata.Metadata.ProjectPath, _metadata.Options, builder.Configuration);
        var arguments = new CommandLineArgsCallbackContext([.. profile?.Arguments ?? []], cancellationToken);
        foreach (var annotation in project.Annotations.OfType<CommandLineArgsCallbackAnnotation>())
        {
            await annotation.Callback(arguments);
        }

        var environment = await EnvironmentComposer.ComposeAsync(project, profile, builder, cancellationToken);
        environment[HostEnvironment.HostIdVariable] = hostId;
        environment[HostEnvironment.LifetimeVariable] = data.LifetimePipe;
        return new LaunchPlan(
            program,
            [.. arguments.Args.Select(static argument => Convert.ToString(argument, CultureInfo.InvariantCulture)!)],
            Path.GetDirectoryName(_metadata.Metadata.ProjectPath)!)
        {
            Environment = environment,
        };
    }

    public async Task<string?> ProbeAsync(CancellationToken cancellationToken)
    {
        foreach (var check in project.Annotations.OfType<HttpHealthCheckAnnotation>())
        {
            try
            {
                using var answer = await http.GetAsync(new Uri(new Uri(check.Endpoint.Url), check.Path), cancellationToken);
                if ((int)answer.StatusCode != check.StatusCode)
                {
                    return $"{check.Path} answers {(int)answer.StatusCode}";
                }
            }
            catch (Exception error) when (error is HttpRequestException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
            {
                return $"{check.Path} does not answer";
            }
        }

        return null;
    }

    /// <summary>Where the build of a project puts its program, in the AppHost's own configuration and framework.</summary>
    internal static string BuiltProgram(string projectPath, Assembly? appHost)
    {
        var configuration = appHost?.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration is { Length: > 0 } told ? told : "Release";
        var framework = appHost?.GetCustomAttribute<TargetFrameworkAttribute>()?.FrameworkName is { } name
            ? new FrameworkName(name).Version
            : Environment.Version;
        var assembly = XDocument.Load(projectPath).Descendants("AssemblyName").FirstOrDefault()?.Value.Trim()
            ?? Path.GetFileNameWithoutExtension(projectPath);
        return Path.Combine(
            Path.GetDirectoryName(projectPath)!, "bin", configuration, $"net{framework.Major.ToString(CultureInfo.InvariantCulture)}.0", assembly);
    }
}

using System.Globalization;
using System.Security.Cryptography;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting.Running;

/// <summary>Puts together the environment of one service, in the order of the Aspire contract: later assignments win.</summary>
internal static class EnvironmentComposer
{
    public static async Task<Dictionary<string, string>> ComposeAsync(
        ProjectResource project, LaunchProfile? profile, IDistributedApplicationBuilder builder, CancellationToken cancellationToken)
    {
        var environment = HostEnvironment.Inherited();
        AddTelemetry(environment, project.Name, builder.Configuration);
        environment.TryAdd("LOGGING__CONSOLE__FORMATTERNAME", "simple");
        AddRuntime(environment);

        var endpoints = project.Annotations.OfType<EndpointAnnotation>().ToList();
        var urls = endpoints.Where(static endpoint => endpoint.IsHttp && endpoint.TargetPortEnvironmentVariable is null)
            .Select(endpoint => new EndpointReference(project, endpoint.Name).Url)
            .ToList();
        if (urls.Count > 0)
        {
            environment["ASPNETCORE_URLS"] = string.Join(';', urls);
        }

        foreach (var endpoint in endpoints.Where(static endpoint => endpoint.TargetPortEnvironmentVariable is not null))
        {
            environment[endpoint.TargetPortEnvironmentVariable!] = endpoint.AllocatedPort!.Value.ToString(CultureInfo.InvariantCulture);
        }

        if (profile is not null)
        {
            environment["DOTNET_LAUNCH_PROFILE"] = profile.Name;
            foreach (var (name, value) in profile.Environment)
            {
                environment.TryAdd(name, value);
            }
        }

        var context = new EnvironmentCallbackContext(
            builder.ExecutionContext, project, environment.ToDictionary(static pair => pair.Key, static pair => (object)pair.Value), cancellationToken);
        foreach (var annotation in project.Annotations.OfType<EnvironmentCallbackAnnotation>())
        {
            await annotation.Callback(context);
        }

        foreach (var (name, value) in context.EnvironmentVariables)
        {
            environment[name] = value is IValueProvider provider
                ? await provider.GetValueAsync(cancellationToken) ?? ""
                : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }

        return environment;
    }

    /// <summary>There is no dashboard here: telemetry goes out only where somebody said where to.</summary>
    private static void AddTelemetry(Dictionary<string, string> environment, string name, IConfiguration configuration)
    {
        var endpoint = configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? configuration["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"];
        if (string.IsNullOrEmpty(endpoint))
        {
            return;
        }

        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint;
        environment.TryAdd("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        environment["OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY"] = "in_memory";
        environment["OTEL_SERVICE_NAME"] = name;
        environment["OTEL_RESOURCE_ATTRIBUTES"] =
            $"service.instance.id={RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz", 8)}";
    }

    /// <summary>A program's launcher looks for the runtime in well-known places; where ours lives is one it may not know.</summary>
    private static void AddRuntime(Dictionary<string, string> environment)
    {
        if (!environment.ContainsKey("DOTNET_ROOT")
            && Path.GetDirectoryName(typeof(object).Assembly.Location) is { } framework
            && Path.GetFullPath(Path.Combine(framework, "..", "..", "..")) is var root
            && File.Exists(Path.Combine(root, "dotnet")))
        {
            environment["DOTNET_ROOT"] = root;
        }
    }
}

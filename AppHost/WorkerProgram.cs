using System.Reflection;
using System.Runtime.Versioning;
using System.Xml.Linq;

namespace Townhall.AppHost;

/// <summary>Where the build puts the worker's program, so that the scaler can start it without asking the AppHost.</summary>
internal static class WorkerProgram
{
    /// <summary>The program built beside this AppHost, in the same configuration; empty when publishing, where the platform starts workers.</summary>
    public static string PathOf<TProject>(IDistributedApplicationBuilder builder) where TProject : IProjectMetadata, new()
    {
        if (builder.ExecutionContext.IsPublishMode)
        {
            return "";
        }

        var project = new TProject().ProjectPath;
        var appHost = typeof(WorkerProgram).Assembly;
        var configuration = appHost.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
        var framework = new FrameworkName(appHost.GetCustomAttribute<TargetFrameworkAttribute>()!.FrameworkName);
        var name = XDocument.Load(project).Descendants("AssemblyName").FirstOrDefault()?.Value ?? Path.GetFileNameWithoutExtension(project);
        return Path.Combine(Path.GetDirectoryName(project)!, "bin", configuration, $"net{framework.Version}", name);
    }
}

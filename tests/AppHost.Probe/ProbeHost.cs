using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;

namespace Townhall.AppHost.Probe;

/// <summary>Composes the little town; <c>PROBE_SERVERS=no</c> leaves the servers out, <c>PROBE_SETUP</c> is the setup's exit code.</summary>
internal static class ProbeHost
{
    private static readonly string Project = Path.GetFullPath(
        Path.Combine(AppContext.BaseDirectory, "..", "..", "..", "AppHost.Probe.csproj"));

    public static int Run()
    {
        var builder = DistributedApplication.CreateBuilder([]);
        var setup = builder.AddProject("setup", Project)
            .WithArgs("once", Environment.GetEnvironmentVariable("PROBE_SETUP") ?? "0");
        var first = Service(builder, "first").WaitForCompletion(setup);
        if (Environment.GetEnvironmentVariable("PROBE_SERVERS") != "no")
        {
            var redis = builder.AddRedis("redis").WithDataVolume().WithPersistence();
            var database = builder.AddPostgres("postgres").WithDataVolume().AddDatabase("town-db", "town");
            setup.WaitFor(redis).WaitFor(database);
            first.WithReference(redis).WithReference(database);
        }

        var second = Service(builder, "second").WithReference(first).WithEnvironment("PROBE_WORKER", "yes").WaitFor(first);
        Service(builder, "third").WithReference(second).WithExternalHttpEndpoints().WaitFor(second)
            .OnResourceReady((third, _, _) => Console.Out.WriteLineAsync(
                $"ready {new EndpointReference(third, "http").Url} {second.GetEndpoint("http").Url} {first.GetEndpoint("http").Url}"));
        builder.AddProject("worker", Project).WithReference(first).WithExplicitStart();
        builder.Build().Run();
        return Environment.ExitCode;
    }

    private static IResourceBuilder<ProjectResource> Service(IDistributedApplicationBuilder builder, string name) =>
        builder.AddProject(name, Project).WithArgs("service").WithHttpEndpoint().WithHttpHealthCheck("/internal/ready");
}

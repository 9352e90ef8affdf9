using System.Diagnostics;
using Townhall.Testing;

namespace Townhall.AppHost.Tests.Model;

/// <summary>The classes that stand for the projects in AppHost/Program.cs are called as the Aspire SDK would call them.</summary>
public sealed class ProjectsClassesTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_class_is_called_like_its_project_file()
    {
        var targets = Path.Combine(Programs.Repository(), "offline", "Aspire.Hosting", "build", "Projects.targets");
        await File.WriteAllTextAsync(_directory["My.AppHost.proj"], $"""
            <Project>
              <PropertyGroup><IntermediateOutputPath>obj/</IntermediateOutputPath></PropertyGroup>
              <ItemGroup>
                <ProjectReference Include="../services/agent-worker.csproj" />
                <ProjectReference Include="../services/AgentWorker.csproj" />
                <ProjectReference Include="../services/Notifier.App.csproj" />
                <ProjectReference Include="../services/2fast.4you.csproj" />
                <ProjectReference Include="../services/Renamed.csproj" AspireProjectMetadataTypeName="Other" />
                <ProjectReference Include="../libraries/Library.csproj" IsAspireProjectResource="false" />
              </ItemGroup>
              <Import Project="{targets}" />
            </Project>
            """);

        using var build = Process.Start(new ProcessStartInfo(
            Programs.Dotnet(), ["msbuild", _directory["My.AppHost.proj"], "-t:WriteProjectsClasses", "-nologo", "-nodeReuse:false"])
        {
            RedirectStandardOutput = true,
        })!;
        var output = await build.StandardOutput.ReadToEndAsync(Deadline.Usual());
        await build.WaitForExitAsync(Deadline.Usual());
        Assert.True(build.ExitCode == 0, output);

        var lines = await File.ReadAllLinesAsync(_directory["obj/Aspire/references/Projects.g.cs"]);
        var classes = lines.Where(static line => line.StartsWith("public class ", StringComparison.Ordinal)).Select(static line => line.Split(' ')[2]);
        Assert.Equal(["agent_worker", "AgentWorker", "Notifier_App", "_2fast__4you", "Other", "My_AppHost"], classes);
        Assert.Contains(lines, line => line.Contains($"@\"{Path.GetFullPath(_directory["../services/agent-worker.csproj"])}\"", StringComparison.Ordinal));
    }
}

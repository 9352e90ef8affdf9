using System.Net;
using System.Net.Sockets;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Running;

namespace Townhall.AppHost.Tests.Running;

/// <summary>The small decisions around starting: pauses, ports, names on the terminal.</summary>
public sealed class StartTests
{
    [Fact]
    public void The_pause_doubles_to_its_bound_and_begins_anew_after_a_good_run()
    {
        var backOff = new BackOff();
        var pauses = Enumerable.Range(0, 9).Select(_ => backOff.After(TimeSpan.FromSeconds(1)).TotalSeconds);

        Assert.Equal([0.5, 1, 2, 4, 8, 16, 30, 30, 30], pauses);
        Assert.Equal(0.5, backOff.After(TimeSpan.FromMinutes(1)).TotalSeconds);
    }

    [Fact]
    public void Every_endpoint_gets_a_port_of_its_own()
    {
        var resources = Enumerable.Range(0, 200).Select(number => Listening($"service{number}", port: null)).ToList();
        Ports.Allocate(resources);

        var ports = resources.Select(static resource => resource.Annotations.OfType<EndpointAnnotation>().Single().AllocatedPort!.Value).ToList();
        Assert.Equal(200, ports.Distinct().Count());
        Assert.All(ports, static port => Assert.InRange(port, 1024, 32767));
    }

    [Fact]
    public void A_configured_port_that_is_taken_is_refused_before_anything_starts()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var refusal = Assert.Throws<HostRefusedException>(() => Ports.Allocate([Listening("edge", port)]));
        Assert.Equal(HostRefusedException.Configuration, refusal.ExitCode);
        Assert.Contains($"port {port}", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lines_carry_the_name_of_their_resource_and_colour_only_where_wanted()
    {
        Assert.Equal("a    | plain\nhost | said\n", await WrittenAsync(colour: false));
        Assert.Equal("\e[36ma   \e[0m | plain\n\e[1mhost\e[0m | said\n", await WrittenAsync(colour: true));

        static async Task<string> WrittenAsync(bool colour)
        {
            var output = new StringWriter { NewLine = "\n" };
            await using (var console = new HostConsole(output, ["a"], colour))
            {
                console.Line("a", "plain");
                console.Say("said");
                await console.FlushAsync();
            }

            return output.ToString();
        }
    }

    [Fact]
    public void A_service_inherits_settings_but_not_what_belongs_to_the_host_or_to_others()
    {
        Environment.SetEnvironmentVariable("TOWN_TEST_SETTING", "kept");
        Environment.SetEnvironmentVariable("ConnectionStrings__town-admin", "secret");
        Environment.SetEnvironmentVariable("ASPNETCORE_ENVIRONMENT", "Development");
        try
        {
            var inherited = HostEnvironment.Inherited();
            Assert.Equal("kept", inherited["TOWN_TEST_SETTING"]);
            Assert.DoesNotContain("ConnectionStrings__town-admin", inherited.Keys);
            Assert.DoesNotContain("ASPNETCORE_ENVIRONMENT", inherited.Keys);
        }
        finally
        {
            Environment.SetEnvironmentVariable("TOWN_TEST_SETTING", null);
            Environment.SetEnvironmentVariable("ConnectionStrings__town-admin", null);
            Environment.SetEnvironmentVariable("ASPNETCORE_ENVIRONMENT", null);
        }
    }

    private static ProjectResource Listening(string name, int? port)
    {
        var resource = new ProjectResource(name);
        resource.Annotations.Add(new EndpointAnnotation(ProtocolType.Tcp, "http", port: port));
        return resource;
    }
}

using Townhall.Api.Agents;
using Townhall.Api.Messages;
using Townhall.Contracts.Ids;
using Townhall.Testing;

namespace Townhall.Api.Tests.Messages;

/// <summary>In whose name a caller speaks.</summary>
public sealed class SenderTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    [Fact]
    public async Task Nobody_speaks_as_the_supervisor_or_as_another_agent_unless_they_lead_the_town()
    {
        var deadline = Deadline.Usual();
        await using var database = await postgres.CreateDatabaseAsync(deadline);
        var parts = new Parts(database);
        var ann = await parts.SpawnAsync("ann", deadline);
        var bob = await parts.SpawnAsync("bob", deadline);
        var supervisor = new Sender(AgentId.Supervisor, "supervisor");

        // Who leads: the supervisor, or any agent there is.
        Assert.Equal((supervisor, null), await OfAsync(null, leads: true, null));
        Assert.Equal((supervisor, null), await OfAsync(null, leads: true, "conductor"));
        Assert.Equal((new Sender(ann, "ann"), null), await OfAsync(null, leads: true, "ANN"));
        Assert.Equal("agent_not_found", (await OfAsync(null, leads: true, "nobody")).Code);

        // Bound to an agent: that agent, also with every scope.
        foreach (var leads in (bool[])[false, true])
        {
            Assert.Equal((new Sender(ann, "ann"), null), await OfAsync(ann, leads, null));
            Assert.Equal((new Sender(ann, "ann"), null), await OfAsync(ann, leads, ann.ToString()));
            Assert.Equal("sender_not_yours", (await OfAsync(ann, leads, "bob")).Code);
            Assert.Equal("sender_not_yours", (await OfAsync(ann, leads, bob.ToString())).Code);
            Assert.Equal("sender_not_yours", (await OfAsync(ann, leads, "supervisor")).Code);
        }

        // A key of its own: its own name.
        Assert.Equal((new Sender(null, "key:ci"), null), await OfAsync(null, leads: false, null));
        Assert.Equal((new Sender(null, "key:ci"), null), await OfAsync(null, leads: false, "key:ci"));
        foreach (var other in (string[])["supervisor", "ann", "nobody", AgentId.Supervisor.ToString()])
        {
            Assert.Equal("sender_not_yours", (await OfAsync(null, leads: false, other)).Code);
        }

        async Task<(Sender Sender, string? Code)> OfAsync(AgentId? bound, bool leads, string? from)
        {
            var (sender, refusal) = await Senders.OfAsync("key:ci", bound, leads, from, new AgentDirectory(parts.Agents), parts.Agents, deadline);
            return (sender, refusal?.Code);
        }
    }
}

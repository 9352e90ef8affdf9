using System.Text.Json;
using Townhall.Api.Agents;

namespace Townhall.Api.Tests.Agents;

public sealed class AgentChangeTests
{
    [Fact]
    public void Half_of_a_surrogate_pair_is_refused_as_no_text()
    {
        using var half = JsonDocument.Parse(@"""\udc00x""");
        Assert.Equal(422, new AgentChange(Nickname: half.RootElement).Fault()?.Status);
        Assert.Equal(422, new AgentChange(RoleId: half.RootElement).Fault()?.Status);
    }
}

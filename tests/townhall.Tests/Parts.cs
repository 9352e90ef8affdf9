using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Api.Agents;
using Townhall.Api.Bulk;
using Townhall.Api.Explain;
using Townhall.Api.Limits;
using Townhall.Api.Recovery;
using Townhall.Api.Steering;
using Townhall.Api.Tasks;
using Townhall.Contracts.Ids;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Api.Tests;

/// <summary>The service's own parts over a test's database, without a listener. Redis is away, which changes nothing here.</summary>
internal sealed class Parts(TestDatabase database) : IServiceProvider
{
    /// <summary>Who calls, where a test calls a handler itself.</summary>
    public static Caller Somebody { get; } = new("local", ScopeSet.Admin, "any");

    public TownSettings Town { get; } = new() { Name = database.Town, Root = "/", IdleTimeout = TimeSpan.FromMinutes(5), MaxAgents = 1000 };

    public AgentStore Agents => new(database.App, Town, new(Town));

    public TaskStore Tasks => new(database.App, Town);

    public ControlStore Control => new(database.App, Town, new(Town));

    public LimitStore Limits => new(database.App, Town);

    public ExplainStore Explain => new(database.App, Town);

    public RecoveryStore Recovery => new(database.App, Town);

    public SteeringStore Steering => new(database.App, Town);

    public Doorbell Doorbell => new(new RedisDoor(this, TimeProvider.System, NullLogger<RedisDoor>.Instance), Town);

    public BulkStore Bulk => new(database.App, Town);

    public Acceptance Acceptance() => new(Tasks, Doorbell);

    public async Task<AgentId> SpawnAsync(string name, CancellationToken deadline, string? nickname = null, string? role = null)
    {
        var id = AgentId.New();
        Assert.Equal(SpawnOutcome.Spawned, await Agents.SpawnAsync(id, new NewAgent(name, "sh", role, nickname), "sh", "test", deadline));
        return id;
    }

    public static AcceptedTask Task(AgentId agent, string text = "work") =>
        new(TaskId.New(), agent, text, "test", 0, null, null, null, null, null, null, null, null);

    public static AcceptedTask Keyed(AgentId agent, string key, string body) =>
        Task(agent, body) with { Key = new(key, SHA256.HashData(Encoding.UTF8.GetBytes(body))), Response = "{}" };

    public object? GetService(Type serviceType) => null;
}

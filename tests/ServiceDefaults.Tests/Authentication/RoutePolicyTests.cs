using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Tests.Authentication;

public sealed class RoutePolicyTests
{
    [Fact]
    public async Task A_service_whose_every_route_names_a_scope_starts()
    {
        await using var app = Build();
        app.MapDefaultEndpoints();
        app.MapGet("/health", static () => "ok").AllowAnonymous();
        app.MapGet("/v1/things", static (Caller caller) => caller.Name).RequireAuthorization(Scopes.TownRead);

        RoutePolicies.Check(app);
    }

    [Fact]
    public async Task A_service_with_routes_that_serve_nobody_in_particular_does_not_start_and_names_them_all()
    {
        await using var app = Build();
        app.MapGet("/v1/open", static () => "anybody");
        app.MapGet("/v1/anonymous", static () => "anybody").AllowAnonymous();
        app.MapGet("/v1/misspelt", static () => "nobody").RequireAuthorization("town.raed");
        app.MapGet("/v1/things", static () => "readers").RequireAuthorization(Scopes.TownRead);

        var refused = Assert.Throws<SettingsException>(() => RoutePolicies.Check(app));

        Assert.Equal(3, refused.Mistakes.Count);
        Assert.Contains(refused.Mistakes, static mistake => mistake.Contains("/v1/open", StringComparison.Ordinal));
        Assert.Contains(refused.Mistakes, static mistake => mistake.Contains("/v1/anonymous", StringComparison.Ordinal));
        Assert.Contains(refused.Mistakes, static mistake => mistake.Contains("'town.raed'", StringComparison.Ordinal));
    }

    [Fact]
    public void The_probes_and_the_description_are_anonymous_and_nothing_else() => Assert.Equal(
        [
            "/api/scaling", "/docs", "/docs/page.css", "/docs/page.js", "/health", "/healthz", "/metrics", "/openapi/v1.json", "/openapi/v1.yaml", "/ready",
            "/readyz",
        ],
        RoutePolicies.Anonymous.Order(StringComparer.Ordinal));

    [Theory]
    [InlineData(ScopeSet.Admin, Scopes.TownRead, true)]
    [InlineData(ScopeSet.Admin, Scopes.TownWrite, true)]
    [InlineData(ScopeSet.Admin, Scopes.AgentManage, true)]
    [InlineData(ScopeSet.Admin, Scopes.Admin, true)]
    [InlineData(ScopeSet.Admin, Scopes.Worker, false)]
    [InlineData(ScopeSet.TownWrite, Scopes.TownRead, false)]
    [InlineData(ScopeSet.AgentManage, Scopes.TownWrite, false)]
    [InlineData(ScopeSet.TownRead | ScopeSet.TownWrite, Scopes.TownWrite, true)]
    [InlineData(ScopeSet.Worker, Scopes.TownRead, false)]
    [InlineData(ScopeSet.None, Scopes.TownRead, false)]
    public void Admin_implies_all_but_worker_and_nothing_else_implies_anything(ScopeSet given, string scope, bool may) =>
        Assert.Equal(may, new Caller("somebody", given, "oak").May(scope));

    private static WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.AddTownAuthentication(new TownSettings { Name = "oak", Root = "/" });
        return builder.Build();
    }
}

using Townhall.Api;
using Townhall.Api.Agents;
using Townhall.Api.Idempotency;
using Townhall.Api.LedgerPages;
using Townhall.Api.Output;
using Townhall.Api.Recovery;
using Townhall.Api.Steering;
using Townhall.Api.Tasks;
using Townhall.Api.Town;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;

return await Extensions.RunServiceAsync("townhall", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    var town = builder.AddServiceDefaults();
    builder.AddTownDatabase(connectionsMost: 16);
    builder.AddTownRedis();
    builder.Services.ConfigureHttpJsonOptions(static json => TownhallJson.Configure(json.SerializerOptions));
    builder.AddIdempotencyKeys();
    builder.AddAgents();
    builder.AddTasks();
    builder.AddBatches();
    builder.AddOutput();
    builder.AddSteering();
    builder.AddRecovery();
    builder.AddTown();
    builder.AddLedgerPages();

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseRouting();
    app.UseLocalGuard(town);
    app.UseRequestDeadline();
    app.UseRateLimiter();
    app.UseIdempotencyKeys();
    app.MapDefaultEndpoints();
    app.MapTown();
    app.MapAgents();
    app.MapAgentControl();
    app.MapTasks();
    app.MapSteering();
    app.MapBatches();
    app.MapRecovery();
    app.MapOutput();
    app.MapLedgerPages();
    return app;
});

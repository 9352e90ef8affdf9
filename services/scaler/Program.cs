using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.Scaler.Workers;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;

return await Extensions.RunServiceAsync("scaler", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    var town = builder.AddServiceDefaults();
    builder.AddTownAuthentication(town);
    builder.AddTownDatabase(connectionsMost: 4);
    builder.AddTownRedis();
    builder.AddDemand();
    builder.AddScalingSignal();
    builder.AddWorkers(town);

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseRouting();
    app.UseLocalGuard(town);
    app.UseRequestDeadline();
    app.UseTownAuthentication();
    app.MapDefaultEndpoints();
    app.MapScaling();
    app.ListenForWork();
    return app;
});

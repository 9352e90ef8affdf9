using Townhall.Scaler.Demand;
using Townhall.Scaler.Signal;
using Townhall.Scaler.Workers;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

return await Extensions.RunServiceAsync("scaler", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    SignalSettings? signal = null;
    WorkerCommand? workers = null;
    var town = builder.AddServiceDefaults((configuration, common, mistakes) =>
    {
        Connections.Check(configuration, mistakes);
        signal = SignalSettings.From(configuration, mistakes);
        workers = WorkerCommand.From(configuration, common, mistakes);
    });
    builder.AddTownAuthentication(town);
    builder.AddTownDatabase(connectionsMost: 4);
    builder.AddTownRedis();
    builder.AddDemand();
    builder.AddScalingSignal(signal!);
    builder.AddWorkers(town, workers);

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

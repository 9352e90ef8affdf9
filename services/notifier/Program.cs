using Townhall.Notifier.Events;
using Townhall.Notifier.Tail;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

return await Extensions.RunServiceAsync("notifier", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    var town = builder.AddServiceDefaults(static (configuration, _, mistakes) => Connections.Check(configuration, mistakes));
    builder.AddTownAuthentication(town);
    builder.AddTownDatabase(connectionsMost: 12);
    builder.AddTownRedis();
    builder.AddLedgerTail();
    builder.AddEvents();

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseRouting();
    app.UseLocalGuard(town);
    app.UseRequestDeadline();
    app.UseTownAuthentication();
    app.MapDefaultEndpoints();
    app.MapEvents();
    app.ListenToLedger();
    return app;
});

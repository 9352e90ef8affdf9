using Townhall.Notifier.Events;
using Townhall.Notifier.Tail;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;

return await Extensions.RunServiceAsync("notifier", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    var town = builder.AddServiceDefaults();
    builder.AddTownDatabase(connectionsMost: 12);
    builder.AddTownRedis();
    builder.AddLedgerTail();
    builder.AddEvents();

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseLocalGuard(town);
    app.UseRequestDeadline();
    app.MapDefaultEndpoints();
    app.MapEvents();
    app.ListenToLedger();
    return app;
});

using Townhall.Edge.Guarding;
using Townhall.Edge.Routing;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;

return await Extensions.RunServiceAsync("edge", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    var town = builder.AddServiceDefaults();
    builder.AddTownProxy();

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseLocalGuard(town);
    app.UseBodyLimit();
    app.UseOwnForwardingHeaders();
    app.MapDefaultEndpoints();
    app.MapTownProxy();
    return app;
});

using Townhall.Edge.Guarding;
using Townhall.Edge.Listening;
using Townhall.Edge.Routing;
using Townhall.ServiceDefaults.Guards;
using Townhall.ServiceDefaults.Problems;
using Yarp.ReverseProxy.Configuration;

return await Extensions.RunServiceAsync("edge", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    EdgeSettings? settings = null;
    IReadOnlyList<ClusterConfig> clusters = [];
    var town = builder.AddServiceDefaults((configuration, common, mistakes) =>
    {
        EdgeListener.Bind(builder, mistakes);
        settings = EdgeSettings.From(configuration, common, TimeProvider.System, mistakes);
        clusters = TownRoutes.Clusters(configuration, common.RequestTimeout, mistakes);
    });
    var edge = settings!;
    builder.AddTownProxy(town, clusters);
    builder.AddPageOrigins(edge);
    if (edge.Tls)
    {
        builder.AddTls(edge);
    }

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseEdgeHeaders(edge);
    app.UsePageOrigins(edge);
    app.UseLocalGuard(town);
    app.UseBodyLimit();
    app.UseOwnForwardingHeaders();
    app.MapDefaultEndpoints();
    app.MapTownProxy();
    return app;
});

using System.Text.Json;
using System.Text.Json.Serialization;
using Townhall.Contracts.Workers;
using Townhall.Dispatcher.Backlog;
using Townhall.Dispatcher.Checkpoints;
using Townhall.Dispatcher.Control;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.Dispatcher.Output;
using Townhall.Dispatcher.Settling;
using Townhall.Dispatcher.Workers;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

return await Extensions.RunServiceAsync("dispatcher", () =>
{
    var builder = WebApplication.CreateSlimBuilder(args);
    WorkerKey? key = null;
    CheckpointSettings? checkpoints = null;
    var town = builder.AddServiceDefaults((configuration, common, mistakes) =>
    {
        Connections.Check(configuration, mistakes, "town-sequencer");
        key = WorkerKey.From(configuration, mistakes);
        checkpoints = CheckpointSettings.From(configuration, common.Name, mistakes);
    });
    // By a factory, so that it is disposed with the others.
    builder.Services.AddSingleton(key!).AddSingleton(_ => checkpoints!);
    builder.AddTownDatabase(connectionsMost: 16);
    builder.AddTownRedis();
    builder.Services.ConfigureHttpJsonOptions(static json =>
    {
        // A context's own rules do not travel with its metadata: the options that use it must say them again.
        json.SerializerOptions.TypeInfoResolverChain.Insert(0, WorkerJson.Default);
        json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        json.SerializerOptions.AllowDuplicateProperties = false;
        json.SerializerOptions.MaxDepth = 16;
    });
    // A settlement carries up to 256 results of 64 KiB, an upload 1 MiB of output in base64.
    builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = 32 * 1024 * 1024);
    builder.AddWorkers(town);
    builder.AddLeases();
    builder.AddControl();
    builder.AddSettling();
    builder.AddOutput();
    builder.AddDuties();
    builder.AddBacklog();

    var app = builder.Build();
    app.UseProblemDocuments();
    app.UseRouting();
    app.UseRequestDeadline();
    app.UseAuthentication();
    app.UseAuthorization();
    app.MapDefaultEndpoints();
    app.MapWorkers();
    app.MapLeases();
    app.ListenForBacklog();
    app.MapControl();
    app.MapSettling();
    app.MapOutput();
    return app;
});

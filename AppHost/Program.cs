using Townhall.AppHost;

// The whole town on one screen: what there is, who knows whom, and who waits for whom.
var builder = DistributedApplication.CreateBuilder(args);
var settings = TownSettings.Read(builder);
var workerKey = WorkerKey.EnsureIn(settings.Data);
var callers = CallerKeys.EnsureIn(builder, settings.Data);

// Redis rings and remembers for a while; Postgres is the truth. ConnectionStrings__… name servers that run elsewhere.
var redis = builder.FindConnection("redis") ?? builder.AddRedis("redis").WithDataVolume($"{settings.Name}-redis").WithPersistence();
var database = builder.AddTownDatabase(settings);

// Brings the database up to date as its owner, gives the two service roles their passwords, and ends.
var schema = builder.AddProject<Projects.Schema>("schema")
    .WithTown(settings)
    .WithReference(database.Admin)
    .WithEnvironment("TOWN_APP_PASSWORD", database.AppPassword)
    .WithEnvironment("TOWN_SEQUENCER_PASSWORD", database.SequencerPassword)
    .WaitFor(database.Server);

// The REST control plane.
var townhall = builder.AddProject<Projects.Townhall>("townhall")
    .WithTown(settings).WithCallers(callers)
    .WithReference(database.Town).WithReference(redis)
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// Leases, retries and the sequencer of the ledger; workers talk to it directly.
var dispatcher = builder.AddProject<Projects.Dispatcher>("dispatcher")
    .WithTown(settings)
    .WithReference(database.Town).WithReference(database.Sequencer).WithReference(redis)
    .WithEnvironment(WorkerKey.Variable, workerKey)
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// Says how many workers there should be; on one machine it also starts them.
var scaler = builder.AddProject<Projects.Scaler>("scaler")
    .WithTown(settings).WithCallers(callers)
    .WithReference(database.Town).WithReference(redis).WithReference(dispatcher)
    .WithEnvironment(WorkerKey.Variable, workerKey)
    .WithEnvironment("TOWN_WORKER_COMMAND", WorkerProgram.PathOf<Projects.AgentWorker>(builder))
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// Live streams, WebSocket and webhooks.
var notifier = builder.AddProject<Projects.Notifier>("notifier")
    .WithTown(settings).WithCallers(callers)
    .WithReference(database.Town).WithReference(redis)
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// The one public listener.
builder.AddProject<Projects.Edge>("edge")
    .WithTown(settings).WithCallers(callers)
    .WithReference(townhall).WithReference(scaler).WithReference(notifier)
    .WithHttpEndpoint(port: settings.Port).WithExternalHttpEndpoints().WithEdgeProbe(settings)
    .WaitForCompletion(schema)
    .WaitFor(townhall).WaitFor(dispatcher).WaitFor(scaler).WaitFor(notifier)
    .OnResourceReady((_, _, _) => Console.Out.WriteLineAsync(callers.Admin is null
        ? $"townhall is ready at {settings.Address}"
        : $"townhall is ready at {settings.Address}\ntownhall wants a key of its callers; one with every right is in {callers.Admin}"));

// Runs agents. The scaler starts as many as there is work for, and none when there is none.
builder.AddProject<Projects.AgentWorker>("agent-worker")
    .WithTown(settings)
    .WithReference(dispatcher)
    .WithEnvironment(WorkerKey.Variable, workerKey)
    .WithExplicitStart();

builder.Build().Run();

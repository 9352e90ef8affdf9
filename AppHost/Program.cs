using Townhall.AppHost;

// The whole town on one screen: what there is, who knows whom, and who waits for whom.
var builder = DistributedApplication.CreateBuilder(args);
var settings = TownSettings.Read(builder);
var workerKey = WorkerKey.EnsureIn(settings.Data);

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
    .WithTown(settings)
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
    .WithTown(settings)
    .WithReference(database.Town).WithReference(redis).WithReference(dispatcher)
    .WithEnvironment(WorkerKey.Variable, workerKey)
    .WithEnvironment("TOWN_WORKER_COMMAND", WorkerProgram.PathOf<Projects.AgentWorker>(builder))
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// Live streams, WebSocket and webhooks.
var notifier = builder.AddProject<Projects.Notifier>("notifier")
    .WithTown(settings)
    .WithReference(database.Town).WithReference(redis)
    .WithHttpEndpoint().WithHttpHealthCheck("/internal/ready")
    .WaitFor(redis).WaitForCompletion(schema);

// The one public listener.
builder.AddProject<Projects.Edge>("edge")
    .WithTown(settings)
    .WithReference(townhall).WithReference(scaler).WithReference(notifier)
    .WithHttpEndpoint(port: settings.Port).WithExternalHttpEndpoints().WithHttpHealthCheck("/internal/ready")
    .WaitForCompletion(schema)
    .WaitFor(townhall).WaitFor(dispatcher).WaitFor(scaler).WaitFor(notifier)
    .OnResourceReady((_, _, _) => Console.Out.WriteLineAsync($"townhall is ready at http://127.0.0.1:{settings.Port}"));

// Runs agents. The scaler starts as many as there is work for, and none when there is none.
builder.AddProject<Projects.AgentWorker>("agent-worker")
    .WithTown(settings)
    .WithReference(dispatcher)
    .WithEnvironment(WorkerKey.Variable, workerKey)
    .WithExplicitStart();

builder.Build().Run();

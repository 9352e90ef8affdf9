using Npgsql;
using Townhall.Schema;

// Brings the database to this build's schema, under a lock, and ends: 0 done, 1 failed, 78 not configured.
var connectionString = Environment.GetEnvironmentVariable("ConnectionStrings__town-admin");
var appPassword = Environment.GetEnvironmentVariable("TOWN_APP_PASSWORD");
var sequencerPassword = Environment.GetEnvironmentVariable("TOWN_SEQUENCER_PASSWORD");
var missing = new[]
{
    (Name: "ConnectionStrings__town-admin", Value: connectionString),
    (Name: "TOWN_APP_PASSWORD", Value: appPassword),
    (Name: "TOWN_SEQUENCER_PASSWORD", Value: sequencerPassword),
}.Where(static setting => string.IsNullOrEmpty(setting.Value)).Select(static setting => setting.Name).ToArray();
if (missing.Length > 0)
{
    Console.Error.WriteLine($"schema: set {string.Join(", ", missing)}: the owner's connection and the passwords of the two service roles.");
    return 78;
}

using var timeout = new CancellationTokenSource(TimeSpan.FromMinutes(5));
try
{
    var town = Environment.GetEnvironmentVariable("TOWN_NAME") is { Length: > 0 } name ? name : "town";
    var applied = await Migrator.ApplyAsync(
        connectionString!, town, new RolePasswords(appPassword!, sequencerPassword!), timeout.Token);
    Console.WriteLine(applied.Count == 0 ? "schema: up to date" : $"schema: applied {string.Join(", ", applied)}");
    return 0;
}
catch (Exception failure) when (failure is NpgsqlException or OperationCanceledException or SchemaDriftException)
{
    Console.Error.WriteLine($"schema: {failure.Message}");
    return 1;
}

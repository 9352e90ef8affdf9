using System.Data.Common;
using Microsoft.Extensions.Configuration;

namespace Townhall.AppHost;

/// <summary>The town's database and the three ways in: as owner, as the services, as the sequencer of the ledger.</summary>
/// <param name="Server">What to wait for before connecting.</param>
/// <param name="Admin">The owner; for the schema step only.</param>
/// <param name="Town">Role <c>town_app</c>.</param>
/// <param name="Sequencer">Role <c>town_sequencer</c>, which alone extends the ledger.</param>
/// <param name="AppPassword">What the schema step gives to <c>town_app</c>.</param>
/// <param name="SequencerPassword">What the schema step gives to <c>town_sequencer</c>.</param>
internal sealed record TownDatabase(
    IResourceBuilder<IResource> Server,
    IResourceBuilder<IResourceWithConnectionString> Admin,
    IResourceBuilder<IResourceWithConnectionString> Town,
    IResourceBuilder<IResourceWithConnectionString> Sequencer,
    IResourceBuilder<ParameterResource> AppPassword,
    IResourceBuilder<ParameterResource> SequencerPassword);

internal static class TownDatabaseExtensions
{
    private static readonly string[] Names = ["town", "town-sequencer", "town-admin"];

    /// <summary>The connection string somebody gave for a server that runs elsewhere, or null: then we run our own.</summary>
    public static IResourceBuilder<IResourceWithConnectionString>? FindConnection(this IDistributedApplicationBuilder builder, string name) =>
        string.IsNullOrEmpty(builder.Configuration.GetConnectionString(name)) ? null : builder.AddConnectionString(name);

    /// <exception cref="DistributedApplicationException">Some of the three connection strings are given, and some are not.</exception>
    public static TownDatabase AddTownDatabase(this IDistributedApplicationBuilder builder, TownSettings settings)
    {
        var given = Names.Where(name => !string.IsNullOrEmpty(builder.Configuration.GetConnectionString(name))).ToArray();
        if (given.Length == 0)
        {
            return builder.AddOwnDatabase(settings);
        }

        return given.Length == Names.Length
            ? builder.UseGivenDatabase()
            : throw new DistributedApplicationException(
                $"A database elsewhere needs all of ConnectionStrings__{string.Join(", ConnectionStrings__", Names)}; there is only {string.Join(", ", given)}.");
    }

    private static TownDatabase AddOwnDatabase(this IDistributedApplicationBuilder builder, TownSettings settings)
    {
        var postgres = builder.AddPostgres("postgres").WithDataVolume($"{settings.Name}-postgres");
        var database = postgres.AddDatabase("town-db", "town");
        var server = postgres.Resource;
        var appPassword = builder.AddRolePassword("town-app-password");
        var sequencerPassword = builder.AddRolePassword("town-sequencer-password");

        return new(
            Server: database,
            Admin: builder.AddConnectionString("town-admin", ReferenceExpression.Create($"{database}")),
            Town: builder.AddConnectionString("town", ReferenceExpression.Create(
                $"Host={server.Host};Port={server.Port};Username=town_app;Password={appPassword};Database={database.Resource.DatabaseName}")),
            Sequencer: builder.AddConnectionString("town-sequencer", ReferenceExpression.Create(
                $"Host={server.Host};Port={server.Port};Username=town_sequencer;Password={sequencerPassword};Database={database.Resource.DatabaseName}")),
            appPassword,
            sequencerPassword);
    }

    private static TownDatabase UseGivenDatabase(this IDistributedApplicationBuilder builder)
    {
        var admin = builder.AddConnectionString("town-admin");
        return new(
            Server: admin,
            admin,
            Town: builder.AddConnectionString("town"),
            Sequencer: builder.AddConnectionString("town-sequencer"),
            builder.AddParameter("town-app-password", () => PasswordIn("town"), secret: true),
            builder.AddParameter("town-sequencer-password", () => PasswordIn("town-sequencer"), secret: true));

        // The roles get the passwords that the connection strings promise.
        string PasswordIn(string name) =>
            new DbConnectionStringBuilder { ConnectionString = builder.Configuration.GetConnectionString(name) }
                .TryGetValue("Password", out var password) ? (string)password : "";
    }

    // No special characters: it stands in connection strings.
    private static IResourceBuilder<ParameterResource> AddRolePassword(this IDistributedApplicationBuilder builder, string name) =>
        builder.AddParameter(name, new GenerateParameterDefault { MinLength = 32, Special = false }, secret: true, persist: true);
}

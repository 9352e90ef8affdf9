using System.Buffers.Text;
using System.Security.Cryptography;
using Townhall.Contracts.Keys;

namespace Townhall.AppHost;

/// <summary>The files by which services recognise the edge and, in mode <c>api_key</c>, the first caller.</summary>
/// <param name="Edge">What the edge proves itself with to the services behind it.</param>
/// <param name="Admin">A key with scope <c>admin</c>, for making the others; null where it is not wanted.</param>
internal sealed record CallerKeys(string Edge, string? Admin)
{
    private const string EdgeVariable = "TOWN_EDGE_KEY_FILE";
    private const string AdminVariable = "TOWN_ADMIN_KEY_FILE";

    /// <summary>Makes what is not there. Without authentication, or with a key that is configured as a hash, there is no first key to make.</summary>
    public static CallerKeys EnsureIn(IDistributedApplicationBuilder builder, string directory)
    {
        var edge = Given(EdgeVariable)
            ?? KeyFile.EnsureIn(directory, "edge.key", static () => $"the_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}");
        var wanted = Given("TOWN_AUTH_MODE") == "api_key" && Given("TOWN_AUTH_API_KEY_HASH") is null;
        return new(edge, Given(AdminVariable) ?? (wanted ? KeyFile.EnsureIn(directory, "admin.key", static () => KeyFormat.Make().Key) : null));

        string? Given(string name) => builder.Configuration[name]?.Trim() is { Length: > 0 } told ? told : null;
    }

    /// <summary>Tells a service where the files are.</summary>
    public IResourceBuilder<ProjectResource> Tell(IResourceBuilder<ProjectResource> service)
    {
        service.WithEnvironment(EdgeVariable, Edge);
        return Admin is null ? service : service.WithEnvironment(AdminVariable, Admin);
    }
}

internal static class CallerKeysExtensions
{
    public static IResourceBuilder<ProjectResource> WithCallers(this IResourceBuilder<ProjectResource> service, CallerKeys keys) => keys.Tell(service);
}

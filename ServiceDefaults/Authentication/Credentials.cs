using Microsoft.AspNetCore.Http;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Finds the one credential of a request. Its place is a header: what stands in an address ends up in logs.</summary>
internal static class Credentials
{
    private const string Bearer = "Bearer";
    private static readonly string[] InQuery = ["access_token", "api_key", "apikey", "x-api-key", "token", "bearer", "authorization"];

    /// <summary>
    /// <c>Authorization: Bearer KEY</c> (RFC 6750: the word in any case, spaces around the key do not count) or
    /// <c>X-API-Key: KEY</c>. Another scheme is not ours and is passed over.
    /// </summary>
    /// <returns>The credential or null where none came; or what is wrong with how it was sent.</returns>
    public static (string? Credential, Refusal? Refusal) Read(HttpRequest request)
    {
        if (request.QueryString.HasValue && InQuery.Any(name => request.Query.ContainsKey(name)))
        {
            return (null, AuthRefusals.InQuery);
        }

        var (authorization, key) = (request.Headers.Authorization, request.Headers["X-API-Key"]);
        if (authorization.Count > 1 || key.Count > 1)
        {
            return (null, AuthRefusals.Conflict);
        }

        var bearer = authorization.Count == 1 ? BearerOf(authorization[0]!) : null;
        var other = key.Count == 1 && key[0]!.Trim() is { Length: > 0 } given ? given : null;
        return bearer is not null && other is not null && !string.Equals(bearer, other, StringComparison.Ordinal)
            ? (null, AuthRefusals.Conflict)
            : (bearer ?? other, null);
    }

    private static string? BearerOf(string header) =>
        header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase) && (header.Length == Bearer.Length || header[Bearer.Length] == ' ')
            ? header.AsSpan(Bearer.Length).Trim(' ').ToString()
            : null;
}

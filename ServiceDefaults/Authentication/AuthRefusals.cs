using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Refusals of callers, as in docs/errors.md. None repeats anything of a credential.</summary>
public static class AuthRefusals
{
    public static readonly Refusal NoCredential =
        new(401, "credential_missing", "This town wants a credential: send Authorization: Bearer KEY, or X-API-Key: KEY.");

    /// <summary>403: known, but not allowed.</summary>
    public static Refusal InsufficientScope(string scope) =>
        new(403, "insufficient_scope", $"insufficient scope: this needs {scope}.");
}

using Townhall.ServiceDefaults.Problems;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Refusals of callers, as in docs/errors.md. None repeats anything of a credential, or tells what was wrong with one.</summary>
public static class AuthRefusals
{
    public static readonly Refusal NoCredential =
        new(401, "credential_missing", "This town wants a credential: send Authorization: Bearer KEY, or X-API-Key: KEY.");

    /// <summary>The same for all: who guesses is not told how near it was.</summary>
    public static readonly Refusal NotTaken =
        new(401, "credential_refused", "This credential is not valid here: it is unknown, revoked, expired or meant for somebody else.");

    public static readonly Refusal InQuery =
        new(401, "credential_in_query", "A credential in the address is not taken, because addresses end up in logs: send it as a header, and replace it.");

    public static readonly Refusal Conflict =
        new(400, "credentials_conflict", "The request carries two different credentials; send one.");

    public static readonly Refusal IssuerAway =
        new(503, "issuer_unavailable", "The issuer's keys cannot be fetched right now, so the token cannot be judged. Try again.") { RetryAfterSecs = 2 };

    /// <summary>403: known, but not allowed.</summary>
    public static Refusal InsufficientScope(string scope) =>
        new(403, "insufficient_scope", $"insufficient scope: this needs {scope}.");
}

using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Townhall.Contracts.Ids;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// Who calls: the principal of a request. A handler takes it as a parameter, or from <see cref="CallerAccess.Caller"/>.
/// One object per credential, shared by all its requests and never changed.
/// </summary>
public sealed class Caller : ClaimsPrincipal
{
    /// <summary>The name of the scheme that finds callers.</summary>
    public const string Scheme = "townhall";

    /// <param name="name">How ledger entries name this principal.</param>
    /// <param name="scopes">What it may do.</param>
    /// <param name="town">The town it belongs to.</param>
    /// <param name="agent">The one agent it may act as; null where it is bound to none.</param>
    public Caller(string name, ScopeSet scopes, string town, AgentId? agent = null)
        : base(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], Scheme))
    {
        Name = name;
        Scopes = scopes;
        Town = town;
        Agent = agent;
        Proven = Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(this, Scheme)));
    }

    /// <summary>
    /// The actor of ledger entries and the owner of idempotency keys: <c>local</c> without authentication, <c>key:NAME</c>,
    /// <c>admin</c> for the key in the file, <c>api_key</c> for the configured one, <c>oidc:SUBJECT</c>.
    /// </summary>
    public string Name { get; }

    public ScopeSet Scopes { get; }

    public string Town { get; }

    public AgentId? Agent { get; }

    /// <summary>The answer of the scheme, made once.</summary>
    internal Task<AuthenticateResult> Proven { get; }

    /// <summary>Cancelled when the credential is revoked, replaced or expired, while <see cref="KeepWatch"/> is held.</summary>
    internal CancellationToken Ended { get; init; }

    /// <summary>When the credential ends by itself; null where <see cref="Ended"/> tells, or nothing does.</summary>
    internal DateTimeOffset? EndsAt { get; init; }

    /// <summary>Held by calls that stay open: somebody then looks whether the credential still holds.</summary>
    internal Func<IDisposable>? KeepWatch { get; init; }

    /// <summary>Whether this caller may do what a scope stands for.</summary>
    public bool May(string scope) => Scopes.Allows(Authentication.Scopes.Of(scope));

    /// <summary>Lets a handler take its caller as a parameter.</summary>
    /// <exception cref="InvalidOperationException">The endpoint is anonymous: it has no caller.</exception>
    public static ValueTask<Caller> BindAsync(HttpContext context) => new(context.Caller());
}

/// <summary>The way to a request's caller.</summary>
public static class CallerAccess
{
    /// <summary>Who calls.</summary>
    /// <exception cref="InvalidOperationException">The endpoint is anonymous: it has no caller.</exception>
    public static Caller Caller(this HttpContext context) =>
        context.User as Caller ?? throw new InvalidOperationException("An anonymous endpoint has no caller; give it a scope.");
}

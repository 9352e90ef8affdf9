using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Demands a scope of the caller.</summary>
internal sealed class ScopeRequirement(string scope) : AuthorizationHandler<ScopeRequirement>, IAuthorizationRequirement
{
    private readonly ScopeSet _demanded = Scopes.Of(scope);

    public string Scope { get; } = scope;

    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, ScopeRequirement requirement)
    {
        if (context.User is Caller caller && caller.Scopes.Allows(requirement._demanded))
        {
            context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}

/// <summary>Says 401 and 403 as problem documents, and tells the ledger.</summary>
internal sealed class RefusalWriter(RefusalLog log) : IAuthorizationMiddlewareResultHandler
{
    public Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded)
        {
            return next(context);
        }

        if (authorizeResult.Forbidden)
        {
            var scope = policy.Requirements.OfType<ScopeRequirement>().First().Scope;
            log.Denied(context.Caller(), context, scope);
            // RFC 6750, section 3.1: what would have been enough.
            context.Response.Headers.WWWAuthenticate = $"Bearer realm=\"townhall\", error=\"insufficient_scope\", scope=\"{scope}\"";
            return AuthRefusals.InsufficientScope(scope).ExecuteAsync(context);
        }

        var failure = context.Features.Get<RefusedException>();
        var refusal = failure?.Refusal ?? AuthRefusals.NoCredential;
        if (failure is { Caller: { } known })
        {
            log.Denied(known, context, failure.Scope);
        }
        else if (refusal.Status == StatusCodes.Status401Unauthorized)
        {
            log.Unknown(context);
            // RFC 6750, section 3: the error is named only where a credential came.
            context.Response.Headers.WWWAuthenticate = failure is null ? "Bearer realm=\"townhall\"" : "Bearer realm=\"townhall\", error=\"invalid_token\"";
        }

        return refusal.ExecuteAsync(context);
    }
}

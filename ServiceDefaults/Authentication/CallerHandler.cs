using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>The scheme of people and programs. It looks only where an endpoint asks for somebody, and writes no answers: <see cref="RefusalWriter"/> does.</summary>
internal sealed class CallerHandler(ICallerSource callers) : IAuthenticationHandler
{
    private HttpContext? _context;

    public Task InitializeAsync(AuthenticationScheme scheme, HttpContext context)
    {
        _context = context;
        return Task.CompletedTask;
    }

    public async Task<AuthenticateResult> AuthenticateAsync()
    {
        var context = _context!;
        if (context.GetEndpoint()?.Metadata.GetMetadata<IAuthorizeData>() is null)
        {
            return AuthenticateResult.NoResult();
        }

        var result = await callers.FindAsync(context);
        if (result.Failure is RefusedException refused)
        {
            // The framework keeps results of callers that were found only.
            context.Features.Set(refused);
        }

        return result;
    }

    public Task ChallengeAsync(AuthenticationProperties? properties) => AuthRefusals.NoCredential.ExecuteAsync(_context!);

    public Task ForbidAsync(AuthenticationProperties? properties) => AuthRefusals.InsufficientScope("another scope").ExecuteAsync(_context!);
}

/// <summary>How a mode of authentication finds out who calls.</summary>
internal interface ICallerSource
{
    /// <returns>The caller, or a failure that carries its <see cref="Problems.Refusal"/> (<see cref="RefusedException"/>); nothing when no credential came.</returns>
    Task<AuthenticateResult> FindAsync(HttpContext context);
}

/// <summary>A credential that is not taken, with what its sender is told.</summary>
internal sealed class RefusedException(Problems.Refusal refusal) : Exception(refusal.Code)
{
    public Problems.Refusal Refusal { get; } = refusal;

    /// <summary>Whom it refuses, where that is known: a denial for want of <see cref="Scope"/>.</summary>
    public Caller? Caller { get; init; }

    public string Scope { get; init; } = "";
}

/// <summary>Mode <c>none</c>: everybody is the one principal <c>local</c> with all scopes but <c>worker</c>. The local guard keeps others out.</summary>
internal sealed class LocalCaller(string town) : ICallerSource
{
    private readonly Caller _local = new("local", ScopeSet.Admin, town);

    public Task<AuthenticateResult> FindAsync(HttpContext context) => _local.Proven;
}

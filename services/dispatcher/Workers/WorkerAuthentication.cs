using Microsoft.AspNetCore.Authentication;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Workers;

/// <summary>
/// Who may speak the worker protocol, in every mode of authentication alike: the holder of the worker key, or of a named key with
/// scope <c>worker</c>, may register, and a registered worker proves itself by its own token in every call after that.
/// </summary>
internal static class WorkerAuthentication
{
    /// <summary>The policy of every call but registering: a token of a living worker.</summary>
    public const string Session = "worker.session";

    /// <summary>The same where work that is done is handed in: a worker that was silent for too long is heard, too, and its lease decides.</summary>
    public const string LateSession = "worker.session.late";

    public static void AddWorkerAuthentication(this WebApplicationBuilder builder, TownSettings town)
    {
        builder.Services.AddAuthenticationCore(static schemes =>
        {
            schemes.AddScheme<WorkerKeyHandler>(Scopes.Worker, displayName: null);
            schemes.AddScheme<WorkerTokenHandler>(Session, displayName: null);
            schemes.AddScheme<LateWorkerTokenHandler>(LateSession, displayName: null);
        });
        builder.Services.AddRefusalLog(town);
        builder.Services.AddNamedKeys();
        builder.Services.AddTransient<WorkerKeyHandler>().AddTransient<WorkerTokenHandler>().AddTransient<LateWorkerTokenHandler>();
        builder.Services.AddAuthorizationBuilder()
            .AddPolicy(Scopes.Worker, static policy => policy.AddAuthenticationSchemes(Scopes.Worker).RequireAuthenticatedUser())
            .AddPolicy(Session, static policy => policy.AddAuthenticationSchemes(Session).RequireAuthenticatedUser())
            .AddPolicy(LateSession, static policy => policy.AddAuthenticationSchemes(LateSession).RequireAuthenticatedUser());
    }

    /// <summary>The worker that calls.</summary>
    /// <exception cref="InvalidOperationException">The endpoint does not demand <see cref="Session"/>.</exception>
    public static KnownWorker Worker(this HttpContext context) =>
        context.Features.Get<KnownWorker>() ?? throw new InvalidOperationException("This endpoint lacks the policy of worker sessions.");
}

/// <summary>The worker key as bearer, or a named key that may stand in for it.</summary>
internal sealed class WorkerKeyHandler(WorkerKey key, NamedKeys keys, TownSettings town, RefusalLog log) : WorkerHandler(log)
{
    private readonly Caller _host = new("worker_key", ScopeSet.Worker, town.Name);

    protected override Refusal Refusal => Problems.BadKey;

    protected override async ValueTask<Caller?> ProveAsync(HttpContext context) => WorkerTokens.Bearer(context.Request) switch
    {
        null => null,
        var bearer when key.Matches(bearer) => _host,
        var bearer => await keys.FindAsync(bearer, context.RequestAborted) is { } caller && caller.May(Scopes.Worker) ? caller : null,
    };
}

/// <summary>The token that registering gave to one start of a worker.</summary>
internal class WorkerTokenHandler(WorkerTokens tokens, TownSettings town, RefusalLog log) : WorkerHandler(log)
{
    /// <summary>Whether a worker that was declared lost is heard as well.</summary>
    protected virtual bool LostToo => false;

    protected override Refusal Refusal => Problems.UnknownWorker;

    protected override async ValueTask<Caller?> ProveAsync(HttpContext context)
    {
        if (await tokens.ProveAsync(context, LostToo) is not { } worker)
        {
            return null;
        }

        context.Features.Set(worker);
        return new Caller($"worker:{worker.Id}", ScopeSet.None, town.Name);
    }
}

/// <summary>The same token, also of a worker that was declared lost.</summary>
internal sealed class LateWorkerTokenHandler(WorkerTokens tokens, TownSettings town, RefusalLog log) : WorkerTokenHandler(tokens, town, log)
{
    protected override bool LostToo => true;
}

/// <summary>What all have in common: one way to prove, one refusal.</summary>
internal abstract class WorkerHandler(RefusalLog log) : IAuthenticationHandler
{
    private HttpContext? _context;

    protected abstract Refusal Refusal { get; }

    protected abstract ValueTask<Caller?> ProveAsync(HttpContext context);

    public Task InitializeAsync(AuthenticationScheme scheme, HttpContext context)
    {
        _context = context;
        return Task.CompletedTask;
    }

    public async Task<AuthenticateResult> AuthenticateAsync() =>
        await ProveAsync(_context!) is { } caller
            ? AuthenticateResult.Success(new AuthenticationTicket(caller, Caller.Scheme))
            : AuthenticateResult.NoResult();

    public Task ChallengeAsync(AuthenticationProperties? properties)
    {
        log.Unknown(_context!);
        _context!.Response.Headers.WWWAuthenticate = "Bearer";
        return Refusal.ExecuteAsync(_context);
    }

    public Task ForbidAsync(AuthenticationProperties? properties) => ChallengeAsync(properties);
}

using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// Who calls, and may it: the same in every service. An endpoint declares what it demands by
/// <c>.RequireAuthorization(Scopes.TownRead)</c> and takes a <see cref="Caller"/> as a parameter (docs/authentication.md).
/// </summary>
public static class TownAuthentication
{
    /// <summary>Adds the scheme of people and programs as the town's mode wants it, and one policy for each of their scopes.</summary>
    public static void AddTownAuthentication(this WebApplicationBuilder builder, TownSettings town)
    {
        var services = builder.Services;
        // The core alone: the rest would bring data protection, which wants keys on disk.
        services.AddAuthenticationCore(static schemes =>
        {
            schemes.AddScheme<CallerHandler>(Caller.Scheme, displayName: null);
            schemes.DefaultScheme = Caller.Scheme;
        });
        services.AddTransient<CallerHandler>();
        services.AddRefusalLog(town);
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, RefusalWriter>();
        var policies = services.AddAuthorizationBuilder();
        foreach (var scope in Scopes.All.Where(static scope => scope != Scopes.Worker))
        {
            policies.AddPolicy(scope, policy => policy.AddRequirements(new ScopeRequirement(scope)));
        }

        if (town.Auth.Mode == AuthMode.None)
        {
            services.AddSingleton<ICallerSource>(new LocalCaller(town.Name));
            return;
        }

        services.AddNamedKeys();
        services.AddSingleton<ICallerSource, KeyCallers>();
        if (town.Auth.Mode == AuthMode.Oidc)
        {
            services.AddSingleton(town.Auth).AddSingleton<IssuerKeys>().AddSingleton<OidcTokens>();
        }
        else if (town.Auth is { ApiKeyHash: null, AdminKey: null })
        {
            services.AddHostedService<SomebodyMayCall>();
        }
    }

    /// <summary>The town's named keys, kept in memory; also for schemes of a service's own.</summary>
    public static IServiceCollection AddNamedKeys(this IServiceCollection services) => services
        .AddSingleton<KeyRing>().AddHostedService(static services => services.GetRequiredService<KeyRing>())
        .AddSingleton(static services => new NamedKeys(services.GetRequiredService<KeyRing>()));

    /// <summary>Refusals of callers in the ledger; also for schemes of a service's own.</summary>
    public static void AddRefusalLog(this IServiceCollection services, TownSettings town)
    {
        services.TryAddSingleton(town);
        services.AddSingleton<Sources>().AddSingleton<RefusalLog>();
        services.AddHostedService(static services => services.GetRequiredService<RefusalLog>());
    }

    /// <summary>Put behind the guard and the request deadline, before what reads bodies.</summary>
    public static void UseTownAuthentication(this WebApplication app)
    {
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseEndOfOpenCalls();
    }

    /// <summary>Marks a probe that is anonymous, unless <c>TOWN_PUBLIC_PROBES</c> says that it wants <c>town.read</c>.</summary>
    public static TBuilder PublicProbe<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder
    {
        builder.Add(static endpoint => endpoint.Metadata.Add(new PublicProbeAttribute()));
        builder.Add(static endpoint => endpoint.Metadata.Add(
            endpoint.ApplicationServices.GetRequiredService<TownSettings>().Auth.PublicProbes
                ? new AllowAnonymousAttribute()
                : new AuthorizeAttribute(Scopes.TownRead)));
        return builder;
    }
}

/// <summary>A probe that may be closed: then it refuses as everything else does.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PublicProbeAttribute : Attribute;

/// <summary>Mode <c>api_key</c> without a configured key: at least one named key must be there, or nobody could ever call.</summary>
internal sealed class SomebodyMayCall(KeyRing keys) : IHostedService
{
    /// <exception cref="SettingsException">The database answers, and has no key.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await keys.LookAsync().WaitAsync(cancellationToken) && !keys.HasAny)
        {
            throw new SettingsException([
                "TOWN_AUTH_MODE=api_key, but there is no key: set TOWN_ADMIN_KEY_FILE (a file with a key, as the AppHost makes it), or TOWN_AUTH_API_KEY_HASH with TOWN_AUTH_API_KEY_SCOPES."]);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

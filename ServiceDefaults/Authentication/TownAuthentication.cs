using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>
/// Who calls, and may it: the same in every service. An endpoint declares what it demands by
/// <c>.RequireAuthorization(Scopes.TownRead)</c> and takes a <see cref="Caller"/> as a parameter (docs/authentication.md).
/// </summary>
public static class TownAuthentication
{
    /// <summary>Adds the scheme of people and programs, and one policy for each of their scopes.</summary>
    public static void AddTownAuthentication(this WebApplicationBuilder builder, TownSettings town)
    {
        // The core alone: the rest would bring data protection, which wants keys on disk.
        builder.Services.AddAuthenticationCore(static schemes =>
        {
            schemes.AddScheme<CallerHandler>(Caller.Scheme, displayName: null);
            schemes.DefaultScheme = Caller.Scheme;
        });
        builder.Services.AddTransient<CallerHandler>();
        builder.Services.AddSingleton<ICallerSource>(new LocalCaller(town.Name));
        builder.Services.AddScopePolicies();
    }

    /// <summary>Put behind the guard and the request deadline, before what reads bodies.</summary>
    public static void UseTownAuthentication(this WebApplication app)
    {
        app.UseAuthentication();
        app.UseAuthorization();
    }

    /// <summary>One policy for each scope of people and programs, and the words of 401 and 403.</summary>
    internal static void AddScopePolicies(this IServiceCollection services)
    {
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, RefusalWriter>();
        var policies = services.AddAuthorizationBuilder();
        foreach (var scope in Scopes.All.Where(static scope => scope != Scopes.Worker))
        {
            policies.AddPolicy(scope, policy => policy.AddRequirements(new ScopeRequirement(scope)));
        }
    }
}

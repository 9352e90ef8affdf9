using Townhall.ServiceDefaults.Authentication;

namespace Townhall.Edge.Guarding;

/// <summary>Takes away what callers say about where a request came from; the proxy then says it truly, as <c>X-Forwarded-*</c>.</summary>
internal static class ForwardingHeaders
{
    public static void UseOwnForwardingHeaders(this IApplicationBuilder app) => app.Use(static (context, next) =>
    {
        Strip(context.Request.Headers);
        return next(context);
    });

    internal static void Strip(IHeaderDictionary headers)
    {
        List<string>? claims = null;
        foreach (var header in headers)
        {
            if (IsClaim(header.Key))
            {
                (claims ??= []).Add(header.Key);
            }
        }

        foreach (var claim in claims ?? [])
        {
            headers.Remove(claim);
        }
    }

    private static bool IsClaim(string name) =>
        name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("X-Original-", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase)
        || name.Equals(Sources.EdgeHeader, StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Real-IP", StringComparison.OrdinalIgnoreCase)
        || name.Equals("X-Forwarded", StringComparison.OrdinalIgnoreCase);
}

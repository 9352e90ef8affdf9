namespace Townhall.Edge.Listening;

/// <summary>CORS: closed, but for the origins that were named exactly.</summary>
internal static class PageOrigins
{
    private static readonly TimeSpan PreflightRemembered = TimeSpan.FromMinutes(10);
    private static readonly string[] Told =
        ["ETag", "Location", "Retry-After", "Idempotency-Replayed", "WWW-Authenticate", "Link"];

    public static void AddPageOrigins(this IHostApplicationBuilder builder, EdgeSettings settings) => builder.Services.AddCors(cors =>
        cors.AddDefaultPolicy(policy =>
        {
            policy.AllowAnyHeader().AllowAnyMethod().WithExposedHeaders(Told).SetPreflightMaxAge(PreflightRemembered);
            if (settings.Origins is ["*"])
            {
                policy.AllowAnyOrigin();
            }
            else
            {
                policy.SetIsOriginAllowed(origin => settings.Origins.Contains(origin, StringComparer.Ordinal));
                if (settings.CorsCredentials)
                {
                    policy.AllowCredentials();
                }
            }
        }));

    public static void UsePageOrigins(this IApplicationBuilder app, EdgeSettings settings)
    {
        if (settings.Origins.Count > 0)
        {
            app.UseCors();
        }
    }
}

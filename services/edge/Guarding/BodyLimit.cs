using Microsoft.AspNetCore.Http.Features;
using Townhall.ServiceDefaults.Problems;
using Yarp.ReverseProxy.Model;

namespace Townhall.Edge.Guarding;

/// <summary>Refuses a body whose declared length is too large before anything is sent on; Kestrel counts the undeclared ones.</summary>
internal static class BodyLimit
{
    public static void UseBodyLimit(this IApplicationBuilder app) => app.Use(static (context, next) =>
    {
        if (context.Request.ContentLength is not { } length
            || MostFor(context) is not { } most
            || length <= most)
        {
            return next(context);
        }

        // What was announced is not going to be read, so the connection cannot be used again.
        context.Response.Headers.Connection = "close";
        return CommonRefusals.TooLarge.ExecuteAsync(context);
    });

    private static long? MostFor(HttpContext context) =>
        context.GetEndpoint()?.Metadata.GetMetadata<RouteModel>()?.Config.MaxRequestBodySize
        ?? context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;
}

using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Edge.Listening;

/// <summary>Where and how the edge listens: plain HTTP as the host says, or TLS on the same ports.</summary>
internal static class EdgeListener
{
    private static readonly TimeSpan HandshakeMost = TimeSpan.FromSeconds(10);

    /// <summary><c>TOWN_BIND</c>: the address in place of the host's own.</summary>
    public static void Bind(WebApplicationBuilder builder, List<string> mistakes)
    {
        if (builder.Configuration["TOWN_BIND"] is not { Length: > 0 } bind)
        {
            return;
        }

        if (!IPAddress.TryParse(bind, out var address))
        {
            mistakes.Add("TOWN_BIND must be an IP address, as 0.0.0.0.");
            return;
        }

        builder.WebHost.UseUrls([
            .. Listeners.Of(builder.Configuration).Select(static one => BindingAddress.Parse(one.Address))
                .Select(one => $"{one.Scheme}://{new IPEndPoint(address, one.Port)}"),
        ]);
    }

    /// <summary>Every address speaks TLS; beside them there is a plain port for probes, on the loopback address.</summary>
    public static void AddTls(this WebApplicationBuilder builder, EdgeSettings settings)
    {
        builder.Services.AddSingleton(settings).AddSingleton<Certificates>().AddSingleton<ServesTls>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<Certificates>());
        BindingAddress[] addresses = [.. Listeners.Of(builder.Configuration).Select(static one => BindingAddress.Parse(one.Address))];
        builder.WebHost.UseUrls();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            var certificates = kestrel.ApplicationServices.GetRequiredService<Certificates>();
            foreach (var address in addresses)
            {
                var ip = IPAddress.TryParse(address.Host.Trim('[', ']'), out var told) ? told
                    : address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? IPAddress.Loopback
                    : IPAddress.IPv6Any;
                kestrel.Listen(ip, address.Port, listen => listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = HandshakeMost,
                    OnConnection = _ => new(certificates.Options),
                }));
            }

            if (settings.ProbePort is { } probe)
            {
                kestrel.Listen(IPAddress.Loopback, probe);
            }
        });
    }

    /// <summary>Answers only probes on the probe's port, and says to browsers what they must not do with ours.</summary>
    public static void UseEdgeHeaders(this IApplicationBuilder app, EdgeSettings settings) => app.Use((context, next) =>
    {
        if (settings.Tls && context.Connection.LocalPort == settings.ProbePort && !context.Request.Path.StartsWithSegments("/internal"))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        if (settings.Tls)
        {
            headers.StrictTransportSecurity = "max-age=31536000";
        }

        return next(context);
    });
}

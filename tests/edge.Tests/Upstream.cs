using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Townhall.Testing;

namespace Townhall.Edge.Tests;

/// <summary>A service behind the edge that answers as the test says and remembers what reached it.</summary>
internal sealed class Upstream : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Upstream(WebApplication app, int port)
    {
        _app = app;
        Port = port;
    }

    public int Port { get; }

    public string Address => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}");

    /// <param name="name">Sent back in every answer as <c>X-Upstream</c>.</param>
    /// <param name="answer">Writes the answer; without one it is 200 with the request's line and headers.</param>
    public static async Task<Upstream> StartAsync(string name, Func<HttpContext, Task>? answer = null, int? port = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var listen = port ?? Ports.Free();
        builder.WebHost.UseUrls(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{listen}"));
        var app = builder.Build();
        app.Run(async context =>
        {
            context.Response.Headers["X-Upstream"] = name;
            await (answer ?? Echo)(context);
        });
        await app.StartAsync();
        return new Upstream(app, listen);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static async Task Echo(HttpContext context)
    {
        var request = context.Request;
        var body = await new StreamReader(request.Body).ReadToEndAsync(context.RequestAborted);
        await context.Response.WriteAsync(
            $"{request.Method} {request.Path}{request.QueryString}\n"
            + string.Join('\n', request.Headers.Select(static header => $"{header.Key}: {header.Value}")) + $"\n\n{body.Length}",
            context.RequestAborted);
    }
}

/// <summary>An edge before three services of the test.</summary>
internal sealed class Town : IAsyncDisposable
{
    private Town(Upstream townhall, Upstream scaler, Upstream notifier, ServiceProcess edge)
    {
        Townhall = townhall;
        Scaler = scaler;
        Notifier = notifier;
        Edge = edge;
    }

    public Upstream Townhall { get; }

    public Upstream Scaler { get; }

    public Upstream Notifier { get; }

    public ServiceProcess Edge { get; }

    public static async Task<Town> StartAsync(
        CancellationToken deadline, Func<HttpContext, Task>? townhall = null, Func<HttpContext, Task>? notifier = null,
        Dictionary<string, string>? settings = null)
    {
        var (first, second, third) = (
            await Upstream.StartAsync("townhall", townhall), await Upstream.StartAsync("scaler"), await Upstream.StartAsync("notifier", notifier));
        var edge = await ServiceProcess.StartAsync(
            "services/edge",
            new Dictionary<string, string>(settings ?? [])
            {
                ["services__townhall__http__0"] = first.Address,
                ["services__scaler__http__0"] = second.Address,
                ["services__notifier__http__0"] = third.Address,
            },
            deadline);
        return new Town(first, second, third, edge);
    }

    public async ValueTask DisposeAsync()
    {
        await Edge.DisposeAsync();
        await Townhall.DisposeAsync();
        await Scaler.DisposeAsync();
        await Notifier.DisposeAsync();
    }
}

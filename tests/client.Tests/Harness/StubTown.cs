using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Townhall.Client.Tests.Harness;

/// <summary>One request, as it arrived.</summary>
internal sealed record Asked(string Line, string? Key, string? Authorization, string Body);

/// <summary>A real HTTP server that does to each request what a test says, by its number from 1.</summary>
internal sealed class StubTown : IAsyncDisposable
{
    private readonly WebApplication _app;

    private StubTown(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    public ConcurrentQueue<Asked> Asked { get; } = new();

    public static async Task<StubTown> StartAsync(Func<HttpContext, int, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var town = new StubTown(app);
        app.Run(async context =>
        {
            var request = context.Request;
            var body = await new StreamReader(request.Body).ReadToEndAsync(context.RequestAborted);
            town.Asked.Enqueue(new(
                $"{request.Method} {request.Path}{request.QueryString}", Header(request, "Idempotency-Key"), Header(request, "Authorization"), body));
            await answer(context, town.Asked.Count);
        });
        await app.StartAsync();
        return town;
    }

    public TownClient Client(Func<TownClientOptions, TownClientOptions>? change = null)
    {
        var options = new TownClientOptions(Address);
        return new TownClient(change is null ? options : change(options));
    }

    public static Task JsonAsync(HttpContext context, string body, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body, context.RequestAborted);
    }

    public static Task RefuseAsync(HttpContext context, int status, string code, string? retryAfter = null)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/problem+json";
        if (retryAfter is not null)
        {
            context.Response.Headers.RetryAfter = retryAfter;
        }

        return context.Response.WriteAsync(
            $$"""{"type":"urn:townhall:problem:{{code}}","title":"No","status":{{status}},"detail":"Why.","code":"{{code}}","trace_id":"4bf9"}""",
            context.RequestAborted);
    }

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private static string? Header(HttpRequest request, string name) => request.Headers.TryGetValue(name, out var value) ? value.ToString() : null;
}

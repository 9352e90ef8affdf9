using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Townhall.Cli.Tests.Harness;

/// <summary>A real HTTP server that answers what a test says, and remembers what it was asked.</summary>
internal sealed class FakeTown : IAsyncDisposable
{
    private readonly WebApplication _app;

    private FakeTown(WebApplication app) => _app = app;

    public string Address => _app.Urls.First();

    /// <summary>Method and path of every request, in order.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public static async Task<FakeTown> StartAsync(Action<WebApplication> answers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var town = new FakeTown(app);
        app.Use((context, next) =>
        {
            town.Asked.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            return next(context);
        });
        answers(app);
        await app.StartAsync();
        return town;
    }

    public static IResult Json(string body, int status = 200) => Results.Text(body, "application/json", statusCode: status);

    public static IResult Refusal(int status, string code, string detail) => Results.Text(
        $$"""{"type":"urn:townhall:problem:{{code}}","title":"No","status":{{status}},"detail":"{{detail}}","code":"{{code}}","trace_id":"0"}""",
        "application/problem+json", statusCode: status);

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();
}

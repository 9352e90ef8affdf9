using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Townhall.ServiceDefaults.Problems;

/// <summary>Turns what handlers could not foresee, and what the framework refused without a word, into problem documents.</summary>
public static partial class Failures
{
    /// <summary>Put first in the pipeline.</summary>
    public static void UseProblemDocuments(this IApplicationBuilder app)
    {
        var logger = app.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("Townhall.Failures");
        app.Use(async (context, next) =>
        {
            try
            {
                await next(context);
            }
            catch (Exception failure) when (!context.Response.HasStarted && Answer(failure, context) is { } refusal)
            {
                if (refusal.Status >= 500)
                {
                    LogFailure(logger, refusal.Code, context.Request.Method, context.GetEndpoint()?.DisplayName ?? "no endpoint", failure);
                }

                context.Response.Clear();
                await refusal.ExecuteAsync(context);
                return;
            }

            if (!context.Response.HasStarted && context.Response.StatusCode >= 400 && context.Response.ContentType is null
                && context.Response.ContentLength is null or 0)
            {
                await Silent(context).ExecuteAsync(context);
            }
        });
    }

    /// <summary>What an exception means to the caller; null when the caller is gone and nobody reads an answer.</summary>
    public static Refusal? Answer(Exception failure, HttpContext context) => failure switch
    {
        BadHttpRequestException { StatusCode: 413 } => CommonRefusals.TooLarge,
        BadHttpRequestException { StatusCode: 415 } => CommonRefusals.NotJson,
        BadHttpRequestException { InnerException: JsonException json } => CommonRefusals.BadJson(Where(json)),
        BadHttpRequestException bad => new Refusal(bad.StatusCode, "bad_request", "The request cannot be read."),
        JsonException json => CommonRefusals.BadJson(Where(json)),
        DecodingException => CommonRefusals.BadJson("The body is not valid UTF-8 text."),
        OperationCanceledException when RequestDeadline.Expired(context) => CommonRefusals.Deadline,
        OperationCanceledException when context.RequestAborted.IsCancellationRequested => null,
        OperationCanceledException => CommonRefusals.Deadline,
        PostgresException postgres => Answer(postgres),
        NpgsqlException or TimeoutException => CommonRefusals.Unavailable,
        OverloadedException => CommonRefusals.Overloaded,
        _ => CommonRefusals.Internal,
    };

    // SQLSTATE classes: https://www.postgresql.org/docs/15/errcodes-appendix.html
    private static Refusal Answer(PostgresException postgres) => postgres.SqlState switch
    {
        ['2', '2', ..] => new Refusal(422, "value_refused", "A value in the request cannot be stored."),
        "23505" => new Refusal(409, "conflict", "Something with this identity exists already."),
        ['2', '3', ..] => new Refusal(422, "value_refused", "A value in the request breaks a rule of the town."),
        // Serialization, deadlock, lock timeout: the caller may simply try again.
        ['4', '0', ..] or "55P03" => CommonRefusals.Overloaded,
        "25006" or ['0', '8', ..] or ['5', '3', ..] or ['5', '7', ..] or ['5', '8', ..] => CommonRefusals.Unavailable,
        _ => CommonRefusals.Internal,
    };

    private static Refusal Silent(HttpContext context) => context.Response.StatusCode switch
    {
        404 => CommonRefusals.NoRoute(context.Request.Path),
        405 => CommonRefusals.WrongMethod(context.Request.Method),
        413 => CommonRefusals.TooLarge,
        415 => CommonRefusals.NotJson,
        var status => new Refusal(status, status >= 500 ? "unavailable" : "bad_request", "The request was refused."),
    };

    private static string Where(JsonException json) => json switch
    {
        { LineNumber: { } line, BytePositionInLine: { } position, Path: { Length: > 0 } path } =>
            $"The body is not the JSON expected here: see {CommonRefusals.Printable(path)}, line {line + 1}, byte {position + 1}.",
        { LineNumber: { } line, BytePositionInLine: { } position } =>
            $"The body is not valid JSON at line {line + 1}, byte {position + 1}.",
        _ => "The body is not the JSON expected here.",
    };

    [LoggerMessage(LogLevel.Warning, "Answered {Code} to {Method} {Endpoint}")]
    private static partial void LogFailure(ILogger logger, string code, string method, string endpoint, Exception failure);
}

/// <summary>A bounded queue is full: the request was not begun. Answered with 503 and <c>Retry-After</c>.</summary>
public sealed class OverloadedException : Exception;

/// <summary>Bytes that claim to be UTF-8 are not.</summary>
public sealed class DecodingException : Exception;

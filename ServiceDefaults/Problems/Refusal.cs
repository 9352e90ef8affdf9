using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Townhall.ServiceDefaults.Problems;

/// <summary>A refusal as problem document (RFC 9457): clients branch on <c>code</c>, people read <c>detail</c>.</summary>
/// <param name="Status">HTTP status, 400 or above.</param>
/// <param name="Code">Permanent word from docs/errors.md.</param>
/// <param name="Detail">What happened and what would be right; never SQL, hosts, keys or stack traces.</param>
public sealed record Refusal(int Status, string Code, string Detail) : IResult, IStatusCodeHttpResult
{
    /// <summary>Seconds after which trying again makes sense; sent as <c>Retry-After</c>.</summary>
    public int? RetryAfterSecs { get; init; }

    /// <summary>Writes members of this refusal's own behind the common ones; null for none.</summary>
    public Action<Utf8JsonWriter>? More { get; init; }

    int? IStatusCodeHttpResult.StatusCode => Status;

    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = Status;
        response.ContentType = "application/problem+json";
        response.Headers.CacheControl = "no-store";
        if (RetryAfterSecs is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (HttpMethods.IsHead(httpContext.Request.Method))
        {
            return;
        }

        using var buffer = new MemoryStream(256);
        await using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("type", $"urn:townhall:problem:{Code}");
            json.WriteString("title", Titles.Of(Status));
            json.WriteNumber("status", Status);
            json.WriteString("detail", Detail);
            json.WriteString("code", Code);
            json.WriteString("trace_id", Activity.Current?.TraceId.ToHexString() ?? httpContext.TraceIdentifier);
            // Older clients read this member.
            json.WriteString("error", Detail);
            if (RetryAfterSecs is { } again)
            {
                json.WriteNumber("retry_after_secs", again);
            }

            More?.Invoke(json);
            json.WriteEndObject();
        }

        response.ContentLength = buffer.Length;
        await response.Body.WriteAsync(buffer.GetBuffer().AsMemory(0, (int)buffer.Length), httpContext.RequestAborted);
    }

    private static class Titles
    {
        public static string Of(int status) => status switch
        {
            400 => "Bad request",
            401 => "Not authenticated",
            403 => "Not allowed",
            404 => "Not found",
            405 => "Method not allowed",
            408 => "Request too slow",
            409 => "Conflict",
            413 => "Too large",
            414 => "Address too long",
            415 => "Wrong content type",
            422 => "Not acceptable as it is",
            429 => "Too many requests",
            431 => "Headers too large",
            503 => "Unavailable",
            _ => status >= 500 ? "Server error" : "Refused",
        };
    }
}

/// <summary>Refusals that every listener can give. Codes are permanent; wording is not.</summary>
public static class CommonRefusals
{
    public static readonly Refusal Unavailable =
        new(503, "database_unavailable", "The database cannot be reached right now. Whether a change was made is not known: look before you repeat it.") { RetryAfterSecs = 1 };

    public static readonly Refusal Deadline =
        new(503, "deadline_exceeded", "The answer took too long. Whether a change was made is not known: look before you repeat it.") { RetryAfterSecs = 1 };

    public static readonly Refusal Overloaded =
        new(503, "overloaded", "Too many requests are waiting; this one was not begun.") { RetryAfterSecs = 1 };

    public static readonly Refusal Internal =
        new(500, "internal_error", "Something unforeseen happened here. The trace id finds it in the logs.");

    public static readonly Refusal TooLarge = new(413, "body_too_large", "The body is larger than this endpoint takes.");

    public static Refusal BadJson(string where) => new(400, "bad_json", where);

    public static Refusal NoRoute(string path) => new(404, "unknown_path", $"There is nothing at {Printable(path)}.");

    public static Refusal WrongMethod(string method) => new(405, "method_not_allowed", $"{Printable(method)} is not offered here; see the Allow header.");

    public static readonly Refusal NotJson = new(415, "json_expected", "Send the body as application/json in UTF-8.");

    /// <summary>A caller's text as it may stand in an answer or a log: short, no control characters.</summary>
    public static string Printable(string text)
    {
        var shown = text.Length > 120 ? string.Concat(text.AsSpan(0, 120), "…") : text;
        return string.Create(shown.Length, shown, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) || char.IsSurrogate(source[i]) ? '�' : source[i];
            }
        });
    }
}

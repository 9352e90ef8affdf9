using System.Text.Json.Nodes;
using Townhall.Testing;

namespace Townhall.OpenApi.Describing;

/// <summary>The refusals that every operation can give, and what docs/errors.md says of each code.</summary>
internal static class ProblemWords
{
    private static readonly (int Status, string Code)[] Everywhere =
    [
        (400, "bad_request"), (403, "not_local"), (403, "host_not_allowed"), (403, "origin_not_allowed"), (408, "bad_request"),
        (413, "body_too_large"), (415, "json_expected"), (500, "internal_error"), (503, "database_unavailable"), (503, "service_unavailable"),
        (503, "unavailable"), (503, "deadline_exceeded"), (503, "overloaded"),
    ];

    /// <summary>What the HTTP server says by itself, before there is a request that anybody could answer: without a document.</summary>
    public static IEnumerable<(int Status, string Words)> Bare =>
    [
        (414, "The address is longer than 8 KiB; the connection ends."), (431, "The headers are more than 64, or longer than 16 KiB; the connection ends."),
    ];

    private static readonly (int Status, string Code)[] WithBody =
        [(400, "bad_json"), (422, "value_refused")];

    public static JsonObject Schema { get; } = new()
    {
        ["type"] = "object",
        ["description"] = "A refusal (RFC 9457). Branch on `code`: codes are permanent, wording is not. docs/errors.md lists them all.",
        ["required"] = new JsonArray("type", "title", "status", "detail", "code", "trace_id", "error"),
        ["properties"] = new JsonObject
        {
            ["type"] = new JsonObject { ["type"] = "string", ["pattern"] = "^urn:townhall:problem:[a-z_]+$" },
            ["title"] = new JsonObject { ["type"] = "string" },
            ["status"] = new JsonObject { ["type"] = "integer", ["minimum"] = 400, ["maximum"] = 599 },
            ["detail"] = new JsonObject { ["type"] = "string", ["description"] = "What happened and what would be right, for people." },
            ["code"] = new JsonObject { ["type"] = "string", ["pattern"] = "^[a-z]+(_[a-z]+)*$" },
            ["trace_id"] = new JsonObject { ["type"] = "string", ["description"] = "Finds the request in the logs and traces." },
            ["error"] = new JsonObject { ["type"] = "string", ["description"] = "The same as `detail`, for older clients." },
            ["retry_after_secs"] = new JsonObject { ["type"] = "integer", ["minimum"] = 0, ["description"] = "As `Retry-After`, where trying again makes sense." },
        },
    };

    /// <summary>All refusals of one operation by status.</summary>
    public static ILookup<int, string> Of(IEnumerable<(int Status, string Code)> own, bool body, bool query) =>
        Everywhere.Concat(own).Concat(body ? WithBody : []).Concat(query ? [(400, "bad_query")] : [])
            .Distinct().OrderBy(static one => one).ToLookup(static one => one.Status, static one => one.Code);

    /// <summary>A response that holds one of these codes.</summary>
    public static JsonObject Response(int status, IEnumerable<string> codes)
    {
        var meanings = Meanings.Value;
        string[] all = [.. codes];
        return new()
        {
            ["description"] = string.Join(" ", all.Select(code => $"`{code}`: {meanings[code]}.")),
            ["content"] = new JsonObject
            {
                ["application/problem+json"] = new JsonObject
                {
                    ["schema"] = new JsonObject
                    {
                        ["allOf"] = new JsonArray(
                            new JsonObject { ["$ref"] = "#/components/schemas/Problem" },
                            new JsonObject
                            {
                                ["properties"] = new JsonObject
                                {
                                    ["code"] = new JsonObject { ["enum"] = new JsonArray([.. all.Select(static one => JsonValue.Create(one))]) },
                                    ["status"] = new JsonObject { ["const"] = status },
                                },
                            }),
                    },
                },
            },
        };
    }

    /// <summary>Code to meaning, from the page that people read.</summary>
    private static readonly Lazy<Dictionary<string, string>> Meanings = new(static () =>
        File.ReadLines(Path.Combine(Programs.Repository(), "docs", "errors.md"))
            .Where(static line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(static line => line.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries))
            .Where(static cells => cells.Length >= 4)
            .GroupBy(static cells => cells[0].Trim('`'))
            .ToDictionary(static one => one.Key, static one => one.First()[2].TrimEnd('.'), StringComparer.Ordinal));
}

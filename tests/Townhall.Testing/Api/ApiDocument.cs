using System.Text;
using System.Text.Json;

namespace Townhall.Testing;

/// <summary>One operation of the described API.</summary>
/// <param name="Path">With its parameters in braces.</param>
public sealed record ApiOperation(string Method, string Path, JsonElement Description)
{
    public string Id => Description.GetProperty("operationId").GetString()!;

    internal string[] Parts { get; } = Path.Split('/');
}

/// <summary>The description under docs/openapi, as what answers are held to.</summary>
public sealed class ApiDocument
{
    private static readonly Lazy<ApiDocument> Read = new(static () => new(JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(Programs.Repository(), "docs", "openapi", "townhall-v1.json"))).RootElement));

    public ApiDocument(JsonElement root)
    {
        Root = root;
        Validator = new(root);
        Operations =
        [
            .. from path in root.GetProperty("paths").EnumerateObject()
               from operation in path.Value.EnumerateObject()
               select new ApiOperation(operation.Name.ToUpperInvariant(), path.Name, operation.Value),
        ];
    }

    /// <summary>The checked-in description.</summary>
    public static ApiDocument Current => Read.Value;

    public JsonElement Root { get; }

    public SchemaValidator Validator { get; }

    public IReadOnlyList<ApiOperation> Operations { get; }

    /// <summary>The operation behind a request; null when none is described.</summary>
    /// <param name="path">As it was sent, with or without a query.</param>
    public ApiOperation? Find(string method, string path)
    {
        var bare = path.Split('?')[0];
        var parts = (bare.Length > 1 && bare.EndsWith('/') ? bare[..^1] : bare).Split('/');
        return Operations
            .Where(one => one.Method == method && one.Parts.Length == parts.Length
                && one.Parts.Zip(parts).All(static pair => pair.First.StartsWith('{') ? pair.Second.Length > 0 : pair.First == pair.Second))
            .MinBy(static one => one.Parts.Count(static part => part.StartsWith('{')));
    }

    /// <summary>What is wrong with an answer; empty when it is described so.</summary>
    /// <param name="media">Its content type; null when it has none.</param>
    public IReadOnlyList<string> Faults(string method, string path, int status, string? media, ReadOnlyMemory<byte> body)
    {
        if (Find(method, path) is not { } operation)
        {
            // Not described, so it must be refused, and as everything is refused.
            return status < 400 ? [$"{method} {path} answers {status} and is not described"] : Judge(ProblemSchema(), media, body, $"{status}");
        }

        var responses = operation.Description.GetProperty("responses");
        if (!responses.TryGetProperty(status.ToString(System.Globalization.CultureInfo.InvariantCulture), out var response))
        {
            return [$"{operation.Id} answers {status}, which is not described: {Encoding.UTF8.GetString(body.Span)[..Math.Min(300, body.Length)]}"];
        }

        response = Validator.Resolve(response);
        if (!response.TryGetProperty("content", out var content))
        {
            return body.Length == 0 ? [] : [$"{operation.Id} answers {status} with a body, which is not described"];
        }

        var bare = media?.Split(';')[0].Trim() ?? "";
        return !content.TryGetProperty(bare, out var described) ? [$"{operation.Id} answers {status} as '{bare}', which is not described"]
            : bare.EndsWith("json", StringComparison.Ordinal) ? Judge(described.GetProperty("schema"), media, body, $"{operation.Id} {status}")
            : [];
    }

    private JsonElement ProblemSchema() => Root.GetProperty("components").GetProperty("schemas").GetProperty("Problem");

    private List<string> Judge(JsonElement schema, string? media, ReadOnlyMemory<byte> body, string who)
    {
        if (media is null || body.Length == 0)
        {
            return [$"{who} has no document"];
        }

        if (Validator.Resolve(schema).TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.GetString() == "string")
        {
            return [];      // a document that is served as a file
        }

        try
        {
            using var document = JsonDocument.Parse(body);
            return [.. Validator.Faults(schema, document.RootElement, closed: true).Select(fault => $"{who}: {fault}")];
        }
        catch (JsonException broken)
        {
            return [$"{who} is not JSON: {broken.Message}"];
        }
    }
}

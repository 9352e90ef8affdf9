using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Townhall.OpenApi.Describing;
using Townhall.Testing;

namespace Townhall.OpenApi;

/// <summary>The files that are made from the code: the same document twice, for people and for programs.</summary>
public static class ApiFiles
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>Full paths and what should stand there.</summary>
    public static IReadOnlyDictionary<string, string> Describe()
    {
        var document = Document();
        var folder = Path.Combine(Programs.Repository(), "docs", "openapi");
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [Path.Combine(folder, "townhall-v1.yaml")] = Yaml.Write(document),
            [Path.Combine(folder, "townhall-v1.json")] = document.ToJsonString(Indented) + "\n",
        };
    }

    /// <summary>The document itself.</summary>
    public static JsonObject Document() => new DocumentWriter().Write(ServedApi.All());
}

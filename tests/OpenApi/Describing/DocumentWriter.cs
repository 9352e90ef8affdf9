using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Townhall.Api.Idempotency;
using Townhall.Api.Text;
using Townhall.ServiceDefaults.Authentication;
using Townhall.ServiceDefaults.Guards;

namespace Townhall.OpenApi.Describing;

/// <summary>The whole document from what the services serve.</summary>
internal sealed class DocumentWriter
{
    private static readonly string[] Schemes = ["bearer", "api_key", "oidc"];
    private readonly XmlDocs _docs = new();
    private readonly RefusalScan _refusals = new();
    private readonly SchemaWriter _schemas;

    public DocumentWriter() => _schemas = new(_docs);

    public JsonObject Write(IReadOnlyList<ServedOperation> operations)
    {
        EventSchemas.Write(_schemas);
        _schemas.Named("Problem", (JsonObject)ProblemWords.Schema.DeepClone());
        var paths = new JsonObject();
        foreach (var operation in operations)
        {
            paths[operation.Path] ??= new JsonObject();
            paths[operation.Path]![operation.Method.ToLowerInvariant()] = Operation(operation);
        }

        var exampler = new Exampler(_schemas.Components);
        Examples(paths, exampler);
        var shared = Shared(paths);
        return new()
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Townhall",
                ["version"] = "1",
                ["summary"] = "The control plane for fleets of AI agents.",
                ["description"] = """
                    Hand over work, see why it waits, steer it, and prove afterwards what was done.

                    Documents are JSON in snake_case and UTF-8; members that are not described are refused, and so are doubled ones.
                    Instants are RFC 3339 in UTC. Every refusal is a problem document with a permanent `code`. Creating calls take
                    `Idempotency-Key`: the same call with the same key, within 24 hours, gets the same answer. Answers may gain members.
                    """.ReplaceLineEndings("\n"),
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/", ["description"] = "The town that serves this document" }),
            ["tags"] = new JsonArray([.. operations.Select(Tag).Distinct().Order(StringComparer.Ordinal).Select(static tag => new JsonObject { ["name"] = tag })]),
            ["security"] = new JsonArray(),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = new JsonObject(_schemas.Components.Select(static one => KeyValuePair.Create(one.Key, (JsonNode?)one.Value))),
                ["responses"] = shared,
                ["securitySchemes"] = SecuritySchemes(),
            },
        };
    }

    private static JsonObject SecuritySchemes() => new()
    {
        ["bearer"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer", ["description"] = "A key of this town, in modes `api_key` and `oidc`. In mode `none` nobody sends one." },
        ["api_key"] = new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "X-API-Key", ["description"] = "The same key in a header of its own; two different ones are refused." },
        ["oidc"] = new JsonObject
        {
            ["type"] = "openIdConnect",
            ["openIdConnectUrl"] = "https://issuer.example/.well-known/openid-configuration",
            ["description"] = "Mode `oidc`: an access token of the configured issuer, for the configured audience.",
        },
    };

    private JsonObject Operation(ServedOperation served)
    {
        var endpoint = served.Endpoint;
        var words = OperationWords.All.GetValueOrDefault(served.Key);
        var comment = _docs.Summary(served.Handler);
        var parameters = Parameters(served);
        var written = new JsonObject
        {
            ["operationId"] = endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? words?.Id ?? Camel(served.Handler.Name),
            ["tags"] = new JsonArray(Tag(served)),
            ["summary"] = endpoint.Metadata.GetMetadata<IEndpointSummaryMetadata>()?.Summary ?? words?.Summary ?? comment?.Split(". ")[0].TrimEnd('.') ?? Spaced(served.Handler.Name),
        };
        if (comment is not null)
        {
            written["description"] = comment;
        }

        var scopes = endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(static one => one.Policy).OfType<string>().ToArray();
        written["security"] = scopes.Length == 0
            ? new JsonArray()
            : new JsonArray([.. Schemes.Select(scheme => new JsonObject
            {
                [scheme] = new JsonArray([.. scopes.Select(static one => JsonValue.Create(one))]),
            })]);
        if (scopes.Length > 0)
        {
            written["x-scope"] = scopes[0];
        }

        if (parameters.Count > 0)
        {
            written["parameters"] = parameters;
        }

        var accepts = endpoint.Metadata.GetMetadata<IAcceptsMetadata>();
        if (accepts?.RequestType is { } body)
        {
            written["requestBody"] = new JsonObject
            {
                ["required"] = !accepts.IsOptional,
                ["content"] = new JsonObject
                {
                    [accepts.ContentTypes[0]] = new JsonObject { ["schema"] = _schemas.Of(body, served.Json, reads: true) },
                },
            };
            if (endpoint.Metadata.GetMetadata<IRequestSizeLimitMetadata>()?.MaxRequestBodySize is { } most)
            {
                written["x-body-bytes-most"] = most;
            }
        }

        else if (endpoint.Metadata.GetMetadata<AcceptsBytesAttribute>() is not null)
        {
            written["requestBody"] = new JsonObject
            {
                ["required"] = true,
                ["description"] = "The bytes as they are, at most 1 MiB.",
                ["content"] = new JsonObject { ["application/octet-stream"] = new JsonObject { ["schema"] = _schemas.Of(typeof(byte[]), served.Json) } },
            };
        }

        written["responses"] = Responses(served, accepts is not null, parameters.Count > 0, scopes.Length > 0 || endpoint.Metadata.GetMetadata<PublicProbeAttribute>() is not null);
        return written;
    }

    private JsonObject Responses(ServedOperation served, bool body, bool parameters, bool guarded)
    {
        var responses = new JsonObject();
        foreach (var produced in served.Endpoint.Metadata.GetOrderedMetadata<IProducesResponseTypeMetadata>()
            // Refusals are read from the code, which knows more.
            .Where(static one => one.Type != typeof(ProblemDetails))
            .GroupBy(static one => one.StatusCode).OrderBy(static one => one.Key).Select(static one => one.First()))
        {
            var response = new JsonObject { ["description"] = Reason(produced.StatusCode) };
            if (produced.Type is { } type && type != typeof(void))
            {
                var media = produced.ContentTypes.FirstOrDefault() ?? "application/json";
                response["content"] = new JsonObject
                {
                    [media] = media == "text/event-stream" ? EventSchemas.Stream() : new JsonObject { ["schema"] = _schemas.Of(type, served.Json) },
                };
            }

            responses[$"{produced.StatusCode}"] = response;
        }

        if (responses.Count == 0)
        {
            throw new InvalidOperationException($"{served.Key} says nowhere what it answers: typed results or Produces.");
        }

        IEnumerable<(int, string)> own = _refusals.Of(served.Handler);
        if (served.Endpoint.Metadata.GetMetadata<TakesKeyAttribute>() is not null)
        {
            own = own.Append((400, "bad_idempotency_key"));
        }

        if (guarded)
        {
            own = own.Concat(_refusals.In(typeof(AuthRefusals)));
        }

        foreach (var refusal in ProblemWords.Of(own, body, parameters))
        {
            var status = $"{refusal.Key}";
            var written = ProblemWords.Response(refusal.Key, refusal);
            if (responses[status] is JsonObject before && before["content"] is JsonObject content)
            {
                // The readiness document is a 503 of its own beside the problem documents.
                content["application/problem+json"] = written["content"]!["application/problem+json"]!.DeepClone();
                continue;
            }

            responses[status] = written;
        }

        foreach (var (status, words) in ProblemWords.Bare)
        {
            responses[$"{status}"] = new JsonObject { ["description"] = words };
        }

        return responses;
    }

    private JsonArray Parameters(ServedOperation served)
    {
        var parameters = new JsonArray();
        foreach (var parameter in served.Handler.GetParameters())
        {
            var name = parameter.GetCustomAttribute<FromRouteAttribute>()?.Name ?? parameter.GetCustomAttribute<FromQueryAttribute>()?.Name ?? parameter.Name!;
            var inPath = served.Endpoint.RoutePattern.GetParameter(name) is not null;
            if (!inPath && !IsValue(parameter.ParameterType))
            {
                continue;
            }

            var schema = _schemas.Of(parameter.GetCustomAttribute<ReadsAsAttribute>()?.Type ?? parameter.ParameterType, served.Json);
            SchemaWriter.Bound(schema, parameter);
            if (parameter is { HasDefaultValue: true, DefaultValue: not null })
            {
                schema["default"] = JsonValue.Create(parameter.DefaultValue is int or long ? Convert.ToInt64(parameter.DefaultValue, null) : parameter.DefaultValue);
            }

            var written = new JsonObject { ["name"] = name, ["in"] = inPath ? "path" : "query", ["required"] = inPath };
            if (_docs.Parameter(parameter) is { } said)
            {
                written["description"] = said;
            }
            else if (inPath && OperationWords.Paths.TryGetValue(name, out var known))
            {
                (written["description"], written["example"]) = (known.Words, known.Example);
                if (name == "id" && served.Path.StartsWith("/v1/keys", StringComparison.Ordinal))
                {
                    (written["description"], written["example"]) = ("A key's id.", "5f3a9c0d1e2b4a68");
                }
                else if (name is "id" or "task_id" or "message_id")
                {
                    schema["format"] = "uuid";
                }
                else if (name == "sha256")
                {
                    schema["pattern"] = "^[0-9a-f]{64}$";
                }
            }
            else if (!inPath && OperationWords.Queries.TryGetValue(name, out var query))
            {
                written["description"] = query;
            }

            written["schema"] = schema;
            parameters.Add((JsonNode)written);
        }

        if (served.Endpoint.Metadata.GetMetadata<TakesKeyAttribute>() is not null)
        {
            parameters.Add((JsonNode)new JsonObject
            {
                ["name"] = IdempotencyKey.Header,
                ["in"] = "header",
                ["required"] = false,
                ["description"] = "Your own name for this call. Said again with the same body within 24 hours, it gets the first answer, marked `Idempotency-Replayed: true`.",
                ["schema"] = new JsonObject { ["type"] = "string", ["pattern"] = $"^[ -~]{{1,{IdempotencyKey.LengthMost}}}$" },
            });
        }

        if (served.Endpoint.Metadata.GetOrderedMetadata<IProducesResponseTypeMetadata>().Any(static one => one.StatusCode == StatusCodes.Status304NotModified))
        {
            parameters.Add((JsonNode)new JsonObject
            {
                ["name"] = "If-None-Match",
                ["in"] = "header",
                ["required"] = false,
                ["description"] = "The `ETag` of what you have; 304 when it is the same.",
                ["schema"] = new JsonObject { ["type"] = "string" },
            });
        }

        foreach (var more in MoreParameters.Of(served.Key))
        {
            parameters.Add((JsonNode)more);
        }

        return parameters;
    }

    private static void Examples(JsonObject paths, Exampler exampler)
    {
        foreach (var operation in paths.SelectMany(static path => (JsonObject)path.Value!).Select(static one => one.Value!))
        {
            IEnumerable<JsonNode?> contents = [operation["requestBody"]?["content"], .. ((JsonObject)operation["responses"]!)
                .Where(static one => one.Key.StartsWith('2')).Select(static one => one.Value!["content"])];
            foreach (var json in contents.Select(static one => one?["application/json"]).OfType<JsonObject>())
            {
                json["example"] = exampler.Of(json["schema"]!);
            }

            if (OperationWords.Bodies.TryGetValue(operation["operationId"]!.GetValue<string>(), out var body))
            {
                operation["requestBody"]!["content"]!["application/json"]!["example"] = JsonNode.Parse(body);
            }
        }
    }

    /// <summary>Takes out answers that many operations give in the same words, so that each stands in the document once.</summary>
    private static JsonObject Shared(JsonObject paths)
    {
        const int Few = 4;
        var places = paths.SelectMany(static path => (JsonObject)path.Value!)
            .Select(static one => (JsonObject)one.Value!["responses"]!)
            .SelectMany(static responses => responses.Select(one => (Responses: responses, Status: one.Key, Text: one.Value!.ToJsonString())))
            .Where(static one => one.Status[0] is '4' or '5')
            .GroupBy(static one => (one.Status, one.Text)).Where(static same => same.Count() >= Few)
            .OrderBy(static same => same.Key.Status, StringComparer.Ordinal).ThenByDescending(static same => same.Count()).ToArray();
        var shared = new JsonObject();
        foreach (var same in places)
        {
            var name = Enumerable.Range(1, places.Length).Select(n => n == 1 ? $"Refused{same.Key.Status}" : $"Refused{same.Key.Status}_{n}").First(one => !shared.ContainsKey(one));
            shared[name] = JsonNode.Parse(same.Key.Text);
            foreach (var (responses, status, _) in same.ToArray())
            {
                responses[status] = new JsonObject { ["$ref"] = $"#/components/responses/{name}" };
            }
        }

        return shared;
    }

    private static bool IsValue(Type type)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        return bare == typeof(string) || bare == typeof(int) || bare == typeof(long) || bare == typeof(bool) || bare == typeof(double)
            || bare == typeof(Guid) || bare == typeof(DateTimeOffset);
    }

    private static string Tag(ServedOperation served) => served.Endpoint.Metadata.GetMetadata<ITagsMetadata>()?.Tags[0] ?? "Town";

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    private static string Spaced(string name) => SchemaWriter.Snake(name).Replace('_', ' ');

    private static string Reason(int status) => status switch
    {
        200 => "Done.",
        201 => "Made.",
        202 => "Noted; whoever runs the work acts on it.",
        204 => "Done; there is nothing to say.",
        304 => "Unchanged since the `ETag` that was sent.",
        503 => "Not now.",
        _ => $"Status {status}.",
    };
}

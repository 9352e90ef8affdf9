using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Townhall.Testing;

namespace Townhall.Fuzzing;

/// <summary>Turns a request that is allowed into one that mostly is not: in its body, its address, its headers or its method.</summary>
internal sealed class Mutator(ApiDocument api)
{
    /// <summary>Texts that break careless code.</summary>
    private static readonly string[] Corpus =
    [
        "", " ", "\t\n", "\0", "a\0b", "\u0001\u001b[31m", "\r\nSet-Cookie: a=b", "\u202Eevil", "\u0085\u2028\u2029", "\uFEFF", "\uFFFF", "ﷺ", "İıſK",
        "a\u0300\u0301\u0302\u0303", "💥", "𐀀\U0010FFFF", "NaN", "Infinity", "1e999", "__proto__", "constructor", "{{7*7}}", "${jndi:ldap://127.0.0.1/a}", "' OR 1=1 --",
        "../../../../etc/passwd", "%2e%2e%2f", "file:///etc/passwd", "supervisor", "town", "\\u0000", "�", new('z', 300), new('ü', 2000), new('é', 300_000),
    ];

    private static readonly string[] Numbers =
    [
        "-1", "0", "1.5", "-0", "1e3", "2147483648", "-2147483649", "9223372036854775808", "1e999999", "-1e400", "0.0000000000000000000000000000001",
        new('9', 400), "1" + new string('0', 200_000), "\"5\"", "true", "null", "[]", "{}", "NaN", "01", "0x10", ".5",
    ];

    private static readonly string[] Instants =
    [
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "10000-01-01T00:00:00Z", "2027-02-30T00:00:00Z", "2027-01-01T00:00:00+02:00",
        "2027-01-01T00:00:00+99:00", "2027-01-01", "infinity", "now()", "2027-01-01T25:00:00Z", "1999-12-31T23:59:59Z", "2200-01-02T00:00:00Z", "", "٢٠٢٧-٠١-٠١T٠٠:٠٠:٠٠Z",
    ];

    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"];

    private static readonly string[] Pieces =
    [
        "%00", "%ff", "%fe%ff", "%c0%af", "..%2f..%2f", "%0d%0aSet-Cookie:%20a=b", "%u0041", "%", "%zz", "%F0%9F%92%A5", ";a=b", "//", "/./", "\\", "%5c..%5c", "~", "*", "'", "%2e%2e",
    ];

    private static readonly string[] Queries =
    [
        "limit=0", "limit=-1", "limit=99999999999999999999", "limit=1.5", "limit=abc", "limit=", "limit=1&limit=2", "limit=%00", "after=-1", "after=9223372036854775808", "after=1e3",
        "cursor=", "cursor=AAAA", "cursor=!!!!", "cursor=%00", "cursor=%ff%fe", "cursor=____________________", "cursor=AAAAAAAAAAAAAAAAAAAAAA", "cursor=wA", "offset=-5", "attempt=0",
        "attempt=99999999999", "dry_run=maybe", "dry_run=", "follow=2", "unknown=1", "a[]=1&a[b]=2", "=", "&&&", "wait_secs=-1", "task=xyz", "action=,,,", "agent=%00", "last_event_id=x",
        "action=%0d%0a", "__proto__[x]=1",
    ];

    public Call Mutate(Call call, Random random) => random.Next(10) switch
    {
        < 5 when call.Body is not null && call.Headers.Contains(("Content-Type", "application/json")) => Body(call, random),
        < 7 => Address(call, random),
        7 => call with { Method = Methods[random.Next(Methods.Length)], How = "method" },
        8 => Headers(call, random),
        _ => random.Next(2) == 0 ? Headers(Address(call, random), random) : Address(call, random),
    };

    private Call Body(Call call, Random random)
    {
        var text = Encoding.UTF8.GetString(call.Body!);
        return random.Next(30) switch
        {
            0 => With(call, text[..random.Next(text.Length)], "cut off"),
            1 => With(call, text + (random.Next(2) == 0 ? "}" : "{}"), "more behind the end"),
            2 => With(call, "\uFEFF" + text, "byte order mark"),
            3 => call with { Body = Encoding.Unicode.GetBytes(text), How = "UTF-16" },
            4 => call with { Body = Broken(call.Body!, random), How = "broken UTF-8" },
            5 => With(call, "", "empty"),
            6 => With(call, Choose(random, "null", "[]", "\"text\"", "5", "true", "[{}]", "{\"\":{}}", "{", "}", "[", "//x", "{\"a\":}", "\0", " "), "another document"),
            7 => With(call, string.Concat(Enumerable.Repeat("{\"a\":", 10 + random.Next(60))) + "1" + new string('}', 70), "nested"),
            8 => With(call, new string('[', 10_000 + random.Next(90_000)), "nested deeply"),
            9 => With(call, $"{{\"x\":[{string.Join(',', Enumerable.Repeat("1", 10_000))}]}}", "10,000 elements"),
            10 => Type(call, Choose(random, "text/plain", "application/json; charset=foo", "application/json;charset=\"", "multipart/form-data; boundary=x", "application/json; charset=utf-16",
                "application/x-www-form-urlencoded", "", "application/jsonx", "APPLICATION/JSON", "application/problem+json", "é/ü", "application/json, text/plain")),
            11 => With(call, Doubled(text, random), "doubled member"),
            12 => With(call, text.Replace("\":", "\" : // x\n", StringComparison.Ordinal), "comments"),
            13 => With(call, text.Length > 2 ? text.Insert(text.Length - 1, ",") : text, "trailing comma"),
            14 when random.Next(40) == 0 => call with { Body = new byte[31 * 1024 * 1024], How = "31 MB" },
            14 => With(call, $"{{\"x\":\"{new string('x', (1024 * 1024) + random.Next(1000))}\"}}", "more than 1 MiB"),
            15 => With(call, Escaped(text, Choose(random, "\\ud800", "\\udc00", "\\ud800\\ud800", "\\u0000", "\\uffff", "\\x41", "\\u12"), random), "escapes"),
            _ => Tree(call, random),
        };
    }

    private Call Tree(Call call, Random random)
    {
        var root = JsonNode.Parse(call.Body!);
        if (root is not JsonObject whole)
        {
            return With(call, "[]", "another document");
        }

        var places = Places(whole).ToList();
        var how = random.Next(8);
        if (places.Count == 0 || how == 0)
        {
            whole[Choose(random, "unknown", "id", "state", "created_by", "Agent", "TASK", "", "a.b", "\u0000")] = 1;
            return Finish(call, whole.ToJsonString(), "extra member");
        }

        var (parent, name) = places[random.Next(places.Count)];
        switch (how)
        {
            case 1:
                parent.Remove(name);
                return Finish(call, whole.ToJsonString(), $"without {name}");
            case 2:
                parent[name] = null;
                return Finish(call, whole.ToJsonString(), $"null {name}");
            case 3:
                parent[name] = Choose(random, Instants);
                return Finish(call, whole.ToJsonString(), $"instant {name}");
            case 4:
                parent[name] = new JsonArray([.. Enumerable.Range(0, random.Next(2) == 0 ? 2 : 700).Select(static at => (JsonNode)at)]);
                return Finish(call, whole.ToJsonString(), $"array {name}");
            case 5:
                // As text: most of these are no JSON number that a tree could hold.
                parent[name] = "@@";
                return Finish(call, whole.ToJsonString().Replace("\"@@\"", Choose(random, Numbers), StringComparison.Ordinal), $"number {name}");
            default:
                parent[name] = Choose(random, Corpus);
                return Finish(call, whole.ToJsonString(), $"text {name}");
        }
    }

    /// <summary>Says whether what came of it is really outside the schema; chance sometimes makes an allowed value.</summary>
    private Call Finish(Call call, string text, string how)
    {
        var breaks = false;
        if (call.Operation.Description.TryGetProperty("requestBody", out var sent))
        {
            try
            {
                using var document = JsonDocument.Parse(text);
                breaks = api.Validator.Faults(sent.GetProperty("content").GetProperty("application/json").GetProperty("schema"), document.RootElement, closed: false)
                    // Each row of a batch is judged alone: a wrong one is refused inside of a 200.
                    .Any(fault => call.Operation.Id != "assignTasks" || !fault.StartsWith("$.tasks[", StringComparison.Ordinal));
            }
            catch (JsonException)
            {
                breaks = true;
            }
        }

        return With(call, text, how) with { Breaks = breaks };
    }

    private static IEnumerable<(JsonObject Parent, string Name)> Places(JsonObject of)
    {
        foreach (var (name, value) in of)
        {
            yield return (of, name);
            var inner = value as JsonObject ?? (value as JsonArray)?.OfType<JsonObject>().FirstOrDefault();
            foreach (var place in inner is null ? [] : Places(inner))
            {
                yield return place;
            }
        }
    }

    private static Call Address(Call call, Random random)
    {
        var parts = call.Target.Split('?', 2);
        return random.Next(6) switch
        {
            0 or 1 or 2 => call with { Target = $"{parts[0]}?{Choose(random, Queries)}", How = "query" },
            3 => call with { Target = $"{parts[0]}{Choose(random, Pieces)}{(parts.Length > 1 ? $"?{parts[1]}" : "")}", How = "path end" },
            4 => call with { Target = Segment(parts[0], Choose(random, Pieces), random), How = "path segment" },
            _ => call with { Target = $"{parts[0]}{(random.Next(2) == 0 ? "/" : "?x=")}{new string('a', random.Next(3) == 0 ? 9000 : 500)}", How = "long address" },
        };
    }

    private static string Segment(string path, string piece, Random random)
    {
        var parts = path.Split('/');
        parts[random.Next(1, parts.Length)] = piece;
        return string.Join('/', parts);
    }

    private static Call Headers(Call call, Random random)
    {
        (string, string) header = random.Next(22) switch
        {
            0 => ("Idempotency-Key", new string('k', 256)),
            1 => ("Idempotency-Key", "ключ"),
            2 => ("Idempotency-Key", "same"),
            3 => ("Idempotency-Key", "\u0001"),
            4 => ("Host", Choose(random, "evil.example", "127.0.0.1.evil.example", "[::1", "", "a b", "localhost:99999", "127.0.0.1@evil")),
            5 => ("Origin", Choose(random, "null", "https://evil.example", "http://127.0.0.1.evil.example", "http://localhost", "\u00ff")),
            6 => ("X-HTTP-Method-Override", "DELETE"),
            7 => ("X-Forwarded-For", "203.0.113.1, 127.0.0.1"),
            8 => ("X-Forwarded-Host", "evil.example"),
            9 => ("X-Original-URL", "/internal/ready"),
            10 => ("Content-Encoding", Choose(random, "gzip", "br", "identity", "x")),
            11 => ("Accept", Choose(random, "", "text/html", "*/*;q=abc", "application/xml", new string('a', 3000))),
            12 => ("Range", Choose(random, "bytes=0-1", "bytes=-1", "bytes=999999999999999999999-", "x=1")),
            13 => ("Cookie", new string('c', 5000)),
            14 => ("If-None-Match", Choose(random, "*", "W/", "\"", "\u00e9", "W/\"0-0\"", new string('"', 500))),
            15 => ("Last-Event-ID", Choose(random, "-1", "x", "9223372036854775808", "1e3", "\u0660", " 1")),
            16 => ("Authorization", Choose(random, "Bearer ", "Bearer  x", "bearer x", "Basic !!!", "Bearer " + new string('t', 9000), "Digest", "\u00e9")),
            17 => ("X-API-Key", Choose(random, "", "x", "\u00ff", new string('k', 9000))),
            18 => ("X-Long", new string('h', 20_000)),
            19 => ("traceparent", Choose(random, "00-00000000000000000000000000000000-0000000000000000-00", "00-x", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "")),
            20 => ("TE", "trailers, deflate;q=0.5"),
            _ => ("Expect", Choose(random, "100-continue", "200-ok")),
        };
        if (random.Next(12) == 0)
        {
            return call with { Headers = [.. call.Headers, .. Enumerable.Range(0, 100).Select(static at => ($"X-{at}", "v"))], How = $"{call.How} 100 headers" };
        }

        return call with { Headers = [.. call.Headers, header], How = $"{call.How} header {header.Item1}".Trim() };
    }

    private static Call Type(Call call, string type) =>
        call with { Headers = [.. call.Headers.Where(static one => one.Name != "Content-Type"), ("Content-Type", type)], How = "content type" };

    private static Call With(Call call, string text, string how) => call with { Body = Encoding.UTF8.GetBytes(text), How = how };

    private static string Doubled(string text, Random random)
    {
        var members = JsonNode.Parse(text) as JsonObject;
        if (members is not { Count: > 0 })
        {
            return "{\"a\":1,\"a\":2}";
        }

        var (name, value) = members.ElementAt(random.Next(members.Count));
        return text.Insert(text.LastIndexOf('}'), string.Create(CultureInfo.InvariantCulture, $",{JsonSerializer.Serialize(name)}:{value?.ToJsonString() ?? "null"}"));
    }

    private static string Escaped(string text, string escape, Random random)
    {
        var at = text.IndexOf("\":\"", random.Next(Math.Max(1, text.Length / 2)), StringComparison.Ordinal);
        return at < 0 ? $"{{\"{escape}\":\"{escape}\"}}" : text.Insert(at + 3, escape);
    }

    private static byte[] Broken(byte[] body, Random random)
    {
        byte[] broken = [.. body];
        for (var i = 0; i < 3; i++)
        {
            broken[random.Next(broken.Length)] = (byte)(0x80 + random.Next(0x80));
        }

        return broken;
    }

    private static string Choose(Random random, params string[] of) => of[random.Next(of.Length)];
}

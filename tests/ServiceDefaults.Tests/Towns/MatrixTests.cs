using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Townhall.Contracts.Keys;
using Townhall.ServiceDefaults.Authentication;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>Every operation of the running services with every kind of credential. What operations there are, the services say themselves.</summary>
public sealed class MatrixTests(PostgresServer postgres, RedisServer redis) : IClassFixture<PostgresServer>, IClassFixture<RedisServer>
{
    private static readonly string[] Services = ["townhall", "scaler", "notifier"];
    private static readonly string[] Methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECTED"];
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(180));

    [Fact]
    public async Task Every_operation_refuses_every_credential_but_one_with_its_scope_and_a_refusal_changes_nothing()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, Services);
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var scope in Scopes.All)
        {
            keys[scope] = (await town.MakeKeyAsync(scope, [scope], _deadline)).Key;
        }

        var (revoked, revokedId) = await town.MakeKeyAsync("revoked", ["admin"], _deadline);
        Assert.Equal(204, (await town.SendAsync(HttpMethod.Delete, $"/v1/keys/{revokedId}", town.Admin, _deadline)).Status);
        var (expired, expiredId) = await town.MakeKeyAsync("expired", ["admin"], _deadline, ""","expires_in_secs":60""");
        var (foreign, foreignId) = await town.MakeKeyAsync("foreign", ["admin"], _deadline);
        await town.Database.ExecuteAsync($"""
            UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = '{expiredId}';
            UPDATE api_key SET town = 'another' WHERE id = '{foreignId}';
            UPDATE api_key_version SET version = version + 1;
            """, _deadline);

        var operations = await OperationsAsync(town);
        Assert.True(operations.Count > 30, $"Only {operations.Count} operations were found.");
        var denied = await KeysArriveAsync(town, keys, [revoked, expired, foreign]);
        var before = await town.RowsAsync(_deadline);
        foreach (var operation in operations)
        {
            await RefusedAsync(401, operation, null);
            await RefusedAsync(401, operation, "nonsense");
            await RefusedAsync(401, operation, KeyFormat.Make().Key);
            await RefusedAsync(401, operation, keys[operation.Scope][..^1] + (keys[operation.Scope][^1] == 'A' ? 'B' : 'A'));
            await RefusedAsync(401, operation, revoked);
            await RefusedAsync(401, operation, expired);
            await RefusedAsync(401, operation, foreign);
            Assert.Equal(401, await AskAsync(town, operation, null, query: $"?access_token={keys[operation.Scope]}"));
            Assert.Equal(401, await AskAsync(town, operation, "Bearer " + keys[operation.Scope], query: $"?api_key={keys[operation.Scope]}"));
            Assert.Equal(400, await AskAsync(town, operation, "Bearer " + keys[operation.Scope], keys[Scopes.Worker]));
            Assert.Equal(401, await AskAsync(town, operation, "Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("a:b"))));
            foreach (var scope in Scopes.All.Where(scope => !Scopes.Of(scope).Allows(Scopes.Of(operation.Scope))))
            {
                await RefusedAsync(403, operation, keys[scope]);
                denied++;
            }
        }

        Assert.Equal(before, await town.RowsAsync(_deadline));
        foreach (var service in Services)
        {
            await town.StopAsync(service, _deadline);
        }

        // What was refused is in the ledger, and nothing else is but the keys that this test made.
        Assert.Equal(denied, (await town.EntriesAsync("AccessDenied", _deadline)).Count);
        Assert.InRange((await town.EntriesAsync("AuthenticationRefused", _deadline)).Count, Services.Length - 1, Services.Length * 5);
        Assert.Equal(0, await town.Database.ScalarAsync<long>(
            "SELECT count(*) FROM ledger_pending WHERE action NOT IN ('AccessDenied', 'AuthenticationRefused', 'KeyCreated', 'KeyRevoked')", _deadline));
        Assert.Equal(0, await town.Database.ScalarAsync<long>("SELECT count(*) FROM ledger_pending WHERE detail LIKE '%thk\\_%' OR actor LIKE '%thk\\_%'", _deadline));
        foreach (var service in Services)
        {
            Assert.DoesNotContain("thk_", town[service].Process.Log, StringComparison.Ordinal);
        }

        async Task RefusedAsync(int status, Operation operation, string? key)
        {
            var answered = await AskAsync(town, operation, key is null ? null : "Bearer " + key);
            Assert.True(status == answered, $"{operation} answered {answered} in place of {status} to {(key is null ? "nobody" : "a wrong key")}.");
        }
    }

    [Fact]
    public async Task Every_operation_takes_a_credential_with_its_scope_in_each_place_where_one_may_stand()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, Services);
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var scope in Scopes.All)
        {
            keys[scope] = (await town.MakeKeyAsync(scope, [scope], _deadline)).Key;
        }

        await KeysArriveAsync(town, keys, []);
        foreach (var operation in await OperationsAsync(town))
        {
            var key = keys[operation.Scope];
            foreach (var (authorization, header) in ((string?, string?)[])[($"Bearer {key}", null), ($"bearer  {key}", null), ($"BEARER {key}  ", null), (null, key), ($"Bearer {key}", key), ("Basic YTpi", key)])
            {
                var status = await AskAsync(town, operation, authorization, header);
                Assert.True(status is < 500 and not 401 and not 403, $"{operation} answered {status}.");
            }
        }
    }

    [Fact]
    public async Task Another_method_is_no_way_in()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, Services);
        var before = await town.RowsAsync(_deadline);
        var operations = await OperationsAsync(town);
        foreach (var group in operations.GroupBy(static operation => (operation.Service, operation.Path)))
        {
            foreach (var method in Methods)
            {
                foreach (var covered in (string?[])[null, "X-HTTP-Method-Override", "X-Method-Override"])
                {
                    using var request = new HttpRequestMessage(new HttpMethod(method), Concrete(group.Key.Path));
                    if (covered is not null)
                    {
                        request.Headers.Add(covered, group.First().Method);
                    }

                    using var answer = await town[group.Key.Service].Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _deadline);
                    // Where another path's pattern matches, too, it is that one's method.
                    var known = group.Any(operation => operation.Method == method);
                    Assert.True(
                        (int)answer.StatusCode == 401 || (!known && (int)answer.StatusCode == 405), $"{method} {group.Key.Path} answered {(int)answer.StatusCode}.");
                }
            }
        }

        Assert.Equal(before, await town.RowsAsync(_deadline));
    }

    [Fact]
    public async Task Probes_and_the_description_serve_everybody_unless_the_probes_are_closed_and_workers_have_a_credential_of_their_own()
    {
        await using var town = await KeyTown.StartAsync(postgres, redis, _deadline, [.. Services, "dispatcher"]);
        foreach (var path in RoutePolicies.Anonymous)
        {
            var service = path == "/api/scaling" ? "scaler" : "townhall";
            await Eventually.Is(
                200,
                async () =>
                {
                    using var answer = await town[service].Client.GetAsync(new Uri(path, UriKind.Relative), _deadline);
                    return (int)answer.StatusCode;
                },
                _deadline);
        }

        foreach (var service in (string[])[.. Services, "dispatcher"])
        {
            foreach (var (method, path, policy) in await RoutesAsync(town, service))
            {
                Assert.True(
                    policy != "anonymous" || RoutePolicies.Anonymous.Contains(path) || path.StartsWith("/internal/", StringComparison.Ordinal),
                    $"{method} {path} of {service} is anonymous.");
            }
        }

        await town.AddAsync("scaler", _deadline, "closed", new Dictionary<string, string> { ["TOWN_PUBLIC_PROBES"] = "false" });
        Assert.Equal(401, (await town.SendAsync(HttpMethod.Get, "/api/scaling", null, _deadline, service: "closed")).Status);
        Assert.Equal(200, (await town.SendAsync(HttpMethod.Get, "/api/scaling", town.Admin, _deadline, service: "closed")).Status);

        foreach (var (method, path, policy) in (await RoutesAsync(town, "dispatcher")).Where(static route => !route.Path.StartsWith("/internal/", StringComparison.Ordinal)))
        {
            // Work that is done is taken from a worker that was declared lost, too.
            var handsIn = path is "/worker/settle" or "/worker/output" || path.StartsWith("/worker/blobs/", StringComparison.Ordinal);
            Assert.Equal(path == "/worker/register" ? "worker" : handsIn ? "worker.session.late" : "worker.session", policy);
            foreach (var key in (string?[])[null, town.Admin, KeyFormat.Make().Key])
            {
                Assert.Equal(401, (await town.SendAsync(new HttpMethod(method), Concrete(path), key, _deadline, "{}", "dispatcher")).Status);
            }
        }
    }

    /// <summary>Waits until every service knows the keys, so that what follows is about scopes alone.</summary>
    /// <returns>How many of the questions were denials; they are in the ledger like the others.</returns>
    private async Task<int> KeysArriveAsync(KeyTown town, Dictionary<string, string> keys, string[] gone)
    {
        var denied = 0;
        foreach (var (service, path) in ((string, string)[])[("townhall", "/v1/town"), ("notifier", "/events?after=x")])
        {
            foreach (var key in keys.Values)
            {
                await Eventually.Is(() => AskAsync(service, path, key), static status => status != 401, _deadline);
            }

            foreach (var key in gone)
            {
                await Eventually.Is(401, () => AskAsync(service, path, key), _deadline);
            }
        }

        return denied;

        async Task<int> AskAsync(string service, string path, string key)
        {
            var (status, _) = await town.SendAsync(HttpMethod.Get, path, key, _deadline, service: service);
            denied += status == 403 ? 1 : 0;
            return status;
        }
    }

    private async Task<List<Operation>> OperationsAsync(KeyTown town)
    {
        var operations = new List<Operation>();
        foreach (var service in Services)
        {
            operations.AddRange((await RoutesAsync(town, service)).Where(static route => route.Policy != "anonymous")
                .Select(route => new Operation(service, route.Method, route.Path, route.Policy)));
        }

        return operations;
    }

    private async Task<List<(string Method, string Path, string Policy)>> RoutesAsync(KeyTown town, string service)
    {
        var text = await town[service].Client.GetStringAsync(new Uri("/internal/routes", UriKind.Relative), _deadline);
        return [.. text.Split('\n').Select(static line => line.Split(' ')).Select(static words => (words[0], words[1], words[2]))];
    }

    private async Task<int> AskAsync(KeyTown town, Operation operation, string? authorization, string? key = null, string query = "")
    {
        using var request = new HttpRequestMessage(new HttpMethod(operation.Method), Concrete(operation.Path) + query);
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("X-API-Key", key);
        }

        if (operation.Method is not "GET" and not "DELETE")
        {
            request.Content = new StringContent("{}", Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        }

        using var answer = await town[operation.Service].Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _deadline);
        if (answer.StatusCode == System.Net.HttpStatusCode.Unauthorized)
        {
            Assert.StartsWith("Bearer realm=", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        if (answer.StatusCode == System.Net.HttpStatusCode.Forbidden)
        {
            Assert.EndsWith($"scope=\"{operation.Scope}\"", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }

        if ((int)answer.StatusCode is 400 or 401 or 403)
        {
            using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(_deadline));
            Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
            Assert.DoesNotContain("thk_", problem.RootElement.GetRawText(), StringComparison.Ordinal);
            Assert.True((int)answer.StatusCode != 403 || problem.RootElement.GetProperty("detail").GetString()!.Contains(operation.Scope, StringComparison.Ordinal));
        }

        return (int)answer.StatusCode;
    }

    private static string Concrete(string path)
    {
        while (path.IndexOf('{', StringComparison.Ordinal) is var at and >= 0)
        {
            path = path[..at] + "01890a5d-ac96-774b-bcce-b302099a8057" + path[(path.IndexOf('}', StringComparison.Ordinal) + 1)..];
        }

        return path;
    }

    private sealed record Operation(string Service, string Method, string Path, string Scope);
}

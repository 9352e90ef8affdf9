using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Running;
using Townhall.Testing;

namespace Townhall.AppHost.Tests.Model;

/// <summary>What a service finds in its environment: the names and shapes of real Aspire.</summary>
public sealed class EnvironmentTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly IDistributedApplicationBuilder _builder;
    private readonly string _project;

    public EnvironmentTests()
    {
        _builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions { Args = [], ProjectDirectory = _directory.Path });
        _builder.Configuration["TOWN_DATA"] = _directory["town"];
        _project = _directory["Service.csproj"];
        File.WriteAllText(_project, "<Project />");
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_reference_to_a_service_gives_both_names_of_its_address()
    {
        var worker = _builder.AddProject("agent-worker", _project).WithHttpEndpoint();
        var environment = await ComposeAsync(_builder.AddProject("scaler", _project).WithReference(worker));

        var url = worker.GetEndpoint("http").Url;
        Assert.Matches("^http://127.0.0.1:[0-9]+$", url);
        Assert.Equal(url, environment["services__agent-worker__http__0"]);
        Assert.Equal(url, environment["AGENT_WORKER_HTTP"]);
    }

    [Fact]
    public async Task A_reference_to_a_named_endpoint_gives_that_one_only()
    {
        var scaler = _builder.AddProject("scaler", _project).WithHttpEndpoint().WithHttpEndpoint(name: "metrics");
        var environment = await ComposeAsync(_builder.AddProject("edge", _project).WithReference(scaler.GetEndpoint("metrics")));

        Assert.Equal(scaler.GetEndpoint("metrics").Url, environment["services__scaler__metrics__0"]);
        Assert.Equal(scaler.GetEndpoint("metrics").Url, environment["SCALER_METRICS"]);
        Assert.DoesNotContain("services__scaler__http__0", environment.Keys);
    }

    [Fact]
    public async Task A_reference_to_redis_gives_the_connection_string_and_its_parts()
    {
        var redis = _builder.AddRedis("redis");
        var environment = await ComposeAsync(_builder.AddProject("notifier", _project).WithReference(redis));

        var password = environment["REDIS_PASSWORD"];
        var port = environment["REDIS_PORT"];
        Assert.Equal($"127.0.0.1:{port},password={password}", environment["ConnectionStrings__redis"]);
        Assert.Equal($"redis://:{password}@127.0.0.1:{port}", environment["REDIS_URI"]);
        Assert.Matches("^[A-Za-z0-9]{32}$", password);
    }

    [Fact]
    public async Task A_reference_to_a_database_keeps_its_name_in_the_key_and_encodes_it_in_the_parts()
    {
        var database = _builder.AddPostgres("postgres").AddDatabase("town-db", "town");
        var environment = await ComposeAsync(_builder.AddProject("townhall", _project).WithReference(database));

        var (port, password) = (environment["TOWN_DB_PORT"], environment["TOWN_DB_PASSWORD"]);
        Assert.Equal($"Host=127.0.0.1;Port={port};Username=postgres;Password={password};Database=town", environment["ConnectionStrings__town-db"]);
        Assert.Equal($"postgresql://postgres:{password}@127.0.0.1:{port}/town", environment["TOWN_DB_URI"]);
        Assert.Equal($"jdbc:postgresql://127.0.0.1:{port}/town", environment["TOWN_DB_JDBCCONNECTIONSTRING"]);
        Assert.Equal("town", environment["TOWN_DB_DATABASENAME"]);
        Assert.Equal("postgres", environment["TOWN_DB_USERNAME"]);
    }

    [Fact]
    public async Task A_connection_string_is_put_together_from_endpoint_and_secret()
    {
        var server = _builder.AddPostgres("postgres").Resource;
        var password = _builder.AddParameter("app-password", new GenerateParameterDefault { Special = false }, secret: true, persist: true);
        var town = _builder.AddConnectionString("town", ReferenceExpression.Create(
            $"Host={server.Host};Port={server.Port};Username=town_app;Password={password}"));
        var environment = await ComposeAsync(_builder.AddProject("townhall", _project).WithReference(town).WithEnvironment("APP_PASSWORD", password));

        Assert.Equal(
            $"Host=127.0.0.1;Port={server.PrimaryEndpoint.Port};Username=town_app;Password={environment["APP_PASSWORD"]}",
            environment["ConnectionStrings__town"]);
        Assert.Equal(environment["APP_PASSWORD"], await File.ReadAllTextAsync(_directory["town/secrets/app-password"]));
    }

    [Fact]
    public async Task A_connection_name_replaces_the_resource_name_everywhere()
    {
        var redis = _builder.AddRedis("redis");
        var environment = await ComposeAsync(_builder.AddProject("notifier", _project).WithReference(redis, connectionName: "queue"));

        Assert.Contains("ConnectionStrings__queue", environment.Keys);
        Assert.Contains("QUEUE_HOST", environment.Keys);
        Assert.DoesNotContain("REDIS_HOST", environment.Keys);
    }

    [Fact]
    public async Task A_configured_connection_string_is_passed_on_unchanged()
    {
        _builder.Configuration["ConnectionStrings:redis"] = "cache.example:6380,ssl=true";
        var environment = await ComposeAsync(_builder.AddProject("notifier", _project).WithReference(_builder.AddConnectionString("redis")));

        Assert.Equal("cache.example:6380,ssl=true", environment["ConnectionStrings__redis"]);
    }

    [Fact]
    public async Task A_service_listens_where_it_is_told_and_its_own_endpoints_get_their_variable()
    {
        var service = _builder.AddProject("edge", _project).WithHttpEndpoint().WithHttpEndpoint(name: "admin", env: "ADMIN_PORT");
        var environment = await ComposeAsync(service);

        Assert.Equal(service.GetEndpoint("http").Url, environment["ASPNETCORE_URLS"]);
        Assert.Equal($"{service.GetEndpoint("admin").Port}", environment["ADMIN_PORT"]);
    }

    [Fact]
    public async Task Telemetry_is_named_only_where_somebody_said_where_it_goes()
    {
        var service = _builder.AddProject("edge", _project);
        Assert.DoesNotContain(await ComposeAsync(service), static variable => variable.Key.StartsWith("OTEL_", StringComparison.Ordinal));

        _builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:4317";
        var environment = await ComposeAsync(service);
        Assert.Equal("edge", environment["OTEL_SERVICE_NAME"]);
        Assert.Matches("^service.instance.id=[a-z]{8}$", environment["OTEL_RESOURCE_ATTRIBUTES"]);
    }

    [Fact]
    public async Task A_launch_profile_gives_its_variables_and_its_port()
    {
        Directory.CreateDirectory(_directory["Properties"]);
        await File.WriteAllTextAsync(_directory["Properties/launchSettings.json"], """
            { "profiles": {
                "iis": { "commandName": "IISExpress" },
                // the first that runs the project
                "local": { "commandName": "Project", "applicationUrl": "http://localhost:28999",
                           "environmentVariables": { "FROM_PROFILE": "yes" } } } }
            """);
        var service = _builder.AddProject("edge", _project).WithHttpEndpoint();
        var environment = await ComposeAsync(service);

        Assert.Equal("yes", environment["FROM_PROFILE"]);
        Assert.Equal("local", environment["DOTNET_LAUNCH_PROFILE"]);
        Assert.Equal(28999, service.GetEndpoint("http").Port);
    }

    [Fact]
    public void A_health_check_without_an_http_endpoint_is_refused()
    {
        var service = _builder.AddProject("edge", _project);
        Assert.Contains("WithHttpEndpoint", Assert.Throws<DistributedApplicationException>(() => service.WithHttpHealthCheck("/ready")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("two--dashes")]
    [InlineData("ends-")]
    [InlineData("1st")]
    [InlineData("under_score")]
    [InlineData("")]
    public void Names_that_no_platform_takes_are_refused(string name) =>
        Assert.Throws<ArgumentException>(() => _builder.AddProject(name, _project));

    [Fact]
    public void Two_resources_never_share_a_name()
    {
        _builder.AddProject("edge", _project);
        Assert.Throws<DistributedApplicationException>(() => _builder.AddProject("EDGE", _project));
    }

    private async Task<Dictionary<string, string>> ComposeAsync(IResourceBuilder<ProjectResource> service)
    {
        Aspire.Hosting.Running.Ports.Allocate(_builder.Resources);
        var options = new ProjectResourceOptions();
        return await EnvironmentComposer.ComposeAsync(
            service.Resource, LaunchProfile.Find(_project, options, _builder.Configuration), _builder, Deadline.Usual());
    }
}

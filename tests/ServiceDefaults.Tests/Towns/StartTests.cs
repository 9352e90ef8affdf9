using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Towns;

/// <summary>What every service says before it listens. None of this needs a server.</summary>
public sealed class StartTests
{
    private const int Configuration = 78;
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Theory]
    [InlineData("townhall", "ConnectionStrings__town ", "ConnectionStrings__redis ")]
    [InlineData("notifier", "ConnectionStrings__town ", "ConnectionStrings__redis ")]
    [InlineData(
        "dispatcher", "ConnectionStrings__town ", "ConnectionStrings__town-sequencer ", "ConnectionStrings__redis ", "TOWN_WORKER_KEY_FILE (/nowhere/worker.key)",
        "TOWN_LEDGER_KEY_FILE", "TOWN_CHECKPOINT_SECS")]
    [InlineData("scaler", "ConnectionStrings__town ", "ConnectionStrings__redis ", "TOWN_SCALE_DOWN_QUIET_SECS", "TOWN_ACTUATOR")]
    [InlineData("edge", "services__townhall__http__0", "services__scaler__http__0", "services__notifier__http__0", "TOWN_PROBE_PORT")]
    public async Task A_service_says_all_that_is_wrong_with_its_settings_at_once(string service, params string[] own)
    {
        var settings = Wrong();
        await using var process = await ServiceProcess.BeginAsync($"services/{service}", settings);
        Assert.Equal(Configuration, await process.Process.ExitAsync(_deadline));

        string[] all = ["TOWN_NAME ", "TOWN_REQUEST_TIMEOUT_MS ", "ASPNETCORE_URLS binds http://0.0.0.0:0", .. own];
        var log = await Eventually.Is(() => process.Process.Log, said => all.All(one => said.Contains(one, StringComparison.Ordinal)), _deadline, string.Join(", ", all));
        Assert.DoesNotContain("   at ", log, StringComparison.Ordinal);
        // Not even a connection string that is none may show what it holds.
        Assert.DoesNotContain("hunter2", log, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Wrong() => new(StringComparer.Ordinal)
    {
        ["TOWN_NAME"] = "No Town",
        ["TOWN_REQUEST_TIMEOUT_MS"] = "0",
        ["ASPNETCORE_URLS"] = "http://0.0.0.0:0",
        ["ConnectionStrings__town"] = "Password=hunter2;Hosst=127.0.0.1",
        ["TOWN_WORKER_KEY_FILE"] = "/nowhere/worker.key",
        ["TOWN_LEDGER_KEY_FILE"] = "/proc/nowhere/ledger.key",
        ["TOWN_CHECKPOINT_SECS"] = "0",
        ["TOWN_SCALE_DOWN_QUIET_SECS"] = "-1",
        ["TOWN_ACTUATOR"] = "rocket",
        ["TOWN_PROBE_PORT"] = "none",
    };
}

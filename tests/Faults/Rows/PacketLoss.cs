using System.Globalization;
using Townhall.Testing;

namespace Townhall.Faults.Rows;

/// <summary>Packets that the kernel loses, 5 to 40 of a hundred, on their way to Postgres and Redis.</summary>
/// <remarks>
/// The rule stands in a network namespace of its own, in which a second run of this program lives with all its servers: it
/// touches nobody else, and it is gone with them. Needs root, <c>unshare</c>, <c>ip</c> and <c>nft</c>.
/// </remarks>
internal static class PacketLoss
{
    private const string Inside = "TOWNHALL_FAULTS_NAMESPACE";

    public static async Task RunAsync(FaultRun run, CancellationToken deadline)
    {
        if (Environment.GetEnvironmentVariable(Inside) is not null)
        {
            await LoseAsync(run, deadline);
            return;
        }

        var self = Path.Combine(AppContext.BaseDirectory, "Townhall.Faults.dll");
        var script = "ip link set lo up && exec \"$0\" \"$1\" row 34 --seed \"$2\"";
        await using var inside = await KeptProcess.StartAsync(
            "faults", Programs.Find("unshare", "util-linux"),
            ["--net", "--", "/bin/sh", "-c", script, Programs.Dotnet(), self, run.Seed.ToString(CultureInfo.InvariantCulture)],
            new Dictionary<string, string> { [Inside] = "1" });
        var code = await inside.ExitAsync(deadline);
        run.Happened(inside.Log.Contains("packets were lost", StringComparison.Ordinal), "packets were lost in a network of its own");
        run.Require(code == 0, inside.Log);
        run.See(inside.Log.Split('\n')[0]);
    }

    private static Task LoseAsync(FaultRun run, CancellationToken deadline)
    {
        var share = new[] { 5, 10, 20, 40 }[run.Seed / 5 % 4];
        return Scenario.InTownAsync(run, new(Workers: 2), deadline, async town =>
        {
            var agents = await town.AgentsAsync(4, deadline);
            var load = Load.Start(town, run, agents, clients: 4, TimeSpan.FromMilliseconds(150), deadline);
            await using (load)
            {
                await NftAsync($$"""
                    add table inet faults
                    add chain inet faults lost { type filter hook input priority 0; }
                    add rule inet faults lost tcp dport { {{town.Postgres.Port}}, {{town.Redis.Port}} } numgen random mod 100 < {{share}} counter drop
                    """, deadline);
                using (run.History.FaultWindow(TimeSpan.FromSeconds(8)))
                {
                    await Scenario.LastAsync(15, deadline);
                }

                var counted = await NftAsync("list table inet faults", deadline);
                await NftAsync("delete table inet faults", deadline);
                var lost = counted.Split("packets ")[^1].Split(' ')[0];
                run.Happened(int.Parse(lost, CultureInfo.InvariantCulture) > 10, $"{lost} packets were lost, {share} of a hundred");
                await Scenario.RecoveredAsync(town, run, deadline);
                await load.StopAsync();
            }

            var calls = run.History.Calls.Where(static call => call.Ending != Ending.Open).ToList();
            var slowest = calls.Max(static call => call.Ended - call.Invoked);
            run.See($"{run.Evidence[^1]}: {calls.Count} calls, {calls.Count(static call => call.Status == 503)} times 503, slowest {slowest:0.0} s");
            run.Require(calls.TrueForAll(static call => call.Status is 201 or 503), "answers other than 201 and 503");
            run.Require(slowest < 6, $"a call took {slowest:0.0} s");
        }, stuckSecs: 60);
    }

    private static async Task<string> NftAsync(string rules, CancellationToken deadline)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, rules + "\n", deadline);
            await using var nft = await KeptProcess.StartAsync("nft", Programs.Find("nft", "nftables"), ["-f", file], new Dictionary<string, string>());
            return await nft.ExitAsync(deadline) == 0 ? nft.Log : throw new MissingProgramException($"No packets could be lost: {nft.Log}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}

using System.Globalization;
using Townhall.Testing;

namespace Townhall.Town.Tests;

/// <summary>However a town ends, nothing of it stays behind, and its next start goes on where it stopped.</summary>
public sealed class EndTests
{
    [Theory]
    [InlineData(Signals.Kill)]
    [InlineData(Signals.Terminate)]
    public async Task Nothing_is_left_running_and_the_next_start_finishes_the_work(int signal)
    {
        var deadline = Deadline.Of(TimeSpan.FromMinutes(2));
        var town = new RunningTown();
        var mark = string.Create(CultureInfo.InvariantCulture, $"600.{Random.Shared.Next(1_000_000, 10_000_000)}");
        await town.InitializeAsync();
        try
        {
            await town.Client.SpawnAsync("sleeper", "sh", deadline);
            var task = await town.Client.AssignAsync("sleeper", $"if [ $TOWNHALL_ATTEMPT = 1 ]; then sleep {mark}; fi; echo done", deadline);
            await Eventually.Is("running", async () => (await town.Client.TaskAsync(task, deadline)).GetProperty("state").GetString(), deadline);
            await Eventually.Is(true, () => Task.FromResult(RunningTown.Matching(mark).Count > 0), deadline);

            town.Host.Signal(signal);
            await town.Host.ExitAsync(deadline);
            await Eventually.Is(
                "", () => Task.FromResult(string.Join('\n', town.Processes().Concat(RunningTown.Matching(mark)).Select(static one => one.Command))), deadline);

            await town.StartAsync(deadline);
            await Eventually.Is("completed", async () => (await town.Client.TaskAsync(task, deadline)).GetProperty("state").GetString(), deadline);
        }
        finally
        {
            await town.DisposeAsync();
        }
    }
}

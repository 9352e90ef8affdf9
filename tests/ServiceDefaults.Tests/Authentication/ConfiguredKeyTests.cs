using Townhall.Secrets;
using Townhall.ServiceDefaults.Authentication;
using Townhall.Testing;

namespace Townhall.ServiceDefaults.Tests.Authentication;

public sealed class ConfiguredKeyTests
{
    private readonly CancellationToken _deadline = Deadline.Of(TimeSpan.FromSeconds(60));

    [Fact]
    public async Task A_flood_of_wrong_keys_is_judged_in_bounded_number_and_the_right_one_still_gets_in()
    {
        using var key = new ConfiguredKey(Argon2.Hash("right"));

        var flood = await Task.WhenAll(Enumerable.Range(0, 500).Select(number => key.JudgeAsync($"wrong-{number}", $"10.0.0.{number % 250}", _deadline).AsTask()));
        Assert.InRange(flood.Count(static verdict => verdict == ConfiguredVerdict.Wrong), 1, 32);
        Assert.DoesNotContain(ConfiguredVerdict.Right, flood);

        Assert.Equal(ConfiguredVerdict.Right, await key.JudgeAsync("right", "10.0.0.1", _deadline));
        Assert.All(
            await Task.WhenAll(Enumerable.Range(0, 500).Select(number => key.JudgeAsync($"other-{number}", "10.0.0.1", _deadline).AsTask())),
            static verdict => Assert.Equal(ConfiguredVerdict.Wrong, verdict));
    }

    [Fact]
    public async Task One_source_does_not_take_all_places()
    {
        using var key = new ConfiguredKey(Argon2.Hash("right"));

        var flood = Enumerable.Range(0, 100).Select(number => key.JudgeAsync($"wrong-{number}", "10.0.0.1", _deadline).AsTask()).ToArray();
        var other = key.JudgeAsync("right", "10.0.0.2", _deadline).AsTask();

        Assert.Equal(ConfiguredVerdict.Right, await other);
        Assert.InRange((await Task.WhenAll(flood)).Count(static verdict => verdict == ConfiguredVerdict.Busy), 90, 100);
    }

    [Fact]
    public async Task Many_callers_with_the_same_key_are_judged_together()
    {
        using var key = new ConfiguredKey(Argon2.Hash("right"));

        var verdicts = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => key.JudgeAsync("right", "10.0.0.1", _deadline).AsTask()));

        Assert.All(verdicts, static verdict => Assert.Equal(ConfiguredVerdict.Right, verdict));
    }
}

using Xunit.Abstractions;

namespace Townhall.Simulation;

/// <summary>The checks see: each mistake that is planted is found, by the promise it breaks.</summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    private const int SeedsMost = 300;

    [Theory]
    [InlineData(nameof(Mutation.SettleWithoutEpoch), "[6]")]
    [InlineData(nameof(Mutation.DrainWithoutRecheck), "[30]")]
    [InlineData(nameof(Mutation.ClaimForAnyWorker), "[30]")]
    [InlineData(nameof(Mutation.ClaimBeyondLimit), "[17]")]
    [InlineData(nameof(Mutation.ClaimKeepsEpoch), "[7]")]
    [InlineData(nameof(Mutation.ExpireEarly), "[8]")]
    [InlineData(nameof(Mutation.PromoteEarly), "[15]")]
    [InlineData(nameof(Mutation.ClaimPastDeadline), "[15]")]
    [InlineData(nameof(Mutation.CancelForgotten), "[16]")]
    [InlineData(nameof(Mutation.CrashesForgotten), "[13]")]
    [InlineData(nameof(Mutation.SlotForgotten), "[23]")]
    [InlineData(nameof(Mutation.EntryForgotten), "[23]")]
    [InlineData(nameof(Mutation.SweepForgotten), "[29]")]
    [InlineData(nameof(Mutation.ScalerEdgeTriggered), "[29]")]
    [InlineData(nameof(Mutation.UnknownIsZero), "[31]")]
    public void A_planted_mistake_is_found(string mutation, string promise)
    {
        var planted = Enum.Parse<Mutation>(mutation);
        for (var seed = 1; seed <= SeedsMost; seed++)
        {
            // Half of the runs as they are, half of them with work that comes just when somebody leaves.
            if (Simulation.Run(new(seed, Mutation: planted, Cycles: seed % 2 == 0)) is { Violation: { } violation })
            {
                output.WriteLine($"seed {seed}: {violation}");
                Assert.Contains(promise, violation, StringComparison.Ordinal);
                return;
            }
        }

        Assert.Fail($"{SeedsMost} seeds did not find {mutation}.");
    }
}

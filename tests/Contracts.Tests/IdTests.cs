using Townhall.Contracts.Ids;

namespace Townhall.Contracts.Tests;

public sealed class IdTests
{
    [Fact]
    public void Ids_made_one_after_the_other_sort_in_that_order_and_are_version_7()
    {
        var ids = Enumerable.Range(0, 50_000).Select(static _ => TaskId.New().Value).ToArray();
        Assert.Equal(ids, ids.Order());
        Assert.All(ids, static id => Assert.Equal((7, 8), (id.Version, id.Variant & 0xC)));
    }

    [Fact]
    public async Task Ids_made_at_once_are_all_different()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 4).Select(static _ =>
            Task.Run(static () => Enumerable.Range(0, 20_000).Select(static _ => TaskId.New()).ToArray())));
        Assert.Equal(80_000, ids.SelectMany(static some => some).Distinct().Count());
    }
}

using Townhall.Cli.Screens;

namespace Townhall.Cli.Recovery;

/// <summary>
/// One answer of a change that a town does in bounded calls: asked again until the town says that there is no more. Ctrl-C ends it between two
/// calls or in one; what was changed stays changed, and the same command goes on.
/// </summary>
internal static class WholeAnswer
{
    /// <param name="thing">What is counted, for the line that shows how far it is.</param>
    /// <param name="told">How many things one call changed, and whether another would change more.</param>
    /// <param name="join">What came before and a further part as one.</param>
    public static async Task<T> AskAsync<T>(
        Screen screen, string thing, Func<Task<T>> call, Func<T, (int Changed, bool More)> told, Func<T, T, T> join)
        where T : class
    {
        T? all = null;
        await BusyLine.WhileAsync(screen, () => all is null ? "the town is asked" : $"{Looks.Counted(told(all).Changed, thing)} so far", async () =>
        {
            while (true)
            {
                var part = await call();
                all = all is null ? part : join(all, part);

                // A call that changed nothing would change nothing the next time either.
                if (told(part) is not { More: true, Changed: > 0 })
                {
                    return;
                }
            }
        });
        return all!;
    }

    /// <summary>Behind a count that is not all.</summary>
    /// <param name="onlyLooked">Nothing was changed.</param>
    public static string Rest(bool more, bool onlyLooked) => !more ? "" : onlyLooked ? "; there are more" : "; there are more: call again";
}

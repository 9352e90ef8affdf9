using Spectre.Console;

namespace Townhall.Cli.Screens;

/// <summary>Shows how far long work is: a bar that fills on a terminal, nothing elsewhere.</summary>
internal static class WorkBar
{
    /// <param name="what">What is done, in a few words.</param>
    /// <param name="total">Where the bar is full.</param>
    /// <param name="work">Calls its argument with how much is done, whenever that is more.</param>
    public static async Task<T> WhileAsync<T>(Screen screen, string what, long total, Func<Action<long>, Task<T>> work)
    {
        if (!screen.ProgressIsLive)
        {
            return await work(static _ => { });
        }

        return await screen.Notices.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
            .StartAsync(async view =>
            {
                var bar = view.AddTask(Markup.Escape(what), maxValue: Math.Max(1, total));
                return await work(done => bar.Value = done);
            });
    }
}

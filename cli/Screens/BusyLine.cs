using Spectre.Console;

namespace Townhall.Cli.Screens;

/// <summary>Shows that something is waited for, and for what: one line that moves on a terminal, nothing elsewhere.</summary>
internal static class BusyLine
{
    private static readonly TimeSpan Frame = TimeSpan.FromMilliseconds(120);

    /// <param name="says">What is waited for, asked again at every frame.</param>
    public static async Task WhileAsync(Screen screen, Func<string> says, Func<Task> work)
    {
        if (!screen.ProgressIsLive)
        {
            await work();
            return;
        }

        await screen.Notices.Status().Spinner(Spectre.Console.Spinner.Known.Dots).StartAsync(Line(screen, says), async status =>
        {
            var done = work();
            using var frame = new PeriodicTimer(Frame, screen.Clock);
            while (await Task.WhenAny(done, frame.WaitForNextTickAsync(CancellationToken.None).AsTask()) != done)
            {
                status.Status = Line(screen, says);
            }

            await done;
        });
    }

    private static string Line(Screen screen, Func<string> says) => Markup.Escape(Printable.Cut(says(), Math.Max(10, screen.Size.Columns - 4)));
}

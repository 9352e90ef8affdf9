using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Fleets;

/// <summary>Shows a fleet at work: redrawn in place on a terminal, one line per change elsewhere.</summary>
internal sealed class FleetProgress(Screen screen, FleetPlan plan, IReadOnlyList<FleetTaskRun> runs, TimeProvider clock)
{
    private const string Busy = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
    private const int BarColumns = 30;

    /// <summary>Lines around the tasks: heading, bar, and the prompt below.</summary>
    private const int OtherRows = 6;

    private readonly long _began = clock.GetTimestamp();
    private string? _notice;
    private int _frame;

    public void Begin(int made)
    {
        var agents = made == plan.Agents.Count ? Looks.Counted(made, "new agent") : made == 0 ? Looks.Counted(plan.Agents.Count, "known agent") : $"{plan.Agents.Count} agents, {made} new";
        screen.Notices.MarkupLine($"[bold]{Looks.Text(plan.Name)}[/] on {Looks.Text(plan.Repo)}: {agents}, {Looks.Counted(runs.Count, "task")} handed over");
    }

    /// <summary>Something a watcher should know; kept in view while the tasks are redrawn.</summary>
    public void Notice(string text)
    {
        _notice = text;
        if (!screen.ProgressIsLive)
        {
            screen.Notice(text);
        }
    }

    public void Changed(IReadOnlyList<FleetTaskRun> changed)
    {
        if (screen.ProgressIsLive)
        {
            return;
        }

        foreach (var run in changed)
        {
            var took = run.Seen?.WallMs is { } wall ? $"  {Looks.Seconds(wall)}" : "";
            screen.Notice($"{Looks.Span(clock.GetElapsedTime(_began))}  {run.State,-10} {run.Plan.Title}{took}");
        }
    }

    /// <summary>Does <paramref name="work"/>, which calls its argument whenever there is something new to see.</summary>
    public async Task<bool> WhileAsync(FleetWatch watch, Func<Action, Task<bool>> work)
    {
        if (!screen.ProgressIsLive)
        {
            return await work(static () => { });
        }

        var ended = false;
        await screen.Notices.Live(Draw(watch)).Overflow(VerticalOverflow.Ellipsis).StartAsync(async live =>
            ended = await work(() => live.UpdateTarget(Draw(watch))));
        return ended;
    }

    private Rows Draw(FleetWatch watch)
    {
        var busy = Busy[_frame++ % Busy.Length].ToString();
        var (columns, rows) = screen.Size;
        var room = Math.Max(3, rows - OtherRows);
        var shown = runs.Count <= room ? runs : [.. runs.OrderBy(Rank).Take(room)];
        var title = Math.Min(shown.Max(static run => run.Plan.Title.Length), Math.Max(12, columns / 3));

        // The other columns take 24; what is left is for what the task says.
        var line = Math.Max(0, columns - title - 28);
        var grid = new Grid { Expand = true };
        grid.AddColumn(new GridColumn().NoWrap().PadLeft(1).PadRight(1));
        grid.AddColumn(new GridColumn().NoWrap().PadRight(2).Width(title));
        grid.AddColumn(new GridColumn().NoWrap().PadRight(2).Width(9));
        grid.AddColumn(new GridColumn().NoWrap().PadRight(2).RightAligned().Width(7));
        grid.AddColumn(new GridColumn().NoWrap());
        foreach (var run in shown)
        {
            grid.AddRow(
                Looks.Sign(run.State, busy), Markup.Escape(Printable.Cut(run.Plan.Title, title)), Looks.State(run.State),
                $"[grey]{Took(run)}[/]", $"[grey]{Markup.Escape(Printable.Cut(Says(run), line))}[/]");
        }

        List<IRenderable> parts = [grid];
        if (shown.Count < runs.Count)
        {
            parts.Add(new Markup($" [grey]… and {runs.Count - shown.Count} more[/]"));
        }

        parts.Add(new Markup(Bar(watch)));
        if (_notice is { } notice)
        {
            parts.Add(new Markup($" [yellow]{Markup.Escape(Printable.Cut(notice, Math.Max(20, columns - 2)))}[/]"));
        }

        return new Rows(parts);
    }

    private string Bar(FleetWatch watch)
    {
        var ended = runs.Count(static run => FleetWatch.Ended(run.State));
        var bad = runs.Count(static run => FleetWatch.Ended(run.State) && run.State != "completed");
        var full = BarColumns * ended / runs.Count;
        var workers = watch.Workers is not { } seen ? "workers unknown"
            : seen.Active == 0 && seen.Recommended > 0 ? "a worker is being started"
            : string.Create(CultureInfo.InvariantCulture, $"{seen.Active} of {seen.Recommended} workers");
        return $" [{(bad > 0 ? "yellow" : "green")}]{new string('━', full)}[/][grey]{new string('╌', BarColumns - full)}[/]"
            + $"  {ended}/{runs.Count}  [grey]{Looks.Span(clock.GetElapsedTime(_began))}{(ended == runs.Count ? "" : $"  {workers}")}[/]";
    }

    private string Took(FleetTaskRun run) => run switch
    {
        { Seen.WallMs: { } wall } => Looks.Seconds(wall),
        { RunningSince: { } since } => Looks.Seconds(clock.GetElapsedTime(since).TotalMilliseconds),
        _ => "",
    };

    private static string Says(FleetTaskRun run) =>
        FleetWatch.Ended(run.State) ? run.Seen?.FailureDetail ?? "" : run.State == "running" ? run.LastLine : "";

    /// <summary>Where there is no room for all: what runs, then what failed, then what waits.</summary>
    private static int Rank(FleetTaskRun run) => run.State switch
    {
        "running" => 0,
        "waiting" => 1,
        "completed" => 4,
        _ => FleetWatch.Ended(run.State) ? 2 : 3,
    };
}

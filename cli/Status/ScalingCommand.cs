using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Cli.Town;

namespace Townhall.Cli.Status;

/// <summary><c>tt scaling</c>: how many workers the town needs now, and why.</summary>
internal static class ScalingCommand
{
    public static Command Create(GlobalOptions globals) =>
        globals.Command("scaling", "How many workers the town needs now, and why", [], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var reading = await invocation.Town.ScalingAsync(cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(reading, TownJson.Readable.ScalingReading);
            return ExitCodes.Ok;
        }

        var facts = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(3)).AddColumn();
        void Say(string what, string value) => facts.AddRow($"[grey]{what}[/]", value);
        Say("recommended workers", $"[bold]{reading.RecommendedWorkers}[/] ({Looks.Text(reading.ScalingRecommendation)})");
        Say("workers", $"{reading.Workers.Active} active, {reading.Workers.Draining} draining");
        Say("tasks", $"{Looks.Number(reading.StartableTasks)} can start, {Looks.Number(reading.InFlightTasks)} run, {Looks.Number(reading.PendingTasks)} wait without an agent");
        Say("agents", $"{reading.ActiveAgents} active, {reading.ColdAgents} cold, {reading.DesiredAgents} wanted, at most {reading.MaxAgents}");
        Say("oldest waits", reading.OldestWaitingSecs is { } waits ? Looks.Seconds(waits * 1000) : "–");
        Say("measured", $"{reading.AgeMs.ToString(CultureInfo.InvariantCulture)} ms ago");
        foreach (var reason in reading.Reasons)
        {
            Say("because", Looks.Text(reason));
        }

        invocation.Screen.Answers.Write(facts);
        return ExitCodes.Ok;
    }
}

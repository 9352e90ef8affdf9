using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Status;

/// <summary><c>tt scaling</c>: how many workers the town needs now, and why.</summary>
internal static class ScalingCommand
{
    public static Command Create(GlobalOptions globals) => globals.Answer(
        "scaling", "How many workers the town needs now, and why", ["tt scaling", "tt scaling --json | jq .recommended_workers"], [],
        static (invocation, cancellationToken) => invocation.Town.ScalingAsync(cancellationToken), Show);

    private static void Show(Invocation invocation, ScalingReading reading)
    {
        var facts = Looks.Facts();
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
    }
}

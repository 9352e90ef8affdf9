using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt steer</c>: words for a running or coming attempt, and which of them were delivered.</summary>
internal static class SteerCommand
{
    private static readonly Argument<string> Id = Words.TaskArgument();
    private static readonly Argument<string> Text = new("TEXT") { Description = "What to say; - reads it from standard input" };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "steer", "Say something to a running or coming attempt", ["tt steer 01a20246-c08a-7000-be88-fcb50b9c6ef2 'leave the tests alone'"], [Id, Text],
        static async (invocation, cancellationToken) => await invocation.Town.SteerAsync(
            invocation.Value(Id),
            await StandardText.ReadAsync(invocation, invocation.Value(Text), "text", TaskLimits.SteeringBytes, cancellationToken), cancellationToken),
        static (invocation, noted) => invocation.Screen.Answers.MarkupLine(Looks.Done(
            $"noted for {noted.TaskId} [grey]({Looks.State(noted.State)}, attempt {noted.Attempt})[/]")));

    public static Command List(GlobalOptions globals) => globals.Answer(
        "steering", "What was said about a task, and what of it was delivered", ["tt steering 01a20246-c08a-7000-be88-fcb50b9c6ef2"], [Id],
        static (invocation, cancellationToken) => invocation.Town.SteeringAsync(invocation.Value(Id), cancellationToken),
        static (invocation, notes) =>
        {
            if (notes.Steering.Length == 0)
            {
                invocation.Screen.Answers.MarkupLine("[grey]Nothing was said, or the task has ended: then the ledger has it.[/]");
                return;
            }

            var table = Looks.Table("said", "by", "delivered", "text");
            foreach (var note in notes.Steering)
            {
                table.AddRow(
                    Looks.Instant(note.CreatedAt), Looks.Text(note.CreatedBy),
                    note.DeliveredAt is null ? "[yellow]not yet[/]" : $"{Looks.Instant(note.DeliveredAt)} [grey](attempt {note.DeliveredAttempt})[/]",
                    Markup.Escape(Printable.Cut(note.Text, 80)));
            }

            invocation.Screen.Answers.Write(table);
        });
}

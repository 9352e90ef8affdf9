using System.CommandLine;
using System.Text;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Town;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary><c>tt assign</c>: gives an agent work. When it returns, the work is kept.</summary>
internal static class AssignCommand
{
    private static readonly Argument<string> Agent = new("AGENT") { Description = "Its name or id" };

    private static readonly Argument<string> Text = new("TASK") { Description = "The task in words, or the script; - reads it from standard input" };

    public static Command Create(GlobalOptions globals) => globals.Command("assign", "Give an agent a task", [Agent, Text], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var text = invocation.Value(Text);
        if (text == "-")
        {
            text = await ReadAsync(invocation.World.In, cancellationToken);
        }

        var assigned = await invocation.Town.AssignAsync(new NewAssignment(invocation.Value(Agent), text), cancellationToken);
        if (invocation.Json)
        {
            invocation.Screen.Json(assigned, TownJson.Readable.AssignedTask);
        }
        else if (invocation.Screen.OutIsTerminal)
        {
            invocation.Screen.Answers.MarkupLine($"[green]✓[/] {assigned.TaskId}  [grey]follow it: tt output {assigned.TaskId} -f[/]");
        }
        else
        {
            // For $(tt assign …): the id and nothing else.
            invocation.Screen.Line(assigned.TaskId.ToString());
        }

        return ExitCodes.Ok;
    }

    /// <summary>At most what a town takes: more would only be read to be refused.</summary>
    private static async Task<string> ReadAsync(TextReader input, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        var buffer = new char[16 * 1024];
        try
        {
            while (await input.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                text.Append(buffer, 0, read);
                if (text.Length > TaskLimits.DescriptionBytes)
                {
                    throw CommandFailure.Usage($"The task on standard input is longer than {TaskLimits.DescriptionBytes} bytes.");
                }
            }
        }
        catch (DecoderFallbackException)
        {
            throw CommandFailure.Usage("The task on standard input is not UTF-8 text.");
        }

        return text.ToString();
    }
}

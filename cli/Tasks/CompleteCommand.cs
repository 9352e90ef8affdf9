using System.CommandLine;
using System.Text;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Tasks;

/// <summary>What was left for the worker to hand in.</summary>
internal sealed record NotedResult(Guid TaskId, string ResultFile, long ResultBytes);

/// <summary>
/// <c>tt task complete</c>, for the commands of agents: leaves the result where their worker finds it. A task completes when its
/// command ends with 0; nobody else can end it well, because nobody else holds its lease.
/// </summary>
internal static class CompleteCommand
{
    private const string TaskVariable = "TOWNHALL_TASK_ID";
    private const string FileVariable = "TOWNHALL_RESULT_FILE";

    private static readonly Argument<Guid> Id = new(Words.Task) { Description = "The task that this command works on" };

    private static readonly Option<string?> Result = new("--result", "-r")
    {
        Description = "What came out of it; - reads it from standard input (default: nothing but that it is done)",
        HelpName = "TEXT",
    };

    public static Command Create(GlobalOptions globals) => globals.Answer(
        "complete", "Inside an agent's command: leave the task's result",
        ["tt task complete \"$TOWNHALL_TASK_ID\" --result 'all tests pass'"], [Id, Result], AskAsync,
        static (invocation, noted) => invocation.Screen.Answers.MarkupLine(Looks.Done(
            $"{noted.TaskId}: noted, {Looks.Number(noted.ResultBytes)} bytes; the task completes when this command ends with 0")));

    private static async Task<NotedResult> AskAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var id = invocation.Value(Id);
        var file = invocation.World.Environment(FileVariable);
        if (string.IsNullOrEmpty(file) || !Guid.TryParse(invocation.World.Environment(TaskVariable), out var own))
        {
            throw new CommandFailure(
                ExitCodes.Conflict, "not_running_here",
                "Only the command that runs a task can complete it, because only its worker holds the lease. Withdraw it with tt cancel, do it again with tt retry.");
        }

        if (own != id)
        {
            throw new CommandFailure(ExitCodes.Conflict, "not_running_here", $"This command works on task {own}, not on {id}.");
        }

        var text = await StandardText.ReadAsync(
            invocation, invocation.Value(Result) ?? "", "result", 64 * TaskLimits.DescriptionBytes, cancellationToken);
        await File.WriteAllTextAsync(file, text, new UTF8Encoding(false), cancellationToken);
        return new NotedResult(id, file, Encoding.UTF8.GetByteCount(text));
    }
}

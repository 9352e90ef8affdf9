using System.CommandLine;
using System.Text;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Tasks;

/// <summary>Text that a task printed, as <c>--json</c> shows it; with <c>-f</c> one line per piece.</summary>
/// <param name="Offset">Bytes of this attempt before the text.</param>
internal sealed record OutputText(Guid TaskId, int Attempt, long Offset, string Text);

/// <summary><c>tt output</c>: what a task printed. It only reads: leaving it never touches the work.</summary>
internal static class OutputCommand
{
    private static readonly Argument<string> Id = Words.TaskArgument();

    private static readonly Option<bool> Follow = new("--follow", "-f")
    {
        Description = "Go on until the task has ended; Ctrl-C stops looking, never the work",
    };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "output", "What a task printed", ["tt output 01a20246-c08a-7000-be88-fcb50b9c6ef2 -f"], [Id, Follow], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var task = await invocation.Town.TaskAsync(invocation.Value(Id), cancellationToken);
        var screen = invocation.Screen;
        var decoders = new Dictionary<int, Decoder>();
        var shown = 0;
        await foreach (var piece in invocation.Town.FollowOutputAsync(
            task, invocation.Value(Follow), invocation.Screen.Notice, cancellationToken))
        {
            if (piece.Attempt != shown && shown != 0)
            {
                screen.Notice($"--- attempt {piece.Attempt} ---");
            }

            shown = piece.Attempt;
            if (!invocation.Json && !screen.OutIsTerminal)
            {
                await screen.WriteAsync(piece.Bytes, cancellationToken);
                continue;
            }

            // A character may be cut in two by the way pieces arrive; the decoder keeps its first half.
            if (!decoders.TryGetValue(piece.Attempt, out var decoder))
            {
                decoders.Add(piece.Attempt, decoder = Encoding.UTF8.GetDecoder());
            }

            var text = Decode(decoder, piece.Bytes.Span);
            if (invocation.Json)
            {
                screen.Json(new OutputText(task.TaskId, piece.Attempt, piece.Offset, text));
            }
            else
            {
                screen.Write(Printable.Text(text));
            }
        }

        if (shown == 0 && !invocation.Json)
        {
            screen.Notice($"Nothing was printed yet; the task is {task.State}.");
        }

        return ExitCodes.Ok;
    }

    private static string Decode(Decoder decoder, ReadOnlySpan<byte> bytes)
    {
        var text = new char[decoder.GetCharCount(bytes, flush: false)];
        return new string(text, 0, decoder.GetChars(bytes, text, flush: false));
    }
}

using System.Text;
using Townhall.Cli.Invoking;

namespace Townhall.Cli.Tasks;

/// <summary>A text that is typed, or read from standard input where a dash stands for it.</summary>
internal static class StandardText
{
    /// <summary>At most what a town takes: more would only be read to be refused.</summary>
    /// <param name="what">What it is, for the failure's words.</param>
    public static async Task<string> ReadAsync(Invocation invocation, string typed, string what, int most, CancellationToken cancellationToken)
    {
        if (typed != "-")
        {
            return typed;
        }

        var text = new StringBuilder();
        var buffer = new char[16 * 1024];
        try
        {
            while (await invocation.World.In.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                text.Append(buffer, 0, read);
                if (text.Length > most)
                {
                    throw CommandFailure.Usage($"The {what} on standard input is longer than {most} bytes.");
                }
            }
        }
        catch (DecoderFallbackException)
        {
            throw CommandFailure.Usage($"The {what} on standard input is not UTF-8 text.");
        }

        return text.ToString();
    }
}

using System.Text;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Splits a command line into an argument vector, and does nothing else: no variables, no globs, no operators, no shell.</summary>
/// <remarks>
/// The rules are the quoting rules of POSIX (XCU 2.2) alone. Arguments are separated by spaces, tabs and newlines. A backslash
/// takes the next character as it is, a backslash before a newline takes both away. Between single quotes everything is itself.
/// Between double quotes a backslash is special before <c>$ ` " \</c> and newline only. Quotes may begin and end inside an
/// argument, and a pair of them with nothing inside is an empty argument. All other characters, <c># $ * ; | &amp; ~</c> among them,
/// are themselves.
/// </remarks>
internal static class CommandLine
{
    /// <summary>Splits, or says why not.</summary>
    /// <returns>The vector, which has at least one element; or null and the mistake.</returns>
    public static (string[]? Arguments, string? Mistake) Split(string line)
    {
        List<string> arguments = [];
        var argument = new StringBuilder();
        var open = false;      // inside an argument, which may still be empty
        for (var i = 0; i < line.Length; i++)
        {
            switch (line[i])
            {
                case '\0':
                    return (null, "It contains a NUL character.");
                case ' ' or '\t' or '\n' or '\r':
                    if (open)
                    {
                        arguments.Add(argument.ToString());
                        argument.Clear();
                        open = false;
                    }

                    break;
                case '\\' when i + 1 == line.Length:
                    return (null, "It ends with a backslash that has nothing to protect.");
                case '\\' when line[i + 1] == '\n':
                    i++;
                    break;
                case '\\':
                    open = true;
                    argument.Append(line[++i]);
                    break;
                case '\'':
                    open = true;
                    var end = line.IndexOf('\'', i + 1);
                    if (end < 0)
                    {
                        return (null, "A single quote is never closed.");
                    }

                    argument.Append(line, i + 1, end - i - 1);
                    i = end;
                    break;
                case '"':
                    open = true;
                    i = AppendDoubleQuoted(line, i + 1, argument);
                    if (i < 0)
                    {
                        return (null, "A double quote is never closed.");
                    }

                    break;
                default:
                    open = true;
                    argument.Append(line[i]);
                    break;
            }
        }

        if (open)
        {
            arguments.Add(argument.ToString());
        }

        return arguments switch
        {
            [] => (null, "It names no program."),
            ["", ..] => (null, "The program's name is empty."),
            _ when arguments.Exists(static item => item.Contains('\0', StringComparison.Ordinal)) => (null, "It contains a NUL character."),
            _ => ([.. arguments], null),
        };
    }

    /// <returns>Where the closing quote stands, or -1.</returns>
    private static int AppendDoubleQuoted(string line, int start, StringBuilder argument)
    {
        for (var i = start; i < line.Length; i++)
        {
            switch (line[i])
            {
                case '"':
                    return i;
                case '\\' when i + 1 < line.Length && line[i + 1] == '\n':
                    i++;
                    break;
                case '\\' when i + 1 < line.Length && line[i + 1] is '$' or '`' or '"' or '\\':
                    argument.Append(line[++i]);
                    break;
                default:
                    argument.Append(line[i]);
                    break;
            }
        }

        return -1;
    }
}

namespace Townhall.Worker.Runtimes.Command;

/// <summary>Puts the task into an argument vector. What is put in stays inside its argument: nothing is split again.</summary>
internal static class Placeholders
{
    private const string Prompt = "{prompt}";
    private const string PromptFile = "{prompt_file}";

    /// <summary>Fills every argument but the first, which names the program.</summary>
    public static string[] Fill(IReadOnlyList<string> line, string prompt, string promptFile) =>
        [line[0], .. line.Skip(1).Select(argument => Fill(argument, prompt, promptFile))];

    // One pass from the left: a task that talks about "{prompt_file}" must not have it filled in its own text.
    private static string Fill(string argument, string prompt, string promptFile)
    {
        if (!argument.Contains('{', StringComparison.Ordinal))
        {
            return argument;
        }

        var filled = new System.Text.StringBuilder();
        for (var i = 0; i < argument.Length;)
        {
            var rest = argument.AsSpan(i);
            if (rest.StartsWith(PromptFile))
            {
                filled.Append(promptFile);
                i += PromptFile.Length;
            }
            else if (rest.StartsWith(Prompt))
            {
                filled.Append(prompt.Replace('\0', '\ufffd'));
                i += Prompt.Length;
            }
            else
            {
                filled.Append(argument[i++]);
            }
        }

        return filled.ToString();
    }
}

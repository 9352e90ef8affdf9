using System.Globalization;
using System.Runtime.InteropServices;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Warden;

/// <summary>The second process: remembers the trees it is told of and, when its input ends, ends those that are left.</summary>
internal static class WardenProgram
{
    public static int Run(TextReader input)
    {
        // A Ctrl-C in the terminal goes to everybody; this process ends last.
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, static context => context.Cancel = true);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, static context => context.Cancel = true);

        Dictionary<(string, string), int> trees = [];
        while (input.ReadLine() is { } line)
        {
            if (line.Split(' ') is not [{ Length: > 1 } first, var task, var attempt])
            {
                continue;
            }

            if (first[0] == '+')
            {
                trees[(task, attempt)] = int.Parse(first.AsSpan(1), CultureInfo.InvariantCulture);
            }
            else
            {
                trees.Remove((task, attempt));
            }
        }

        foreach (var ((task, attempt), pid) in trees)
        {
            ProcessTree.KillLoose(pid, task, attempt);
        }

        return Lifetime.ExitCodes.Done;
    }
}

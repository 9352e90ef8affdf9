using System.Runtime.InteropServices;

namespace Townhall.Testing;

/// <summary>Signals to one process, by its recorded id.</summary>
public static partial class Signals
{
    public const int Interrupt = 2;
    public const int Quit = 3;
    public const int Kill = 9;
    public const int Terminate = 15;
    public const int Continue = 18;
    public const int Stop = 19;

    /// <summary>Sends a signal.</summary>
    /// <returns>False when there is no such process any more.</returns>
    public static bool Send(int pid, int signal)
    {
        // Ids of 0 and below name groups of processes, ours among them.
        ArgumentOutOfRangeException.ThrowIfLessThan(pid, 2);
        return SendTo(pid, signal) == 0;
    }

    /// <summary>True while a process of this id exists and is not a zombie that nobody reaped.</summary>
    public static bool Alive(int pid)
    {
        try
        {
            // Behind the program's name in parentheses stands one letter of state (proc(5)).
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SendTo(int pid, int signal);
}

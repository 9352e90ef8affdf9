using System.Globalization;

namespace Townhall.Faults;

/// <summary>One thing that an attempt really did.</summary>
/// <param name="Fact"><c>start</c>, <c>tick</c> or <c>end</c>.</param>
/// <param name="Seconds">By the machine's monotonic clock, to 10 ms.</param>
public sealed record Effect(string Fact, Guid Task, int Epoch, double Seconds, int Pid);

/// <summary>The file that fake agents write to, from inside their sandboxes, with the script they run.</summary>
public sealed class EffectsJournal : IDisposable
{
    private readonly string _folder;

    public EffectsJournal()
    {
        _folder = Directory.CreateTempSubdirectory("townhall-effects-").FullName;
        var everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        // Commands may run as a user of their own.
        File.SetUnixFileMode(_folder, everybody | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
        Script = Path.Combine(_folder, "agent.sh");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Effects", "agent.sh"), Script);
        File.SetUnixFileMode(Script, everybody);
        JournalFile = Path.Combine(_folder, "journal");
        File.WriteAllText(JournalFile, "");
        File.SetUnixFileMode(JournalFile, everybody | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite);
    }

    /// <summary>What an agent's grant must allow for writing.</summary>
    public string Folder => _folder;

    /// <summary>The command line of a fake agent.</summary>
    public string CommandLine => $"sh {Script} {JournalFile}";

    /// <summary>Lets go what waits for it.</summary>
    public void OpenGate() => File.WriteAllText(Path.Combine(_folder, "gate"), "");

    private string Script { get; }

    private string JournalFile { get; }

    /// <summary>All that was written until now; a last line that is still being written is left out.</summary>
    public IReadOnlyList<Effect> Read()
    {
        var text = File.ReadAllText(JournalFile);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Effect Parse(string line)
    {
        var words = line.Split(' ');
        return new(
            words[0], Guid.Parse(words[1]), int.Parse(words[2], CultureInfo.InvariantCulture),
            double.Parse(words[3], CultureInfo.InvariantCulture), int.Parse(words[4], CultureInfo.InvariantCulture));
    }
}

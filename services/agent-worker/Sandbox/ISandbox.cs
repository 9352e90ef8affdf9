using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Sandbox;

/// <summary>Where an attempt's own folders are, seen from the host or seen by the command.</summary>
/// <param name="Work">Its HOME, and where it starts unless the grant says otherwise.</param>
/// <param name="Exchange">Prompt, result and steering notes.</param>
internal sealed record AttemptFolders(string Work, string Exchange)
{
    public string Prompt => Path.Combine(Exchange, "prompt");

    public string Result => Path.Combine(Exchange, "result");

    public string Steer => Path.Combine(Exchange, "steering");
}

/// <summary>How a command is started: the whole argument vector, and where the starting process stands.</summary>
internal sealed record Launch(IReadOnlyList<string> Arguments, string Folder);

/// <summary>What stands between a command and the host.</summary>
internal interface ISandbox
{
    /// <summary>The word that results carry: <c>bubblewrap</c> or <c>none</c>.</summary>
    string Name { get; }

    TreeShape Shape { get; }

    /// <summary>Whether descriptor 3 receives a line once the command really runs; without it a failed start looks like exit code 1.</summary>
    bool ReportsStart { get; }

    /// <summary>An attempt's folders as the command will see them.</summary>
    AttemptFolders Seen(AttemptFolders folders);

    /// <summary>The temp folder of the command.</summary>
    string TempFolder(AttemptFolders folders);

    /// <summary>Whether the command will see a path of the host without further ado.</summary>
    bool Sees(string path, AgentGrant grant);

    /// <summary>Puts the sandbox around a command.</summary>
    /// <param name="command">The command's argument vector, the program's absolute path first.</param>
    /// <param name="programFolders">Folders outside of the system's that the program needs to start.</param>
    Launch Wrap(IReadOnlyList<string> command, IReadOnlyList<string> programFolders, AgentGrant grant, AttemptFolders folders);
}

using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;
using Townhall.Worker.Runtimes;

namespace Townhall.Worker.Sandbox;

/// <summary>No sandbox at all, for trusted agents on hosts without one: another user, a clean environment, a tree that ends.</summary>
internal sealed class BareSandbox(Confinement confinement) : ISandbox
{
    public string Name => Results.NoSandbox;

    public TreeShape Shape => TreeShape.Loose;

    public bool ReportsStart => false;

    public AttemptFolders Seen(AttemptFolders folders) => folders;

    public string TempFolder(AttemptFolders folders) => folders.Work;

    public bool Sees(string path, AgentGrant grant) => true;

    public Launch Wrap(IReadOnlyList<string> command, IReadOnlyList<string> programFolders, AgentGrant grant, AttemptFolders folders) =>
        new([.. confinement.Prefix(dieWithWorker: true), .. command], grant.Workdir ?? folders.Work);
}

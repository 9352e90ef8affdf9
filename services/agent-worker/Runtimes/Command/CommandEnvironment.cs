using System.Globalization;
using Townhall.Contracts.Workers;
using Townhall.Worker.Sandbox;

namespace Townhall.Worker.Runtimes.Command;

/// <summary>The environment of a command: exactly this, nothing inherited (docs/runtimes.md has the same list).</summary>
internal static class CommandEnvironment
{
    public const string TaskId = "TOWNHALL_TASK_ID";
    public const string AttemptNumber = "TOWNHALL_ATTEMPT";

    // Old clients read the task's text from here. Environments are bounded and visible, so they get its beginning.
    private const int ShortTextBytes = 4096;

    public static List<KeyValuePair<string, string>> Of(
        Lease lease, string? traceparent, AttemptFolders seen, string tempFolder, IEnumerable<string> path, Preset? preset, IReadOnlyDictionary<string, string> offered)
    {
        List<KeyValuePair<string, string>> variables =
        [
            new("PATH", string.Join(':', path)),
            new("HOME", seen.Work),
            new("LANG", "C.UTF-8"),
            new("TERM", "dumb"),
            new("TMPDIR", tempFolder),
            new("PWD", lease.Grant.Workdir ?? seen.Work),
            new(TaskId, Text(lease.TaskId)),
            new(AttemptNumber, lease.Epoch.ToString(CultureInfo.InvariantCulture)),
            new("TOWNHALL_AGENT_ID", Text(lease.AgentId)),
            new("TOWNHALL_AGENT_NAME", Plain(lease.AgentName)),
            new("TOWNHALL_PROMPT_FILE", seen.Prompt),
            new("TOWNHALL_RESULT_FILE", seen.Result),
            new("TOWNHALL_STEERING_FILE", seen.Steer),

            // The names that agents of earlier systems look for.
            new("TINYTOWN_AGENT_ID", Text(lease.AgentId)),
            new("TINYTOWN_AGENT_NAME", Plain(lease.AgentName)),
            new("SCARAB_AGENT_ID", Text(lease.AgentId)),
            new("SCARAB_TASK", ResultText.Cut(Plain(lease.Description), ShortTextBytes)),
        ];

        if (traceparent is not null)
        {
            variables.Add(new("TRACEPARENT", traceparent));
        }

        // A key goes to the program that asks for it and to no other: twice opted in, by the preset and by the operator.
        foreach (var name in preset?.Environment ?? [])
        {
            if (offered.TryGetValue(name, out var value))
            {
                variables.Add(new(name, value));
            }
        }

        return variables;
    }

    /// <summary>The two variables by which every process of an attempt can be recognised.</summary>
    public static (string Task, string Attempt) Marks(Lease lease) =>
        ($"{TaskId}={Text(lease.TaskId)}", $"{AttemptNumber}={lease.Epoch.ToString(CultureInfo.InvariantCulture)}");

    private static string Text(Guid id) => id.ToString("D");

    private static string Plain(string text) => text.Replace('\0', '\ufffd');
}

using System.Globalization;

namespace Townhall.Worker.Settings;

/// <summary>What the host told this worker, read once from the environment (docs/runtimes.md lists every variable).</summary>
internal sealed record WorkerSettings
{
    /// <summary>Where the dispatcher listens: <c>TOWN_DISPATCHER_URL</c> or <c>services__dispatcher__http__0</c>.</summary>
    public required Uri Dispatcher { get; init; }

    /// <summary>Where the worker key is read from.</summary>
    public required KeySource Key { get; init; }

    /// <summary><c>TOWN_WORKER_NAME</c>: a label for people, by default the host's name and the process id.</summary>
    public required string Name { get; init; }

    /// <summary><c>TOWN_WORKER_INCARNATION</c>: the id of this start, where whoever started it wants to know it again. Default: a new one.</summary>
    public Guid? Incarnation { get; init; }

    /// <summary><c>TOWN_WORKER_SLOTS</c>: tasks run at once, 1 to 1024. Default 8: more share the same cores.</summary>
    public int Slots { get; init; } = 8;

    /// <summary><c>TOWN_WORKER_RUNTIMES</c>: what it offers. Default <c>command,noop</c>.</summary>
    public IReadOnlyList<string> Runtimes { get; init; } = [Contracts.Agents.Runtimes.Command, Contracts.Agents.Runtimes.Noop];

    /// <summary><c>TOWN_LIFETIME_PIPE</c>: a FIFO that the host holds open for writing; when it closes, everything here ends at once.</summary>
    public string? LifetimePipe { get; init; }

    /// <summary><c>TOWN_EXIT_WHEN_IDLE</c>: whether to end after the town's idle timeout. Default true; false where a platform restarts what ends.</summary>
    public bool ExitWhenIdle { get; init; } = true;

    /// <summary><c>TOWN_DATA</c>: scratch is made below it. Default: a folder under the system's temp folder.</summary>
    public string? Data { get; init; }

    /// <summary><c>TOWN_DRAIN_SECS</c>: grace of running attempts at SIGTERM. Default 8 s; hosts kill after 10.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary><c>TOWN_COMMAND_USER</c>: who commands run as when the worker is root. Default <c>nobody</c>.</summary>
    public string CommandUser { get; init; } = "nobody";

    /// <summary><c>TOWN_COMMAND_MEMORY_MB</c>: memory that one process of a command may write to. Default: seven eighths of what there is.</summary>
    public int CommandMemoryMb { get; init; } = MemoryMb();

    /// <summary><c>TOWN_COMMAND_PATH</c>: where commands look for programs. Default: the worker's own PATH.</summary>
    public IReadOnlyList<string> CommandPath { get; init; } = ["/usr/local/bin", "/usr/bin", "/bin"];

    /// <summary>Variables named in <c>TOWN_COMMAND_ENV</c> that are set; presets get those of them that they ask for.</summary>
    public IReadOnlyDictionary<string, string> CommandEnvironment { get; init; } = new Dictionary<string, string>();

    /// <summary><c>TOWN_AGENT_CLIS</c>: presets of this town, a line each, <c>name=command line</c>. They win over the built-in ones.</summary>
    public IReadOnlyDictionary<string, string> AgentClis { get; init; } = new Dictionary<string, string>();

    /// <summary><c>TOWN_SANDBOX</c>: <c>auto</c> uses bubblewrap where it works, <c>none</c> never does. Default auto.</summary>
    public bool MaySandbox { get; init; } = true;

    /// <summary>What pauses are jittered with. A simulation gives a seeded one, so that a run can be repeated.</summary>
    public Random Random { get; init; } = Random.Shared;

    /// <summary>Reads all settings, or says everything that is wrong with them.</summary>
    public static (WorkerSettings? Settings, IReadOnlyList<string> Mistakes) Read(IReadOnlyDictionary<string, string> environment)
    {
        var reader = new SettingsReader(environment);
        var settings = new WorkerSettings
        {
            Dispatcher = reader.Address("TOWN_DISPATCHER_URL", "services__dispatcher__http__0"),
            Key = KeySource.Read(reader),
            Name = reader.Text("TOWN_WORKER_NAME") ?? $"{Environment.MachineName}-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}",
            Incarnation = reader.Id("TOWN_WORKER_INCARNATION"),
            Slots = reader.Number("TOWN_WORKER_SLOTS", 8, 1, 1024),
            Runtimes = reader.Words(
                "TOWN_WORKER_RUNTIMES", [Contracts.Agents.Runtimes.Command, Contracts.Agents.Runtimes.Noop]),
            LifetimePipe = reader.ExistingPath("TOWN_LIFETIME_PIPE"),
            ExitWhenIdle = reader.Flag("TOWN_EXIT_WHEN_IDLE", true),
            Data = reader.AbsolutePath("TOWN_DATA"),
            Drain = TimeSpan.FromSeconds(reader.Number("TOWN_DRAIN_SECS", 8, 0, 600)),
            CommandUser = reader.Text("TOWN_COMMAND_USER") ?? "nobody",
            CommandMemoryMb = reader.Number("TOWN_COMMAND_MEMORY_MB", MemoryMb(), 16, int.MaxValue),
            CommandPath = reader.Folders("TOWN_COMMAND_PATH", "PATH"),
            CommandEnvironment = reader.Named("TOWN_COMMAND_ENV"),
            AgentClis = reader.Pairs("TOWN_AGENT_CLIS"),
            MaySandbox = reader.Choice("TOWN_SANDBOX", "auto", "none") != "none",
        };
        return reader.Mistakes is [] ? (settings, []) : (null, reader.Mistakes);
    }

    private static int MemoryMb() => (int)Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 * 7 / 1_048_576, 16, int.MaxValue);

    /// <summary>Forgets what this process was told, so that nothing it starts and nobody who looks can read it there.</summary>
    public static void ScrubEnvironment(WorkerSettings settings)
    {
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>())
        {
            if (name.StartsWith("TOWN_", StringComparison.Ordinal)
                || name.StartsWith("OTEL_", StringComparison.Ordinal)
                || name.StartsWith("services__", StringComparison.Ordinal)
                || settings.CommandEnvironment.ContainsKey(name))
            {
                Environment.SetEnvironmentVariable(name, null);
            }
        }
    }
}

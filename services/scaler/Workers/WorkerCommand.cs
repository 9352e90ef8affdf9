using System.Globalization;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Scaler.Workers;

/// <summary>The program that is a worker, where its key is, and all that it is told.</summary>
/// <param name="Vector">Program and arguments.</param>
/// <param name="Environment">Everything the worker will find in its environment but what differs from start to start.</param>
/// <param name="KeyFile">Read at each start, so that a changed key needs no restart here.</param>
/// <param name="Data">Where logs and notes of starts are kept.</param>
internal sealed record WorkerCommand(
    IReadOnlyList<string> Vector, IReadOnlyDictionary<string, string> Environment, string KeyFile, string Data)
{
    // What a worker and its commands may see. Connection strings and passwords of this process are not among it.
    private static readonly string[] Named =
    [
        "PATH", "HOME", "LANG", "TZ", "TMPDIR", "TOWN_LIFETIME_PIPE", "TOWN_HOST_ID", "TOWN_EXIT_WHEN_IDLE", "TOWN_DRAIN_SECS", "TOWN_SANDBOX",
    ];

    private static readonly string[] Families = ["TOWN_WORKER_", "TOWN_COMMAND_", "DOTNET_", "OTEL_"];
    private static readonly string[] Ours =
    [
        "TOWN_WORKER_COMMAND", "TOWN_WORKER_KEY_FILE", "TOWN_WORKER_KEY_FD", "TOWN_WORKER_INCARNATION", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
    ];

    /// <summary>Reads what the actuator that <c>TOWN_ACTUATOR</c> names needs; what is wrong is added to <paramref name="mistakes"/>.</summary>
    /// <returns>Null when this service starts no workers, or something is wrong.</returns>
    public static WorkerCommand? From(IConfiguration configuration, TownSettings town, List<string> mistakes)
    {
        var command = configuration["TOWN_WORKER_COMMAND"];
        switch (configuration["TOWN_ACTUATOR"] is { Length: > 0 } named ? named : string.IsNullOrEmpty(command) ? "none" : "process")
        {
            case "none":
                return null;
            case "process":
                return OfProcesses(configuration, town, mistakes);
            case var other:
                mistakes.Add($"TOWN_ACTUATOR must be none or process, not '{other}'.");
                return null;
        }
    }

    private static WorkerCommand? OfProcesses(IConfiguration configuration, TownSettings town, List<string> mistakes)
    {
        var before = mistakes.Count;
        var program = configuration["TOWN_WORKER_COMMAND"] is { Length: > 0 } path ? Path.GetFullPath(path) : null;
        if (program is null || !File.Exists(program))
        {
            mistakes.Add($"TOWN_WORKER_COMMAND must be the path of the worker's program, not '{configuration["TOWN_WORKER_COMMAND"]}'.");
        }

        var key = configuration["TOWN_WORKER_KEY_FILE"] is { Length: > 0 } file ? Path.GetFullPath(file) : null;
        if (key is null)
        {
            mistakes.Add("TOWN_WORKER_KEY_FILE must be the path of the file that holds the worker key.");
        }

        var dispatcher = configuration["services:dispatcher:http:0"];
        if (!Uri.TryCreate(dispatcher, UriKind.Absolute, out _))
        {
            mistakes.Add("services__dispatcher__http__0 must be the address of the dispatcher, as http://127.0.0.1:5002.");
        }

        if (mistakes.Count > before)
        {
            return null;
        }

        var data = Path.GetFullPath(configuration["TOWN_DATA"] is { Length: > 0 } told ? told : ".town");
        var environment = Passed(configuration);
        environment["TOWN_NAME"] = town.Name;
        environment["TOWN_DATA"] = data;
        environment["TOWN_DISPATCHER_URL"] = dispatcher!;
        environment["TOWN_WORKER_SLOTS"] = town.WorkerSlots.ToString(CultureInfo.InvariantCulture);
        environment["TOWN_WORKER_KEY_FD"] = "0";
        if (configuration["TOWN_AGENT_CLIS"] is { Length: > 0 } presets)
        {
            environment["TOWN_AGENT_CLIS"] = presets;
        }

        return new WorkerCommand(Vectorize(program!), environment, key!, data);
    }

    private static string[] Vectorize(string program) => program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase)
        ? [System.Environment.ProcessPath is { } self && Path.GetFileName(self) == "dotnet" ? self : "dotnet", program]
        : [program];

    private static Dictionary<string, string> Passed(IConfiguration configuration)
    {
        var agents = configuration["TOWN_COMMAND_ENV"]?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
        var passed = new Dictionary<string, string>(StringComparer.Ordinal);

        // From the environment itself: configuration spells some names differently.
        foreach (System.Collections.DictionaryEntry variable in System.Environment.GetEnvironmentVariables())
        {
            if (variable is { Key: string name, Value: string value } && !Ours.Contains(name) && !IsSecret(name)
                && (Named.Contains(name) || agents.Contains(name) || Families.Any(family => name.StartsWith(family, StringComparison.Ordinal))))
            {
                passed[name] = value;
            }
        }

        return passed;
    }

    /// <summary>Never passed on, whoever asks for it.</summary>
    private static bool IsSecret(string name) =>
        name.StartsWith("ConnectionStrings__", StringComparison.OrdinalIgnoreCase)
        || (name.StartsWith("TOWN_", StringComparison.Ordinal) && name.EndsWith("_PASSWORD", StringComparison.Ordinal));
}

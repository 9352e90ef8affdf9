using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Townhall.Contracts.Agents;
using Townhall.ServiceDefaults.Authentication;

namespace Townhall.ServiceDefaults.Settings;

/// <summary>The settings that every service of a town reads alike, from <c>TOWN_*</c> and tinytown.toml (docs/configuration.md).</summary>
/// <remarks>Those whose summary says so may change while the process runs: read them where they are used, and keep no copy.</remarks>
public sealed partial record TownSettings
{
    private volatile Changing _changing = new("claude", TimeSpan.FromSeconds(300), 10);

    /// <summary><c>TOWN_NAME</c>: the town this process serves. Default <c>town</c>.</summary>
    public required string Name { get; init; }

    /// <summary><c>TOWN_ROOT</c>: the directory the town works on. Default: where the process was started.</summary>
    public required string Root { get; init; }

    /// <summary><c>TOWN_LEASE_SECS</c>: length of every lease, 1 to 3600 s. Default: 30 s, and 120 s for runtime <c>command</c>. Shorter finds lost workers sooner and costs renewals.</summary>
    public TimeSpan? Lease { get; init; }

    /// <summary><c>TOWN_REAPER_SECS</c>: how often leases that ran out are looked for, 0.1 to 60 s. Default 5 s.</summary>
    public TimeSpan ReaperPeriod { get; init; }

    /// <summary><c>TOWN_USE_STREAMS</c>: the queue <c>streams</c> instead of <c>postgres</c>. Default false.</summary>
    public bool UseStreams { get; init; }

    /// <summary><c>TOWN_IDLE_TIMEOUT_SECS</c>: after so long without work a worker ends and an agent is cold. Default 300 s; 0 never. May change.</summary>
    public TimeSpan IdleTimeout
    {
        get => _changing.IdleTimeout;
        init => _changing = _changing with { IdleTimeout = value };
    }

    /// <summary><c>TOWN_MAX_AGENTS</c>: agents that have not ended, at most; also the ceiling in the scaling signal. Default 10. May change.</summary>
    public int MaxAgents
    {
        get => _changing.MaxAgents;
        init => _changing = _changing with { MaxAgents = value };
    }

    /// <summary><c>TOWN_DEFAULT_CLI</c>: what an agent runs when its maker says nothing. Default <c>claude</c>. May change.</summary>
    public string DefaultCli
    {
        get => _changing.DefaultCli;
        init => _changing = _changing with { DefaultCli = value };
    }

    /// <summary><c>TOWN_REQUEST_TIMEOUT_MS</c>: the longest a request may take that neither waits nor streams by design, 100 to 60000 ms. Default 5 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary><c>TOWN_MAX_WORKERS</c>: worker processes at once, 0 to 1000. Default 2.</summary>
    public int MaxWorkers { get; init; }

    /// <summary><c>TOWN_WORKER_SLOTS</c>: tasks that one worker runs at once, 1 to 1024. Default 8.</summary>
    public int WorkerSlots { get; init; }

    /// <summary><c>TOWN_ALLOWED_HOSTS</c>: Host headers accepted beside loopback names, comma separated. Default none.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary><c>TOWN_SNAPSHOT_ALARM_SECS</c>: a snapshot of the database that is held longer is warned about, 1 to 86,400 s. Default 60 s.</summary>
    public TimeSpan SnapshotAlarm { get; init; }

    /// <summary><c>TOWN_ONE_DATABASE_ROLE</c>: accept services whose role may change the ledger. Default false.</summary>
    public bool OneDatabaseRole { get; init; }

    /// <summary>How callers are recognised: <c>TOWN_AUTH_*</c> and their like.</summary>
    public AuthSettings Auth { get; init; } = new();

    /// <summary><c>TOWN_EDGE_KEY_FILE</c>: what that file holds, by which the edge proves itself to the services behind it; null: nobody does.</summary>
    public string? EdgeKey { get; init; }

    /// <summary>The addresses on which others than this machine reach this service, each with the setting that says so.</summary>
    public IReadOnlyList<(string Setting, string Address)> OpenListeners { get; private init; } = [];

    /// <summary>The lease that a runtime's attempts get.</summary>
    public TimeSpan LeaseOf(string runtime) =>
        Lease ?? TimeSpan.FromSeconds(runtime == Runtimes.Command ? 120 : 30);

    /// <summary>Takes over what may change from newly read settings.</summary>
    public void Take(TownSettings newer) => _changing = newer._changing;

    /// <summary>Reads and checks all of them.</summary>
    /// <param name="already">Mistakes found before, to be told together with those found here.</param>
    /// <param name="more">Reads what a service has beside them, so that all mistakes are said at once.</param>
    /// <exception cref="SettingsException">At least one is wrong; the message names each with its remedy.</exception>
    public static TownSettings From(
        IConfiguration configuration, IEnumerable<string>? already = null, Action<IConfiguration, TownSettings, List<string>>? more = null)
    {
        var mistakes = new List<string>(already ?? []);
        var name = configuration["TOWN_NAME"] is { Length: > 0 } given ? given : "town";
        if (!TownName().IsMatch(name))
        {
            mistakes.Add("TOWN_NAME must be 1 to 63 characters of a-z, 0-9, - and _, and start with a letter or digit.");
        }

        var settings = new TownSettings
        {
            Name = name,
            Root = Path.GetFullPath(configuration["TOWN_ROOT"] is { Length: > 0 } root ? root : Directory.GetCurrentDirectory()),
            Lease = Seconds(configuration, "TOWN_LEASE_SECS", null, 1, 3600, mistakes),
            ReaperPeriod = Seconds(configuration, "TOWN_REAPER_SECS", 5, 0.1, 60, mistakes)!.Value,
            IdleTimeout = Seconds(configuration, "TOWN_IDLE_TIMEOUT_SECS", 300, 0, 86_400, mistakes)!.Value,
            UseStreams = Switch(configuration, "TOWN_USE_STREAMS", otherwise: false, mistakes),
            SnapshotAlarm = Seconds(configuration, "TOWN_SNAPSHOT_ALARM_SECS", 60, 1, 86_400, mistakes)!.Value,
            OneDatabaseRole = Switch(configuration, "TOWN_ONE_DATABASE_ROLE", otherwise: false, mistakes),
            DefaultCli = Cli(configuration, mistakes),
            RequestTimeout = TimeSpan.FromMilliseconds(Number(configuration, "TOWN_REQUEST_TIMEOUT_MS", 5000, 100, 60_000, mistakes)),
            MaxAgents = Number(configuration, "TOWN_MAX_AGENTS", 10, 0, 1_000_000, mistakes),
            MaxWorkers = Number(configuration, "TOWN_MAX_WORKERS", 2, 0, 1000, mistakes),
            WorkerSlots = Number(configuration, "TOWN_WORKER_SLOTS", 8, 1, 1024, mistakes),
            Auth = AuthSettings.From(configuration, mistakes),
            EdgeKey = KeyIn(configuration, "TOWN_EDGE_KEY_FILE", mistakes),
            AllowedHosts = configuration["TOWN_ALLOWED_HOSTS"]?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [],
        };
        more?.Invoke(configuration, settings, mistakes);
        // Last: a service may have settings of its own about where it listens.
        Listeners.Check(configuration, settings.Auth.Mode, mistakes);
        return mistakes.Count == 0
            ? settings with { OpenListeners = [.. Listeners.Of(configuration).Where(static one => Listeners.IsOpen(one.Address))] }
            : throw new SettingsException(mistakes);
    }

    private static string? KeyIn(IConfiguration configuration, string key, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } path)
        {
            return null;
        }

        try
        {
            if (File.ReadAllText(path).Trim() is { Length: >= 32 } text)
            {
                return text;
            }

            mistakes.Add($"{key} ({path}) must hold at least 32 characters; remove it and the AppHost makes it anew.");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            mistakes.Add($"{key} ({path}) cannot be read: {failure.Message}");
        }

        return null;
    }

    private static string Cli(IConfiguration configuration, List<string> mistakes)
    {
        var cli = configuration["TOWN_DEFAULT_CLI"] is { Length: > 0 } told ? told : "claude";
        if (cli.Length > 4096 || cli.Any(char.IsControl))
        {
            mistakes.Add("TOWN_DEFAULT_CLI must be a preset or one command line of at most 4096 characters.");
        }

        return cli;
    }

    private static bool Switch(IConfiguration configuration, string key, bool otherwise, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return otherwise;
        }

        if (!bool.TryParse(text, out var value))
        {
            mistakes.Add($"{key} must be true or false.");
        }

        return value;
    }

    private static TimeSpan? Seconds(
        IConfiguration configuration, string key, double? otherwise, double least, double most, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return otherwise is { } value ? TimeSpan.FromSeconds(value) : null;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds >= least && seconds <= most)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{key} must be {least} to {most} seconds, not '{text}'."));
        return TimeSpan.FromSeconds(otherwise ?? least);
    }

    private static int Number(IConfiguration configuration, string key, int otherwise, int least, int most, List<string> mistakes)
    {
        if (configuration[key] is not { Length: > 0 } text)
        {
            return otherwise;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
        {
            return number;
        }

        mistakes.Add(string.Create(CultureInfo.InvariantCulture, $"{key} must be a whole number from {least} to {most}, not '{text}'."));
        return otherwise;
    }

    [GeneratedRegex(@"^[a-z0-9][a-z0-9_-]{0,62}\z")]
    private static partial Regex TownName();

    // One object, so that a reader never sees half of a change.
    private sealed record Changing(string DefaultCli, TimeSpan IdleTimeout, int MaxAgents);
}

/// <summary>The configuration is wrong: every mistake at once, each with what would be right. The process ends with code 78.</summary>
public sealed class SettingsException(IReadOnlyList<string> mistakes) : Exception(string.Join(Environment.NewLine, mistakes))
{
    /// <summary>sysexits.h, EX_CONFIG.</summary>
    public const int ExitCode = 78;

    public IReadOnlyList<string> Mistakes { get; } = mistakes;
}

using System.Globalization;
using Townhall.Testing;

namespace Townhall.Scaler.Tests.Workers;

/// <summary>A script in a worker's place: it notes what it was given in a folder, then does what the test asked for.</summary>
internal sealed class FakeWorkers : IAsyncDisposable
{
    private readonly string _program;
    private readonly string _key;

    private FakeWorkers(string home, string thenDo)
    {
        Home = home;
        Starts = Path.Combine(home, "starts");
        Directory.CreateDirectory(Starts);
        _key = Path.Combine(home, "key");
        File.WriteAllText(_key, "the-worker-key-of-this-test-0123456789");
        _program = Path.Combine(home, "worker.sh");
        File.WriteAllText(_program, $"""
            #!/bin/sh
            key=$(cat)
            env > "{Starts}/.$$"
            echo "key=$key" >> "{Starts}/.$$"
            echo "session=$(cut -d' ' -f6 /proc/$$/stat)" >> "{Starts}/.$$"
            mv "{Starts}/.$$" "{Starts}/$$"
            echo "worker $$ was here"
            {thenDo}
            """);
        File.SetUnixFileMode(_program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string Home { get; }

    public string Starts { get; }

    /// <param name="thenDo">A line of shell; <c>exec sleep 600</c> works until it is ended.</param>
    public static FakeWorkers That(string thenDo) =>
        new(Directory.CreateTempSubdirectory("townhall-scaler-").FullName, thenDo);

    public Dictionary<string, string> Settings(TestDatabase database, RedisInstance? redis, params (string Key, string Value)[] more)
    {
        var settings = database.Settings(redis);
        settings["TOWN_WORKER_COMMAND"] = _program;
        settings["TOWN_WORKER_KEY_FILE"] = _key;
        settings["TOWN_DATA"] = Path.Combine(Home, "data");
        settings["services__dispatcher__http__0"] = "http://127.0.0.1:1";
        foreach (var (key, value) in more)
        {
            settings[key] = value;
        }

        return settings;
    }

    /// <summary>Process ids of all workers that ever started here.</summary>
    public IReadOnlyList<int> Pids() =>
        [.. Directory.EnumerateFiles(Starts).Select(static file => Path.GetFileName(file)).Where(static name => name[0] != '.')
            .Select(static name => int.Parse(name, CultureInfo.InvariantCulture)).Order()];

    public IReadOnlyList<int> Alive() => [.. Pids().Where(Signals.Alive)];

    /// <summary>What a worker found in its environment, and beside it <c>key</c> and <c>session</c>.</summary>
    public Dictionary<string, string> Given(int pid) =>
        File.ReadAllLines(Path.Combine(Starts, pid.ToString(CultureInfo.InvariantCulture)))
            .Select(static line => line.Split('=', 2)).Where(static parts => parts.Length == 2)
            .ToDictionary(static parts => parts[0], static parts => parts[1]);

    /// <summary>Does what the dispatcher does when a worker registers.</summary>
    public async Task RegisterAsync(TestDatabase database, int pid, CancellationToken deadline) =>
        await Seed.WorkerAsync(database, deadline, pid: pid, id: Guid.Parse(Given(pid)["TOWN_WORKER_INCARNATION"]));

    public ValueTask DisposeAsync()
    {
        foreach (var pid in Alive())
        {
            Signals.Send(pid, Signals.Kill);
        }

        Directory.Delete(Home, recursive: true);
        return ValueTask.CompletedTask;
    }
}

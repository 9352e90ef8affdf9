using System.CommandLine;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;

namespace Townhall.Cli.Hosting;

/// <summary>A line of a log, as <c>--json</c> shows it.</summary>
internal sealed record LogLine(string Service, string Line);

/// <summary><c>tt logs</c>: what the services of a town on this machine wrote; with <c>-f</c> what they write.</summary>
internal static class LogsCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(250);
    private const int TailBytes = 256 * 1024;

    private static readonly Argument<string?> Service = new("SERVICE") { Description = "Only of this one, such as dispatcher", Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on with what is written, until Ctrl-C" };
    private static readonly Option<int?> Lines = Words.Whole("--lines", ["-n"], "N", "The last so many of each (default 20)", 0, 100_000);
    private static readonly Option<string?> Data = new("--data") { Description = "The town's data folder (TOWN_DATA, default .town of the checkout)", HelpName = "DIR" };

    public static Command Create(GlobalOptions globals) => globals.Command(
        "logs", "What the services of a town on this machine wrote", ["tt logs", "tt logs dispatcher -n 100 -f"], [Service, Follow, Lines, Data], RunAsync);

    private static async Task<int> RunAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var folder = TownFolder.Find(invocation.Value(Data), invocation);
        var files = Files(folder);
        if (files.Count == 0)
        {
            throw new CommandFailure(
                ExitCodes.NotFound, "no_logs", $"There are no logs in {folder.Logs}: no town of this machine keeps its data there. Name it with --data.");
        }

        if (invocation.Optional(Service) is { } service)
        {
            if (!files.Keys.Contains(service, StringComparer.Ordinal))
            {
                throw new CommandFailure(
                    ExitCodes.NotFound, "no_logs", $"There is no log of {service}.{DidYouMean.Question(service, files.Keys)} There are {string.Join(", ", files.Keys)}.");
            }

            files = new SortedDictionary<string, string>(StringComparer.Ordinal) { [service] = files[service] };
        }

        var width = files.Keys.Max(static name => name.Length);
        var readers = files.Select(file => new LogReader(file.Key, file.Value)).ToArray();
        try
        {
            foreach (var reader in readers)
            {
                foreach (var line in reader.Last(TailBytes, invocation.Value(Lines) ?? 20))
                {
                    Say(invocation, reader.Service, line, width);
                }
            }

            using var pace = new PeriodicTimer(LookEvery, invocation.Clock);
            while (invocation.Value(Follow) && await pace.WaitForNextTickAsync(cancellationToken))
            {
                foreach (var reader in readers)
                {
                    foreach (var line in reader.New())
                    {
                        Say(invocation, reader.Service, line, width);
                    }
                }
            }
        }
        finally
        {
            foreach (var reader in readers)
            {
                reader.Dispose();
            }
        }

        return ExitCodes.Ok;
    }

    private static SortedDictionary<string, string> Files(TownFolder folder)
    {
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (Directory.Exists(folder.Logs))
        {
            foreach (var file in Directory.EnumerateFiles(folder.Logs, "*.log"))
            {
                files[Path.GetFileNameWithoutExtension(file)] = file;
            }
        }

        if (File.Exists(folder.HostLog))
        {
            files["host"] = folder.HostLog;
        }

        return files;
    }

    private static void Say(Invocation invocation, string service, string line, int width)
    {
        if (invocation.Json)
        {
            invocation.Screen.Json(new LogLine(service, line));
        }
        else
        {
            invocation.Screen.Answers.Markup($"[grey]{Markup.Escape(service.PadRight(width))}[/]  ");
            invocation.Screen.Line(Printable.Line(line));
        }
    }

    /// <summary>One log file and how far it was read.</summary>
    private sealed class LogReader(string service, string path) : IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        private string _half = "";

        public string Service => service;

        public IEnumerable<string> Last(int bytes, int lines)
        {
            _file.Seek(-Math.Min(_file.Length, bytes), SeekOrigin.End);
            return New().TakeLast(lines);
        }

        /// <summary>Whole lines since the last look; the half one at the end waits for its rest.</summary>
        public string[] New()
        {
            if (_file.Length < _file.Position)
            {
                _file.Seek(0, SeekOrigin.Begin);        // it was begun anew
            }

            var buffer = new byte[Math.Min(_file.Length - _file.Position, 4 * 1024 * 1024)];
            var read = _file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            var parts = (_half + System.Text.Encoding.UTF8.GetString(buffer, 0, read)).Split('\n');
            _half = parts[^1];
            return parts[..^1];
        }

        public void Dispose() => _file.Dispose();
    }
}

using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Townhall.Client;
using Townhall.Contracts.Tasks;

namespace Townhall.Cli.Fleets;

/// <summary>Reads a fleet file (docs/cli.md) and says every mistake at once.</summary>
internal sealed partial class FleetFile
{
    private const int FileBytesMost = 1024 * 1024;
    private const int TitleMost = 100;
    private readonly List<string> _mistakes = [];
    private readonly Dictionary<string, FleetAgent> _agents = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _named = new(StringComparer.OrdinalIgnoreCase);
    private readonly string _folder;
    private readonly string _repo;

    private FleetFile(string folder, string repo)
    {
        _folder = folder;
        _repo = repo;
    }

    /// <returns>The plan, or at least one mistake.</returns>
    public static (FleetPlan? Plan, IReadOnlyList<string> Mistakes) Read(string path, string repo)
    {
        try
        {
            if (new FileInfo(path).Length > FileBytesMost)
            {
                return (null, [$"It is larger than {FileBytesMost} bytes."]);
            }

            using var document = JsonDocument.Parse(
                File.ReadAllBytes(path), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 });
            var file = new FleetFile(Path.GetDirectoryName(Path.GetFullPath(path))!, repo);
            var plan = file.Plan(document.RootElement);
            return file._mistakes.Count > 0 ? (null, file._mistakes) : (plan, []);
        }
        catch (Exception unreadable) when (unreadable is FileNotFoundException or DirectoryNotFoundException)
        {
            return (null, ["There is no such file."]);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return (null, [unreadable.Message]);
        }
        catch (JsonException malformed)
        {
            return (null, [$"It is not JSON: {malformed.Message}"]);
        }
    }

    private FleetPlan Plan(JsonElement root)
    {
        var fleet = new FleetElement(root, "", _mistakes);
        fleet.Only("name", "agents", "tasks");
        var name = fleet.Text("name") ?? "";
        if (name.Length > 0 && !LegalName().IsMatch(name))
        {
            fleet.Wrong("name", "must be 1 to 50 letters, digits or . _ - and start with a letter or digit");
        }

        var agents = fleet.Items("agents", atLeastOne: true).Select(Agent).OfType<FleetAgent>().ToArray();
        var tasks = fleet.Items("tasks", atLeastOne: true).Select(AgentTask).OfType<FleetTask>().ToArray();
        return new FleetPlan(name, _repo, agents, tasks);
    }

    private FleetAgent? Agent(FleetElement agent)
    {
        agent.Only("name", "cli", "max_concurrency", "grant");
        var name = agent.Text("name");
        var cli = agent.Text("cli");
        var most = agent.Whole("max_concurrency", 1, 1024);
        var grant = agent.Child("grant") is { } inner ? Grant(inner) : null;
        if (name is null)
        {
            return null;
        }

        if (!LegalName().IsMatch(name))
        {
            agent.Wrong("name", "must be 1 to 50 letters, digits or . _ - and start with a letter or digit");
            return null;
        }

        if (!_named.Add(name))
        {
            agent.Wrong("name", $"is taken: another agent of this file is called {name}");
            return null;
        }

        var townName = agent.Mentions(FleetVariables.Repo) ? $"{name}-{FleetVariables.Mark(_repo)}" : name;
        var known = new FleetAgent(name, townName, FleetVariables.Fill(cli ?? "", _repo), most, grant);
        _agents.Add(name, known);
        return known;
    }

    private Grant Grant(FleetElement grant)
    {
        grant.Only("network", "read", "write", "workdir");
        var network = grant.Optional("network");
        if (network is not (null or "host" or "none"))
        {
            grant.Wrong("network", "must be host or none");
        }

        return new Grant(
            network, Paths(grant, "read"), Paths(grant, "write"),
            grant.Optional("workdir") is { } workdir ? PathOf(grant, "workdir", workdir) : null);
    }

    private string[]? Paths(FleetElement grant, string member) =>
        grant.Texts(member) is { } paths ? [.. paths.Select(path => PathOf(grant, member, path))] : null;

    private string PathOf(FleetElement grant, string member, string path)
    {
        var filled = FleetVariables.Fill(path, _repo);
        if (!Path.IsPathFullyQualified(filled) || filled != Path.GetFullPath(filled))
        {
            grant.Wrong(member, $"must hold absolute paths without . or .. parts, or {FleetVariables.Repo}");
        }

        return filled;
    }

    private FleetTask? AgentTask(FleetElement task)
    {
        task.Only("agent", "title", "task", "script");
        var name = task.Text("agent");
        var title = task.Text("title");
        if (title is { Length: > TitleMost } || title?.Any(char.IsControl) == true)
        {
            task.Wrong("title", $"must be one line of at most {TitleMost} characters");
        }

        var text = TextOf(task);
        if (name is null)
        {
            return null;
        }

        if (!_agents.TryGetValue(name, out var agent))
        {
            // An agent whose own mistakes are listed already is not missing as well.
            if (!_named.Contains(name))
            {
                task.Wrong("agent", $"names no agent of this file: {name}");
            }

            return null;
        }

        return title is null || text is null ? null : new FleetTask(agent, title, text);
    }

    private string? TextOf(FleetElement task)
    {
        var (text, script) = (task.Optional("task"), task.Optional("script"));
        switch (text, script)
        {
            case (null, null):
                task.Wrong("task", "is missing: say the text in task, or name a file beside this one in script");
                return null;
            case (not null, not null):
                task.Wrong("script", "stands beside task: say one of the two");
                return null;
            case (not null, _):
                return Bounded(task, "task", FleetVariables.Fill(text, _repo));
            default:
                return Script(task, script!) is { } read ? Bounded(task, "script", FleetVariables.FillScript(read, _repo)) : null;
        }
    }

    private string? Script(FleetElement task, string script)
    {
        var path = Path.GetFullPath(script, _folder);
        if (Path.IsPathRooted(script) || !path.StartsWith(_folder.TrimEnd('/') + "/", StringComparison.Ordinal))
        {
            task.Wrong("script", "must lie beside the fleet file or below it");
            return null;
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(path));
        }
        catch (DecoderFallbackException)
        {
            task.Wrong("script", $"is not UTF-8 text: {script}");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            task.Wrong("script", $"cannot be read: {script}");
        }

        return null;
    }

    private static string? Bounded(FleetElement task, string member, string text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            task.Wrong(member, "is empty");
            return null;
        }

        if (Encoding.UTF8.GetByteCount(text) > TaskLimits.DescriptionBytes)
        {
            task.Wrong(member, string.Create(CultureInfo.InvariantCulture, $"is longer than {TaskLimits.DescriptionBytes} bytes"));
            return null;
        }

        return text;
    }

    // Shorter than a town's 64, because a mark of the repository may follow.
    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$")]
    private static partial Regex LegalName();
}

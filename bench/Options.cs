using System.Globalization;

namespace Townhall.Bench;

/// <summary>What to measure and how much of it, from the command line.</summary>
internal sealed record Options
{
    public const string Usage = """
        usage: dotnet run -c Release --project bench -- NAME [options]

        NAME is P1, P2, P3, P4, P5, P6, P9, P10, P11, P12 or all (docs/performance.md says what each one means; all leaves P11 and P12 out).

          --runs N              runs of each benchmark; the median is the figure (default 3)
          --tries N             repeats of a run that strangers disturbed (default 3); the least disturbed one counts
          --seconds N           length of a measured run: P1, P2, P3, P5, P9 and P11 10, P10 60
          --count N             tasks of P4 (default 50000)
          --entries N           entries that wait for the sequencer in P9, and that are verified (default 400000)
          --rows N              ended tasks loaded in P11 (default 10000000) and P12 (default 1000000), with two ledger entries each
          --callers N           calls in flight in P1, P2 and while P4 loads (default 64)
          --agents N            agents with max_concurrency 16 (default 256, P12 10000)
          --slots N             slots of the worker in P4 and P5 (default 256)
          --rate N              calls a second in P5 (default 200)
          --repeat N            starts from zero a run of P6 (default 10)
          --without-keys        P1 to P5, P9, P11 and P12 in mode none instead of api_key with a named key in every call
          --without-dispatcher  P1 and P3 with nobody sealing the ledger meanwhile
          --env NAME=VALUE      a variable for every service, as DOTNET_PerfMapEnabled=1; may be repeated
          --postgres NAME=VALUE a setting of Postgres in P1 to P5, as shared_preload_libraries=auto_explain; may be repeated
          --logs                what the processes said, on stderr, when they are ended
          --data DIR            where databases live while measuring (default: the temporary folder)
        """;

    public required string Name { get; init; }

    public int Runs { get; private set; } = 3;

    public int Tries { get; private set; } = 3;

    public int? Seconds { get; private set; }

    public int Count { get; private set; } = 50_000;

    public int Entries { get; private set; } = 400_000;

    public int? Rows { get; private set; }

    public int Callers { get; private set; } = 64;

    /// <summary>What is said of agents; null for what each benchmark usually has.</summary>
    public int? AgentsSaid { get; private set; }

    public int Agents => AgentsSaid ?? 256;

    public int Slots { get; private set; } = 256;

    public int Rate { get; private set; } = 200;

    public int Repeat { get; private set; } = 10;

    public bool WithoutDispatcher { get; private set; }

    public bool WithoutKeys { get; private set; }

    /// <summary>What a report says about authentication.</summary>
    public string Keys => WithoutKeys ? "mode none: no authentication in the figure" : "mode api_key, each call with a named key";

    public bool Logs { get; private set; }

    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> Postgres { get; } = new(StringComparer.Ordinal);

    public string Data { get; private set; } = Path.GetTempPath();

    /// <exception cref="UsageException">Something is not an option, or its value is not one.</exception>
    public static Options Parse(IReadOnlyList<string> arguments)
    {
        if (arguments.Count == 0 || arguments[0].StartsWith('-'))
        {
            throw new UsageException(Usage);
        }

        var options = new Options { Name = arguments[0] };
        for (var i = 1; i < arguments.Count; i++)
        {
            var name = arguments[i];
            switch (name)
            {
                case "--without-keys":
                    options.WithoutKeys = true;
                    break;
                case "--without-dispatcher":
                    options.WithoutDispatcher = true;
                    break;
                case "--logs":
                    options.Logs = true;
                    break;
                case "--env":
                    Assign(options.Environment);
                    break;
                case "--postgres":
                    Assign(options.Postgres);
                    break;
                case "--data":
                    options.Data = Path.GetFullPath(Value());
                    break;
                case "--runs":
                    options.Runs = Number();
                    break;
                case "--tries":
                    options.Tries = Number();
                    break;
                case "--seconds":
                    options.Seconds = Number();
                    break;
                case "--count":
                    options.Count = Number();
                    break;
                case "--entries":
                    options.Entries = Number();
                    break;
                case "--rows":
                    options.Rows = Number();
                    break;
                case "--callers":
                    options.Callers = Number();
                    break;
                case "--agents":
                    options.AgentsSaid = Number();
                    break;
                case "--slots":
                    options.Slots = Number();
                    break;
                case "--rate":
                    options.Rate = Number();
                    break;
                case "--repeat":
                    options.Repeat = Number();
                    break;
                default:
                    throw new UsageException($"unknown option '{name}'\n\n{Usage}");
            }

            void Assign(Dictionary<string, string> settings)
            {
                var pair = Value().Split('=', 2);
                settings[pair[0]] = pair.Length == 2 ? pair[1] : throw new UsageException($"{name} needs NAME=VALUE.");
            }

            string Value() => ++i < arguments.Count ? arguments[i] : throw new UsageException($"{name} needs a value.");

            int Number() => int.TryParse(Value(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
                ? number
                : throw new UsageException($"{name} needs a whole number above 0.");
        }

        return options;
    }
}

/// <summary>The command line says nothing that can be measured.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Something answered otherwise than a figure could be made of.</summary>
internal sealed class NotMeasuredException(string message) : Exception(message);

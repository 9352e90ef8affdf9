namespace Townhall.Docs.Tests;

/// <summary>Processes agree by the database's clock: where one reads a wall clock of its own, it decides nothing that another process decides, too.</summary>
public sealed class ClockTests
{
    /// <summary>Who decides over leases, attempts, workers and their number.</summary>
    private static readonly string[] Deciders = ["Contracts", "services/agent-worker", "services/dispatcher", "services/scaler"];

    /// <summary>Who reads one, and what for.</summary>
    private static readonly string[] Readers =
    [
        "Contracts/Ids/TimeOrdered.cs",                 // where new ids lie in an index; the order of work is a rank by the database's clock
        "services/agent-worker/Logging/LineLog.cs",     // the time in front of a line
        "services/scaler/Workers/StartJournal.cs",      // the age of its own files, which the same machine dated
    ];

    [Fact]
    public void No_decision_reads_a_wall_clock()
    {
        string[] clocks = ["GetUtcNow(", "GetLocalNow(", "DateTime.Now", "DateTime.UtcNow", "DateTimeOffset.Now", "DateTimeOffset.UtcNow", "DateTime.Today"];
        var found = Deciders.SelectMany(Repository.Files)
            .Where(static path => path.EndsWith(".cs", StringComparison.Ordinal))
            .Where(path => Repository.Read(path) is var text && clocks.Any(clock => text.Contains(clock, StringComparison.Ordinal)));
        Assert.Equal(Readers, found.Order(StringComparer.Ordinal));
    }
}

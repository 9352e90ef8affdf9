using System.Text.RegularExpressions;

namespace Townhall.Town.Tests;

/// <summary>What opens a town is nowhere that others on the machine can read.</summary>
[Collection(nameof(TownCollection))]
public sealed partial class SecretTests(RunningTown town)
{
    [Fact]
    public void No_command_line_of_a_town_shows_a_password_or_a_key()
    {
        var processes = town.Processes();
        // From the services' own environments, which only their user may read.
        var secrets = processes.SelectMany(static one => Passwords().Matches(Environment(one.Pid))).Select(static found => found.Groups[1].Value).Distinct().ToList();
        Assert.InRange(secrets.Count, 2, 20);
        Assert.All(secrets, static secret => Assert.InRange(secret.Length, 16, 200));
        Assert.All(secrets, secret => Assert.DoesNotContain(processes, one => CommandLine(one.Pid).Contains(secret, StringComparison.Ordinal)));
    }

    private static string CommandLine(int pid) => Read(pid, "cmdline");

    private static string Environment(int pid) => Read(pid, "environ");

    private static string Read(int pid, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/{file}");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return "";      // it ended while we looked, or it is another user's
        }
    }

    [GeneratedRegex("Password=([^;\0]+)", RegexOptions.IgnoreCase)]
    private static partial Regex Passwords();
}

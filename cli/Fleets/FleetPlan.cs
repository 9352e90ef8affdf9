using System.Security.Cryptography;
using System.Text;
using Townhall.Client;

namespace Townhall.Cli.Fleets;

/// <summary>A fleet file with its variables filled in: what will be asked of the town.</summary>
internal sealed record FleetPlan(string Name, string Repo, IReadOnlyList<FleetAgent> Agents, IReadOnlyList<FleetTask> Tasks);

/// <param name="Name">As the file calls it.</param>
/// <param name="TownName">As the town calls it: an agent whose grant names the repository is another one for each repository.</param>
internal sealed record FleetAgent(string Name, string TownName, string Cli, int? MaxConcurrency, Grant? Grant);

internal sealed record FleetTask(FleetAgent Agent, string Title, string Text);

/// <summary>What a fleet file may say about the repository it works on.</summary>
internal static class FleetVariables
{
    public const string Repo = "{repo}";

    /// <summary>As it is.</summary>
    public static string Fill(string text, string repo) => text.Replace(Repo, repo, StringComparison.Ordinal);

    /// <summary>As one word of a shell: a path with spaces, quotes or dollars stays the path it is.</summary>
    public static string FillScript(string text, string repo) =>
        text.Replace(Repo, $"'{repo.Replace("'", "'\\''", StringComparison.Ordinal)}'", StringComparison.Ordinal);

    /// <summary>A short word that tells repositories apart: a grant is given once, so each repository needs agents of its own.</summary>
    public static string Mark(string repo) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(repo)).AsSpan(0, 3));
}

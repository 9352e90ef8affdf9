using System.CommandLine;
using System.Globalization;
using Spectre.Console;
using Townhall.Cli.Invoking;
using Townhall.Cli.Screens;
using Townhall.Client;

namespace Townhall.Cli.Limits;

/// <summary><c>tt limits</c> and <c>tt tenant</c>: what keys allow, who holds them, and whose turn it is.</summary>
internal static class LimitCommands
{
    private static readonly Argument<string> Key = new("KEY") { Description = "A concurrency or rate key; town is all tasks together" };
    private static readonly Option<int?> MaxConcurrency = Words.Whole("--max-concurrency", [], "N", "Running at once (default: unlimited)", 0, 100_000);
    private static readonly Option<double?> Rate = new("--rate-per-minute") { Description = "Starts a minute (default: unlimited)", HelpName = "N" };
    private static readonly Option<int?> Burst = Words.Whole("--burst", [], "N", "Starts that may be saved up (default 1)", 1, 100_000);
    private static readonly Argument<string> Name = new("TENANT") { Description = "The tenant's name" };
    private static readonly Argument<int> Weight = new("WEIGHT") { Description = "Its share of turns, 1 to 100" };

    public static Command Create(GlobalOptions globals) => GlobalOptions.Group(
        "limits", "What keys allow, and who holds them",
        globals.Answer(
            "list", "Keys that somebody set or that are in use", ["tt limits list"], [],
            static async (invocation, cancellationToken) =>
            {
                var limits = await invocation.Town.LimitsAsync(cancellationToken).ToListAsync(cancellationToken);
                return new LimitList(limits, limits.Count);
            },
            static (invocation, list) => Write(invocation, [.. list.Limits])),
        globals.Answer(
            "get", "One key", ["tt limits get disk"], [Key],
            static (invocation, cancellationToken) => invocation.Town.LimitAsync(invocation.Value(Key), cancellationToken),
            static (invocation, limit) => Write(invocation, [limit])),
        globals.Answer(
            "set", "Replace what a key allows; it counts for the next start",
            ["tt limits set disk --max-concurrency 2", "tt limits set github --rate-per-minute 30 --burst 5", "tt limits set town --max-concurrency 0"],
            [Key, MaxConcurrency, Rate, Burst],
            static (invocation, cancellationToken) => invocation.Town.SetLimitAsync(
                invocation.Value(Key), new NewLimit(invocation.Value(MaxConcurrency), invocation.Value(Rate), invocation.Value(Burst)), cancellationToken),
            static (invocation, limit) => Write(invocation, [limit])),
        globals.Answer(
            "remove", "Take a limit back: the default counts again", ["tt limits remove disk"], [Key],
            static async (invocation, cancellationToken) =>
            {
                await invocation.Town.RemoveLimitAsync(invocation.Value(Key), cancellationToken);
                return new RemovedLimit(true, invocation.Value(Key));
            },
            static (invocation, removed) => invocation.Screen.Answers.MarkupLine(Looks.Done($"{Looks.Text(removed.Key)} is as if nobody had set it"))),
        globals.Answer(
            "holders", "Who holds a key, longest first", ["tt limits holders disk"], [Key],
            static (invocation, cancellationToken) => invocation.Town.LimitHoldersAsync(invocation.Value(Key), cancellationToken),
            WriteHolders));

    public static Command Tenant(GlobalOptions globals) => GlobalOptions.Group(
        "tenant", "Shares of turns between tenants",
        globals.Answer(
            "get", "A tenant's share", ["tt tenant get research"], [Name],
            static (invocation, cancellationToken) => invocation.Town.TenantAsync(invocation.Value(Name), cancellationToken), WriteTenant),
        globals.Answer(
            "set", "Set a tenant's share", ["tt tenant set research 3"], [Name, Weight],
            static (invocation, cancellationToken) => invocation.Town.SetTenantAsync(invocation.Value(Name), invocation.Value(Weight), cancellationToken),
            WriteTenant));

    private static void Write(Invocation invocation, IReadOnlyList<Limit> limits)
    {
        if (limits.Count == 0)
        {
            invocation.Screen.Answers.MarkupLine("[grey]No key is set or in use.[/]");
            return;
        }

        var table = Looks.Table("key", "at once", "a minute", "burst", "held", "parked", "set").Right(1, 2, 3, 4, 5);
        foreach (var limit in limits)
        {
            table.AddRow(
                Looks.Text(limit.Key), limit.MaxConcurrency is { } most ? Looks.Number(most) : "∞",
                limit.RatePerMinute is { } rate ? rate.ToString("0.##", CultureInfo.InvariantCulture) : "∞", Looks.Number(limit.Burst),
                Looks.Number(limit.Held), limit.Parked > 0 ? $"[yellow]{Looks.Number(limit.Parked)}[/]" : "0", limit.Configured ? "yes" : "[grey]default[/]");
        }

        invocation.Screen.Answers.Write(table);
    }

    private static void WriteHolders(Invocation invocation, LimitHolders holders)
    {
        var console = invocation.Screen.Answers;
        var most = holders.MaxConcurrency is { } bound ? Looks.Number(bound) : "∞";
        console.MarkupLine($"[bold]{Looks.Text(holders.Key)}[/]  {Looks.Number(holders.Held)} of {most} held, {Looks.Number(holders.Parked)} parked");
        if (holders.Holders.Length == 0)
        {
            return;
        }

        var table = Looks.Table("task", "agent", "worker", "held for", "lease until").Right(3);
        foreach (var holder in holders.Holders)
        {
            table.AddRow(
                holder.TaskId.ToString(), Looks.Text(holder.AgentName), Looks.Text(holder.WorkerName), Looks.Seconds(holder.HeldForSecs * 1000),
                Looks.Instant(holder.LeaseUntil));
        }

        console.Write(table);
    }

    private static void WriteTenant(Invocation invocation, Tenant tenant) => invocation.Screen.Answers.MarkupLine(
        $"[bold]{Looks.Text(tenant.Name)}[/]  weight {tenant.Weight}, {Looks.Counted(tenant.Agents, "agent")}");
}

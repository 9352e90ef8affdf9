using System.Threading.Channels;
using Npgsql;
using Townhall.Dispatcher.Duties;
using Townhall.Dispatcher.Leases;
using Townhall.ServiceDefaults.Redis;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Backlog;

/// <summary>Gives idle agents the work of the backlog that is for their role, while this process leads.</summary>
/// <remarks>It looks when the town rings for the backlog, once a second in any case, and soon again while the last look found something:
/// agents that work it off ask for more within <see cref="SoonestAgain"/>. SQL function <c>claim_backlog</c> decides.</remarks>
internal sealed partial class BacklogClaims(
    NpgsqlDataSource database, TownSettings town, ILeadership leadership, ReadyAgents ready, LeasePump pump, SequencerBell sequencer,
    TimeProvider clock, ILogger<BacklogClaims> logger)
    : BackgroundService
{
    /// <summary>Tasks of one lane that one look gives away at most.</summary>
    private const int ClaimedMost = 1000;

    private static readonly TimeSpan SoonestAgain = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LatestAgain = TimeSpan.FromSeconds(1);

    private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Hears the doorbell. Call before the host starts.</summary>
    public void Listen(Doorbell doorbell) => doorbell.Hear(Doorbell.Work, name =>
    {
        // Not every ring for work: a busy town without a backlog would pay for each.
        if (name == Doorbell.Backlog)
        {
            _rung.Writer.TryWrite(true);
        }
    });

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pause = LatestAgain;
        try
        {
            while (true)
            {
                var rung = await WaitAsync(pause, stoppingToken);
                var claimed = await TurnAsync(stoppingToken);
                pause = claimed > 0 || rung ? SoonestAgain : pause * 2 < LatestAgain ? pause * 2 : LatestAgain;
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the next leader goes on.
        }
    }

    /// <summary>One look.</summary>
    /// <returns>The agents that got something.</returns>
    internal async Task<int> TurnAsync(CancellationToken cancellationToken)
    {
        if (leadership.Epoch is null)
        {
            return 0;
        }

        var agents = 0;
        try
        {
            await using var command = database.CreateCommand("SELECT claim_backlog($1, $2)");
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = town.Name });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = ClaimedMost });
            await using var row = await command.ExecuteReaderAsync(cancellationToken);
            while (await row.ReadAsync(cancellationToken))
            {
                ready.Ring(row.GetGuid(0));
                agents++;
            }
        }
        catch (Exception failure) when (failure is NpgsqlException or TimeoutException)
        {
            LogFailed(failure.Message);
        }

        if (agents > 0)
        {
            pump.Wake();
            sequencer.Ring();
        }

        return agents;
    }

    private async Task<bool> WaitAsync(TimeSpan most, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(most, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            return await _rung.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    [LoggerMessage(LogLevel.Warning, "The backlog could not be claimed from; the next look tries again: {Reason}")]
    private partial void LogFailed(string reason);
}

internal static class BacklogRegistration
{
    public static void AddBacklog(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BacklogClaims>();
        builder.Services.AddHostedService(static services => services.GetRequiredService<BacklogClaims>());
    }

    /// <summary>Connects the town's bell; before the host starts.</summary>
    public static void ListenForBacklog(this WebApplication app) =>
        app.Services.GetRequiredService<BacklogClaims>().Listen(app.Services.GetRequiredService<Doorbell>());
}

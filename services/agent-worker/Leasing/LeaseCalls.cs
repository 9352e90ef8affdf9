using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;

namespace Townhall.Worker.Leasing;

/// <summary>The calls about leases, repeated as their meaning allows: asking keeps its request id, renewing gets a new one.</summary>
internal sealed partial class LeaseCalls(IDispatcher dispatcher, Session session, TimeProvider clock, Random random, ILogger logger)
{
    private static readonly TimeSpan LongestRenewal = TimeSpan.FromSeconds(5);

    // An outage is said once, not four times a second.
    private bool _complained;
    private bool _silent;

    /// <summary>What a lease call brought: the reply, and when its first request was sent.</summary>
    public sealed record Leased(LeaseReply Reply, long SentAt);

    /// <summary>Asks until there is an answer: a lost answer may have held leases, and only the same id brings them back.</summary>
    /// <returns>Null when the call was given up or refused.</returns>
    public async Task<Leased?> LeaseAsync(int max, TimeSpan wait, CancellationToken cancellationToken)
    {
        var request = new LeaseRequest(Guid.CreateVersion7(), max, (int)wait.TotalMilliseconds);
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(3), clock, random);
        var sentAt = clock.GetTimestamp();
        try
        {
            while (true)
            {
                switch (await dispatcher.LeaseAsync(session.Token, request, cancellationToken))
                {
                    case Answer<LeaseReply>.Given(var reply):
                        _silent = false;
                        return new Leased(reply, sentAt);
                    case Answer<LeaseReply>.TokenRefused(var status):
                        session.End(status);
                        return null;
                    case Answer<LeaseReply>.Refused(var status, var detail):
                        LogRefused(status, detail);
                        await Task.Delay(TimeSpan.FromSeconds(1), clock, cancellationToken);
                        return null;
                    case Answer<LeaseReply>.Unknown(var reason):
                        if (!_silent)
                        {
                            _silent = true;
                            LogNotLeased(reason);
                        }

                        await backoff.PauseAsync(cancellationToken);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping: what the answer may have held is listed by the drain reply, and given back there.
            return null;
        }
    }

    /// <summary>Renews once. A repeat is a new renewal, which is worth more than an old answer.</summary>
    /// <param name="shortest">The shortest of these leases; an answer that takes a quarter of it comes too late.</param>
    /// <returns>The verdicts and when they were asked for; null when there was no answer.</returns>
    public async Task<(RenewReply Reply, long SentAt)?> RenewAsync(LeaseRef[] leases, TimeSpan shortest, CancellationToken cancellationToken)
    {
        var deadline = shortest / 4 < LongestRenewal ? shortest / 4 : LongestRenewal;
        var sentAt = clock.GetTimestamp();
        switch (await dispatcher.RenewAsync(session.Token, new RenewRequest(Guid.CreateVersion7(), leases), deadline, cancellationToken))
        {
            case Answer<RenewReply>.Given(var reply):
                _complained = false;
                return (reply, sentAt);
            case Answer<RenewReply>.TokenRefused(var status):
                session.End(status);
                return null;
            case Answer<RenewReply>.Refused(var status, var detail) when !_complained:
                _complained = true;
                LogRenewRefused(status, detail);
                return null;
            case Answer<RenewReply>.Unknown(var reason) when !_complained:
                _complained = true;
                LogNotRenewed(leases.Length, reason);
                return null;
            default:
                return null;
        }
    }

    [LoggerMessage(LogLevel.Error, "The dispatcher refused to lease ({Status}: {Detail}); asking again in a second")]
    private partial void LogRefused(int status, string detail);

    [LoggerMessage(LogLevel.Warning, "The dispatcher does not lease ({Reason}); asking again until it does")]
    private partial void LogNotLeased(string reason);

    [LoggerMessage(LogLevel.Error, "The dispatcher refused to renew ({Status}: {Detail}); what runs is frozen at its fence")]
    private partial void LogRenewRefused(int status, string detail);

    [LoggerMessage(LogLevel.Warning, "{Count} leases could not be renewed ({Reason}); trying again, and freezing what runs at its fence")]
    private partial void LogNotRenewed(int count, string reason);
}

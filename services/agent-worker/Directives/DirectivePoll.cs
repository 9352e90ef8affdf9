using Microsoft.Extensions.Logging;
using Townhall.Contracts.Workers;
using Townhall.Worker.Protocol;
using Townhall.Worker.Registration;

namespace Townhall.Worker.Directives;

/// <summary>Keeps one long poll open for what people decide while work runs.</summary>
internal sealed partial class DirectivePoll(
    IDispatcher dispatcher, Session session, Heeded heeded, Action<Directive> directed, TimeProvider clock, Random random, ILogger logger)
{
    private const int WaitMs = 25_000;

    // A directive may be repeated until it had its effect, and ending a process takes a moment.
    private static readonly TimeSpan AfterDirectives = TimeSpan.FromMilliseconds(100);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10), clock, random);
        var request = heeded.Ask(WaitMs);
        try
        {
            while (true)
            {
                switch (await dispatcher.DirectivesAsync(session.Token, request, cancellationToken))
                {
                    case Answer<DirectivesReply>.Given(var reply):
                        backoff.Reset();
                        heeded.Heard(request);
                        Array.ForEach(reply.Directives, directed);
                        if (reply.Directives.Length > 0)
                        {
                            await Task.Delay(AfterDirectives, clock, cancellationToken);
                        }

                        request = heeded.Ask(WaitMs);
                        break;
                    case Answer<DirectivesReply>.TokenRefused(var status):
                        session.End(status);
                        return;
                    case Answer<DirectivesReply>.Refused(var status, var detail):
                        LogRefused(status, detail);
                        await backoff.PauseAsync(cancellationToken);
                        request = heeded.Ask(WaitMs);
                        break;
                    default:
                        // The same id again: directives of a lost answer come once more instead of never.
                        await backoff.PauseAsync(cancellationToken);
                        break;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The session is over.
        }
    }

    [LoggerMessage(LogLevel.Warning, "The dispatcher refused to give directives ({Status}: {Detail}); asking again")]
    private partial void LogRefused(int status, string detail);
}

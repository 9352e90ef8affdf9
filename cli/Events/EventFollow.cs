using System.Runtime.CompilerServices;
using Townhall.Cli.Invoking;
using Townhall.Cli.Town;

namespace Townhall.Cli.Events;

/// <summary>Every event behind a position once and in order, over as many connections as that takes.</summary>
internal sealed class EventFollow(TownClient town, TimeProvider clock, Action<string> notice)
{
    /// <summary>Three of the town's keep-alives of 15 s: a stream that misses them all is dead, not quiet.</summary>
    private static readonly TimeSpan SilenceMost = TimeSpan.FromSeconds(45);

    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    /// <summary>Until <paramref name="cancellationToken"/> ends it. Blocks without data come too: they move the position.</summary>
    /// <param name="after">The last position that was seen; null to begin now.</param>
    public async IAsyncEnumerable<ServerEvent> RunAsync(string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var lost = new Patience(clock, notice, met: false);
        while (true)
        {
            await foreach (var block in ConnectionAsync(after, lost, cancellationToken))
            {
                after = block.Id ?? after;
                if (block.Retry is { } retry)
                {
                    lost.FirstPause = retry < LongestRetry ? retry : LongestRetry;
                }

                yield return block;
            }

            await lost.WaitAsync(cancellationToken);
        }
    }

    private async IAsyncEnumerable<ServerEvent> ConnectionAsync(
        string? after, Patience lost, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        HttpResponseMessage answer;
        try
        {
            answer = await town.EventsAsync(after, cancellationToken);
        }
        catch (CommandFailure away) when (lost.Accepts(away))
        {
            yield break;
        }

        using (answer)
        using (var silence = new Deadline(SilenceMost, clock, cancellationToken))
        {
            lost.Regained();
            await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
            await using var blocks = ServerEvents.ReadAsync(body, () => silence.Extend(SilenceMost), silence.Token)
                .GetAsyncEnumerator(silence.Token);
            while (true)
            {
                try
                {
                    if (!await blocks.MoveNextAsync())
                    {
                        lost.Lost("the town closed it");
                        yield break;
                    }
                }
                catch (Exception broken) when (broken is IOException or HttpRequestException)
                {
                    lost.Lost(broken.Message);
                    yield break;
                }
                catch (OperationCanceledException) when (silence.Passed)
                {
                    lost.Lost($"nothing was heard for {SilenceMost.TotalSeconds:0} s");
                    yield break;
                }

                yield return blocks.Current;
            }
        }
    }
}

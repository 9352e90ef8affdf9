using System.Globalization;
using System.Runtime.CompilerServices;
using Townhall.Client.Calls;

namespace Townhall.Client.Following;

/// <summary>Every block behind a position once and in order, over as many connections as that takes.</summary>
/// <param name="open">Opens the stream behind a position; from now on when that is null.</param>
internal sealed class EventFollow(
    Func<string?, CancellationToken, Task<Stream>> open, TimeProvider clock, Action<string> notice)
{
    /// <summary>Three of the town's keep-alives of 15 s: a stream that misses them all is dead, not quiet.</summary>
    private static readonly TimeSpan SilenceMost = TimeSpan.FromSeconds(45);

    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    /// <summary>Until <paramref name="cancellationToken"/> ends it. Blocks without data come too: they move the position.</summary>
    /// <param name="after">The last position that was seen; null to begin now.</param>
    public async IAsyncEnumerable<ServerEvent> RunAsync(long? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var position = after?.ToString(CultureInfo.InvariantCulture);
        var lost = new Patience(clock, notice, met: false);
        while (true)
        {
            await foreach (var block in ConnectionAsync(position, lost, cancellationToken))
            {
                position = block.Id ?? position;
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
        Stream body;
        try
        {
            body = await open(after, cancellationToken);
        }
        catch (TownException away) when (lost.Accepts(away))
        {
            yield break;
        }

        await using (body)
        using (var silence = new Deadline(SilenceMost, clock, cancellationToken))
        {
            lost.Regained();
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

using System.Runtime.CompilerServices;

namespace Townhall.Client.Following;

/// <summary>Reads every byte a task printed once, in order, also across lost connections and new attempts.</summary>
internal sealed class OutputFollow(TownClient town, TimeProvider clock, Action<string> notice)
{
    private const int PieceBytes = 32 * 1024;

    public async IAsyncEnumerable<OutputPiece> ReadAsync(
        AgentTask task, bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var id = task.TaskId.ToString();
        var lost = new Patience(clock, notice, met: true);      // it has told us of the task
        var attempt = Math.Max(1, task.Attempt);
        var offset = 0L;
        while (true)
        {
            // One attempt at a time: so an offset always means the same byte, whatever happens in between.
            await foreach (var bytes in BodyAsync(id, attempt, offset, follow, lost, cancellationToken))
            {
                yield return new OutputPiece(attempt, offset, bytes);
                offset += bytes.Length;
                lost.Regained();
            }

            if (!follow)
            {
                // Cut off in the middle is not the end.
                if (!lost.IsLost)
                {
                    yield break;
                }
            }
            else if (!lost.IsLost && await NowAsync(id, lost, cancellationToken) is { } now)
            {
                if (now.Attempt > attempt)
                {
                    (attempt, offset) = (attempt + 1, 0);
                    continue;
                }

                if (now.HasEnded)
                {
                    // Between the last byte and this look something may have come.
                    await foreach (var bytes in BodyAsync(id, attempt, offset, false, lost, cancellationToken))
                    {
                        yield return new OutputPiece(attempt, offset, bytes);
                        offset += bytes.Length;
                    }

                    if (!lost.IsLost)
                    {
                        yield break;
                    }
                }
            }

            await lost.WaitAsync(cancellationToken);
        }
    }

    private async IAsyncEnumerable<ReadOnlyMemory<byte>> BodyAsync(
        string id, int attempt, long offset, bool follow, Patience lost, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Stream body;
        try
        {
            body = await town.OutputAsync(id, attempt, offset, follow, cancellationToken);
        }
        catch (TownException away) when (lost.Accepts(away))
        {
            yield break;
        }

        await using (body)
        {
            while (true)
            {
                var buffer = new byte[PieceBytes];
                int read;
                try
                {
                    read = await body.ReadAsync(buffer, cancellationToken);
                }
                catch (Exception broken) when (broken is IOException or HttpRequestException)
                {
                    lost.Lost(broken.Message);
                    yield break;
                }

                if (read == 0)
                {
                    lost.Regained();
                    yield break;
                }

                yield return buffer.AsMemory(0, read);
            }
        }
    }

    private async Task<AgentTask?> NowAsync(string id, Patience lost, CancellationToken cancellationToken)
    {
        try
        {
            return await town.TaskAsync(id, cancellationToken);
        }
        catch (TownException away) when (lost.Accepts(away))
        {
            return null;
        }
    }
}

using System.Threading.Channels;

namespace Townhall.Dispatcher.Duties;

/// <summary>Says that entries wait to be sealed; rings while the sequencer works are one ring.</summary>
internal sealed class SequencerBell
{
    private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Ring() => _rung.Writer.TryWrite(true);

    /// <summary>Waits for a ring, at most <paramref name="bound"/>.</summary>
    public async Task WaitAsync(TimeSpan bound, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(bound, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await _rung.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nobody rang: the sequencer looks by itself.
        }
    }
}

using Townhall.Contracts.Workers;

namespace Townhall.Worker.Registration;

/// <summary>One registration: valid until the dispatcher no longer knows its token.</summary>
internal sealed class Session(Guid incarnation, RegisterReply reply) : IDisposable
{
    private readonly CancellationTokenSource _over = new();

    public Guid Incarnation { get; } = incarnation;

    public RegisterReply Reply { get; } = reply;

    public string Token => Reply.Token;

    /// <summary>Cancelled when the dispatcher refused the token.</summary>
    public CancellationToken Over => _over.Token;

    public int RefusedWith { get; private set; }

    /// <summary>The dispatcher answered 401 or 410: nothing is leased to this registration any more.</summary>
    public void End(int status)
    {
        // Said once; a late answer may find the session gone.
        if (!_over.IsCancellationRequested)
        {
            RefusedWith = status;
            _over.Cancel();
        }
    }

    public void Dispose() => _over.Dispose();
}

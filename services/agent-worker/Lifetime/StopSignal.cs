using System.Runtime.InteropServices;

namespace Townhall.Worker.Lifetime;

/// <summary>SIGTERM and SIGINT: the first asks this process to stop, the second makes it stop at once.</summary>
internal sealed class StopSignal : IDisposable
{
    private readonly CancellationTokenSource _requested = new();
    private readonly CancellationTokenSource _forced = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    public CancellationToken Requested => _requested.Token;

    public CancellationToken Forced => _forced.Token;

    public void ListenToSignals()
    {
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Raise();
            }));
        }
    }

    public void Raise() => (_requested.IsCancellationRequested ? _forced : _requested).Cancel();

    public void Dispose()
    {
        _registrations.ForEach(static registration => registration.Dispose());
        _requested.Dispose();
        _forced.Dispose();
    }
}

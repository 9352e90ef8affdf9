using System.Runtime.InteropServices;

namespace Aspire.Hosting.Running;

/// <summary>Ctrl-C, or SIGTERM, while already stopping: somebody does not want to wait.</summary>
internal sealed class Impatience : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;

    public Impatience(CancellationTokenSource hurry)
    {
        _registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            hurry.Cancel();
        }))];
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }
}

using Npgsql;
using Townhall.Dispatcher.Duties;
using Townhall.Simulation.Loop;
using Townhall.Simulation.Store;

namespace Townhall.Simulation.Town;

/// <summary>The rules of <c>Leadership</c>, whose SQL stands inside of it: a term of 6 s, renewed every 2 s, counted from when it was asked for.</summary>
internal sealed class SimulatedLeadership(Connection connection, ProcessClock clock, Guid me) : ILeadership
{
    public static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Term = TimeSpan.FromSeconds(6);
    private long _epoch;
    private long _heldSince;

    public long? Epoch => _epoch > 0 && clock.GetElapsedTime(_heldSince) < Term ? _epoch : null;

    public async Task TurnAsync()
    {
        var asked = clock.GetTimestamp();
        try
        {
            (_epoch, _heldSince) = (await connection.LeadAsync(me, CancellationToken.None), asked);
        }
        catch (NpgsqlException)
        {
            // The term runs out by itself.
        }
    }
}

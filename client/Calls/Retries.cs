using System.Net;

namespace Townhall.Client.Calls;

/// <summary>Why a try brought nothing.</summary>
/// <param name="Begun">False when the town surely did not begin what was asked.</param>
internal sealed record Miss(TownException Why, bool Begun, HttpStatusCode? Status = null, TimeSpan? RetryAfter = null);

/// <summary>Decides whether a call is tried again, and when.</summary>
internal static class Retries
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    /// <summary>How long to wait before try <paramref name="tries"/> + 1; null when this was the last.</summary>
    /// <param name="tries">Tries so far, 1 or more.</param>
    /// <param name="left">Until the call's deadline: a pause that is longer only delays the bad news.</param>
    /// <param name="chance">From 0 up to 1; many clients must not come back together (full jitter).</param>
    public static TimeSpan? Pause(Repeat repeat, Miss miss, int tries, TimeSpan left, TownClientOptions options, double chance)
    {
        if (tries > options.RetriesMost || !Passes(miss) || (miss.Begun && repeat == Repeat.Doubles)
            || (miss.Why is TownUnreachableException { MayHaveChanged: false } && !options.RetriesRefusedConnections))
        {
            return null;
        }

        var most = TimeSpan.FromTicks(Math.Min(First.Ticks << Math.Min(tries - 1, 16), Longest.Ticks));
        var pause = (miss.RetryAfter ?? TimeSpan.Zero) + most * chance;
        return pause < left ? pause : null;
    }

    private static bool Passes(Miss miss) => miss.Status switch
    {
        null => miss.Why is TownUnreachableException,
        HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway
            or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => true,
        _ => false,
    };
}

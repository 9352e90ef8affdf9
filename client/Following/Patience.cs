using System.Net;

namespace Townhall.Client.Following;

/// <summary>
/// How long a follower goes on without its town: it says so once, tries again with growing pauses, and gives up after
/// five minutes without an answer. A town that never answered is not waited for.
/// </summary>
/// <param name="notice">Told in a sentence when the connection is lost and when it is back.</param>
/// <param name="met">Whether the town has answered already, to another call.</param>
public sealed class Patience(TimeProvider clock, Action<string> notice, bool met)
{
    public static readonly TimeSpan GiveUpAfter = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(10);
    private TimeSpan _pause;
    private long? _since;
    private bool _met = met;
    private bool _said;

    /// <summary>The shortest pause before the next try; a server may ask for another.</summary>
    public TimeSpan FirstPause { get; set; } = TimeSpan.FromMilliseconds(500);

    public bool IsLost => _since is not null;

    /// <summary>True when <paramref name="failure"/> is one that passes by itself; it counts as lost then.</summary>
    public bool Accepts(TownException failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        if (!_met || !Passes(failure))
        {
            return false;
        }

        Lost(failure.Message);
        return _since is { } since && clock.GetElapsedTime(since) < GiveUpAfter;
    }

    /// <summary>The connection is gone; there will be another.</summary>
    public void Lost(string why)
    {
        ArgumentNullException.ThrowIfNull(why);
        _since ??= clock.GetTimestamp();
        if (!_said)
        {
            notice($"The connection is lost ({why.TrimEnd('.')}); trying again.");
            _said = true;
        }
    }

    /// <summary>It answers.</summary>
    public void Regained()
    {
        if (_said)
        {
            notice("The connection is back; nothing was missed.");
        }

        (_since, _said, _met, _pause) = (null, false, true, TimeSpan.Zero);
    }

    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        _pause = _pause < FirstPause ? FirstPause : TimeSpan.FromTicks(Math.Min(_pause.Ticks * 2, LongestPause.Ticks));

        // Up to a half longer: those who lost the same town must not come back in one moment.
        await Task.Delay(_pause * (1 + Random.Shared.NextDouble() / 2), clock, cancellationToken);
    }

    private static bool Passes(TownException failure) => failure switch
    {
        TownUnreachableException or TownTimeoutException => true,
        TownProblemException problem => problem.Status is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
            or HttpStatusCode.GatewayTimeout or HttpStatusCode.TooManyRequests,
        _ => false,
    };
}

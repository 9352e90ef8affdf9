namespace Aspire.Hosting.Running;

/// <summary>How long to wait before starting a program again: 0.5 s, doubling to 30 s, from the beginning after it ran for a minute.</summary>
internal sealed class BackOff
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongEnough = TimeSpan.FromMinutes(1);

    private TimeSpan _next = First;

    public TimeSpan After(TimeSpan ran)
    {
        if (ran >= LongEnough)
        {
            _next = First;
        }

        var wait = _next;
        _next = _next * 2 < Longest ? _next * 2 : Longest;
        return wait;
    }
}

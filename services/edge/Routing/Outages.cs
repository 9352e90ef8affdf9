using System.Collections.Concurrent;
using Yarp.ReverseProxy.Forwarder;

namespace Townhall.Edge.Routing;

/// <summary>Says once that a service is away and once that it is back, however many requests noticed.</summary>
internal sealed partial class Outages(ILogger<Outages> logger)
{
    // Keys are our own clusters, so it cannot grow.
    private readonly ConcurrentDictionary<string, bool> _away = new(StringComparer.Ordinal);

    public void Answered(string service)
    {
        if (!_away.IsEmpty && _away.TryRemove(service, out _))
        {
            LogBack(service);
        }
    }

    public void Missed(string service, ForwarderError reason)
    {
        if (_away.TryAdd(service, true))
        {
            LogAway(service, reason);
        }
    }

    [LoggerMessage(LogLevel.Warning, "{Service} does not answer ({Reason}); callers are told to try again until it does")]
    private partial void LogAway(string service, ForwarderError reason);

    [LoggerMessage(LogLevel.Information, "{Service} answers again")]
    private partial void LogBack(string service);
}

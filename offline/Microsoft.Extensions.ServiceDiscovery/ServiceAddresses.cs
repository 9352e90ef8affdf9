using Microsoft.Extensions.Configuration;

namespace Microsoft.Extensions.ServiceDiscovery;

/// <summary>Turns <c>http://name</c>, <c>https+http://name</c> and <c>http://_endpoint.name</c> into configured addresses, in turn.</summary>
internal sealed class ServiceAddresses(IConfiguration configuration)
{
    private int _turn = -1;

    /// <summary>The uri with scheme, host and port of one of the service's addresses, or unchanged when there is none.</summary>
    public Uri Resolve(Uri uri)
    {
        var host = uri.Host;
        string[] endpoints = uri.Scheme.Split('+');
        if (host.StartsWith('_') && host.IndexOf('.', StringComparison.Ordinal) is > 1 and var dot)
        {
            endpoints = [host[1..dot]];
            host = host[(dot + 1)..];
        }

        var service = configuration.GetSection("services").GetSection(host);
        foreach (var endpoint in endpoints)
        {
            var addresses = service.GetSection(endpoint).GetChildren()
                .Select(static child => child.Value)
                .Where(static value => Uri.IsWellFormedUriString(value, UriKind.Absolute))
                .ToArray();
            if (addresses.Length > 0)
            {
                var address = new Uri(addresses[(uint)Interlocked.Increment(ref _turn) % addresses.Length]!);
                return new UriBuilder(uri) { Scheme = address.Scheme, Host = address.Host, Port = address.Port }.Uri;
            }
        }

        // No HTTP handler knows a scheme like https+http; the last alternative is the one to fall back to.
        return uri.Scheme.Contains('+') ? new UriBuilder(uri) { Scheme = endpoints[^1], Port = uri.Port }.Uri : uri;
    }
}

using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Where a request came from. What a header says about it is believed only from the edge, which proves itself by a shared key.</summary>
public sealed class Sources(TownSettings town)
{
    /// <summary>Carries the edge's key; the edge takes away what callers send under this name.</summary>
    public const string EdgeHeader = "X-Townhall-Edge";

    private readonly byte[]? _edge = town.EdgeKey is { } key ? Encoding.ASCII.GetBytes(key) : null;

    /// <summary>The caller's address, as text; the peer's own where nobody may speak for it.</summary>
    public string Of(HttpContext context)
    {
        var peer = context.Connection.RemoteIpAddress?.ToString() ?? "unknown";
        var headers = context.Request.Headers;
        return _edge is not null && headers[EdgeHeader] is [{ } said] && headers["X-Forwarded-For"] is [{ } told]
            && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(said), _edge)
            && System.Net.IPAddress.TryParse(told.Split(',')[^1].Trim(), out var source)
            ? source.ToString()
            : peer;
    }
}

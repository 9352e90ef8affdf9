using System.Security.Cryptography.X509Certificates;

namespace Townhall.Client;

/// <summary>Which town a client talks to, as whom, and how long it tries.</summary>
public sealed record TownClientOptions
{
    /// <param name="address">The town's http or https address. A path in it is kept: calls go below it.</param>
    /// <exception cref="ArgumentException">The address is not absolute, or of another scheme.</exception>
    public TownClientOptions(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (!address.IsAbsoluteUri || address.Scheme is not ("http" or "https"))
        {
            throw new ArgumentException("The address must begin with http:// or https://.", nameof(address));
        }

        Address = address.AbsoluteUri.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/");
    }

    public Uri Address { get; }

    /// <summary>Sent as <c>Authorization: Bearer</c>; null for a town without authentication.</summary>
    public string? ApiKey { get; init; }

    /// <summary>Shown to a town that asks for one (mutual TLS).</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>For a call with all its tries. Longer than the town's own deadlines, so that it is the town that says what is wrong.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Tries after the first, 0 or more.</summary>
    public int RetriesMost { get; init; } = 4;

    /// <summary>Whether a town that nobody listens for is tried again, too; it may just be starting.</summary>
    public bool RetriesRefusedConnections { get; init; } = true;

    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

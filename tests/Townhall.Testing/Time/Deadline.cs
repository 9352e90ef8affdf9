using System.Diagnostics;

namespace Townhall.Testing;

/// <summary>The bound that every test has.</summary>
public static class Deadline
{
    /// <returns>A token that is cancelled after <paramref name="bound"/>; never while somebody debugs.</returns>
    public static CancellationToken Of(TimeSpan bound) =>
        Debugger.IsAttached ? CancellationToken.None : new CancellationTokenSource(bound).Token;

    /// <summary>Thirty seconds: enough for every test that starts no more than a few processes.</summary>
    public static CancellationToken Usual() => Of(TimeSpan.FromSeconds(30));
}

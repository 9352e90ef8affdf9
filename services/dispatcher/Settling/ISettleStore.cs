namespace Townhall.Dispatcher.Settling;

/// <summary>Where ends of attempts are recorded: Postgres, or the tables of a simulation.</summary>
internal interface ISettleStore
{
    /// <inheritdoc cref="SettleStore.SettleAsync"/>
    Task<Settled[]> SettleAsync(IReadOnlyList<Ending> endings, CancellationToken cancellationToken);
}

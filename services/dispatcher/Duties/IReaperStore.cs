namespace Townhall.Dispatcher.Duties;

/// <summary>Where what ran out of time is ended: Postgres, or the tables of a simulation.</summary>
internal interface IReaperStore
{
    /// <inheritdoc cref="ReaperStore.BeginAsync"/>
    Task<bool> BeginAsync(long epoch, bool broken, CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.ExpireAsync"/>
    Task<IReadOnlyList<Guid>> ExpireAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.LoseSilentWorkersAsync"/>
    Task<int> LoseSilentWorkersAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.AdmitAsync"/>
    Task<IReadOnlyList<Guid>> AdmitAsync(string[]? keys, CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.ExpireDeadlinesAsync"/>
    Task<IReadOnlyList<Guid>> ExpireDeadlinesAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.SweepAsync"/>
    Task<IReadOnlyList<Guid>> SweepAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="ReaperStore.EnsurePartitionsAsync"/>
    Task<int> EnsurePartitionsAsync(CancellationToken cancellationToken);
}

/// <summary>Says whether this process leads.</summary>
internal interface ILeadership
{
    /// <inheritdoc cref="Leadership.Epoch"/>
    long? Epoch { get; }
}

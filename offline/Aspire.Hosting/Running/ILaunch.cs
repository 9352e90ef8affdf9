namespace Aspire.Hosting.Running;

/// <summary>How one kind of resource is prepared, started and known to work.</summary>
internal interface ILaunch
{
    /// <summary>Makes everything ready and says what to start; called again before each restart.</summary>
    /// <exception cref="HostRefusedException">It can never start here.</exception>
    Task<LaunchPlan> PrepareAsync(CancellationToken cancellationToken);

    /// <summary>One bounded question. Null when healthy, otherwise what is wrong.</summary>
    Task<string?> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>Called each time it became healthy, before anything that waits for it goes on.</summary>
    Task OnHealthyAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

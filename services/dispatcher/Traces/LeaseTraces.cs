using System.Diagnostics;
using Npgsql;
using Townhall.Contracts.Traces;
using Townhall.Contracts.Workers;

namespace Townhall.Dispatcher.Traces;

/// <summary>Joins leases to the traces of the calls that brought their tasks. Only asked while traces are collected.</summary>
internal sealed partial class LeaseTraces(NpgsqlDataSource database, ILogger<LeaseTraces> logger)
{
    /// <returns>The same leases; those with a trace carry where it goes on. A trace that cannot be read is left out: the work goes on.</returns>
    public async Task<Lease[]> JoinAsync(Lease[] leases, CancellationToken cancellationToken)
    {
        if (leases.Length == 0 || !TaskTraces.Collected)
        {
            return leases;
        }

        try
        {
            var parents = await TraceParents.ReadAsync(database, Array.ConvertAll(leases, static lease => lease.TaskId), cancellationToken);
            return Array.ConvertAll(leases, lease =>
            {
                var step = TaskTraces.Begin("task.lease", ActivityKind.Producer, parents.GetValueOrDefault(lease.TaskId), lease.TaskId, lease.Epoch);
                step.End("leased");
                return lease with { Traceparent = step?.Id };
            });
        }
        catch (NpgsqlException away)
        {
            // The leases are given already: without their traces they are as good.
            LogUnread(away.Message);
            return leases;
        }
    }

    [LoggerMessage(LogLevel.Warning, "The traces of some leases could not be read, so they go on without: {Reason}")]
    private partial void LogUnread(string reason);
}

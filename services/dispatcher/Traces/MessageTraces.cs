using System.Diagnostics;
using Npgsql;
using Townhall.Contracts.Traces;
using Townhall.Contracts.Workers;

namespace Townhall.Dispatcher.Traces;

/// <summary>Says in the trace of the call that sent a message which attempt it was given to. Only asked while traces are collected.</summary>
internal static class MessageTraces
{
    public static async Task DeliveredAsync(
        NpgsqlDataSource database, IReadOnlyList<(Guid Message, Lease To)> delivered, CancellationToken cancellationToken)
    {
        if (delivered.Count == 0 || !TaskTraces.Collected)
        {
            return;
        }

        IReadOnlyDictionary<Guid, string> parents;
        try
        {
            parents = await TraceParents.ReadAsync(database, [.. delivered.Select(static one => one.Message)], cancellationToken);
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return;     // they are delivered, and without their traces they are as good
        }

        foreach (var (message, to) in delivered)
        {
            var step = TaskTraces.Begin("message.deliver", ActivityKind.Consumer, parents.GetValueOrDefault(message), to.TaskId, to.Epoch);
            step?.SetTag("townhall.message.id", message.ToString());
            step.End("delivered");
        }
    }
}

using System.Text;
using Townhall.Contracts.Workers;
using Townhall.Worker.Leasing;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Runtimes.Noop;

/// <summary>Ends at once, in this process, with the task's text as its result: for measuring, and for trying out a deployment.</summary>
internal sealed class NoopRuntime(int inlineResultBytes) : IAgentRuntime
{
    public bool HasProcess => false;

    public ValueTask<AttemptResult> RunAsync(Attempt attempt)
    {
        var text = attempt.Lease.Description;
        var bytes = Encoding.UTF8.GetByteCount(text);
        var inline = bytes <= inlineResultBytes ? text : ResultText.Cut(text, inlineResultBytes);
        return ValueTask.FromResult(new AttemptResult(
            attempt.Reference, AttemptOutcomes.Completed, 0, inline, null, bytes, null, null, Results.InProcess,
            attempt.Ran.TotalMilliseconds, 0));
    }
}

namespace Townhall.Worker.Lifetime;

/// <summary>Watches work that nobody awaits: an exception nobody foresaw ends the process, so that someone looks.</summary>
/// <remarks>A worker that lost one of its loops would look alive and do nothing; a dead one is replaced within a lease.</remarks>
internal static class Unforeseen
{
    public static void EndsTheProcess(Task work) =>
        work.ContinueWith(
            static failed => Environment.FailFast("A loop of the worker failed.", failed.Exception),
            CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}

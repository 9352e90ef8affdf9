using System.Runtime.CompilerServices;

namespace Townhall.Testing;

/// <summary>Waits for facts instead of seconds: asks until the answer is right, and fails with the last answer it saw.</summary>
public static class Eventually
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until <paramref name="ask"/> answers <paramref name="expected"/>.</summary>
    /// <exception cref="EventuallyException">The deadline came first.</exception>
    public static Task<T> Is<T>(
        T expected, Func<Task<T>> ask, CancellationToken deadline, [CallerArgumentExpression(nameof(ask))] string what = "") =>
        Is(ask, value => EqualityComparer<T>.Default.Equals(value, expected), deadline, $"{what} to be {expected}");

    /// <summary>Waits until an answer satisfies <paramref name="right"/>.</summary>
    /// <returns>The answer that did.</returns>
    /// <exception cref="EventuallyException">The deadline came first.</exception>
    public static async Task<T> Is<T>(
        Func<Task<T>> ask, Func<T, bool> right, CancellationToken deadline, [CallerArgumentExpression(nameof(right))] string what = "")
    {
        var last = "nothing: it never answered";
        while (true)
        {
            try
            {
                // One that hangs must not outlive the test either.
                var value = await ask().WaitAsync(deadline);
                if (right(value))
                {
                    return value;
                }

                last = value?.ToString() ?? "null";
                await Task.Delay(Pause, TimeProvider.System, deadline);
            }
            catch (OperationCanceledException) when (deadline.IsCancellationRequested)
            {
                throw new EventuallyException($"Waited in vain for {what}. Last seen: {last}.");
            }
        }
    }

    /// <summary>The same for something that is at hand.</summary>
    public static Task<T> Is<T>(
        Func<T> ask, Func<T, bool> right, CancellationToken deadline, [CallerArgumentExpression(nameof(right))] string what = "") =>
        Is(() => Task.FromResult(ask()), right, deadline, what);

    /// <summary>Waits until <paramref name="holds"/> is true.</summary>
    public static Task Holds(
        Func<bool> holds, CancellationToken deadline, [CallerArgumentExpression(nameof(holds))] string what = "") =>
        Is(() => Task.FromResult(holds()), static value => value, deadline, what);
}

/// <summary>What was waited for did not become true in time.</summary>
public sealed class EventuallyException(string message) : Exception(message);

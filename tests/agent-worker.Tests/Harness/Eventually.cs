using System.Diagnostics;

namespace Townhall.Worker.Tests.Harness;

/// <summary>Waits for facts: polls until one is true and fails with the last thing it saw.</summary>
internal static class Eventually
{
    public static readonly TimeSpan Default = TimeSpan.FromSeconds(20);

    public static async Task<T> SeesAsync<T>(Func<T?> look, string what, TimeSpan? within = null)
        where T : class
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            if (look() is { } seen)
            {
                return seen;
            }

            Assert.True(Stopwatch.GetElapsedTime(started) < (within ?? Default), $"Not within {within ?? Default}: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }

    public static async Task TrueAsync(Func<bool> fact, Func<string> lastSeen, TimeSpan? within = null)
    {
        var started = Stopwatch.GetTimestamp();
        while (!fact())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < (within ?? Default), $"Not within {within ?? Default}: {lastSeen()}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System);
        }
    }
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Townhall.ServiceDefaults.Redis;

/// <summary>
/// The one way to Redis: every call has a deadline, and after two misses in a row nobody tries for a second. Nothing here
/// is the truth; a call that cannot be made is answered with false or null and somebody's sweep makes up for it.
/// </summary>
public sealed partial class RedisDoor(IServiceProvider services, TimeProvider clock, ILogger<RedisDoor> logger) : BackgroundService
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private readonly List<(string Channel, Action<string> Heard)> _subscriptions = [];
    private readonly TaskCompletionSource<IConnectionMultiplexer> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _misses;
    private long _closedAt;

    /// <summary>False while Redis does not answer: callers then rely on looking for themselves.</summary>
    public bool Answers => Volatile.Read(ref _misses) < 2 && _connected.Task.IsCompletedSuccessfully;

    /// <summary>Hears a channel from the moment Redis is there, over every reconnect. Messages in between are lost. Call before the host starts.</summary>
    public void Subscribe(string channel, Action<string> heard) => _subscriptions.Add((channel, heard));

    /// <summary>Tells whoever listens.</summary>
    /// <returns>False when Redis did not take it in time.</returns>
    public Task<bool> PublishAsync(string channel, string message) =>
        CallAsync(redis => redis.GetSubscriber().PublishAsync(channel, message));

    /// <summary>Asks something of the data.</summary>
    /// <returns>Whether Redis answered in time, and what.</returns>
    /// <exception cref="RedisServerException">It answered that it will not: the command or the key is wrong.</exception>
    public async Task<(bool Answered, T? Answer)> AskAsync<T>(Func<IDatabase, Task<T>> ask)
    {
        T? answer = default;
        RedisServerException? refused = null;
        var answered = await CallAsync(async redis =>
        {
            try
            {
                answer = await ask(redis.GetDatabase());
            }
            catch (RedisServerException no)
            {
                refused = no;       // an answer, too: the door stays open
            }
        });
        return refused is null ? (answered, answer) : throw refused;
    }

    /// <summary>A round trip.</summary>
    /// <returns>How long it took, or null when Redis did not answer in time.</returns>
    public async Task<TimeSpan?> PingAsync()
    {
        var began = clock.GetTimestamp();
        return await CallAsync(static redis => redis.GetDatabase().PingAsync()) ? clock.GetElapsedTime(began) : null;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Connecting blocks for seconds where Redis is down, so it happens on a thread of its own and nobody waits for it.
        var redis = await Task.Factory.StartNew(
            services.GetRequiredService<IConnectionMultiplexer>, stoppingToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _connected.TrySetResult(redis);
        var waiting = new List<(string Channel, Action<string> Heard)>(_subscriptions);
        using var timer = new PeriodicTimer(Pause, clock);
        try
        {
            do
            {
                for (var i = waiting.Count - 1; i >= 0; i--)
                {
                    var (channel, heard) = waiting[i];
                    if (await CallAsync(one => one.GetSubscriber().SubscribeAsync(channel, (_, message) => heard(message!))))
                    {
                        waiting.RemoveAt(i);
                    }
                }
            }
            while (waiting.Count > 0 && await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping before Redis ever answered.
        }
    }

    private async Task<bool> CallAsync(Func<IConnectionMultiplexer, Task> call)
    {
        if (!_connected.Task.IsCompletedSuccessfully || Closed())
        {
            return false;
        }

        try
        {
            // The library's own calls never time out by themselves.
            await call(await _connected.Task).WaitAsync(Deadline, clock);
            if (Interlocked.Exchange(ref _misses, 0) >= 2)
            {
                LogBack();
            }

            return true;
        }
        catch (Exception missed) when (missed is TimeoutException or RedisException or ObjectDisposedException or InvalidOperationException)
        {
            Volatile.Write(ref _closedAt, clock.GetTimestamp());
            if (Interlocked.Increment(ref _misses) == 2)
            {
                LogAway(missed.GetType().Name);
            }

            return false;
        }
    }

    private bool Closed() => Volatile.Read(ref _misses) >= 2 && clock.GetElapsedTime(Volatile.Read(ref _closedAt)) < Pause;

    [LoggerMessage(LogLevel.Warning, "Redis does not answer ({Reason}); looking for work by itself until it does")]
    private partial void LogAway(string reason);

    [LoggerMessage(LogLevel.Information, "Redis answers again")]
    private partial void LogBack();
}

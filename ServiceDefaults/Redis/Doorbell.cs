using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Redis;

/// <summary>Rings after a commit. At most one ring a channel is on its way; what comes meanwhile goes into the next one.</summary>
/// <remarks>A ring may be lost: every listener also looks by itself once a second.</remarks>
public sealed class Doorbell : BackgroundService
{
    private const int NamedMost = 256;
    private readonly RedisDoor _redis;
    private readonly string _prefix;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, HashSet<string>> _waiting = new(StringComparer.Ordinal);
    private readonly Channel<bool> _rung = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public Doorbell(RedisDoor redis, TownSettings town)
    {
        _redis = redis;
        _prefix = $"town:{town.Name}:";
    }

    /// <summary>Something may start; the names are agent ids.</summary>
    public const string Work = "work";

    /// <summary>A name on <see cref="Work"/> beside agent ids: the backlog, or who may take from it, has grown.</summary>
    public const string Backlog = "backlog";

    /// <summary>The chain has grown; the name is its head.</summary>
    public const string Ledger = "ledger";

    /// <summary>An attempt printed something; the name is the task's id.</summary>
    public const string Output = "output";

    /// <summary>Somebody decided something about running work; the name is the task's id.</summary>
    public const string Control = "control";

    /// <summary>What a listener hears instead of names when there were too many: look at everything.</summary>
    public const string Everything = "*";

    /// <summary>Rings <paramref name="bell"/> for <paramref name="name"/>. Never waits.</summary>
    public void Ring(string bell, string name)
    {
        lock (_gate)
        {
            if (!_waiting.TryGetValue(bell, out var names))
            {
                _waiting[bell] = names = new(StringComparer.Ordinal);
            }

            if (names.Count < NamedMost)
            {
                names.Add(name);
            }
            else
            {
                names.Clear();
                names.Add(Everything);
            }
        }

        _rung.Writer.TryWrite(true);
    }

    /// <summary>Hears rings of a bell, each name once. Call before the host starts.</summary>
    public void Hear(string bell, Action<string> heard) => _redis.Subscribe(_prefix + bell, message =>
    {
        foreach (var range in message.AsSpan().Split(','))
        {
            heard(message[range]);
        }
    });

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _rung.Reader.WaitToReadAsync(stoppingToken))
            {
                _rung.Reader.TryRead(out _);
                List<(string Bell, string Message)> rings;
                lock (_gate)
                {
                    rings = [.. _waiting.Select(static bell => (bell.Key, string.Join(',', bell.Value)))];
                    _waiting.Clear();
                }

                // All bells at once: one that hangs must not keep the others waiting for its deadline.
                await Task.WhenAll(rings.Select(ring => _redis.PublishAsync(_prefix + ring.Bell, ring.Message)));
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopping: the sweeps of the others find what was not rung for.
        }
    }
}

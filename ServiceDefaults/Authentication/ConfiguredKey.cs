using System.Collections.Concurrent;
using Townhall.Secrets;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>How a credential stands to the configured hash.</summary>
internal enum ConfiguredVerdict
{
    Right,
    Wrong,

    /// <summary>Too many others are being judged; nothing was decided.</summary>
    Busy,
}

/// <summary>
/// The one key whose Argon2id hash is configured. Judging costs a tenth of a second and much memory, so each value is judged
/// once, one at a time, and few wait: a flood of wrong keys costs itself patience, and the right one, once known, nothing.
/// </summary>
internal sealed class ConfiguredKey(string hash) : IDisposable
{
    private const int WrongRemembered = 2048;
    private const int JudgedMost = 16;

    /// <summary>Of those, from one source; so one source cannot take all places.</summary>
    private const int JudgedOfOneSourceMost = 4;

    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Recent<bool> _wrong = new(WrongRemembered);
    private readonly ConcurrentDictionary<UInt128, (Task<bool> Judging, string Source)> _judged = [];
    private volatile Right? _right;

    public async ValueTask<ConfiguredVerdict> JudgeAsync(string credential, string source, CancellationToken cancellationToken)
    {
        var mark = Fingerprint.Of(credential);
        if (_right is { } right)
        {
            // Found right before: from now on everything else is wrong without a look at it.
            return right.Mark == mark ? ConfiguredVerdict.Right : ConfiguredVerdict.Wrong;
        }

        if (_wrong.TryFind(mark, out _))
        {
            return ConfiguredVerdict.Wrong;
        }

        if (!_judged.TryGetValue(mark, out var place))
        {
            if (_judged.Count >= JudgedMost || _judged.Values.Count(one => one.Source == source) >= JudgedOfOneSourceMost)
            {
                return ConfiguredVerdict.Busy;
            }

            place = _judged.GetOrAdd(mark, static (key, one) => (one.Key.JudgeOnceAsync(key, one.Credential), one.Source), (Key: this, Credential: credential, Source: source));
        }

        return await place.Judging.WaitAsync(cancellationToken) ? ConfiguredVerdict.Right : ConfiguredVerdict.Wrong;
    }

    public void Dispose() => _one.Dispose();

    /// <summary>Goes on when its caller leaves: the work is half done, and the next one with this value is glad of it.</summary>
    private async Task<bool> JudgeOnceAsync(UInt128 mark, string credential)
    {
        await Task.Yield();
        try
        {
            await _one.WaitAsync(CancellationToken.None);
            try
            {
                var right = Argon2.Verify(hash, credential);
                if (right)
                {
                    _right = new Right(mark);
                }
                else
                {
                    _wrong.Add(mark, true);
                }

                return right;
            }
            finally
            {
                _one.Release();
            }
        }
        finally
        {
            _judged.TryRemove(mark, out _);
        }
    }

    private sealed record Right(UInt128 Mark);
}

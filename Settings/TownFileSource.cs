using Microsoft.Extensions.Configuration;

namespace Townhall.Settings;

/// <summary>
/// The file and the earlier names as a source of configuration. It stands behind all others and speaks only where none of them says
/// anything: put in front of them it would have to rebuild them, and an empty variable would hide it.
/// </summary>
/// <param name="others">What it stands behind.</param>
/// <param name="earlier">Values that earlier names give; they win over the file.</param>
public sealed class TownFileSource(string path, TownFile file, IConfigurationRoot others, IReadOnlyDictionary<string, string> earlier)
    : IConfigurationSource
{
    /// <summary>Empty, it says something: a key without any scope.</summary>
    private const string MayBeEmpty = "TOWN_AUTH_API_KEY_SCOPES";

    private Provider? _provider;

    private IReadOnlyDictionary<string, string> Earlier { get; } = earlier;

    /// <summary>What the file said when it was last read whole.</summary>
    public TownFile File { get; private set; } = file;

    public string Path => path;

    /// <summary>The file's own when it was read at the start.</summary>
    public FileStamp Stamp { get; internal init; }

    /// <summary>Mistakes of the earlier names.</summary>
    internal IReadOnlyList<string> Refused { get; init; } = [];

    /// <summary>Sentences about variables that are set and mean nothing here.</summary>
    internal IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>What a start must refuse: the mistakes of the file, and those of the earlier names.</summary>
    public IEnumerable<string> Mistakes => File.Mistakes.Concat(Refused);

    /// <summary>What a start should say aloud.</summary>
    public IEnumerable<string> Warnings => Ignored.Concat(File.Warnings);

    public IConfigurationProvider Build(IConfigurationBuilder builder) => _provider ??= new Provider(this, File.Settings());

    /// <summary>Takes what a newly read file says of keys that take effect at once; everything else stays until the next start.</summary>
    /// <returns>The keys that changed, each with when it takes effect.</returns>
    public IReadOnlyList<FileKey> Take(TownFile newer)
    {
        var before = File.Entries.ToDictionary(static entry => entry.Path, static entry => entry.Text);
        var changed = newer.Entries
            .Where(entry => !before.Remove(entry.Path, out var old) || old != entry.Text)
            .Select(static entry => entry.Key)
            .ToList();
        changed.AddRange(File.Entries.Where(entry => before.ContainsKey(entry.Path)).Select(static entry => entry.Key));
        File = newer;
        _provider?.Take(newer.Settings(), changed.Where(static key => key.Effect == TakesEffect.AtOnce).Select(static key => key.Setting!));
        return [.. changed.Distinct()];
    }

    private bool IsSaidElsewhere(string key)
    {
        foreach (var other in others.Providers)
        {
            if (other != _provider && other.TryGet(key, out var said) && (said is { Length: > 0 } || (said is "" && key == MayBeEmpty)))
            {
                return true;
            }
        }

        return false;
    }

    private sealed class Provider : ConfigurationProvider
    {
        private readonly TownFileSource _source;

        public Provider(TownFileSource source, IReadOnlyDictionary<string, string> settings)
        {
            _source = source;
            foreach (var (setting, value) in settings.Concat(source.Earlier))
            {
                Data[setting] = value;
            }
        }

        public override bool TryGet(string key, out string? value)
        {
            value = null;
            return Data.ContainsKey(key) && !_source.IsSaidElsewhere(key) && base.TryGet(key, out value);
        }

        public void Take(IReadOnlyDictionary<string, string> newer, IEnumerable<string> changed)
        {
            // A copy, because others read meanwhile.
            var next = new Dictionary<string, string?>(Data, StringComparer.OrdinalIgnoreCase);
            foreach (var setting in changed.Where(setting => !_source.Earlier.ContainsKey(setting)))
            {
                if (newer.TryGetValue(setting, out var value))
                {
                    next[setting] = value;
                }
                else
                {
                    next.Remove(setting);
                }
            }

            Data = next;
            OnReload();
        }
    }
}

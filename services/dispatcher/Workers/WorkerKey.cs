using System.Security.Cryptography;
using System.Text;

namespace Townhall.Dispatcher.Workers;

/// <summary>The key that lets a process register as a worker of this town; kept here as a hash only.</summary>
internal sealed class WorkerKey
{
    private readonly byte[] _hash;

    private WorkerKey(byte[] hash) => _hash = hash;

    /// <summary>Reads what <c>TOWN_WORKER_KEY_FILE</c> names.</summary>
    /// <returns>Null when it is not set, cannot be read or holds no key; then <paramref name="mistakes"/> says so.</returns>
    public static WorkerKey? From(IConfiguration configuration, List<string> mistakes)
    {
        if (configuration["TOWN_WORKER_KEY_FILE"] is not { Length: > 0 } path)
        {
            mistakes.Add("TOWN_WORKER_KEY_FILE must name the file with the worker key; the AppHost makes it.");
            return null;
        }

        try
        {
            if (File.ReadAllText(path).Trim() is { Length: >= 32 } key)
            {
                return new(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
            }

            mistakes.Add($"TOWN_WORKER_KEY_FILE ({path}) must hold at least 32 characters; remove it and it is made anew.");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            mistakes.Add($"TOWN_WORKER_KEY_FILE ({path}) cannot be read: {failure.Message}");
        }

        return null;
    }

    public bool Matches(string? bearer) =>
        bearer is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(bearer)), _hash);
}

using System.Security.Cryptography;
using System.Text;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.Dispatcher.Workers;

/// <summary>The key that lets a process register as a worker of this town; kept here as a hash only.</summary>
internal sealed class WorkerKey
{
    private readonly byte[] _hash;

    /// <exception cref="SettingsException"><c>TOWN_WORKER_KEY_FILE</c> is not set or cannot be read.</exception>
    public WorkerKey(IConfiguration configuration)
    {
        if (configuration["TOWN_WORKER_KEY_FILE"] is not { Length: > 0 } path)
        {
            throw new SettingsException(["TOWN_WORKER_KEY_FILE must name the file with the worker key; the AppHost makes it."]);
        }

        try
        {
            var key = File.ReadAllText(path).Trim();
            if (key.Length < 32)
            {
                throw new SettingsException([$"TOWN_WORKER_KEY_FILE ({path}) must hold at least 32 characters; remove it and it is made anew."]);
            }

            _hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new SettingsException([$"TOWN_WORKER_KEY_FILE ({path}) cannot be read: {failure.Message}"]);
        }
    }

    public bool Matches(string? bearer) =>
        bearer is not null && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(bearer)), _hash);
}

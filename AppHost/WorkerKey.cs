using System.Buffers.Text;
using System.Security.Cryptography;

namespace Townhall.AppHost;

/// <summary>The key that workers register with. Environments are inherited by the commands that agents run, so they see its path at most.</summary>
internal static class WorkerKey
{
    public const string Variable = "TOWN_WORKER_KEY_FILE";

    /// <returns>The file's path: <c>worker.key</c> in <paramref name="directory"/>.</returns>
    public static string EnsureIn(string directory) =>
        KeyFile.EnsureIn(directory, "worker.key", static () => $"thw_{Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32))}");
}

using System.Security.Cryptography;
using Townhall.Cli.Invoking;
using Townhall.Secrets;

namespace Townhall.Cli.Authentication;

/// <param name="Key">64 hexadecimal digits of 32 random bytes.</param>
/// <param name="Hash">Its Argon2id hash, as <c>TOWN_AUTH_API_KEY_HASH</c> takes it.</param>
internal sealed record GeneratedKey(string Key, string Hash);

/// <summary><c>tt auth gen-key</c>: a key that a town is configured with, without a database and without a town that runs.</summary>
internal static class AuthCommands
{
    private const string Setting = "TOWN_AUTH_API_KEY_HASH";

    public static ExampledCommand Create(GlobalOptions globals) => GlobalOptions.Group(
        "auth", "The one key that is configured",
        globals.Answer(
            "gen-key", "Make a key and the hash to configure it with; nothing is asked of a town", ["tt auth gen-key"], [],
            static (_, _) => Task.FromResult(Make()), Show));

    private static GeneratedKey Make()
    {
        try
        {
            var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            return new(key, Argon2.Hash(key));
        }
        catch (InvalidOperationException missing)
        {
            throw new CommandFailure(ExitCodes.Failed, "argon2_missing", missing.Message, missing);
        }
    }

    private static void Show(Invocation invocation, GeneratedKey made)
    {
        // In single quotes, because a shell would read the hash's dollars as variables.
        invocation.Screen.Line($"key: {made.Key}\n{Setting}='{made.Hash}'");
        invocation.Screen.Notice(
            "Give the key to who calls, and the hash to the town, with TOWN_AUTH_API_KEY_SCOPES. The key is kept nowhere: it is never shown again.");
    }
}

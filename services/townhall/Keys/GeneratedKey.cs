using System.Security.Cryptography;
using Townhall.ServiceDefaults.Authentication;

namespace Townhall.Api.Keys;

/// <summary><c>Townhall.Api gen-key</c>: a new key and the hash to configure, without a town.</summary>
internal static class GeneratedKey
{
    /// <returns>0; 69 where no library for Argon2id is there.</returns>
    public static async Task<int> PrintAsync(TextWriter output, TextWriter error)
    {
        const int unavailable = 69;     // sysexits.h, EX_UNAVAILABLE
        try
        {
            var key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
            await output.WriteLineAsync($"key:  {key}\nhash: {Argon2.Hash(key)}");
            return 0;
        }
        catch (InvalidOperationException missing)
        {
            await error.WriteLineAsync($"townhall: {missing.Message}");
            return unavailable;
        }
    }
}

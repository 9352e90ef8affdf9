using Townhall.Cli.Invoking;
using Townhall.Ledger;
using Townhall.Ledger.Checkpoints;

namespace Townhall.Cli.LedgerChain;

/// <summary>Public keys and kept checkpoints that somebody trusts.</summary>
internal static class KeyFiles
{
    /// <exception cref="CommandFailure">The file is no public key, or not there.</exception>
    public static CheckpointPublicKey Read(string path)
    {
        try
        {
            return CheckpointPublicKey.FromPem(File.ReadAllText(path));
        }
        catch (Exception unusable) when (unusable is CheckpointKeyException or IOException or UnauthorizedAccessException)
        {
            throw CommandFailure.Usage($"{path}: {unusable.Message}");
        }
    }

    /// <summary>The checkpoints in a file of lines; other lines, such as entries of an export, are passed over.</summary>
    /// <exception cref="CommandFailure">It holds none, or is not there.</exception>
    public static IReadOnlyList<Checkpoint> ReadKept(string path)
    {
        try
        {
            Checkpoint[] kept = [.. File.ReadLines(path).Where(static line => line.StartsWith("{\"town\":", StringComparison.Ordinal))
                .Select(Checkpoint.Parse).OfType<Checkpoint>()];
            return kept.Length > 0 ? kept : throw CommandFailure.Usage($"{path} holds no checkpoint.");
        }
        catch (Exception unusable) when (unusable is IOException or UnauthorizedAccessException)
        {
            throw CommandFailure.Usage($"{path}: {unusable.Message}");
        }
    }

    /// <summary>What is wrong with checkpoints themselves, before any entry is looked at; null when nothing is.</summary>
    public static string? Fault(IEnumerable<Checkpoint> checkpoints, string town, IReadOnlyList<CheckpointPublicKey> keys)
    {
        foreach (var checkpoint in checkpoints)
        {
            if (checkpoint.Town != town)
            {
                return $"The checkpoint at {checkpoint.Seq} is of town {checkpoint.Town}, not of {town}.";
            }

            if (keys.Count > 0 && !keys.Any(key => key.Signed(checkpoint)))
            {
                return keys.Any(key => key.Id == checkpoint.KeyId)
                    ? $"The checkpoint at {checkpoint.Seq} does not bear the key's signature: it was changed."
                    : $"The checkpoint at {checkpoint.Seq} was signed by another key ({checkpoint.KeyId}).";
            }
        }

        return null;
    }

    public static IEnumerable<ChainPlace> Places(IEnumerable<Checkpoint> checkpoints) =>
        checkpoints.Select(static checkpoint => new ChainPlace(checkpoint.Seq, checkpoint.Hash));
}

/// <summary>What should be bytes and is not is wrong bytes, not a broken program: it must be named like any other fault.</summary>
internal static class Hexadecimal
{
    public static byte[] Bytes(string hex)
    {
        try
        {
            return Convert.FromHexString(hex);
        }
        catch (FormatException)
        {
            return [];
        }
    }

    public static byte[] Base64(string text)
    {
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            return [];
        }
    }
}

using Npgsql;

namespace Townhall.ServiceDefaults.Problems;

/// <summary>What a refusal of Postgres means for a batch that met it.</summary>
/// <remarks>SQLSTATE classes: https://www.postgresql.org/docs/15/errcodes-appendix.html</remarks>
public static class SqlFailures
{
    private const int TriesMost = 3;

    /// <summary>Runs a statement that is whole in itself again when it was the one to give way in a circle of locks: nothing was done.
    /// Three tries, then the conflict is the caller's.</summary>
    public static async Task<T> AgainAfterConflictAsync<T>(Func<Task<T>> statement)
    {
        for (var tried = 1; ; tried++)
        {
            try
            {
                return await statement();
            }
            catch (PostgresException conflict) when (conflict.SqlState.StartsWith("40", StringComparison.Ordinal) && tried < TriesMost)
            {
                // Who we met goes first now; no pause, because the server already let one of us wait. A lock that was waited for in
                // vain is not waited for again: its holder is no circle, and callers have waited for seconds already.
            }
        }
    }

    /// <summary>Serialization failure, deadlock, lock timeout: nothing was done, and the same statement again makes sense.</summary>
    public static bool IsConflict(this PostgresException failure) =>
        failure.SqlState.StartsWith("40", StringComparison.Ordinal) || failure.SqlState == PostgresErrorCodes.LockNotAvailable;

    /// <summary>A value or a constraint: some row of the batch can never be stored, the others can.</summary>
    public static bool IsOfARow(this PostgresException failure) => failure.SqlState[..2] is "22" or "23";
}

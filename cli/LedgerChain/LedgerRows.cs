using Townhall.Client;
using Townhall.Ledger;

namespace Townhall.Cli.LedgerChain;

/// <summary>An entry of the wire as the verifier wants it.</summary>
internal static class LedgerRows
{
    public static LedgerEntry ToEntry(this LedgerRow row, string town) => new(
        town, row.Seq, row.Id, row.At.ToUniversalTime(), row.Actor, row.Action, row.AgentId, row.AgentName, row.TaskId, row.Outcome, row.Detail,
        Hexadecimal.Bytes(row.PrevHash), Hexadecimal.Bytes(row.Hash));
}

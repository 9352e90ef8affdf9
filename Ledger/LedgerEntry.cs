namespace Townhall.Ledger;

/// <summary>One line of the log: who did what to which agent or task, when, and how it ended.</summary>
/// <param name="Seq">Position in the town's chain: from 1, without gaps.</param>
/// <param name="Id">Order of arrival before sequencing; unique, with gaps.</param>
/// <param name="At">Database clock, microseconds, UTC.</param>
/// <param name="Detail">JSON, exactly as it was hashed.</param>
/// <param name="PrevHash">Hash of the entry before; 32 zero bytes at the first.</param>
/// <param name="Hash">SHA-256 of <see cref="LedgerHash"/>'s encoding of every other field.</param>
public sealed record LedgerEntry(
    string Town, long Seq, long Id, DateTime At, string Actor, string Action, Guid? AgentId, string? AgentName,
    Guid? TaskId, string Outcome, string Detail, byte[] PrevHash, byte[] Hash);

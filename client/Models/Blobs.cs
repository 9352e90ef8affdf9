namespace Townhall.Client;

/// <param name="Sha256">64 lower-case hex digits: the name of the blob.</param>
public sealed record StoredBlob(string Sha256, int Bytes);

using System.Security.Cryptography;
using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>A blob of the town, as it is.</summary>
    /// <returns>A stream that the caller disposes.</returns>
    public Task<Stream> BlobAsync(string sha256, CancellationToken cancellationToken) =>
        OpenAsync(Call.Get($"v1/blobs/{Segment(sha256)}"), cancellationToken);

    /// <summary>Keeps bytes under their SHA-256; the same bytes are kept once.</summary>
    /// <param name="bytes">At most 1 MiB (<c>body_too_large</c>).</param>
    public Task<StoredBlob> StoreBlobAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        // Under the name worked out here, so that bytes that were damaged on the way are refused.
        var name = Convert.ToHexStringLower(SHA256.HashData(bytes.Span));
        return CallAsync(
            new Call(HttpMethod.Put, $"v1/blobs/{name}", Repeat.Harmless, bytes.ToArray()) { ContentType = "application/octet-stream" },
            AnswerJson.Default.StoredBlob, cancellationToken);
    }
}

using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    /// <summary>Every key of the town, also those that have ended; without the keys themselves.</summary>
    public IAsyncEnumerable<TownKey> KeysAsync(CancellationToken cancellationToken) => AllAsync(
        async (cursor, stop) =>
        {
            var page = await CallAsync(
                Call.Get($"v1/keys{new Query().Add("limit", PageSize).Add("cursor", cursor)}"), AnswerJson.Default.KeyPage, stop);
            return (page.Keys, page.NextCursor);
        },
        cancellationToken);

    /// <summary>Makes a key. It is in the answer and nowhere else: a lost answer is a lost key, to be revoked.</summary>
    public Task<MadeKey> MakeKeyAsync(NewKey key, CancellationToken cancellationToken) =>
        CallAsync(Call.Post("v1/keys", Repeat.Doubles, key, RequestJson.Default.NewKey), AnswerJson.Default.MadeKey, cancellationToken);

    /// <summary>Makes a key in the place of another, with its name and scopes.</summary>
    /// <param name="overlap">How long the old one goes on, in whole seconds, at most 30 days; null: an hour.</param>
    /// <param name="life">How long the new one is good; null: as long as the old one was.</param>
    public Task<MadeKey> RotateKeyAsync(string id, TimeSpan? overlap, TimeSpan? life, CancellationToken cancellationToken) => CallAsync(
        Call.Post(
            $"{KeyPath(id)}/rotate", Repeat.Doubles, new KeyRotation((long?)overlap?.TotalSeconds, (long?)life?.TotalSeconds), RequestJson.Default.KeyRotation),
        AnswerJson.Default.MadeKey, cancellationToken);

    /// <summary>Ends a key: at the latest 5 s later nobody takes it. One that had ended stays so.</summary>
    public Task RevokeKeyAsync(string id, CancellationToken cancellationToken) =>
        CallAsync(new Call(HttpMethod.Delete, KeyPath(id), Repeat.Harmless), cancellationToken);

    private static string KeyPath(string id) => $"v1/keys/{Segment(id)}";
}

using System.Globalization;
using System.Net;
using System.Text.Json;
using Townhall.Client.Calls;

namespace Townhall.Client;

public sealed partial class TownClient
{
    public Task<TownInfo> TownAsync(CancellationToken cancellationToken) =>
        CallAsync(Call.Get("v1/town"), AnswerJson.Default.TownInfo, cancellationToken);

    public Task<TownStatus> StatusAsync(CancellationToken cancellationToken) => StatusAsync(deep: false, cancellationToken);

    /// <param name="deep">With the workers and what they hold.</param>
    public Task<TownStatus> StatusAsync(bool deep, CancellationToken cancellationToken) =>
        CallAsync(Call.Get($"v1/status{new Query().Flag("deep", deep)}"), AnswerJson.Default.TownStatus, cancellationToken);

    public Task<ScalingReading> ScalingAsync(CancellationToken cancellationToken) =>
        CallAsync(Call.Get("api/scaling"), AnswerJson.Default.ScalingReading, cancellationToken);

    public Task<TownHealth> HealthAsync(CancellationToken cancellationToken) =>
        CallAsync(Call.Get("health"), AnswerJson.Default.TownHealth, cancellationToken);

    /// <summary>One question, never repeated: also 503 is an answer, and says what is away.</summary>
    /// <returns>What the town says of itself, and its clock where its answer shows one.</returns>
    public async Task<(TownReadiness Readiness, DateTimeOffset? At)> ReadyAsync(CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(_options.Deadline, _options.Clock, cancellationToken);
        try
        {
            using var answer = await _http.GetAsync("ready", deadline.Token);
            var body = await answer.Content.ReadAsStringAsync(deadline.Token);
            if (answer.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable))
            {
                throw Refusals.Read(answer, body, _options.Clock.GetUtcNow()).Why;
            }

            return (JsonSerializer.Deserialize(body, AnswerJson.Default.TownReadiness)
                ?? throw new TownAnswerException("ready answered null.", null), answer.Headers.Date);
        }
        catch (JsonException unexpected)
        {
            throw new TownAnswerException($"The answer of ready is not what this version knows: {unexpected.Message}", unexpected);
        }
        catch (HttpRequestException nobody)
        {
            throw new TownUnreachableException(Words(nobody, Call.Get("ready")), false, nobody);
        }
        catch (OperationCanceledException) when (deadline.Passed)
        {
            throw new TownTimeoutException($"No answer within {_options.Deadline.TotalSeconds:0.#} s.");
        }
    }

    /// <summary>Entries behind <paramref name="after"/>, oldest first.</summary>
    /// <param name="limit">1 to 5000.</param>
    public Task<LedgerPage> LedgerAsync(long after, int limit, CancellationToken cancellationToken) => CallAsync(
        Call.Get(string.Create(CultureInfo.InvariantCulture, $"v1/ledger?after={after}&limit={limit}")), AnswerJson.Default.LedgerPage,
        cancellationToken);

    /// <summary>Signed checkpoints behind <paramref name="after"/>, in the order of their making.</summary>
    public Task<CheckpointPage> CheckpointsAsync(long after, CancellationToken cancellationToken) => CallAsync(
        Call.Get(string.Create(CultureInfo.InvariantCulture, $"v1/ledger/checkpoints?after={after}&limit={PageSize}")),
        AnswerJson.Default.CheckpointPage, cancellationToken);

    /// <summary>Public keys that signed checkpoints.</summary>
    public Task<LedgerKeys> LedgerKeysAsync(CancellationToken cancellationToken) =>
        CallAsync(Call.Get("v1/ledger/keys"), AnswerJson.Default.LedgerKeys, cancellationToken);

    private async Task<Stream> OpenAsync(Call call, CancellationToken cancellationToken)
    {
        var answer = await SendAsync(call, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        return await answer.Content.ReadAsStreamAsync(cancellationToken);
    }
}

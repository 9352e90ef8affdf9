namespace Townhall.Testing;

/// <summary>Holds every answer that passes through to the description: an integration test then fails also for what it did not look at.</summary>
public sealed class DescribedAnswers(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var response = await base.SendAsync(request, cancellationToken);
        var path = request.RequestUri!.PathAndQuery;
        var media = response.Content.Headers.ContentType?.ToString();
        // Streams are read by who asked for them; a HEAD has no body by its nature.
        if (path.StartsWith("/internal/", StringComparison.Ordinal) || path.StartsWith("/worker/", StringComparison.Ordinal)
            || request.Method == HttpMethod.Head || media is not null && !media.Contains("json", StringComparison.Ordinal) && response.IsSuccessStatusCode)
        {
            return response;
        }

        await response.Content.LoadIntoBufferAsync(cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        var faults = ApiDocument.Current.Faults(request.Method.Method, path, (int)response.StatusCode, media, body);
        return faults.Count == 0
            ? response
            : throw new AnswerNotDescribedException($"{request.Method} {path} is not answered as docs/openapi says. Where the code is right, describe it anew (dotnet run -c Release --project tests/OpenApi):\n{string.Join('\n', faults)}");
    }
}

/// <summary>An answer differs from the API's description: one of the two is wrong.</summary>
public sealed class AnswerNotDescribedException(string message) : Exception(message);

using System.Net;
using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;
using Polly.Timeout;

namespace Microsoft.Extensions.Http.Resilience;

/// <summary>How often a request is tried and how long it may take; the defaults are those of the real package.</summary>
public class HttpStandardResilienceOptions
{
    /// <summary>Bound of everything together, waits between tries included. Default 30 s.</summary>
    public HttpTimeoutStrategyOptions TotalRequestTimeout { get; set; } = new() { Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>Three further tries, first after 2 s, each wait about twice the last.</summary>
    public HttpRetryStrategyOptions Retry { get; set; } = new();

    /// <summary>Opens for 5 s when 10% of at least 100 requests in 30 s failed.</summary>
    public HttpCircuitBreakerStrategyOptions CircuitBreaker { get; set; } = new();

    /// <summary>Bound of a single try. Default 10 s.</summary>
    public HttpTimeoutStrategyOptions AttemptTimeout { get; set; } = new() { Timeout = TimeSpan.FromSeconds(10) };
}

/// <summary>A bound on time.</summary>
public class HttpTimeoutStrategyOptions : TimeoutStrategyOptions;

/// <summary>When a try failed in a way that another one may not.</summary>
public class HttpRetryStrategyOptions : RetryStrategyOptions<HttpResponseMessage>
{
    public HttpRetryStrategyOptions()
    {
        ShouldHandle = static arguments => ValueTask.FromResult(HttpTransient.IsTransient(arguments.Outcome));
        BackoffType = DelayBackoffType.Exponential;
        UseJitter = true;
        DelayGenerator = static arguments => ValueTask.FromResult(arguments.Outcome.Result?.Headers.RetryAfter?.Delta);
    }

    /// <summary>Read by the handler: null means every method is tried again.</summary>
    internal HttpMethod[]? NeverFor { get; set; }
}

/// <summary>When so much fails that asking again would only add load.</summary>
public class HttpCircuitBreakerStrategyOptions : CircuitBreakerStrategyOptions<HttpResponseMessage>
{
    public HttpCircuitBreakerStrategyOptions() =>
        ShouldHandle = static arguments => ValueTask.FromResult(HttpTransient.IsTransient(arguments.Outcome));
}

/// <summary>Limits which requests are repeated.</summary>
public static class HttpRetryStrategyOptionsExtensions
{
    /// <summary>Requests that change something are sent once.</summary>
    public static void DisableForUnsafeHttpMethods(this HttpRetryStrategyOptions options) =>
        options.DisableFor(HttpMethod.Delete, HttpMethod.Patch, HttpMethod.Post, HttpMethod.Put, HttpMethod.Connect);

    /// <summary>Requests with these methods are sent once.</summary>
    public static void DisableFor(this HttpRetryStrategyOptions options, params HttpMethod[] methods) => options.NeverFor = methods;
}

/// <summary>The one place that says what counts as transient: no answer, 408, 429 and 5xx.</summary>
internal static class HttpTransient
{
    public static bool IsTransient(Outcome<HttpResponseMessage> outcome) => outcome switch
    {
        { Exception: HttpRequestException or TimeoutRejectedException } => true,
        { Result.StatusCode: HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests } => true,
        { Result.StatusCode: >= HttpStatusCode.InternalServerError } => true,
        _ => false,
    };
}

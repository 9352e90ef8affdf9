using Microsoft.Extensions.Http.Resilience;
using Microsoft.Extensions.Options;
using Polly;

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Puts the standard pipeline in front of an HTTP client.</summary>
    public static class ResilienceHttpClientBuilderExtensions
    {
        /// <summary>Total timeout, retries, circuit breaker and attempt timeout, in this order from the outside.</summary>
        public static IHttpStandardResiliencePipelineBuilder AddStandardResilienceHandler(this IHttpClientBuilder builder)
        {
            var name = $"{builder.Name}-standard";
            builder.AddHttpMessageHandler(services => new StandardResilienceHandler(
                services.GetRequiredService<IOptionsMonitor<HttpStandardResilienceOptions>>().Get(name)));
            return new PipelineBuilder(name, builder.Services);
        }

        /// <summary>The same with other numbers.</summary>
        public static IHttpStandardResiliencePipelineBuilder AddStandardResilienceHandler(
            this IHttpClientBuilder builder, Action<HttpStandardResilienceOptions> configure)
        {
            var pipeline = builder.AddStandardResilienceHandler();
            pipeline.Services.Configure(pipeline.PipelineName, configure);
            return pipeline;
        }

        private sealed record PipelineBuilder(string PipelineName, IServiceCollection Services) : IHttpStandardResiliencePipelineBuilder;
    }
}

namespace Microsoft.Extensions.Http.Resilience
{
    /// <summary>Names the pipeline whose options can be configured.</summary>
    public interface IHttpStandardResiliencePipelineBuilder
    {
        string PipelineName { get; }

        DependencyInjection.IServiceCollection Services { get; }
    }

    /// <summary>Sends a request through the pipeline; a request that must not be repeated skips the retries only.</summary>
    internal sealed class StandardResilienceHandler : DelegatingHandler
    {
        private readonly HttpMethod[] _sentOnce;
        private readonly ResiliencePipeline<HttpResponseMessage> _repeating;
        private readonly ResiliencePipeline<HttpResponseMessage> _once;

        public StandardResilienceHandler(HttpStandardResilienceOptions options)
        {
            _sentOnce = options.Retry.NeverFor ?? [];
            var attempt = new ResiliencePipelineBuilder<HttpResponseMessage>()
                .AddCircuitBreaker(options.CircuitBreaker)
                .AddTimeout(options.AttemptTimeout)
                .Build();
            _once = new ResiliencePipelineBuilder<HttpResponseMessage>()
                .AddTimeout(options.TotalRequestTimeout).AddPipeline(attempt).Build();
            _repeating = new ResiliencePipelineBuilder<HttpResponseMessage>()
                .AddTimeout(options.TotalRequestTimeout).AddRetry(options.Retry).AddPipeline(attempt).Build();
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var pipeline = _sentOnce.Contains(request.Method) ? _once : _repeating;
            return await pipeline.ExecuteAsync(
                static async (state, token) => await state.Handler.SendOnceAsync(state.Request, token),
                (Handler: this, Request: request),
                cancellationToken);
        }

        private Task<HttpResponseMessage> SendOnceAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            base.SendAsync(request, cancellationToken);
    }
}

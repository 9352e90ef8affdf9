using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.ServiceDiscovery;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Lets HTTP clients call services by name, from configuration <c>services:{name}:{endpoint}:{n}</c>.</summary>
public static class ServiceDiscoveryServiceCollectionExtensions
{
    /// <summary>Registers what <c>AddServiceDiscovery()</c> on a client needs.</summary>
    public static IServiceCollection AddServiceDiscovery(this IServiceCollection services)
    {
        services.TryAddSingleton(provider => new ServiceAddresses(provider.GetRequiredService<IConfiguration>()));
        return services;
    }
}

/// <summary>Puts name resolution in front of an HTTP client.</summary>
public static class ServiceDiscoveryHttpClientBuilderExtensions
{
    /// <summary>Requests to a configured service name go to its address; all others pass unchanged.</summary>
    public static IHttpClientBuilder AddServiceDiscovery(this IHttpClientBuilder httpClientBuilder)
    {
        httpClientBuilder.Services.AddServiceDiscovery();
        return httpClientBuilder.AddHttpMessageHandler(services => new ResolvingHandler(services.GetRequiredService<ServiceAddresses>()));
    }

    private sealed class ResolvingHandler(ServiceAddresses addresses) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri is { IsAbsoluteUri: true } uri)
            {
                // A retry further out sends the same message again: an address that was put in resolves to itself.
                request.RequestUri = addresses.Resolve(uri);
            }

            return base.SendAsync(request, cancellationToken);
        }
    }
}

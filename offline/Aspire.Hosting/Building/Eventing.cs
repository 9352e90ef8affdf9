using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting.ApplicationModel
{
    /// <summary>A resource runs, and its health checks agree.</summary>
    public class ResourceReadyEvent(IResource resource, IServiceProvider services)
    {
        public IResource Resource { get; } = resource;

        public IServiceProvider Services { get; } = services;
    }
}

namespace Aspire.Hosting
{
    /// <summary>Calls back when something happens to a resource.</summary>
    public static class DistributedApplicationEventingExtensions
    {
        /// <summary>Called the first time the resource is healthy.</summary>
        public static IResourceBuilder<T> OnResourceReady<T>(
            this IResourceBuilder<T> builder, Func<T, ResourceReadyEvent, CancellationToken, Task> callback)
            where T : IResource =>
            builder.WithAnnotation(new ReadyCallbackAnnotation((services, cancellationToken) =>
                callback(builder.Resource, new ResourceReadyEvent(builder.Resource, services), cancellationToken)));
    }
}

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>What a resource waits for before it starts.</summary>
public enum WaitType { WaitUntilHealthy, WaitForCompletion, WaitUntilStarted }

/// <summary>Whether two annotations of one type add up.</summary>
public enum ResourceAnnotationMutationBehavior { Append, Replace }

/// <summary>The resource starts after another one.</summary>
public class WaitAnnotation(IResource resource, WaitType waitType, int exitCode = 0) : IResourceAnnotation
{
    public IResource Resource { get; } = resource;

    public WaitType WaitType { get; } = waitType;

    public int ExitCode { get; } = exitCode;
}

/// <summary>The resource is started by somebody else.</summary>
public class ExplicitStartupAnnotation : IResourceAnnotation;

/// <summary>The resource knows about another one.</summary>
public sealed class ResourceRelationshipAnnotation(IResource resource, string type) : IResourceAnnotation
{
    public IResource Resource { get; } = resource;

    public string Type { get; } = type;
}

/// <summary>Adds variables when the environment of a process is put together; later ones win.</summary>
public class EnvironmentCallbackAnnotation(Func<EnvironmentCallbackContext, Task> callback) : IResourceAnnotation
{
    public Func<EnvironmentCallbackContext, Task> Callback { get; } = callback;
}

/// <summary>Adds arguments when the command line of a process is put together.</summary>
public class CommandLineArgsCallbackAnnotation(Func<CommandLineArgsCallbackContext, Task> callback) : IResourceAnnotation
{
    public Func<CommandLineArgsCallbackContext, Task> Callback { get; } = callback;
}

/// <summary>Where environment callbacks put their variables: text, or values that are asked later.</summary>
public class EnvironmentCallbackContext(
    DistributedApplicationExecutionContext executionContext,
    IResource resource,
    Dictionary<string, object>? environmentVariables = null,
    CancellationToken cancellationToken = default)
{
    public Dictionary<string, object> EnvironmentVariables { get; } = environmentVariables ?? [];

    public DistributedApplicationExecutionContext ExecutionContext { get; } = executionContext;

    public IResource Resource { get; } = resource;

    public ILogger Logger { get; set; } = NullLogger.Instance;

    public CancellationToken CancellationToken { get; } = cancellationToken;
}

/// <summary>Where argument callbacks put their arguments.</summary>
public sealed class CommandLineArgsCallbackContext(IList<object> args, CancellationToken cancellationToken = default)
{
    public IList<object> Args { get; } = args;

    public CancellationToken CancellationToken { get; } = cancellationToken;
}

/// <summary>The address that answers with <paramref name="statusCode"/> once the resource is healthy.</summary>
internal sealed class HttpHealthCheckAnnotation(EndpointReference endpoint, string path, int statusCode) : IResourceAnnotation
{
    public EndpointReference Endpoint { get; } = endpoint;

    public string Path { get; } = path;

    public int StatusCode { get; } = statusCode;
}

/// <summary>Called once, the first time the resource is healthy.</summary>
internal sealed class ReadyCallbackAnnotation(Func<IServiceProvider, CancellationToken, Task> callback) : IResourceAnnotation
{
    public Func<IServiceProvider, CancellationToken, Task> Callback { get; } = callback;
}

/// <summary>Whose program this resource is.</summary>
internal sealed class ProjectMetadataAnnotation(IProjectMetadata metadata, ProjectResourceOptions options) : IResourceAnnotation
{
    public IProjectMetadata Metadata { get; } = metadata;

    public ProjectResourceOptions Options { get; } = options;
}

/// <summary>The data of a server outlives the host.</summary>
internal sealed class DataVolumeAnnotation : IResourceAnnotation;

using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Running;
using Microsoft.Extensions.Configuration;

namespace Aspire.Hosting;

/// <summary>Adds values that come from outside, or are made once and kept.</summary>
public static class ParameterResourceBuilderExtensions
{
    public static IResourceBuilder<ParameterResource> AddParameter(this IDistributedApplicationBuilder builder, string name, bool secret = false) =>
        Add(builder, name, secret, () => throw new DistributedApplicationException(
            $"Parameter '{name}' has no value: set Parameters__{name} in the environment."));

    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder, string name, string value, bool publishValueAsDefault = false, bool secret = false) =>
        Add(builder, name, secret, () => value);

    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder, string name, Func<string> valueGetter, bool publishValueAsDefault = false, bool secret = false) =>
        Add(builder, name, secret, valueGetter);

    /// <summary>With <paramref name="persist"/> the value is made once per data directory and kept in a file only its owner can read.</summary>
    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder, string name, ParameterDefault value, bool secret = false, bool persist = false)
    {
        string? once = null;
        var parameter = Add(builder, name, secret, () => once ??= persist
            ? SecretFiles.For(builder).GetOrCreate(name, value.GetDefaultValue)
            : value.GetDefaultValue());
        parameter.Resource.Default = value;
        return parameter;
    }

    /// <summary>A connection string that configuration <c>ConnectionStrings:{name}</c> holds: a server that runs elsewhere.</summary>
    public static IResourceBuilder<IResourceWithConnectionString> AddConnectionString(
        this IDistributedApplicationBuilder builder, string name, string? environmentVariableName = null)
    {
        var value = new ParameterResource($"{name}-connection-string", _ => builder.Configuration.GetConnectionString(name)
            ?? throw new DistributedApplicationException($"There is no connection string '{name}': set ConnectionStrings__{name}."), secret: true);
        return builder.AddResource(new ConnectionStringResource(name, ReferenceExpression.Create($"{value}")));
    }

    public static IResourceBuilder<ConnectionStringResource> AddConnectionString(
        this IDistributedApplicationBuilder builder, string name, ReferenceExpression connectionStringExpression) =>
        builder.AddResource(new ConnectionStringResource(name, connectionStringExpression));

    private static IResourceBuilder<ParameterResource> Add(IDistributedApplicationBuilder builder, string name, bool secret, Func<string> value) =>
        builder.AddResource(new ParameterResource(name, _ => builder.Configuration[$"Parameters:{name}"] ?? value(), secret));
}

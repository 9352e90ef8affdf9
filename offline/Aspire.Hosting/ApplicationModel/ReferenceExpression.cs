using System.Runtime.CompilerServices;
using System.Text;

namespace Aspire.Hosting.ApplicationModel;

/// <summary>Text with holes that are filled when the application runs.</summary>
public class ReferenceExpression : IManifestExpressionProvider, IValueProvider
{
    private readonly IReadOnlyList<object> _parts;

    private ReferenceExpression(IReadOnlyList<object> parts) => _parts = parts;

    public string ValueExpression => string.Concat(_parts.Select(static part => part switch
    {
        Hole hole => hole.Value.ValueExpression,
        _ => (string)part,
    }));

    /// <summary>What the holes hold; used to know what an expression depends on.</summary>
    internal IEnumerable<IManifestExpressionProvider> ValueProviders => _parts.OfType<Hole>().Select(static hole => hole.Value);

    public static ReferenceExpression Create(in ExpressionInterpolatedStringHandler handler) => new(handler.Parts);

    public async ValueTask<string?> GetValueAsync(CancellationToken cancellationToken = default)
    {
        var text = new StringBuilder();
        foreach (var part in _parts)
        {
            var value = part is Hole hole ? await ((IValueProvider)hole.Value).GetValueAsync(cancellationToken) : (string)part;
            text.Append(part is Hole { Format: "uri" } ? Uri.EscapeDataString(value ?? "") : value);
        }

        return text.ToString();
    }

    private sealed record Hole(IManifestExpressionProvider Value, string? Format);

    /// <summary>Takes strings, values and builders of resources that have a value; anything else does not compile.</summary>
    [InterpolatedStringHandler]
    public ref struct ExpressionInterpolatedStringHandler(int literalLength, int formattedCount)
    {
        internal List<object> Parts { get; } = new(literalLength > 0 ? (2 * formattedCount) + 1 : formattedCount);

        public readonly void AppendLiteral(string value) => Parts.Add(value);

        public readonly void AppendFormatted(string? value) => Parts.Add(value ?? "");

        public readonly void AppendFormatted(string? value, string format) =>
            Parts.Add(format == "uri" ? Uri.EscapeDataString(value ?? "") : value ?? "");

        public readonly void AppendFormatted<T>(T valueProvider) where T : IValueProvider, IManifestExpressionProvider =>
            Parts.Add(new Hole(valueProvider, Format: null));

        public readonly void AppendFormatted<T>(T valueProvider, string format) where T : IValueProvider, IManifestExpressionProvider =>
            Parts.Add(new Hole(valueProvider, format));

        public readonly void AppendFormatted<T>(IResourceBuilder<T> valueProvider)
            where T : IResource, IValueProvider, IManifestExpressionProvider =>
            Parts.Add(new Hole(valueProvider.Resource, Format: null));
    }
}

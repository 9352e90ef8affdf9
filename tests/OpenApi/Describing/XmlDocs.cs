using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Townhall.OpenApi.Describing;

/// <summary>What the code says of itself: the documentation comments that stand beside each assembly.</summary>
internal sealed partial class XmlDocs
{
    private readonly Dictionary<Assembly, Dictionary<string, XElement>> _read = [];

    /// <summary>The first paragraph about a type; null when it says nothing.</summary>
    public string? Summary(Type type) => Text(Member(type.Assembly, $"T:{Name(type)}")?.Element("summary"));

    public string? Summary(MethodInfo method) => Text(Method(method)?.Element("summary"));

    /// <summary>What a record says of one of its members.</summary>
    public string? Member(Type record, string name) => Text(
        Member(record.Assembly, $"T:{Name(record)}")?.Elements("param").FirstOrDefault(one => one.Attribute("name")?.Value == name));

    public string? Parameter(ParameterInfo parameter) => Text(
        Method((MethodInfo)parameter.Member)?.Elements("param").FirstOrDefault(one => one.Attribute("name")?.Value == parameter.Name));

    private XElement? Method(MethodInfo method)
    {
        var start = $"M:{Name(method.DeclaringType!)}.{method.Name}";
        return Members(method.DeclaringType!.Assembly)
            .FirstOrDefault(one => one.Key == start || one.Key.StartsWith(start + "(", StringComparison.Ordinal)).Value;
    }

    private XElement? Member(Assembly assembly, string id) => Members(assembly).GetValueOrDefault(id);

    private Dictionary<string, XElement> Members(Assembly assembly)
    {
        if (!_read.TryGetValue(assembly, out var members))
        {
            var file = Path.ChangeExtension(assembly.Location, ".xml");
            _read[assembly] = members = File.Exists(file)
                ? XDocument.Load(file).Descendants("member").ToDictionary(static one => one.Attribute("name")!.Value, StringComparer.Ordinal)
                : [];
        }

        return members;
    }

    private static string Name(Type type) => type.FullName!.Replace('+', '.');

    private static string? Text(XElement? element)
    {
        if (element is null)
        {
            return null;
        }

        var text = string.Concat(element.Nodes().Select(static node => node switch
        {
            XText words => words.Value,
            XElement { Name.LocalName: "see" or "seealso" } see => see.Attribute("cref")?.Value.Split('.')[^1] ?? see.Attribute("langword")?.Value ?? see.Value,
            XElement { Name.LocalName: "paramref" } reference => $"`{SchemaWriter.Snake(reference.Attribute("name")!.Value)}`",
            XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
            XElement other => other.Value,
            _ => "",
        }));
        var joined = Spaces().Replace(text, " ").Trim();
        return joined.Length == 0 ? null : joined;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}

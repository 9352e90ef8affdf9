namespace Townhall.Api.Text;

// What a value must look like, said where the value is declared: the API's description is made from these, and the fuzzer holds
// the refusals beside them to it. Numbers, lengths and choices use System.ComponentModel.DataAnnotations.

/// <summary>A text that <see cref="PlainText.Fault"/> accepts: not blank, no control characters. On an array: each of its texts.</summary>
/// <param name="bytesMost">UTF-8 bytes.</param>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class PlainAttribute(int bytesMost) : Attribute
{
    public int BytesMost => bytesMost;

    /// <summary>UTF-16 characters, where fewer are allowed than bytes; 0 where not.</summary>
    public int Characters { get; set; }

    /// <summary>Line breaks and tabs are text, too.</summary>
    public bool Lines { get; set; }
}

/// <summary>An absolute path without <c>.</c> or <c>..</c> parts. On an array: each of its paths.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class AbsolutePathAttribute : Attribute;

/// <summary>Declared wider than what is accepted: a value of this type or null, and left out is something else than null.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class ReadsAsAttribute(Type type) : Attribute
{
    public Type Type => type;
}

using System.Text.Json.Serialization;

namespace Townhall.Api.Keys;

/// <summary>The documents about callers' keys, with the rules of <see cref="TownhallJson"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    MaxDepth = 16)]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(KeyRotation))]
[JsonSerializable(typeof(MadeKey))]
[JsonSerializable(typeof(KeyListView))]
internal sealed partial class KeyJson : JsonSerializerContext;

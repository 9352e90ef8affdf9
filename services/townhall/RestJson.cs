using System.Text.Json.Serialization;
using Townhall.Api.Backlog;
using Townhall.Api.Blobs;
using Townhall.Api.Messages;
using Townhall.Api.Steering;
using Townhall.Api.Tasks;

namespace Townhall.Api;

/// <summary>The documents of the backlog, of messages, words, blobs and lists of tasks, with the rules of <see cref="TownhallJson"/>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    MaxDepth = 16)]
[JsonSerializable(typeof(NewBacklogTask))]
[JsonSerializable(typeof(AddedTask))]
[JsonSerializable(typeof(NewClaim))]
[JsonSerializable(typeof(AssignedAll))]
[JsonSerializable(typeof(RemovedTask))]
[JsonSerializable(typeof(BacklogView))]
[JsonSerializable(typeof(NewMessage))]
[JsonSerializable(typeof(SentMessage))]
[JsonSerializable(typeof(InboxView))]
[JsonSerializable(typeof(MessageView))]
[JsonSerializable(typeof(RemovedMessage))]
[JsonSerializable(typeof(TaskListView))]
[JsonSerializable(typeof(PendingView))]
[JsonSerializable(typeof(StoredBlob))]
[JsonSerializable(typeof(NotedSteering))]
internal sealed partial class RestJson : JsonSerializerContext;

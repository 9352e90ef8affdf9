using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Townhall.Ledger;

namespace Townhall.Notifier.Tail;

/// <summary>One ledger entry with its bytes on the wire, made once and shared by everybody who is told.</summary>
/// <param name="Bytes">A whole event of the stream: its id, its data on one line, the empty line.</param>
internal sealed record EventFrame(LedgerEntry Entry, ReadOnlyMemory<byte> Bytes)
{
    public long Seq => Entry.Seq;

    public static EventFrame Of(LedgerEntry entry)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"id: {entry.Seq}\ndata: "), buffer);
        using (var json = new Utf8JsonWriter(buffer))
        {
            Write(json, entry);
        }

        Encoding.UTF8.GetBytes("\n\n", buffer);
        return new EventFrame(entry, buffer.WrittenSpan.ToArray());
    }

    /// <summary>The audit entry of the agent gateway's contract; <c>payload</c> and <c>detail</c> are equal.</summary>
    private static void Write(Utf8JsonWriter json, LedgerEntry entry)
    {
        using var detail = Parse(entry.Detail);
        json.WriteStartObject();
        json.WriteString("id", entry.Id.ToString(CultureInfo.InvariantCulture));
        json.WriteNumber("seq", entry.Seq);
        Write(json, "agent_id", entry.AgentId);
        json.WriteString("agent_name", entry.AgentName);
        Write(json, "task_id", entry.TaskId);
        json.WriteString("actor", entry.Actor);
        json.WriteString("action", entry.Action);
        json.WriteString("timestamp", entry.At.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture));
        json.WritePropertyName("payload");
        Write(json, entry, detail);
        json.WritePropertyName("detail");
        Write(json, entry, detail);
        json.WriteString("outcome", entry.Outcome);
        json.WriteString("prev_hash", Convert.ToHexStringLower(entry.PrevHash));
        json.WriteString("hash", Convert.ToHexStringLower(entry.Hash));
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, Guid? id)
    {
        if (id is { } value)
        {
            json.WriteString(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    // Written anew, not copied: the stored text may hold line breaks, which would end the event in its middle.
    private static void Write(Utf8JsonWriter json, LedgerEntry entry, JsonDocument? detail)
    {
        if (detail is { RootElement.ValueKind: JsonValueKind.Object })
        {
            detail.RootElement.WriteTo(json);
            return;
        }

        json.WriteStartObject();
        json.WriteString("text", entry.Detail);
        json.WriteEndObject();
    }

    private static JsonDocument? Parse(string detail)
    {
        try
        {
            return JsonDocument.Parse(detail);
        }
        catch (JsonException)
        {
            return null;    // told as text: an entry that cannot be told at all would stop the stream
        }
    }
}

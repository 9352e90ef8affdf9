using System.Text;
using Townhall.Contracts.Workers;
using Townhall.Worker.Output;

namespace Townhall.Worker.Tests.Output;

public sealed class OutputBufferTests
{
    private static readonly LeaseRef Lease = new(Guid.NewGuid(), 1, Guid.NewGuid());

    [Fact]
    public void Chunks_follow_each_other_without_gaps_and_a_repeat_is_the_same()
    {
        var buffer = new OutputBuffer(Lease, 1000, static () => { });
        buffer.Append("hello "u8);
        var first = buffer.Next(100)!;
        buffer.Append("world"u8);
        Assert.Equal((0, "hello "), (first.Offset, Text(first)));
        buffer.Confirm(6);
        Assert.Equal((6, "world"), (buffer.Next(100)!.Offset, Text(buffer.Next(100)!)));
        buffer.Confirm(6);
        Assert.Equal(5, buffer.Waiting);
        buffer.Confirm(11);
        Assert.Null(buffer.Next(100));
        Assert.True(buffer.EmptyAsync().IsCompletedSuccessfully);
    }

    [Fact]
    public void What_comes_after_the_limit_is_counted_and_dropped()
    {
        var buffer = new OutputBuffer(Lease, 10, static () => { });
        buffer.Append("0123456789abc"u8);
        buffer.Append("def"u8);
        Assert.Equal((16, 6, 10), (buffer.Printed, buffer.Dropped, buffer.Waiting));
        buffer.Confirm(10);
        buffer.Append("ghi"u8);
        Assert.Equal((19, 9, 0), (buffer.Printed, buffer.Dropped, buffer.Waiting));
    }

    [Fact]
    public void A_full_buffer_that_nobody_empties_drops_instead_of_stopping_the_command()
    {
        var buffer = new OutputBuffer(Lease, long.MaxValue, static () => { });
        buffer.Append(new byte[OutputBuffer.Capacity]);
        buffer.Append("late"u8);
        buffer.Append("later"u8);
        Assert.Equal((9, OutputBuffer.Capacity), (buffer.Dropped, buffer.Waiting));
        buffer.Confirm(OutputBuffer.Capacity);
        buffer.Append("again"u8);
        Assert.Equal((9, 5), (buffer.Dropped, buffer.Waiting));
        Assert.Equal(OutputBuffer.Capacity, buffer.Next(10)!.Offset);
    }

    [Fact]
    public async Task Waiting_for_an_empty_buffer_ends_with_the_last_confirmation_or_with_the_end()
    {
        var buffer = new OutputBuffer(Lease, 1000, static () => { });
        buffer.Append("x"u8);
        var empty = buffer.EmptyAsync();
        Assert.True(buffer.Flushing);
        Assert.False(empty.IsCompleted);
        buffer.Close();
        await empty.WaitAsync(TimeSpan.FromSeconds(5));
    }

    private static string Text(OutputChunk chunk) => Encoding.UTF8.GetString(chunk.Bytes);
}

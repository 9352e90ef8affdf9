using System.Text;
using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Tests.Command;

public sealed class ResultTextTests
{
    [Fact]
    public void Up_to_the_limit_a_result_is_inline_and_one_byte_more_is_also_a_blob()
    {
        var exact = ResultText.From(Encoding.UTF8.GetBytes(new string('x', 1024)), 1024, 1024, 4096);
        Assert.Equal((1024, null, 1024L), (exact.Inline.Length, exact.Whole, exact.Bytes));

        var more = ResultText.From(Encoding.UTF8.GetBytes(new string('x', 1025)), 1025, 1024, 4096);
        Assert.Equal((1024, 1025, 1025L), (more.Inline.Length, more.Whole!.Length, more.Bytes));
        Assert.Equal(64, more.Sha256!.Length);
    }

    [Fact]
    public void A_result_beyond_the_blob_is_cut_and_says_so()
    {
        var text = ResultText.From(new byte[4096].Select(static _ => (byte)'y').ToArray(), 9_000_000, 1024, 4096);
        Assert.True(text.Whole!.Length <= 4096);
        Assert.EndsWith("\n[cut: the whole was 9000000 bytes]\n", Encoding.UTF8.GetString(text.Whole), StringComparison.Ordinal);
        Assert.Equal(9_000_000, text.Bytes);
    }

    [Fact]
    public void What_is_not_text_becomes_text()
    {
        var text = ResultText.From([(byte)'a', 0, 0xff, 0xfe, (byte)'b', 0xed, 0xa0, 0x80, 0xc3], 9, 1024, 4096);
        Assert.DoesNotContain('\0', text.Inline);
        Assert.StartsWith("a\ufffd\ufffd\ufffdb", text.Inline, StringComparison.Ordinal);
        Assert.DoesNotContain(text.Inline, char.IsSurrogate);
        Assert.Equal(text.Inline, new UTF8Encoding(false, true).GetString(Encoding.UTF8.GetBytes(text.Inline)));
    }

    [Theory]
    [InlineData("aé", 2, "a")]
    [InlineData("aé", 3, "aé")]
    [InlineData("\ud83d\ude00\ud83d\ude00", 7, "\ud83d\ude00")]
    [InlineData("abc", 0, "")]
    public void A_cut_never_ends_inside_a_character(string text, int bytes, string cut) => Assert.Equal(cut, ResultText.Cut(text, bytes));
}

using Townhall.Worker.Runtimes.Command;

namespace Townhall.Worker.Tests.Command;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("sh", new[] { "sh" })]
    [InlineData("  sh\t-c  x \n", new[] { "sh", "-c", "x" })]
    [InlineData("a 'b c' \"d e\"", new[] { "a", "b c", "d e" })]
    [InlineData("a b' 'c\" \"d", new[] { "a", "b c d" })]
    [InlineData("a '' \"\"", new[] { "a", "", "" })]
    [InlineData(@"a \'\ b", new[] { "a", "' b" })]
    [InlineData(@"a '\n' ""\n\\\""\$\`""", new[] { "a", @"\n", @"\n\""$`" })]
    [InlineData("a \"b\\\nc\" d\\\ne", new[] { "a", "bc", "de" })]
    [InlineData("a $HOME $(id) `id` ~ * ? [x] {a,b} # c; d | e && f > g < h &", new[]
    {
        "a", "$HOME", "$(id)", "`id`", "~", "*", "?", "[x]", "{a,b}", "#", "c;", "d", "|", "e", "&&", "f", ">", "g", "<", "h", "&",
    })]
    [InlineData("a -rf --x=y=z -- -", new[] { "a", "-rf", "--x=y=z", "--", "-" })]
    [InlineData("'/opt/my tools/run' x", new[] { "/opt/my tools/run", "x" })]
    [InlineData("a ü 漢字 \ud83d\ude00", new[] { "a", "ü", "漢字", "\ud83d\ude00" })]
    public void Quotes_and_backslashes_are_those_of_posix_and_nothing_else_means_anything(string line, string[] arguments)
    {
        var (split, mistake) = CommandLine.Split(line);
        Assert.Null(mistake);
        Assert.Equal(arguments, split);
    }

    [Theory]
    [InlineData("")]
    [InlineData("  \t\n")]
    [InlineData("a 'b")]
    [InlineData("a \"b")]
    [InlineData("a \"b\\\"")]
    [InlineData("a \\")]
    [InlineData("'' a")]
    [InlineData("a b\0c")]
    [InlineData("a 'b\0c'")]
    [InlineData("a \\\0c")]
    public void What_cannot_be_split_is_refused_with_a_reason(string line)
    {
        var (split, mistake) = CommandLine.Split(line);
        Assert.Null(split);
        Assert.False(string.IsNullOrEmpty(mistake));
    }

    [Fact]
    public void Placeholders_are_filled_inside_their_argument_and_never_split_again()
    {
        var (line, _) = CommandLine.Split("run --task={prompt} {prompt_file} '{prompt} twice {prompt}' {other}");
        var filled = Placeholders.Fill(line!, "-rf; $(id) 'x' {prompt_file}\nnext", "/p/prompt");
        Assert.Equal(
            [
                "run", "--task=-rf; $(id) 'x' {prompt_file}\nnext", "/p/prompt",
                "-rf; $(id) 'x' {prompt_file}\nnext twice -rf; $(id) 'x' {prompt_file}\nnext", "{other}",
            ],
            filled);
    }

    [Fact]
    public void The_name_of_the_program_has_no_placeholders() =>
        Assert.Equal(["{prompt}", "x"], Placeholders.Fill(["{prompt}", "{prompt}"], "x", "/p"));
}

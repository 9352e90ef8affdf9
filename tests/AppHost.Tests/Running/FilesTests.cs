using Aspire.Hosting.Running;

namespace Townhall.AppHost.Tests.Running;

/// <summary>What the host keeps on disk: who may read it, who may hold it, and how large it gets.</summary>
public sealed class FilesTests : IDisposable
{
    private const UnixFileMode OwnerReadsAndWrites = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_secret_is_made_once_and_only_its_owner_reads_it()
    {
        var secrets = new SecretFiles(_directory["secrets"]);

        Assert.Equal("made", secrets.GetOrCreate("password", static () => "made"));
        Assert.Equal("made", secrets.GetOrCreate("password", static () => "made again"));
        Assert.Equal(OwnerReadsAndWrites, File.GetUnixFileMode(_directory["secrets/password"]));
        Assert.Equal(OwnerReadsAndWrites | UnixFileMode.UserExecute, File.GetUnixFileMode(_directory["secrets"]));
    }

    [Fact]
    public void The_worker_key_is_made_once_and_only_its_owner_reads_it()
    {
        var path = WorkerKey.EnsureIn(_directory["town"]);
        var key = File.ReadAllText(path);

        Assert.Matches("^thw_[A-Za-z0-9_-]{43}$", key);
        Assert.Equal(path, WorkerKey.EnsureIn(_directory["town"]));
        Assert.Equal(key, File.ReadAllText(path));
        Assert.Equal(OwnerReadsAndWrites, File.GetUnixFileMode(path));
        Assert.Equal([path], Directory.GetFiles(_directory["town"]));
    }

    [Fact]
    public void A_data_directory_has_one_holder_at_a_time()
    {
        using (DataDirectory.Claim(_directory["town"]))
        {
            var refusal = Assert.Throws<HostRefusedException>(() => DataDirectory.Claim(_directory["town"]));
            Assert.Equal(HostRefusedException.CannotCreate, refusal.ExitCode);
            Assert.Contains($"(process {Environment.ProcessId})", refusal.Message, StringComparison.Ordinal);
        }

        DataDirectory.Claim(_directory["town"]).Dispose();
    }

    [Fact]
    public void A_data_directory_that_cannot_be_made_is_refused()
    {
        File.WriteAllText(_directory["file"], "");
        Assert.Equal(
            HostRefusedException.CannotCreate,
            Assert.Throws<HostRefusedException>(() => DataDirectory.Claim(_directory["file/town"])).ExitCode);
    }

    [Fact]
    public void A_log_keeps_the_run_before_and_never_outgrows_its_bound()
    {
        var path = _directory["service.log"];
        using (var first = new ResourceLog(path))
        {
            first.Append("yesterday");
        }

        using (var second = new ResourceLog(path, bytesMax: 1000))
        {
            Assert.Equal("yesterday\n", File.ReadAllText($"{path}.1"));
            for (var line = 0; line < 1000; line++)
            {
                second.Append($"line {line}");
            }
        }

        Assert.InRange(new FileInfo(path).Length + new FileInfo($"{path}.1").Length, 1, 2100);
    }

    [Fact]
    public async Task A_line_is_cut_where_it_outgrows_the_bound_and_nothing_is_lost()
    {
        List<string> lines = [];
        var text = $"short\r\n{new string('x', LineReader.LineBytesMax + 10)}\nlast";
        await LineReader.ReadAsync(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)), lines.Add);

        Assert.Equal(["short", new string('x', LineReader.LineBytesMax), new string('x', 10), "last"], lines);
    }
}

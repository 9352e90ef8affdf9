using System.Security.Cryptography;
using Townhall.Ledger.Checkpoints;
using Townhall.Testing;

namespace Townhall.Ledger.Tests.Checkpoints;

public sealed class KeptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("townhall-kept-").FullName;

    private string KeyFile => Path.Combine(_folder, "ledger.key");

    private string Kept => Path.Combine(_folder, "kept");

    [Fact]
    public void A_key_is_made_once_for_its_owner_only_and_two_that_begin_at_once_use_the_same()
    {
        var ids = new string[8];
        Parallel.For(0, ids.Length, i =>
        {
            using var key = CheckpointKey.Ensure(KeyFile);
            ids[i] = key.Public.Id;
        });
        Assert.Single(ids.Distinct());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Single(Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void A_key_that_others_may_read_or_that_is_none_is_refused()
    {
        CheckpointKey.Ensure(KeyFile).Dispose();
        File.SetUnixFileMode(KeyFile, File.GetUnixFileMode(KeyFile) | UnixFileMode.OtherRead);
        Assert.Contains("open to others", Assert.Throws<CheckpointKeyException>(() => CheckpointKey.Ensure(KeyFile)).Message, StringComparison.Ordinal);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllText(KeyFile, "no key");
        Assert.Contains("P-256", Assert.Throws<CheckpointKeyException>(() => CheckpointKey.Ensure(KeyFile)).Message, StringComparison.Ordinal);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        File.WriteAllText(KeyFile, other.ExportPkcs8PrivateKeyPem());
        Assert.Contains("P-256", Assert.Throws<CheckpointKeyException>(() => CheckpointKey.Ensure(KeyFile)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_signature_holds_for_exactly_what_was_signed()
    {
        using var key = CheckpointKey.Ensure(KeyFile);
        using var other = CheckpointKey.Ensure(KeyFile + "2");
        var made = key.Sign("oak", 7, Hash(7), Time);
        Assert.True(key.Public.Signed(made));
        Assert.True(key.Public.Signed(Checkpoint.Parse(made.ToLine())!));
        Assert.False(other.Public.Signed(made));
        Assert.All(
            new[]
            {
                made with { Town = "oa" }, made with { Seq = 8 }, made with { Hash = Hash(8) }, made with { At = made.At.AddMicroseconds(1) },
                made with { KeyId = other.Public.Id }, made with { Signature = new byte[64] }, made with { Signature = [] }, made with { Hash = [] },
            },
            changed => Assert.False(key.Public.Signed(changed)));
    }

    [Fact]
    public void The_signed_bytes_are_those_that_the_documentation_shows()
    {
        var documented = File.ReadAllText(Path.Combine(Programs.Repository(), "docs", "ledger.md"));
        var bytes = new Checkpoint("oak", 1, LedgerHash.Genesis, Time, new string('0', 64), []).SignedBytes();
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(bytes)), documented, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_file_only_grows_and_half_a_line_of_a_crash_costs_nothing()
    {
        var deadline = Deadline.Usual();
        using var key = CheckpointKey.Ensure(KeyFile);
        var kept = new CheckpointFile(Kept);
        Assert.Null(await kept.LatestAsync(deadline));
        for (var seq = 1; seq <= 100; seq++)
        {
            await kept.AppendAsync(key.Sign("oak", seq, Hash(seq), Time), deadline);
            Assert.Equal(seq, (await kept.LatestAsync(deadline))!.Seq);
        }

        var line = key.Sign("oak", 101, Hash(101), Time).ToLine();
        foreach (var torn in (int[])[1, 50, line.Length - 1])
        {
            await File.AppendAllTextAsync(Kept, line[..torn], deadline);
            Assert.Equal(100, (await kept.LatestAsync(deadline))!.Seq);
            await kept.AppendAsync(key.Sign("oak", 100, Hash(100), Time), deadline);
            Assert.Equal(100, (await kept.LatestAsync(deadline))!.Seq);
        }

        Assert.Equal(103, (await File.ReadAllLinesAsync(Kept, deadline)).Count(static one => Checkpoint.Parse(one) is not null));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Kept));
    }

    [Theory]
    [InlineData("{}\n")]
    [InlineData("{\"town\":\"oak\",\"seq\":1,\"hash\":\"zz\",\"at\":\"2026-01-02T03:04:05Z\",\"key_id\":\"\",\"signature\":\"\"}\n")]
    public async Task A_whole_line_that_is_no_checkpoint_is_said_and_not_skipped(string content)
    {
        await File.WriteAllTextAsync(Kept, content, Deadline.Usual());
        await Assert.ThrowsAsync<InvalidDataException>(() => new CheckpointFile(Kept).LatestAsync(Deadline.Usual()));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static DateTime Time => new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);

    private static byte[] Hash(int seq) => SHA256.HashData(BitConverter.GetBytes(seq));
}

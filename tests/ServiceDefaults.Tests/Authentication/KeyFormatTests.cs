using System.Security.Cryptography;
using System.Text;
using Townhall.Contracts.Keys;

namespace Townhall.ServiceDefaults.Tests.Authentication;

public sealed class KeyFormatTests
{
    [Fact]
    public void A_key_is_read_as_it_was_made_and_only_its_hash_is_kept()
    {
        var (key, id, hash) = KeyFormat.Make();
        var read = new byte[KeyFormat.HashBytes];

        Assert.Matches("^thk_[0-9a-f]{16}_[A-Za-z0-9_-]{49}$", key);
        Assert.True(KeyFormat.TryRead(key, out var number, read));
        Assert.Equal(id, KeyFormat.Name(number));
        Assert.Equal(hash, read);
        Assert.Equal(SHA256.HashData(Encoding.ASCII.GetBytes(key)), hash);
        Assert.NotEqual(key, KeyFormat.Make().Key);
    }

    [Fact]
    public void A_key_with_one_wrong_character_is_no_key_and_costs_no_hash()
    {
        var (key, _, _) = KeyFormat.Make();
        var hash = new byte[KeyFormat.HashBytes];
        for (var i = 0; i < key.Length; i++)
        {
            var wrong = key[..i] + (key[i] == 'x' ? 'y' : 'x') + key[(i + 1)..];
            Assert.False(KeyFormat.TryRead(wrong, out _, hash), wrong);
        }

        Assert.Equal(new byte[KeyFormat.HashBytes], hash);
    }

    [Theory]
    [InlineData("")]
    [InlineData("thk_")]
    [InlineData("thk_0123456789abcdef_")]
    [InlineData("Bearer thk_0123456789abcdef_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("thk_0123456789ABCDEF_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void What_has_another_form_is_no_key(string text) => Assert.False(KeyFormat.TryRead(text, out _, new byte[KeyFormat.HashBytes]));
}

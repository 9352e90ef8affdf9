using System.Globalization;

namespace Townhall.Settings;

/// <summary>A Redis as earlier systems named it, as a connection string of StackExchange.Redis.</summary>
internal static class RedisAddress
{
    private const int UsualPort = 6379;

    /// <summary>From <c>REDIS_URL</c>, or from host, port, password and TLS.</summary>
    /// <param name="setting">Gives the value of a variable, or null.</param>
    /// <returns>The connection string, null when nothing names a Redis; or what is wrong, without any value.</returns>
    public static (string? Connection, string? Mistake) From(Func<string, string?> setting)
    {
        var password = setting("TINYTOWN_REDIS_PASSWORD");
        if (setting("REDIS_URL") is { } url)
        {
            if (!url.Contains("://", StringComparison.Ordinal))
            {
                // The words of a connection string, which its own reader judges.
                return (url, null);
            }

            if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme is not ("redis" or "rediss") || address.Host.Length == 0)
            {
                return (null, "REDIS_URL must be redis://[:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or a connection string.");
            }

            var user = address.UserInfo.Split(':', 2);
            var database = address.AbsolutePath.Trim('/');
            return database.Length > 0 && !int.TryParse(database, NumberStyles.None, CultureInfo.InvariantCulture, out _)
                ? (null, "REDIS_URL names a database that is no number.")
                : Compose(
                    address.Host, address.Port < 0 ? UsualPort : address.Port, Uri.UnescapeDataString(user[0]),
                    password ?? (user.Length == 2 ? Uri.UnescapeDataString(user[1]) : null), address.Scheme == "rediss", database);
        }

        if (setting("TINYTOWN_REDIS_HOST") is not { } host)
        {
            return default;
        }

        var port = UsualPort;
        return setting("TINYTOWN_REDIS_PORT") is { } text
            && !(int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536)
            ? (null, "TINYTOWN_REDIS_PORT must be a number from 1 to 65535.")
            : Compose(host, port, "", password, string.Equals(setting("TINYTOWN_REDIS_TLS"), "true", StringComparison.OrdinalIgnoreCase), "");
    }

    private static (string?, string?) Compose(string host, int port, string user, string? password, bool tls, string database) =>
        $"{host}{user}{password}".Contains(',', StringComparison.Ordinal)
            // Commas part the words of a connection string, and nothing escapes them.
            ? (null, "REDIS_URL or TINYTOWN_REDIS_PASSWORD holds a comma, which no connection string can; choose another password.")
            : (string.Create(CultureInfo.InvariantCulture, $"{host}:{port}")
                + (user.Length > 0 ? $",user={user}" : "") + (password is { Length: > 0 } ? $",password={password}" : "")
                + (tls ? ",ssl=true" : "") + (database.Length > 0 ? $",defaultDatabase={database}" : ""), null);
}

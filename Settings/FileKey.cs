namespace Townhall.Settings;

/// <summary>What a key of the file holds.</summary>
public enum FileValue
{
    Text,
    Number,
    Switch,

    /// <summary>An array of texts; as a setting it is one text with commas.</summary>
    Texts,

    /// <summary>A text that names a file; a relative one is meant from the folder that the settings file is in.</summary>
    Path,
}

/// <summary>When a changed value takes effect.</summary>
public enum TakesEffect
{
    /// <summary>Within seconds, in every service that reads the same file.</summary>
    AtOnce,

    /// <summary>When the services are started again.</summary>
    AtStart,

    /// <summary>Known, so that old files are accepted, but it has no meaning here.</summary>
    Never,
}

/// <summary>One key of <c>tinytown.toml</c>.</summary>
/// <param name="Name">With its table, as in <c>agent.idle_timeout_secs</c>; <c>*</c> stands for a name of the user's.</param>
/// <param name="Setting">The setting it gives a value to where nothing else does; null when <paramref name="Effect"/> is never.</param>
/// <param name="Meaning">What it does, or why it does nothing.</param>
/// <param name="Secret">Never shown.</param>
public sealed record FileKey(
    string Name, FileValue Value, string? Setting, TakesEffect Effect, string Meaning, bool Secret = false)
{
    /// <summary>Every key that the file may hold.</summary>
    public static readonly IReadOnlyList<FileKey> All =
    [
        new("name", FileValue.Text, "TOWN_NAME", TakesEffect.AtStart, "The town's name."),
        new("default_cli", FileValue.Text, "TOWN_DEFAULT_CLI", TakesEffect.AtOnce, "What an agent runs when its maker says nothing: a preset or a command line."),
        new("conductor_cli", FileValue.Text, null, TakesEffect.Never, "There is no conductor process; any agent can be given its work."),
        new("max_agents", FileValue.Number, "TOWN_MAX_AGENTS", TakesEffect.AtOnce, "Agents that have not ended, at most; also the ceiling of desired_agents in the scaling signal."),
        new("use_central_redis", FileValue.Switch, null, TakesEffect.Never, "Towns that share a Redis name it by redis.url."),
        new("use_streams", FileValue.Switch, "TOWN_USE_STREAMS", TakesEffect.AtStart, "The queue over a Redis stream."),
        new("agent.idle_timeout_secs", FileValue.Number, "TOWN_IDLE_TIMEOUT_SECS", TakesEffect.AtOnce, "After so long without work an agent is cold and a worker asks to end; workers that run keep what they were told."),
        new("agent_clis.*.name", FileValue.Text, null, TakesEffect.Never, "The table's own name is the preset's name."),
        new("agent_clis.*.command", FileValue.Text, "TOWN_AGENT_CLIS", TakesEffect.AtStart, "A preset of this town, or other words for one that exists."),
        new("agent_clis.*.workdir", FileValue.Text, null, TakesEffect.Never, "Where an agent works is in its grant."),
        new("agent_clis.*.env.*", FileValue.Text, null, TakesEffect.Never, "What commands may see of the environment is named by TOWN_COMMAND_ENV.", Secret: true),
        new("townhall.bind", FileValue.Text, "TOWN_BIND", TakesEffect.AtStart, "The address that the edge listens on."),
        new("townhall.rest_port", FileValue.Number, "TOWN_PORT", TakesEffect.AtStart, "The port that the edge listens on."),
        new("townhall.request_timeout_ms", FileValue.Number, "TOWN_REQUEST_TIMEOUT_MS", TakesEffect.AtStart, "How long a request may take."),
        new("townhall.auth.mode", FileValue.Text, "TOWN_AUTH_MODE", TakesEffect.AtStart, "none, api_key or oidc."),
        new("townhall.auth.api_key_hash", FileValue.Text, "TOWN_AUTH_API_KEY_HASH", TakesEffect.AtStart, "Argon2id hash of one key beside the named ones.", Secret: true),
        new("townhall.auth.api_key_scopes", FileValue.Texts, "TOWN_AUTH_API_KEY_SCOPES", TakesEffect.AtStart, "What that key may do."),
        new("townhall.auth.issuer", FileValue.Text, "TOWN_AUTH_ISSUER", TakesEffect.AtStart, "Who signs the tokens."),
        new("townhall.auth.audience", FileValue.Text, "TOWN_AUTH_AUDIENCE", TakesEffect.AtStart, "Whom the tokens are for."),
        new("townhall.auth.jwks_url", FileValue.Text, "TOWN_AUTH_JWKS_URL", TakesEffect.AtStart, "Where the issuer's keys are."),
        new("townhall.auth.required_scopes", FileValue.Texts, "TOWN_AUTH_REQUIRED_SCOPES", TakesEffect.AtStart, "What every token must hold."),
        new("townhall.auth.clock_skew_seconds", FileValue.Number, "TOWN_AUTH_CLOCK_SKEW_SECONDS", TakesEffect.AtStart, "How far the issuer's clock may be off."),
        new("townhall.tls.enabled", FileValue.Switch, "TOWN_TLS_ENABLED", TakesEffect.AtStart, "The edge speaks TLS."),
        new("townhall.tls.cert_file", FileValue.Path, "TOWN_TLS_CERT_FILE", TakesEffect.AtStart, "Its certificate, PEM."),
        new("townhall.tls.key_file", FileValue.Path, "TOWN_TLS_KEY_FILE", TakesEffect.AtStart, "The certificate's key, PEM."),
        new("townhall.mtls.enabled", FileValue.Switch, "TOWN_MTLS_ENABLED", TakesEffect.AtStart, "Client certificates are looked at."),
        new("townhall.mtls.required", FileValue.Switch, "TOWN_MTLS_REQUIRED", TakesEffect.AtStart, "Nobody is served without one."),
        new("townhall.mtls.ca_file", FileValue.Path, "TOWN_MTLS_CA_FILE", TakesEffect.AtStart, "Who signs them, PEM."),
        new("redis.url", FileValue.Text, "REDIS_URL", TakesEffect.AtStart, "A Redis elsewhere, as redis:// or rediss://.", Secret: true),
        new("redis.use_socket", FileValue.Switch, null, TakesEffect.Never, "Redis is reached over TCP."),
        new("redis.socket_path", FileValue.Text, null, TakesEffect.Never, "Redis is reached over TCP."),
        new("redis.host", FileValue.Text, "TINYTOWN_REDIS_HOST", TakesEffect.AtStart, "A Redis elsewhere, where redis.url does not say so."),
        new("redis.port", FileValue.Number, "TINYTOWN_REDIS_PORT", TakesEffect.AtStart, "Its port, 6379 unless told; without redis.host it says nothing."),
        new("redis.bind", FileValue.Text, null, TakesEffect.Never, "The Redis that the host starts listens on the loopback address."),
        new("redis.persist", FileValue.Switch, null, TakesEffect.Never, "The Redis that the host starts always keeps a file; everything in it can be rebuilt."),
        new("redis.aof_path", FileValue.Text, null, TakesEffect.Never, "That file lies in the data folder."),
        new("redis.password", FileValue.Text, "TINYTOWN_REDIS_PASSWORD", TakesEffect.AtStart, "The password of that Redis.", Secret: true),
        new("redis.tls_enabled", FileValue.Switch, "TINYTOWN_REDIS_TLS", TakesEffect.AtStart, "That Redis is spoken to over TLS."),
        new("redis.tls_cert", FileValue.Text, null, TakesEffect.Never, "A client certificate for Redis goes into ConnectionStrings__redis."),
        new("redis.tls_key", FileValue.Text, null, TakesEffect.Never, "A client certificate for Redis goes into ConnectionStrings__redis."),
        new("redis.tls_ca_cert", FileValue.Text, null, TakesEffect.Never, "The system's certificate store decides whom to trust."),
    ];

    /// <summary>The key that a path in a file means, or null when there is none.</summary>
    public static FileKey? Find(IReadOnlyList<string> path)
    {
        foreach (var key in All)
        {
            if (key.Fits(path))
            {
                return key;
            }
        }

        return null;
    }

    private bool Fits(IReadOnlyList<string> path)
    {
        var parts = Name.Split('.');
        if (parts.Length != path.Count)
        {
            return false;
        }

        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] != "*" && parts[i] != path[i])
            {
                return false;
            }
        }

        return true;
    }
}

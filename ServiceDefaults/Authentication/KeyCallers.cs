using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Townhall.Contracts.Keys;
using Townhall.ServiceDefaults.Problems;
using Townhall.ServiceDefaults.Settings;

namespace Townhall.ServiceDefaults.Authentication;

/// <summary>Modes <c>api_key</c> and <c>oidc</c>: named keys, the key in a file, the configured key, and tokens where there is an issuer.</summary>
internal sealed class KeyCallers : ICallerSource, IDisposable
{
    private static readonly Task<AuthenticateResult> Nobody = Task.FromResult(AuthenticateResult.NoResult());
    private static readonly Task<AuthenticateResult> NotTaken = Refuse(AuthRefusals.NotTaken);

    private readonly NamedKeys _keys;
    private readonly Sources _sources;
    private readonly OidcTokens? _tokens;
    private readonly ConfiguredKey? _configured;
    private readonly Caller _configuredCaller;
    private readonly Caller _fileCaller;
    private readonly (ulong Id, byte[] Hash)? _file;

    public KeyCallers(TownSettings town, NamedKeys keys, Sources sources, OidcTokens? tokens = null)
    {
        (_keys, _sources, _tokens, _file) = (keys, sources, tokens, town.Auth.AdminKey);
        _configured = town.Auth.ApiKeyHash is { } hash ? new ConfiguredKey(hash) : null;
        _configuredCaller = new Caller("api_key", town.Auth.ApiKeyScopes, town.Name);
        _fileCaller = new Caller("admin", ScopeSet.Admin, town.Name);
    }

    public Task<AuthenticateResult> FindAsync(HttpContext context)
    {
        var (credential, refusal) = Credentials.Read(context.Request);
        if (refusal is not null)
        {
            return Refuse(refusal);
        }

        if (credential is null)
        {
            return Nobody;
        }

        Span<byte> hash = stackalloc byte[KeyFormat.HashBytes];
        if (!KeyFormat.TryRead(credential, out var id, hash))
        {
            return OtherAsync(credential, context);
        }

        if (_file is { } file && file.Id == id)
        {
            return CryptographicOperations.FixedTimeEquals(file.Hash, hash) ? _fileCaller.Proven : NotTaken;
        }

        return _keys.TryJudge(id, hash, out var caller) ? caller?.Proven ?? NotTaken : LookAsync(credential, context);
    }

    public void Dispose() => _configured?.Dispose();

    private static Task<AuthenticateResult> Refuse(Refusal refusal) => Task.FromResult(AuthenticateResult.Fail(new RefusedException(refusal)));

    private async Task<AuthenticateResult> LookAsync(string credential, HttpContext context)
    {
        var (verdict, caller) = await _keys.LookAsync(credential, context.RequestAborted);
        return await (verdict switch
        {
            KeyVerdict.Unread => Refuse(CommonRefusals.Unavailable),
            KeyVerdict.Known => caller?.Proven ?? NotTaken,
            // Nobody's named key; the configured one may be of the same form.
            _ => ConfiguredAsync(credential, context),
        });
    }

    private async Task<AuthenticateResult> OtherAsync(string credential, HttpContext context)
    {
        return _tokens is not null && OidcTokens.LooksLikeOne(credential)
            ? await _tokens.JudgeAsync(credential, context.RequestAborted)
            : await ConfiguredAsync(credential, context);
    }

    private async Task<AuthenticateResult> ConfiguredAsync(string credential, HttpContext context)
    {
        if (_configured is null)
        {
            return await NotTaken;
        }

        return await _configured.JudgeAsync(credential, _sources.Of(context), context.RequestAborted) switch
        {
            ConfiguredVerdict.Right => await _configuredCaller.Proven,
            ConfiguredVerdict.Busy => await Refuse(CommonRefusals.Overloaded),
            _ => await NotTaken,
        };
    }
}

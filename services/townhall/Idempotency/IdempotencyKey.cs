using System.Security.Cryptography;
using System.Text;

namespace Townhall.Api.Idempotency;

/// <summary>A caller's own name for one creating call, from <c>Idempotency-Key</c>: said again, it gets the first answer.</summary>
/// <param name="Key">1 to 255 printable ASCII characters, known to one principal of one town.</param>
/// <param name="Hash">SHA-256 over method, path and the body as it was sent: what makes two calls the same.</param>
internal sealed record IdempotencyKey(string Key, byte[] Hash)
{
    public const string Header = "Idempotency-Key";
    public const int LengthMost = 255;

    /// <summary>What <see cref="IdempotencyKeys.UseIdempotencyKeys"/> found; null when the caller named none.</summary>
    public static ValueTask<IdempotencyKey?> BindAsync(HttpContext context) => new(context.Features.Get<IdempotencyKey>());

    public bool IsOf(ReadOnlySpan<byte> hash) => Hash.AsSpan().SequenceEqual(hash);
}

/// <summary>An endpoint that reads <c>Idempotency-Key</c>; the others ignore it.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class TakesKeyAttribute : Attribute;

/// <summary>Reads the header before anything reads the body, because the body's bytes are part of what the key names.</summary>
internal static class IdempotencyKeys
{
    private const int FirstBufferBytes = 64 * 1024;

    public static void AddIdempotencyKeys(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<KeyStore>();

    /// <summary>Put behind routing, the guard and the request deadline.</summary>
    public static void UseIdempotencyKeys(this IApplicationBuilder app) => app.Use(static (context, next) =>
        context.Request.Headers.TryGetValue(IdempotencyKey.Header, out var given)
        && context.GetEndpoint()?.Metadata.GetMetadata<TakesKeyAttribute>() is not null
            ? given is [{ Length: > 0 and <= IdempotencyKey.LengthMost } key] && key.All(static one => one is >= ' ' and <= '~')
                ? ReadAsync(context, key, next)
                : Problems.BadKey().ExecuteAsync(context)
            : next(context));

    /// <summary>Marks an endpoint whose handler takes an <see cref="IdempotencyKey"/>.</summary>
    public static TBuilder TakesIdempotencyKey<TBuilder>(this TBuilder builder)
        where TBuilder : IEndpointConventionBuilder => builder.WithMetadata(new TakesKeyAttribute());

    private static async Task ReadAsync(HttpContext context, string key, RequestDelegate next)
    {
        // Not as much as the caller announces: who announces 8 MiB and sends nothing must not get them.
        using var body = new MemoryStream((int)Math.Min(context.Request.ContentLength ?? 0, FirstBufferBytes));
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{context.Request.Method} {context.Request.Path}\n"));
        hash.AppendData(body.GetBuffer().AsSpan(0, (int)body.Length));
        context.Features.Set(new IdempotencyKey(key, hash.GetHashAndReset()));

        body.Position = 0;
        context.Request.Body = body;
        await next(context);
    }
}

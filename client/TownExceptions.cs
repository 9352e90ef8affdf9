using System.Net;

namespace Townhall.Client;

/// <summary>A call that brought no answer one could use.</summary>
public abstract class TownException(string code, string detail, Exception? cause) : Exception(detail, cause)
{
    /// <summary>A permanent word to branch on: of the town's problem document, or one of this client.</summary>
    public string Code { get; } = code;
}

/// <summary>The town, or something before it, refused. Nothing was changed, unless the detail says that this is not known.</summary>
public sealed class TownProblemException(HttpStatusCode status, string code, string detail, string? traceId, TimeSpan? retryAfter)
    : TownException(code, detail, null)
{
    public HttpStatusCode Status { get; } = status;

    /// <summary>Finds the request in the town's logs; null when what refused has none.</summary>
    public string? TraceId { get; } = traceId;

    /// <summary>How long the town asks to wait before another try; null when it did not say.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>Nobody answers at the address, or the connection broke.</summary>
/// <param name="mayHaveChanged">True when the request may have arrived: what it asks for may have been done.</param>
public sealed class TownUnreachableException(string detail, bool mayHaveChanged, Exception? cause)
    : TownException("unreachable", detail, cause)
{
    public bool MayHaveChanged { get; } = mayHaveChanged;
}

/// <summary>No answer within the deadline. What was asked for may have been done.</summary>
public sealed class TownTimeoutException(string detail) : TownException("late", detail, null);

/// <summary>The answer is not what this version of the client knows.</summary>
public sealed class TownAnswerException(string detail, Exception? cause) : TownException("unexpected_answer", detail, cause);

namespace Townhall.Worker.Protocol;

/// <summary>What came of a call to the dispatcher.</summary>
internal abstract record Answer<T>
{
    private Answer()
    {
    }

    /// <summary>It answered.</summary>
    public sealed record Given(T Reply) : Answer<T>;

    /// <summary>It no longer knows this process (401, 410): nothing here is leased any more.</summary>
    public sealed record TokenRefused(int Status) : Answer<T>;

    /// <summary>It understood and will never agree to this very request.</summary>
    public sealed record Refused(int Status, string Detail) : Answer<T>;

    /// <summary>No answer, or one that promises nothing (5xx, 408, 429): it may have happened or not; ask again with the same request id.</summary>
    public sealed record Unknown(string Reason) : Answer<T>;
}

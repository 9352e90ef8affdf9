using System.Net;

namespace Townhall.Cli.Invoking;

/// <summary>Ends a command: no caller could go on, so it is caught once, in <see cref="Invocation"/>, and shown as <c>code: detail</c>.</summary>
internal sealed class CommandFailure(int exitCode, string code, string detail, Exception? cause = null) : Exception(detail, cause)
{
    public int ExitCode { get; } = exitCode;

    public string Code { get; } = code;

    public string Detail { get; } = detail;

    public static CommandFailure Usage(string detail) => new(ExitCodes.Usage, "usage", detail);

    /// <summary>What a refusal of the town means for the exit code.</summary>
    public static CommandFailure Refused(HttpStatusCode status, string code, string detail) => new(
        status switch
        {
            HttpStatusCode.NotFound => ExitCodes.NotFound,
            HttpStatusCode.Conflict => ExitCodes.Conflict,
            HttpStatusCode.BadRequest => ExitCodes.Usage,
            HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => ExitCodes.Unreachable,
            _ => ExitCodes.Failed,
        },
        code,
        detail);
}

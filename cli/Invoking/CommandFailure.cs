using System.Net;
using Townhall.Client;

namespace Townhall.Cli.Invoking;

/// <summary>Ends a command: no caller could go on, so it is caught once, in <see cref="Invocation"/>, and shown as <c>code: detail</c>.</summary>
internal sealed class CommandFailure(int exitCode, string code, string detail, Exception? cause = null) : Exception(detail, cause)
{
    public int ExitCode { get; } = exitCode;

    public string Code { get; } = code;

    public string Detail { get; } = detail;

    public static CommandFailure Usage(string detail) => new(ExitCodes.Usage, "usage", detail);

    /// <summary>What a failed call means for whoever typed the command.</summary>
    public static CommandFailure Of(TownException failure) => new(
        failure switch
        {
            TownUnreachableException => ExitCodes.Unreachable,
            TownTimeoutException => ExitCodes.Timeout,
            TownProblemException { Code: "deadline_exceeded" } => ExitCodes.Timeout,
            TownProblemException problem => Of(problem.Status),
            _ => ExitCodes.Failed,
        },
        failure.Code,
        failure is TownUnreachableException { MayHaveChanged: false }
            ? $"{failure.Message} Start one with tt up (or ./run), or name another with --url or {GlobalOptions.UrlVariable}."
            : failure is TownProblemException { Status: HttpStatusCode.Unauthorized }
            ? $"{failure.Message} With tt: --api-key or {GlobalOptions.KeyVariable}."
            : failure.Message,
        failure);

    private static int Of(HttpStatusCode status) => status switch
    {
        HttpStatusCode.NotFound => ExitCodes.NotFound,
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => ExitCodes.Auth,
        HttpStatusCode.Conflict or HttpStatusCode.PreconditionFailed => ExitCodes.Conflict,
        HttpStatusCode.BadRequest => ExitCodes.Usage,
        HttpStatusCode.RequestTimeout => ExitCodes.Timeout,
        HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout => ExitCodes.Unreachable,
        _ => ExitCodes.Failed,
    };
}

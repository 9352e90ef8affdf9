using Townhall.Contracts.Workers;
using Townhall.Worker.Processes;

namespace Townhall.Worker.Sandbox;

/// <summary>Finds out by a trial run whether the sandbox works here: kernels, containers and policies forbid it in many ways.</summary>
internal static class SandboxProbe
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(5);

    /// <returns>Null when a command ran inside and came back as expected; otherwise why not.</returns>
    public static async Task<string?> TryAsync(
        ISandbox sandbox, AttemptFolders folders, ChildProcesses children, TimeProvider clock)
    {
        var launch = sandbox.Wrap(["/bin/sh", "-c", "test -d /usr && test -w . && exit 42"], [], AgentGrant.None, folders);
        var nothing = Libc.Open("/dev/null", 2 | Libc.CloseOnExec);
        var (read, write) = Libc.Pipe();
        try
        {
            var child = await children.StartAsync(new SpawnRequest(
                launch.Arguments, [new("PATH", "/usr/bin:/bin")], launch.Folder, [nothing, nothing, write, nothing]));
            _ = Libc.Close(write);
            write = -1;
            var status = await child.Exited.WaitAsync(Deadline, clock);
            return status.Code == 42 ? null : Complaint(read) ?? $"the trial run ended with {status.AsShellCode}";
        }
        catch (TimeoutException)
        {
            return $"the trial run took longer than {Deadline.TotalSeconds} s";
        }
        catch (SpawnException refused)
        {
            return refused.Message;
        }
        finally
        {
            _ = Libc.Close(nothing);
            _ = Libc.Close(read);
            if (write >= 0)
            {
                _ = Libc.Close(write);
            }
        }
    }

    private static string? Complaint(int pipe)
    {
        Span<byte> buffer = stackalloc byte[1024];
        return Libc.Read(pipe, buffer) is > 0 and var length ? System.Text.Encoding.UTF8.GetString(buffer[..length]).Trim() : null;
    }
}

using System.Text;
using Townhall.Cli.Invoking;
using Townhall.Settings;

namespace Townhall.Cli.Configuration;

/// <summary>Changes a town's file so that whoever reads it meanwhile finds the old one or the new one, never half of one.</summary>
internal static class ConfigFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Usual = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>Sets one key. An existing file keeps its mode; a new one with a secret in it is for its owner only.</summary>
    /// <param name="path">The key as it is written, with its table.</param>
    /// <returns>The file's new text.</returns>
    /// <exception cref="CommandFailure">The value makes no sense, the file has mistakes, or it cannot be written.</exception>
    public static async Task<string> ChangeAsync(string name, FileKey key, string path, string value, CancellationToken cancellationToken)
    {
        // What a link stands for is changed, and the link stays.
        var target = new FileInfo(name) is { LinkTarget: not null } link ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName : name;
        var beside = $"{target}.{Environment.ProcessId}.new";
        try
        {
            var there = File.Exists(target);
            var text = TownFileEditor.Set(there ? await File.ReadAllTextAsync(target, cancellationToken) : "", path, value);
            var mode = there ? File.GetUnixFileMode(target) : key.Secret ? OwnerOnly : Usual;
            await using (var file = new FileStream(beside, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                UnixCreateMode = mode,
            }))
            {
                await file.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, target, overwrite: true);
            return text;
        }
        catch (FormatException wrong)
        {
            throw CommandFailure.Usage(wrong.Message);
        }
        catch (UnauthorizedAccessException closed)
        {
            throw new CommandFailure(ExitCodes.Failed, "io", closed.Message, closed);
        }
        finally
        {
            File.Delete(beside);
        }
    }
}

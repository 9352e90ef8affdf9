using System.Security.Cryptography;
using System.Text;

namespace Aspire.Hosting.Running;

/// <summary>
/// Where the cluster lives, and as whom Postgres runs. It refuses to run as root, so root gives it to the user its package
/// made; if that user cannot reach the data directory (a clone under a root-only home), the cluster lives outside of it,
/// and a file in the data directory remembers where.
/// </summary>
internal sealed record PostgresHome(string Directory, UserAccount? Owner)
{
    private const string OutsideDefault = "/var/lib/townhall";

    public string Cluster => Path.Combine(Directory, "data");

    public static async Task<PostgresHome> FindAsync(
        DataDirectory data, string name, Spawner spawner, HostConsole console, CancellationToken cancellationToken)
    {
        var inside = data.Subdirectory(name);
        if (!Native.IsRoot)
        {
            return new(inside, Owner: null);
        }

        var owner = UserAccount.Find("postgres") ?? throw new HostRefusedException(
            "townhall: Postgres does not run as root and there is no user 'postgres' to run it as; on Debian: apt-get install postgresql",
            HostRefusedException.Unavailable);
        var remembered = Path.Combine(data.Path, $"{name}.location");
        if (File.Exists(remembered))
        {
            return new((await File.ReadAllTextAsync(remembered, cancellationToken)).Trim(), owner);
        }

        Native.ChangeOwner(inside, owner.UserId, owner.GroupId);
        if (await CanWriteAsync(inside, owner, spawner, cancellationToken))
        {
            return new(inside, owner);
        }

        var outside = Outside(data.Path, name);
        console.Say($"user {owner.Name} cannot reach {data.Path}; Postgres keeps its data in {outside}");
        Native.ChangeOwner(outside, owner.UserId, owner.GroupId);
        SecretFiles.Write(remembered, outside);
        return new(outside, owner);
    }

    private static string Outside(string dataPath, string name)
    {
        var root = Environment.GetEnvironmentVariable("TOWN_POSTGRES_ROOT") is { Length: > 0 } told ? told : OutsideDefault;
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(dataPath)))[..16];
        var path = Path.Combine(root, $"{hash}-{name}");

        // A cluster is there already, but the data directory does not know it: somebody threw that away, and with it the
        // password that opens this cluster. One such is kept.
        if (System.IO.Directory.Exists(path))
        {
            var aside = $"{path}.aside";
            if (System.IO.Directory.Exists(aside))
            {
                System.IO.Directory.Delete(aside, recursive: true);
            }

            System.IO.Directory.Move(path, aside);
        }

        System.IO.Directory.CreateDirectory(root);
        System.IO.Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private static async Task<bool> CanWriteAsync(string directory, UserAccount owner, Spawner spawner, CancellationToken cancellationToken)
    {
        var test = await ChildProcess.StartAsync(
            spawner,
            new LaunchPlan("test", ["-w", directory], "/") { Environment = HostEnvironment.ForServer(), RunAs = owner },
            static _ => { });
        return await test.Exited.WaitAsync(cancellationToken) == 0;
    }
}

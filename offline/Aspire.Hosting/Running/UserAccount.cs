using System.Globalization;

namespace Aspire.Hosting.Running;

/// <summary>A user of this machine that a program can run as.</summary>
internal sealed record UserAccount(string Name, int UserId, int GroupId)
{
    /// <summary>What tells setpriv to become this user, with its groups and nothing more.</summary>
    public IReadOnlyList<string> SetPrivArguments =>
    [
        "--reuid", UserId.ToString(CultureInfo.InvariantCulture), "--regid", GroupId.ToString(CultureInfo.InvariantCulture), "--init-groups", "--",
    ];

    public static UserAccount? Find(string name) => File.ReadLines("/etc/passwd")
        .Select(static line => line.Split(':'))
        .Where(fields => fields.Length > 3 && fields[0] == name)
        .Select(static fields => new UserAccount(
            fields[0], int.Parse(fields[2], CultureInfo.InvariantCulture), int.Parse(fields[3], CultureInfo.InvariantCulture)))
        .FirstOrDefault();
}

using System.Text;

namespace Aspire.Hosting.Running;

/// <summary>The log file of one resource: the run before it as <c>.1</c>, and never more than twice its bound on disk.</summary>
internal sealed class ResourceLog : IDisposable
{
    private readonly string _path;
    private readonly long _bytesMax;
    private readonly Lock _gate = new();
    private FileStream? _file;

    public ResourceLog(string path, long bytesMax = 16 * 1024 * 1024)
    {
        _path = path;
        _bytesMax = bytesMax;
        Rotate();
    }

    public void Append(string line)
    {
        lock (_gate)
        {
            if (_file is null)
            {
                return;
            }

            try
            {
                _file.Write(Encoding.UTF8.GetBytes(line + "\n"));
                _file.Flush();
                if (_file.Length > _bytesMax)
                {
                    Rotate();
                }
            }
            catch (IOException)
            {
                // A full disk must not take the services with it; the console still has the line.
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            _file = null;
        }
    }

    private void Rotate()
    {
        _file?.Dispose();
        if (File.Exists(_path))
        {
            File.Move(_path, $"{_path}.1", overwrite: true);
        }

        _file = new FileStream(_path, FileMode.Create, FileAccess.Write, FileShare.Read);
    }
}

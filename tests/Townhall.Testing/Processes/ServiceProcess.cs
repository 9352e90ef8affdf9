using System.Globalization;

namespace Townhall.Testing;

/// <summary>A built service as a real process on a port of its own.</summary>
public sealed class ServiceProcess : IAsyncDisposable
{
    private ServiceProcess(KeptProcess process, int port)
    {
        Process = process;
        Port = port;
        Address = new Uri($"http://127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}");
        var sockets = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        // What people call is described; what tests see of it is held to that.
        Client = new HttpClient(process.Name is "services/townhall" or "services/scaler" or "services/notifier" ? new DescribedAnswers(sockets) : sockets) { BaseAddress = Address };
    }

    public KeptProcess Process { get; }

    public int Port { get; }

    public Uri Address { get; }

    /// <summary>A client of this service; its default time-out is 100 s, every test gives a nearer deadline. Answers of townhall, scaler and notifier are held to the API's description.</summary>
    public HttpClient Client { get; }

    /// <summary>Starts <paramref name="project"/> (such as <c>services/edge</c>) and waits until it says that it is ready.</summary>
    /// <param name="environment">Its settings; see <see cref="KeptProcess.StartAsync"/>.</param>
    /// <param name="port">Where it listens; null chooses a free port.</param>
    /// <exception cref="EventuallyException">It ended or was not ready in time; the message holds its log.</exception>
    public static async Task<ServiceProcess> StartAsync(
        string project, IReadOnlyDictionary<string, string> environment, CancellationToken deadline, int? port = null)
    {
        var service = await BeginAsync(project, environment, port);
        try
        {
            await service.ReadyAsync(deadline);
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it without waiting for anything.</summary>
    public static async Task<ServiceProcess> BeginAsync(string project, IReadOnlyDictionary<string, string> environment, int? port = null)
    {
        var listen = port ?? Ports.Free();
        var all = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["ASPNETCORE_URLS"] = $"http://127.0.0.1:{listen.ToString(CultureInfo.InvariantCulture)}",
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
        };
        foreach (var (key, value) in environment)
        {
            all[key] = value;
        }

        return new ServiceProcess(await KeptProcess.StartAsync(project, Programs.Dotnet(), [Programs.Built(project)], all), listen);
    }

    /// <summary>Waits until <c>/internal/ready</c> answers 200.</summary>
    public async Task ReadyAsync(CancellationToken deadline)
    {
        try
        {
            await Eventually.Is(
                async () => Process.HasExited || await IsReadyAsync(deadline), static ready => ready, deadline, $"{Process.Name} to be ready");
        }
        catch (EventuallyException late)
        {
            throw new EventuallyException($"{late.Message}\n{Process.Log}");
        }

        if (Process.HasExited)
        {
            throw new EventuallyException($"{Process.Name} ended with {Process.ExitCode} before it was ready.\n{Process.Log}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Process.DisposeAsync();
    }

    private async Task<bool> IsReadyAsync(CancellationToken deadline)
    {
        try
        {
            using var answer = await Client.GetAsync(new Uri("/internal/ready", UriKind.Relative), deadline);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;   // not listening yet
        }
    }
}

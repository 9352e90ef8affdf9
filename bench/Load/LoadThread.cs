using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Townhall.Bench.Load;

/// <summary>All callers on one thread: it asks the kernel which answers are there, reads them and sends again.</summary>
/// <remarks>
/// The generator shares the cores with what it measures, so it must cost little: two system calls a request and nothing
/// allocated, about 4 µs, where HttpClient takes some 40. Answers that were committed together arrive together and are
/// found by one call of poll.
/// </remarks>
internal sealed class LoadThread : IDisposable
{
    private readonly LoadPlan _plan;
    private readonly TimeProvider _clock;
    private readonly CancellationToken _cancelled;
    private readonly Dictionary<Socket, Caller> _callers = [];
    private readonly Stack<Caller> _idle = [];
    private readonly List<Call> _calls = [];
    private int _begun;
    private double _latestMs;

    private LoadThread(LoadPlan plan, TimeProvider clock, CancellationToken cancelled) => (_plan, _clock, _cancelled) = (plan, clock, cancelled);

    /// <exception cref="NotMeasuredException">An answer was not the expected one, or none came.</exception>
    public static Task<LoadResult> RunAsync(LoadPlan plan, TimeProvider clock, CancellationToken cancellationToken) =>
        Task.Factory.StartNew(
            () =>
            {
                using var thread = new LoadThread(plan, clock, cancellationToken);
                return thread.Run();
            },
            cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>A request as it goes over the wire.</summary>
    /// <param name="key">The caller's key; null without authentication.</param>
    public static byte[] Post(Uri target, string path, string json, string? key) => Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"POST {path} HTTP/1.1\r\nHost: {target.Authority}\r\n{(key is null ? "" : $"Authorization: Bearer {key}\r\n")}Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(json)}\r\n\r\n{json}"));

    public void Dispose()
    {
        foreach (var caller in _callers.Values)
        {
            caller.Socket.Dispose();
        }
    }

    private LoadResult Run()
    {
        Connect();
        var startedAt = _clock.GetTimestamp();
        var lastAnswerAt = startedAt;
        var answeredInWindow = 0;
        List<Socket> readable = [];
        while (true)
        {
            _cancelled.ThrowIfCancellationRequested();
            var elapsed = _clock.GetElapsedTime(startedAt);
            var sending = _plan.Count is { } count ? _begun < count : elapsed < _plan.Duration;
            var next = sending ? SendDue(elapsed) : _plan.Patience;
            if (_idle.Count == _callers.Count && !sending)
            {
                break;
            }

            readable.Clear();
            readable.AddRange(_callers.Keys);
            // Whole milliseconds, because poll knows no others and would spin for the rest.
            Socket.Select(readable, null, null, Math.Max(1, (int)Math.Ceiling(next.TotalMilliseconds)) * 1000);
            foreach (var socket in readable)
            {
                if (_callers[socket].Receive(_clock) is { } call)
                {
                    _calls.Add(call);
                    _idle.Push(_callers[socket]);
                    lastAnswerAt = _clock.GetTimestamp();
                    answeredInWindow += _plan.Count is not null || _clock.GetElapsedTime(startedAt) <= _plan.Duration ? 1 : 0;
                }
            }

            if (_idle.Count < _callers.Count && _clock.GetElapsedTime(lastAnswerAt) > _plan.Patience)
            {
                throw new NotMeasuredException($"{_callers.Count - _idle.Count} calls were not answered within {_plan.Patience}.");
            }
        }

        var window = _plan.Count is null ? _plan.Duration!.Value : _clock.GetElapsedTime(startedAt, lastAnswerAt);
        return new LoadResult(window, answeredInWindow, _calls, _latestMs);
    }

    private void Connect()
    {
        var address = new IPEndPoint(IPAddress.Loopback, _plan.Target.Port);
        for (var i = 0; i < _plan.Callers; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(address);
            var caller = new Caller(socket, _plan);
            _callers.Add(socket, caller);
            _idle.Push(caller);
        }
    }

    /// <summary>Sends what may be sent now.</summary>
    /// <returns>How long nothing else is due.</returns>
    private TimeSpan SendDue(TimeSpan elapsed)
    {
        if (_plan.Rate is not { } rate)
        {
            while ((_plan.Count is null || _begun < _plan.Count) && _idle.TryPop(out var caller))
            {
                Send(caller);
            }

            return _plan.Patience;
        }

        while (true)
        {
            var due = TimeSpan.FromSeconds((double)_begun / rate);
            if (due > elapsed)
            {
                return due - elapsed;
            }

            if (!_idle.TryPop(out var caller))
            {
                if (_plan.AtMost)
                {
                    return _plan.Patience;
                }

                throw new NotMeasuredException($"All {_plan.Callers} callers wait for answers: the schedule cannot be kept.");
            }

            _latestMs = Math.Max(_latestMs, (elapsed - due).TotalMilliseconds);
            Send(caller);
        }
    }

    private void Send(Caller caller) => caller.Send(_plan.Requests[_begun++ % _plan.Requests.Count], _clock);

    private sealed class Caller(Socket socket, LoadPlan plan)
    {
        private readonly byte[] _received = new byte[plan.AnswerBytesMost];
        private int _length;
        private DateTimeOffset _sentAt;
        private long _sentTimestamp;

        public Socket Socket { get; } = socket;

        public void Send(byte[] request, TimeProvider clock)
        {
            _length = 0;
            _sentAt = clock.GetUtcNow();
            _sentTimestamp = clock.GetTimestamp();
            var sent = Socket.Send(request);
            if (sent != request.Length)
            {
                throw new NotMeasuredException("A request did not fit into the socket's buffer.");
            }
        }

        /// <returns>Null while the answer is incomplete.</returns>
        public Call? Receive(TimeProvider clock)
        {
            var count = Socket.Receive(_received.AsSpan(_length));
            if (count == 0)
            {
                throw new NotMeasuredException("The server closed a connection.");
            }

            _length += count;
            if (!Answer.TryRead(_received.AsSpan(0, _length), out var status, out var body))
            {
                return null;
            }

            return status == plan.Expected
                ? new Call(Answer.TaskId(body), _sentAt, clock.GetElapsedTime(_sentTimestamp).TotalMilliseconds)
                : throw new NotMeasuredException($"An assignment was answered with {status}: {Encoding.UTF8.GetString(body)}");
        }
    }
}

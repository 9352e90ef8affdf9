namespace Townhall.Simulation.Loop;

/// <summary>One start of one process: it can be killed for ever, or frozen and resumed. What is meant for it waits or is lost with it.</summary>
internal class SimulatedProcess
{
    private readonly Queue<Action> _deferred = new();
    private readonly World _world;

    public SimulatedProcess(World world, string name)
    {
        _world = world;
        Name = name;
        Clock = new ProcessClock(world, this);
    }

    public string Name { get; }

    public ProcessClock Clock { get; }

    public bool IsAlive { get; private set; } = true;

    public bool IsFrozen { get; private set; }

    /// <summary>Told once, when the process is gone.</summary>
    public event Action? Gone;

    /// <summary>Runs an event that is meant for this process: now, when it is resumed, or never.</summary>
    public void Take(Action action)
    {
        if (!IsAlive)
        {
            return;
        }

        if (IsFrozen)
        {
            _deferred.Enqueue(action);
            return;
        }

        action();
        _world.Settle(this);
    }

    /// <summary>The process is gone, with all it had in mind.</summary>
    public void Kill()
    {
        if (IsAlive)
        {
            IsAlive = false;
            _deferred.Clear();
            Gone?.Invoke();
        }
    }

    public void Freeze() => IsFrozen = IsAlive;

    public void Resume()
    {
        IsFrozen = false;
        while (!IsFrozen && IsAlive && _deferred.TryDequeue(out var action))
        {
            Take(action);
        }
    }

    /// <summary>What the process does after each event of its own.</summary>
    /// <returns>True when it did something that may have led to more.</returns>
    public virtual bool AfterEvent() => false;
}

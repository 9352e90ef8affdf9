using Townhall.Contracts.Agents;

namespace Townhall.Contracts.Tests;

public sealed class PhaseTests
{
    [Theory]
    [InlineData(AgentState.Starting, 0, false, AgentPhase.Init)]
    [InlineData(AgentState.Cold, 0, false, AgentPhase.Init)]
    [InlineData(AgentState.Paused, 0, false, AgentPhase.Init)]
    [InlineData(AgentState.Working, 1, true, AgentPhase.Act)]
    [InlineData(AgentState.Paused, 1, true, AgentPhase.Act)]
    [InlineData(AgentState.Draining, 2, true, AgentPhase.Act)]
    [InlineData(AgentState.Idle, 0, true, AgentPhase.Plan)]
    [InlineData(AgentState.Cold, 0, true, AgentPhase.Plan)]
    [InlineData(AgentState.Paused, 0, true, AgentPhase.Plan)]
    [InlineData(AgentState.Stopped, 0, false, AgentPhase.Terminate)]
    // A killed agent's attempts end within seconds; it has ended already.
    [InlineData(AgentState.Stopped, 1, true, AgentPhase.Terminate)]
    [InlineData(AgentState.Error, 0, true, AgentPhase.Terminate)]
    public void The_phase_follows_from_what_the_agent_does_and_did(AgentState state, int running, bool begun, AgentPhase phase) =>
        Assert.Equal(phase, AgentPhases.Of(state, running, begun));
}

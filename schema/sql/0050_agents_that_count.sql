-- Agents that have not ended are counted at every spawn and restart, up to the town's ceiling. The index holds only what is
-- counted and changes only with a decision about an agent, so counting reads no agent and costs leases nothing.
CREATE INDEX agent_not_ended ON agent (town, id) WHERE control NOT IN ('stopped', 'error');

-- How many agents a tenant has, without a look at everybody else's.
CREATE INDEX agent_tenant ON agent (town, tenant);

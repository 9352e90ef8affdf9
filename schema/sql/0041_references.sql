-- References to agents through indexes: name (there already), nickname, label, and the first four digits of an id.

-- How people see an agent that has a nickname: `Nick [role]`, or `Nick [name]` where its role is the default one.
CREATE FUNCTION agent_label(nickname text, role_id text, name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT nickname || ' [' || coalesce(nullif(role_id, 'default'), name) || ']'
$$;
CREATE INDEX agent_nickname ON agent (town, lower(nickname)) WHERE nickname IS NOT NULL;
CREATE INDEX agent_label ON agent (town, lower(agent_label(nickname, role_id, name))) WHERE nickname IS NOT NULL;
CREATE INDEX agent_short_id ON agent (town, (left(id::text, 4)));

-- The agents that a reference which is no UUID means; two rows are as ambiguous as more. A name is unique, and who has it as
-- name is meant before all others: nobody can make an agent unreachable by what they call their own.
CREATE FUNCTION resolve_agent(p_town text, p_reference text) RETURNS TABLE (agent_id uuid, agent_name text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT a.id, a.name FROM agent a WHERE a.town = p_town AND lower(a.name) = lower(p_reference);
    IF FOUND THEN
        RETURN;
    END IF;

    RETURN QUERY
    SELECT m.id, m.name FROM (
        (SELECT a.id, a.name FROM agent a WHERE a.town = p_town AND a.nickname IS NOT NULL AND lower(a.nickname) = lower(p_reference) LIMIT 2)
        UNION
        (SELECT a.id, a.name FROM agent a
         WHERE a.town = p_town AND a.nickname IS NOT NULL AND lower(agent_label(a.nickname, a.role_id, a.name)) = lower(p_reference) LIMIT 2)
        UNION
        (SELECT a.id, a.name FROM agent a WHERE length(p_reference) = 4 AND a.town = p_town AND left(a.id::text, 4) = lower(p_reference) LIMIT 2)) m
    LIMIT 2;
END
$$;

-- Where each live task stands: in exactly one of five places at any quiet moment. Each place is asked for by itself, so that
-- a row in none of them, or in two, shows as that instead of falling under the last one. For tests and for operators:
--     SELECT standings, count(*) FROM task_standing WHERE town = 'town' GROUP BY 1
-- A moment is quiet when no lease has just run out and no time has just come: then the place changes by itself, within the
-- reaper's period or a second.
CREATE VIEW task_standing AS
    SELECT t.town, t.id, t.agent_id, t.state,
           array_remove(ARRAY[
               -- The next worker with a free slot may have it, in its agent's turn.
               CASE WHEN t.state = 'assigned' AND t.due AND t.parked IS NULL AND a.control = 'active' THEN 'claimable' END,
               CASE WHEN t.state = 'running' AND t.lease_until > now() THEN 'leased' END,
               CASE WHEN t.state = 'assigned' AND NOT t.due AND t.parked IS NULL AND t.available_at > now() AND a.control = 'active' THEN 'delayed' END,
               -- For somebody: an agent (backlog), a person or another task, a permit, or the reclaiming of what its agent left.
               CASE WHEN t.state IN ('pending', 'waiting') OR (t.state = 'assigned' AND t.parked IS NOT NULL AND a.control = 'active')
                         OR (t.state = 'assigned' AND a.id IS NULL) THEN 'waiting' END,
               -- Whatever else it would be, its agent starts nothing: paused, closing, stopped or in error.
               CASE WHEN t.state = 'assigned' AND a.control <> 'active' THEN 'paused' END], NULL) AS standings
    FROM task t LEFT JOIN agent a ON a.id = t.agent_id;
GRANT SELECT ON task_standing TO town_app;

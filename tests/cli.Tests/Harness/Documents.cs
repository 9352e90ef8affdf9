namespace Townhall.Cli.Tests.Harness;

/// <summary>Documents as a town sends them.</summary>
internal static class Documents
{
    public const string AgentId = "01890a5d-ac96-774b-bcce-b302099a8001";
    public const string TaskId = "01890a5d-ac96-774b-bcce-b302099a8057";

    public static string Agent(string name, string cli) =>
        $$"""
        {"id":"{{AgentId}}","name":"{{name}}","nickname":null,"role_id":null,"parent_agent_id":null,"spawn_mode":"fresh","cli":"{{cli}}",
         "state":"Idle","runtime":"command","trust_level":"trusted","max_concurrency":1,"running":0,"rounds_completed":0,"tasks_completed":3,
         "inbox_len":0,"urgent_len":0,"current_scope":null,"created_at":"2026-01-02T03:04:05Z","last_active_at":null}
        """;

    public static string Agents(params string[] agents) =>
        $$"""{"agents":[{{string.Join(',', agents)}}],"count":{{agents.Length}},"next_cursor":null}""";

    public static string Key(string name, string state) =>
        $$"""
        {"key_id":"6f1c0a9be2d47358","name":"{{name}}","scopes":["town.read","agent.manage"],"agent_id":"{{AgentId}}","state":"{{state}}","created_by":"admin",
         "created_at":"2026-01-02T03:04:05Z","expires_at":"2027-01-02T03:04:05Z","revoked_at":null,"last_used_at":null,"replaced_by":null}
        """.Replace("\n", "", StringComparison.Ordinal);

    public static string Spawned(string name) =>
        $$"""{"agent_id":"{{AgentId}}","name":"{{name}}","cli":"sh","role_id":null,"nickname":null,"parent_agent_id":null,"state":"Starting"}""";

    public static string Assigned(string id) => $$"""{"task_id":"{{id}}","agent_id":"{{AgentId}}","agent_name":"scout"}""";

    public static string Task(string id, string state, int attempt = 1, string result = "null") =>
        $$"""
        {"task_id":"{{id}}","description":"echo hi","state":"{{state}}","agent_id":"{{AgentId}}","agent_name":"scout","attempt":{{attempt}},
         "max_attempts":1,"priority":0,"tags":[],"created_at":"2026-01-02T03:04:05Z","started_at":"2026-01-02T03:04:06Z","completed_at":null,
         "exit_code":{{(state == "completed" ? "0" : "null")}},"result":{{result}},"result_blob":null,"result_bytes":7,"failure_code":null,
         "failure_detail":null,"sandbox":"bubblewrap","wall_ms":12.5,"output_bytes":3,"retry_of":null,"not_before":null}
        """.Replace("\n", "", StringComparison.Ordinal);

    public static string Scaling() =>
        """
        {"town":"oak","timestamp":"2026-01-02T03:04:05.000000Z","queue_depth":1,"pending_tasks":0,"in_flight_tasks":1,"active_agents":1,
         "cold_agents":0,"desired_agents":1,"max_agents":10,"scaling_recommendation":"scale_up","recommended_workers":1,
         "workers":{"active":0,"draining":0},"startable_tasks":1,"oldest_waiting_secs":0.5,"age_ms":3,"reasons":["One task waits."]}
        """;
}

namespace Townhall.OpenApi.Describing;

/// <summary>What a handler's name and comment do not say well enough for somebody who sees only the API.</summary>
/// <param name="Id">Name for generated clients; permanent.</param>
/// <param name="Summary">One line, without a full stop.</param>
internal sealed record OperationWords(string Id, string Summary)
{
    /// <summary>By operation; what is missing here is named after its handler.</summary>
    public static IReadOnlyDictionary<string, OperationWords> All { get; } = new Dictionary<string, OperationWords>(StringComparer.Ordinal)
    {
        ["GET /health"] = new("getHealth", "Is the process alive"),
        ["GET /healthz"] = new("getHealthz", "The same as /health"),
        ["GET /ready"] = new("getReady", "Are Postgres and Redis there; 503 names what is away"),
        ["GET /readyz"] = new("getReadyz", "The same as /ready"),
        ["GET /metrics"] = new("getMetrics", "Counters and gauges for Prometheus"),
        ["GET /api/scaling"] = new("getScaling", "How many workers would be of use now"),
        ["GET /events"] = new("followEvents", "The ledger as a stream of server-sent events"),
        ["GET /docs"] = new("getDocs", "This description as a page for people"),
        ["GET /docs/page.css"] = new("getDocsStyle", "The page's style"),
        ["GET /docs/page.js"] = new("getDocsScript", "The page's script"),
        ["GET /openapi/v1.json"] = new("getOpenApi", "This document as JSON"),
        ["GET /openapi/v1.yaml"] = new("getOpenApiYaml", "This document as YAML"),
        ["GET /v1/town"] = new("getTown", "Name and place of the town"),
        ["GET /v1/status"] = new("getStatus", "The town with its agents and the number of tasks in each state"),
        ["POST /v1/agents"] = new("spawnAgent", "Make an agent"),
        ["GET /v1/agents"] = new("listAgents", "All agents, by age"),
        ["GET /v1/agents/{agent}"] = new("getAgent", "One agent"),
        ["PATCH /v1/agents/{agent}"] = new("changeAgent", "Change an agent's limits or nickname"),
        ["POST /v1/agents/{agent}/pause"] = new("pauseAgent", "Start nothing more of an agent's work"),
        ["POST /v1/agents/{agent}/interrupt"] = new("interruptAgent", "The same as pause"),
        ["POST /v1/agents/{agent}/resume"] = new("resumeAgent", "Let a paused agent go on"),
        ["POST /v1/agents/{agent}/kill"] = new("killAgent", "End what an agent runs, and stop it"),
        ["POST /v1/agents/{agent}/restart"] = new("restartAgent", "Let a stopped agent work again"),
        ["POST /v1/agents/{agent}/close"] = new("closeAgent", "Let an agent finish what runs, then stop it"),
        ["POST /v1/agents/prune"] = new("pruneAgents", "Remove agents that have ended"),
        ["POST /v1/tasks/assign"] = new("assignTask", "Hand over a task"),
        ["POST /v1/tasks/assign-batch"] = new("assignTasks", "Hand over up to 500 tasks, each judged alone"),
        ["GET /v1/tasks/{id}"] = new("getTask", "One task, live or ended"),
        ["POST /v1/tasks/{id}/cancel"] = new("cancelTask", "Withdraw a task"),
        ["POST /v1/tasks/{id}/retry"] = new("retryTask", "Do an ended task again, as a new one"),
        ["GET /v1/tasks/{id}/explain"] = new("explainTask", "Why a task waits"),
        ["GET /v1/tasks/{id}/output"] = new("getOutput", "What a task printed"),
        ["POST /v1/tasks/{id}/steer"] = new("steerTask", "Say something to whoever does a task"),
        ["GET /v1/tasks/{id}/steering"] = new("listSteering", "What was said to a live task"),
        ["POST /v1/tasks/bulk"] = new("beginBulk", "Cancel, retry or reassign many tasks, after a look"),
        ["GET /v1/tasks/bulk/{id}"] = new("getBulk", "How far such a selection is"),
        ["GET /v1/blobs/{sha256}"] = new("getBlob", "The bytes behind a hash"),
        ["GET /v1/ledger"] = new("listLedger", "The audit chain in pages, complete enough to verify it elsewhere"),
        ["GET /v1/ledger/checkpoints"] = new("listCheckpoints", "Signed heads of the ledger, to be kept elsewhere"),
        ["GET /v1/ledger/keys"] = new("listLedgerKeys", "The public keys that signed them"),
        ["GET /v1/limits"] = new("listLimits", "All limits that somebody set"),
        ["GET /v1/limits/{key}"] = new("getLimit", "What a key allows and holds"),
        ["PUT /v1/limits/{key}"] = new("putLimit", "Set what a key allows"),
        ["DELETE /v1/limits/{key}"] = new("deleteLimit", "Take a limit back"),
        ["GET /v1/limits/{key}/holders"] = new("listHolders", "Who holds a key's permits"),
        ["GET /v1/tenants/{name}"] = new("getTenant", "A tenant's share of turns"),
        ["PUT /v1/tenants/{name}"] = new("putTenant", "Set a tenant's share of turns"),
        ["GET /v1/keys"] = new("listKeys", "All keys of callers; none is told again"),
        ["POST /v1/keys"] = new("makeKey", "Make a key; it is told this once"),
        ["POST /v1/keys/{id}/rotate"] = new("rotateKey", "Replace a key, with an overlap"),
        ["DELETE /v1/keys/{id}"] = new("revokeKey", "End a key"),
        ["POST /v1/recover"] = new("recover", "Find running work of workers that are gone"),
        ["POST /v1/reclaim"] = new("reclaim", "Move what stopped agents have not started"),
        ["POST /v1/reclaim/orphan-tasks"] = new("reclaimOrphans", "List, move or withdraw tasks whose agent is gone"),
    };

    /// <summary>Bodies as people would send them, by operation id, where showing every member would mislead.</summary>
    public static IReadOnlyDictionary<string, string> Bodies { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["makeKey"] = """{"name":"ci","scopes":["town.read","town.write"],"expires_in_secs":7776000}""",
        ["spawnAgent"] = """{"name":"ann","cli":"claude","max_concurrency":2}""",
        ["changeAgent"] = """{"max_concurrency":4,"nickname":null}""",
        ["assignTask"] = """{"agent":"ann","task":"Run the tests and repair what fails.","priority":10,"timeout_secs":1800,"tags":["ci"]}""",
        ["assignTasks"] = """{"tasks":[{"agent":"ann","task":"Read the first chapter."},{"agent":"bob","task":"Read the second chapter.","tags":["book"]}]}""",
        ["beginBulk"] = """{"action":"retry","filter":{"state":["failed"],"tag":"ci"},"dry_run":true}""",
        ["reclaim"] = """{"from":"ann","to":"bob"}""",
        ["putLimit"] = """{"max_concurrency":3,"rate_per_minute":60,"burst":5}""",
    };

    /// <summary>What a path parameter is, by name.</summary>
    public static IReadOnlyDictionary<string, (string Words, string Example)> Paths { get; } = new Dictionary<string, (string, string)>(StringComparer.Ordinal)
    {
        ["id"] = ("A UUID. `task:` or `bulk:`, whichever it is, may stand before it.", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ["task_id"] = ("A UUID. `task:` may stand before it.", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ["message_id"] = ("A UUID. `message:` may stand before it.", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ["agent"] = ("An agent's id, name, nickname, label as `Nickname [role]`, or the first four hex digits of its id; `agent_ambiguous` when several answer to it.", "ann"),
        ["key"] = ("A concurrency or rate key, or `town` for all tasks together; a slash is written `%2F`.", "repo:shop"),
        ["name"] = ("A tenant's name.", "default"),
        ["sha256"] = ("SHA-256 of the bytes, 64 lower-case hex digits.", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    };

    /// <summary>What a query parameter is, by name.</summary>
    public static IReadOnlyDictionary<string, string> Queries { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["limit"] = "Most items in one answer.",
        ["cursor"] = "Where to go on: `next_cursor` of the page before.",
        ["dry_run"] = "Only say what would be done.",
        ["after"] = "Entries behind this position; 0 is the beginning.",
        ["follow"] = "Stay until the task has ended.",
        ["attempt"] = "Of this attempt; the newest when left out.",
        ["offset"] = "Bytes to skip.",
        ["deep"] = "Also what runs, and where.",
        ["state"] = "Only tasks in these states, comma separated.",
        ["agent"] = "Only of this agent: an id, name, nickname, label or short id.",
        ["tag"] = "Only with this tag.",
        ["created_after"] = "Only what was accepted after this instant.",
        ["created_before"] = "Only what was accepted before this instant.",
        ["ended_after"] = "Only what ended after this instant.",
        ["ended_before"] = "Only what ended before this instant.",
        ["retry_of"] = "Only retries of this task.",
        ["order"] = "By the moment of acceptance; newest first when left out.",
    };
}

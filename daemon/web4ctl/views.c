#include "web4ctl/views.h"

/* clang-format off */
#define RECORD CTL_LAYOUT_RECORD
#define TABLE CTL_LAYOUT_TABLE
#define END {NULL, NULL, CTL_TEXT, 0}

static const ctl_column status_columns[] = {
    {"Name",        "/name",          CTL_TEXT, 0},
    {"Node",        "/node",          CTL_TEXT, 0},
    {"State",       "/state",         CTL_STATE, 0},
    {"Version",     "/version",       CTL_TEXT, 0},
    {"Process",     "/pid",           CTL_TEXT, 0},
    {"Started",     "/started_at",    CTL_TIME, 0},
    {"Up for",      "/uptime_s",      CTL_SECONDS, 0},
    {"Addresses",   "/addresses",     CTL_LIST, 0},
    {"Peers",       "/peers",         CTL_PAIRS, 0},
    {"Sessions",    "/sessions",      CTL_TEXT, 0},
    {"Agents",      "/agents",        CTL_TEXT, 0},
    {"Clients",     "/clients",       CTL_PAIRS, 0},
    {"Facts",       "/facts",         CTL_PAIRS, 0},
    {"Wait for agents here", "/durable/for_agents",  CTL_TEXT, 0},
    {"Wait for other nodes", "/durable/to_be_taken", CTL_TEXT, 0},
    {"Wait to be told of",   "/durable/ends",        CTL_TEXT, 0},
    {"Store",       "/store/state",   CTL_STATE, 0},
    {"Store file",  "/store/path",    CTL_TEXT, 0},
    {"Store size",  "/store/bytes",   CTL_BYTES, 0},
    {"Store error", "/store/error",   CTL_TEXT, 0},
    {"Memory",      "/memory_bytes",  CTL_BYTES, 0},
    {"Refusals",    "/refusals",      CTL_PAIRS, 0},
    {"Config",      "/config_digest", CTL_SHORT, 0},
    END};
static const ctl_column memory_record[] = {
    {"In memory", "/resident",  CTL_BYTES, 0},
    {"Allocated", "/heap",      CTL_BYTES, 0},
    {"Store",     "/store",     CTL_BYTES, 0},
    {"Store log", "/store_log", CTL_BYTES, 0},
    END};
static const ctl_column memory_tables[] = {
    {"TABLE",    "/name",      CTL_TEXT,  0},
    {"COUNT",    "/count",     CTL_TEXT,  0},
    {"ROOM FOR", "/count_max", CTL_TEXT,  0},
    {"HELD",     "/bytes",     CTL_BYTES, 0},
    {"AT MOST",  "/bytes_max", CTL_BYTES, 0},
    END};
static const ctl_column memory_peers[] = {
    {"PEER",      "/peer",      CTL_SHORT, 1},
    {"NAME",      "/name",      CTL_CUT,   0},
    {"HELD",      "/bytes",     CTL_BYTES, 0},
    {"SESSION",   "/session",   CTL_BYTES, 2},
    {"CHANNELS",  "/channels",  CTL_BYTES, 3},
    {"SENDING",   "/sending",   CTL_BYTES, 0},
    {"RECEIVING", "/receiving", CTL_BYTES, 0},
    {"AT MOST",   "/bytes_max", CTL_BYTES, 0},
    END};
static const ctl_column memory_channels[] = {
    {"NAME",     "/name",         CTL_CUT,   0},
    {"CHANNEL",  "/channel",      CTL_TEXT,  0},
    {"MESSAGES", "/messages",     CTL_TEXT,  0},
    {"ROOM FOR", "/messages_max", CTL_TEXT,  0},
    {"HELD",     "/bytes",        CTL_BYTES, 0},
    {"AT MOST",  "/bytes_max",    CTL_BYTES, 0},
    END};
static const ctl_view of_channels = {TABLE, "Messages by channel", "/memory/channels", memory_channels, NULL, NULL};
static const ctl_view of_peers = {TABLE, "Sessions that hold most", "/memory/peers", memory_peers, NULL, &of_channels};
static const ctl_view of_tables = {TABLE, "Tables", "/memory/tables", memory_tables, NULL, &of_peers};
static const ctl_view of_process = {RECORD, "Memory", "/memory", memory_record, NULL, &of_tables};
const ctl_view ctl_view_status = {RECORD, NULL, "", status_columns, NULL, &of_process};

static const ctl_column agent_columns[] = {
    {"AGENT",        "/agent_id",     CTL_CUT, 0},
    {"FINGERPRINT",  "/fingerprint",  CTL_SHORT, 1},
    {"TRUST",        "/trust",        CTL_STATE, 0},
    {"NODE",         "/node",         CTL_SHORT, 3},
    {"NAME",         "/node_name",    CTL_CUT, 0},
    {"LOCAL",        "/local",        CTL_YES, 4},
    {"ATTACHED",     "/attached",     CTL_YES, 3},
    {"PRESENCE",     "/presence",     CTL_TEXT, 2},
    {"LRI",          "/lri",          CTL_TEXT, 5},
    {"WAITING",      "/waiting",      CTL_TEXT, 2},
    {"CAPABILITIES", "/capabilities", CTL_LIST, 6},
    END};
const ctl_view ctl_view_agents = {TABLE, NULL, "/agents", agent_columns, "no agents", NULL};

static const ctl_column peer_columns[] = {
    {"NODE",      "/fingerprint", CTL_SHORT, 0},
    {"NAME",      "/name",        CTL_CUT, 0},
    {"TRUST",     "/trust",       CTL_STATE, 0},
    {"CONNECTED", "/connected",   CTL_YES, 0},
    {"LAST SEEN", "/last_seen",   CTL_TIME, 1},
    {"ADDRESSES", "/addresses",   CTL_LIST, 2},
    END};
static const ctl_column dial_columns[] = {
    {"ADDRESS",    "/address",    CTL_TEXT, 0},
    {"SOURCE",     "/source",     CTL_TEXT, 0},
    {"FAILURES",   "/failures",   CTL_TEXT, 1},
    {"NEXT DIAL",  "/next_dial",  CTL_TIME, 2},
    {"LAST ERROR", "/last_error", CTL_CUT, 3},
    END};
static const ctl_view dialling = {TABLE, "Addresses without a node yet", "/dialling", dial_columns, NULL, NULL};
const ctl_view ctl_view_peers = {TABLE, NULL, "/peers", peer_columns, "no peers", &dialling};

static const ctl_column peer_record[] = {
    {"Node",       "/fingerprint", CTL_TEXT, 0},
    {"Name",       "/name",        CTL_TEXT, 0},
    {"Trust",      "/trust",       CTL_STATE, 0},
    {"Connected",  "/connected",   CTL_YES, 0},
    {"Session",    "/session",     CTL_TEXT, 0},
    {"Version",    "/version",     CTL_TEXT, 0},
    {"Addresses",  "/addresses",   CTL_LIST, 0},
    {"Known by",   "/sources",     CTL_LIST, 0},
    {"Last seen",  "/last_seen",   CTL_TIME, 0},
    {"Failures",   "/failures",    CTL_TEXT, 0},
    {"Next dial",  "/next_dial",   CTL_TIME, 0},
    {"Last error", "/last_error",  CTL_TEXT, 0},
    END};
static const ctl_view peer_agents = {TABLE, "Agents", "/peer/agents", agent_columns, NULL, NULL};
const ctl_view ctl_view_peer = {RECORD, NULL, "/peer", peer_record, NULL, &peer_agents};

static const ctl_column peer_added[] = {
    {"Address", "/address", CTL_TEXT, 0},
    {"New",     "/added",   CTL_YES, 0},
    END};
const ctl_view ctl_view_peer_added = {RECORD, NULL, "", peer_added, NULL, NULL};
static const ctl_column peer_removed[] = {
    {"Addresses forgotten", "/removed",         CTL_TEXT, 0},
    {"Sessions closed",     "/sessions_closed", CTL_TEXT, 0},
    END};
const ctl_view ctl_view_peer_removed = {RECORD, NULL, "", peer_removed, NULL, NULL};

static const ctl_column session_columns[] = {
    {"SESSION",    "/id",         CTL_SHORT, 0},
    {"PEER",       "/peer",       CTL_SHORT, 1},
    {"NAME",       "/name",       CTL_CUT, 0},
    {"STATE",      "/state",      CTL_STATE, 0},
    {"ROLE",       "/role",       CTL_TEXT, 5},
    {"ADDRESS",    "/address",    CTL_TEXT, 2},
    {"OPENED",     "/opened_at",  CTL_TIME, 4},
    {"RTT",        "/rtt_us",     CTL_MICROS, 0},
    {"RECONNECTS", "/reconnects", CTL_TEXT, 1},
    {"OUT",        "/bytes_out",  CTL_BYTES, 3},
    {"IN",         "/bytes_in",   CTL_BYTES, 3},
    END};
const ctl_view ctl_view_sessions = {TABLE, NULL, "/sessions", session_columns, "no sessions", NULL};

static const ctl_column session_record[] = {
    {"Session",               "/id",                    CTL_TEXT, 0},
    {"Peer",                  "/peer",                  CTL_TEXT, 0},
    {"Name",                  "/name",                  CTL_TEXT, 0},
    {"State",                 "/state",                 CTL_STATE, 0},
    {"Role",                  "/role",                  CTL_TEXT, 0},
    {"Transport",             "/transport",             CTL_TEXT, 0},
    {"Address",               "/address",               CTL_TEXT, 0},
    {"Opened",                "/opened_at",             CTL_TIME, 0},
    {"Last heard",            "/last_heard",            CTL_TIME, 0},
    {"Round trip",            "/rtt_us",                CTL_MICROS, 0},
    {"Reconnects",            "/reconnects",            CTL_TEXT, 0},
    {"Records out",           "/records_out",           CTL_TEXT, 0},
    {"Records in",            "/records_in",            CTL_TEXT, 0},
    {"Bytes out",             "/bytes_out",             CTL_BYTES, 0},
    {"Bytes in",              "/bytes_in",              CTL_BYTES, 0},
    {"Drop rate",             "/drop_rate",             CTL_PERCENT, 0},
    {"Verification failures", "/verification_failures", CTL_TEXT, 0},
    {"Replays",               "/replays",               CTL_TEXT, 0},
    {"Rekeys",                "/rekeys",                CTL_TEXT, 0},
    {"Rekeys of the peer",    "/rekeys_in",             CTL_TEXT, 0},
    {"Memory",                "/memory_bytes",          CTL_BYTES, 0},
    END};
static const ctl_column channel_columns[] = {
    {"CHANNEL",   "/channel",        CTL_TEXT, 0},
    {"ENQUEUED",  "/enqueued",       CTL_TEXT, 0},
    {"DELIVERED", "/delivered",      CTL_TEXT, 0},
    {"DROPPED",   "/dropped",        CTL_TEXT, 0},
    {"FAILED",    "/failed",         CTL_TEXT, 1},
    {"ERRORS",    "/errors",         CTL_TEXT, 2},
    {"QUEUED",    "/queued",         CTL_TEXT, 0},
    {"IN FLIGHT", "/in_flight",      CTL_TEXT, 1},
    {"RECEIVED",  "/messages_in",    CTL_TEXT, 2},
    {"OUT",       "/bytes_out",      CTL_BYTES, 3},
    {"IN",        "/bytes_in",       CTL_BYTES, 3},
    {"P50",       "/latency_p50_us", CTL_MICROS, 1},
    {"P99",       "/latency_p99_us", CTL_MICROS, 0},
    END};
static const ctl_view session_channels = {TABLE, "Channels", "/session/channels", channel_columns, NULL, NULL};
const ctl_view ctl_view_session = {RECORD, NULL, "/session", session_record, NULL, &session_channels};
static const ctl_column session_closed[] = {
    {"Closed", "/id",   CTL_TEXT, 0},
    {"Peer",   "/peer", CTL_TEXT, 0},
    END};
const ctl_view ctl_view_session_closed = {RECORD, NULL, "", session_closed, NULL, NULL};

static const ctl_column session_rekeyed[] = {
    {"New key", "/id",   CTL_TEXT, 0},
    {"Peer",    "/peer", CTL_TEXT, 0},
    END};
const ctl_view ctl_view_session_rekeyed = {RECORD, NULL, "", session_rekeyed, NULL, NULL};

static const ctl_column all_channels[] = {
    {"PEER",      "/peer",           CTL_SHORT,  9},
    {"NAME",      "/name",           CTL_CUT,    0},
    {"CHANNEL",   "/channel",        CTL_TEXT,   0},
    {"POLICY",    "/overflow",       CTL_TEXT,   1},
    {"QUEUED",    "/queued",         CTL_TEXT,   0},
    {"IN FLIGHT", "/in_flight",      CTL_TEXT,   3},
    {"ROOM FOR",  "/queue_messages", CTL_TEXT,   5},
    {"CREDIT",    "/credit",         CTL_TEXT,   2},
    {"DELIVERED", "/delivered",      CTL_TEXT,   0},
    {"DROPPED",   "/dropped",        CTL_TEXT,   0},
    {"ERRORS",    "/errors",         CTL_TEXT,   1},
    {"FAILED",    "/failed",         CTL_TEXT,   4},
    {"P50",       "/latency_p50_us", CTL_MICROS, 6},
    {"P95",       "/latency_p95_us", CTL_MICROS, 7},
    {"P99",       "/latency_p99_us", CTL_MICROS, 0},
    {"MAX",       "/latency_max_us", CTL_MICROS, 8},
    END};
const ctl_view ctl_view_channels = {TABLE, NULL, "/channels", all_channels, "no sessions, no channels", NULL};

static const ctl_column sla_columns[] = {
    {"PEER",      "/peer",      CTL_SHORT,   2},
    {"NAME",      "/name",      CTL_CUT,     0},
    {"CHANNEL",   "/channel",   CTL_TEXT,    0},
    {"ID",        "/id",        CTL_TEXT,    3},
    {"WHOSE",     "/whose",     CTL_TEXT,    0},
    {"CLAUSE",    "/clause",    CTL_TEXT,    0},
    {"BOUND",     "/bound",     CTL_DECIMAL, 0},
    {"MEASURED",  "/measured",  CTL_DECIMAL, 0},
    {"BUDGET",    "/budget",    CTL_PERCENT, 0},
    {"STATE",     "/state",     CTL_STATE,   0},
    {"WINDOW MS", "/window_ms", CTL_TEXT,    1},
    END};
const ctl_view ctl_view_sla = {TABLE, NULL, "/clauses", sla_columns, "nothing is promised: see session.channels.KIND.sla in web4d.json(5)", NULL};

static const ctl_column trust_columns[] = {
    {"KIND",           "/kind",           CTL_TEXT, 1},
    {"SUBJECT",        "/subject",        CTL_SHORT, 0},
    {"NAME",           "/name",           CTL_CUT, 0},
    {"STATE",          "/state",          CTL_STATE, 0},
    {"SINCE",          "/since",          CTL_TIME, 1},
    {"RANK",           "/rank",           CTL_TEXT, 1},
    {"KEY",            "/standing",       CTL_STATE, CTL_IF_ANY},
    {"FORMER KEYS",    "/former_keys",    CTL_TEXT, 2 | CTL_IF_ANY},
    {"COOLDOWN UNTIL", "/cooldown_until", CTL_TIME, 2},
    {"ANCHOR",         "/anchor",         CTL_YES, 3},
    END};
const ctl_view ctl_view_trust_list = {TABLE, NULL, "/entries", trust_columns, "nobody's trust has moved yet", NULL};
static const ctl_column trust_record[] = {
    {"Kind",           "/kind",           CTL_TEXT, 0},
    {"Subject",        "/subject",        CTL_TEXT, 0},
    {"Name",           "/name",           CTL_TEXT, 0},
    {"State",          "/state",          CTL_STATE, 0},
    {"Since",          "/since",          CTL_TIME, 0},
    {"Rank",           "/rank",           CTL_TEXT, 0},
    {"Cooldown until", "/cooldown_until", CTL_TIME, 0},
    {"Unverifiable",   "/counted",        CTL_TEXT, 0},
    {"Introduced by",  "/introducer",     CTL_TEXT, 0},
    {"Anchor",         "/anchor",         CTL_YES, 0},
    {"Key",            "/standing",       CTL_STATE, 0},
    END};
static const ctl_column key_columns[] = {
    {"KEY",       "/fingerprint", CTL_SHORT, 0},
    {"NAME",      "/name",        CTL_CUT, 1},
    {"KIND",      "/kind",        CTL_TEXT, 1},
    {"STANDING",  "/standing",    CTL_STATE, 0},
    {"SUCCESSOR", "/successor",   CTL_SHORT, 0},
    {"SINCE",     "/replaced_at", CTL_TIME, 2},
    {"RIVAL",     "/rival",       CTL_SHORT, 3},
    {"REVOKED BY", "/by",         CTL_TEXT, 1},
    {"REASON",    "/reason",      CTL_CUT, 1},
    {"HEARSAY OF", "/hearsay/signer", CTL_SHORT, 1 | CTL_IF_ANY},
    {"WHICH SAYS", "/hearsay/reason", CTL_CUT, 1 | CTL_IF_ANY},
    END};
static const ctl_view trust_keys = {TABLE, "Keys of its identity", "/entry/keys", key_columns, NULL, NULL};
const ctl_view ctl_view_trust_entry = {RECORD, NULL, "/entry", trust_record, NULL, &trust_keys};
static const ctl_column move_columns[] = {
    {"",               "/at",             CTL_TIME, 0},
    {"from",           "/from",           CTL_STATE, 0},
    {"to",             "/to",             CTL_STATE, 0},
    {"Cause",          "/cause",          CTL_TEXT, 1},
    {"Event",          "/event",          CTL_TEXT, 1},
    {"By",             "/actor",          CTL_TEXT, 1},
    {"Who",            "/actor_name",     CTL_TEXT, 1},
    {"Reason",         "/reason",         CTL_TEXT, 1},
    {"Evidence",       "/evidence",       CTL_TEXT, 1},
    {"Counted",        "/counted",        CTL_TEXT, 1},
    {"Cooldown until", "/cooldown_until", CTL_TIME, 1},
    {"Introduced by",  "/introducer",     CTL_TEXT, 1},
    {"Moves",          "/summed",         CTL_TEXT, 1},
    {"First",          "/first_at",       CTL_TIME, 1},
    END};
static const ctl_column replay_columns[] = {
    {"Agrees", "/agrees", CTL_YES, 0},
    {"Gives",  "/text",   CTL_TEXT, 0},
    END};
static const ctl_column proof_columns[] = {
    {"AT",     "/at",       CTL_TIME, 2},
    {"WHAT",   "/what",     CTL_CUT, 0},
    {"FIRST",  "/other",    CTL_SHORT, 0},
    {"SECOND", "/evidence", CTL_SHORT, 0},
    END};
static const ctl_view proofs = {TABLE, "Proofs", "/proofs", proof_columns, NULL, NULL};
static const ctl_view replay = {RECORD, "The history, played from nothing", "/replay", replay_columns, NULL, &proofs};
static const ctl_view history = {CTL_LAYOUT_STEPS, "History", "/history", move_columns, "never moved", &replay};
static const ctl_view why_keys = {TABLE, "Keys of its identity", "/entry/keys", key_columns, NULL, &history};
static const ctl_column trust_why_record[] = {
    {"Kind",           "/entry/kind",           CTL_TEXT, 0},
    {"Subject",        "/entry/subject",        CTL_TEXT, 0},
    {"Name",           "/entry/name",           CTL_TEXT, 0},
    {"State",          "/entry/state",          CTL_STATE, 0},
    {"Because",        "/reason",               CTL_TEXT, 0},
    {"Since",          "/entry/since",          CTL_TIME, 0},
    {"Rank",           "/entry/rank",           CTL_TEXT, 0},
    {"Cooldown until", "/entry/cooldown_until", CTL_TIME, 0},
    {"Unverifiable",   "/entry/counted",        CTL_TEXT, 0},
    {"Introduced by",  "/entry/introducer",     CTL_TEXT, 0},
    {"Anchor",         "/entry/anchor",         CTL_YES, 0},
    {"Key",            "/entry/standing",       CTL_STATE, 0},
    END};
const ctl_view ctl_view_trust_why = {RECORD, NULL, "", trust_why_record, NULL, &why_keys};

static const ctl_column fact_columns[] = {
    {"FACT",      "/id",                CTL_SHORT, 0},
    {"STATE",     "/state",             CTL_STATE, 0},
    {"STATEMENT", "/statement",         CTL_CUT, 0},
    {"PROPOSER",  "/proposer/agent_id", CTL_CUT, 1},
    {"CONFIRMED", "/confirmations",     CTL_NUMBER, 1},
    {"NEEDED",    "/needed",            CTL_TEXT, 2},
    {"UNSUPPORTED", "/unsupported",     CTL_YES, 3},
    {"UPDATED",   "/updated_at",        CTL_TIME, 3},
    END};
const ctl_view ctl_view_facts = {TABLE, NULL, "/facts", fact_columns, "no facts", NULL};
static const ctl_column fact_record[] = {
    {"Fact",        "/id",                   CTL_TEXT, 0},
    {"State",       "/state",                CTL_STATE, 0},
    {"Statement",   "/statement",            CTL_TEXT, 0},
    {"Domain",      "/domain",               CTL_TEXT, 0},
    {"Confidence",  "/confidence",           CTL_TEXT, 0},
    {"Context",     "/context",              CTL_TEXT, 0},
    {"Sources",     "/sources",              CTL_LIST, 0},
    {"Decision",    "/decision_id",          CTL_TEXT, 0},
    {"Follows",     "/causal_links",         CTL_LIST, 0},
    {"Unsupported", "/unsupported",          CTL_YES, 0},
    {"Settled",     "/settled/verdict",      CTL_STATE, 0},
    {"Settled by",  "/settled/by",           CTL_TEXT, 0},
    {"Settled for", "/settled/reason",       CTL_TEXT, 0},
    {"Digest",      "/digest",               CTL_TEXT, 0},
    {"Proposer",    "/proposer/agent_id",    CTL_TEXT, 0},
    {"Fingerprint", "/proposer/fingerprint", CTL_TEXT, 0},
    {"Trust",       "/proposer/trust",       CTL_STATE, 0},
    {"Node",        "/node",                 CTL_TEXT, 0},
    {"Proposed",    "/proposed_at",          CTL_TIME, 0},
    {"Updated",     "/updated_at",           CTL_TIME, 0},
    {"Needed",      "/needed",               CTL_TEXT, 0},
    {"Missing",     "/missing",              CTL_TEXT, 0},
    END};
static const ctl_column voice_columns[] = {
    {"AGENT",       "/agent_id",    CTL_CUT, 0},
    {"FINGERPRINT", "/fingerprint", CTL_SHORT, 1},
    {"TRUST THEN",  "/trust",       CTL_STATE, 0},
    {"NODE",        "/node",        CTL_SHORT, 2},
    {"AT",          "/at",          CTL_TIME, 3},
    {"COUNTED",     "/counted",     CTL_YES, 0},
    {"WHY",         "/why",         CTL_CUT, 0},
    {"NOTES",       "/notes",       CTL_CUT, 2},
    END};
static const ctl_column challenge_columns[] = {
    {"AGENT",       "/agent_id",    CTL_CUT, 0},
    {"FINGERPRINT", "/fingerprint", CTL_SHORT, 1},
    {"TRUST THEN",  "/trust",       CTL_STATE, 0},
    {"AT",          "/at",          CTL_TIME, 3},
    {"REASON",      "/reason",      CTL_TEXT, 0},
    {"SEVERITY",    "/severity",    CTL_TEXT, 2},
    {"OPEN",        "/open",        CTL_YES, 0},
    {"NOTES",       "/notes",       CTL_CUT, 2},
    END};
static const ctl_view challenges = {TABLE, "Challenged by", "/fact/challenges", challenge_columns, NULL, NULL};
static const ctl_view rejections = {TABLE, "Rejected by", "/fact/rejections", voice_columns, NULL, &challenges};
static const ctl_view confirmations = {TABLE, "Confirmed by", "/fact/confirmations", voice_columns, "nobody yet", &rejections};
const ctl_view ctl_view_fact = {RECORD, NULL, "/fact", fact_record, NULL, &confirmations};

static const ctl_column claim_columns[] = {
    {"CLAIM",   "/id",              CTL_SHORT, 0},
    {"STATE",   "/state",           CTL_STATE, 0},
    {"CLAIMS",  "/claims",          CTL_CUT, 0},
    {"SOURCE",  "/source/key",      CTL_CUT, 2},
    {"TIER",    "/source/tier",     CTL_STATE, 3},
    {"SENDER",  "/sender/agent_id", CTL_CUT, 4},
    {"FOR",     "/corroborations",  CTL_NUMBER, 5},
    {"MISSING", "/missing",         CTL_CUT, 1},
    END};
const ctl_view ctl_view_claims = {TABLE, NULL, "/claims", claim_columns, "no claims", NULL};
static const ctl_column claim_record[] = {
    {"Claim",       "/id",                 CTL_TEXT, 0},
    {"State",       "/state",              CTL_STATE, 0},
    {"Claims",      "/claims",             CTL_TEXT, 0},
    {"Confidence",  "/confidence",         CTL_TEXT, 0},
    {"Evidence",    "/evidence",           CTL_TEXT, 0},
    {"Notes",       "/extraction_notes",   CTL_TEXT, 0},
    {"Source",      "/source/uri",         CTL_TEXT, 0},
    {"Compared as", "/source/key",         CTL_TEXT, 0},
    {"Tier",        "/source/tier",        CTL_STATE, 0},
    {"Opinion",     "/source/opinion",     CTL_TEXT, 0},
    {"Retrieved",   "/source/retrieved_at", CTL_TIME, 0},
    {"Sender",      "/sender/agent_id",    CTL_TEXT, 0},
    {"Fingerprint", "/sender/fingerprint", CTL_TEXT, 0},
    {"Trust",       "/sender/trust",       CTL_STATE, 0},
    {"Deferred",    "/deferred",           CTL_YES, 0},
    {"Said",        "/said_at",            CTL_TIME, 0},
    {"Updated",     "/updated_at",         CTL_TIME, 0},
    {"Accepted",    "/accepted_at",        CTL_TIME, 0},
    {"Needed",      "/needed",             CTL_TEXT, 0},
    {"Missing",     "/missing",            CTL_TEXT, 0},
    END};
static const ctl_view claim_conflicts = {TABLE, "In conflict, says", "/claim/conflicts", challenge_columns, NULL, NULL};
static const ctl_view claim_rejections = {TABLE, "Rejected by", "/claim/rejections", voice_columns, NULL, &claim_conflicts};
static const ctl_view claim_corroborations = {TABLE, "Corroborated by", "/claim/corroborations", voice_columns, "nobody yet", &claim_rejections};
const ctl_view ctl_view_claim = {RECORD, NULL, "/claim", claim_record, NULL, &claim_corroborations};

static const ctl_column source_columns[] = {
    {"PREFIX",       "/prefix",       CTL_CUT, 0},
    {"TIER",         "/tier",         CTL_STATE, 0},
    {"PINNED",       "/pinned",       CTL_YES, 2},
    {"CORROBORATED", "/corroborated", CTL_TEXT, 3},
    {"CONFLICTS",    "/conflicts",    CTL_TEXT, 4},
    {"SINCE",        "/since",        CTL_TIME, 5},
    END};
const ctl_view ctl_view_sources = {TABLE, NULL, "/sources", source_columns, "the tier of no source has moved yet", NULL};
static const ctl_column source_record[] = {
    {"Prefix",       "/prefix",             CTL_TEXT, 0},
    {"Tier",         "/tier",               CTL_STATE, 0},
    {"Pinned",       "/pinned",             CTL_YES, 0},
    {"Corroborated", "/corroborated_total", CTL_TEXT, 0},
    {"Conflicts",    "/conflicts_total",    CTL_TEXT, 0},
    {"Since",        "/since",              CTL_TIME, 0},
    END};
const ctl_view ctl_view_source = {RECORD, NULL, "/source", source_record, NULL, NULL};
static const ctl_column source_moves[] = {
    {"TIME",   "/time",     CTL_TIME, 0},
    {"FROM",   "/from",     CTL_STATE, 0},
    {"TO",     "/to",       CTL_STATE, 0},
    {"REASON", "/reason",   CTL_CUT, 1},
    {"ACTOR",  "/actor",    CTL_CUT, 3},
    {"CLAIM",  "/evidence", CTL_SHORT, 2},
    END};
static const ctl_view source_history = {TABLE, "History", "/history", source_moves, "nothing has moved it, nor what it begins with", NULL};
static const ctl_view source_prefix = {RECORD, NULL, "/source", source_record, NULL, &source_history};
static const ctl_column source_why[] = {
    {"Compared as", "/key",  CTL_TEXT, 0},
    {"Worth",       "/tier", CTL_STATE, 0},
    END};
const ctl_view ctl_view_source_why = {RECORD, NULL, "", source_why, NULL, &source_prefix};

static const ctl_column consent_columns[] = {
    {"HUMAN",    "/agent_id", CTL_CUT, 0},
    {"KEY",      "/human",    CTL_SHORT, 1},
    {"CONSENT",  "/consent",  CTL_STATE, 0},
    {"SCOPE",    "/scope",    CTL_LIST, 2},
    {"RELATION", "/relation", CTL_STATE, 2},
    {"PRESSURE", "/pressure", CTL_TEXT, 1},
    {"WAITING",  "/waiting",  CTL_TEXT, 0},
    {"SAID",     "/said_at",  CTL_TIME, 3},
    END};
const ctl_view ctl_view_consents = {TABLE, NULL, "/humans", consent_columns, "no human has greeted yet", NULL};
static const ctl_column consent_record[] = {
    {"Human",       "/agent_id", CTL_TEXT, 0},
    {"Fingerprint", "/human",    CTL_TEXT, 0},
    {"Consent",     "/consent",  CTL_STATE, 0},
    {"Scope",       "/scope",    CTL_LIST, 0},
    {"Relation",    "/relation", CTL_STATE, 0},
    {"Presence",    "/presence", CTL_TEXT, 0},
    {"Affect",      "/affect",   CTL_TEXT, 0},
    {"Clarity",     "/clarity",  CTL_TEXT, 0},
    {"Pressure",    "/pressure", CTL_TEXT, 0},
    {"Counts now",  "/fresh",    CTL_YES, 0},
    {"Waiting",     "/waiting",  CTL_TEXT, 0},
    {"Attached",    "/local",    CTL_YES, 0},
    {"Said in",     "/msg_id",   CTL_TEXT, 0},
    {"Said",        "/said_at",  CTL_TIME, 0},
    {"Taken",       "/taken_at", CTL_TIME, 0},
    END};
const ctl_view ctl_view_consent = {RECORD, NULL, "/human", consent_record, NULL, NULL};

static const ctl_column explained_record[] = {
    {"Outcome",   "/outcome",  CTL_STATE, 0},
    {"Because",   "/reason",   CTL_TEXT, 0},
    {"Ended at",  "/ended",    CTL_TEXT, 0},
    {"Code",      "/code",     CTL_TEXT, 0},
    {"Meaning",   "/help",     CTL_TEXT, 0},
    {"Member",    "/pointer",  CTL_TEXT, 0},
    {"Expected",  "/expected", CTL_TEXT, 0},
    {"As if by",  "/as",       CTL_TEXT, 0},
    {"Node",      "/from",     CTL_TEXT, 0},
    {"Type",      "/type",     CTL_TEXT, 0},
    {"Message",   "/msg_id",   CTL_TEXT, 0},
    {"Sender",    "/agent_id", CTL_TEXT, 0},
    {"Key",       "/sender",   CTL_TEXT, 0},
    END};
static const ctl_column explained_gates[] = {
    {"GATE",    "/gate",    CTL_TEXT, 0},
    {"VERDICT", "/verdict", CTL_STATE, 0},
    {"CODE",    "/code",    CTL_TEXT, 0},
    {"WHY",     "/why",     CTL_TEXT, 0},
    END};
static const ctl_view explained = {TABLE, "Gates, in their order", "/gates", explained_gates, NULL, NULL};
const ctl_view ctl_view_explained = {RECORD, NULL, "", explained_record, NULL, &explained};
const ctl_view ctl_view_verdict = {RECORD, NULL, "", explained_record, NULL, NULL};

static const ctl_column fact_why_record[] = {
    {"Fact",      "/fact/id",        CTL_TEXT, 0},
    {"Statement", "/fact/statement", CTL_TEXT, 0},
    {"State",     "/fact/state",     CTL_STATE, 0},
    {"Because",   "/reason",         CTL_TEXT, 0},
    END};
static const ctl_column condition_columns[] = {
    {"CONDITION", "/condition", CTL_TEXT, 0},
    {"HOLDS",     "/holds",     CTL_YES, 0},
    {"WHY",       "/why",       CTL_TEXT, 0},
    END};
static const ctl_view fact_conditions = {TABLE, "The rule, part by part", "/conditions", condition_columns, NULL, &confirmations};
const ctl_view ctl_view_fact_why = {RECORD, NULL, "", fact_why_record, NULL, &fact_conditions};

static const ctl_column graph_nodes[] = {
    {"NODE",      "/fingerprint", CTL_SHORT, 0},
    {"NAME",      "/name",        CTL_CUT, 0},
    {"SELF",      "/self",        CTL_YES, 0},
    {"CONNECTED", "/connected",   CTL_YES, 0},
    {"TRUST",     "/trust",       CTL_STATE, 0},
    {"RECORD",    "/issued_at",   CTL_TIME, 2},
    {"ADDRESSES", "/addresses",   CTL_LIST, 3},
    END};
static const ctl_column graph_edges[] = {
    {"SOURCE",   "/source",     CTL_SHORT, 0},
    {"TARGET",   "/target",     CTL_SHORT, 0},
    {"RELATION", "/relation",   CTL_TEXT, 0},
    {"ACTIVE",   "/active",     CTL_YES, 2},
    {"MUTUAL",   "/mutual",     CTL_YES, 0},
    {"LATENCY MS", "/latency_ms", CTL_TEXT, 1},
    END};
static const ctl_view graph_agents = {TABLE, "Agents", "/agents", agent_columns, "no agents", NULL};
static const ctl_view graph_edges_view = {TABLE, "Edges", "/edges", graph_edges, "no edges", &graph_agents};
const ctl_view ctl_view_graph = {TABLE, NULL, "/nodes", graph_nodes, "no nodes", &graph_edges_view};

static const ctl_column event_columns[] = {
    {"TIME",     "/time",     CTL_TIME, 0},
    {"SEVERITY", "/severity", CTL_STATE, 0},
    {"EVENT",    "/event",    CTL_TEXT, 0},
    {"PEER",     "/peer",     CTL_SHORT, 0},
    {"CHANNEL",  "/channel",  CTL_TEXT, 0},
    {"DATA",     "/data",     CTL_PAIRS, 0},
    END};
const ctl_view ctl_view_event = {TABLE, NULL, "", event_columns, NULL, NULL};

/* An envelope is one line of JSON for everybody. */
const ctl_view ctl_view_message = {CTL_LAYOUT_JSON, NULL, "", NULL, NULL, NULL};

static const ctl_column sent_record[] = {
    {"Message",    "/msg_id",     CTL_TEXT, 0},
    {"Stored",     "/stored",     CTL_YES, 0},
    {"Recipients", "/recipients", CTL_TEXT, 0},
    END};
static const ctl_column delivery_columns[] = {
    {"TO",      "/to",      CTL_SHORT, 0},
    {"OUTCOME", "/outcome", CTL_STATE, 0},
    {"CODE",    "/code",    CTL_TEXT, 0},
    {"TEXT",    "/text",    CTL_CUT, 1},
    END};
static const ctl_view deliveries = {TABLE, "Deliveries", "/deliveries", delivery_columns, NULL, NULL};
const ctl_view ctl_view_sent = {RECORD, NULL, "", sent_record, NULL, &deliveries};

static const ctl_column keys_record[] = {
    {"Name",       "/name",   CTL_TEXT, 0},
    {"Node",       "/node",   CTL_TEXT, 0},
    {"Fingerprint", "/fingerprint", CTL_TEXT, 0}, /* of a file */
    {"Public key", "/pubkey", CTL_TEXT, 0},
    {"File",       "/path",   CTL_TEXT, 0},
    {"After a restart", "/waiting/fingerprint", CTL_TEXT, 0},
    END};
static const ctl_column keys_agents[] = {
    {"AGENT",       "/agent_id",    CTL_CUT, 0},
    {"FINGERPRINT", "/fingerprint", CTL_TEXT, 0},
    {"PUBLIC KEY",  "/pubkey",      CTL_TEXT, 1},
    {"WHEN IT ATTACHES NEXT", "/waiting/fingerprint", CTL_SHORT, CTL_IF_ANY},
    END};
static const ctl_view keys_known = {TABLE, "Succeeded or revoked", "/known", key_columns, NULL, NULL};
static const ctl_view keys_agents_view = {TABLE, "Agents", "/agents", keys_agents, NULL, &keys_known};
static const ctl_column key_standing_record[] = {
    {"Key",         "/key/fingerprint",  CTL_TEXT, 0},
    {"Name",        "/key/name",         CTL_TEXT, 0},
    {"Kind",        "/key/kind",         CTL_TEXT, 0},
    {"Standing",    "/key/standing",     CTL_STATE, 0},
    {"Succeeds",    "/key/predecessor",  CTL_TEXT, 0},
    {"Since",       "/key/succeeded_at", CTL_TIME, 0},
    {"Successor",   "/key/successor",    CTL_TEXT, 0},
    {"Replaced",    "/key/replaced_at",  CTL_TIME, 0},
    {"Rival",       "/key/rival",        CTL_TEXT, 0},
    {"Revoked by",  "/key/by",           CTL_TEXT, 0},
    {"Signed by",   "/key/signer",       CTL_TEXT, 0},
    {"Revoked",     "/key/revoked_at",   CTL_TIME, 0},
    {"Because",     "/key/reason",       CTL_TEXT, 0},
    {"Hearsay of",  "/key/hearsay/signer", CTL_TEXT, 0},
    {"Which says",  "/key/hearsay/reason", CTL_TEXT, 0},
    END};
const ctl_view ctl_view_key_standing = {RECORD, NULL, "", key_standing_record, NULL, NULL};
static const ctl_column key_taken_record[] = {
    {"New here", "/news", CTL_YES, 0},
    END};
const ctl_view ctl_view_key_taken = {RECORD, NULL, "", key_taken_record, NULL, &ctl_view_key_standing};
const ctl_view ctl_view_keys = {RECORD, NULL, "", keys_record, NULL, &keys_agents_view};
static const ctl_column key_record[] = {
    {"Fingerprint", "/fingerprint", CTL_TEXT, 0},
    {"Public key",  "/pubkey",      CTL_TEXT, 0},
    {"File",        "/path",        CTL_TEXT, 0},
    END};
const ctl_view ctl_view_key = {RECORD, NULL, "", key_record, NULL, NULL};
static const ctl_column key_rotated_record[] = {
    {"Fingerprint", "/fingerprint", CTL_TEXT, 0},
    {"Public key",  "/pubkey",      CTL_TEXT, 0},
    {"File",        "/path",        CTL_TEXT, 0},
    {"Kind",        "/kind",        CTL_TEXT, 0},
    {"Succeeds",    "/predecessor", CTL_TEXT, 0},
    {"Succession",  "/succession",  CTL_TEXT, 0},
    {"In use",      "/in_use",      CTL_TEXT, 0},
    END};
const ctl_view ctl_view_key_rotated = {RECORD, NULL, "", key_rotated_record, NULL, NULL};

static const ctl_column config_record[] = {
    {"Files",  "/sources", CTL_LIST, 0},
    {"Digest", "/digest",  CTL_TEXT, 0},
    END};
static const ctl_view config_text = {CTL_LAYOUT_JSON, "In force", "/effective", NULL, NULL, NULL};
const ctl_view ctl_view_config = {RECORD, NULL, "", config_record, NULL, &config_text};
static const ctl_column reload_record[] = {
    {"In force now",    "/changed",       CTL_LIST, 0},
    {"Needs a restart", "/needs_restart", CTL_LIST, 0},
    {"Digest",          "/digest",        CTL_TEXT, 0},
    {"Before",          "/previous",      CTL_TEXT, 0},
    END};
const ctl_view ctl_view_reload = {RECORD, NULL, "", reload_record, NULL, NULL};
static const ctl_column check_record[] = {
    {"Valid",           "/valid",         CTL_YES, 0},
    {"Files",           "/files",         CTL_LIST, 0},
    {"Digest",          "/digest",        CTL_TEXT, 0},
    {"Compared with",   "/compared_with", CTL_TEXT, 0},
    {"Changes",         "/changed",       CTL_LIST, 0},
    {"Needs a restart", "/needs_restart", CTL_LIST, 0},
    END};
const ctl_view ctl_view_check = {RECORD, NULL, "", check_record, NULL, NULL};
static const ctl_column stop_record[] = {
    {"Stopping", "/stopping", CTL_YES, 0},
    END};
const ctl_view ctl_view_stop = {RECORD, NULL, "", stop_record, NULL, NULL};
static const ctl_column entry_columns[] = {
    {"ID",          "/id",           CTL_SHORT, 0},
    {"STEPS",       "/steps",        CTL_TEXT, CTL_IF_ANY},
    {"KIND",        "/kind",         CTL_TEXT, 0},
    {"STATE",       "/state",        CTL_STATE, 0},
    {"UNSUPPORTED", "/unsupported",  CTL_YES, 3},
    {"BY",          "/agent_id",     CTL_CUT, 0},
    {"ACCEPTED",    "/accepted_at",  CTL_TIME, 2},
    {"VOICES",      "/confirmed_by", CTL_NUMBER, 4},
    {"CAUSES",      "/causes",       CTL_NUMBER, 5},
    {"DOMAIN",      "/domain",       CTL_CUT, 6},
    {"TEXT",        "/text",         CTL_CUT, 1},
    {"RETROSPECTIVE", "/retrospectives/0/text", CTL_CUT, 7},
    END};
static const ctl_column entries_record[] = {
    {"Go on with --next", "/next",    CTL_TEXT, 0},
    {"Steps gone",        "/reached", CTL_TEXT, 0},
    {"There is more: cut by", "/cut", CTL_TEXT, 0},
    END};
static const ctl_view entries_next = {RECORD, NULL, "", entries_record, NULL, NULL};
const ctl_view ctl_view_memory = {TABLE, NULL, "/entries", entry_columns, "nothing fits; what no longer stands is shown with --retracted only", &entries_next};
static const ctl_column import_record[] = {
    {"Taken",   "/taken",   CTL_TEXT, 0},
    {"Known",   "/known",   CTL_TEXT, 0},
    {"Refused", "/refused", CTL_TEXT, 0},
    END};
static const ctl_column import_refusals[] = {
    {"LINE", "/line",   CTL_TEXT, 0},
    {"ID",   "/msg_id", CTL_SHORT, 0},
    {"CODE", "/code",   CTL_STATE, 0},
    {"TEXT", "/text",   CTL_CUT, 1},
    END};
static const ctl_view import_refusals_view = {TABLE, NULL, "/refusals", import_refusals, NULL, NULL};
const ctl_view ctl_view_memory_import = {RECORD, NULL, "", import_record, NULL, &import_refusals_view};
static const ctl_column store_check_record[] = {
    {"Sound",   "/sound",   CTL_YES, 0},
    {"Store",   "/path",    CTL_TEXT, 0},
    {"Records", "/records", CTL_TEXT, 0},
    {"Faults",  "/faults",  CTL_TEXT, 0},
    {"Signatures", "/proven", CTL_TEXT, 0},
    {"Of unknown keys", "/unproven", CTL_TEXT, 0},
    END};
static const ctl_column store_faults[] = {
    {"FAULT", "/text", CTL_TEXT, 0},
    END};
static const ctl_view store_faults_view = {TABLE, NULL, "/found", store_faults, NULL, NULL};
const ctl_view ctl_view_store_check = {RECORD, NULL, "", store_check_record, NULL, &store_faults_view};
static const ctl_column store_backup_record[] = {
    {"Copy", "/path",  CTL_TEXT, 0},
    {"Size", "/bytes", CTL_BYTES, 0},
    END};
const ctl_view ctl_view_store_backup = {RECORD, NULL, "", store_backup_record, NULL, NULL};
/* clang-format on */

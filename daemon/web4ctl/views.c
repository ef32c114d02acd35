#include "web4ctl/views.h"

/* clang-format off */
#define RECORD CTL_LAYOUT_RECORD
#define TABLE CTL_LAYOUT_TABLE
#define END {NULL, NULL, CTL_TEXT}

static const ctl_column status_columns[] = {
    {"Name",        "/name",          CTL_TEXT},
    {"Node",        "/node",          CTL_TEXT},
    {"State",       "/state",         CTL_STATE},
    {"Version",     "/version",       CTL_TEXT},
    {"Process",     "/pid",           CTL_TEXT},
    {"Started",     "/started_at",    CTL_TIME},
    {"Up for",      "/uptime_s",      CTL_SECONDS},
    {"Addresses",   "/addresses",     CTL_LIST},
    {"Peers",       "/peers",         CTL_PAIRS},
    {"Sessions",    "/sessions",      CTL_TEXT},
    {"Agents",      "/agents",        CTL_TEXT},
    {"Clients",     "/clients",       CTL_PAIRS},
    {"Facts",       "/facts",         CTL_PAIRS},
    {"Store",       "/store/state",   CTL_STATE},
    {"Store file",  "/store/path",    CTL_TEXT},
    {"Store size",  "/store/bytes",   CTL_BYTES},
    {"Store error", "/store/error",   CTL_TEXT},
    {"Memory",      "/memory_bytes",  CTL_BYTES},
    {"Refusals",    "/refusals",      CTL_PAIRS},
    {"Config",      "/config_digest", CTL_SHORT},
    END};
const ctl_view ctl_view_status = {RECORD, NULL, "", status_columns, NULL, NULL};

static const ctl_column agent_columns[] = {
    {"AGENT",        "/agent_id",     CTL_CUT},
    {"FINGERPRINT",  "/fingerprint",  CTL_SHORT},
    {"TRUST",        "/trust",        CTL_STATE},
    {"NODE",         "/node",         CTL_SHORT},
    {"NAME",         "/node_name",    CTL_CUT},
    {"LOCAL",        "/local",        CTL_YES},
    {"ATTACHED",     "/attached",     CTL_YES},
    {"PRESENCE",     "/presence",     CTL_TEXT},
    {"LRI",          "/lri",          CTL_TEXT},
    {"WAITING",      "/waiting",      CTL_TEXT},
    {"CAPABILITIES", "/capabilities", CTL_LIST},
    END};
const ctl_view ctl_view_agents = {TABLE, NULL, "/agents", agent_columns, "no agents", NULL};

static const ctl_column peer_columns[] = {
    {"NODE",      "/fingerprint", CTL_SHORT},
    {"NAME",      "/name",        CTL_CUT},
    {"TRUST",     "/trust",       CTL_STATE},
    {"CONNECTED", "/connected",   CTL_YES},
    {"LAST SEEN", "/last_seen",   CTL_TIME},
    {"ADDRESSES", "/addresses",   CTL_LIST},
    END};
static const ctl_column dial_columns[] = {
    {"ADDRESS",    "/address",    CTL_TEXT},
    {"SOURCE",     "/source",     CTL_TEXT},
    {"FAILURES",   "/failures",   CTL_TEXT},
    {"NEXT DIAL",  "/next_dial",  CTL_TIME},
    {"LAST ERROR", "/last_error", CTL_CUT},
    END};
static const ctl_view dialling = {TABLE, "Addresses without a node yet", "/dialling", dial_columns, NULL, NULL};
const ctl_view ctl_view_peers = {TABLE, NULL, "/peers", peer_columns, "no peers", &dialling};

static const ctl_column peer_record[] = {
    {"Node",       "/fingerprint", CTL_TEXT},
    {"Name",       "/name",        CTL_TEXT},
    {"Trust",      "/trust",       CTL_STATE},
    {"Connected",  "/connected",   CTL_YES},
    {"Session",    "/session",     CTL_TEXT},
    {"Version",    "/version",     CTL_TEXT},
    {"Addresses",  "/addresses",   CTL_LIST},
    {"Known by",   "/sources",     CTL_LIST},
    {"Last seen",  "/last_seen",   CTL_TIME},
    {"Failures",   "/failures",    CTL_TEXT},
    {"Next dial",  "/next_dial",   CTL_TIME},
    {"Last error", "/last_error",  CTL_TEXT},
    END};
static const ctl_view peer_agents = {TABLE, "Agents", "/peer/agents", agent_columns, NULL, NULL};
const ctl_view ctl_view_peer = {RECORD, NULL, "/peer", peer_record, NULL, &peer_agents};

static const ctl_column peer_added[] = {
    {"Address", "/address", CTL_TEXT},
    {"New",     "/added",   CTL_YES},
    END};
const ctl_view ctl_view_peer_added = {RECORD, NULL, "", peer_added, NULL, NULL};
static const ctl_column peer_removed[] = {
    {"Addresses forgotten", "/removed",         CTL_TEXT},
    {"Sessions closed",     "/sessions_closed", CTL_TEXT},
    END};
const ctl_view ctl_view_peer_removed = {RECORD, NULL, "", peer_removed, NULL, NULL};

static const ctl_column session_columns[] = {
    {"SESSION",    "/id",         CTL_SHORT},
    {"PEER",       "/peer",       CTL_SHORT},
    {"NAME",       "/name",       CTL_CUT},
    {"STATE",      "/state",      CTL_STATE},
    {"ROLE",       "/role",       CTL_TEXT},
    {"ADDRESS",    "/address",    CTL_TEXT},
    {"OPENED",     "/opened_at",  CTL_TIME},
    {"RTT",        "/rtt_us",     CTL_MICROS},
    {"RECONNECTS", "/reconnects", CTL_TEXT},
    {"OUT",        "/bytes_out",  CTL_BYTES},
    {"IN",         "/bytes_in",   CTL_BYTES},
    END};
const ctl_view ctl_view_sessions = {TABLE, NULL, "/sessions", session_columns, "no sessions", NULL};

static const ctl_column session_record[] = {
    {"Session",               "/id",                    CTL_TEXT},
    {"Peer",                  "/peer",                  CTL_TEXT},
    {"Name",                  "/name",                  CTL_TEXT},
    {"State",                 "/state",                 CTL_STATE},
    {"Role",                  "/role",                  CTL_TEXT},
    {"Transport",             "/transport",             CTL_TEXT},
    {"Address",               "/address",               CTL_TEXT},
    {"Opened",                "/opened_at",             CTL_TIME},
    {"Last heard",            "/last_heard",            CTL_TIME},
    {"Round trip",            "/rtt_us",                CTL_MICROS},
    {"Reconnects",            "/reconnects",            CTL_TEXT},
    {"Records out",           "/records_out",           CTL_TEXT},
    {"Records in",            "/records_in",            CTL_TEXT},
    {"Bytes out",             "/bytes_out",             CTL_BYTES},
    {"Bytes in",              "/bytes_in",              CTL_BYTES},
    {"Verification failures", "/verification_failures", CTL_TEXT},
    {"Replays",               "/replays",               CTL_TEXT},
    {"Rekeys",                "/rekeys",                CTL_TEXT},
    {"Memory",                "/memory_bytes",          CTL_BYTES},
    END};
static const ctl_column channel_columns[] = {
    {"CHANNEL",   "/channel",        CTL_TEXT},
    {"ENQUEUED",  "/enqueued",       CTL_TEXT},
    {"DELIVERED", "/delivered",      CTL_TEXT},
    {"DROPPED",   "/dropped",        CTL_TEXT},
    {"FAILED",    "/failed",         CTL_TEXT},
    {"ERRORS",    "/errors",         CTL_TEXT},
    {"QUEUED",    "/queued",         CTL_TEXT},
    {"IN FLIGHT", "/in_flight",      CTL_TEXT},
    {"RECEIVED",  "/messages_in",    CTL_TEXT},
    {"OUT",       "/bytes_out",      CTL_BYTES},
    {"IN",        "/bytes_in",       CTL_BYTES},
    {"P50",       "/latency_p50_us", CTL_MICROS},
    {"P99",       "/latency_p99_us", CTL_MICROS},
    END};
static const ctl_view session_channels = {TABLE, "Channels", "/session/channels", channel_columns, NULL, NULL};
const ctl_view ctl_view_session = {RECORD, NULL, "/session", session_record, NULL, &session_channels};
static const ctl_column session_closed[] = {
    {"Closed", "/id",   CTL_TEXT},
    {"Peer",   "/peer", CTL_TEXT},
    END};
const ctl_view ctl_view_session_closed = {RECORD, NULL, "", session_closed, NULL, NULL};

static const ctl_column trust_columns[] = {
    {"KIND",           "/kind",           CTL_TEXT},
    {"SUBJECT",        "/subject",        CTL_SHORT},
    {"NAME",           "/name",           CTL_CUT},
    {"STATE",          "/state",          CTL_STATE},
    {"SINCE",          "/since",          CTL_TIME},
    {"COOLDOWN UNTIL", "/cooldown_until", CTL_TIME},
    {"ANCHOR",         "/anchor",         CTL_YES},
    END};
const ctl_view ctl_view_trust_list = {TABLE, NULL, "/entries", trust_columns, "nobody has moved yet", NULL};
static const ctl_column trust_record[] = {
    {"Kind",           "/kind",           CTL_TEXT},
    {"Subject",        "/subject",        CTL_TEXT},
    {"Name",           "/name",           CTL_TEXT},
    {"State",          "/state",          CTL_STATE},
    {"Since",          "/since",          CTL_TIME},
    {"Cooldown until", "/cooldown_until", CTL_TIME},
    {"Anchor",         "/anchor",         CTL_YES},
    END};
const ctl_view ctl_view_trust_entry = {RECORD, NULL, "/entry", trust_record, NULL, NULL};
static const ctl_column move_columns[] = {
    {"AT",       "/at",       CTL_TIME},
    {"FROM",     "/from",     CTL_STATE},
    {"TO",       "/to",       CTL_STATE},
    {"EVENT",    "/event",    CTL_TEXT},
    {"ACTOR",    "/actor",    CTL_CUT},
    {"REASON",   "/reason",   CTL_CUT},
    {"EVIDENCE", "/evidence", CTL_SHORT},
    END};
static const ctl_view history = {TABLE, "History", "/history", move_columns, "never moved", NULL};
const ctl_view ctl_view_trust_why = {RECORD, NULL, "/entry", trust_record, NULL, &history};

static const ctl_column fact_columns[] = {
    {"FACT",      "/id",                CTL_SHORT},
    {"STATE",     "/state",             CTL_STATE},
    {"STATEMENT", "/statement",         CTL_CUT},
    {"PROPOSER",  "/proposer/agent_id", CTL_CUT},
    {"CONFIRMED", "/confirmations",     CTL_NUMBER},
    {"NEEDED",    "/needed",            CTL_TEXT},
    {"UPDATED",   "/updated_at",        CTL_TIME},
    END};
const ctl_view ctl_view_facts = {TABLE, NULL, "/facts", fact_columns, "no facts", NULL};
static const ctl_column fact_record[] = {
    {"Fact",        "/id",                   CTL_TEXT},
    {"State",       "/state",                CTL_STATE},
    {"Statement",   "/statement",            CTL_TEXT},
    {"Domain",      "/domain",               CTL_TEXT},
    {"Confidence",  "/confidence",           CTL_TEXT},
    {"Context",     "/context",              CTL_TEXT},
    {"Sources",     "/sources",              CTL_LIST},
    {"Decision",    "/decision_id",          CTL_TEXT},
    {"Follows",     "/causal_links",         CTL_LIST},
    {"Unsupported", "/unsupported",          CTL_YES},
    {"Proposer",    "/proposer/agent_id",    CTL_TEXT},
    {"Fingerprint", "/proposer/fingerprint", CTL_TEXT},
    {"Trust",       "/proposer/trust",       CTL_STATE},
    {"Node",        "/node",                 CTL_TEXT},
    {"Proposed",    "/proposed_at",          CTL_TIME},
    {"Updated",     "/updated_at",           CTL_TIME},
    {"Needed",      "/needed",               CTL_TEXT},
    {"Missing",     "/missing",              CTL_TEXT},
    END};
static const ctl_column voice_columns[] = {
    {"AGENT",       "/agent_id",    CTL_CUT},
    {"FINGERPRINT", "/fingerprint", CTL_SHORT},
    {"TRUST",       "/trust",       CTL_STATE},
    {"NODE",        "/node",        CTL_SHORT},
    {"AT",          "/at",          CTL_TIME},
    {"COUNTED",     "/counted",     CTL_YES},
    {"WHY",         "/why",         CTL_CUT},
    {"NOTES",       "/notes",       CTL_CUT},
    END};
static const ctl_column challenge_columns[] = {
    {"AGENT",       "/agent_id",    CTL_CUT},
    {"FINGERPRINT", "/fingerprint", CTL_SHORT},
    {"TRUST",       "/trust",       CTL_STATE},
    {"AT",          "/at",          CTL_TIME},
    {"REASON",      "/reason",      CTL_TEXT},
    {"SEVERITY",    "/severity",    CTL_TEXT},
    {"OPEN",        "/open",        CTL_YES},
    {"NOTES",       "/notes",       CTL_CUT},
    END};
static const ctl_view challenges = {TABLE, "Challenged by", "/fact/challenges", challenge_columns, NULL, NULL};
static const ctl_view rejections = {TABLE, "Rejected by", "/fact/rejections", voice_columns, NULL, &challenges};
static const ctl_view confirmations = {TABLE, "Confirmed by", "/fact/confirmations", voice_columns, "nobody yet", &rejections};
const ctl_view ctl_view_fact = {RECORD, NULL, "/fact", fact_record, NULL, &confirmations};

static const ctl_column consent_columns[] = {
    {"HUMAN",    "/agent_id", CTL_CUT},
    {"KEY",      "/human",    CTL_SHORT},
    {"CONSENT",  "/consent",  CTL_STATE},
    {"SCOPE",    "/scope",    CTL_LIST},
    {"RELATION", "/relation", CTL_STATE},
    {"PRESSURE", "/pressure", CTL_TEXT},
    {"WAITING",  "/waiting",  CTL_TEXT},
    {"SAID",     "/said_at",  CTL_TIME},
    END};
const ctl_view ctl_view_consents = {TABLE, NULL, "/humans", consent_columns, "nobody has greeted yet", NULL};
static const ctl_column consent_record[] = {
    {"Human",       "/agent_id", CTL_TEXT},
    {"Fingerprint", "/human",    CTL_TEXT},
    {"Consent",     "/consent",  CTL_STATE},
    {"Scope",       "/scope",    CTL_LIST},
    {"Relation",    "/relation", CTL_STATE},
    {"Presence",    "/presence", CTL_TEXT},
    {"Affect",      "/affect",   CTL_TEXT},
    {"Clarity",     "/clarity",  CTL_TEXT},
    {"Pressure",    "/pressure", CTL_TEXT},
    {"Counts now",  "/fresh",    CTL_YES},
    {"Waiting",     "/waiting",  CTL_TEXT},
    {"Attached",    "/local",    CTL_YES},
    {"Said in",     "/msg_id",   CTL_TEXT},
    {"Said",        "/said_at",  CTL_TIME},
    {"Taken",       "/taken_at", CTL_TIME},
    END};
const ctl_view ctl_view_consent = {RECORD, NULL, "/human", consent_record, NULL, NULL};

static const ctl_column graph_nodes[] = {
    {"NODE",      "/fingerprint", CTL_SHORT},
    {"NAME",      "/name",        CTL_CUT},
    {"SELF",      "/self",        CTL_YES},
    {"CONNECTED", "/connected",   CTL_YES},
    {"TRUST",     "/trust",       CTL_STATE},
    {"RECORD",    "/issued_at",   CTL_TIME},
    {"ADDRESSES", "/addresses",   CTL_LIST},
    END};
static const ctl_column graph_edges[] = {
    {"SOURCE",   "/source",     CTL_SHORT},
    {"TARGET",   "/target",     CTL_SHORT},
    {"RELATION", "/relation",   CTL_TEXT},
    {"ACTIVE",   "/active",     CTL_YES},
    {"MUTUAL",   "/mutual",     CTL_YES},
    {"LATENCY MS", "/latency_ms", CTL_TEXT},
    END};
static const ctl_view graph_agents = {TABLE, "Agents", "/agents", agent_columns, "no agents", NULL};
static const ctl_view graph_edges_view = {TABLE, "Edges", "/edges", graph_edges, "no edges", &graph_agents};
const ctl_view ctl_view_graph = {TABLE, NULL, "/nodes", graph_nodes, "no nodes", &graph_edges_view};

static const ctl_column event_columns[] = {
    {"TIME",     "/time",     CTL_TIME},
    {"SEVERITY", "/severity", CTL_STATE},
    {"EVENT",    "/event",    CTL_TEXT},
    {"PEER",     "/peer",     CTL_SHORT},
    {"CHANNEL",  "/channel",  CTL_TEXT},
    {"DATA",     "/data",     CTL_PAIRS},
    END};
const ctl_view ctl_view_event = {TABLE, NULL, "", event_columns, NULL, NULL};

/* An envelope is one line of JSON for everybody. */
const ctl_view ctl_view_message = {CTL_LAYOUT_JSON, NULL, "", NULL, NULL, NULL};

static const ctl_column sent_record[] = {
    {"Message",    "/msg_id",     CTL_TEXT},
    {"Stored",     "/stored",     CTL_YES},
    {"Recipients", "/recipients", CTL_TEXT},
    END};
static const ctl_column delivery_columns[] = {
    {"TO",      "/to",      CTL_SHORT},
    {"OUTCOME", "/outcome", CTL_STATE},
    {"CODE",    "/code",    CTL_TEXT},
    {"TEXT",    "/text",    CTL_CUT},
    END};
static const ctl_view deliveries = {TABLE, "Deliveries", "/deliveries", delivery_columns, NULL, NULL};
const ctl_view ctl_view_sent = {RECORD, NULL, "", sent_record, NULL, &deliveries};

static const ctl_column keys_record[] = {
    {"Name",       "/name",   CTL_TEXT},
    {"Node",       "/node",   CTL_TEXT},
    {"Fingerprint", "/fingerprint", CTL_TEXT}, /* of a file */
    {"Public key", "/pubkey", CTL_TEXT},
    {"File",       "/path",   CTL_TEXT},
    END};
static const ctl_column keys_agents[] = {
    {"AGENT",       "/agent_id",    CTL_CUT},
    {"FINGERPRINT", "/fingerprint", CTL_TEXT},
    {"PUBLIC KEY",  "/pubkey",      CTL_TEXT},
    END};
static const ctl_view keys_agents_view = {TABLE, "Agents", "/agents", keys_agents, NULL, NULL};
const ctl_view ctl_view_keys = {RECORD, NULL, "", keys_record, NULL, &keys_agents_view};
static const ctl_column key_record[] = {
    {"Fingerprint", "/fingerprint", CTL_TEXT},
    {"Public key",  "/pubkey",      CTL_TEXT},
    {"File",        "/path",        CTL_TEXT},
    END};
const ctl_view ctl_view_key = {RECORD, NULL, "", key_record, NULL, NULL};

static const ctl_column config_record[] = {
    {"Files",  "/sources", CTL_LIST},
    {"Digest", "/digest",  CTL_TEXT},
    END};
static const ctl_view config_text = {CTL_LAYOUT_JSON, "In force", "/effective", NULL, NULL, NULL};
const ctl_view ctl_view_config = {RECORD, NULL, "", config_record, NULL, &config_text};
static const ctl_column reload_record[] = {
    {"In force now",    "/changed",       CTL_LIST},
    {"Needs a restart", "/needs_restart", CTL_LIST},
    {"Digest",          "/digest",        CTL_TEXT},
    {"Before",          "/previous",      CTL_TEXT},
    END};
const ctl_view ctl_view_reload = {RECORD, NULL, "", reload_record, NULL, NULL};
static const ctl_column check_record[] = {
    {"Valid",           "/valid",         CTL_YES},
    {"Files",           "/files",         CTL_LIST},
    {"Digest",          "/digest",        CTL_TEXT},
    {"Compared with",   "/compared_with", CTL_TEXT},
    {"Changes",         "/changed",       CTL_LIST},
    {"Needs a restart", "/needs_restart", CTL_LIST},
    END};
const ctl_view ctl_view_check = {RECORD, NULL, "", check_record, NULL, NULL};
static const ctl_column stop_record[] = {
    {"Stopping", "/stopping", CTL_YES},
    END};
const ctl_view ctl_view_stop = {RECORD, NULL, "", stop_record, NULL, NULL};
/* clang-format on */

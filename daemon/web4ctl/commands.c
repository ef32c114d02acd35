#include "web4ctl/ctl.h"

#include "envelope/type.h"

/* clang-format off */

/* ---- words that complete a value */
static const char *const channels[] = {"control", "state", "knowledge", NULL};
static const char *const kinds[] = {"agent", "node", "human", NULL};
static const char *const trust_states[] = {"untrusted", "unknown", "probing", "trusted",
                                           "blacklisted", "blocked", "restricted", NULL};
static const char *const list_states[] = {"untrusted", "unknown", "probing", "trusted",
                                          "blacklisted", "blocked", "restricted", "pending",
                                          "accepted", "disputed", "rejected", "refuted",
                                          "granted", "limited", "revoked", "low", "medium", "high", NULL};
static const char *const tiers[] = {"unknown", "low", "medium", "high", "blocked", NULL};
static const char *const ways[] = {"agent", "node", "shared", "archive", NULL};
static const char *const entries[] = {"fact", "decision", "claim", NULL};
static const char *const tables[] = {
    "meta", "peer", "record", "trust", "fact", "envelope", "decision", "seen", "outbox", "consent",
    "claim", "audit", "durable", "mail", "memory", "memory_id", "memory_link", "memory_text",
    "key", NULL};
static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static const char *const types[] = {
    "HELLO", "INTENT", "FACT_PROPOSE", "FACT_CHALLENGE", "FACT_CONFIRM", "FACT_REJECT", "DECISION_SHARE",
    "STATE_UPDATE", "HCP_HELLO", "HCP_INTENT", "HCP_CONTEXT", "HCP_DECISION", "HCP_FEEDBACK",
    "HCP_STATE_UPDATE", "LIP_FETCH", "LIP_EVIDENCE", "LIP_CONFLICT", "LIP_ACCEPT", "LIP_REJECT",
    "MESH_HELLO", "SERVICE_INVOKE", "SERVICE_RESULT", "MESH_RECEIPT", "MESH_FACTS", "MESH_VOTES", NULL};

#define TEXT CTL_FORM_TEXT
#define FLAG CTL_FORM_FLAG
#define INTEGER CTL_FORM_INTEGER
#define LIST CTL_FORM_LIST
#define JSON CTL_FORM_JSON
#define INT_MAX_OPTION 9007199254740991

static const ctl_option_row options[CTL_OPTION_COUNT] = {
    [CTL_OPTION_SOCKET] = {CTL_OPTION_SOCKET, "socket", 's', TEXT, "PATH", NULL, 0, 0, NULL, true,
        "control socket of the node"},
    [CTL_OPTION_AGENT_SOCKET] = {CTL_OPTION_AGENT_SOCKET, "agent-socket", 0, TEXT, "PATH", NULL, 0, 0, NULL, true,
        "agent socket of the node; that of the node at --socket when absent"},
    [CTL_OPTION_JSON] = {CTL_OPTION_JSON, "json", 'j', FLAG, NULL, NULL, 0, 0, NULL, false,
        "answer in JSON, one value a line"},
    [CTL_OPTION_WATCH] = {CTL_OPTION_WATCH, "watch", 0, INTEGER, "N", NULL, 1, 86400, NULL, false,
        "ask again every N seconds"},
    [CTL_OPTION_HELP] = {CTL_OPTION_HELP, "help", 'h', FLAG, NULL, NULL, 0, 0, NULL, false,
        "tell how a command is used"},
    [CTL_OPTION_VERSION] = {CTL_OPTION_VERSION, "version", 'V', FLAG, NULL, NULL, 0, 0, NULL, false,
        "tell the version"},
    [CTL_OPTION_AS] = {CTL_OPTION_AS, "as", 0, TEXT, "NAME", NULL, 0, 0, NULL, false,
        "agent to speak for; the node holds its key and makes one for a new name"},
    [CTL_OPTION_TO] = {CTL_OPTION_TO, "to", 0, TEXT, "WHO", "to", 0, 0, NULL, false,
        "agent_id, fingerprint, unique prefix of one, or '*' for everybody"},
    [CTL_OPTION_FAMILY] = {CTL_OPTION_FAMILY, "family", 0, TEXT, "FAMILY", "protocol", 0, 0, w4_family_names, false,
        "cip, hcp, lip or mesh; that of the type when absent"},
    [CTL_OPTION_CAPABILITY] = {CTL_OPTION_CAPABILITY, "capability", 0, LIST, "NAME", NULL, 0, 0, NULL, false,
        "what the agent can do; may be given more than once"},
    [CTL_OPTION_WITH_STATE] = {CTL_OPTION_WITH_STATE, "with-state", 0, JSON, "JSON", "state", 0, 0, NULL, false,
        "state member of the envelope"},
    [CTL_OPTION_SOURCE] = {CTL_OPTION_SOURCE, "source", 0, JSON, "JSON", "source", 0, 0, NULL, false,
        "source member of the envelope (lip)"},
    [CTL_OPTION_CHANNEL] = {CTL_OPTION_CHANNEL, "channel", 0, TEXT, "CHANNEL", "channel", 0, 0, channels, false,
        "control, state or knowledge; that of the type when absent"},
    [CTL_OPTION_CAUSED_BY] = {CTL_OPTION_CAUSED_BY, "caused-by", 0, TEXT, "MSG_ID", "caused_by", 0, 0, NULL, false,
                        "the message it answers, which the agent got lately"},
    [CTL_OPTION_DURABLE] = {CTL_OPTION_DURABLE, "durable", 0, FLAG, NULL, "durable", 0, 0, NULL, false,
        "to one agent, which may be away: kept until it has dealt with it"},
    [CTL_OPTION_DEADLINE] = {CTL_OPTION_DEADLINE, "deadline", 0, INTEGER, "MS", "deadline_ms", 1, 604800000, NULL, false,
        "milliseconds after which it goes no further from here"},
    [CTL_OPTION_TIMEOUT] = {CTL_OPTION_TIMEOUT, "timeout", 0, INTEGER, "S", NULL, 0, 86400, NULL, false,
        "seconds to wait for its deliveries; 10 when absent, 0: do not wait"},
    [CTL_OPTION_NUMBER] = {CTL_OPTION_NUMBER, "number", 'n', INTEGER, "N", NULL, 1, INT_MAX_OPTION, NULL, false,
        "end after so many"},
    [CTL_OPTION_FULL] = {CTL_OPTION_FULL, "full", 0, FLAG, NULL, NULL, 0, 0, NULL, false,
        "the whole notification: envelope, trust, path and time"},
    [CTL_OPTION_TYPE] = {CTL_OPTION_TYPE, "type", 0, LIST, "EVENT", "types", 0, 0, NULL, false,
        "events of that name only; may be given more than once"},
    [CTL_OPTION_SINCE] = {CTL_OPTION_SINCE, "since", 0, INTEGER, "SEQ", "since", 0, INT_MAX_OPTION, NULL, false,
        "also those after this seq that the node still has; 0: all of them"},
    [CTL_OPTION_OPEN] = {CTL_OPTION_OPEN, "open", 0, FLAG, NULL, "open", 0, 0, NULL, false,
        "first the session_open of each session that is open now"},
    [CTL_OPTION_MEMORY] = {CTL_OPTION_MEMORY, "memory", 0, FLAG, NULL, "memory", 0, 0, NULL, false,
        "also what is held in memory, where, and how much may be"},
    [CTL_OPTION_KEY] = {CTL_OPTION_KEY, "key", 0, TEXT, "FILE", NULL, 0, 0, NULL, true,
        "PEM file of the sender's key"},
    [CTL_OPTION_BY] = {CTL_OPTION_BY, "by", 0, TEXT, "WHO", "as", 0, 0, ways, false,
        "agent: as if its sender handed it over here; node: as if a node brought it; shared: as if a node passed on what was said some time ago; archive: as memory import does"},
    [CTL_OPTION_FROM] = {CTL_OPTION_FROM, "from", 0, TEXT, "NODE", "from", 0, 0, NULL, false,
        "as if that node brought it: fingerprint, unique prefix of one, or name"},
    [CTL_OPTION_ALL] = {CTL_OPTION_ALL, "all", 0, FLAG, NULL, "all", 0, 0, NULL, false,
        "tell each gate, and ask those behind one that refuses too"},
    [CTL_OPTION_KIND] = {CTL_OPTION_KIND, "kind", 0, TEXT, "KIND", "kind", 0, 0, kinds, false,
        "agent, node or human (of a key: agent or node)"},
    [CTL_OPTION_REASON] = {CTL_OPTION_REASON, "reason", 0, TEXT, "TEXT", "reason", 0, 0, NULL, false,
        "kept in the history"},
    [CTL_OPTION_STATE] = {CTL_OPTION_STATE, "state", 0, TEXT, "STATE", "state", 0, 0, list_states, false,
        "those in this state only"},
    [CTL_OPTION_LIMIT] = {CTL_OPTION_LIMIT, "limit", 0, INTEGER, "N", "limit", 1, 65536, NULL, false,
        "at most so many; 1000 when absent"},
    [CTL_OPTION_OFFSET] = {CTL_OPTION_OFFSET, "offset", 0, INTEGER, "N", "offset", 0, INT_MAX_OPTION, NULL, false,
        "pass over so many; 0 when absent"},
    [CTL_OPTION_UNPINNED] = {CTL_OPTION_UNPINNED, "unpinned", 0, FLAG, NULL, "unpinned", 0, 0, NULL, false,
        "evidence may move it again"},
    [CTL_OPTION_LOCAL] = {CTL_OPTION_LOCAL, "local", 0, FLAG, NULL, "local", 0, 0, NULL, false,
        "those of this node only"},
    [CTL_OPTION_PIN] = {CTL_OPTION_PIN, "pin", 0, TEXT, "FINGERPRINT", "fingerprint", 0, 0, NULL, false,
        "the only identity that is good there"},
    [CTL_OPTION_ENTRY] = {CTL_OPTION_ENTRY, "entry", 0, TEXT, "KIND", "kind", 0, 0, entries, false,
        "facts, decisions or claims only"},
    [CTL_OPTION_DOMAIN] = {CTL_OPTION_DOMAIN, "domain", 0, TEXT, "DOMAIN", "domain", 0, 0, NULL, false,
        "facts of that domain only"},
    [CTL_OPTION_AUTHOR] = {CTL_OPTION_AUTHOR, "author", 0, TEXT, "WHO", "author", 0, 0, NULL, false,
        "said by that one only: fingerprint, unique prefix of one, or agent_id"},
    [CTL_OPTION_AFTER] = {CTL_OPTION_AFTER, "after", 0, TEXT, "TIME", "after", 0, 0, NULL, false,
        "accepted then (RFC 3339, UTC) or later"},
    [CTL_OPTION_BEFORE] = {CTL_OPTION_BEFORE, "before", 0, TEXT, "TIME", "before", 0, 0, NULL, false,
        "accepted before that (RFC 3339, UTC)"},
    [CTL_OPTION_CAUSE] = {CTL_OPTION_CAUSE, "cause", 0, TEXT, "ID", "cause", 0, 0, NULL, false,
        "what follows from that one: its id, or a unique prefix of it"},
    [CTL_OPTION_EFFECT] = {CTL_OPTION_EFFECT, "effect", 0, TEXT, "ID", "effect", 0, 0, NULL, false,
        "what that one follows from: its id, or a unique prefix of it"},
    [CTL_OPTION_RETRACTED] = {CTL_OPTION_RETRACTED, "retracted", 0, FLAG, NULL, "retracted", 0, 0, NULL, false,
        "also what no longer stands: disputed, rejected, refuted or unsupported"},
    [CTL_OPTION_DEPTH] = {CTL_OPTION_DEPTH, "depth", 0, INTEGER, "N", "depth", 1, 64, NULL, false,
        "with --cause or --effect: over so many steps"},
    [CTL_OPTION_MOST] = {CTL_OPTION_MOST, "most", 0, INTEGER, "N", "limit", 1, 1000, NULL, false,
        "at most so many; 100 when absent"},
    [CTL_OPTION_NEXT] = {CTL_OPTION_NEXT, "next", 0, INTEGER, "N", "next", 0, INT_MAX_OPTION, NULL, false,
        "go on there, as the answer before said"},
    [CTL_OPTION_TABLE] = {CTL_OPTION_TABLE, "table", 0, TEXT, "TABLE", "table", 0, 0, tables, false,
        "rows of that table only"},
    [CTL_OPTION_BEHIND] = {CTL_OPTION_BEHIND, "behind", 0, TEXT, "TABLE:KEY", "from", 0, 0, NULL, false,
        "go on behind the row with that key, in hexadecimal"},
};

#define END_ARGUMENTS {NULL, TEXT, false, false, NULL, NULL, false, NULL}
#define ONE(NAME, PARAM, HELP) {NAME, TEXT, false, false, PARAM, NULL, false, HELP}
#define PEER_HELP "fingerprint, unique prefix of one, node name or address"
#define SUBJECT_HELP "fingerprint, unique prefix of one, agent_id or node name"

static const ctl_argument_row peer_argument[] = {ONE("PEER", "peer", PEER_HELP), END_ARGUMENTS};
static const ctl_argument_row optional_peer[] = {
    {"PEER", TEXT, true, false, "peer", NULL, false, "only with that one: " PEER_HELP}, END_ARGUMENTS};
static const ctl_argument_row address_argument[] = {
    ONE("ADDRESS", "address", "tcp:HOST:PORT or unix:/PATH"), END_ARGUMENTS};
static const ctl_argument_row session_argument[] = {
    ONE("SESSION", "session", "its id, a unique prefix of it, or its peer"), END_ARGUMENTS};
static const ctl_argument_row optional_session[] = {
    {"SESSION", TEXT, true, false, "session", NULL, false, "only of that one: its id, a unique prefix of it, or its peer"},
    END_ARGUMENTS};
static const ctl_argument_row subject_argument[] = {
    ONE("SUBJECT", "subject", SUBJECT_HELP), END_ARGUMENTS};
static const ctl_argument_row trust_set_arguments[] = {
    ONE("SUBJECT", "subject", SUBJECT_HELP),
    {"STATE", TEXT, false, false, "state", trust_states, false, "where it goes"},
    END_ARGUMENTS};
static const ctl_argument_row human_argument[] = {
    ONE("HUMAN", "human", "fingerprint, unique prefix of one, or agent_id"), END_ARGUMENTS};
static const ctl_argument_row claim_argument[] = {
    ONE("CLAIM", "claim", "its id, or a unique prefix of it"), END_ARGUMENTS};
static const ctl_argument_row source_argument[] = {
    ONE("URI", "uri", "a URI, or the beginning of one"), END_ARGUMENTS};
static const ctl_argument_row source_set_arguments[] = {
    ONE("URI", "uri", "all URIs that begin with it, at the border of a segment"),
    {"TIER", TEXT, false, false, "tier", tiers, false, "what it is worth from now on"},
    END_ARGUMENTS};
static const ctl_argument_row fact_argument[] = {
    ONE("FACT", "fact", "its id, or a unique prefix of it"), END_ARGUMENTS};
static const char *const verdicts[] = {"accepted", "rejected", "none", NULL};
static const ctl_argument_row settle_arguments[] = {
    ONE("FACT", "fact", "its id, or a unique prefix of it"),
    {"VERDICT", TEXT, false, false, "verdict", verdicts, false, "accepted: what was said against it does not count, and it is what its confirmations make of it; rejected: it is over; none: takes the order back"},
    END_ARGUMENTS};
static const ctl_argument_row send_arguments[] = {
    {"TYPE", TEXT, false, false, "type", types, false, "type of the message; send TYPE --help tells of its payload"},
    {"PAYLOAD", JSON, false, false, "payload", NULL, false, "JSON object; - reads it from stdin"},
    END_ARGUMENTS};
static const ctl_argument_row type_argument[] = {
    {"TYPE", TEXT, true, false, NULL, types, false, "type of the message, such as FACT_PROPOSE; all when absent"},
    END_ARGUMENTS};
static const ctl_argument_row envelope_argument[] = {
    {"FILE", TEXT, true, false, "bytes", NULL, true, "the envelope; stdin when absent, or -"},
    END_ARGUMENTS};
static const ctl_argument_row new_key_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, "where it goes; never replaced; stdout when absent"},
    END_ARGUMENTS};
static const ctl_argument_row key_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, "PEM file; the keys of the node when absent"},
    END_ARGUMENTS};
static const ctl_argument_row rotate_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, "PEM file; that of the node when absent"},
    END_ARGUMENTS};
static const ctl_argument_row key_name_argument[] = {
    ONE("KEY", "key", SUBJECT_HELP), END_ARGUMENTS};
static const ctl_argument_row document_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, "a document as JSON, or one on each line, as in a FILE.succession; stdin when absent, or -"},
    END_ARGUMENTS};
static const ctl_argument_row config_arguments[] = {
    {"FILE", TEXT, true, true, NULL, NULL, true,
     "a configuration (conf.d beside it is read too) and fragments that go over it; the files of web4d when absent"},
    END_ARGUMENTS};
#define STORE_FILE_HELP "a store that no node has open, such as a backup; that of the node when absent"
static const ctl_argument_row query_argument[] = {
    {"TEXT", TEXT, true, false, "text", NULL, false,
     "words that have to be in it; \"side by side\" in quotes, begin* for all that begin so"},
    END_ARGUMENTS};
static const ctl_argument_row import_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, "lines of memory export; stdin when absent, or -"},
    END_ARGUMENTS};
static const ctl_argument_row store_argument[] = {
    {"FILE", TEXT, true, false, NULL, NULL, true, STORE_FILE_HELP}, END_ARGUMENTS};
static const ctl_argument_row backup_arguments[] = {
    {"COPY", TEXT, false, false, "path", NULL, true, "where the copy goes; never replaced"},
    {"FILE", TEXT, true, false, NULL, NULL, true, STORE_FILE_HELP}, END_ARGUMENTS};
static const ctl_argument_row shell_argument[] = {
    {"SHELL", TEXT, false, false, NULL, shells, false, "bash, zsh or fish"}, END_ARGUMENTS};

#define OPTIONS(NAME, ...) static const ctl_option NAME[] = {__VA_ARGS__, CTL_OPTION_COUNT}
OPTIONS(status_options, CTL_OPTION_MEMORY);
OPTIONS(add_options, CTL_OPTION_PIN);
OPTIONS(reason_options, CTL_OPTION_REASON);
OPTIONS(trust_list_options, CTL_OPTION_KIND, CTL_OPTION_STATE);
OPTIONS(kind_options, CTL_OPTION_KIND);
OPTIONS(trust_set_options, CTL_OPTION_KIND, CTL_OPTION_REASON);
OPTIONS(revoke_options, CTL_OPTION_KIND, CTL_OPTION_REASON);
OPTIONS(consent_options, CTL_OPTION_STATE);
OPTIONS(source_set_options, CTL_OPTION_REASON, CTL_OPTION_UNPINNED);
OPTIONS(agents_options, CTL_OPTION_LOCAL);
OPTIONS(facts_options, CTL_OPTION_STATE, CTL_OPTION_LIMIT, CTL_OPTION_OFFSET);
OPTIONS(listen_options, CTL_OPTION_AS, CTL_OPTION_CAPABILITY, CTL_OPTION_NUMBER, CTL_OPTION_FULL);
OPTIONS(send_options, CTL_OPTION_AS, CTL_OPTION_TO, CTL_OPTION_FAMILY, CTL_OPTION_WITH_STATE,
        CTL_OPTION_SOURCE, CTL_OPTION_CHANNEL, CTL_OPTION_CAUSED_BY, CTL_OPTION_DURABLE,
        CTL_OPTION_DEADLINE, CTL_OPTION_TIMEOUT);
OPTIONS(watch_options, CTL_OPTION_TYPE, CTL_OPTION_SINCE, CTL_OPTION_OPEN, CTL_OPTION_NUMBER);
OPTIONS(sign_options, CTL_OPTION_KEY);
OPTIONS(explain_options, CTL_OPTION_BY, CTL_OPTION_FROM, CTL_OPTION_ALL);
OPTIONS(query_options, CTL_OPTION_ENTRY, CTL_OPTION_DOMAIN, CTL_OPTION_AUTHOR, CTL_OPTION_AFTER,
        CTL_OPTION_BEFORE, CTL_OPTION_CAUSE, CTL_OPTION_EFFECT, CTL_OPTION_DEPTH, CTL_OPTION_RETRACTED,
        CTL_OPTION_MOST, CTL_OPTION_NEXT);
OPTIONS(next_options, CTL_OPTION_NEXT);
OPTIONS(export_options, CTL_OPTION_TABLE, CTL_OPTION_BEHIND);
const ctl_option ctl_global_options[] = {
    CTL_OPTION_SOCKET, CTL_OPTION_AGENT_SOCKET, CTL_OPTION_JSON, CTL_OPTION_WATCH,
    CTL_OPTION_HELP, CTL_OPTION_VERSION, CTL_OPTION_COUNT};

#define ASK ctl_run_method
#define M(NAME) W4_METHOD_##NAME
#define V(NAME) &ctl_view_##NAME

const ctl_command ctl_commands[] = {
    {"status",          NULL,                status_options,     ASK, M(STATUS_GET),     V(status),         false, "how the node is doing"},
    {"peers list",      NULL,                NULL,               ASK, M(PEERS_LIST),     V(peers),          true,  "nodes that are known, and addresses that are dialled"},
    {"peers show",      peer_argument,       NULL,               ASK, M(PEERS_SHOW),     V(peer),           false, "one node with its agents"},
    {"peers add",       address_argument,    add_options,        ASK, M(PEERS_ADD),      V(peer_added),     false, "dial an address from now on"},
    {"peers remove",    peer_argument,       NULL,               ASK, M(PEERS_REMOVE),   V(peer_removed),   false, "forget a node or an address"},
    {"peers block",     peer_argument,       reason_options,     ASK, M(PEERS_BLOCK),    V(trust_entry),    false, "block a node and close its sessions"},
    {"sessions list",   NULL,                NULL,               ASK, M(SESSIONS_LIST),  V(sessions),       true,  "sessions with other nodes"},
    {"sessions show",   session_argument,    NULL,               ASK, M(SESSIONS_SHOW),  V(session),        false, "one session with the counters of its channels"},
    {"sessions close",  session_argument,    NULL,               ASK, M(SESSIONS_CLOSE), V(session_closed), false, "close a session in order"},
    {"sessions rekey",  session_argument,    NULL,               ASK, M(SESSIONS_REKEY), V(session_rekeyed), false, "move what this node sends in a session to a new key"},
    {"channels",        optional_session,    NULL,               ASK, M(CHANNELS_LIST),  V(channels),       false, "channels of sessions with what was sent on them"},
    {"sla",             optional_peer,       NULL,               ASK, M(SLA_LIST),       V(sla),            false, "what is promised for channels, and what is left of the budget"},
    {"trust list",      NULL,                trust_list_options, ASK, M(TRUST_LIST),     V(trust_list),     true,  "how far agents, nodes and humans are trusted"},
    {"trust show",      subject_argument,    kind_options,       ASK, M(TRUST_SHOW),     V(trust_entry),    false, "how far one is trusted"},
    {"trust set",       trust_set_arguments, trust_set_options,  ASK, M(TRUST_SET),      V(trust_entry),    false, "set how far one is trusted"},
    {"trust reset",     subject_argument,    trust_set_options,  ASK, M(TRUST_RESET),    V(trust_entry),    false, "put one's trust back to where it began"},
    {"trust why",       subject_argument,    kind_options,       ASK, M(TRUST_WHY),      V(trust_why),      false, "each move of one's trust with its cause"},
    {"consent list",    NULL,                consent_options,    ASK, M(CONSENT_LIST),   V(consents),       true,  "humans this node has heard of, with their consent"},
    {"consent show",    human_argument,      NULL,               ASK, M(CONSENT_SHOW),   V(consent),        false, "what one human consents to, and said last"},
    {"agents list",     NULL,                agents_options,     ASK, M(AGENTS_LIST),    V(agents),         true,  "agents of this node and of its neighbours"},
    {"facts list",      NULL,                facts_options,      ASK, M(FACTS_LIST),     V(facts),          true,  "facts that the node knows"},
    {"facts show",      fact_argument,       NULL,               ASK, M(FACTS_SHOW),     V(fact),           false, "one fact with everybody who spoke to it"},
    {"listen",          NULL,                listen_options,     ctl_run_listen, M(COUNT), V(message),      false, "attach as an agent; print each envelope it gets as a line of JSON"},
    {"send",            send_arguments,      send_options,       ctl_run_send,   M(COUNT), V(sent),         false, "send a message as an agent, and tell what became of it"},
    {"watch",           NULL,                watch_options,      ctl_run_watch,  M(EVENTS_WATCH), V(event), false, "events of the node as they happen"},
    {"facts why",       fact_argument,       NULL,               ASK, M(FACTS_WHY),      V(fact_why),       false, "why a fact stands where it stands, part by part"},
    {"facts settle",    settle_arguments,    reason_options,     ASK, M(FACTS_SETTLE),   V(fact),           false, "settle a fact by your own order, on this node alone"},
    {"claims list",     NULL,                facts_options,      ASK, M(CLAIMS_LIST),    V(claims),         true,  "claims from the internet that agents brought"},
    {"claims show",     claim_argument,      NULL,               ASK, M(CLAIMS_SHOW),    V(claim),          false, "one claim with everybody who spoke to it"},
    {"sources list",    NULL,                consent_options,    ASK, M(SOURCES_LIST),   V(sources),        true,  "sources of claims, with their tiers"},
    {"sources set",     source_set_arguments, source_set_options, ASK, M(SOURCES_SET),   V(source),         false, "set the tier of a source"},
    {"sources why",     source_argument,     NULL,               ASK, M(SOURCES_WHY),    V(source_why),     false, "what a source is worth, and why"},
    {"graph show",      NULL,                NULL,               ASK, M(GRAPH_SHOW),     V(graph),          true,  "nodes, edges and agents as the node sees them"},
    {"keys generate",   new_key_argument,    NULL,               ctl_run_keys_generate, M(COUNT), V(key),   false, "make a new Ed25519 key (PKCS#8 PEM); needs no node"},
    {"keys show",       key_argument,        NULL,               ctl_run_keys_show, M(KEYS_SHOW), V(keys),  true,  "public keys and fingerprints of a file or of the node"},
    {"keys rotate",     rotate_argument,     kind_options,       ctl_run_keys_rotate, M(COUNT), V(key_rotated), false, "put a new key in the place of that in a file; both sign that one follows the other"},
    {"keys revoke",     key_name_argument,   revoke_options,     ASK, M(KEYS_REVOKE),    V(key_standing),   false, "revoke a key by the word of this node, and tell everybody"},
    {"keys take",       document_argument,   NULL,               ctl_run_keys_take, M(KEYS_TAKE), V(key_taken), false, "hand the node a succession or a revocation that was signed elsewhere"},
    {"envelope canon",  NULL,                NULL,               ctl_run_canon,  M(COUNT), NULL,            false, "canonical form (RFC 8785) of the JSON document on stdin; needs no node"},
    {"envelope sign",   NULL,                sign_options,       ctl_run_sign,   M(COUNT), NULL,            false, "sign the envelope on stdin; needs no node"},
    {"envelope verify", NULL,                NULL,               ctl_run_verify, M(COUNT), NULL,            false, "check form, schema, fingerprint and signature of the envelope on stdin; needs no node"},
    {"envelope explain", envelope_argument,  explain_options,    ctl_run_explain, M(ENVELOPE_EXPLAIN), V(explained), false, "what the node would say of an envelope, and why; nothing happens"},
    {"config check",    config_arguments,    NULL,               ctl_run_config_check, M(COUNT), V(check),  false, "check a configuration; compare it with the node that runs on it"},
    {"config show",     NULL,                NULL,               ASK, M(CONFIG_SHOW),    V(config),         false, "the configuration the node runs on"},
    {"config defaults", NULL,                NULL,               ctl_run_config_defaults, M(COUNT), NULL,   false, "what holds where nothing is set; needs no node"},
    {"schema",          type_argument,       NULL,               ctl_run_schema, M(COUNT), NULL,            false, "JSON Schema of the envelopes of one type, or of all; needs no node"},
    {"config schema",   NULL,                NULL,               ctl_run_config_schema, M(COUNT), NULL,     false, "JSON Schema of the configuration; needs no node"},
    {"reload",          NULL,                NULL,               ASK, M(CONFIG_RELOAD),  V(reload),         false, "read the configuration again; a bad one changes nothing"},
    {"stop",            NULL,                NULL,               ASK, M(NODE_STOP),      V(stop),           false, "end the node in order"},
    {"memory query",    query_argument,      query_options,      ASK, M(MEMORY_QUERY),   V(memory),         false, "find what was accepted here: facts, decisions and claims, with their causes"},
    {"memory export",   NULL,                next_options,             ctl_run_memory_export, M(MEMORY_EXPORT), NULL, false, "the signed envelopes behind what stands in the memory, as lines of JSON"},
    {"memory import",   import_argument,     NULL,               ctl_run_memory_import, M(MEMORY_IMPORT), V(memory_import), false, "take such lines of another memory; each is judged by the trust there is here"},
    {"store check",     store_argument,      NULL,               ctl_run_store_check, M(STORE_CHECK), V(store_check), false, "look through the store: pages, checksums, and what rows have to do with one another"},
    {"store backup",    backup_arguments,    NULL,               ctl_run_store_backup, M(STORE_BACKUP), V(store_backup), false, "copy the store of a running node, as of one moment"},
    {"store export",    store_argument,      export_options,     ctl_run_store_export, M(STORE_EXPORT), NULL, false, "the rows of the store as lines of JSON"},
    {"completion",      shell_argument,      NULL,               ctl_run_completion, M(COUNT), NULL,        false, "completion script for a shell"},
    {NULL, NULL, NULL, NULL, M(COUNT), NULL, false, NULL}};
/* clang-format on */

const ctl_option_row *ctl_option_row_of(ctl_option option) {
    return &options[option];
}

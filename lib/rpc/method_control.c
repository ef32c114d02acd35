/* Params and results of the methods of the control socket. */
#include "base/text.h"
#include "rpc/method_table.h"
#include "rpc/shapes.h"

/* clang-format off */

#define PARAMS(NAME) const w4_schema w4_params_##NAME = {NAME##_params, true, NULL}
#define RESULT(NAME) const w4_schema w4_result_##NAME = {NAME##_result, true, NULL}
#define NO_PARAMS(NAME) \
    static const w4_schema_row NAME##_params[] = {W4_SCHEMA_END}; \
    PARAMS(NAME)

#define PEER_HELP "fingerprint, unique prefix of one (" W4_PREFIX_WORDS "), node name or address"
#define SUBJECT_HELP "fingerprint, unique prefix of one (" W4_PREFIX_WORDS "), agent_id or node name, also of one that is away"
#define FACT_HELP "id of the fact, or a unique prefix of one (" W4_PREFIX_WORDS ")"

/* ---- status.get */
static const char *const node_states[] = {"starting", "running", "stopping", NULL};
static const char *const store_states[] = {"ok", "full", "failed", NULL};
static const w4_schema_row status_peers_rows[] = {
    RPC_COUNT("known", R_, "in the registry"),
    RPC_COUNT("connected", R_, "with a link now"),
    W4_SCHEMA_END};
static const w4_schema status_peers = {status_peers_rows, true, NULL};
static const w4_schema_row status_facts_rows[] = {
    RPC_COUNT("pending", R_, "waiting for what acceptance asks"),
    RPC_COUNT("accepted", R_, "by the rule of acceptance"),
    RPC_COUNT("disputed", R_, "with an open challenge"),
    RPC_COUNT("rejected", R_, "by trusted agents"),
    RPC_COUNT("refuted", R_, "after they were accepted"),
    W4_SCHEMA_END};
static const w4_schema status_facts = {status_facts_rows, true, NULL};
static const w4_schema_row status_durable_rows[] = {
    RPC_COUNT("to_be_taken", R_, "messages of agents here, which the receiver's node does not have yet"),
    RPC_COUNT("to_be_taken_bytes", R_, "of them, in the store"),
    RPC_COUNT("for_agents", R_, "messages for agents here, not acknowledged yet"),
    RPC_COUNT("for_agents_bytes", R_, "of them, in the store"),
    RPC_COUNT("ends", R_, "that senders who are away are to be told"),
    W4_SCHEMA_END};
static const w4_schema status_durable = {status_durable_rows, true, NULL};
static const w4_schema_row status_store_rows[] = {
    RPC_ENUM("state", R_, store_states, "full and failed take no new durable work"),
    RPC_LABEL("kind", R_, "sqlite or memory"),
    RPC_TEXT("path", O_, 4096, "of its file"),
    RPC_COUNT("version", O_, "of its schema"),
    RPC_COUNT("bytes", O_, "of its file"),
    RPC_TEXT("error", O_, 255, "the last one"),
    W4_SCHEMA_END};
static const w4_schema status_store = {status_store_rows, true, NULL};
static const w4_schema_row status_clients_rows[] = {
    RPC_COUNT("control", R_, "connections to the control socket"),
    RPC_COUNT("agent", R_, "connections to the agent socket"),
    W4_SCHEMA_END};
static const w4_schema status_clients = {status_clients_rows, true, NULL};

static const w4_schema_row table_rows[] = {
    RPC_LABEL("name", R_, "of the table"),
    RPC_COUNT("count", R_, "what is in it"),
    RPC_COUNT("count_max", O_, "what may be in it"),
    RPC_COUNT("bytes", R_, "held for it"),
    RPC_COUNT("bytes_max", O_, "that may be held for it"),
    W4_SCHEMA_END};
static const w4_schema table = {table_rows, true, NULL};
static const w4_schema_row table_item = RPC_ITEM(&table);
static const w4_schema_row memory_peer_rows[] = {
    RPC_FINGERPRINT("peer", R_, "with whom the session is"),
    RPC_LABEL("name", O_, "as the peer calls itself"),
    RPC_COUNT("bytes", R_, "held for the session, all in all"),
    RPC_COUNT("session", R_, "of them: for itself and its link"),
    RPC_COUNT("channels", R_, "of them: for channels beyond the three, contracts, latencies"),
    RPC_COUNT("sending", R_, "of them: messages to the peer"),
    RPC_COUNT("receiving", R_, "of them: messages of the peer"),
    RPC_COUNT("bytes_max", R_, "that may be held of messages, both ways"),
    W4_SCHEMA_END};
static const w4_schema memory_peer = {memory_peer_rows, true, NULL};
static const w4_schema_row memory_peer_item = RPC_ITEM(&memory_peer);
static const w4_schema_row memory_channel_rows[] = {
    RPC_FINGERPRINT("peer", R_, "with whom the channel is"),
    RPC_LABEL("name", O_, "as the peer calls itself"),
    RPC_ENUM("channel", R_, w4_rpc_channels, "its kind"),
    RPC_COUNT("id", R_, "its number on the wire"),
    RPC_COUNT("messages", R_, "queued, in flight and waiting"),
    RPC_COUNT("messages_max", R_, "that may be queued and in flight"),
    RPC_COUNT("bytes", R_, "of them"),
    RPC_COUNT("bytes_max", R_, "that may be queued and in flight"),
    W4_SCHEMA_END};
static const w4_schema memory_channel = {memory_channel_rows, true, NULL};
static const w4_schema_row memory_channel_item = RPC_ITEM(&memory_channel);
static const w4_schema_row memory_rows[] = {
    RPC_COUNT("resident", R_, "bytes of the process in memory"),
    RPC_COUNT("heap", R_, "bytes it has allocated"),
    RPC_COUNT("store", R_, "bytes of the store's file"),
    RPC_COUNT("store_log", R_, "bytes of the store's log beside it"),
    RPC_ARRAY("tables", R_, 256, &table_item, "what the node keeps"),
    RPC_ARRAY("peers", R_, 64, &memory_peer_item, "those for whom most is held"),
    RPC_ARRAY("channels", R_, 4096, &memory_channel_item, "of those"),
    W4_SCHEMA_END};
static const w4_schema memory = {memory_rows, true, NULL};

static const w4_schema_row status_get_params[] = {
    RPC_BOOL("memory", O_, "true: also what is held in memory, and where"),
    W4_SCHEMA_END};
PARAMS(status_get);
static const w4_schema_row status_get_result[] = {
    RPC_FINGERPRINT("node", R_, "its identity"),
    RPC_LABEL("name", R_, "its name, for people"),
    RPC_TEXT("version", R_, 64, "of the program"),
    RPC_COUNT("pid", R_, "of the process"),
    RPC_TIME("started_at", R_, "when it started"),
    RPC_COUNT("uptime_s", R_, "seconds since then"),
    RPC_ENUM("state", R_, node_states, "of the node"),
    RPC_ARRAY("addresses", R_, 64, &w4_rpc_address_item, "it listens on"),
    RPC_DIGEST("config_digest", R_, "SHA-256 of the configuration in force"),
    RPC_OBJECT("peers", R_, &status_peers, "other nodes"),
    RPC_COUNT("sessions", R_, "with other nodes"),
    RPC_COUNT("agents", R_, "attached to this node"),
    RPC_OBJECT("clients", O_, &status_clients, "connections to the local sockets"),
    RPC_OBJECT("facts", R_, &status_facts, "by state"),
    RPC_OBJECT("durable", O_, &status_durable, "durable messages that wait here"),
    RPC_OBJECT("store", R_, &status_store, "where it keeps them"),
    RPC_MAP("refusals", R_, 256, &w4_rpc_count_item, "since the start, by code"),
    RPC_MAP("counters", O_, 1024, &w4_rpc_count_item, "since the start, by name"),
    RPC_COUNT("memory_bytes", O_, "resident"),
    RPC_OBJECT("memory", O_, &memory, "what is held where"),
    W4_SCHEMA_END};
RESULT(status_get);

/* ---- peers */
static const w4_schema_row peer_param[] = {
    RPC_LABEL("peer", R_, PEER_HELP),
    W4_SCHEMA_END};
static const w4_schema_row peer_item = RPC_ITEM(&w4_rpc_peer);
static const w4_schema_row dial_rows[] = {
    RPC_ADDRESS("address", R_, "nobody has proved an identity there yet"),
    RPC_LABEL("source", R_, "seed, beacon, record, operator, store"),
    RPC_COUNT("failures", R_, "dials that failed in a row"),
    RPC_TIME("next_dial", O_, "when it is dialled again"),
    RPC_TEXT("last_error", O_, 255, "why the last dial failed"),
    W4_SCHEMA_END};
static const w4_schema dial = {dial_rows, true, NULL};
static const w4_schema_row dial_item = RPC_ITEM(&dial);

NO_PARAMS(peers_list);
static const w4_schema_row peers_list_result[] = {
    RPC_ARRAY("peers", R_, W4_RPC_LIST_MAX, &peer_item, "nodes that are known"),
    RPC_ARRAY("dialling", R_, W4_RPC_LIST_MAX, &dial_item, "addresses without a node yet"),
    W4_SCHEMA_END};
RESULT(peers_list);

const w4_schema w4_params_peers_show = {peer_param, true, NULL};
static const w4_schema_row peers_show_result[] = {
    RPC_OBJECT("peer", R_, &w4_rpc_peer, "with its agents"),
    W4_SCHEMA_END};
RESULT(peers_show);

static const w4_schema_row peers_add_params[] = {
    RPC_ADDRESS("address", R_, "tcp:HOST:PORT or unix:/PATH"),
    RPC_FINGERPRINT("fingerprint", O_, "the only identity that is good there"),
    W4_SCHEMA_END};
PARAMS(peers_add);
static const w4_schema_row peers_add_result[] = {
    RPC_ADDRESS("address", R_, "it is dialled from now on"),
    RPC_BOOL("added", R_, "false: it was known"),
    W4_SCHEMA_END};
RESULT(peers_add);

const w4_schema w4_params_peers_remove = {peer_param, true, NULL};
static const w4_schema_row peers_remove_result[] = {
    RPC_COUNT("removed", R_, "addresses that were forgotten"),
    RPC_COUNT("sessions_closed", R_, "that stood with it"),
    W4_SCHEMA_END};
RESULT(peers_remove);

static const w4_schema_row peers_block_params[] = {
    RPC_LABEL("peer", R_, PEER_HELP),
    RPC_TEXT("reason", O_, 127, "kept in its history"),
    W4_SCHEMA_END};
PARAMS(peers_block);
static const w4_schema_row peers_block_result[] = {
    RPC_OBJECT("entry", R_, &w4_rpc_trust_entry, "its trust now"),
    RPC_BOOL("moved", R_, "false: it was blocked"),
    RPC_COUNT("sessions_closed", R_, "that stood with it"),
    W4_SCHEMA_END};
RESULT(peers_block);

/* ---- sessions */
static const w4_schema_row session_param[] = {
    RPC_LABEL("session", R_, "id, unique prefix of one, or as peer"),
    W4_SCHEMA_END};
static const w4_schema_row session_item = RPC_ITEM(&w4_rpc_session);

NO_PARAMS(sessions_list);
static const w4_schema_row sessions_list_result[] = {
    RPC_ARRAY("sessions", R_, W4_RPC_LIST_MAX, &session_item, "with other nodes"),
    W4_SCHEMA_END};
RESULT(sessions_list);

const w4_schema w4_params_sessions_show = {session_param, true, NULL};
static const w4_schema_row sessions_show_result[] = {
    RPC_OBJECT("session", R_, &w4_rpc_session, "with its channels"),
    W4_SCHEMA_END};
RESULT(sessions_show);

const w4_schema w4_params_sessions_close = {session_param, true, NULL};
static const w4_schema_row sessions_close_result[] = {
    RPC_TEXT("id", R_, 64, "of the session that was closed"),
    RPC_FINGERPRINT("peer", R_, "at its other end"),
    W4_SCHEMA_END};
RESULT(sessions_close);

const w4_schema w4_params_sessions_rekey = {session_param, true, NULL};
static const w4_schema_row sessions_rekey_result[] = {
    RPC_TEXT("id", R_, 64, "of the session"),
    RPC_FINGERPRINT("peer", R_, "at its other end"),
    W4_SCHEMA_END};
RESULT(sessions_rekey);

/* ---- channels */
static const w4_schema_row channels_list_params[] = {
    RPC_LABEL("session", O_, "id, unique prefix of one, or as peer; all when absent"),
    W4_SCHEMA_END};
PARAMS(channels_list);
static const w4_schema_row peer_channel_item = RPC_ITEM(&w4_rpc_channel);
static const w4_schema_row channels_list_result[] = {
    RPC_ARRAY("channels", R_, W4_RPC_LIST_MAX, &peer_channel_item,
                 "counters are of all sessions with the peer since the node's start"),
    W4_SCHEMA_END};
RESULT(channels_list);

/* ---- contracts of channels: a row for each clause */
static const char *const sla_whose[] = {"ours", "theirs", NULL};
static const char *const sla_clauses[] = {"p99_ms", "max_drop_rate", "min_availability", NULL};
static const char *const sla_states[] = {"kept", "violated", "unknown", "announced", NULL};
static const w4_schema_row sla_list_params[] = {
    RPC_LABEL("peer", O_, PEER_HELP),
    W4_SCHEMA_END};
PARAMS(sla_list);
static const w4_schema_row clause_rows[] = {
    RPC_FINGERPRINT("peer", R_, "with whom the channel is"),
    RPC_LABEL("name", O_, "as the peer calls itself"),
    RPC_TEXT("session", O_, 64, "id of the session; absent while the peer is away"),
    RPC_ENUM("channel", R_, w4_rpc_channels, "its kind"),
    RPC_COUNT("id", R_, "its number on the wire; 1 to 3 are always open"),
    RPC_ENUM("whose", R_, sla_whose, "ours: for what this node sends; theirs: as the peer has announced"),
    RPC_ENUM("clause", R_, sla_clauses, "what is promised"),
    RPC_COUNT("window_ms", R_, "over how long it is measured"),
    RPC_NUMBER("bound", R_, 0, 1e12, "milliseconds, or a share"),
    RPC_BOOL("open", O_, "ours: there is a link now"),
    RPC_ENUM("state", R_, sla_states, "announced: theirs, which only they measure"),
    RPC_NUMBER("measured", O_, 0, 1e12, "in the window, as bound; absent when there was nothing"),
    RPC_NUMBER("budget", O_, 0, 1, "what is left of what may go wrong"),
    RPC_COUNT("bad", O_, "late messages, lost messages, or microseconds without a link"),
    RPC_COUNT("of", O_, "out of so many"),
    W4_SCHEMA_END};
static const w4_schema clause = {clause_rows, true, NULL};
static const w4_schema_row clause_item = RPC_ITEM(&clause);
static const w4_schema_row sla_list_result[] = {
    RPC_ARRAY("clauses", R_, W4_RPC_LIST_MAX, &clause_item, "one for each thing that is promised"),
    W4_SCHEMA_END};
RESULT(sla_list);

/* ---- trust */
static const w4_schema_row trust_item = RPC_ITEM(&w4_rpc_trust_entry);
static const w4_schema_row move_item = RPC_ITEM(&w4_rpc_trust_move);
static const w4_schema_row subject_param[] = {
    RPC_LABEL("subject", R_, SUBJECT_HELP),
    RPC_ENUM("kind", O_, w4_rpc_trust_kinds, "agent when absent"),
    W4_SCHEMA_END};

static const w4_schema_row trust_list_params[] = {
    RPC_ENUM("kind", O_, w4_rpc_trust_kinds, "all when absent"),
    RPC_ENUM("state", O_, w4_rpc_trust_states, "all when absent"),
    W4_SCHEMA_END};
PARAMS(trust_list);
static const w4_schema_row trust_list_result[] = {
    RPC_ARRAY("entries", R_, W4_RPC_LIST_MAX, &trust_item, "whoever has moved, as many as fit; strangers last"),
    RPC_COUNT("total", R_, "how many there are"),
    W4_SCHEMA_END};
RESULT(trust_list);

const w4_schema w4_params_trust_show = {subject_param, true, NULL};
static const w4_schema_row trust_show_result[] = {
    RPC_OBJECT("entry", R_, &w4_rpc_trust_entry, "its trust now"),
    W4_SCHEMA_END};
RESULT(trust_show);

static const w4_schema_row trust_set_params[] = {
    RPC_LABEL("subject", R_, SUBJECT_HELP),
    RPC_ENUM("kind", O_, w4_rpc_trust_kinds, "agent when absent"),
    RPC_ENUM("state", R_, w4_rpc_trust_states, "where it goes; the word of any kind"),
    RPC_TEXT("reason", O_, 127, "kept in its history"),
    W4_SCHEMA_END};
PARAMS(trust_set);
static const w4_schema_row trust_set_result[] = {
    RPC_OBJECT("entry", R_, &w4_rpc_trust_entry, "its trust now"),
    RPC_BOOL("moved", R_, "false: it stood there"),
    W4_SCHEMA_END};
RESULT(trust_set);

static const w4_schema_row trust_reset_params[] = {
    RPC_LABEL("subject", R_, SUBJECT_HELP),
    RPC_ENUM("kind", O_, w4_rpc_trust_kinds, "agent when absent"),
    RPC_TEXT("reason", O_, 127, "kept in its history"),
    W4_SCHEMA_END};
PARAMS(trust_reset);
static const w4_schema_row trust_reset_result[] = {
    RPC_OBJECT("entry", R_, &w4_rpc_trust_entry, "its trust now"),
    RPC_BOOL("moved", R_, "false: it stood there, and nothing was noted of it"),
    W4_SCHEMA_END};
RESULT(trust_reset);

static const w4_schema_row replay_rows[] = {
    RPC_BOOL("agrees", R_, "the history gives the entry"),
    RPC_ENUM("state", R_, w4_rpc_trust_states, "what it gives; the word of its kind"),
    RPC_COUNT("moves", R_, "that were played"),
    RPC_TEXT("text", R_, 255, "the same in words"),
    W4_SCHEMA_END};
static const w4_schema replay = {replay_rows, true, NULL};
const w4_schema w4_params_trust_why = {subject_param, true, NULL};
static const w4_schema_row proof_rows[] = {
    RPC_UUID("evidence", R_, "msg_id of the second; a move of the history names it"),
    RPC_UUID("other", R_, "msg_id of the first"),
    RPC_TEXT("what", R_, 127, "how they exclude one another"),
    RPC_TIME("at", R_, "when the second came"),
    RPC_ANY("first", R_, "an envelope, as it was signed"),
    RPC_ANY("second", R_, "another one, signed by the same key"),
    W4_SCHEMA_END};
static const w4_schema proof = {proof_rows, true, NULL};
static const w4_schema_row proof_item = RPC_ITEM(&proof);

static const w4_schema_row trust_why_result[] = {
    RPC_OBJECT("entry", R_, &w4_rpc_trust_entry, "its trust now"),
    RPC_ARRAY("history", R_, W4_RPC_LIST_MAX, &move_item, "each move, the oldest first"),
    RPC_TEXT("reason", R_, 1024, "why it stands where it stands, in one sentence: what moved it last"),
    RPC_OBJECT("replay", R_, &replay, "the history played from nothing"),
    RPC_ARRAY("proofs", R_, W4_RPC_LIST_MAX, &proof_item, "of its misconduct: what it said twice"),
    W4_SCHEMA_END};
RESULT(trust_why);

/* ---- agents */
static const w4_schema_row agents_list_params[] = {
    RPC_BOOL("local", O_, "true: only those of this node"),
    W4_SCHEMA_END};
PARAMS(agents_list);
static const w4_schema_row agents_list_result[] = {
    RPC_ARRAY("agents", R_, W4_RPC_LIST_MAX, &w4_rpc_agent_item,
                 "of this node and of its neighbours"),
    W4_SCHEMA_END};
RESULT(agents_list);

/* ---- facts (the same on both sockets) */
static const w4_schema_row facts_list_params[] = {
    RPC_ENUM("state", O_, w4_rpc_fact_states, "all when absent"),
    RPC_INTEGER("limit", O_, 1, W4_RPC_LIST_MAX, "1000 when absent"),
    RPC_COUNT("offset", O_, "how many to pass over; 0 when absent"),
    W4_SCHEMA_END};
PARAMS(facts_list);
static const w4_schema_row facts_list_result[] = {
    RPC_ARRAY("facts", R_, W4_RPC_LIST_MAX, &w4_rpc_fact_item, "the last changed first; as many as fit in one answer"),
    RPC_COUNT("total", R_, "that there are of that state, also beyond the limit"),
    W4_SCHEMA_END};
RESULT(facts_list);

static const w4_schema_row facts_show_params[] = {
    RPC_LABEL("fact", R_, FACT_HELP),
    W4_SCHEMA_END};
PARAMS(facts_show);
static const w4_schema_row facts_show_result[] = {
    RPC_OBJECT("fact", R_, &w4_rpc_fact, "with who confirmed, rejected and doubted"),
    W4_SCHEMA_END};
RESULT(facts_show);

static const char *const settle_verdicts[] = {"accepted", "rejected", "none", NULL};
static const w4_schema_row facts_settle_params[] = {
    RPC_LABEL("fact", R_, "id of the fact, or a unique prefix of one (" W4_PREFIX_WORDS ")"),
    RPC_ENUM("verdict", R_, settle_verdicts, "none: takes an earlier order back"),
    RPC_TEXT("reason", O_, 127, "kept with the fact"),
    W4_SCHEMA_END};
PARAMS(facts_settle);
static const w4_schema_row facts_settle_result[] = {
    RPC_OBJECT("fact", R_, &w4_rpc_fact, "as it stands now"),
    W4_SCHEMA_END};
RESULT(facts_settle);

const w4_schema w4_params_facts_why = {facts_show_params, true, NULL};
static const w4_schema_row condition_rows[] = {
    RPC_LABEL("condition", R_, "a part of the rule of acceptance"),
    RPC_BOOL("holds", R_, "as this node sees it now"),
    RPC_TEXT("why", R_, 255, "by what"),
    W4_SCHEMA_END};
static const w4_schema condition = {condition_rows, true, NULL};
static const w4_schema_row condition_item = RPC_ITEM(&condition);
static const w4_schema_row facts_why_result[] = {
    RPC_OBJECT("fact", R_, &w4_rpc_fact, "with who confirmed, rejected and doubted"),
    RPC_TEXT("reason", R_, 1023, "why it stands there, in one sentence"),
    RPC_ARRAY("conditions", R_, 16, &condition_item, "the rule, part by part"),
    W4_SCHEMA_END};
RESULT(facts_why);

/* ---- graph.show */
static const char *const relations[] = {"routes", "trusts", "invokes", NULL};
static const w4_schema_row graph_node_rows[] = {
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_LABEL("name", O_, "its name, for people"),
    RPC_BOOL("self", R_, "this node"),
    RPC_BOOL("connected", R_, "a session has a link now; true for this node"),
    RPC_ENUM("trust", R_, w4_rpc_node_states, "how far this node trusts it"),
    RPC_ARRAY("addresses", R_, 64, &w4_rpc_address_item, "of its record"),
    RPC_COUNT("seq", O_, "of its record"),
    RPC_TIME("issued_at", O_, "of its record"),
    RPC_TEXT("version", O_, 64, "of its program, as it told"),
    W4_SCHEMA_END};
static const w4_schema graph_node = {graph_node_rows, true, NULL};
static const w4_schema_row graph_node_item = RPC_ITEM(&graph_node);
static const w4_schema_row graph_edge_rows[] = {
    RPC_FINGERPRINT("source", R_, "whose record claims it"),
    RPC_FINGERPRINT("target", R_, "where it goes"),
    RPC_ENUM("relation", R_, relations, "what it says"),
    RPC_BOOL("active", R_, "as its source says"),
    RPC_BOOL("mutual", R_, "both ends claim it"),
    RPC_NUMBER("latency_ms", O_, 0, 1e9, "as its source measured"),
    W4_SCHEMA_END};
static const w4_schema graph_edge = {graph_edge_rows, true, NULL};
static const w4_schema_row graph_edge_item = RPC_ITEM(&graph_edge);

NO_PARAMS(graph_show);
static const w4_schema_row graph_show_result[] = {
    RPC_ARRAY("nodes", R_, W4_RPC_LIST_MAX, &graph_node_item, "this node first"),
    RPC_ARRAY("edges", R_, W4_RPC_LIST_MAX, &graph_edge_item, "between them"),
    RPC_ARRAY("agents", R_, W4_RPC_LIST_MAX, &w4_rpc_agent_item, "attached to them"),
    W4_SCHEMA_END};
RESULT(graph_show);

/* ---- events.watch (the same on both sockets) */
static const w4_schema_row events_watch_params[] = {
    RPC_ARRAY("types", O_, 64, &w4_item_name, "names of events; all when absent"),
    RPC_COUNT("since", O_, "also those after this seq that are still at hand; 0: all of them"),
    RPC_BOOL("open", O_, "true: first the session_open of each session that is open now"),
    W4_SCHEMA_END};
PARAMS(events_watch);
static const w4_schema_row events_watch_result[] = {
    RPC_COUNT("seq", R_, "of the last event so far; later ones come as node.event"),
    RPC_COUNT("replayed", R_, "how many node.event of the past follow at once"),
    RPC_COUNT("lost", O_, "asked for by since and no longer at hand"),
    W4_SCHEMA_END};
RESULT(events_watch);

/* ---- config */
static const w4_schema_row path_item = {.kind = W4_SCHEMA_STRING, .min = 1, .max = 4096};
static const w4_schema_row pointer_item = {.kind = W4_SCHEMA_STRING, .min = 0, .max = 255};
NO_PARAMS(config_show);
static const w4_schema_row config_show_result[] = {
    RPC_OBJECT("effective", R_, NULL, "the configuration in force, defaults filled in"),
    RPC_ARRAY("sources", R_, 1024, &path_item, "files it was made of, in their order"),
    RPC_DIGEST("digest", R_, "SHA-256 of its canonical form"),
    W4_SCHEMA_END};
RESULT(config_show);
NO_PARAMS(config_reload);
static const w4_schema_row config_reload_result[] = {
    RPC_ARRAY("changed", R_, 1024, &pointer_item, "JSON Pointers now in force"),
    RPC_ARRAY("needs_restart", R_, 1024, &pointer_item, "JSON Pointers that wait for a restart"),
    RPC_DIGEST("digest", R_, "of the configuration now in force"),
    RPC_DIGEST("previous", R_, "of the one before"),
    W4_SCHEMA_END};
RESULT(config_reload);

/* ---- node.stop */
NO_PARAMS(node_stop);
static const w4_schema_row node_stop_result[] = {
    RPC_BOOL("stopping", R_, "it tells its sessions, then ends"),
    W4_SCHEMA_END};
RESULT(node_stop);
/* clang-format on */

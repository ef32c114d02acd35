#include "rpc/shapes.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/fingerprint.h"
#include "crypto/primitives.h"

/* ---- single values */

const char *w4_rpc_check_fingerprint(w4_json value) {
    w4_fingerprint parsed;
    return w4_json_string_plain(value) && w4_fingerprint_parse(w4_json_string_raw(value), &parsed)
               ? NULL
               : "a fingerprint: 64 lower-case hex digits";
}

const char *w4_rpc_check_digest(w4_json value) {
    return w4_rpc_check_fingerprint(value) == NULL ? NULL : "a SHA-256: 64 lower-case hex digits";
}

const char *w4_rpc_check_time(w4_json value) {
    uint64_t parsed;
    return w4_json_string_plain(value) && w4_timestamp_parse(w4_json_string_raw(value), &parsed)
               ? NULL
               : "a time in UTC as RFC 3339 has it";
}

const char *w4_rpc_check_uuid(w4_json value) {
    return w4_json_string_plain(value) && w4_uuid_v4_valid(w4_json_string_raw(value))
               ? NULL
               : "a UUID of version 4 in lower case";
}

/* In canonical text a control character is either escaped (C0) or stands raw: DEL, and C1 as
 * 0xC2 0x80..0x9F. */
const char *w4_rpc_check_label(w4_json value) {
    static const char expected[] = "a string without control characters";
    w4_bytes raw = w4_json_string_raw(value);
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (c == 0x7F || (c == 0xC2 && i + 1 < raw.len && raw.data[i + 1] < 0xA0)) {
            return expected;
        }
        if (c != '\\') {
            continue;
        }
        i++;
        if (i >= raw.len || (raw.data[i] != '\\' && raw.data[i] != '"')) {
            return expected;
        }
    }
    return NULL;
}

const char *w4_rpc_check_printable(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    bool good = w4_json_string_plain(value);
    for (size_t i = 0; good && i < raw.len; i++) {
        good = raw.data[i] > 0x20 && raw.data[i] < 0x7F;
    }
    return good ? NULL : "printable ASCII without spaces";
}

const char *w4_rpc_check_pubkey(w4_json value) {
    uint8_t key[W4_PUBKEY_LEN];
    return w4_json_string_plain(value) &&
                   w4_base64_parse(w4_json_string_raw(value), key, sizeof key)
               ? NULL
               : "a public key: 32 bytes in base64";
}

const char *w4_rpc_check_key(w4_json value) {
    return w4_json_string_equal(value, "hosted") || w4_rpc_check_pubkey(value) == NULL
               ? NULL
               : "\"hosted\", or a public key: 32 bytes in base64";
}

/* ---- words */

/* clang-format off */
const char *const w4_rpc_agent_states[] = {"untrusted", "probing", "trusted", "blacklisted", NULL};
const char *const w4_rpc_node_states[] = {"unknown", "probing", "trusted", "blocked", NULL};
const char *const w4_rpc_trust_states[] = {"untrusted", "unknown", "probing", "trusted",
                                           "blacklisted", "blocked", "restricted", NULL};
const char *const w4_rpc_trust_kinds[] = {"agent", "node", "human", NULL};
const char *const w4_rpc_fact_states[] = {"pending", "accepted", "disputed", "rejected", "refuted",
                                          NULL};
const char *const w4_rpc_channels[] = {"control", "state", "knowledge", NULL};
const char *const w4_rpc_presences[] = {"focused", "diffuse", "overloaded", "engaged", NULL};
static const char *const roles[] = {"initiator", "responder", NULL};
static const char *const session_states[] = {"open", "waiting", "closing", NULL};
static const char *const severities[] = {"error", "warning", "info", "debug", NULL};
static const char *const challenge_reasons[] = {"conflict", "insufficient_evidence",
                                                "cannot_verify", NULL};
static const char *const challenge_severities[] = {"low", "medium", "high", NULL};

/* ---- elements */

const w4_schema_row w4_rpc_label_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_RPC_NAME_MAX, .check = w4_rpc_check_label};
const w4_schema_row w4_rpc_address_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_RPC_NAME_MAX, .check = w4_rpc_check_printable};
const w4_schema_row w4_rpc_agent_item = W4_ITEM_OBJECT(&w4_rpc_agent);
const w4_schema_row w4_rpc_fact_item = W4_ITEM_OBJECT(&w4_rpc_fact);
const w4_schema_row w4_rpc_count_item = {
    .kind = W4_SCHEMA_INTEGER, .min = 0, .max = W4_RPC_INTEGER_MAX};
static const w4_schema_row uuid_item = {
    .kind = W4_SCHEMA_STRING, .min = 36, .max = 36, .check = w4_rpc_check_uuid};
static const w4_schema_row any_item = {.kind = W4_SCHEMA_ANY};

/* ---- objects */

static const w4_schema_row nothing_rows[] = {W4_SCHEMA_END};
const w4_schema w4_rpc_nothing = {nothing_rows, true, NULL};

static const w4_schema_row agent_rows[] = {
    W4_ROW_LABEL("agent_id", R_, "its name, for people"),
    W4_ROW_FINGERPRINT("fingerprint", R_, "its identity"),
    W4_ROW_FINGERPRINT("node", R_, "the node it is attached to"),
    W4_ROW_LABEL("node_name", O_, "that node's name, for people"),
    W4_ROW_BOOL("local", R_, "it belongs to this node"),
    W4_ROW_BOOL("attached", R_, "its program is connected now"),
    W4_ROW_BOOL("hosted", O_, "this node holds its key"),
    W4_ROW_ARRAY("capabilities", R_, 256, &w4_rpc_label_item, "what it says it can do"),
    W4_ROW_ENUM("trust", R_, w4_rpc_agent_states, "how far this node trusts it"),
    W4_ROW_ENUM("presence", O_, w4_rpc_presences, "as it last told"),
    W4_ROW_INTEGER("lri", O_, 0, 100, "its load, as it last told"),
    W4_ROW_TIME("attached_at", O_, "since when its program is connected"),
    W4_ROW_COUNT("waiting", O_, "messages kept for it"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_agent = {agent_rows, true, NULL};

static const w4_schema_row proposer_rows[] = {
    W4_ROW_LABEL("agent_id", R_, "its name, for people"),
    W4_ROW_FINGERPRINT("fingerprint", R_, "its identity"),
    W4_ROW_ENUM("trust", R_, w4_rpc_agent_states, "how far it was trusted when it proposed"),
    W4_SCHEMA_END};
static const w4_schema proposer = {proposer_rows, true, NULL};

#define VOICE_ROWS \
    W4_ROW_LABEL("agent_id", R_, "its name, for people"), \
    W4_ROW_FINGERPRINT("fingerprint", R_, "its identity"), \
    W4_ROW_ENUM("trust", R_, w4_rpc_agent_states, "how far it was trusted when it spoke"), \
    W4_ROW_TIME("at", R_, "when its envelope was taken"), \
    W4_ROW_FINGERPRINT("node", O_, "the node it spoke from"), \
    W4_ROW_UUID("msg_id", O_, "its envelope"), \
    W4_ROW_NUMBER("confidence", O_, 0, 1, "as it said"), \
    W4_ROW_TEXT("notes", O_, W4_RPC_TEXT_MAX, "as it said"), \
    W4_ROW_BOOL("counted", R_, "it counts towards the outcome"), \
    W4_ROW_TEXT("why", O_, 255, "why it does not count")

static const w4_schema_row voice_rows[] = {VOICE_ROWS, W4_SCHEMA_END};
static const w4_schema voice = {voice_rows, true, NULL};
static const w4_schema_row voice_item = W4_ITEM_OBJECT(&voice);

static const w4_schema_row challenge_rows[] = {
    VOICE_ROWS,
    W4_ROW_ENUM("reason", R_, challenge_reasons, "why it doubts"),
    W4_ROW_ENUM("severity", O_, challenge_severities, "how much it doubts"),
    W4_ROW_BOOL("open", R_, "neither withdrawn nor overruled"),
    W4_SCHEMA_END};
static const w4_schema challenge = {challenge_rows, true, NULL};
static const w4_schema_row challenge_item = W4_ITEM_OBJECT(&challenge);

static const w4_schema_row fact_rows[] = {
    W4_ROW_UUID("id", R_, "msg_id of the proposal; what fact_ref names"),
    W4_ROW_ENUM("state", R_, w4_rpc_fact_states, "as this node sees it"),
    W4_ROW_TEXT("statement", R_, W4_RPC_TEXT_MAX, "what is held to be true"),
    W4_ROW_TEXT("domain", R_, W4_RPC_TEXT_MAX, "what it is about"),
    W4_ROW_NUMBER("confidence", R_, 0, 1, "the proposer's"),
    W4_ROW_ARRAY("sources", O_, 1024, &any_item, "the proposer's"),
    W4_ROW_ANY("context", O_, "the proposer's"),
    W4_ROW_TEXT("decision_id", O_, W4_RPC_TEXT_MAX, "of its dmp_trace"),
    W4_ROW_ARRAY("causal_links", O_, 1024, &uuid_item, "what it follows from"),
    W4_ROW_BOOL("unsupported", O_, "something it follows from was refuted"),
    W4_ROW_OBJECT("proposer", R_, &proposer, "who proposed it"),
    W4_ROW_TIME("proposed_at", R_, "time stamp of the proposal"),
    W4_ROW_TIME("updated_at", R_, "when its state or its voices last changed here"),
    W4_ROW_FINGERPRINT("node", R_, "the proposer's node"),
    W4_ROW_ARRAY("confirmations", R_, W4_RPC_LIST_MAX, &voice_item, "who confirmed"),
    W4_ROW_ARRAY("rejections", R_, W4_RPC_LIST_MAX, &voice_item, "who rejected"),
    W4_ROW_ARRAY("challenges", R_, W4_RPC_LIST_MAX, &challenge_item, "who doubted"),
    W4_ROW_COUNT("needed", R_, "counted confirmations that acceptance asks for"),
    W4_ROW_TEXT("missing", R_, 255, "what acceptance still waits for; empty when nothing"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_fact = {fact_rows, true, NULL};

static const w4_schema_row peer_rows[] = {
    W4_ROW_FINGERPRINT("fingerprint", R_, "its identity"),
    W4_ROW_LABEL("name", O_, "as it calls itself"),
    W4_ROW_ENUM("trust", R_, w4_rpc_node_states, "how far this node trusts it"),
    W4_ROW_BOOL("connected", R_, "a session has a link now"),
    W4_ROW_TEXT("session", O_, 64, "id of its session"),
    W4_ROW_ARRAY("addresses", R_, 64, &w4_rpc_address_item, "the most promising first"),
    W4_ROW_ARRAY("sources", O_, 16, &w4_rpc_label_item,
                 "how it became known: seed, beacon, record, operator, store, incoming"),
    W4_ROW_TEXT("version", O_, 64, "of its program, as it told"),
    W4_ROW_TIME("first_seen", O_, "when it first proved its identity"),
    W4_ROW_TIME("last_seen", O_, "when it was last heard"),
    W4_ROW_COUNT("failures", O_, "dials that failed in a row"),
    W4_ROW_TIME("next_dial", O_, "when it is dialled again"),
    W4_ROW_TEXT("last_error", O_, 255, "why the last dial failed"),
    W4_ROW_ARRAY("agents", O_, W4_RPC_LIST_MAX, &w4_rpc_agent_item, "attached to it"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_peer = {peer_rows, true, NULL};

static const w4_schema_row channel_rows[] = {
    W4_ROW_ENUM("channel", R_, w4_rpc_channels, "its kind"),
    W4_ROW_COUNT("attempted", R_, "calls of send"),
    W4_ROW_COUNT("enqueued", R_, "accepted"),
    W4_ROW_COUNT("delivered", R_, "acknowledged by the peer"),
    W4_ROW_COUNT("dropped_oldest", R_, "taken out to make room"),
    W4_ROW_COUNT("dropped_newest", R_, "not taken for want of room"),
    W4_ROW_COUNT("dropped", R_, "the sum of both"),
    W4_ROW_COUNT("blocked", R_, "times a producer had to wait"),
    W4_ROW_COUNT("errors", R_, "refused at once"),
    W4_ROW_COUNT("overflow_events", R_, "times the queue was found full"),
    W4_ROW_COUNT("failed", R_, "accepted, then ended with a code"),
    W4_ROW_COUNT("queued", R_, "waiting now"),
    W4_ROW_COUNT("in_flight", R_, "sent and not yet acknowledged"),
    W4_ROW_COUNT("queued_bytes", R_, "bytes of both"),
    W4_ROW_COUNT("max_queue_len", R_, "longest so far"),
    W4_ROW_COUNT("retransmitted", R_, "sent again"),
    W4_ROW_COUNT("duplicates", R_, "received again"),
    W4_ROW_COUNT("messages_in", R_, "received"),
    W4_ROW_COUNT("bytes_out", R_, "of messages sent"),
    W4_ROW_COUNT("bytes_in", R_, "of messages received"),
    W4_ROW_COUNT("latency_p50_us", O_, "from enqueue to acknowledgement"),
    W4_ROW_COUNT("latency_p95_us", O_, "from enqueue to acknowledgement"),
    W4_ROW_COUNT("latency_p99_us", O_, "from enqueue to acknowledgement"),
    W4_ROW_COUNT("latency_max_us", O_, "from enqueue to acknowledgement"),
    W4_SCHEMA_END};
static const w4_schema channel = {channel_rows, true, NULL};
static const w4_schema_row channel_item = W4_ITEM_OBJECT(&channel);

static const w4_schema_row session_rows[] = {
    W4_ROW_TEXT("id", R_, 64, "lower-case hex"),
    W4_ROW_FINGERPRINT("peer", R_, "the identity at the other end"),
    W4_ROW_LABEL("name", O_, "as the peer calls itself"),
    W4_ROW_ENUM("state", R_, session_states,
                "open: has a link; waiting: for another link; closing"),
    W4_ROW_ENUM("role", R_, roles, "of this node in the last handshake"),
    W4_ROW_LABEL("transport", R_, "tcp, unix, ..."),
    W4_ROW_ADDRESS("address", O_, "of the other end"),
    W4_ROW_TIME("opened_at", R_, "when the session began"),
    W4_ROW_TIME("last_heard", O_, "when the last good record came"),
    W4_ROW_COUNT("reconnects", R_, "links after the first"),
    W4_ROW_COUNT("rtt_us", O_, "smoothed round-trip time"),
    W4_ROW_COUNT("records_out", R_, "sent"),
    W4_ROW_COUNT("records_in", R_, "received"),
    W4_ROW_COUNT("bytes_out", R_, "of records sent"),
    W4_ROW_COUNT("bytes_in", R_, "of records received"),
    W4_ROW_COUNT("verification_failures", R_, "records that did not authenticate"),
    W4_ROW_COUNT("replays", R_, "records seen before"),
    W4_ROW_COUNT("rekeys", R_, "changes of keys"),
    W4_ROW_COUNT("memory_bytes", O_, "held for it"),
    W4_ROW_ARRAY("channels", R_, 64, &channel_item, "one each kind"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_session = {session_rows, true, NULL};

static const w4_schema_row trust_entry_rows[] = {
    W4_ROW_ENUM("kind", R_, w4_rpc_trust_kinds, "which machine it moves in"),
    W4_ROW_FINGERPRINT("subject", R_, "who"),
    W4_ROW_LABEL("name", O_, "agent_id or node name, where one is known"),
    W4_ROW_ENUM("state", R_, w4_rpc_trust_states, "the word of its kind"),
    W4_ROW_TIME("since", O_, "when it came to that state; absent: never moved"),
    W4_ROW_TIME("cooldown_until", O_, "no handshake counts before"),
    W4_ROW_BOOL("anchor", O_, "named in the configuration"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_trust_entry = {trust_entry_rows, true, NULL};

static const w4_schema_row trust_move_rows[] = {
    W4_ROW_TIME("at", R_, "when"),
    W4_ROW_ENUM("from", R_, w4_rpc_trust_states, "the word of its kind"),
    W4_ROW_ENUM("to", R_, w4_rpc_trust_states, "the word of its kind"),
    W4_ROW_BOOL("by_hand", R_, "set by an operator or an anchor, not by an event"),
    W4_ROW_LABEL("event", O_, "what happened; absent when set by hand"),
    W4_ROW_TEXT("actor", R_, 255, "operator, anchor, node, or the fingerprint that caused it"),
    W4_ROW_TEXT("reason", R_, 255, "why"),
    W4_ROW_UUID("evidence", O_, "msg_id of the envelope that caused it"),
    W4_ROW_TIME("cooldown_until", O_, "no handshake counts before"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_trust_move = {trust_move_rows, true, NULL};

static const w4_schema_row event_rows[] = {
    W4_ROW_INTEGER("v", R_, 1, 1, "version of this form"),
    W4_ROW_COUNT("seq", R_, "one more for each event of this node's run"),
    W4_ROW_TIME("time", R_, "when"),
    W4_ROW_FINGERPRINT("node", R_, "this node"),
    W4_ROW_LABEL("event", R_, "what happened: one of web4-rpc(7)"),
    W4_ROW_ENUM("severity", R_, severities, "how much it matters"),
    W4_ROW_LABEL("transport", O_, "tcp, unix, ..."),
    W4_ROW_FINGERPRINT("peer", O_, "the node at the other end"),
    W4_ROW_TEXT("session", O_, 64, "id of the session"),
    W4_ROW_ENUM("channel", O_, w4_rpc_channels, "the channel"),
    W4_ROW_TEXT("trace", O_, 64, "of the message on its way"),
    W4_ROW_OBJECT("data", R_, NULL, "members of that event"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_event = {event_rows, true, NULL};
/* clang-format on */

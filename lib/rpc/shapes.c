#include "rpc/shapes.h"

/* ---- single values */

const char *w4_rpc_check_digest(w4_json value) {
    return w4_check_fingerprint(value) == NULL ? NULL : "a SHA-256: 64 lower-case hex digits";
}

const char *w4_rpc_check_base64(w4_json value) {
    static const char wanted[] = "base64 with its padding";
    w4_bytes text = w4_json_string_raw(value);
    if (!w4_json_string_plain(value) || text.len % 4 != 0) {
        return wanted;
    }
    size_t end = text.len;
    while (end > 0 && text.len - end < 2 && text.data[end - 1] == '=') {
        end--;
    }
    for (size_t i = 0; i < end; i++) {
        uint8_t c = text.data[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '+' || c == '/';
        if (!good) {
            return wanted;
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

const char *w4_rpc_check_key(w4_json value) {
    return w4_json_string_equal(value, "hosted") || w4_check_pubkey(value) == NULL
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
static const char *const roles[] = {"initiator", "responder", NULL};
static const char *const session_states[] = {"open", "waiting", "closing", NULL};
static const char *const severities[] = {"error", "warning", "info", "debug", NULL};
static const char *const challenge_reasons[] = {"conflict", "insufficient_evidence",
                                                "cannot_verify", NULL};

/* ---- elements */

const w4_schema_row w4_rpc_address_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_RPC_NAME_MAX, .check = w4_rpc_check_printable};
const w4_schema_row w4_rpc_agent_item = RPC_ITEM(&w4_rpc_agent);
const w4_schema_row w4_rpc_fact_item = RPC_ITEM(&w4_rpc_fact);
const w4_schema_row w4_rpc_count_item = {
    .kind = W4_SCHEMA_INTEGER, .min = 0, .max = W4_RPC_INTEGER_MAX};
static const w4_schema_row any_item = {.kind = W4_SCHEMA_ANY};

/* ---- objects */

static const w4_schema_row nothing_rows[] = {W4_SCHEMA_END};
const w4_schema w4_rpc_nothing = {nothing_rows, true, NULL};

static const w4_schema_row agent_rows[] = {
    RPC_LABEL("agent_id", R_, "its name, for people"),
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_FINGERPRINT("node", R_, "the node it is attached to"),
    RPC_LABEL("node_name", O_, "that node's name, for people"),
    RPC_BOOL("local", R_, "it belongs to this node"),
    RPC_BOOL("attached", R_, "its program is connected now"),
    RPC_BOOL("hosted", O_, "this node holds its key"),
    RPC_ARRAY("capabilities", R_, 256, &w4_item_name, "what it says it can do"),
    RPC_ENUM("trust", R_, w4_rpc_agent_states, "how far this node trusts it"),
    RPC_ENUM("presence", O_, w4_names_presence, "as it last told"),
    RPC_INTEGER("lri", O_, 0, 100, "its load, as it last told"),
    RPC_TIME("attached_at", O_, "since when its program is connected"),
    RPC_COUNT("waiting", O_, "messages kept for it"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_agent = {agent_rows, true, NULL};

static const w4_schema_row proposer_rows[] = {
    RPC_LABEL("agent_id", R_, "its name, for people"),
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_ENUM("trust", R_, w4_rpc_agent_states, "how far it was trusted when it proposed"),
    W4_SCHEMA_END};
static const w4_schema proposer = {proposer_rows, true, NULL};

#define VOICE_ROWS \
    RPC_LABEL("agent_id", R_, "its name, for people"), \
    RPC_FINGERPRINT("fingerprint", R_, "its identity"), \
    RPC_ENUM("trust", R_, w4_rpc_agent_states, "how far it was trusted when it spoke"), \
    RPC_TIME("at", R_, "when its envelope was taken"), \
    RPC_FINGERPRINT("node", O_, "the node it spoke from"), \
    RPC_UUID("msg_id", O_, "its envelope"), \
    RPC_NUMBER("confidence", O_, 0, 1, "as it said"), \
    RPC_TEXT("notes", O_, W4_RPC_TEXT_MAX, "as it said"), \
    RPC_BOOL("counted", R_, "it counts towards the outcome"), \
    RPC_BOOL("bound", O_, "it named the digest of what it is about"), \
    RPC_TEXT("why", O_, 255, "why it does not count")

static const w4_schema_row voice_rows[] = {VOICE_ROWS, W4_SCHEMA_END};
static const w4_schema voice = {voice_rows, true, NULL};
const w4_schema_row w4_rpc_voice_item = RPC_ITEM(&voice);

static const w4_schema_row challenge_rows[] = {
    VOICE_ROWS,
    RPC_ENUM("reason", R_, challenge_reasons, "why it doubts"),
    RPC_ENUM("severity", O_, w4_names_severity, "how much it doubts"),
    RPC_BOOL("open", R_, "neither withdrawn nor overruled"),
    W4_SCHEMA_END};
static const w4_schema challenge = {challenge_rows, true, NULL};
const w4_schema_row w4_rpc_challenge_item = RPC_ITEM(&challenge);

static const char *const verdicts[] = {"accepted", "rejected", NULL};
static const w4_schema_row settled_rows[] = {
    RPC_ENUM("verdict", R_, verdicts, "accepted: what was said against it before does not count"),
    RPC_TEXT("by", R_, 63, "who gave the order"),
    RPC_TEXT("reason", R_, 127, "as given"),
    RPC_TIME("at", R_, "when"),
    W4_SCHEMA_END};
static const w4_schema settled = {settled_rows, true, NULL};

static const w4_schema_row fact_rows[] = {
    RPC_UUID("id", R_, "msg_id of the proposal; what fact_ref names"),
    RPC_ENUM("state", R_, w4_rpc_fact_states, "as this node sees it"),
    RPC_TEXT("statement", R_, W4_RPC_TEXT_MAX, "what is held to be true"),
    RPC_TEXT("domain", R_, W4_RPC_TEXT_MAX, "what it is about"),
    RPC_NUMBER("confidence", R_, 0, 1, "the proposer's"),
    RPC_ARRAY("sources", O_, 1024, &any_item, "the proposer's"),
    RPC_ANY("context", O_, "the proposer's"),
    RPC_TEXT("decision_id", O_, W4_RPC_TEXT_MAX, "of its dmp_trace"),
    RPC_ARRAY("causal_links", O_, 1024, &w4_item_uuid, "what it follows from"),
    RPC_BOOL("unsupported", O_, "something it follows from, over any number of steps, was rejected or refuted"),
    RPC_OBJECT("settled", O_, &settled, "an operator's order about it, on this node"),
    RPC_FINGERPRINT("digest", O_, "SHA-256 of its proposal without sign; what fact_digest names"),
    RPC_OBJECT("proposer", R_, &proposer, "who proposed it"),
    RPC_TIME("proposed_at", R_, "time stamp of the proposal"),
    RPC_TIME("updated_at", R_, "when its state or its voices last changed here"),
    RPC_FINGERPRINT("node", O_, "the proposer's node, where it is known here"),
    RPC_ARRAY("confirmations", R_, W4_RPC_LIST_MAX, &w4_rpc_voice_item, "who confirmed"),
    RPC_ARRAY("rejections", R_, W4_RPC_LIST_MAX, &w4_rpc_voice_item, "who rejected"),
    RPC_ARRAY("challenges", R_, W4_RPC_LIST_MAX, &w4_rpc_challenge_item, "who doubted"),
    RPC_COUNT("needed", R_, "counted confirmations that acceptance asks for"),
    RPC_TEXT("missing", R_, 255, "what acceptance still waits for; empty when nothing"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_fact = {fact_rows, true, NULL};

static const w4_schema_row peer_rows[] = {
    RPC_FINGERPRINT("fingerprint", R_, "its identity"),
    RPC_LABEL("name", O_, "as it calls itself"),
    RPC_ENUM("trust", R_, w4_rpc_node_states, "how far this node trusts it"),
    RPC_BOOL("connected", R_, "a session has a link now"),
    RPC_TEXT("session", O_, 64, "id of its session"),
    RPC_ARRAY("addresses", R_, 64, &w4_rpc_address_item, "the most promising first"),
    RPC_ARRAY("sources", O_, 16, &w4_item_name,
                 "how it became known: seed, beacon, record, operator, store, incoming"),
    RPC_TEXT("version", O_, 64, "of its program, as it told"),
    RPC_TIME("last_seen", O_, "when it was last heard"),
    RPC_COUNT("failures", O_, "dials that failed in a row"),
    RPC_TIME("next_dial", O_, "when it is dialled again"),
    RPC_TEXT("last_error", O_, 255, "why the last dial failed"),
    RPC_ARRAY("agents", O_, W4_RPC_LIST_MAX, &w4_rpc_agent_item, "attached to it"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_peer = {peer_rows, true, NULL};

static const w4_schema_row contract_rows[] = {
    RPC_COUNT("window_ms", R_, "over how long it is measured"),
    RPC_COUNT("p99_ms", O_, "99 of 100 messages are acknowledged within that"),
    RPC_NUMBER("max_drop_rate", O_, 0, 1, "share of messages that may not get through"),
    RPC_NUMBER("min_availability", O_, 0, 1, "share of time with a link"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_contract = {contract_rows, true, NULL};

static const char *const overflows[] = {"error", "drop_oldest", "drop_newest", "block", NULL};
static const char *const channel_states[] = {"opening", "open", "closing", NULL};

static const w4_schema_row channel_rows[] = {
    RPC_FINGERPRINT("peer", O_, "with whom it is; in channels.list"),
    RPC_LABEL("name", O_, "as the peer calls itself; in channels.list"),
    RPC_TEXT("session", O_, 64, "id of its session; in channels.list"),
    RPC_ENUM("channel", R_, w4_rpc_channels, "its kind"),
    RPC_COUNT("id", R_, "its number on the wire; 1 to 3 are always open"),
    RPC_ENUM("state", R_, channel_states, "opening: the peer has not taken it yet"),
    RPC_ENUM("overflow", R_, overflows, "what becomes of a message for a full queue"),
    RPC_COUNT("queue_messages", R_, "that it may hold, queued and in flight"),
    RPC_COUNT("queue_bytes", R_, "that it may hold, queued and in flight"),
    RPC_COUNT("block_timeout_ms", O_, "block: how long a message waits for room"),
    RPC_COUNT("credit", R_, "messages that may be begun before the peer allows more"),
    RPC_COUNT("credit_given", R_, "messages that the peer may send before we allow more"),
    RPC_OBJECT("contract", O_, &w4_rpc_contract, "what we promise for what we send"),
    RPC_OBJECT("peer_contract", O_, &w4_rpc_contract, "what the peer promises"),
    RPC_COUNT("attempted", R_, "calls of send"),
    RPC_COUNT("enqueued", R_, "accepted"),
    RPC_COUNT("delivered", R_, "acknowledged by the peer"),
    RPC_COUNT("dropped_oldest", R_, "taken out to make room"),
    RPC_COUNT("dropped_newest", R_, "not taken for want of room"),
    RPC_COUNT("dropped", R_, "the sum of both"),
    RPC_COUNT("blocked", R_, "times a producer had to wait"),
    RPC_COUNT("errors", R_, "refused at once"),
    RPC_COUNT("overflow_events", R_, "times the queue was found full"),
    RPC_COUNT("failed", R_, "accepted, then ended with a code"),
    RPC_COUNT("queued", R_, "waiting now"),
    RPC_COUNT("in_flight", R_, "sent and not yet acknowledged"),
    RPC_COUNT("queued_bytes", R_, "bytes of both"),
    RPC_COUNT("waiting", R_, "block: for room in the queue"),
    RPC_COUNT("waiting_bytes", R_, "bytes of those"),
    RPC_COUNT("max_queue_len", R_, "longest so far"),
    RPC_COUNT("retransmitted", R_, "sent again"),
    RPC_COUNT("duplicates", R_, "received again"),
    RPC_COUNT("messages_in", R_, "received"),
    RPC_COUNT("bytes_out", R_, "of messages sent"),
    RPC_COUNT("bytes_in", R_, "of messages received"),
    RPC_COUNT("latency_p50_us", O_, "from enqueue to acknowledgement"),
    RPC_COUNT("latency_p95_us", O_, "from enqueue to acknowledgement"),
    RPC_COUNT("latency_p99_us", O_, "from enqueue to acknowledgement"),
    RPC_COUNT("latency_max_us", O_, "from enqueue to acknowledgement"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_channel = {channel_rows, true, NULL};
static const w4_schema_row channel_item = RPC_ITEM(&w4_rpc_channel);

static const w4_schema_row session_rows[] = {
    RPC_TEXT("id", R_, 64, "lower-case hex"),
    RPC_FINGERPRINT("peer", R_, "the identity at the other end"),
    RPC_LABEL("name", O_, "as the peer calls itself"),
    RPC_ENUM("state", R_, session_states,
                "open: has a link; waiting: for another link; closing"),
    RPC_ENUM("role", R_, roles, "of this node in the last handshake"),
    RPC_LABEL("transport", R_, "tcp, unix, ..."),
    RPC_ADDRESS("address", O_, "of the other end"),
    RPC_TIME("opened_at", R_, "when it was last opened, the first time or over another link"),
    RPC_TIME("last_heard", O_, "when the last good record came"),
    RPC_COUNT("reconnects", R_, "how often it was open again"),
    RPC_COUNT("rtt_us", O_, "smoothed round-trip time of heartbeats"),
    RPC_COUNT("records_out", R_, "sent"),
    RPC_COUNT("records_in", R_, "received"),
    RPC_COUNT("bytes_out", R_, "of records sent"),
    RPC_COUNT("bytes_in", R_, "of records received"),
    RPC_COUNT("verification_failures", R_, "records that did not authenticate"),
    RPC_NUMBER("drop_rate", R_, 0, 1, "share of the messages sent in it that did not get through"),
    RPC_COUNT("replays", R_, "records seen before"),
    RPC_COUNT("rekeys", R_, "changes of our key"),
    RPC_COUNT("rekeys_in", R_, "changes of the peer's key"),
    RPC_COUNT("memory_bytes", O_, "held for it"),
    RPC_ARRAY("channels", R_, 64, &channel_item, "one of each kind, and those that were opened besides"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_session = {session_rows, true, NULL};

const char *const w4_rpc_key_kinds[] = {"agent", "node", NULL};
static const char *const key_standings[] = {"current", "replaced", "revoked", NULL};
static const char *const key_authorities[] = {"itself", "successor", "anchor", "operator", NULL};
static const w4_schema_row hearsay_rows[] = {
    RPC_FINGERPRINT("signer", R_, "the node that signed it"),
    RPC_TIME("made_at", R_, "when that was"),
    RPC_TEXT("reason", R_, 255, "why it should be revoked"),
    W4_SCHEMA_END};
static const w4_schema hearsay = {hearsay_rows, true, NULL};
static const w4_schema_row key_rows[] = {
    RPC_FINGERPRINT("fingerprint", R_, "the key"),
    RPC_LABEL("name", O_, "agent_id or node name, where one is known"),
    RPC_ENUM("kind", R_, w4_rpc_key_kinds, "whose key it is"),
    RPC_ENUM("standing", R_, key_standings, "revoked, else replaced by a successor, else current"),
    RPC_FINGERPRINT("predecessor", O_, "the key whose place it took"),
    RPC_TIME("succeeded_at", O_, "when it did"),
    RPC_FINGERPRINT("successor", O_, "the key that took its place"),
    RPC_TIME("replaced_at", O_, "when it did; what the key signed later is refused"),
    RPC_FINGERPRINT("rival", O_, "the key of another succession that it signed, which does not stand"),
    RPC_ENUM("by", O_, key_authorities, "on whose word it is revoked; operator: of this node"),
    RPC_FINGERPRINT("signer", O_, "the key that signed the revocation"),
    RPC_TIME("revoked_at", O_, "when that was signed"),
    RPC_TEXT("reason", O_, 255, "why it is revoked"),
    RPC_OBJECT("hearsay", O_, &hearsay, "a revocation that is kept and does not count here, of one that is not revoked"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_key = {key_rows, true, NULL};
static const w4_schema_row rpc_key_item = RPC_ITEM(&w4_rpc_key);

static const char *const trust_ranks[] = {"stranger", "marked", "outcast", "known", "ordered", NULL};
static const w4_schema_row trust_entry_rows[] = {
    RPC_ENUM("kind", R_, w4_rpc_trust_kinds, "which machine it moves in"),
    RPC_FINGERPRINT("subject", R_, "who"),
    RPC_LABEL("name", O_, "agent_id or node name, the last that is known"),
    RPC_ENUM("state", R_, w4_rpc_trust_states, "the word of its kind"),
    RPC_TIME("since", O_, "when it came to that state; absent: never moved"),
    RPC_ENUM("rank", O_, trust_ranks, "how soon it is forgotten for others, see web4-trust(7); absent: never met"),
    RPC_TIME("cooldown_until", O_, "no handshake counts before"),
    RPC_COUNT("counted", O_, "facts of it that could not be verified, since it came to that state"),
    RPC_FINGERPRINT("introducer", O_, "the node through which it became known"),
    RPC_BOOL("anchor", O_, "named in the configuration"),
    RPC_ENUM("standing", O_, key_standings, "of the key that _subject_ is; absent: nothing was said about it"),
    RPC_COUNT("former_keys", O_, "keys whose place it took"),
    RPC_ARRAY("keys", O_, 32, &rpc_key_item, "of its identity, the first one first; absent: nothing was said about its key"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_trust_entry = {trust_entry_rows, true, NULL};

static const char *const causes[] = {"event", "count", "hand", "reset", "sum", "succession", NULL};
static const w4_schema_row trust_move_rows[] = {
    RPC_TIME("at", R_, "when"),
    RPC_ENUM("from", R_, w4_rpc_trust_states, "the word of its kind"),
    RPC_ENUM("to", R_, w4_rpc_trust_states, "the word of its kind"),
    RPC_ENUM("cause", R_, causes, "an event that moved it or only counts yet, an order, older moves summed up, or a succession of its key"),
    RPC_BOOL("by_hand", R_, "ordered by an operator or an anchor (cause hand or reset)"),
    RPC_LABEL("event", O_, "what happened (cause event or count)"),
    RPC_TEXT("actor", R_, 255, "operator, anchor, node, or the fingerprint that caused it"),
    RPC_LABEL("actor_name", O_, "the name of that fingerprint's owner, where one is known"),
    RPC_TEXT("reason", R_, 255, "why"),
    RPC_UUID("evidence", O_, "msg_id of the envelope that caused it"),
    RPC_TIME("cooldown_until", O_, "no handshake counts before"),
    RPC_COUNT("counted", O_, "the how many-th event of its kind in that state (cause count)"),
    RPC_FINGERPRINT("introducer", O_, "the node that introduced it"),
    RPC_COUNT("summed", O_, "how many moves (cause sum)"),
    RPC_TIME("first_at", O_, "when the first of them was (cause sum)"),
    RPC_BOOL("summed_order", O_, "an order is among them (cause sum), or was about the new key (cause succession)"),
    RPC_BOOL("summed_trust", O_, "it was trusted in between (cause sum)"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_trust_move = {trust_move_rows, true, NULL};

static const w4_schema_row event_rows[] = {
    RPC_INTEGER("v", R_, 1, 1, "version of this form"),
    RPC_COUNT("seq", R_, "one more for each event of this node's run"),
    RPC_TIME("time", R_, "when"),
    RPC_FINGERPRINT("node", R_, "this node"),
    RPC_LABEL("event", R_, "what happened: one of web4-rpc(7)"),
    RPC_ENUM("severity", R_, severities, "how much it matters"),
    RPC_LABEL("transport", O_, "tcp, unix, ..."),
    RPC_FINGERPRINT("peer", O_, "the node at the other end"),
    RPC_TEXT("session", O_, 64, "id of the session"),
    RPC_ENUM("channel", O_, w4_rpc_channels, "the channel"),
    RPC_TEXT("trace", O_, 64, "of the message on its way"),
    RPC_OBJECT("data", R_, NULL, "members of that event"),
    W4_SCHEMA_END};
const w4_schema w4_rpc_event = {event_rows, true, NULL};
/* clang-format on */

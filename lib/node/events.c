#include "node/events.h"

#include "base/clock.h"
#include "crypto/primitives.h"
#include "session/handshake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct event_row {
    const char *name;
    bool agents; /* may know */
    const char *members;
    const char *help;
} event_row;

// clang-format off
static const event_row event_rows[W4_EVENT_COUNT] = {
    [W4_EVENT_TRANSPORT_CONNECT]    = {"transport_connect",    false, "address, dialled",                                 "A link to another node is up; nobody is authenticated yet."},
    [W4_EVENT_TRANSPORT_DISCONNECT] = {"transport_disconnect", false, "address, reason",                                  "A link has ended."},
    [W4_EVENT_TRANSPORT_ERROR]      = {"transport_error",      false, "address, code, text",                              "A link ended before its session: no route, no handshake, refused."},
    [W4_EVENT_SESSION_OPEN]         = {"session_open",         true,  "name, address, reason, reconnects",                "A session is open over a link: it began (reason opened), or goes on (resumed)."},
    [W4_EVENT_SESSION_CLOSE]        = {"session_close",        true,  "reason, text, reconnects",                         "A session that was open is so no more: heartbeat_timeout, manual, disconnected, replaced, or a code."},
    [W4_EVENT_SESSION_RESUMED]      = {"session_resumed",      true,  "name, address, reason, reconnects",                "A session goes on over a new link; nothing was lost or repeated. session_open comes before it."},
    [W4_EVENT_SESSION_ENDED]        = {"session_ended",        true,  "code, text, by_peer",                              "A session ended for good; what waited in it has failed."},
    [W4_EVENT_HEARTBEAT_TIMEOUT]    = {"heartbeat_timeout",    true,  "silent_ms, reason, reconnects",                    "A peer was silent for too long, or sent but answered no heartbeat (unread); its link is given up."},
    [W4_EVENT_REKEYED]              = {"rekeyed",              false, "direction, rekeys",                                "The records of a session are under a new key: ours (out), or the peer's (in)."},
    [W4_EVENT_OVERFLOW]             = {"overflow",             true,  "code, count, policy",                              "A queue towards a peer overflowed; count is how often since the last such event."},
    [W4_EVENT_ENVELOPE_ROUTED]      = {"envelope_routed",      false, "msg_id, family, type, sender",                     "An envelope passed the pipeline."},
    [W4_EVENT_ENVELOPE_REJECTED]    = {"envelope_rejected",    false, "code, text, msg_id, sender",                       "An envelope was refused; sender is what it claimed."},
    [W4_EVENT_TRUST_UPDATED]        = {"trust_updated",        false, "kind, subject, from, to, reason, actor, evidence", "The trust in a subject moved."},
    [W4_EVENT_FACT_UPDATED]         = {"fact_updated",         true,  "id, state",                                        "A fact is new, or its state or its votes changed."},
    [W4_EVENT_CLAIM_UPDATED]        = {"claim_updated",        true,  "id, state",                                        "A claim is new, or its state or its voices changed."},
    [W4_EVENT_CONSENT_UPDATED]      = {"consent_updated",      false, "human, agent_id, consent, msg_id",                 "A human gave, limited or took back consent."},
    [W4_EVENT_KEY_REPLACED]         = {"key_replaced",         true,  "kind, key, successor",                             "A key has a successor, which signs in its place."},
    [W4_EVENT_KEY_REVOKED]          = {"key_revoked",          true,  "key, by, signer, reason",                          "A key was revoked; by says on what authority."},
    [W4_EVENT_PEER_DISCOVERED]      = {"peer_discovered",      false, "name",                                             "A node was met for the first time since start."},
    [W4_EVENT_PEER_LOST]            = {"peer_lost",            false, "reason",                                           "A node is gone: no session, no record."},
    [W4_EVENT_GRAPH_UPDATED]        = {"graph_updated",        false, "author",                                           "The record of a node changed."},
    [W4_EVENT_SLA_VIOLATED]         = {"sla_violated",         true,  "clause, measured, bound, window_ms, budget",       "A channel does not keep what its contract promises."},
    [W4_EVENT_SLA_RESTORED]         = {"sla_restored",         true,  "clause, measured, bound, window_ms, budget",       "It does again, and has for a while."},
    [W4_EVENT_HOOK_FAILED]          = {"hook_failed",          false, "hook, name, what, text",                           "A lifecycle hook failed, was slow, or is suspended for being slow too often."},
    [W4_EVENT_CONFIG_RELOADED]      = {"config_reloaded",      false, "ok, digest, previous, text",                       "The configuration was read again; ok says whether it took effect."},
    [W4_EVENT_STORE_FAILED]         = {"store_failed",         false, "text",                                             "The store could not make something durable; it is kept and tried again."},
    [W4_EVENT_STORE_RECOVERED]      = {"store_recovered",      false, "text",                                             "The store works again."},
    [W4_EVENT_NODE_STARTED]         = {"node_started",         true,  "name, version",                                    "The node is up."},
    [W4_EVENT_NODE_STOPPING]        = {"node_stopping",        true,  "reason",                                           "The node drains and ends."},
};
// clang-format on

/* Most are there to be read for as long as the node lives: each takes what it needs and no more. */
typedef struct event_slot {
    uint64_t seq;
    uint8_t *json;
    uint16_t json_len;
    uint8_t event;    /* w4_event */
    uint8_t severity; /* w4_log_level */
} event_slot;

struct w4_events {
    const w4_env *env;
    w4_fingerprint node;
    uint64_t last;
    uint64_t lost;
    uint64_t counts[W4_EVENT_COUNT];
    w4_json_writer writer;
    w4_buffer json; /* the one that is being written */
    event_slot slots[W4_EVENTS_RING];
};

static_assert(W4_EVENT_BYTES_MAX <= UINT16_MAX, "its length is kept in 16 bits");

const char *w4_event_name(w4_event event) {
    return event < W4_EVENT_COUNT ? event_rows[event].name : "unknown";
}

const char *w4_event_help(w4_event event) {
    return event < W4_EVENT_COUNT ? event_rows[event].help : "";
}

const char *w4_event_members(w4_event event) {
    return event < W4_EVENT_COUNT ? event_rows[event].members : "";
}

bool w4_event_for_agents(w4_event event) {
    return event < W4_EVENT_COUNT && event_rows[event].agents;
}

bool w4_event_from_name(w4_bytes name, w4_event *ret_event) {
    for (int i = 0; i < W4_EVENT_COUNT; i++) {
        if (w4_bytes_equal_text(name, event_rows[i].name)) {
            *ret_event = (w4_event)i;
            return true;
        }
    }
    return false;
}

int w4_events_new(const w4_env *env, const w4_fingerprint *node, w4_events **ret_events) {
    w4_events *events = (w4_events *)calloc(1, sizeof *events);
    if (events == NULL) {
        return -ENOMEM;
    }
    events->env = env;
    events->node = *node;
    events->json = W4_BUFFER_INIT(W4_EVENT_BYTES_MAX);
    *ret_events = events;
    return 0;
}

w4_events *w4_events_free(w4_events *events) {
    if (events == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < W4_EVENTS_RING; i++) {
        free(events->slots[i].json);
    }
    w4_buffer_deinit(&events->json);
    free(events);
    return NULL;
}

static event_slot *slot_of(const w4_events *events, uint64_t seq) {
    return (event_slot *)&events->slots[seq % W4_EVENTS_RING];
}

void w4_events_write_begin(const w4_events *events, w4_json_writer *w, const w4_event_about *about,
                           uint64_t seq, uint64_t wall_us) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_json_begin_object(w);
    w4_json_member_integer(w, "v", 1);
    w4_json_member_unsigned(w, "seq", seq);
    char time[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, time);
    w4_json_member_string(w, "time", time);
    w4_fingerprint_format(&events->node, text);
    w4_json_member_string(w, "node", text);
    w4_json_member_string(w, "event", w4_event_name(about->event));
    w4_json_member_string(w, "severity", w4_log_level_name(about->severity));
    if (about->transport != NULL) {
        w4_json_member_string(w, "transport", about->transport);
    }
    if (about->peer != NULL) {
        w4_fingerprint_format(about->peer, text);
        w4_json_member_string(w, "peer", text);
    }
    if (about->session != NULL) {
        char hex[2 * W4_SESSION_ID_LEN + 1];
        w4_hex_format(w4_bytes_of(about->session, W4_SESSION_ID_LEN), hex);
        w4_json_member_string(w, "session", hex);
    }
    if (about->channel != NULL) {
        w4_json_member_string(w, "channel", about->channel);
    }
    w4_json_name(w, "data");
    w4_json_begin_object(w);
}

void w4_events_write_end(w4_json_writer *w) {
    w4_json_end_object(w);
    w4_json_end_object(w);
}

w4_json_writer *w4_events_begin(w4_events *events, const w4_event_about *about, uint64_t now_us) {
    uint64_t seq = events->last + 1;
    event_slot *slot = slot_of(events, seq);
    free(slot->json);
    *slot = (event_slot){.event = (uint8_t)about->event, .severity = (uint8_t)about->severity};
    w4_buffer_clear(&events->json);
    w4_json_writer *w = &events->writer;
    w4_json_writer_init(w, &events->json);
    w4_events_write_begin(events, w, about, seq, w4_env_wall_us(events->env, now_us));
    return w;
}

void w4_events_end(w4_events *events) {
    w4_json_writer *w = &events->writer;
    w4_events_write_end(w);
    event_slot *slot = slot_of(events, events->last + 1);
    uint8_t *json = w->error != 0 ? NULL : (uint8_t *)malloc(events->json.len);
    if (json == NULL) {
        events->lost++;
        return;
    }
    memcpy(json, events->json.data, events->json.len);
    slot->json = json;
    slot->json_len = (uint16_t)events->json.len;
    events->last++;
    slot->seq = events->last;
    events->counts[slot->event]++;
}

bool w4_events_next(const w4_events *events, uint64_t *cursor, w4_event_view *ret_view) {
    uint64_t seq = *cursor + 1;
    uint64_t oldest = events->last >= W4_EVENTS_RING ? events->last - W4_EVENTS_RING + 2 : 1;
    if (seq < oldest) {
        seq = oldest;
    }
    for (; seq <= events->last; seq++) {
        const event_slot *slot = slot_of(events, seq);
        if (slot->seq == seq) {
            *cursor = seq;
            *ret_view = (w4_event_view){seq, (w4_event)slot->event, (w4_log_level)slot->severity,
                                        w4_bytes_of(slot->json, slot->json_len)};
            return true;
        }
    }
    return false;
}

uint64_t w4_events_last(const w4_events *events) {
    return events->last;
}

uint64_t w4_events_count(const w4_events *events, w4_event event) {
    return event < W4_EVENT_COUNT ? events->counts[event] : 0;
}

uint64_t w4_events_lost(const w4_events *events) {
    return events->lost;
}

size_t w4_events_memory(const w4_events *events) {
    size_t bytes = sizeof *events + events->json.cap;
    for (size_t i = 0; i < W4_EVENTS_RING; i++) {
        bytes += events->slots[i].json_len;
    }
    return bytes;
}

/* The one list of event names (operations.md 5) and the bounded ring that late joiners read. */
#pragma once

#include "base/env.h"
#include "crypto/fingerprint.h"
#include "json/writer.h"

#define W4_EVENTS_RING 1024u
#define W4_EVENT_BYTES_MAX 8192u

typedef enum w4_event {
    W4_EVENT_TRANSPORT_CONNECT,
    W4_EVENT_TRANSPORT_DISCONNECT,
    W4_EVENT_TRANSPORT_ERROR,
    W4_EVENT_SESSION_OPEN,
    W4_EVENT_SESSION_CLOSE,
    W4_EVENT_SESSION_RESUMED,
    W4_EVENT_SESSION_ENDED,
    W4_EVENT_HEARTBEAT_TIMEOUT,
    W4_EVENT_REKEYED,
    W4_EVENT_OVERFLOW,
    W4_EVENT_ENVELOPE_ROUTED,
    W4_EVENT_ENVELOPE_REJECTED,
    W4_EVENT_TRUST_UPDATED,
    W4_EVENT_FACT_UPDATED,
    W4_EVENT_CLAIM_UPDATED,
    W4_EVENT_CONSENT_UPDATED,
    W4_EVENT_KEY_REPLACED,
    W4_EVENT_KEY_REVOKED,
    W4_EVENT_PEER_DISCOVERED,
    W4_EVENT_PEER_LOST,
    W4_EVENT_GRAPH_UPDATED,
    W4_EVENT_SLA_VIOLATED,
    W4_EVENT_SLA_RESTORED,
    W4_EVENT_HOOK_FAILED,
    W4_EVENT_CONFIG_RELOADED,
    W4_EVENT_STORE_FAILED,
    W4_EVENT_STORE_RECOVERED,
    W4_EVENT_NODE_STARTED,
    W4_EVENT_NODE_STOPPING,
    W4_EVENT_COUNT
} w4_event;

const char *w4_event_name(w4_event event);
bool w4_event_from_name(w4_bytes name, w4_event *ret_event);
const char *w4_event_help(w4_event event);
/* Members of data that this event always has, comma-separated: held against the man page. */
const char *w4_event_members(w4_event event);

/* May agents be told of it? What happens to sessions, to facts and to the node as a whole; neither
 * what others send, nor who is trusted, nor how the node is run. */
bool w4_event_for_agents(w4_event event);

typedef struct w4_events w4_events;

int w4_events_new(const w4_env *env, const w4_fingerprint *node, w4_events **ret_events);
w4_events *w4_events_free(w4_events *events);

typedef struct w4_event_about {
    w4_event event;
    w4_log_level severity;
    const char *transport;      /* or NULL */
    const w4_fingerprint *peer; /* or NULL */
    const uint8_t *session;     /* 16 bytes, or NULL */
    const char *channel;        /* or NULL */
} w4_event_about;

/* Begins an event; the caller writes members of its "data" and ends it. Never fails: an event that
 * does not fit in memory or in W4_EVENT_BYTES_MAX is counted as lost. */
w4_json_writer *w4_events_begin(w4_events *events, const w4_event_about *about, uint64_t now_us);
void w4_events_end(w4_events *events);

/* The same form elsewhere than in the ring: for who comes late and is told of what is still so. */
void w4_events_write_begin(const w4_events *events, w4_json_writer *w, const w4_event_about *about,
                           uint64_t seq, uint64_t wall_us);
void w4_events_write_end(w4_json_writer *w);

/* Reading: *cursor is the seq of the last event read (0: from the oldest kept). False: no newer. */
typedef struct w4_event_view {
    uint64_t seq;
    w4_event event;
    w4_log_level severity;
    w4_bytes json; /* the whole object; borrowed until the next event */
} w4_event_view;
bool w4_events_next(const w4_events *events, uint64_t *cursor, w4_event_view *ret_view);
uint64_t w4_events_last(const w4_events *events); /* seq of the newest; 0: none yet */
uint64_t w4_events_count(const w4_events *events, w4_event event);
uint64_t w4_events_lost(const w4_events *events);
size_t w4_events_memory(const w4_events *events); /* bytes held */

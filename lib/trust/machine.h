/* One engine, three machines (protocols.md 2): each is a table of rows; nothing else decides. */
#pragma once

#include "base/bytes.h"

typedef enum w4_trust_kind {
    W4_TRUST_AGENT, /* CIP: untrusted, probing, trusted, blacklisted */
    W4_TRUST_NODE,  /* mesh: unknown, probing, trusted, blocked */
    W4_TRUST_HUMAN, /* HCP: untrusted, probing, trusted, restricted */
    W4_TRUST_KIND_COUNT
} w4_trust_kind;

/* One set of states; each kind uses four of them and has its own words. */
typedef enum w4_trust_state {
    W4_TRUST_UNTRUSTED, /* unknown, for nodes */
    W4_TRUST_PROBING,
    W4_TRUST_TRUSTED,
    W4_TRUST_BLOCKED, /* blacklisted for agents, restricted for humans */
    W4_TRUST_STATE_COUNT
} w4_trust_state;

/* "any" in the from column of a row: every state but the one it leads to. */
#define W4_TRUST_ANY W4_TRUST_STATE_COUNT

typedef enum w4_trust_event {
    W4_TRUST_EVENT_HANDSHAKE,          /* valid handshake (the owner checks cooldown) */
    W4_TRUST_EVENT_INTRODUCED,         /* by a trusted node */
    W4_TRUST_EVENT_KNOWLEDGE_VERIFIED, /* a fact of theirs was accepted by quorum */
    W4_TRUST_EVENT_VERIFIED_LOCALLY,   /* domain certificate or operator */
    W4_TRUST_EVENT_CONFLICT,
    W4_TRUST_EVENT_UNVERIFIABLE, /* third unverifiable fact */
    W4_TRUST_EVENT_ANOMALY,      /* disputed fact, stale clock */
    W4_TRUST_EVENT_SEVERE_CONFLICT,
    W4_TRUST_EVENT_MALICE,
    W4_TRUST_EVENT_OVERRIDE,      /* an operator lifts a block */
    W4_TRUST_EVENT_CONSENT_GIVEN, /* HCP_HELLO with granted or limited; or granted again */
    W4_TRUST_EVENT_MUTUAL_VALIDATION,
    W4_TRUST_EVENT_MISUNDERSTANDING, /* second correction within the window */
    W4_TRUST_EVENT_CONSENT_REVOKED,
    W4_TRUST_EVENT_COUNT
} w4_trust_event;

typedef struct w4_trust_row {
    w4_trust_kind kind;
    w4_trust_state from;
    w4_trust_event event;
    w4_trust_state to;
    uint32_t cooldown_s; /* 0: none */
    const char *reason;
} w4_trust_row;

#define W4_TRUST_COOLDOWN_MAX_S 300u /* the longest in the tables */

/* The row that decides, or NULL: the event means nothing in that state. A row of "any" is found
 * for each state except the one it leads to: malice of a blocked subject moves nothing. */
const w4_trust_row *w4_trust_row_find(w4_trust_kind kind, w4_trust_state from,
                                      w4_trust_event event);
const w4_trust_row *w4_trust_rows(w4_trust_kind kind, size_t *ret_count);

const char *w4_trust_kind_name(w4_trust_kind kind); /* "agent", "node", "human" */
bool w4_trust_kind_from_name(w4_bytes name, w4_trust_kind *ret_kind);
const char *w4_trust_state_name(w4_trust_kind kind, w4_trust_state state); /* the family's word */
/* Takes the family's own word, and the other families' words for the same state. */
bool w4_trust_state_from_name(w4_trust_kind kind, w4_bytes name, w4_trust_state *ret_state);
const char *w4_trust_event_name(w4_trust_event event);
bool w4_trust_event_from_name(w4_bytes name, w4_trust_event *ret_event);

#include "trust/machine.h"

#include <assert.h>

/* clang-format off */

#define ANY         W4_TRUST_ANY
#define UNTRUSTED   W4_TRUST_UNTRUSTED
#define UNKNOWN     W4_TRUST_UNTRUSTED
#define PROBING     W4_TRUST_PROBING
#define TRUSTED     W4_TRUST_TRUSTED
#define BLACKLISTED W4_TRUST_BLOCKED
#define BLOCKED     W4_TRUST_BLOCKED
#define RESTRICTED  W4_TRUST_BLOCKED
#define ON(EVENT)   W4_TRUST_EVENT_##EVENT

static const w4_trust_row agent_rows[] = {
    /* kind           from         event                   to           s    reason */
    {W4_TRUST_AGENT, UNTRUSTED,   ON(HANDSHAKE),          PROBING,       0, "valid handshake"},
    {W4_TRUST_AGENT, PROBING,     ON(KNOWLEDGE_VERIFIED), TRUSTED,       0, "knowledge verified by quorum"},
    {W4_TRUST_AGENT, PROBING,     ON(CONFLICT),           UNTRUSTED,   300, "conflict"},
    {W4_TRUST_AGENT, PROBING,     ON(UNVERIFIABLE),       UNTRUSTED,   300, "too many unverifiable facts"},
    {W4_TRUST_AGENT, TRUSTED,     ON(ANOMALY),            PROBING,       0, "temporary anomaly"},
    {W4_TRUST_AGENT, TRUSTED,     ON(SEVERE_CONFLICT),    BLACKLISTED,   0, "severe conflict"},
    {W4_TRUST_AGENT, ANY,         ON(MALICE),             BLACKLISTED,   0, "malicious evidence"},
    {W4_TRUST_AGENT, BLACKLISTED, ON(OVERRIDE),           PROBING,       0, "manual override"},
};

static const w4_trust_row node_rows[] = {
    /* kind          from         event                   to           s    reason */
    {W4_TRUST_NODE,  UNKNOWN,     ON(HANDSHAKE),          PROBING,       0, "valid handshake"},
    {W4_TRUST_NODE,  UNKNOWN,     ON(INTRODUCED),         PROBING,       0, "introduced by a trusted node"},
    {W4_TRUST_NODE,  PROBING,     ON(VERIFIED_LOCALLY),   TRUSTED,       0, "verified locally"},
    {W4_TRUST_NODE,  PROBING,     ON(CONFLICT),           BLOCKED,       0, "conflict"},
    {W4_TRUST_NODE,  TRUSTED,     ON(CONFLICT),           PROBING,       0, "conflict"},
    {W4_TRUST_NODE,  ANY,         ON(MALICE),             BLOCKED,       0, "malicious signal"},
    {W4_TRUST_NODE,  BLOCKED,     ON(OVERRIDE),           PROBING,       0, "manual override"},
};

static const w4_trust_row human_rows[] = {
    /* kind          from         event                   to           s    reason */
    {W4_TRUST_HUMAN, UNTRUSTED,   ON(CONSENT_GIVEN),      PROBING,       0, "consent given"},
    {W4_TRUST_HUMAN, PROBING,     ON(MUTUAL_VALIDATION),  TRUSTED,       0, "mutual validation"},
    {W4_TRUST_HUMAN, TRUSTED,     ON(MISUNDERSTANDING),   PROBING,       0, "repeated misunderstanding"},
    {W4_TRUST_HUMAN, ANY,         ON(CONSENT_REVOKED),    RESTRICTED,    0, "consent revoked"},
    {W4_TRUST_HUMAN, RESTRICTED,  ON(CONSENT_GIVEN),      PROBING,       0, "consent granted again"},
};

/* The families' words for one state; columns in the order of w4_trust_kind. */
static const char *const state_names[W4_TRUST_STATE_COUNT][W4_TRUST_KIND_COUNT] = {
    /*                       agent          node       human */
    [W4_TRUST_UNTRUSTED] = {"untrusted",   "unknown", "untrusted"},
    [W4_TRUST_PROBING]   = {"probing",     "probing", "probing"},
    [W4_TRUST_TRUSTED]   = {"trusted",     "trusted", "trusted"},
    [W4_TRUST_BLOCKED]   = {"blacklisted", "blocked", "restricted"},
};
/* clang-format on */

#define ROWS(TABLE)                                                                                \
    { TABLE, sizeof(TABLE) / sizeof((TABLE)[0]) }

static const struct {
    const w4_trust_row *rows;
    size_t count;
} machines[W4_TRUST_KIND_COUNT] = {
    [W4_TRUST_AGENT] = ROWS(agent_rows),
    [W4_TRUST_NODE] = ROWS(node_rows),
    [W4_TRUST_HUMAN] = ROWS(human_rows),
};

static const char *const kind_names[W4_TRUST_KIND_COUNT] = {
    [W4_TRUST_AGENT] = "agent",
    [W4_TRUST_NODE] = "node",
    [W4_TRUST_HUMAN] = "human",
};

static const char *const event_names[W4_TRUST_EVENT_COUNT] = {
    [W4_TRUST_EVENT_HANDSHAKE] = "handshake",
    [W4_TRUST_EVENT_INTRODUCED] = "introduced",
    [W4_TRUST_EVENT_KNOWLEDGE_VERIFIED] = "knowledge_verified",
    [W4_TRUST_EVENT_VERIFIED_LOCALLY] = "verified_locally",
    [W4_TRUST_EVENT_CONFLICT] = "conflict",
    [W4_TRUST_EVENT_UNVERIFIABLE] = "unverifiable",
    [W4_TRUST_EVENT_ANOMALY] = "anomaly",
    [W4_TRUST_EVENT_SEVERE_CONFLICT] = "severe_conflict",
    [W4_TRUST_EVENT_MALICE] = "malice",
    [W4_TRUST_EVENT_OVERRIDE] = "override",
    [W4_TRUST_EVENT_CONSENT_GIVEN] = "consent_given",
    [W4_TRUST_EVENT_MUTUAL_VALIDATION] = "mutual_validation",
    [W4_TRUST_EVENT_MISUNDERSTANDING] = "misunderstanding",
    [W4_TRUST_EVENT_CONSENT_REVOKED] = "consent_revoked",
};

const w4_trust_row *w4_trust_rows(w4_trust_kind kind, size_t *ret_count) {
    assert(kind < W4_TRUST_KIND_COUNT);
    *ret_count = machines[kind].count;
    return machines[kind].rows;
}

const w4_trust_row *w4_trust_row_find(w4_trust_kind kind, w4_trust_state from,
                                      w4_trust_event event) {
    assert(kind < W4_TRUST_KIND_COUNT && from < W4_TRUST_STATE_COUNT);
    for (size_t i = 0; i < machines[kind].count; i++) {
        const w4_trust_row *row = &machines[kind].rows[i];
        if (row->event == event &&
            (row->from == from || (row->from == W4_TRUST_ANY && row->to != from))) {
            return row;
        }
    }
    return NULL;
}

const char *w4_trust_kind_name(w4_trust_kind kind) {
    assert(kind < W4_TRUST_KIND_COUNT);
    return kind_names[kind];
}

bool w4_trust_kind_from_name(w4_bytes name, w4_trust_kind *ret_kind) {
    for (size_t i = 0; i < W4_TRUST_KIND_COUNT; i++) {
        if (w4_bytes_equal_text(name, kind_names[i])) {
            *ret_kind = (w4_trust_kind)i;
            return true;
        }
    }
    return false;
}

const char *w4_trust_state_name(w4_trust_kind kind, w4_trust_state state) {
    assert(kind < W4_TRUST_KIND_COUNT && state < W4_TRUST_STATE_COUNT);
    return state_names[state][kind];
}

bool w4_trust_state_from_name(w4_trust_kind kind, w4_bytes name, w4_trust_state *ret_state) {
    assert(kind < W4_TRUST_KIND_COUNT);
    for (size_t state = 0; state < W4_TRUST_STATE_COUNT; state++) {
        for (size_t family = 0; family < W4_TRUST_KIND_COUNT; family++) {
            if (w4_bytes_equal_text(name, state_names[state][family])) {
                *ret_state = (w4_trust_state)state;
                return true;
            }
        }
    }
    return false;
}

const char *w4_trust_event_name(w4_trust_event event) {
    assert(event < W4_TRUST_EVENT_COUNT);
    return event_names[event];
}

bool w4_trust_event_from_name(w4_bytes name, w4_trust_event *ret_event) {
    for (size_t i = 0; i < W4_TRUST_EVENT_COUNT; i++) {
        if (w4_bytes_equal_text(name, event_names[i])) {
            *ret_event = (w4_trust_event)i;
            return true;
        }
    }
    return false;
}

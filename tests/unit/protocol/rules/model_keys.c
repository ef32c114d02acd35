#include "model.h"

#define FUTURE_MS 300000

unsigned model_root(const model *m, unsigned key) {
    while (m->keys[key].predecessor != 0) {
        key = m->keys[key].predecessor - 1;
    }
    return key;
}

w4_trust_state model_trust(const model *m, unsigned key) {
    return m->agents[model_root(m, key)];
}

w4_refusal model_key_gate(const model *m, unsigned key, int64_t at_ms) {
    const key_state *k = &m->keys[key];
    if (k->revoked) {
        return W4_REFUSAL_KEY_REVOKED;
    }
    return k->successor != 0 && at_ms > k->replaced_ms ? W4_REFUSAL_KEY_REPLACED : W4_REFUSAL_NONE;
}

/* What is known of two that turn out to be one. It stands under the first key of both. */
static void merge(model *m, unsigned root, unsigned fresh) {
    bool blocked = m->agents[fresh] == W4_TRUST_BLOCKED;
    bool spoken_of = m->ordered[fresh] && !m->ordered[root];
    if (!m->met[root] || (m->met[fresh] && (blocked || spoken_of))) {
        bool moves = m->agents[root] != m->agents[fresh];
        bool counts = !m->met[root];
        m->agents[root] = m->agents[fresh];
        if (moves || counts) {
            m->unverifiable[root] = counts ? m->unverifiable[fresh] : 0;
            m->cooldown_ms[root] = counts ? m->cooldown_ms[fresh] : 0;
        }
    }
    m->met[root] = m->met[root] || m->met[fresh];
    m->ordered[root] = m->ordered[root] || m->ordered[fresh];
}

static w4_refusal succeed(model *m, const step *s) {
    unsigned old = key_of_step(s), fresh = s->to + AGENTS * s->word;
    key_state *from = &m->keys[old], *to = &m->keys[fresh];
    if (from->successor != 0 && (from->successor == fresh + 1 || !from->revoked)) {
        return W4_REFUSAL_NONE; /* known, or the second one, which is a proof of that and no more */
    }
    if (from->revoked) {
        return W4_REFUSAL_KEY_REVOKED;
    }
    if (to->predecessor != 0 || model_root(m, old) == fresh) {
        return W4_REFUSAL_BAD_ENVELOPE;
    }
    merge(m, model_root(m, old), fresh);
    from->successor = fresh + 1;
    from->replaced_ms = m->now_ms + s->skew_ms;
    to->predecessor = old + 1;
    model_touch_agent(m, old);
    return W4_REFUSAL_NONE;
}

static bool is_later(const model *m, unsigned key, unsigned than) {
    for (unsigned at = m->keys[than].successor; at != 0; at = m->keys[at - 1].successor) {
        if (at - 1 == key) {
            return true;
        }
    }
    return false;
}

/* NONE, and *ret_counts: whether it takes effect here. */
static w4_refusal authority(const model *m, const step *s, bool *ret_counts) {
    unsigned other = s->to + AGENTS * s->by;
    *ret_counts = true;
    switch ((revoker)s->word) {
    case BY_ITSELF:
    case BY_OPERATOR:
        return W4_REFUSAL_NONE;
    case BY_OTHER_KEY:
        return other == key_of_step(s) ||
                       (is_later(m, other, key_of_step(s)) && !m->keys[other].revoked)
                   ? W4_REFUSAL_NONE
                   : W4_REFUSAL_UNAUTHORIZED;
    case BY_NODE:
        *ret_counts = m->h->anchor == s->to;
        return *ret_counts || m->nodes[s->to] == W4_TRUST_PROBING ||
                       m->nodes[s->to] == W4_TRUST_TRUSTED
                   ? W4_REFUSAL_NONE
                   : W4_REFUSAL_UNAUTHORIZED;
    case REVOKERS:
        break;
    }
    return W4_REFUSAL_INTERNAL;
}

static w4_refusal revoke(model *m, const step *s) {
    unsigned key = key_of_step(s);
    bool counts;
    w4_refusal code = authority(m, s, &counts);
    if (code == W4_REFUSAL_NONE && counts && !m->keys[key].revoked) {
        m->keys[key].revoked = true;
        model_withdraw(m, key);
        model_kept_withdraw(m, key);
        model_touch_agent(m, key);
    }
    return code;
}

w4_refusal model_keys(model *m, const step *s) {
    if (s->via != 0 && m->nodes[s->via] == W4_TRUST_BLOCKED) {
        return W4_REFUSAL_PEER_BLOCKED;
    }
    bool of_now = s->kind == REVOKE && s->word == BY_OPERATOR;
    w4_refusal code = s->skew_ms > FUTURE_MS && !of_now ? W4_REFUSAL_STALE
                      : s->kind == SUCCEED              ? succeed(m, s)
                                                        : revoke(m, s);
    return s->via == 0 ? code : W4_REFUSAL_NONE; /* nobody tells a neighbour about each */
}

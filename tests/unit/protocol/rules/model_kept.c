#include "model.h"

#include <string.h>

static const letter *letter_of(const model *m, const kept_one *k) {
    return &m->letters[k->id];
}

static void end(model *m, uint32_t id, w4_refusal code) {
    m->ends[m->ended_count++] = (ended){.id = id, .code = code};
}

static void take_out(model *m, unsigned local, size_t at) {
    m->shelf_count[local]--;
    memmove(&m->shelves[local][at], &m->shelves[local][at + 1],
            (m->shelf_count[local] - at) * sizeof(kept_one));
}

/* Its sender hears of it, unless he was told already that it was given. */
static void give_up(model *m, unsigned local, size_t at, w4_refusal code) {
    if (m->shelves[local][at].given == 0) {
        end(m, m->shelves[local][at].id, code);
    }
    take_out(m, local, at);
}

/* All that it does not have, in the order in which it came. fresh: that came just now. */
static void offer(model *m, unsigned local, uint32_t fresh) {
    for (size_t i = 0; m->here[local] && i < m->shelf_count[local];) {
        kept_one *k = &m->shelves[local][i];
        unsigned key = key_of_step(letter_of(m, k)->says);
        if (k->out) {
            i++;
        } else if (m->keys[key].revoked) {
            give_up(m, local, i, W4_REFUSAL_KEY_REVOKED);
        } else if (model_trust(m, key) == W4_TRUST_BLOCKED) {
            give_up(m, local, i, W4_REFUSAL_BLACKLISTED);
        } else {
            k->out = true;
            if (k->given++ == 0 && k->id != fresh) {
                end(m, k->id, W4_REFUSAL_NONE);
            }
            m->gets[local].ids[m->gets[local].count++] = k->id;
            i++;
        }
    }
}

static const kept_one *find(const model *m, unsigned local, uint32_t id) {
    for (size_t i = 0; i < m->shelf_count[local]; i++) {
        if (m->shelves[local][i].id == id) {
            return &m->shelves[local][i];
        }
    }
    return NULL;
}

/* Has its agent not been given it yet? */
static bool waits(const model *m, const letter *l) {
    const kept_one *k = find(m, l->says->to, l->id);
    return k != NULL && k->given == 0;
}

w4_refusal model_kept_gate(model *m, const letter *l, bool *ret_known) {
    const taken_names *t = &m->pairs_taken[key_of_step(l->says)][l->says->to];
    size_t first = t->count > DURABLE_NAMES ? t->count - DURABLE_NAMES : 0;
    *ret_known = false;
    for (size_t i = first; i < t->count; i++) {
        *ret_known = *ret_known || t->ids[i] == l->id;
    }
    m->holds = *ret_known && waits(m, l); /* which is said again */
    bool late = false;                    /* nothing tells it from one that is forgotten */
    for (size_t i = 0; i < first; i++) {
        late = late || l->at_ms <= m->letters[t->ids[i]].at_ms;
    }
    return late && !*ret_known ? W4_REFUSAL_REPLAY : W4_REFUSAL_NONE;
}

static bool is_full(const model *m, unsigned local, unsigned key, bool trusted) {
    unsigned of_sender = 0, of_strangers = 0;
    for (size_t i = 0; i < m->shelf_count[local]; i++) {
        const kept_one *k = &m->shelves[local][i];
        of_sender += key_of_step(letter_of(m, k)->says) == key ? 1 : 0;
        of_strangers += k->trusted ? 0 : 1;
    }
    return of_sender >= DURABLE_OF_SENDER || m->shelf_count[local] >= DURABLE_OF_RECEIVER ||
           (!trusted && of_strangers >= DURABLE_OF_STRANGERS);
}

w4_refusal model_keep(model *m, const letter *l) {
    unsigned local = l->says->to, key = key_of_step(l->says);
    bool trusted = model_trust(m, key) == W4_TRUST_TRUSTED;
    if (is_full(m, local, key, trusted)) {
        return W4_REFUSAL_BACKPRESSURE;
    }
    taken_names *t = &m->pairs_taken[key][local];
    t->ids[t->count++] = l->id;
    m->shelves[local][m->shelf_count[local]++] = (kept_one){.id = l->id, .trusted = trusted};
    offer(m, local, l->id);
    m->holds = waits(m, l);
    return W4_REFUSAL_NONE;
}

void model_come(model *m, unsigned local) {
    m->here[local] = true;
    offer(m, local, 0);
}

void model_leave(model *m, unsigned local) {
    m->here[local] = false;
    for (size_t i = 0; i < m->shelf_count[local]; i++) {
        m->shelves[local][i].out = false;
    }
}

/* NOT_FOUND: it has none of that name. */
w4_refusal model_deal(model *m, const step *s) {
    const kept_one *k = find(m, s->who, s->about);
    if (k == NULL || !k->out) {
        return W4_REFUSAL_NOT_FOUND;
    }
    take_out(m, s->who, (size_t)(k - m->shelves[s->who]));
    return W4_REFUSAL_NONE;
}

void model_kept_pass(model *m) {
    for (unsigned local = 0; local < LOCALS; local++) {
        for (size_t i = 0; i < m->shelf_count[local];) {
            if (letter_of(m, &m->shelves[local][i])->at_ms + DURABLE_AGE_MS < m->now_ms) {
                give_up(m, local, i, W4_REFUSAL_TIMEOUT);
            } else {
                i++;
            }
        }
    }
}

/* What its receiver has in hands it keeps. */
void model_kept_withdraw(model *m, unsigned key) {
    for (unsigned local = 0; local < LOCALS; local++) {
        for (size_t i = 0; i < m->shelf_count[local];) {
            const kept_one *k = &m->shelves[local][i];
            if (key_of_step(letter_of(m, k)->says) == key && !k->out) {
                give_up(m, local, i, W4_REFUSAL_KEY_REVOKED);
            } else {
                i++;
            }
        }
    }
}

#include "model.h"

#define DECISIONS (1u << CONFIRM | 1u << REJECT)
#define CHALLENGES (1u << CONFLICT | 1u << INSUFFICIENT | 1u << UNVERIFIABLE)

/* What a revoked key has said decides nothing. The latest by time stamp; of two with the same the
 * one that came later. words: bits. */
const utterance *model_last(const model *m, uint32_t about, unsigned who, unsigned words) {
    const utterance *last = NULL;
    unsigned root = model_root(m, who);
    for (size_t i = 0; i < m->said_count; i++) {
        const utterance *u = &m->said[i];
        if (u->about == about && model_root(m, u->who) == root && !m->keys[u->who].revoked &&
            (words >> u->word & 1) != 0 && (last == NULL || u->at_ms >= last->at_ms)) {
            last = u;
        }
    }
    return last;
}

/* ---- what counts of it, of facts and of claims */

static bool is_same(const model *m, unsigned a, unsigned b) {
    return model_root(m, a) == model_root(m, b);
}

/* Does its decision count, where it is the last one of its identity? */
static bool may_decide(const model *m, const matter *f, unsigned who) {
    return !is_same(m, who, f->who) && model_trust(m, who) == W4_TRUST_TRUSTED &&
           !(m->distinct_nodes && f->homeless[who]);
}

/* Independent ones, later than that moment. All whose nodes the proposer's introduced are one. */
unsigned model_confirmations(const model *m, const matter *f, int64_t after_ms, unsigned except) {
    bool nodes[NODES] = {false}, introduced = false;
    unsigned count = 0, by = home_of(f->who);
    for (unsigned who = 0; who < m->voices; who++) {
        const utterance *decision = model_last(m, f->id, who, DECISIONS);
        const utterance *doubt = model_last(m, f->id, who, CHALLENGES);
        if (decision == NULL || decision->who != who || decision->word != CONFIRM ||
            decision->at_ms <= after_ms || !may_decide(m, f, who) ||
            (except != NOBODY && is_same(m, who, except)) ||
            (doubt != NULL && doubt->at_ms >= decision->at_ms)) {
            continue;
        }
        bool friend = by != 0 && !f->homeless[f->who] && !f->homeless[who] &&
                      m->introducer[home_of(who)] == by;
        bool again = (m->distinct_nodes && nodes[home_of(who)]) || (friend && introduced);
        count += again ? 0 : 1;
        nodes[home_of(who)] = true;
        introduced = introduced || friend;
    }
    return count;
}

/* The operator has ruled since it came here. */
static bool is_settled(const matter *f, const utterance *said) {
    return f->settled && said->taken_ms <= f->settled_ms;
}

static const utterance *open_challenge(const model *m, const matter *f, unsigned who) {
    const utterance *doubt = model_last(m, f->id, who, CHALLENGES);
    const utterance *decision = model_last(m, f->id, who, DECISIONS);
    if (doubt == NULL || doubt->who != who || model_trust(m, who) != W4_TRUST_TRUSTED ||
        is_settled(f, doubt) ||
        (decision != NULL && decision->word == CONFIRM && decision->at_ms > doubt->at_ms) ||
        model_confirmations(m, f, doubt->at_ms, who) >= m->quorum + 1) {
        return NULL;
    }
    return doubt;
}

/* The first to have spoken, of those whose challenge is open. */
const utterance *model_doubt(const model *m, const matter *f) {
    for (size_t i = 0; i < m->said_count; i++) {
        const utterance *open =
            m->said[i].about == f->id ? open_challenge(m, f, m->said[i].who) : NULL;
        if (open != NULL) {
            return open;
        }
    }
    return NULL;
}

unsigned model_rejections(const model *m, const matter *f) {
    bool nodes[NODES] = {false};
    unsigned count = 0;
    for (unsigned who = 0; who < m->voices; who++) {
        const utterance *decision = model_last(m, f->id, who, DECISIONS);
        if (decision == NULL || decision->who != who || decision->word != REJECT ||
            is_settled(f, decision) || !may_decide(m, f, who)) {
            continue;
        }
        count += m->distinct_nodes && nodes[home_of(who)] ? 0 : 1;
        nodes[home_of(who)] = true;
    }
    return count;
}

#include "model.h"

#include "protocol/internet/sources.h"

#define RAISE_AFTER 3
#define LOWER_AFTER 2

w4_refusal model_claim(model *m, const letter *l) {
    const step *s = l->says;
    if (s->says == 0) {
        return W4_REFUSAL_NO_PROVENANCE;
    }
    if (m->sources[s->decision].tier == W4_TIER_BLOCKED) {
        return W4_REFUSAL_SOURCE_BLOCKED;
    }
    m->claims[m->claim_count++] = (matter){.id = l->id,
                                           .who = key_of_step(s),
                                           .decision = s->decision,
                                           .says = s->says,
                                           .state = W4_FACT_PENDING};
    model_touch(m, &m->claims[m->claim_count - 1]);
    model_let_in(m, &m->claims[m->claim_count - 1], CLAIM_VOTE);
    return W4_REFUSAL_NONE;
}

w4_refusal model_claim_vote(model *m, const letter *l) {
    matter *known = model_find(m->claims, m->claim_count, l->says->about);
    if (l->says->word == LIP_CONFLICT && known == NULL && l->says->via == 0) {
        return W4_REFUSAL_NONE; /* it may be of something that is no claim */
    }
    return model_take_vote(m, l, l->says->word, known);
}

/* ---- what becomes of claims, and of where they are from */

static w4_fact_state judge(const model *m, const matter *c) {
    unsigned tier = m->sources[c->decision].tier;
    bool good = tier == W4_TIER_MEDIUM || tier == W4_TIER_HIGH;
    if (model_rejections(m, c) >= 2) {
        return W4_FACT_REJECTED;
    }
    if (model_doubt(m, c) != NULL) {
        return W4_FACT_DISPUTED;
    }
    bool accepted = model_trust(m, c->who) == W4_TRUST_TRUSTED && !m->keys[c->who].revoked &&
                    tier != W4_TIER_BLOCKED &&
                    (good || model_confirmations(m, c, INT64_MIN, NOBODY) >= m->quorum) &&
                    !model_busy(m);
    return accepted || c->was_accepted ? W4_FACT_ACCEPTED : W4_FACT_PENDING;
}

static void tier_to(source *s, unsigned tier) {
    *s = (source){.tier = tier};
}

static void corroborated(source *s) {
    s->good++;
    if (s->good >= RAISE_AFTER && !s->pinned && s->tier < W4_TIER_HIGH) {
        tier_to(s, s->tier + 1);
    }
}

/* A source nobody has spoken well of is lowered to low, not to nothing. */
static void conflicted(source *s) {
    s->bad++;
    if (s->bad >= LOWER_AFTER && !s->pinned && s->tier != W4_TIER_LOW &&
        s->tier != W4_TIER_BLOCKED) {
        tier_to(s, s->tier == W4_TIER_HIGH ? W4_TIER_MEDIUM : W4_TIER_LOW);
    }
}

void model_touch_claims(model *m) {
    for (size_t i = 0; i < m->claim_count; i++) {
        if (m->claims[i].state == W4_FACT_PENDING) {
            model_touch(m, &m->claims[i]);
        }
    }
}

/* The same page says the same, whoever brings it. */
static bool is_counted(const model *m, const matter *c, bool good) {
    for (size_t i = 0; i < m->claim_count; i++) {
        const matter *other = &m->claims[i];
        if (other != c && other->decision == c->decision && other->says == c->says &&
            (good ? other->corroborated : other->conflicted)) {
            return true;
        }
    }
    return false;
}

/* Each claim counts once for its source, and once against it. True: it has now. */
static bool count_for_source(model *m, matter *c) {
    source *s = &m->sources[c->decision];
    unsigned before = s->tier;
    bool good = !c->corroborated && model_confirmations(m, c, INT64_MIN, NOBODY) >= m->quorum;
    bool bad = !c->conflicted && (model_doubt(m, c) != NULL || model_rejections(m, c) >= 2);
    if (good) {
        c->corroborated = true;
        if (!is_counted(m, c, true)) {
            corroborated(s);
        }
    }
    if (bad) {
        c->conflicted = true;
        if (!is_counted(m, c, false)) {
            conflicted(s);
        }
    }
    if (s->tier != before) {
        model_touch_claims(m);
    }
    return good || bad;
}

static bool judge_claim(model *m, matter *c) {
    w4_fact_state to = judge(m, c); /* before it says something of its source */
    bool changed = count_for_source(m, c) || to != c->state;
    c->state = to;
    c->was_accepted = c->was_accepted || to == W4_FACT_ACCEPTED;
    return changed;
}

void model_settle_claims(model *m) {
    bool changed = true;
    while (changed) {
        matter *next;
        while ((next = model_next(m, &m->due[1])) != NULL) {
            judge_claim(m, next);
        }
        changed = false; /* nothing may be left that ought to stand elsewhere, touched or not */
        for (size_t i = 0; i < m->claim_count; i++) {
            changed = judge_claim(m, &m->claims[i]) || changed;
        }
    }
}

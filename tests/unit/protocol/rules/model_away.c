#include "model.h"

static bool is_made(const void *context, uint32_t number) {
    const model *m = context;
    return m->letters[number].id != 0;
}

/* A word as its author signed it, maybe long ago: it need not be fresh, nor new, but its author has
 * to be trusted as far as for any other, and what it is about has to be known. */
static matter *take(model *m, const letter *l, unsigned via) {
    const step *s = l->says;
    matter *about = model_find(m->facts, m->fact_count, s->kind == VOTE ? s->about : l->id);
    bool known = about != NULL, homeless = m->nodes[home_of(s->who)] == W4_TRUST_BLOCKED;
    if (model_key_gate(m, key_of_step(s), l->at_ms) != W4_REFUSAL_NONE ||
        model_freshness(m, l, via, true) != W4_REFUSAL_NONE ||
        model_trust_gate(m, s) != W4_REFUSAL_NONE) {
        return NULL;
    }
    if (s->kind == SHARE) {
        model_share(m, l);
        return NULL;
    }
    if (s->kind == VOTE) {
        if (known && !model_of_another(l, about)) {
            model_say(m, l, s->word, about, homeless);
        }
        return NULL;
    }
    w4_refusal code = model_propose(m, l);
    if (known || code != W4_REFUSAL_NONE) {
        return NULL;
    }
    about = model_find(m->facts, m->fact_count, l->id);
    about->homeless[key_of_step(s)] = homeless;
    return about;
}

w4_refusal model_catch_up(model *m, const step *s) {
    uint32_t numbers[WORDS_MAX];
    matter *came = NULL;
    if (m->nodes[s->via] == W4_TRUST_BLOCKED) {
        m->now_ms += CATCH_UP_MS;
        return W4_REFUSAL_PEER_BLOCKED;
    }
    m->now_ms += HEARD_AFTER_MS;
    model_settle(m);
    size_t count = history_passed_on(m->h, s, is_made, m, numbers);
    for (size_t i = 0; i < count; i++) {
        matter *fact = take(m, &m->letters[numbers[i]], s->via);
        came = fact != NULL ? fact : came;
        model_judge_facts(m);
    }
    if (came != NULL) { /* what waited for it is let in at the end */
        model_let_in(m, came, VOTE);
    }
    model_settle(m);
    m->now_ms += CATCH_UP_MS - HEARD_AFTER_MS;
    return W4_REFUSAL_NONE;
}

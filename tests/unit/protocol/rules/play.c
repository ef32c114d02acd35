#include "play.h"

#include "model.h"
#include "subject.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHRINKS_MAX 4000u /* histories that are tried */

__attribute__((format(printf, 2, 3))) static bool differs(char *what, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(what, DISAGREEMENT_MAX, format, args);
    va_end(args);
    return true;
}

static bool differ_in_trust(const subject *s, const model *m, char *what) {
    for (unsigned i = 0; i < m->voices; i++) {
        w4_trust_state is = subject_trust(s, W4_TRUST_AGENT, i), to = model_trust(m, i);
        if (is != to) {
            return differs(what, "agent a%u/%u is %s, should be %s", i % AGENTS, i / AGENTS,
                           w4_trust_state_name(W4_TRUST_AGENT, is),
                           w4_trust_state_name(W4_TRUST_AGENT, to));
        }
    }
    for (unsigned n = 1; n < NODES; n++) {
        w4_trust_state is = subject_trust(s, W4_TRUST_NODE, n);
        if (is != m->nodes[n]) {
            return differs(what, "node n%u is %s, should be %s", n,
                           w4_trust_state_name(W4_TRUST_NODE, is),
                           w4_trust_state_name(W4_TRUST_NODE, m->nodes[n]));
        }
    }
    return false;
}

static const char *name_of(w4_fact_state state) {
    return state == W4_FACT_STATE_COUNT ? "not there" : w4_fact_state_name(state);
}

static bool differ_in_matters(const subject *s, const model *m, char *what) {
    for (size_t i = 0; i < m->fact_count; i++) {
        w4_fact_state is = subject_fact(s, m->facts[i].id), to = m->facts[i].state;
        if (is != to) {
            return differs(what, "fact %" PRIu32 " is %s, should be %s", m->facts[i].id,
                           name_of(is), name_of(to));
        }
        if (subject_unsupported(s, m->facts[i].id) != m->facts[i].unsupported &&
            (m->facts[i].unsupported || !m->facts[i].doubtful)) {
            return differs(what, "fact %" PRIu32 " %s", m->facts[i].id,
                           m->facts[i].unsupported ? "lacks support, and is not marked"
                                                   : "is marked, and lacks no support");
        }
    }
    for (size_t i = 0; i < m->claim_count; i++) {
        w4_fact_state is = subject_claim(s, m->claims[i].id), to = m->claims[i].state;
        if (is != to) {
            return differs(what, "claim %" PRIu32 " is %s, should be %s", m->claims[i].id,
                           name_of(is), name_of(to));
        }
    }
    for (unsigned i = 0; i < SOURCES; i++) {
        if (subject_tier(s, i) != m->sources[i].tier) {
            return differs(what, "source %u has tier %u, should have %u", i, subject_tier(s, i),
                           m->sources[i].tier);
        }
    }
    return false;
}

static bool differ_in_humans(const subject *s, model *m, char *what) {
    for (unsigned i = 0; i < AGENTS; i++) {
        w4_trust_state is = subject_trust(s, W4_TRUST_HUMAN, i), to = m->humans[i].trust;
        if (is != to) {
            return differs(what, "human a%u is %s, should be %s", i,
                           w4_trust_state_name(W4_TRUST_HUMAN, is),
                           w4_trust_state_name(W4_TRUST_HUMAN, to));
        }
    }
    for (unsigned local = 0; local < LOCALS; local++) {
        const uint32_t *numbers;
        uint32_t id = 0;
        size_t count = subject_given(s, local, &numbers);
        const char *wrong = NULL;
        for (size_t i = 0; wrong == NULL && i < count; i++) {
            id = numbers[i];
            wrong = model_given(m, local, id);
        }
        wrong = wrong != NULL ? wrong : model_owes(m, local, &id);
        if (wrong != NULL) {
            return differs(what, "%" PRIu32 " %s to a%u", id, wrong, local);
        }
    }
    return false;
}

/* What was said to all, in its order. */
static bool differ_in_order(const subject *s, const model *m, char *what) {
    for (unsigned local = 0; local < LOCALS && !m->h->deaf; local++) {
        const sequence *to = &m->gets[local];
        const uint32_t *numbers;
        size_t count = subject_given(s, local, &numbers), at = 0;
        for (size_t i = 0; i < count; i++) {
            if (!model_is_paced(m, numbers[i])) {
                continue;
            }
            if (at == to->count || numbers[i] != to->ids[at]) {
                return differs(what, "%" PRIu32 " came to a%u, where %" PRIu32 " should",
                               numbers[i], local, at == to->count ? 0 : to->ids[at]);
            }
            at++;
        }
        if (at < to->count) {
            return differs(what, "%" PRIu32 " did not come to a%u", to->ids[at], local);
        }
    }
    return false;
}

/* Durable messages: each that is given, in order, and each end that the node of its sender is told.
 */
static bool differ_in_kept(const subject *s, const model *m, char *what) {
    for (unsigned local = 0; local < LOCALS; local++) {
        const sequence *to = &m->gets[local];
        const uint32_t *numbers;
        size_t count = subject_given(s, local, &numbers);
        for (size_t i = 0; i < count || i < to->count; i++) {
            if (i == count || i == to->count || numbers[i] != to->ids[i]) {
                return differs(what, "%" PRIu32 " came to a%u, where %" PRIu32 " should",
                               i < count ? numbers[i] : 0, local, i < to->count ? to->ids[i] : 0);
            }
        }
    }
    const ending *ends;
    size_t count = subject_ended(s, &ends);
    for (size_t i = 0; i < m->ended_count; i++) {
        size_t times = 0;
        for (size_t k = 0; k < count; k++) {
            times += ends[k].number == m->ends[i].id && ends[k].code == m->ends[i].code ? 1 : 0;
        }
        if (times != 1) {
            return differs(what, "that %" PRIu32 " ended (%s) was told %zu times", m->ends[i].id,
                           w4_refusal_name(m->ends[i].code), times);
        }
    }
    if (count != m->ended_count) {
        return differs(what, "%zu ends were told, should be %zu", count, m->ended_count);
    }
    return m->holds != subject_holds(s) &&
           differs(what, "it %s", m->holds ? "is held, and nobody says so" : "is not held");
}

static bool step_both(subject *s, model *m, const step *st, char *what) {
    bool happens;
    w4_refusal should = model_step(m, st, &happens);
    w4_refusal is = subject_step(s, st, happens);
    if (is != should) {
        return differs(what, "%s was answered %s, should be %s", kind_name(st->kind),
                       w4_refusal_name(is), w4_refusal_name(should));
    }
    return differ_in_trust(s, m, what) || differ_in_matters(s, m, what) ||
           (m->h->profile == OF_DURABLE
                ? differ_in_kept(s, m, what)
                : differ_in_humans(s, m, what) || differ_in_order(s, m, what));
}

size_t play(const history *h, char ret_what[static DISAGREEMENT_MAX]) {
    model *m = malloc(sizeof *m);
    if (!m) {
        abort();
    }
    model_init(m, h);
    subject *s = subject_new(h);
    size_t at = 0;
    for (size_t i = 0; at == 0 && i < h->count; i++) {
        at = step_both(s, m, &h->steps[i], ret_what) ? i + 1 : 0;
    }
    subject_free(s);
    free(m);
    return at;
}

/* ---- making it small */

/* Plays h without `count` steps from `from`; keeps it so when the two disagree still. */
static bool try_without(history *h, size_t from, size_t count, char *what) {
    history *less = malloc(sizeof *less);
    if (!less) {
        abort();
    }
    *less = *h;
    memmove(&less->steps[from], &less->steps[from + count],
            (h->count - from - count) * sizeof(step));
    less->count -= count;
    size_t at = play(less, what);
    if (at != 0) {
        less->count = at; /* what comes after it is of no interest */
        *h = *less;
    }
    free(less);
    return at != 0;
}

static void plain(step *s, unsigned which) {
    switch (which) {
    case 0:
        s->skew_ms = 0;
        break;
    case 1:
        s->causes[1] = 0;
        break;
    case 2:
        s->causes[0] = s->causes[1];
        s->causes[1] = 0;
        break;
    default:
        s->pass_ms = STEP_MS;
        break;
    }
}

static void make_plain(history *h, char *what, unsigned *tries) {
    for (size_t i = 0; i < h->count; i++) {
        for (unsigned which = 0; which < 4 && *tries < SHRINKS_MAX; which++) {
            step before = h->steps[i];
            plain(&h->steps[i], which);
            if (memcmp(&before, &h->steps[i], sizeof before) == 0) {
                continue;
            }
            ++*tries;
            if (play(h, what) != h->count) {
                h->steps[i] = before;
            }
        }
    }
}

void shrink(history *h, char ret_what[static DISAGREEMENT_MAX]) {
    unsigned tries = 0;
    h->count = play(h, ret_what);
    for (size_t chunk = h->count / 2; chunk > 0 && tries < SHRINKS_MAX; chunk /= 2) {
        for (size_t from = 0; from + chunk <= h->count && tries < SHRINKS_MAX; tries++) {
            from += try_without(h, from, chunk, ret_what) ? 0 : chunk;
        }
    }
    bool less = true;
    while (less && tries < SHRINKS_MAX) { /* what went may have made others needless */
        size_t before = h->count;
        make_plain(h, ret_what, &tries);
        for (size_t i = h->count; i > 0 && tries < SHRINKS_MAX; i--, tries++) {
            if (i <= h->count) {
                try_without(h, i - 1, 1, ret_what);
            }
        }
        less = h->count < before;
    }
    play(h, ret_what);
}

bool play_and_explain(const history *h, char ret_what[static DISAGREEMENT_MAX]) {
    size_t at = play(h, ret_what);
    if (at == 0) {
        return true;
    }
    fprintf(stderr, "seed %" PRIu64 ", profile %u, step %zu: %s; the least of it:\n", h->seed,
            h->profile, at, ret_what);
    history *least = malloc(sizeof *least);
    if (!least) {
        abort();
    }
    *least = *h;
    least->count = at;
    shrink(least, ret_what);
    history_print(least);
    fprintf(stderr, "%s\n", ret_what);
    free(least);
    return false;
}

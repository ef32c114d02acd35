#include "model.h"

#include <string.h>

#define STATE_MS 600000
#define CHECK_IN_MS 600000
#define CORRECTION_MS 3600000
#define PRESSURE_HIGH 80
#define CLARITY_LOW 30
#define SATISFIED 70
#define PACE_MS 30000

static bool is_word_of_state(const step *s) {
    return s->word == HELLO || s->word == UPDATE;
}

static bool is_fresh(const model *m, const human *h) {
    return h->known && m->now_ms - h->taken_ms <= STATE_MS;
}

static bool is_strained(const model *m, unsigned who) {
    const human *h = &m->humans[who];
    return is_fresh(m, h) && (h->pressure >= PRESSURE_HIGH || h->clarity <= CLARITY_LOW);
}

static bool is_tense(const model *m, unsigned who) {
    return is_fresh(m, &m->humans[who]) && m->humans[who].affect != AFFECT_CALM;
}

/* ---- what they say of themselves */

/* What waits from or for one who has taken consent back is gone for good. */
static void purge(model *m, unsigned who) {
    for (unsigned local = 0; local < LOCALS; local++) {
        size_t kept = 0;
        for (size_t i = 0; i < m->waiting_count[local]; i++) {
            owed o = m->waiting[local][i];
            if (local != who && m->letters[o.id].says->who != who) {
                m->waiting[local][kept++] = o;
            }
        }
        m->waiting_count[local] = kept;
    }
}

static void relate(human *h, const step *s) {
    if (h->consent == REVOKED) {
        h->trust = W4_TRUST_BLOCKED;
    } else if (h->trust == W4_TRUST_BLOCKED ||
               (s->word == HELLO && h->trust == W4_TRUST_UNTRUSTED)) {
        h->trust = W4_TRUST_PROBING;
    }
}

/* Later words count; of two said at one time the one that takes consent back. At their own node
 * each word is the latest, whatever the clock was when they said another one. */
static void take_state(model *m, const letter *l) {
    const step *s = l->says;
    human *h = &m->humans[s->who];
    bool revokes = s->consent == REVOKED && h->consent != REVOKED;
    bool counts =
        !h->known || s->via == 0 || l->at_ms > h->said_ms || (l->at_ms == h->said_ms && revokes);
    if (counts) {
        revokes = s->consent == REVOKED && (!h->known || h->consent != REVOKED);
        h->known = true;
        h->said_ms = l->at_ms;
        h->taken_ms = m->now_ms;
        h->consent = s->consent;
        h->affect = s->affect;
        h->clarity = s->clarity;
        h->pressure = s->pressure;
        if (revokes) {
            purge(m, s->who);
        }
    }
    /* The scope is that of the last greeting, also when it comes behind a later word. */
    if (s->word == HELLO && (counts || l->at_ms > h->greeted_ms)) {
        h->scope = s->scope;
        h->greeted = true;
        h->greeted_ms = l->at_ms > h->greeted_ms ? l->at_ms : h->greeted_ms;
    }
    relate(h, s);
    m->eased = true;
}

/* ---- gates */

static bool allows(const human *h, bool has_topic, unsigned topic) {
    return h->consent != LIMITED || (has_topic && (h->scope >> topic & 1) != 0);
}

static bool in_scope(const model *m, const step *s) {
    const pair *p = &m->pairs[s->who][s->to];
    bool names = s->word == INTENT;
    bool has = names || p->has_topic;
    unsigned topic = names ? s->topic : p->topic;
    return allows(&m->humans[s->who], has, topic) && allows(&m->humans[s->to], has, topic);
}

/* Has the one that is tense told the other one how he is? */
static bool at_ease(const model *m, unsigned tense, unsigned other) {
    const pair *p = &m->pairs[other][tense];
    return !is_tense(m, tense) ||
           (p->answered_ms != 0 && m->now_ms <= p->answered_ms + CHECK_IN_MS);
}

w4_refusal model_human_gate(const model *m, const letter *l) {
    const step *s = l->says;
    const human *from = &m->humans[s->who], *to = &m->humans[s->to];
    if (s->word == HELLO) {
        return W4_REFUSAL_NONE;
    }
    if (s->word != UPDATE &&
        ((from->known && from->consent == REVOKED) || (to->known && to->consent == REVOKED))) {
        return W4_REFUSAL_CONSENT_REVOKED;
    }
    if (!from->known || !to->known) {
        return W4_REFUSAL_CONSENT_REQUIRED;
    }
    if (s->word == UPDATE) {
        return W4_REFUSAL_NONE;
    }
    if (!in_scope(m, s)) {
        return W4_REFUSAL_OUT_OF_SCOPE;
    }
    if (s->word == DECISION && (s->flags & (RATIONALE | CHECK_IN)) != (RATIONALE | CHECK_IN)) {
        return W4_REFUSAL_MISSING_RATIONALE;
    }
    bool presses = s->word == DECISION || (s->word == INTENT && s->goal != GOAL_ALIGN);
    if (presses && (!at_ease(m, s->to, s->who) || !at_ease(m, s->who, s->to))) {
        return W4_REFUSAL_CHECK_IN_REQUIRED;
    }
    return W4_REFUSAL_NONE;
}

/* ---- what passed takes effect */

static void satisfied(human *h) {
    h->trust = h->trust == W4_TRUST_PROBING ? W4_TRUST_TRUSTED : h->trust;
}

static void correct(model *m, unsigned who) {
    human *h = &m->humans[who];
    bool again = h->corrected_ms != 0 && m->now_ms <= h->corrected_ms + CORRECTION_MS;
    h->corrected_ms = again ? 0 : m->now_ms;
    if (again) {
        for (unsigned other = 0; other < AGENTS; other++) {
            m->pairs[who][other].validates = m->pairs[other][who].validates = false;
        }
        h->trust = h->trust == W4_TRUST_TRUSTED ? W4_TRUST_PROBING : h->trust;
    }
}

static void take_feedback(model *m, const step *s) {
    human *from = &m->humans[s->who], *to = &m->humans[s->to];
    pair *p = &m->pairs[s->to][s->who];
    if (p->asked) {
        p->asked = false;
        p->answered_ms = m->now_ms;
    }
    if ((s->flags & CORRECTIONS) != 0) {
        correct(m, s->to);
    } else if (s->satisfaction >= SATISFIED) {
        m->pairs[s->who][s->to].validates = true;
        if (p->validates) { /* each of the other */
            satisfied(from);
            satisfied(to);
        }
    }
}

static void ask(model *m, const step *s) {
    if (s->word == CONTEXT && (s->flags & CHECK_IN) != 0) {
        m->pairs[s->who][s->to].asked = true;
    }
}

static void take_talk(model *m, const step *s) {
    if (s->word == INTENT) {
        pair *both[2] = {&m->pairs[s->who][s->to], &m->pairs[s->to][s->who]};
        for (unsigned i = 0; i < 2; i++) {
            both[i]->has_topic = true;
            both[i]->topic = s->topic;
        }
    } else if (s->to >= LOCALS) {
        ask(m, s); /* one here is asked when it is given */
    }
    if (s->word == FEEDBACK) {
        take_feedback(m, s);
    }
}

static bool waits_for_ease(const model *m, const step *s) {
    bool urgent = s->word == INTENT && s->priority == 2;
    return !is_word_of_state(s) && !urgent && (is_strained(m, s->who) || is_strained(m, s->to));
}

/* What is knowledge waits for an agent that has much to do, too. */
static bool waits_for_agent(const model *m, const step *s) {
    return s->to < LOCALS && m->busy[s->to] &&
           (s->word == CONTEXT || s->word == DECISION || s->word == FEEDBACK);
}

static bool waits(const model *m, const step *s) {
    return waits_for_ease(m, s) || waits_for_agent(m, s);
}

/* At their own node nobody gives consent again by a word that is refused, or that is about
 * something else. */
static bool gives_in_vain(const model *m, const step *s, bool leads_nowhere) {
    const human *h = &m->humans[s->who];
    return s->via == 0 && h->known && h->consent == REVOKED && s->consent != REVOKED &&
           (!is_word_of_state(s) || leads_nowhere);
}

/* Consent begins with a greeting. That it is taken back counts before, too. */
static bool gives_ungreeted(const model *m, const step *s) {
    const human *h = &m->humans[s->who];
    return !h->greeted && s->word != HELLO && s->consent != REVOKED;
}

w4_refusal model_human(model *m, const letter *l) {
    const step *s = l->says;
    bool leads_nowhere = s->to >= LOCALS && m->nodes[home_of(s->to)] == W4_TRUST_BLOCKED;
    if (!gives_in_vain(m, s, leads_nowhere) && !gives_ungreeted(m, s)) {
        take_state(m, l);
    }
    w4_refusal code = model_human_gate(m, l);
    if (code != W4_REFUSAL_NONE) {
        return code;
    }
    if (leads_nowhere) {
        return W4_REFUSAL_PEER_BLOCKED;
    }
    take_talk(m, s);
    if (s->to < LOCALS && waits(m, s)) {
        bool first = m->waiting_count[s->to] == 0;
        m->paced_ms[s->to] = first ? m->now_ms : m->paced_ms[s->to];
        m->waiting[s->to][m->waiting_count[s->to]++] = (owed){.id = l->id};
    } else if (s->to < LOCALS) {
        m->at_once[s->to] = l->id;
        ask(m, s);
    }
    return W4_REFUSAL_NONE;
}

/* ---- what they are given */

static bool take_out(model *m, unsigned local, uint32_t id) {
    for (size_t i = 0; i < m->waiting_count[local]; i++) {
        if (m->waiting[local][i].id == id) {
            m->waiting_count[local]--;
            memmove(&m->waiting[local][i], &m->waiting[local][i + 1],
                    (m->waiting_count[local] - i) * sizeof(owed));
            return true;
        }
    }
    return false;
}

const char *model_given(model *m, unsigned local, uint32_t id) {
    const letter *l = &m->letters[id & (STEPS_MAX - 1)];
    if (id >= STEPS_MAX || l->id != id || (l->says->kind != HUMAN && l->says->kind != AIM)) {
        return NULL; /* no word to a human, and no intent */
    }
    if (m->at_once[local] == id) {
        m->at_once[local] = 0;
        return NULL;
    }
    if (l->says->kind == AIM || !take_out(m, local, id)) {
        return "was given, and nobody owed it";
    }
    ask(m, l->says);
    if (model_human_gate(m, l) != W4_REFUSAL_NONE) {
        return "was given when it might no longer be";
    }
    if (waits_for_agent(m, l->says)) {
        return "was given to one who has much to do";
    }
    if (!waits_for_ease(m, l->says)) {
        return NULL;
    }
    bool early = m->now_ms < m->paced_ms[local] + PACE_MS;
    m->paced_ms[local] += PACE_MS; /* at that time, or later */
    return early ? "was given too soon" : NULL;
}

const char *model_owes(model *m, unsigned local, uint32_t *ret_id) {
    *ret_id = m->at_once[local];
    if (*ret_id != 0) {
        return "was not given";
    }
    for (size_t i = 0; i < m->waiting_count[local]; i++) {
        owed *o = &m->waiting[local][i];
        const letter *l = &m->letters[o->id];
        /* When its time comes it is judged anew, and nobody promises when that is. */
        o->doubtful = o->doubtful || model_human_gate(m, l) != W4_REFUSAL_NONE;
        if (m->eased && !o->doubtful && !waits(m, l->says)) {
            *ret_id = o->id;
            return "waits though all is well";
        }
    }
    return NULL;
}

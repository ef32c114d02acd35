#include "model.h"

#include <string.h>

#define COOLDOWN_MS 300000
#define EARLY_MS 600000
#define UNVERIFIABLE_MAX 3
#define BEGIN_MS 1000000000 /* time stamps may lie before it */
#define DECISIONS (1u << CONFIRM | 1u << REJECT)
#define CHALLENGES (1u << CONFLICT | 1u << INSUFFICIENT | 1u << UNVERIFIABLE)

void model_init(model *m, const history *h) {
    memset(m, 0, sizeof *m);
    m->h = h;
    m->now_ms = BEGIN_MS;
    m->quorum = h->quorum;
    m->distinct_nodes = h->distinct_nodes;
    m->voices = h->profile >= OF_KEYS ? KEYS : AGENTS;
    for (unsigned n = 0; n < NODES; n++) {
        m->nodes[n] = W4_TRUST_PROBING;
        m->introducer[n] = h->introducer[n];
    }
    for (unsigned i = 0; i < LOCALS; i++) {
        m->agents[i] = W4_TRUST_PROBING; /* they attached */
        m->met[i] = true;
        m->here[i] = true;
    }
}

/* ---- what is to be judged anew, and in which order: that which an event touches in the order of
 * its coming, then what follows from it */

void model_touch(model *m, matter *about) {
    bool claim = about >= m->claims && about < m->claims + STEPS_MAX;
    queue *due = &m->due[claim ? 1 : 0];
    if (!about->queued) {
        about->queued = true;
        due->items[(due->at + due->count++) % STEPS_MAX] = about;
    }
}

matter *model_next(model *m, queue *due) {
    (void)m;
    if (due->count == 0) {
        return NULL;
    }
    matter *next = due->items[due->at];
    due->at = (due->at + 1) % STEPS_MAX;
    due->count--;
    next->queued = false;
    return next;
}

static void touch_effects(model *m, uint32_t cause) {
    for (size_t i = 0; i < m->fact_count; i++) {
        if (m->facts[i].causes[0] == cause || m->facts[i].causes[1] == cause) {
            model_touch(m, &m->facts[i]);
        }
    }
}

static void touch_decision(model *m, unsigned decision) {
    for (size_t i = 0; i < m->fact_count; i++) {
        if (m->facts[i].decision == decision) {
            model_touch(m, &m->facts[i]);
        }
    }
}

static void touch_pending(model *m) {
    for (size_t i = 0; i < m->fact_count; i++) {
        if (m->facts[i].state == W4_FACT_PENDING) {
            model_touch(m, &m->facts[i]);
        }
    }
    model_touch_claims(m);
}

/* What that key said last, whatever its other keys said. */
static const utterance *last_of_key(const model *m, uint32_t about, unsigned key, unsigned words) {
    const utterance *last = NULL;
    for (size_t i = 0; i < m->said_count; i++) {
        const utterance *u = &m->said[i];
        if (u->about == about && u->who == key && (words >> u->word & 1) != 0 &&
            (last == NULL || u->at_ms >= last->at_ms)) {
            last = u;
        }
    }
    return last;
}

static bool has_part(const model *m, const matter *in, unsigned key) {
    return in->who == key || last_of_key(m, in->id, key, ~0u) != NULL;
}

static void touch_key(model *m, unsigned key) {
    for (size_t i = 0; i < m->fact_count; i++) {
        if (has_part(m, &m->facts[i], key)) {
            model_touch(m, &m->facts[i]);
        }
        if (m->facts[i].who == key) {
            touch_decision(m, m->facts[i].decision);
        }
    }
    for (size_t i = 0; i < m->claim_count; i++) {
        if (has_part(m, &m->claims[i], key)) {
            model_touch(m, &m->claims[i]);
        }
    }
}

void model_touch_agent(model *m, unsigned who) {
    for (unsigned key = model_root(m, who) + 1; key != 0; key = m->keys[key - 1].successor) {
        touch_key(m, key - 1);
    }
}

/* ---- trust in agents */

static void move(model *m, unsigned who, w4_trust_state to) {
    unsigned root = model_root(m, who);
    m->agents[root] = to;
    m->unverifiable[root] = 0; /* of one probation */
    m->met[root] = true;
    model_touch_agent(m, who);
}

static void lower(model *m, unsigned who, w4_trust_state to) {
    move(m, who, to);
    if (to == W4_TRUST_UNTRUSTED) {
        m->cooldown_ms[model_root(m, who)] = m->now_ms + COOLDOWN_MS;
    }
}

static void conflict(model *m, unsigned who) {
    if (model_trust(m, who) == W4_TRUST_TRUSTED) {
        lower(m, who, W4_TRUST_PROBING); /* an anomaly */
    } else if (model_trust(m, who) == W4_TRUST_PROBING) {
        lower(m, who, W4_TRUST_UNTRUSTED);
    }
}

static void unverifiable(model *m, unsigned who) {
    if (model_trust(m, who) != W4_TRUST_PROBING ||
        ++m->unverifiable[model_root(m, who)] == UNVERIFIABLE_MAX) {
        conflict(m, who);
    }
}

static bool is_cooling(const model *m, unsigned who) {
    return m->now_ms < m->cooldown_ms[model_root(m, who)];
}

static void greet(model *m, unsigned who) {
    if (model_trust(m, who) == W4_TRUST_UNTRUSTED && !is_cooling(m, who)) {
        move(m, who, W4_TRUST_PROBING);
    }
}

static void order(model *m, unsigned who, w4_trust_state to) {
    unsigned root = model_root(m, who);
    bool cools = is_cooling(m, who), moves = m->agents[root] != to;
    if (moves) {
        move(m, who, to);
    }
    m->ordered[root] = m->ordered[root] || moves || cools;
    m->cooldown_ms[root] = 0;
}

static bool is_trusted(const model *m, unsigned who) {
    return model_trust(m, who) == W4_TRUST_TRUSTED;
}

/* ---- what was said */

matter *model_find(matter *all, size_t count, uint32_t id) {
    for (size_t i = 0; i < count; i++) {
        if (all[i].id == id) {
            return &all[i];
        }
    }
    return NULL;
}

bool model_busy(const model *m) {
    return m->busy[0] || m->busy[1];
}

static bool was_said(const model *m, const letter *l, const matter *about) {
    for (size_t i = 0; i < m->said_count; i++) {
        if (m->said[i].letter == l->says->number && m->said[i].about == about->id) {
            return true;
        }
    }
    return false;
}

/* Once, however often it comes. What is later than what its author said before tells also where he
 * lives, if that is known of it. */
void model_say(model *m, const letter *l, unsigned word, matter *about, bool homeless) {
    unsigned who = key_of_step(l->says),
             like = (1u << word & DECISIONS) != 0 ? DECISIONS : CHALLENGES;
    const utterance *before = last_of_key(m, about->id, who, like);
    bool first = last_of_key(m, about->id, who, ~0u) == NULL;
    if (was_said(m, l, about)) {
        return;
    }
    if (before == NULL || l->at_ms >= before->at_ms) {
        about->homeless[who] = homeless && (first || about->homeless[who]);
    }
    m->said[m->said_count++] = (utterance){.about = about->id,
                                           .letter = l->says->number,
                                           .who = who,
                                           .word = word,
                                           .at_ms = l->at_ms,
                                           .taken_ms = m->now_ms};
    model_touch(m, about);
}

bool model_of_another(const letter *l, const matter *known) {
    return l->bound && (l->says->digest == OTHER_DIGEST || known->letter != l->says->about);
}

/* Votes about claims are left to others. */
static void deliver(model *m, const letter *l) {
    if (l->says->kind != CLAIM_VOTE) {
        model_deliver(m, l);
    }
}

/* What comes before that which it is about waits, unless it is said here. */
w4_refusal model_take_vote(model *m, const letter *l, unsigned word, matter *known) {
    if (known != NULL && model_of_another(l, known)) {
        return W4_REFUSAL_UNKNOWN_REFERENCE;
    }
    if (known != NULL) {
        model_say(m, l, word, known, false);
        deliver(m, l);
    } else if (l->says->via == 0) {
        return W4_REFUSAL_UNKNOWN_REFERENCE;
    } else {
        m->early[m->early_count++] = l->says->number;
    }
    return W4_REFUSAL_NONE;
}

void model_let_in(model *m, matter *came, step_kind vote) {
    for (size_t i = 0; i < m->early_count; i++) {
        const letter *l = &m->letters[m->early[i]];
        if (m->early[i] == 0 || l->says->about != came->id) {
            continue;
        }
        if (l->says->kind == vote && m->now_ms <= l->at_ms + EARLY_MS &&
            model_trust(m, key_of_step(l->says)) != W4_TRUST_BLOCKED &&
            !model_of_another(l, came)) {
            deliver(m, l);
            model_say(m, l, l->says->word, came, false);
        }
        m->early[i] = 0;
    }
}

/* ---- facts */

static const matter *fact_of(const model *m, uint32_t id) {
    return model_find((matter *)m->facts, m->fact_count, id);
}

/* Is it among its own causes? All that it follows from, each looked at once. */
static bool is_circle(const model *m, const matter *f) {
    bool seen[STEPS_MAX + 1] = {false};
    uint32_t ahead[2 * STEPS_MAX + 2];
    size_t count = 0;
    const matter *at = f;
    while (at != NULL) {
        for (unsigned i = 0; i < 2; i++) {
            uint32_t cause = at->causes[i];
            if (cause == f->id) {
                return true;
            }
            if (cause != 0 && cause <= STEPS_MAX && !seen[cause]) {
                seen[cause] = true;
                ahead[count++] = cause;
            }
        }
        for (at = NULL; at == NULL && count > 0;) {
            at = fact_of(m, ahead[--count]);
        }
    }
    return false;
}

static bool causes_hold(const model *m, const matter *f) {
    for (unsigned i = 0; i < 2; i++) {
        const matter *cause = fact_of(m, f->causes[i]);
        if (f->causes[i] != 0 &&
            (cause == NULL ? f->causes[i] > STEPS_MAX || !m->shared[f->causes[i]]
                           : cause->state == W4_FACT_REJECTED || cause->state == W4_FACT_REFUTED)) {
            return false;
        }
    }
    return !is_circle(m, f);
}

/* One that was accepted binds its decision; else the first of those trusted alike, and who is not
 * trusted never before who is. Nothing that was rejected, or proposed by a key that was revoked,
 * binds. */
static bool decision_free(const model *m, const matter *f) {
    for (size_t i = 0; i < m->fact_count; i++) {
        const matter *g = &m->facts[i];
        bool gone = g->state == W4_FACT_REJECTED || g->state == W4_FACT_REFUTED;
        gone = gone || (m->keys[g->who].revoked && !g->was_accepted);
        if (g == f || gone || g->decision != f->decision || g->says == f->says) {
            continue;
        }
        bool mine = is_trusted(m, f->who), theirs = is_trusted(m, g->who);
        if (g->was_accepted || (theirs && !mine) || (theirs == mine && g < f)) {
            return false;
        }
    }
    return true;
}

static w4_fact_state judge(const model *m, const matter *f, unsigned *ret_doubt) {
    const utterance *doubt = model_doubt(m, f);
    if (model_rejections(m, f) >= 2 || (f->settled && f->settled_against)) {
        return f->was_accepted ? W4_FACT_REFUTED : W4_FACT_REJECTED;
    }
    if (doubt != NULL) {
        *ret_doubt = doubt->word;
        return W4_FACT_DISPUTED;
    }
    bool proposer = model_trust(m, f->who) == W4_TRUST_PROBING || is_trusted(m, f->who);
    bool accepted =
        f->was_accepted ||
        (proposer && !m->keys[f->who].revoked && decision_free(m, f) && causes_hold(m, f) &&
         model_confirmations(m, f, INT64_MIN, NOBODY) >= m->quorum && !model_busy(m));
    return accepted ? W4_FACT_ACCEPTED : W4_FACT_PENDING;
}

static void moved(model *m, matter *f, unsigned doubt) {
    w4_fact_state to = f->state;
    bool first = to == W4_FACT_ACCEPTED && !f->was_accepted;
    f->was_accepted = f->was_accepted || first;
    if (f->settled && f->settled_against) {
        return; /* an order says nothing of the proposer */
    }
    if (first && model_trust(m, f->who) == W4_TRUST_PROBING) {
        move(m, f->who, W4_TRUST_TRUSTED);
    } else if (to == W4_FACT_REJECTED || to == W4_FACT_REFUTED ||
               (to == W4_FACT_DISPUTED && doubt == CONFLICT)) {
        conflict(m, f->who);
    } else if (to == W4_FACT_DISPUTED) {
        unverifiable(m, f->who);
    }
}

/* Where somebody lives may be known by now. */
static void place(const model *m, matter *f) {
    for (unsigned who = 0; who < m->voices; who++) {
        f->homeless[who] = f->homeless[who] && m->nodes[home_of(who)] == W4_TRUST_BLOCKED;
    }
}

static void judge_fact(model *m, matter *f) {
    place(m, f);
    unsigned doubt = CONFLICT;
    w4_fact_state to = judge(m, f, &doubt);
    if (to != f->state) {
        f->state = to;
        touch_effects(m, f->id);
        touch_decision(m, f->decision);
        moved(m, f, doubt);
    }
}

/* Does something that was rejected or refuted stand behind it, however far away? */
static bool lacks_support(const model *m, const matter *f, bool *ret_doubtful) {
    bool seen[STEPS_MAX + 1] = {false};
    uint32_t ahead[2 * STEPS_MAX + 2] = {f->causes[0], f->causes[1]};
    size_t count = 2;
    *ret_doubtful = false;
    while (count > 0) {
        uint32_t id = ahead[--count];
        const matter *at = fact_of(m, id);
        if (at == NULL || seen[at->id]) {
            bool decision = id <= STEPS_MAX && m->shared[id];
            *ret_doubtful = *ret_doubtful || (at == NULL && id != 0 && !decision);
            continue;
        }
        seen[at->id] = true;
        if (at->state == W4_FACT_REJECTED || at->state == W4_FACT_REFUTED) {
            return true;
        }
        ahead[count++] = at->causes[0];
        ahead[count++] = at->causes[1];
    }
    return false;
}

/* Nothing may be left that ought to stand elsewhere, touched or not. */
static void touch_wrong(model *m) {
    for (size_t i = 0; i < m->fact_count; i++) {
        unsigned doubt;
        place(m, &m->facts[i]);
        if (judge(m, &m->facts[i], &doubt) != m->facts[i].state) {
            model_touch(m, &m->facts[i]);
        }
    }
}

void model_judge_facts(model *m) {
    matter *next;
    bool busy = model_busy(m);
    if (m->was_busy && !busy) {
        touch_pending(m);
    }
    m->was_busy = busy;
    for (unsigned rounds = 0; rounds < 8 * STEPS_MAX; rounds++) {
        if (m->due[0].count == 0) {
            touch_wrong(m);
        }
        if ((next = model_next(m, &m->due[0])) == NULL) {
            break;
        }
        judge_fact(m, next);
    }
}

void model_settle(model *m) {
    model_judge_facts(m);
    for (size_t i = 0; i < m->fact_count; i++) {
        m->facts[i].unsupported = lacks_support(m, &m->facts[i], &m->facts[i].doubtful);
    }
    model_settle_claims(m);
}

w4_refusal model_propose(model *m, const letter *l) {
    const step *s = l->says;
    unsigned who = key_of_step(s);
    const matter *known = fact_of(m, l->id);
    if (known != NULL && known->letter == s->number) {
        return W4_REFUSAL_NONE;
    }
    if (known != NULL && known->who == who) {
        move(m, who, W4_TRUST_BLOCKED); /* two letters under one msg_id */
        return W4_REFUSAL_REPLAY;
    }
    for (size_t i = 0; i < m->fact_count; i++) {
        const matter *g = &m->facts[i];
        if (g->who == who && g->decision == s->decision && g->says != s->says) {
            move(m, who, W4_TRUST_BLOCKED); /* two statements under one decision */
            return W4_REFUSAL_BLACKLISTED;
        }
    }
    m->facts[m->fact_count++] = (matter){.id = l->id,
                                         .letter = s->number,
                                         .who = who,
                                         .decision = s->decision,
                                         .says = s->says,
                                         .causes = {s->causes[0], s->causes[1]},
                                         .state = W4_FACT_PENDING};
    matter *f = &m->facts[m->fact_count - 1];
    model_touch(m, f);
    touch_effects(m, f->id);
    return W4_REFUSAL_NONE;
}

void model_share(model *m, const letter *l) {
    m->shared[l->id] = true;
    touch_effects(m, l->id);
}

/* ---- the way of one envelope */

w4_refusal model_trust_gate(const model *m, const step *s) {
    w4_trust_state state = model_trust(m, key_of_step(s));
    if (state == W4_TRUST_BLOCKED) {
        return W4_REFUSAL_BLACKLISTED;
    }
    if (s->kind == HUMAN) {
        return W4_REFUSAL_NONE; /* consent decides */
    }
    if (s->kind == GREET) {
        return state == W4_TRUST_UNTRUSTED && is_cooling(m, key_of_step(s)) ? W4_REFUSAL_COOLDOWN
                                                                            : W4_REFUSAL_NONE;
    }
    return state == W4_TRUST_UNTRUSTED ? W4_REFUSAL_UNTRUSTED : W4_REFUSAL_NONE;
}

static w4_refusal handle(model *m, const letter *l) {
    const step *s = l->says;
    w4_refusal code;
    switch (s->kind) {
    case PROPOSE:
    case TWIST:
        code = model_propose(m, l);
        if (code == W4_REFUSAL_NONE) {
            model_deliver(m, l);
            model_let_in(m, model_find(m->facts, m->fact_count, l->id), VOTE);
        }
        return code;
    case VOTE:
        return model_take_vote(m, l, s->word, model_find(m->facts, m->fact_count, s->about));
    case SHARE:
        model_share(m, l);
        model_deliver(m, l);
        return W4_REFUSAL_NONE;
    case CLAIM:
        return model_claim(m, l);
    case CLAIM_VOTE:
        return model_claim_vote(m, l);
    case HUMAN:
        return model_human(m, l);
    case GREET: /* which takes a third word, of now */
        if (model_key_gate(m, key_of_step(s), m->now_ms) == W4_REFUSAL_NONE) {
            greet(m, key_of_step(s));
        }
        return W4_REFUSAL_NONE;
    case LOAD:
        m->busy[s->who] = s->word != 0;
        if (!m->busy[s->who]) {
            model_ease(m, s->who);
        }
        m->eased = m->eased || s->word == 0;
        return W4_REFUSAL_NONE;
    case AIM:
        m->at_once[s->to] = m->busy[s->to] ? 0 : l->id;
        return m->busy[s->to] ? W4_REFUSAL_DEFERRED_OVERLOAD : W4_REFUSAL_NONE;
    case KEEP:
        return model_keep(m, l);
    case AGAIN:
    case FORGE:
    case ORDER:
    case NODE_ORDER:
    case SOURCE:
    case SETTLE:
    case CATCH_UP:
    case LEAVE:
    case COME:
    case DEAL:
    case SUCCEED:
    case REVOKE:
    case PASS:
    case RESTART:
    case KINDS:
        break;
    }
    return W4_REFUSAL_INTERNAL;
}

/* Who signs what lies ahead has a clock that is wrong, if all neighbours know that this one is
 * right. */
w4_refusal model_freshness(model *m, const letter *l, unsigned via, bool old) {
    int64_t off_ms = l->at_ms - m->now_ms;
    if (off_ms > FRESH_MS && via != 0 && m->h->agreed && is_trusted(m, key_of_step(l->says))) {
        lower(m, key_of_step(l->says), W4_TRUST_PROBING);
    }
    return off_ms > FRESH_MS || (off_ms < -FRESH_MS && !old) ? W4_REFUSAL_STALE : W4_REFUSAL_NONE;
}

static w4_refusal receive(model *m, const letter *l, unsigned via, uint32_t number) {
    const step *s = l->says;
    if (via != 0 && m->nodes[via] == W4_TRUST_BLOCKED) {
        return W4_REFUSAL_PEER_BLOCKED;
    }
    w4_refusal code = model_key_gate(m, key_of_step(s), l->at_ms);
    bool durable = s->kind == KEEP, known = false;
    code = code == W4_REFUSAL_NONE ? model_freshness(m, l, via, durable) : code;
    if (code == W4_REFUSAL_NONE && durable) {
        code = l->at_ms < m->now_ms - DURABLE_AGE_MS ? W4_REFUSAL_STALE
                                                     : model_kept_gate(m, l, &known);
    }
    if (code != W4_REFUSAL_NONE || known) {
        return code;
    }
    if (m->taken[l->id] != 0 && !durable) {
        if (m->taken[l->id] != number) {
            move(m, key_of_step(s), W4_TRUST_BLOCKED); /* two words under one msg_id */
        }
        return W4_REFUSAL_REPLAY;
    }
    code = model_trust_gate(m, s);
    code = code == W4_REFUSAL_NONE ? handle(m, l) : code;
    if (code == W4_REFUSAL_NONE) {
        m->taken[l->id] = number;
    }
    return code;
}

static w4_refusal forged(model *m, unsigned via) {
    if (m->nodes[via] == W4_TRUST_BLOCKED) {
        return W4_REFUSAL_PEER_BLOCKED;
    }
    m->nodes[via] = m->nodes[via] == W4_TRUST_TRUSTED ? W4_TRUST_PROBING : W4_TRUST_BLOCKED;
    return W4_REFUSAL_BAD_SIGNATURE;
}

/* ---- steps */

static bool is_other(const step *s) {
    return s->kind == AGAIN || s->kind == FORGE || s->kind == TWIST;
}

/* Nobody promises for how long more than the window a msg_id is remembered; what was proposed under
 * it is, and tells the same where trust lets the letter come so far. */
static bool may_twist(const model *m, const letter *l) {
    const letter *taken = &m->letters[m->taken[l->id]];
    bool remembered = taken->at_ms + FRESH_MS >= m->now_ms;
    w4_trust_state state = model_trust(m, key_of_step(l->says));
    bool heard = state == W4_TRUST_PROBING || state == W4_TRUST_TRUSTED;
    return m->taken[l->id] == 0 || remembered || heard;
}

static bool makes_letter(const step *s) {
    return s->kind != PASS && s->kind != RESTART && s->kind != ORDER && s->kind != NODE_ORDER &&
           s->kind != SOURCE && s->kind != SETTLE && s->kind != CATCH_UP && s->kind != SUCCEED &&
           s->kind != REVOKE && s->kind != LEAVE && s->kind != COME && s->kind != DEAL;
}

static bool has_letter(const model *m, const step *s) {
    if (!makes_letter(s)) {
        return false;
    }
    if (!is_other(s)) {
        return true;
    }
    /* Of those of the neighbours, that was sent before; a greeting is never sent again. */
    const letter *l = s->about <= STEPS_MAX ? &m->letters[s->about] : NULL;
    bool sent = l != NULL && l->id != 0 && l->says->via != 0 && l->says->kind != GREET;
    bool twists = sent && (s->kind == TWIST || (s->kind == AGAIN && l->says->kind == TWIST));
    return sent && (s->kind != TWIST || l->says->kind == PROPOSE) && (!twists || may_twist(m, l));
}

/* What waits for what it is about is loaded in the order in which it was said. */
static void sort_early(model *m) {
    for (size_t i = 1; i < m->early_count; i++) {
        uint32_t number = m->early[i];
        size_t at = i;
        for (; at > 0 && m->letters[m->early[at - 1]].at_ms > m->letters[number].at_ms; at--) {
            m->early[at] = m->early[at - 1];
        }
        m->early[at] = number;
    }
}

/* All is judged anew, in the order of its coming. */
static void restart(model *m) {
    sort_early(m);
    for (size_t i = 0; i < m->fact_count; i++) {
        model_touch(m, &m->facts[i]);
    }
    for (size_t i = 0; i < m->claim_count; i++) {
        model_touch(m, &m->claims[i]);
    }
    memset(m->busy, 0, sizeof m->busy);
    for (unsigned i = 0; i < AGENTS * AGENTS; i++) { /* what was found of one another is kept */
        pair *both = &m->pairs[i / AGENTS][i % AGENTS];
        *both = (pair){.validates = both->validates};
    }
    memset(m->paced, 0, sizeof m->paced); /* in no store: who said it may say it again */
    memset(m->waiting_count, 0, sizeof m->waiting_count);
    model_settle(m); /* before the agents are back */
    for (unsigned i = 0; i < LOCALS; i++) {
        model_leave(m, i);
        greet(m, i);
        model_settle(m);
        model_come(m, i);
    }
}

static w4_refusal speak(model *m, const step *s) {
    letter *l = &m->letters[s->number];
    const letter *other = is_other(s) ? &m->letters[s->about] : NULL;
    if (s->kind == AGAIN) {
        return receive(m, other, other->says->via, s->about);
    }
    if (s->kind == FORGE) {
        return forged(m, other->says->via);
    }
    *l = s->kind == TWIST ? (letter){.says = s, .id = other->id, .at_ms = m->now_ms + s->skew_ms}
                          : (letter){.says = s, .id = s->number, .at_ms = m->now_ms + s->skew_ms};
    /* Nobody can say of one that he has not seen which it is. */
    bool seen = s->about <= STEPS_MAX && m->letters[s->about].id != 0;
    l->bound = s->kind == VOTE && (s->digest == OTHER_DIGEST || (s->digest == TRUE_DIGEST && seen));
    return s->missed ? W4_REFUSAL_NONE : receive(m, l, s->via, s->number);
}

/* What he takes back need not have been said. */
static void settle_fact(model *m, const step *s) {
    matter *f = model_find(m->facts, m->fact_count, s->about);
    if (f != NULL) {
        f->settled = s->word != WITHDRAWN;
        f->settled_against = s->word == AGAINST;
        f->settled_ms = m->now_ms;
        model_touch(m, f);
    }
}

w4_refusal model_step(model *m, const step *s, bool *ret_happens) {
    w4_refusal code = W4_REFUSAL_NONE;
    m->now_ms += (int64_t)s->pass_ms;
    m->eased = false;
    memset(m->at_once, 0, sizeof m->at_once);
    memset(m->gets, 0, sizeof m->gets);
    m->ended_count = 0;
    m->holds = false;
    model_kept_pass(m);
    bool posts = has_letter(m, s);
    *ret_happens = posts || !makes_letter(s);
    if (!*ret_happens) {
        model_settle(m); /* time has passed all the same */
        return W4_REFUSAL_NONE;
    }
    if (posts) {
        code = speak(m, s);
    } else if (s->kind == ORDER) {
        order(m, key_of_step(s), (w4_trust_state)s->word);
    } else if (s->kind == NODE_ORDER) {
        bool moves = m->nodes[s->who] != (w4_trust_state)s->word;
        m->introducer[s->who] = moves ? 0 : m->introducer[s->who];
        m->nodes[s->who] = (w4_trust_state)s->word;
    } else if (s->kind == SETTLE) {
        settle_fact(m, s);
    } else if (s->kind == SOURCE) {
        m->sources[s->decision] = (source){.tier = s->word, .pinned = s->says != 0};
        model_touch_claims(m);
    } else if (s->kind == RESTART) {
        restart(m);
    } else if (s->kind == CATCH_UP) {
        code = model_catch_up(m, s);
    } else if (s->kind == LEAVE) {
        model_leave(m, s->who);
    } else if (s->kind == COME && !m->here[s->who]) {
        greet(m, s->who);
        model_come(m, s->who);
    } else if (s->kind == DEAL) {
        code = model_deal(m, s);
    } else if (s->kind == SUCCEED || s->kind == REVOKE) {
        code = model_keys(m, s);
    }
    model_settle(m);
    return code;
}

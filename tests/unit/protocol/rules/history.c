#include "history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(uint64_t *state, unsigned bound) {
    return (unsigned)(draw(state) % bound);
}

static const char *const names[KINDS] = {
    [PROPOSE] = "propose",
    [VOTE] = "vote",
    [SHARE] = "share",
    [CLAIM] = "claim",
    [CLAIM_VOTE] = "claim vote",
    [HUMAN] = "human",
    [LOAD] = "load",
    [GREET] = "greet",
    [AGAIN] = "again",
    [FORGE] = "forge",
    [TWIST] = "twist",
    [ORDER] = "order",
    [NODE_ORDER] = "node order",
    [SOURCE] = "source",
    [PASS] = "pass",
    [RESTART] = "restart",
    [SETTLE] = "settle",
    [AIM] = "aim",
    [CATCH_UP] = "catch up",
    [KEEP] = "keep",
    [LEAVE] = "leave",
    [COME] = "come",
    [DEAL] = "deal",
    [SUCCEED] = "succeed",
    [REVOKE] = "revoke",
};

const char *kind_name(step_kind kind) {
    return names[kind];
}

/* How often each kind comes, of 1000. */
static const unsigned weights[PROFILES][KINDS] = {
    /* propose vote share claim vote human load greet again forge twist order node source settle aim
       catch keep leave come deal succeed revoke pass restart */
    {90, 300, 20, 40, 110, 200, 30, 60, 50, 6, 4, 30, 8, 6, 10, 40, 20, 0, 0, 0, 0, 0, 0, 50, 6},
    {90, 530, 30, 0, 0, 0, 30, 110, 60, 8, 6, 50, 10, 0, 25, 0, 50, 0, 0, 0, 0, 0, 0, 70, 6},
    {0, 0, 0, 0, 0, 770, 20, 0, 70, 6, 0, 0, 10, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0, 84, 10},
    {0, 0, 0, 160, 520, 0, 30, 70, 60, 8, 0, 50, 10, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 66, 6},
    {150, 560, 10, 0, 0, 0, 0, 80, 10, 0, 0, 120, 4, 0, 20, 0, 30, 0, 0, 0, 0, 0, 0, 20, 4},
    {80, 420, 10, 10, 30, 0, 10, 120, 60, 4, 4, 60, 6, 0, 10, 0, 40, 0, 0, 0, 0, 60, 30, 40, 6},
    {0, 0, 0, 0, 0, 0, 0, 80, 80, 4, 0, 40, 0, 0, 0, 0, 0, 400, 50, 70, 220, 20, 12, 40, 10},
};

static step_kind draw_kind(uint64_t *random, unsigned profile) {
    unsigned total = 0;
    for (unsigned k = 0; k < KINDS; k++) {
        total += weights[profile][k];
    }
    unsigned at = below(random, total);
    for (unsigned k = 0; k < KINDS; k++) {
        if (at < weights[profile][k]) {
            return (step_kind)k;
        }
        at -= weights[profile][k];
    }
    return PASS;
}

/* One of the last steps of that kind; now and then one that is still to come. */
static uint32_t draw_about(uint64_t *random, const history *h, step_kind k, unsigned reach) {
    uint32_t seen[64];
    unsigned count = 0;
    for (size_t i = h->count; i > 0 && count < reach; i--) {
        if (h->steps[i - 1].kind == k || k == KINDS) {
            seen[count++] = h->steps[i - 1].number;
        }
    }
    if (count == 0 || (k != KINDS && below(random, 8) == 0)) {
        return (uint32_t)h->count + 2 + below(random, 6);
    }
    return seen[below(random, count)];
}

static void draw_human(uint64_t *random, step *s) {
    static const unsigned levels[] = {10, 29, 30, 31, 79, 80, 81, 60};
    static const unsigned satisfied[] = {20, 69, 70, 90};
    s->word = below(random, HUMAN_WORDS + 2);
    s->word = s->word >= HUMAN_WORDS ? (s->word == HUMAN_WORDS ? INTENT : HELLO) : s->word;
    /* One side is always of this node. */
    bool from_here = below(random, 3) == 0;
    s->who = from_here ? below(random, LOCALS) : LOCALS + below(random, 4);
    s->to = from_here ? below(random, LOCALS + 4) : below(random, LOCALS);
    s->to = s->to == s->who ? 1 - s->who : s->to;
    s->consent = below(random, 8);
    s->consent = s->consent > 3 ? GRANTED : s->consent == 3 ? LIMITED : s->consent;
    s->scope = below(random, 4);
    s->affect = below(random, 5) == 0 ? 1 + below(random, 2) : AFFECT_CALM;
    s->clarity = below(random, 4) == 0 ? levels[below(random, 8)] : 70;
    s->pressure = below(random, 4) == 0 ? levels[below(random, 8)] : 20;
    s->topic = below(random, 2);
    s->priority = below(random, 3);
    s->goal = below(random, 3);
    s->flags = (below(random, 2) ? CHECK_IN : 0) | (below(random, 6) ? RATIONALE : 0) |
               (below(random, 3) == 0 ? CORRECTIONS : 0);
    s->satisfaction = satisfied[below(random, 4)];
}

static void draw_time(uint64_t *random, unsigned profile, step *s) {
    static const int64_t skews[] = {1000,    -1000,  299000,  -299000, 299999,  -299999, 300000,
                                    -300000, 300001, -300001, 301000,  -301000, -5000,   -60000};
    static const uint64_t passes[] = {1,      1000,   10000,  31000,  100000,
                                      299000, 300000, 301000, 599000, 601000};
    static const uint64_t hours[] = {1000, 900000, 1799000, 3601000};
    s->pass_ms = STEP_MS;
    if (below(random, 6) == 0) {
        s->skew_ms = skews[below(random, 14)];
    }
    if (s->kind == PASS) {
        s->pass_ms += profile == OF_DURABLE ? hours[below(random, 4)] : passes[below(random, 10)];
    }
}

static void draw_proposal(uint64_t *random, const history *h, step *s) {
    s->decision = below(random, 4) == 0 ? 1 + below(random, 4) : 1000 + s->number;
    s->says = below(random, 4);
    for (unsigned i = 0; i < 2 && below(random, 5) < 2; i++) {
        s->causes[i] = draw_about(random, h, below(random, 5) == 0 ? SHARE : PROPOSE, 8);
    }
}

static void draw_vote(uint64_t *random, const history *h, step *s) {
    s->about = draw_about(random, h, PROPOSE, 5);
    s->word = below(random, STANCES + 8);
    s->word = s->word >= STANCES + 6 ? REJECT : s->word >= STANCES ? CONFIRM : s->word;
    s->digest = below(random, 16);
    s->digest = s->digest > 4 ? NO_DIGEST : s->digest > 0 ? TRUE_DIGEST : OTHER_DIGEST;
}

/* What the operator says. */
static void draw_order(uint64_t *random, const history *h, step *s) {
    if (s->kind == ORDER) {
        s->word = below(random, 3) == 0 ? below(random, 4) : 2;
    } else if (s->kind == NODE_ORDER) {
        s->who = 1 + below(random, NODES - 1);
        s->word = 1 + below(random, 2);
    } else if (s->kind == SOURCE) {
        s->decision = below(random, SOURCES);
        s->word = below(random, 5);
        s->says = below(random, 3) == 0;
    } else {
        s->about = draw_about(random, h, PROPOSE, 5);
        s->word = below(random, VERDICTS);
    }
}

/* One who lives on the node through which others became known. */
static unsigned draw_introducer(uint64_t *random, const history *h) {
    unsigned by = h->introducer[1] != 0 ? h->introducer[1] : h->introducer[2];
    return by == 0 ? below(random, AGENTS) : LOCALS + by - 1 + (NODES - 1) * below(random, 2);
}

/* The last that was made its own; now and then another. */
static unsigned draw_key(uint64_t *random, const history *h, unsigned who) {
    if (below(random, 6) == 0) {
        return below(random, KEYS_EACH);
    }
    for (size_t i = h->count; i > 0; i--) {
        const step *s = &h->steps[i - 1];
        if (s->kind == SUCCEED && s->to == who) {
            return s->word;
        }
    }
    return 0;
}

/* What is said of keys; those of the agents here stay as they are. */
static void draw_of_keys(uint64_t *random, const history *h, step *s) {
    s->who = LOCALS + below(random, AGENTS - LOCALS);
    s->key = draw_key(random, h, s->who);
    s->to = s->who;
    if (s->kind == SUCCEED) {
        /* Of another agent of its node: where an identity lives that moved is for others to test.
         */
        unsigned other = (s->who - LOCALS + NODES - 1) % (AGENTS - LOCALS) + LOCALS;
        s->to = below(random, 8) == 0 ? other : s->who;
        s->word = below(random, 4) == 0 ? below(random, KEYS_EACH) : (s->key + 1) % KEYS_EACH;
        s->word = s->to == s->who && s->word == s->key ? (s->key + 1) % KEYS_EACH : s->word;
    } else {
        s->word = below(random, REVOKERS);
        s->to = s->word == BY_NODE      ? 1 + below(random, NODES - 1)
                : below(random, 5) == 0 ? below(random, AGENTS)
                                        : s->who;
        s->by = below(random, KEYS_EACH);
    }
}

/* With which key, and who brings it. */
static void draw_speaker(uint64_t *random, const history *h, unsigned profile, step *s) {
    s->via = home_of(s->who);
    if (s->kind == SUCCEED || s->kind == REVOKE) {
        s->via = s->word == BY_OPERATOR && s->kind == REVOKE ? 0 : below(random, NODES);
    } else if (s->kind == TWIST) {
        const step *other = history_step(h, s->about);
        s->key = other ? other->key : 0;
    } else if (profile >= OF_KEYS && s->via != 0) {
        s->key = draw_key(random, h, s->who);
    }
}

static void draw_twist(uint64_t *random, const history *h, step *s) {
    s->about = draw_about(random, h, PROPOSE, 5);
    s->who = s->about <= h->count ? h->steps[s->about - 1].who : s->who;
    s->says = 4 + below(random, 2);
}

static void draw_kept(uint64_t *random, const history *h, step *s) {
    static const int64_t old_ms[] = {-300001, -1800000, -3599000, -3601000};
    if (s->kind != KEEP) {
        s->who = below(random, LOCALS);
        s->about = draw_about(random, h, KEEP, 12);
        const step *other =
            s->kind == DEAL && below(random, 4) != 0 ? history_step(h, s->about) : NULL;
        s->who = other ? other->to : s->who;
        return;
    }
    s->who =
        below(random, 3) == 0 ? LOCALS + below(random, AGENTS - LOCALS) : LOCALS + below(random, 2);
    s->to = below(random, 3) == 0;
    s->skew_ms = below(random, 8) == 0 ? old_ms[below(random, 4)] : 0;
}

static void draw_claim(uint64_t *random, const history *h, step *s) {
    if (s->kind == CLAIM) {
        s->decision = below(random, SOURCES);
        s->says = below(random, 8);
        return;
    }
    s->about = draw_about(random, h, CLAIM, 4);
    s->word = below(random, CLAIM_WORDS + 3);
    s->word = s->word >= CLAIM_WORDS ? LIP_YES : s->word;
}

static void draw_step(uint64_t *random, history *h, unsigned profile) {
    step *s = &h->steps[h->count];
    *s = (step){.number = (uint32_t)h->count + 1, .kind = draw_kind(random, profile)};
    s->who = below(random, AGENTS);
    switch (s->kind) {
    case PROPOSE:
        draw_proposal(random, h, s);
        s->who = profile == 4 && below(random, 2) == 0 ? draw_introducer(random, h) : s->who;
        break;
    case VOTE:
        draw_vote(random, h, s);
        break;
    case CLAIM:
    case CLAIM_VOTE:
        draw_claim(random, h, s);
        break;
    case HUMAN:
        draw_human(random, s);
        break;
    case LOAD:
        s->who = below(random, LOCALS);
        s->word = below(random, 3) == 0;
        break;
    case GREET:
        s->who = LOCALS + below(random, AGENTS - LOCALS);
        break;
    case AGAIN:
    case FORGE:
        s->about = draw_about(random, h, KINDS, 40);
        break;
    case TWIST:
        draw_twist(random, h, s);
        break;
    case ORDER:
    case NODE_ORDER:
    case SOURCE:
    case SETTLE:
        draw_order(random, h, s);
        break;
    case AIM:
        s->to = below(random, LOCALS);
        s->who = s->who == s->to ? LOCALS : s->who;
        break;
    case CATCH_UP:
        s->about = draw_about(random, h, PROPOSE, 6);
        s->who = LOCALS + below(random, NODES - 1); /* of the node that passes it on */
        s->word = below(random, 4) == 0;
        break;
    case KEEP:
    case LEAVE:
    case COME:
    case DEAL:
        draw_kept(random, h, s);
        break;
    case SUCCEED:
    case REVOKE:
        draw_of_keys(random, h, s);
        break;
    case SHARE:
    case PASS:
    case RESTART:
    case KINDS:
        break;
    }
    draw_speaker(random, h, profile, s);
    bool said = s->kind == PROPOSE || s->kind == VOTE || s->kind == SHARE;
    s->missed = said && s->via != 0 && below(random, 6) == 0;
    draw_time(random, profile, s);
    h->count++;
}

void history_draw(history *h, uint64_t seed, unsigned profile, size_t count) {
    uint64_t random = seed * 4 + profile;
    h->seed = seed;
    h->profile = profile;
    h->deaf = profile != 0 && profile != 2 && profile != OF_DURABLE;
    h->count = 0;
    h->quorum = 2 + below(&random, 2) / (1 + below(&random, 2));
    h->distinct_nodes = below(&random, 3) != 0;
    h->agreed = below(&random, 4) != 0;
    unsigned by = 1 + below(&random, NODES - 1); /* mostly one, of all others */
    for (unsigned n = 0; n < NODES; n++) {
        h->introducer[n] = n > 0 && by != n && below(&random, 4) != 0 ? by : 0;
        by = below(&random, 6) == 0 ? 1 + below(&random, NODES - 1) : by;
    }
    h->anchor = profile == OF_KEYS ? below(&random, NODES) : 0;
    while (h->count < count && h->count < STEPS_MAX) {
        draw_step(&random, h, profile);
    }
}

const step *history_step(const history *h, uint32_t number) {
    for (size_t i = 0; i < h->count; i++) {
        if (h->steps[i].number == number) {
            return &h->steps[i];
        }
    }
    return NULL;
}

uint32_t history_id_of(const history *h, uint32_t number) {
    const step *st = history_step(h, number);
    return st && st->kind == TWIST ? history_id_of(h, st->about) : number;
}

static bool is_of(const history *h, const step *at, uint32_t fact) {
    if (at->kind == VOTE) {
        return at->about == fact;
    }
    const step *proposal = history_step(h, fact);
    bool cause =
        proposal && (proposal->causes[0] == at->number || proposal->causes[1] == at->number);
    return at->kind == SHARE
               ? cause
               : (at->kind == PROPOSE || at->kind == TWIST) && history_id_of(h, at->number) == fact;
}

size_t history_passed_on(const history *h, const step *st, made is_made, const void *context,
                         uint32_t ret_numbers[static WORDS_MAX]) {
    size_t count = 0;
    for (size_t i = 0; i < h->count && count < WORDS_MAX; i++) {
        const step *at = &h->steps[st->word == 0 ? i : h->count - 1 - i];
        if (is_of(h, at, st->about) && is_made(context, at->number)) {
            ret_numbers[count++] = at->number;
        }
    }
    return count;
}

static void print_human(const step *s) {
    static const char *const words[] = {"hello",    "intent",   "context",
                                        "decision", "feedback", "update"};
    static const char *const consents[] = {"granted", "limited", "revoked"};
    fprintf(stderr,
            " %s to a%u: %s scope %u affect %u clarity %u pressure %u topic %u priority %u goal %u "
            "flags %u satisfaction %u",
            words[s->word], s->to, consents[s->consent], s->scope, s->affect, s->clarity,
            s->pressure, s->topic, s->priority, s->goal, s->flags, s->satisfaction);
}

void history_print(const history *h) {
    fprintf(stderr, "quorum %u%s%s\n", h->quorum, h->distinct_nodes ? ", on distinct nodes" : "",
            h->agreed ? "" : ", clocks that differ");
    if (h->anchor != 0) {
        fprintf(stderr, "n%u is an anchor\n", h->anchor);
    }
    for (unsigned n = 1; n < NODES; n++) {
        if (h->introducer[n] != 0) {
            fprintf(stderr, "n%u was introduced by n%u\n", n, h->introducer[n]);
        }
    }
    for (size_t i = 0; i < h->count; i++) {
        const step *s = &h->steps[i];
        fprintf(stderr, "%5" PRIu32 " +%" PRIu64 " ms %s a%u/%u via n%u word %u about %" PRIu32,
                s->number, s->pass_ms, kind_name(s->kind), s->who, s->key, s->via, s->word,
                s->about);
        if (s->kind == HUMAN) {
            print_human(s);
        } else {
            fprintf(stderr,
                    " to a%u by %u decision %u says %u digest %u causes %" PRIu32 " %" PRIu32,
                    s->to, s->by, s->decision, s->says, s->digest, s->causes[0], s->causes[1]);
        }
        fprintf(stderr, " skew %" PRId64 "%s\n", s->skew_ms, s->missed ? ", not heard" : "");
    }
}

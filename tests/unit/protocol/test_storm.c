/* Random lives: agents come and go, links break and heal, processes die, and all the while there
 * are things to say. When it is over, everybody knows the same, and everybody who could be told
 * was told what became of each thing said, once for each receiver. */
#include "world.h"

#define NODES 4
#define AGENTS 6
#define FACTS_MAX 64
#define SENT_MAX 512
#define STEPS 120
#define ASK "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"normal\"}"

static const char *const names[AGENTS] = {"ada", "ben", "cho", "dan", "eve", "fay"};

typedef struct sent {
    char msg_id[37];
    unsigned agent, node, life;
    uint64_t owner; /* who was told to; a new one after each attach */
    uint32_t recipients;
} sent;

typedef struct storm {
    uint64_t random[2];
    world *w;
    char facts[FACTS_MAX][37];
    unsigned fact_count;
    sent said[SENT_MAX];
    unsigned said_count;
} storm;

static unsigned roll(storm *s, unsigned sides) {
    return (unsigned)(world_random(s->random) % sides);
}

static void note(storm *s, unsigned agent) {
    world_agent *a = &s->w->agents[agent];
    ck_assert_uint_lt(s->said_count, SENT_MAX);
    sent *at = &s->said[s->said_count++];
    *at = (sent){.agent = agent,
                 .node = a->node,
                 .life = s->w->nodes[a->node].life,
                 .owner = a->owner,
                 .recipients = s->w->receipt.recipients};
    memcpy(at->msg_id, s->w->receipt.msg_id, sizeof at->msg_id);
}

static void speak(storm *s) {
    unsigned agent = roll(s, AGENTS);
    world_agent *a = &s->w->agents[agent];
    char statement[24];
    if (!a->attached) {
        return;
    }
    int r;
    switch (roll(s, 4)) {
    case 0:
        r = world_send(s->w, a->name, "*", "INTENT", ASK);
        break;
    case 1:
        r = world_send(s->w, a->name, names[roll(s, AGENTS)], "INTENT", ASK);
        break;
    case 2:
        if (s->fact_count == FACTS_MAX) {
            return;
        }
        snprintf(statement, sizeof statement, "fact-%u", s->fact_count);
        r = world_propose(s->w, a->name, statement, statement, NULL);
        if (r == 0) {
            memcpy(s->facts[s->fact_count++], s->w->receipt.msg_id, 37);
        }
        break;
    default:
        if (s->fact_count == 0) {
            return;
        }
        r = world_vote(s->w, a->name, "FACT_CONFIRM", s->facts[roll(s, s->fact_count)]);
        break;
    }
    if (r == 0) {
        note(s, agent);
    }
}

static void come_or_go(storm *s) {
    world_agent *a = &s->w->agents[roll(s, AGENTS)];
    if (a->attached) {
        w4_protocol_agent_detach(s->w->nodes[a->node].protocol, a->owner, NULL, s->w->now);
        a->attached = false;
        world_drain(s->w, a->node);
    } else {
        a->owner = s->w->next_owner++;
        ck_assert(world_try_attach(s->w, a));
        world_drain(s->w, a->node);
    }
    s->w->now += W4_US_PER_S; /* records of a node are a second apart */
    world_publish(s->w, a->node);
}

static void turn_link(storm *s) {
    unsigned a = roll(s, NODES), b = roll(s, NODES);
    if (a != b) {
        bool up = !s->w->linked[a][b];
        world_link(s->w, a, b, up);
        if (up) {
            world_publish(s->w, a);
            world_publish(s->w, b);
        }
    }
}

static void step(storm *s) {
    world *w = s->w;
    switch (roll(s, 16)) {
    case 0:
        come_or_go(s);
        break;
    case 1:
        turn_link(s);
        break;
    case 2:
        if (roll(s, 4) == 0) {
            unsigned n = roll(s, NODES);
            for (unsigned i = 0; i < w->agent_count; i++) {
                w->agents[i].owner = w->agents[i].node == n ? w->next_owner++ : w->agents[i].owner;
            }
            world_reborn(w, n);
        }
        break;
    case 3:
        world_pass(w, (uint64_t)roll(s, 1500) * W4_US_PER_MS);
        break;
    case 4:
    case 5:
    case 6:
        for (unsigned i = roll(s, 12); i > 0 && !TAILQ_EMPTY(&w->wire); i--) {
            world_step_wire(w);
        }
        break;
    case 7:
        world_settle(w);
        break;
    default:
        speak(s);
        break;
    }
}

/* All links up, all agents there, and some time. */
static void heal(storm *s) {
    world *w = s->w;
    for (unsigned i = 0; i < w->agent_count; i++) {
        if (!w->agents[i].attached) {
            w->agents[i].owner = w->next_owner++;
            ck_assert(world_try_attach(w, &w->agents[i]));
        }
    }
    w->now += W4_US_PER_S;
    for (unsigned a = 0; a < NODES; a++) {
        for (unsigned b = a + 1; b < NODES; b++) {
            if (!w->linked[a][b]) {
                world_link(w, a, b, true);
            }
        }
    }
    for (unsigned n = 0; n < NODES; n++) {
        world_publish(w, n);
    }
    world_pass(w, 45 * W4_US_PER_S);
}

static void expect_same_facts(const storm *s, unsigned seed) {
    for (unsigned i = 0; i < s->fact_count; i++) {
        w4_fact_state first = world_fact(s->w, 0, s->facts[i]);
        for (unsigned n = 0; n < NODES; n++) {
            w4_fact_state is = world_fact(s->w, n, s->facts[i]);
            ck_assert_msg(is == W4_FACT_PENDING || is == W4_FACT_ACCEPTED,
                          "seed %u: fact %u is not known at node %u", seed, i, n);
            ck_assert_msg(is == first, "seed %u: fact %u is %s at node %u and %s at node 0", seed,
                          i, w4_fact_state_name(is), n, w4_fact_state_name(first));
        }
    }
}

static void expect_told(const storm *s, unsigned seed) {
    for (unsigned i = 0; i < s->said_count; i++) {
        const sent *at = &s->said[i];
        const world_agent *a = &s->w->agents[at->agent];
        unsigned told = world_count(s->w, at->node, W4_PROTOCOL_EVENT_DELIVERY, at->msg_id, NULL);
        bool there = a->attached && a->owner == at->owner && s->w->nodes[at->node].life == at->life;
        ck_assert_msg(told <= at->recipients, "seed %u: %s told %u times of %u receivers", seed,
                      at->msg_id, told, at->recipients);
        ck_assert_msg(!there || told == at->recipients, "seed %u: %s told %u times of %u receivers",
                      seed, at->msg_id, told, at->recipients);
    }
}

/* Nobody gets anything twice, unless his own node died in between. */
static void expect_once(const storm *s, unsigned seed) {
    for (unsigned i = 0; i < s->said_count; i++) {
        for (unsigned n = 0; n < NODES; n++) {
            for (unsigned a = 0; a < AGENTS && s->w->nodes[n].life == 1; a++) {
                unsigned got =
                    world_count(s->w, n, W4_PROTOCOL_EVENT_DELIVER, s->said[i].msg_id, names[a]);
                ck_assert_msg(got <= 1, "seed %u: %s got %s %u times", seed, names[a],
                              s->said[i].msg_id, got);
            }
        }
    }
}

START_TEST(storms_end_well) {
    unsigned seed = (unsigned)_i;
    storm s = {.random = {seed * 7919u + 17, 4242}};
    for (unsigned i = 0; i < 8; i++) {
        world_random(s.random);
    }
    world *w = s.w = world_new(NODES, seed + 500);
    world_link_all(w);
    for (unsigned i = 0; i < AGENTS; i++) {
        world_add_agent(w, names[i], i % NODES, true);
    }
    world_trust_all(w);
    for (unsigned i = 0; i < STEPS; i++) {
        step(&s);
    }
    heal(&s);
    expect_same_facts(&s, seed);
    expect_told(&s, seed);
    expect_once(&s, seed);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("storm");
    TCase *tcase = tcase_create("storm");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, storms_end_well, 0, 60);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

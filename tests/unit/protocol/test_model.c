/* The rule of acceptance against a small model of it that knows nothing of the code: random
 * histories of votes and of trust, judged by both. */
#include "world.h"

#define NODES 3
#define AGENTS 9 /* three on each node; agent 0 proposes */
#define STEPS 60 /* of 3 s: no cooldown ends meanwhile */

typedef enum said { CONFIRM, REJECT, CHALLENGE, SAID_COUNT } said;
static const char *const types[SAID_COUNT] = {"FACT_CONFIRM", "FACT_REJECT", "FACT_CHALLENGE"};

/* All that was ever said, in order. */
typedef struct utterance {
    unsigned agent;
    said what;
} utterance;

typedef struct model {
    utterance said[STEPS];
    unsigned count;
    w4_trust_state trust[AGENTS];
    unsigned quorum;
    bool distinct;
    bool was_accepted;
    bool overloaded;
    w4_fact_state state;
} model;

static unsigned node_of(unsigned agent) {
    return agent % NODES;
}

/* The last decision of that agent, at which moment; -1: none. */
static int last_decision(const model *m, unsigned agent, said *ret_what) {
    for (int i = (int)m->count - 1; i >= 0; i--) {
        if (m->said[i].agent == agent && m->said[i].what != CHALLENGE) {
            *ret_what = m->said[i].what;
            return i;
        }
    }
    return -1;
}

static int last_challenge(const model *m, unsigned agent) {
    for (int i = (int)m->count - 1; i >= 0; i--) {
        if (m->said[i].agent == agent && m->said[i].what == CHALLENGE) {
            return i;
        }
    }
    return -1;
}

static bool stands(const model *m, unsigned agent) {
    said what = REJECT;
    int challenge = last_challenge(m, agent), decision = last_decision(m, agent, &what);
    return challenge >= 0 && !(what == CONFIRM && decision > challenge);
}

/* Independent confirmations later than a moment, without those of one agent. */
static unsigned confirmations(const model *m, int after, unsigned except) {
    bool nodes[NODES] = {false};
    unsigned count = 0;
    for (unsigned agent = 1; agent < AGENTS; agent++) {
        said what = REJECT;
        int at = last_decision(m, agent, &what);
        if (agent == except || at < 0 || what != CONFIRM || at <= after || stands(m, agent) ||
            m->trust[agent] != W4_TRUST_TRUSTED) {
            continue;
        }
        count += m->distinct && nodes[node_of(agent)] ? 0 : 1;
        nodes[node_of(agent)] = true;
    }
    return count;
}

static w4_fact_state judge(const model *m) {
    bool rejecting[AGENTS] = {false}; /* by node, or each for himself */
    unsigned rejections = 0;
    bool disputed = false;
    for (unsigned agent = 0; agent < AGENTS; agent++) {
        said what = CONFIRM;
        if (m->trust[agent] != W4_TRUST_TRUSTED) {
            continue;
        }
        if (agent != 0 && last_decision(m, agent, &what) >= 0 && what == REJECT) {
            unsigned voice = m->distinct ? node_of(agent) : agent;
            rejections += rejecting[voice] ? 0 : 1;
            rejecting[voice] = true;
        }
        disputed = disputed || (stands(m, agent) &&
                                confirmations(m, last_challenge(m, agent), agent) < m->quorum + 1);
    }
    if (rejections >= 2) {
        return m->was_accepted ? W4_FACT_REFUTED : W4_FACT_REJECTED;
    }
    if (disputed) {
        return W4_FACT_DISPUTED;
    }
    bool proposer = m->trust[0] == W4_TRUST_PROBING || m->trust[0] == W4_TRUST_TRUSTED;
    bool accepted = m->was_accepted ||
                    (proposer && confirmations(m, -1, AGENTS) >= m->quorum && !m->overloaded);
    return accepted ? W4_FACT_ACCEPTED : W4_FACT_PENDING;
}

static const char *const names[AGENTS] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"};

/* What a judgement does to trust in the proposer, by the table of the specification. */
static void settle(model *m) {
    w4_fact_state to = judge(m);
    if (to == m->state) {
        return;
    }
    bool first = to == W4_FACT_ACCEPTED && !m->was_accepted;
    m->was_accepted = m->was_accepted || to == W4_FACT_ACCEPTED;
    m->state = to;
    if (first) {
        m->trust[0] = m->trust[0] == W4_TRUST_PROBING ? W4_TRUST_TRUSTED : m->trust[0];
    } else if (to == W4_FACT_DISPUTED || to == W4_FACT_REJECTED || to == W4_FACT_REFUTED) {
        /* an anomaly of one who is trusted, a conflict of one on probation */
        m->trust[0] = m->trust[0] == W4_TRUST_TRUSTED   ? W4_TRUST_PROBING
                      : m->trust[0] == W4_TRUST_PROBING ? W4_TRUST_UNTRUSTED
                                                        : m->trust[0];
    }
    settle(m); /* his own challenge may count no more */
}

static void compare(world *w, const model *m, const char *fact, unsigned seed, unsigned step) {
    for (unsigned n = 0; n < NODES; n++) {
        w4_fact_state is = world_fact(w, n, fact);
        ck_assert_msg(is == m->state, "seed %u, step %u, node %u: %s, the model says %s", seed,
                      step, n, w4_fact_state_name(is), w4_fact_state_name(m->state));
        for (unsigned i = 0; i < AGENTS; i++) {
            ck_assert_msg(world_state_of(w, n, names[i]) == m->trust[i],
                          "seed %u, step %u, node %u: trust of %s is %u, the model says %u", seed,
                          step, n, names[i], world_state_of(w, n, names[i]), m->trust[i]);
        }
    }
}

static world *make_world(model *m, uint64_t random[2], unsigned seed) {
    world *w = world_new(NODES, seed + 1);
    *m = (model){.quorum = 2 + (unsigned)(world_random(random) % 2),
                 .distinct = world_random(random) % 2 == 0,
                 .state = W4_FACT_PENDING};
    for (unsigned n = 0; n < NODES; n++) {
        w->nodes[n].config.quorum = m->quorum;
        w->nodes[n].config.distinct_nodes = m->distinct;
        w4_protocol_configure(w->nodes[n].protocol, &w->nodes[n].config);
    }
    world_link_all(w);
    for (unsigned i = 0; i < AGENTS; i++) {
        world_add_agent(w, names[i], node_of(i), true);
    }
    for (unsigned i = 0; i < AGENTS; i++) {
        m->trust[i] = world_random(random) % 4 == 0 ? W4_TRUST_PROBING : W4_TRUST_TRUSTED;
        for (unsigned n = 0; n < NODES; n++) {
            world_trust(w, n, names[i], m->trust[i]);
        }
    }
    return w;
}

static void speak(world *w, model *m, uint64_t random[2], const char *fact) {
    unsigned agent = (unsigned)(world_random(random) % AGENTS);
    said what = (said)(world_random(random) % (SAID_COUNT + 3)); /* mostly confirmations */
    what = what >= SAID_COUNT ? CONFIRM : what;
    int r = world_vote(w, names[agent], types[what], fact);
    bool may = m->trust[agent] == W4_TRUST_PROBING || m->trust[agent] == W4_TRUST_TRUSTED;
    ck_assert_int_eq(r, may ? 0 : 1);
    if (may) {
        m->said[m->count++] = (utterance){agent, what};
    }
    /* Longer than until the next greeting: the first may have gone to one who is cooling down. */
    world_pass(w, 3 * W4_US_PER_S);
}

static void move_trust(world *w, model *m, uint64_t random[2]) {
    unsigned agent = (unsigned)(world_random(random) % AGENTS);
    w4_trust_state to = world_random(random) % 2 == 0 ? W4_TRUST_TRUSTED : W4_TRUST_PROBING;
    m->trust[agent] = to;
    for (unsigned n = 0; n < NODES; n++) {
        world_trust(w, n, names[agent], to);
    }
}

static void move_load(world *w, model *m, uint64_t random[2]) {
    m->overloaded = world_random(random) % 2 == 0;
    char payload[64];
    snprintf(payload, sizeof payload, "{\"presence\":\"focused\",\"lri\":%u}",
             m->overloaded ? 95 : 5);
    for (unsigned n = 0; n < NODES; n++) { /* one agent of each node */
        const char *name = names[NODES + n];
        if (m->trust[NODES + n] != W4_TRUST_PROBING && m->trust[NODES + n] != W4_TRUST_TRUSTED) {
            m->overloaded = false;
        }
        ck_assert_int_eq(world_send(w, name, "*", "STATE_UPDATE", payload), 0);
    }
    world_settle(w);
}

START_TEST(random_histories) {
    unsigned seed = (unsigned)_i;
    uint64_t random[2] = {seed * 2654435761u + 1, 99};
    for (unsigned i = 0; i < 8; i++) {
        world_random(random);
    }
    model m;
    world *w = make_world(&m, random, seed);
    char fact[37];
    ck_assert_int_eq(world_propose(w, names[0], "s", "d", NULL), 0);
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    world_settle(w);
    for (unsigned step = 0; step < STEPS; step++) {
        switch (world_random(random) % 8) {
        case 0:
            move_trust(w, &m, random);
            break;
        case 1:
            move_load(w, &m, random);
            break;
        default:
            speak(w, &m, random, fact);
            break;
        }
        settle(&m);
        compare(w, &m, fact, seed, step);
        world_clear_logs(w);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, random_histories, 0, 40);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

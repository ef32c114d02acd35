#include "minority.h"

#include "node/state.h"
#include "quick.h"

#include <stdlib.h>
#include <string.h>

#define S W4_US_PER_S
#define TICK_US (250 * W4_US_PER_MS)
#define TALK_AFTER_US (8 * S)
#define TROUBLE_US (420 * S) /* more than the window of freshness */
#define PEACE_US (120 * S)
#define CLOCK_SPREAD_US (60 * INT64_C(1000000))
#define RESTART_ONE_IN 160u /* ticks */
#define AWAY_US (3 * S)

bool minority_is_ready(const sim_node *node) {
    return node->node != NULL && node->owner != 0;
}

bool minority_is_honest(const sim_node *node) {
    return node->index < MINORITY_HONEST;
}

static w4_identity *key_of(const sim_world *world, uint8_t kind, unsigned number) {
    uint8_t seed[W4_SEED_LEN] = {kind, (uint8_t)number, (uint8_t)(number >> 8)};
    w4_identity *identity = NULL;
    for (unsigned i = 0; i < 8; i++) {
        seed[8 + i] = (uint8_t)(world->config.seed >> (8 * i));
    }
    return w4_identity_from_seed(seed, &identity) == 0 ? identity : NULL;
}

int minority_send(minority *m, const sim_node *node, uint64_t owner, w4_family family,
                  const char *type, const w4_fingerprint *to, const char *payload,
                  const char *state, char ret_msg_id[static 37]) {
    w4_json_document docs[2] = {{.nodes = NULL}};
    w4_send_receipt receipt = {.msg_id = ""};
    w4_refused refused = {.code = W4_REFUSAL_NONE};
    char name[W4_FINGERPRINT_TEXT_LEN + 1] = "*";
    if (to != NULL) {
        w4_fingerprint_format(to, name);
    }
    if (w4_json_read(&docs[0], w4_bytes_from_text(payload), &W4_JSON_LIMITS_LINE, NULL) != 0 ||
        w4_json_read(&docs[1], w4_bytes_from_text(state), &W4_JSON_LIMITS_LINE, NULL) != 0) {
        sim_fail(m->world, "the simulator made JSON that is none");
    }
    w4_send_request request = {.owner = owner,
                               .family = family,
                               .type = w4_bytes_from_text(type),
                               .to = w4_bytes_from_text(name),
                               .payload = w4_json_root(&docs[0])};
    if (family == W4_FAMILY_HCP) {
        request.state = w4_json_root(&docs[1]);
    }
    int r = m->world->failed ? 1
                             : w4_protocol_send(w4_node_protocol(node->node), &request,
                                                m->world->now_us, &receipt, &refused);
    w4_json_document_deinit(&docs[0]);
    w4_json_document_deinit(&docs[1]);
    if (r < 0) {
        sim_fail(m->world, "alive: %s cannot send: %d", node->name, r);
    }
    memcpy(ret_msg_id, receipt.msg_id, 37);
    sim_poke((sim_node *)node);
    return r;
}

/* ---- what honest agents do */

static void propose(minority *m) {
    sim_node *node = &m->world->nodes[sim_below(m->world, MINORITY_HONEST)];
    minority_fact *f = &m->facts[m->fact_count];
    char payload[512];
    if (!minority_is_ready(node) || m->fact_count == MINORITY_FACTS_MAX) {
        return;
    }
    unsigned first =
        (node->index + 1 + (unsigned)sim_below(m->world, MINORITY_HONEST - 1)) % MINORITY_HONEST;
    unsigned second = first;
    while (second == first || second == node->index) {
        second = (unsigned)sim_below(m->world, MINORITY_HONEST);
    }
    *f = (minority_fact){
        .good = sim_below(m->world, 2) == 0, .proposer = node->index, .confirms = {first, second}};
    (void)snprintf(payload, sizeof payload,
                   "{\"fact\":{\"statement\":\"number %u\",\"domain\":\"sim\",\"confidence\":0.9},"
                   "\"dmp_trace\":{\"decision_id\":\"d-%u\",\"steps\":[\"looked\"]},"
                   "\"causal_links\":[]}",
                   m->fact_count, m->fact_count);
    if (minority_send(m, node, node->owner, W4_FAMILY_CIP, "FACT_PROPOSE", NULL, payload, "{}",
                      f->id) == 0) {
        m->fact_count++;
    }
}

static void confirm(minority *m) {
    for (unsigned i = 0; i < m->fact_count; i++) {
        minority_fact *f = &m->facts[i];
        for (unsigned k = 0; f->good && k < 2; k++) {
            const sim_node *node = &m->world->nodes[f->confirms[k]];
            char id[37];
            char payload[256];
            if (f->confirmed[k] || !minority_is_ready(node) ||
                w4_protocol_fact_find(w4_node_protocol(node->node), w4_bytes_from_text(f->id),
                                      id) != 1) {
                continue;
            }
            (void)snprintf(payload, sizeof payload,
                           "{\"fact_ref\":\"%s\",\"decision\":\"confirm\",\"confidence\":1}",
                           f->id);
            f->confirmed[k] = minority_send(m, node, node->owner, W4_FAMILY_CIP, "FACT_CONFIRM",
                                            NULL, payload, "{}", id) == 0;
        }
    }
}

#define STATE(CONSENT)                                                                             \
    ("{\"human\":{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,"    \
     "\"consent\":\"" CONSENT "\"}}")
#define UPDATE(CONSENT)                                                                            \
    ("{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,"               \
     "\"consent\":\"" CONSENT "\"}")

/* People greet one of theirs and one another, take consent back, and give it again. */
static void live(minority *m) {
    sim_world *world = m->world;
    sim_node *node = &world->nodes[sim_below(world, MINORITY_HONEST)];
    const sim_node *other = &world->nodes[sim_below(world, MINORITY_HONEST)];
    const w4_fingerprint *to = sim_below(world, 2) == 0
                                   ? &m->agents[sim_below(world, MINORITY_AGENTS)].fingerprint
                                   : &other->agent;
    unsigned i = node->index;
    char id[37];
    if (!minority_is_ready(node) || node == other) {
        return;
    }
    if (m->greeted[i] && !m->revoked[i] && sim_below(world, 3) == 0) {
        m->revoked[i] = minority_send(m, node, node->owner, W4_FAMILY_HCP, "HCP_STATE_UPDATE", NULL,
                                      UPDATE("revoked"), STATE("revoked"), id) == 0;
    } else if (!m->greeted[i] || sim_below(world, 4) == 0) {
        if (minority_send(m, node, node->owner, W4_FAMILY_HCP, "HCP_HELLO", to,
                          "{\"identity\":{\"name\":\"x\"},\"consent_scope\":[\"work\"]}",
                          STATE("granted"), id) == 0) {
            m->greeted[i] = true;
            m->revoked[i] = false;
        }
    } else if (!m->revoked[i]) {
        (void)minority_send(m, node, node->owner, W4_FAMILY_HCP, "HCP_INTENT", to,
                            "{\"goal\":\"align\",\"topic\":\"work\",\"priority\":\"normal\"}",
                            STATE("granted"), id);
    }
}

/* ---- hooks */

static void on_configure(void *context, sim_node *node, w4_node_config *config) {
    (void)context;
    (void)node;
    (void)config;
}

static void attach(minority *m, sim_node *node, const char *name, w4_identity *key,
                   uint64_t *ret_owner) {
    w4_agent_attach attach = {.agent_id = name,
                              .identity = key,
                              .capabilities = w4_bytes_from_text("[]"),
                              .owner = ++m->world->next_owner};
    w4_refused refused = {.text = "no key"};
    if (key == NULL || w4_protocol_agent_attach(w4_node_protocol(node->node), &attach,
                                                m->world->now_us, &refused) != 0) {
        w4_identity_free(key);
        sim_fail(m->world, "alive: %s is not taken: %s", name, refused.text);
    }
    *ret_owner = attach.owner;
}

static void order(minority *m, sim_node *node, w4_trust_kind kind, const w4_fingerprint *whom) {
    if (w4_node_trust_set(node->node, kind, whom, W4_TRUST_TRUSTED, "anchor", "by the operator",
                          m->world->now_us) < 0) {
        sim_fail(m->world, "alive: %s cannot set trust", node->name);
    }
}

/* Operators know the honest agents, and are wrong about the traitors and about their node. The
 * hostile nodes trust one another, in a chain. */
static void on_started(void *context, sim_node *node) {
    minority *m = context;
    sim_world *world = m->world;
    if (minority_is_honest(node)) {
        for (unsigned i = 0; i < MINORITY_HONEST; i++) {
            order(m, node, W4_TRUST_AGENT, &world->nodes[i].agent);
        }
        for (unsigned i = 0; i < MINORITY_TRAITORS; i++) {
            order(m, node, W4_TRUST_AGENT, &m->agents[i].fingerprint);
        }
        order(m, node, W4_TRUST_NODE, &world->nodes[MINORITY_HONEST].id);
        attach(m, node, node->agent_id, key_of(world, 2, node->index), &node->owner);
    } else {
        for (unsigned i = 0; i < MINORITY_AGENTS; i++) {
            minority_agent *a = &m->agents[i];
            if (a->node == node->index) {
                attach(m, node, a->name, key_of(world, 3, i), &a->owner);
            }
        }
        if (node->index + 1 < MINORITY_NODES) {
            order(m, node, W4_TRUST_NODE, &world->nodes[node->index + 1].id);
        }
        node->owner = world->next_owner;
    }
    w4_mesh_agents_changed(w4_node_mesh(node->node), world->now_us);
}

static void on_event(void *context, sim_node *node, const w4_node_event *event) {
    minority *m = context;
    if (!minority_is_honest(node)) {
        if (event->kind == W4_NODE_EVENT_MESSAGE) {
            minority_hear(m, event);
        }
    } else if (event->kind == W4_NODE_EVENT_MESSAGE) {
        minority_judge_given(m, node, event);
    } else if (event->kind == W4_NODE_EVENT_FACT) {
        minority_judge_fact(m, node, event);
    }
}

static void on_told(void *context, sim_node *node, const w4_event_view *view) {
    minority *m = context;
    m->refused += minority_is_honest(node) && view->event == W4_EVENT_ENVELOPE_REJECTED ? 1 : 0;
}

static void on_turned(void *context, sim_node *node) {
    (void)context;
    (void)node;
}

static void on_died(void *context, sim_node *node) {
    (void)context;
    (void)node;
}

/* ---- the play */

static void restart_one(minority *m, uint64_t back_us[static MINORITY_NODES]) {
    sim_world *world = m->world;
    unsigned victim = (unsigned)sim_below(world, MINORITY_HONEST);
    if (sim_below(world, RESTART_ONE_IN) == 0 && world->nodes[victim].node != NULL) {
        sim_kill(&world->nodes[victim]);
        back_us[victim] = w4_later(world->now_us, sim_below(world, AWAY_US));
    }
    for (unsigned i = 0; i < MINORITY_NODES; i++) {
        if (world->nodes[i].node == NULL && world->now_us >= back_us[i]) {
            sim_start(&world->nodes[i]);
        }
    }
}

static void run(minority *m) {
    sim_world *world = m->world;
    uint64_t back_us[MINORITY_NODES] = {0};
    for (unsigned i = 0; i < MINORITY_NODES; i++) {
        sim_start(&world->nodes[i]);
    }
    sim_run(world, SIM_START_US + TALK_AFTER_US);
    uint64_t until_us = w4_later(world->now_us, TROUBLE_US);
    for (unsigned tick = 0; !world->failed && world->now_us < until_us; tick++) {
        if (tick % 16 == 0) {
            propose(m);
        }
        if (tick % 4 == 0) {
            live(m);
        }
        confirm(m);
        minority_attack(m);
        sim_run(world, world->now_us + TICK_US);
        minority_judge_trust(m);
        restart_one(m, back_us);
    }
    until_us = w4_later(world->now_us, PEACE_US);
    while (!world->failed && world->now_us < until_us) {
        confirm(m);
        restart_one(m, (uint64_t[MINORITY_NODES]){0});
        sim_run(world, world->now_us + S);
    }
    if (!world->failed) {
        minority_judge_trust(m);
        minority_judge_end(m);
    }
}

static int prepare(minority *m, uint64_t seed) {
    const sim_config config = {.seed = seed,
                               .nodes = MINORITY_NODES,
                               .clock_spread_us = CLOCK_SPREAD_US,
                               .links = {.latency_us = 5000, .jitter_us = 5000, .loss_ppm = 2000}};
    const sim_hooks hooks = {.context = m,
                             .configure = on_configure,
                             .started = on_started,
                             .event = on_event,
                             .told = on_told,
                             .turned = on_turned,
                             .died = on_died};
    int r = sim_world_new(&config, &hooks, &m->world);
    for (unsigned i = 0; r == 0 && i < MINORITY_AGENTS; i++) {
        minority_agent *a = &m->agents[i];
        a->key = key_of(m->world, 3, i);
        r = a->key == NULL ? -1 : 0;
        a->fingerprint = r == 0 ? *w4_identity_fingerprint(a->key) : (w4_fingerprint){{0}};
        a->node = MINORITY_HONEST + (i < MINORITY_TRAITORS ? 0 : i % 3);
        (void)snprintf(a->name, sizeof a->name, i < MINORITY_TRAITORS ? "friend%u" : "voice%u", i);
    }
    return r;
}

int minority_play(uint64_t seed, minority_plant plant, minority_result *ret_result) {
    minority *m = calloc(1, sizeof *m);
    sim_quick_crypto(true);
    minority_plant_set(plant);
    if (m == NULL) {
        return -1;
    }
    int r = prepare(m, seed);
    if (r == 0) {
        minority_judge_watch(m);
        run(m);
        minority_judge_watch(NULL);
        *ret_result = (minority_result){.failed = m->world->failed,
                                        .facts = m->fact_count,
                                        .given = m->given,
                                        .words = m->words,
                                        .attacks = m->attacks,
                                        .lies = m->lies,
                                        .refused = m->refused};
        memcpy(ret_result->failure, m->world->failure, sizeof ret_result->failure);
    }
    minority_seen *s = NULL;
    minority_seen *next = NULL;
    HASH_ITER (hh, m->seen, s, next) {
        HASH_DEL(m->seen, s);
        free(s);
    }
    for (unsigned i = 0; i < MINORITY_HEARD_MAX; i++) {
        w4_buffer_deinit(&m->heard[i]);
    }
    for (unsigned i = 0; i < MINORITY_AGENTS; i++) {
        w4_identity_free(m->agents[i].key);
    }
    sim_world_free(m->world);
    free(m);
    minority_plant_set(MINORITY_PLANT_NONE);
    return r;
}

#include "scenario.h"

#include "base/text.h"
#include "envelope/envelope.h"
#include "node/state.h"
#include "store/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS W4_US_PER_MS
#define S W4_US_PER_S
#define FACTS_MAX 1024u
#define FACT_EVERY_US (2 * S)
#define TALK_EVERY_US (300 * MS)
#define TICK_US (500 * MS) /* agents look around, faults are done */
#define PEACE_US (400 * S) /* longest wait until all is well after the trouble */
#define QUIET_US (605 * S) /* longer than anything is kept for want of something else */
#define STORE_FAILS_EVERY_US (25 * S)
#define STORE_FAILS_FOR_US (8 * S)
#define CLOCK_JUMP_EVERY_US (20 * S)
#define CLOCK_JUMP_US (30 * S)
#define LONG_TEXT_MAX 15000u /* of one string */
#define PAYLOAD_MAX 80000u
#define CLOCK_SPREAD_US (60 * INT64_C(1000000))
#define HOSTILE_AFTER_US (20 * S)

// clang-format off
static const sim_scenario scenarios[] = {
    {.name = "story", .help = "facts agreed on under loss; one node crashes midway",
     .nodes = 10, .minutes = 3, .crashes = 1, .down_us = 20 * S,
     .links = {.latency_us = 20 * MS, .jitter_us = 10 * MS, .loss_ppm = 20000, .duplicate_ppm = 5000, .reorder_ppm = 10000}},
    {.name = "partition", .help = "the net falls into two parts again and again, and heals",
     .nodes = 10, .minutes = 6, .part_every_us = 100 * S, .part_for_us = 60 * S,
     .links = {.latency_us = 30 * MS, .jitter_us = 30 * MS, .loss_ppm = 5000, .reorder_ppm = 5000}},
    {.name = "crashes", .help = "nodes crash at any step, within turns and between them",
     .nodes = 10, .minutes = 5, .crashes = 20, .down_us = 30 * S,
     .links = {.latency_us = 10 * MS, .jitter_us = 10 * MS, .loss_ppm = 10000, .duplicate_ppm = 2000, .bytes_per_s = 1000000}},
    {.name = "storm", .help = "all of it at once, with bad links, stores that fail and clocks that jump",
     .nodes = 9, .minutes = 5, .crashes = 12, .down_us = 40 * S, .part_every_us = 70 * S, .part_for_us = 40 * S, .bulk_bytes = 20000, .stores_fail = true, .clocks_jump = true,
     .links = {.latency_us = 40 * MS, .jitter_us = 60 * MS, .loss_ppm = 80000, .duplicate_ppm = 30000, .reorder_ppm = 50000}},
    {.name = "slow", .help = "narrow links and large messages: what is small must still get through",
     .nodes = 6, .minutes = 4, .bulk_bytes = 60000,
     .links = {.latency_us = 100 * MS, .jitter_us = 20 * MS, .bytes_per_s = 40000, .loss_ppm = 5000}},
};
// clang-format on
#define SCENARIOS (sizeof scenarios / sizeof *scenarios)

const sim_scenario *sim_scenario_find(const char *name) {
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (strcmp(scenarios[i].name, name) == 0) {
            return &scenarios[i];
        }
    }
    return NULL;
}

const sim_scenario *sim_scenario_next(const sim_scenario *scenario) {
    size_t next = scenario == NULL ? 0 : (size_t)(scenario - scenarios) + 1;
    return next < SCENARIOS ? &scenarios[next] : NULL;
}

/* A fact, and who is to confirm it. */
typedef struct fact {
    char id[37];
    unsigned proposer, confirmers[2];
    const sim_sent *proposal;
    const sim_sent *votes[2]; /* the last each of them sent, or NULL */
} fact;

typedef struct play {
    const sim_scenario *scenario;
    sim_world *world;
    sim_ledger *ledger;
    fact facts[FACTS_MAX];
    unsigned fact_count;
    uint64_t trouble_ends_us;
    uint64_t next_fact_us, next_talk_us;
    uint64_t next_crash_us, next_part_us, heal_us;
    uint64_t next_store_us, mend_us, next_clock_us;
    unsigned failing; /* node whose store fails until mend_us */
    char payload[PAYLOAD_MAX];
    uint64_t *start_us; /* of nodes that are down */
    unsigned crashes;
    /* The hostile node: what it heard, and what it did with it. */
    w4_buffer heard; /* a genuine envelope */
    char heard_id[37];
    unsigned heard_from;
    unsigned forged, replayed;
} play;

static sim_node *hostile_of(const play *p) {
    return &p->world->nodes[p->world->config.nodes - 1];
}

static unsigned honest_count(const play *p) {
    return p->world->config.nodes - 1;
}

/* ---- agents */

static int send_json(play *p, sim_node *node, const char *type, const char *to, const char *payload,
                     sim_kind kind, w4_channel_kind channel, const char *about,
                     const sim_sent **ret_sent) {
    sim_world *world = p->world;
    w4_json_document doc = {0};
    w4_send_receipt receipt;
    w4_refused refused = {.code = W4_REFUSAL_NONE};
    if (w4_json_read(&doc, w4_bytes_from_text(payload), &W4_JSON_LIMITS_LINE, NULL) != 0) {
        sim_fail(world, "the simulator made JSON that is none: %s", payload);
        return -1;
    }
    w4_send_request request = {.owner = node->owner,
                               .family = W4_FAMILY_CIP,
                               .type = w4_bytes_from_text(type),
                               .to = w4_bytes_from_text(to),
                               .payload = w4_json_root(&doc)};
    int r =
        w4_protocol_send(w4_node_protocol(node->node), &request, world->now_us, &receipt, &refused);
    w4_json_document_deinit(&doc);
    if (r < 0) {
        sim_fail(world, "alive: %s cannot send: %d", node->name, r);
        return r;
    }
    sim_poke(node);
    if (r == 0) {
        int target = -1;
        w4_fingerprint f;
        if (w4_fingerprint_parse(w4_bytes_from_text(to), &f)) {
            target = (int)sim_node_of_agent(world, &f)->index;
        }
        *ret_sent = sim_ledger_sent(p->ledger, node, kind, target, channel, about, &receipt);
    }
    return r;
}

static bool is_ready(const sim_node *node) {
    return node->node != NULL && node->owner != 0 && node->doomed == SIM_DEATH_ALIVE;
}

/* Three different honest nodes: who proposes, who confirms. */
static void choose_three(play *p, unsigned ret_three[3]) {
    unsigned n = honest_count(p);
    ret_three[0] = (unsigned)sim_below(p->world, n);
    ret_three[1] = (ret_three[0] + 1 + (unsigned)sim_below(p->world, n - 1)) % n;
    do {
        ret_three[2] = (unsigned)sim_below(p->world, n);
    } while (ret_three[2] == ret_three[0] || ret_three[2] == ret_three[1]);
}

/* A list of strings as large as the scenario wants them, in JSON. */
static size_t write_bulk(play *p, char *out, size_t size, size_t max) {
    size_t left = (size_t)sim_below(p->world, w4_earlier(max, p->scenario->bulk_bytes) + 1);
    size_t len = 0;
    out[len++] = '[';
    while (left > 0 && len + LONG_TEXT_MAX + 4 < size) {
        size_t part = left < LONG_TEXT_MAX ? left : LONG_TEXT_MAX;
        len += (size_t)snprintf(out + len, size - len, "%s\"", len > 1 ? "," : "");
        memset(out + len, 'a' + (int)sim_below(p->world, 26), part);
        len += part;
        out[len++] = '"';
        left -= part;
    }
    out[len++] = ']';
    out[len] = '\0';
    return len;
}

static void propose(play *p) {
    unsigned three[3];
    choose_three(p, three);
    sim_node *node = &p->world->nodes[three[0]];
    if (!is_ready(node) || p->fact_count == FACTS_MAX) {
        return;
    }
    const sim_sent *sent = NULL;
    size_t len = (size_t)snprintf(
        p->payload, sizeof p->payload,
        "{\"fact\":{\"statement\":\"number %u\",\"domain\":\"sim\",\"confidence\":0.9},"
        "\"dmp_trace\":{\"decision_id\":\"d-%u\",\"steps\":[\"looked\"],\"evidence\":",
        p->fact_count, p->fact_count);
    len += write_bulk(p, p->payload + len, sizeof p->payload - len - 64, SIZE_MAX);
    (void)snprintf(p->payload + len, sizeof p->payload - len, "},\"causal_links\":[]}");
    if (send_json(p, node, "FACT_PROPOSE", "*", p->payload, SIM_KIND_PROPOSE, W4_CHANNEL_KNOWLEDGE,
                  "", &sent) == 0 &&
        sent != NULL) {
        fact *f = &p->facts[p->fact_count++];
        *f = (fact){.proposer = three[0], .confirmers = {three[1], three[2]}, .proposal = sent};
        memcpy(f->id, sent->msg_id, sizeof f->id);
    }
}

/* One agent to one other, on the control channel, about nothing. */
static void talk(play *p) {
    unsigned three[3];
    choose_three(p, three);
    sim_node *node = &p->world->nodes[three[0]];
    if (!is_ready(node)) {
        return;
    }
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    const sim_sent *sent = NULL;
    w4_fingerprint_format(&p->world->nodes[three[1]].agent, to);
    size_t len = (size_t)snprintf(
        p->payload, sizeof p->payload,
        "{\"goal\":\"ask\",\"topic\":\"tides\",\"priority\":\"normal\",\"context\":\"a trip\","
        "\"more\":");
    len += write_bulk(p, p->payload + len, sizeof p->payload - len - 8, LONG_TEXT_MAX);
    (void)snprintf(p->payload + len, sizeof p->payload - len, "}");
    (void)send_json(p, node, "INTENT", to, p->payload, SIM_KIND_TALK, W4_CHANNEL_CONTROL, "",
                    &sent);
}

/* Was it accepted and never lost with its node? Else the agent, who was not told, says it again. */
static bool stands(const sim_world *world, const sim_sent *sent) {
    const sim_node *from = &world->nodes[sent->from];
    return sent->kept || (from->node != NULL && from->life == sent->life);
}

static void confirm(play *p, sim_node *node) {
    for (unsigned i = 0; i < p->fact_count; i++) {
        fact *f = &p->facts[i];
        for (int k = 0; k < 2; k++) {
            char id[37];
            if (f->confirmers[k] != node->index ||
                (f->votes[k] != NULL && stands(p->world, f->votes[k])) ||
                w4_protocol_fact_find(w4_node_protocol(node->node), w4_bytes_from_text(f->id),
                                      id) != 1) {
                continue;
            }
            char payload[256];
            (void)snprintf(payload, sizeof payload,
                           "{\"fact_ref\":\"%s\",\"decision\":\"confirm\",\"confidence\":1}",
                           f->id);
            (void)send_json(p, node, "FACT_CONFIRM", "*", payload, SIM_KIND_CONFIRM,
                            W4_CHANNEL_KNOWLEDGE, f->id, &f->votes[k]);
        }
    }
}

/* ---- the hostile node: one of the mesh, trusted by nobody */

static void hostile_send(play *p, unsigned to, w4_bytes envelope) {
    sim_node *hostile = hostile_of(p);
    const w4_sending sending = {
        .message = envelope, .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
    if (hostile->node != NULL &&
        w4_node_send(hostile->node, &p->world->nodes[to].id, W4_CHANNEL_KNOWLEDGE, &sending,
                     p->world->now_us) < 0) {
        sim_fail(p->world, "alive: the hostile node cannot send");
    }
    sim_poke(hostile);
}

/* To one that heard it before, and to another one with other words under the same signature. */
static void replay_and_forge(play *p) {
    unsigned victim = (p->heard_from + 1) % honest_count(p);
    unsigned witness = (p->heard_from + 2) % honest_count(p);
    if (p->heard.len == 0 || p->forged > 0 || p->world->now_us < SIM_START_US + HOSTILE_AFTER_US) {
        return;
    }
    const sim_sent *sent = sim_ledger_find(p->ledger, p->heard_id);
    if (sent == NULL || sent->arrived[victim] == 0 || sent->arrived[witness] == 0 ||
        !is_ready(&p->world->nodes[victim]) || !is_ready(&p->world->nodes[witness])) {
        p->heard.len = 0; /* the next one then */
        return;
    }
    hostile_send(p, witness, w4_buffer_bytes(&p->heard));
    p->replayed++;
    uint8_t *word = (uint8_t *)memmem(p->heard.data, p->heard.len, "number", 6);
    word[0] = 'N';
    hostile_send(p, victim, w4_buffer_bytes(&p->heard));
    p->forged++;
}

/* What it hears of others it keeps; and it confirms all that it hears of, which counts nothing. */
static void hostile_hears(play *p, const w4_node_event *event) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0 &&
        envelope.type == W4_TYPE_CIP_FACT_PROPOSE) {
        const sim_node *from = sim_node_of_agent(p->world, &envelope.sender.fingerprint);
        if (p->heard.len == 0 && p->forged == 0 && from != NULL) {
            (void)w4_buffer_append(&p->heard, event->bytes);
            memcpy(p->heard_id, envelope.msg_id, sizeof p->heard_id);
            p->heard_from = from->index;
        }
        char payload[256];
        const sim_sent *sent = NULL;
        (void)snprintf(payload, sizeof payload,
                       "{\"fact_ref\":\"%s\",\"decision\":\"confirm\",\"confidence\":1}",
                       envelope.msg_id);
        (void)send_json(p, hostile_of(p), "FACT_CONFIRM", "*", payload, SIM_KIND_CONFIRM,
                        W4_CHANNEL_KNOWLEDGE, envelope.msg_id, &sent);
    }
    w4_json_document_deinit(&doc);
}

/* ---- hooks */

static void on_started(void *context, sim_node *node) {
    play *p = (play *)context;
    sim_world *world = p->world;
    for (unsigned i = 0; i < honest_count(p); i++) {
        if (w4_node_trust_set(node->node, W4_TRUST_AGENT, &world->nodes[i].agent, W4_TRUST_TRUSTED,
                              "anchor", "named by the operator", world->now_us) < 0) {
            sim_fail(world, "alive: %s cannot set trust", node->name);
        }
        sim_ledger_anchor(p->ledger, node, &world->nodes[i]);
    }
    uint8_t seed[W4_SEED_LEN] = {2, (uint8_t)node->index, (uint8_t)(node->index >> 8)};
    for (unsigned i = 0; i < 8; i++) {
        seed[8 + i] = (uint8_t)(world->config.seed >> (8 * i));
    }
    w4_agent_attach attach = {.agent_id = node->agent_id,
                              .capabilities = w4_bytes_from_text("[]"),
                              .owner = ++world->next_owner};
    w4_refused refused = {.text = "no key"};
    if (w4_identity_from_seed(seed, &attach.identity) != 0 ||
        w4_protocol_agent_attach(w4_node_protocol(node->node), &attach, world->now_us, &refused) !=
            0) {
        w4_identity_free(attach.identity);
        sim_fail(world, "alive: the agent of %s is not taken: %s", node->name, refused.text);
        return;
    }
    node->owner = attach.owner;
    w4_mesh_agents_changed(w4_node_mesh(node->node), world->now_us);
}

static void on_event(void *context, sim_node *node, const w4_node_event *event) {
    play *p = (play *)context;
    sim_ledger_event(p->ledger, node, event);
    if (node->hostile && event->kind == W4_NODE_EVENT_MESSAGE) {
        hostile_hears(p, event);
    }
}

static void on_told(void *context, sim_node *node, const w4_event_view *view) {
    sim_ledger_told(((play *)context)->ledger, node, view);
}

static void on_turned(void *context, sim_node *node) {
    sim_ledger_turned(((play *)context)->ledger, node);
}

static void on_died(void *context, sim_node *node) {
    play *p = (play *)context;
    if (p->mend_us != 0 && p->failing == node->index) {
        p->mend_us = 0; /* its store is well again */
    }
    sim_ledger_died(p->ledger, node);
    p->start_us[node->index] =
        w4_later(p->world->now_us, S + sim_below(p->world, p->scenario->down_us));
    p->crashes++;
}

/* ---- faults */

static void crash_somebody(play *p) {
    sim_world *world = p->world;
    uint64_t trouble_us = p->trouble_ends_us - SIM_START_US;
    if (p->scenario->crashes == 0 || world->now_us < p->next_crash_us) {
        return;
    }
    p->next_crash_us = w4_later(world->now_us, trouble_us / (p->scenario->crashes + 1));
    sim_node *node = &world->nodes[sim_below(world, honest_count(p))];
    if (is_ready(node)) {
        sim_crash(node, sim_below(world, 2) == 0 ? SIM_DEATH_COMMITTED : SIM_DEATH_MIDWAY);
    }
}

/* Each node is on one of two sides; nothing passes between them. */
static void part(play *p, bool parted) {
    sim_world *world = p->world;
    unsigned n = world->config.nodes;
    w4_memory_conditions cut = world->config.links;
    cut.cut = true;
    uint8_t side[SIM_NODES_MAX];
    for (unsigned i = 0; i < n; i++) {
        side[i] = (uint8_t)sim_below(world, 2);
    }
    for (unsigned a = 0; a < n; a++) {
        for (unsigned b = 0; b < n; b++) {
            const w4_memory_conditions *between = parted && side[a] != side[b] ? &cut : NULL;
            if (a != b && w4_memory_network_set(world->network, world->nodes[a].name,
                                                world->nodes[b].name, between) != 0) {
                sim_fail(world, "the simulator is out of memory");
            }
        }
    }
}

static void part_and_heal(play *p) {
    sim_world *world = p->world;
    if (p->heal_us != 0 && world->now_us >= p->heal_us) {
        p->heal_us = 0;
        part(p, false);
    }
    if (p->scenario->part_every_us != 0 && world->now_us >= p->next_part_us) {
        p->next_part_us = w4_later(world->now_us, p->scenario->part_every_us);
        p->heal_us = w4_later(world->now_us, 5 * S + sim_below(world, p->scenario->part_for_us));
        part(p, true);
    }
}

static void fail_store(play *p) {
    sim_world *world = p->world;
    if (p->mend_us != 0 && world->now_us >= p->mend_us) {
        p->mend_us = 0;
        sim_node *node = &world->nodes[p->failing];
        w4_store_memory_fail(node->store, false);
        if (sim_below(world, 2) == 0) {
            sim_kill(node); /* with all that it could not commit */
        }
    }
    if (p->scenario->stores_fail && p->mend_us == 0 && world->now_us >= p->next_store_us) {
        p->next_store_us = w4_later(world->now_us, STORE_FAILS_EVERY_US);
        p->mend_us = w4_later(world->now_us, sim_below(world, STORE_FAILS_FOR_US));
        p->failing = (unsigned)sim_below(world, honest_count(p));
        w4_store_memory_fail(world->nodes[p->failing].store, true);
    }
}

static void jump_clock(play *p) {
    sim_world *world = p->world;
    if (p->scenario->clocks_jump && world->now_us >= p->next_clock_us) {
        sim_node *node = &world->nodes[sim_below(world, honest_count(p))];
        p->next_clock_us = w4_later(world->now_us, CLOCK_JUMP_EVERY_US);
        node->env.wall_offset_us = SIM_WALL_OFFSET_US +
                                   (int64_t)sim_below(world, 2 * CLOCK_JUMP_US) -
                                   (int64_t)CLOCK_JUMP_US;
    }
}

static void restart_nodes(play *p) {
    for (unsigned i = 0; i < p->world->config.nodes; i++) {
        sim_node *node = &p->world->nodes[i];
        if (node->node == NULL && p->world->now_us >= p->start_us[i]) {
            sim_start(node);
        }
    }
}

static void tick(play *p, bool trouble) {
    sim_world *world = p->world;
    restart_nodes(p);
    if (trouble) {
        crash_somebody(p);
        part_and_heal(p);
        fail_store(p);
        jump_clock(p);
        while (world->now_us >= p->next_fact_us) {
            p->next_fact_us += FACT_EVERY_US;
            propose(p);
        }
        while (world->now_us >= p->next_talk_us) {
            p->next_talk_us += TALK_EVERY_US;
            talk(p);
        }
    }
    for (unsigned i = 0; i < honest_count(p); i++) {
        if (is_ready(&world->nodes[i])) {
            confirm(p, &world->nodes[i]);
        }
    }
    replay_and_forge(p);
}

/* ---- how it has to end */

/* NULL when all is as it has to be; else what is still missing. */
static const char *missing(play *p, char ret_text[static SIM_TEXT_MAX]) {
    sim_world *world = p->world;
    for (unsigned i = 0; i < honest_count(p); i++) {
        const sim_node *node = &world->nodes[i];
        if (node->node == NULL) {
            (void)snprintf(ret_text, SIM_TEXT_MAX, "%s is down", node->name);
            return ret_text;
        }
        for (unsigned k = 0; k < p->fact_count; k++) {
            const fact *f = &p->facts[k];
            if (f->proposal->kept && !sim_ledger_accepted(p->ledger, node, f->id)) {
                (void)snprintf(ret_text, SIM_TEXT_MAX,
                               "%s has not accepted fact %u (%s of n%u, confirmed by n%u%s and "
                               "n%u%s)",
                               node->name, k, f->id, f->proposer, f->confirmers[0],
                               f->votes[0] == NULL ? " (not yet)" : "", f->confirmers[1],
                               f->votes[1] == NULL ? " (not yet)" : "");
                return ret_text;
            }
        }
    }
    for (const sim_sent *sent = sim_ledger_next(p->ledger, NULL); sent != NULL;
         sent = sim_ledger_next(p->ledger, sent)) {
        const sim_node *from = &world->nodes[sent->from];
        if (sent->kept && from->node != NULL && from->life == sent->life &&
            sent->outcomes != sent->recipients) {
            (void)snprintf(ret_text, SIM_TEXT_MAX, "%s of %s has %u outcomes of %u", sent->msg_id,
                           from->name, sent->outcomes, sent->recipients);
            return ret_text;
        }
    }
    return NULL;
}

/* Who was given a forgery or a repetition has said so, and with the right code. */
static void check_refusals(play *p) {
    uint64_t bad_signature = sim_ledger_refusals(p->ledger, W4_REFUSAL_BAD_SIGNATURE);
    uint64_t replay = sim_ledger_refusals(p->ledger, W4_REFUSAL_REPLAY);
    bool sure = p->scenario->crashes <= 1; /* else who was to refuse it may have died of it */
    if (bad_signature > p->forged ||
        (sure && (p->forged == 0 || bad_signature == 0 || replay == 0))) {
        sim_fail(p->world,
                 "3: %u forged and %u replayed envelopes were sent; refused as such were %" PRIu64
                 " and %" PRIu64,
                 p->forged, p->replayed, bad_signature, replay);
    }
}

static void come_to_peace(play *p) {
    sim_world *world = p->world;
    char text[SIM_TEXT_MAX];
    uint64_t until_us = w4_later(world->now_us, PEACE_US);
    part(p, false);
    if (p->mend_us != 0) {
        w4_store_memory_fail(world->nodes[p->failing].store, false);
    }
    const char *still = "";
    while (!world->failed && still != NULL && world->now_us < until_us) {
        tick(p, false);
        sim_run(world, world->now_us + TICK_US);
        still = missing(p, text);
    }
    if (still != NULL) {
        sim_fail(world, "1: %.0f s after the trouble %s", (double)PEACE_US / 1e6, still);
    }
    sim_run(world, w4_later(world->now_us, QUIET_US));
    if (!world->failed) {
        sim_ledger_settle(p->ledger);
        check_refusals(p);
    }
}

/* ---- the play */

static void print_table(const play *p, const sim_result *result, FILE *out) {
    fprintf(out, "%-5s %4s %8s %7s %9s %6s %8s %7s %8s\n", "node", "life", "sessions", "sent",
            "delivered", "failed", "arrived", "refused", "accepted");
    for (unsigned i = 0; i < p->world->config.nodes; i++) {
        const sim_node *node = &p->world->nodes[i];
        unsigned sessions = 0;
        unsigned accepted = 0;
        w4_node_session session;
        for (size_t cursor = 0;
             node->node != NULL && w4_node_session_next(node->node, &cursor, &session);) {
            sessions += w4_session_attached(session.session);
        }
        for (unsigned k = 0; k < p->fact_count; k++) {
            accepted += sim_ledger_accepted(p->ledger, node, p->facts[k].id);
        }
        sim_totals t;
        sim_ledger_totals(p->ledger, i, &t);
        fprintf(out,
                "%-5s %4u %8u %7" PRIu64 " %9" PRIu64 " %6" PRIu64 " %8" PRIu64 " %7" PRIu64
                " %4u/%u%s\n",
                node->name, node->life, sessions, t.sent, t.delivered, t.failed, t.arrived,
                t.refused, accepted, p->fact_count, node->hostile ? " (hostile)" : "");
    }
    fprintf(out, "%.1f s simulated, %" PRIu64 " turns, %u crashes, trace %016" PRIx64 "\n",
            result->simulated_s, result->turns, result->crashes, result->trace);
}

static void run(play *p) {
    sim_world *world = p->world;
    hostile_of(p)->hostile = true;
    /* One after the other, in the first seconds. */
    for (unsigned i = 0; i < world->config.nodes; i++) {
        p->start_us[i] = SIM_START_US + sim_below(world, 3 * S);
    }
    p->start_us[0] = SIM_START_US; /* the seed of all */
    p->next_fact_us = SIM_START_US + 8 * S;
    p->next_talk_us = SIM_START_US + 8 * S;
    p->next_part_us = SIM_START_US + 20 * S;
    p->next_crash_us =
        SIM_START_US + (p->trouble_ends_us - SIM_START_US) / (p->scenario->crashes + 1);
    while (!world->failed && world->now_us < p->trouble_ends_us) {
        tick(p, true);
        sim_run(world, world->now_us + TICK_US);
    }
    if (!world->failed) {
        come_to_peace(p);
    }
}

int sim_play(const sim_options *options, FILE *table, sim_result *ret_result) {
    const sim_scenario *scenario = sim_scenario_find(options->scenario);
    play *p = (play *)calloc(1, sizeof *p);
    if (scenario == NULL || p == NULL) {
        free(p);
        return -1;
    }
    unsigned minutes = options->minutes == 0 ? scenario->minutes : options->minutes;
    sim_config config = {.seed = options->seed,
                         .nodes = options->nodes == 0 ? scenario->nodes : options->nodes,
                         .verbose = options->verbose,
                         .links = scenario->links,
                         .clock_spread_us = CLOCK_SPREAD_US};
    sim_hooks hooks = {.context = p,
                       .started = on_started,
                       .event = on_event,
                       .told = on_told,
                       .turned = on_turned,
                       .died = on_died};
    p->scenario = scenario;
    p->trouble_ends_us = SIM_START_US + minutes * 60 * S;
    p->heard = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    p->start_us = (uint64_t *)calloc(SIM_NODES_MAX, sizeof *p->start_us);
    int r = config.nodes < 4 || config.nodes > SIM_NODES_MAX || p->start_us == NULL ? -1 : 0;
    r = r != 0 ? r : sim_ledger_new(options->plant, &p->ledger);
    r = r != 0 ? r : sim_world_new(&config, &hooks, &p->world);
    if (r == 0) {
        sim_ledger_attach(p->ledger, p->world);
        run(p);
        sim_result result = {.failed = p->world->failed,
                             .failed_s = (double)(p->world->failed_us - SIM_START_US) / 1e6,
                             .trace = p->world->trace,
                             .turns = p->world->turns,
                             .facts = p->fact_count,
                             .crashes = p->crashes,
                             .nodes = config.nodes,
                             .minutes = minutes,
                             .simulated_s = (double)(p->world->now_us - SIM_START_US) / 1e6};
        memcpy(result.failure, p->world->failure, sizeof result.failure);
        if (table != NULL) {
            print_table(p, &result, table);
        }
        *ret_result = result;
    }
    sim_world_free(p->world);
    sim_ledger_free(p->ledger);
    w4_buffer_deinit(&p->heard);
    free(p->start_us);
    free(p);
    return r;
}

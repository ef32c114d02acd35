#include "play.h"

#include "durables.h"
#include "histories.h"
#include "node/state.h"
#include "people.h"
#include "planted.h"
#include "quick.h"
#include "store/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MS W4_US_PER_MS
#define S W4_US_PER_S
#define PEACE_US (400 * S) /* longest wait until all is well after the trouble */
#define QUIET_US (65 * S)
#define QUIET_FEW_US (3 * S)
#define PATIENT_ONE_IN 20u
#define HISTORIES_ONE_IN 4u   /* lives; and at the end, all */
#define LOOK_US S             /* for what is missing */
#define TALKS_AGAIN_ONE_IN 4u /* runs of many nodes */
#define AFTERWARDS 10u        /* looks while people talk again ... */
#define AFTERWARDS_ONE_IN 6u  /* ... at each one of so many */
#define TALK_AFTER_US (4 * S)
#define HARM_AFTER_US (4 * S)
#define CLOCK_SPREAD_US (60 * INT64_C(1000000))

// clang-format off
static const sim_scenario scenarios[] = {
    {.name = "story", .help = "facts agreed on under loss; one node crashes midway",
     .nodes = 10, .seconds = 180, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S,
     .faults = {[SIM_FAULT_CRASH] = {90 * S, 20 * S}},
     .weather = {.latency_us = 20 * MS, .jitter_us = 10 * MS, .loss_ppm = 20000, .duplicate_ppm = 5000, .reorder_ppm = 10000}},
    {.name = "partition", .help = "the net falls into two parts again and again, and heals",
     .nodes = 10, .seconds = 360, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S,
     .faults = {[SIM_FAULT_PART] = {80 * S, 60 * S}},
     .weather = {.latency_us = 30 * MS, .jitter_us = 30 * MS, .loss_ppm = 5000, .reorder_ppm = 5000}},
    {.name = "crashes", .help = "nodes crash at any step, within turns and between them",
     .nodes = 10, .seconds = 300, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S,
     .faults = {[SIM_FAULT_CRASH] = {20 * S, 30 * S}, [SIM_FAULT_KILL] = {60 * S, 30 * S}},
     .weather = {.latency_us = 10 * MS, .jitter_us = 10 * MS, .loss_ppm = 10000, .duplicate_ppm = 2000, .bytes_per_s = 1000000}},
    {.name = "storm", .help = "bad links, partitions, crashes, stores that fail and clocks that jump, at once",
     .nodes = 9, .seconds = 300, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S, .bulk_bytes = 20000,
     .faults = {[SIM_FAULT_CRASH] = {25 * S, 40 * S}, [SIM_FAULT_PART] = {70 * S, 40 * S}, [SIM_FAULT_STORE] = {25 * S, 8 * S},
                [SIM_FAULT_CLOCK] = {20 * S, 0}},
     .weather = {.latency_us = 40 * MS, .jitter_us = 60 * MS, .loss_ppm = 80000, .duplicate_ppm = 30000, .reorder_ppm = 50000}},
    {.name = "slow", .help = "narrow links and large messages: what is small must still get through",
     .nodes = 6, .seconds = 240, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S, .bulk_bytes = 60000,
     .faults = {[SIM_FAULT_SLOW_NODE] = {20 * S, 20 * S}, [SIM_FAULT_SLOW_AGENT] = {20 * S, 20 * S}},
     .weather = {.latency_us = 100 * MS, .jitter_us = 20 * MS, .bytes_per_s = 40000, .loss_ppm = 5000}},
    {.name = "keys", .help = "agents get other keys again and again, and somebody goes on with the earlier ones",
     .nodes = 8, .seconds = 120, .tick_us = 500 * MS, .fact_every_us = 2 * S, .talk_every_us = 300 * MS, .human_every_us = 300 * MS, .claim_every_us = 5 * S, .rotations = 12,
     .weather = {.latency_us = 20 * MS, .jitter_us = 10 * MS, .loss_ppm = 10000, .duplicate_ppm = 5000, .reorder_ppm = 5000}},
    {.name = "all-faults", .help = "every fault there is, among many nodes with small queues and peers that keep to no rule",
     .nodes = 50, .seconds = 16, .tick_us = 200 * MS, .fact_every_us = S, .talk_every_us = 50 * MS, .human_every_us = 50 * MS, .claim_every_us = S, .bulk_bytes = 4000,
     .burst = 40, .neighbours = 3, .intruders = 3, .rotations = 10, .small_queues = true, .commit_us = 50 * MS,
     .faults = {[SIM_FAULT_CRASH] = {1500 * MS, 5 * S}, [SIM_FAULT_KILL] = {3 * S, 5 * S}, [SIM_FAULT_PART] = {12 * S, 6 * S},
                [SIM_FAULT_CUT] = {500 * MS, 6 * S}, [SIM_FAULT_RESET] = {400 * MS, 0}, [SIM_FAULT_NARROW] = {2 * S, 6 * S},
                [SIM_FAULT_WEATHER] = {1500 * MS, 8 * S}, [SIM_FAULT_STORE] = {2 * S, 5 * S}, [SIM_FAULT_DISK] = {2 * S, 5 * S},
                [SIM_FAULT_CLOCK] = {2 * S, 0}, [SIM_FAULT_SLOW_NODE] = {2 * S, 5 * S}, [SIM_FAULT_SLOW_AGENT] = {2 * S, 5 * S}},
     .weather = {.latency_us = 15 * MS, .jitter_us = 15 * MS, .loss_ppm = 15000, .duplicate_ppm = 10000, .reorder_ppm = 10000, .bytes_per_s = 2000000}},
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

/* ---- hooks */

/* Each node has queues, policies, credit and times of its own. */
static void configure_small(sim_world *world, w4_session_config *session) {
    session->heartbeat_us = S + sim_below(world, S);
    session->timeout_us = 3 * session->heartbeat_us;
    session->resume_window_us = 2 * S + sim_below(world, 10 * S);
    session->rekey_records = 20 + sim_below(world, 200);
    session->rekey_us = 2 * S + sim_below(world, 20 * S);
    for (int k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        w4_channel_limits *limits = &session->channels[k];
        limits->messages_max = 8 + (uint32_t)sim_below(world, 60);
        limits->bytes_max = (size_t)256 * 1024;
        limits->credit = 2 + (uint32_t)sim_below(world, 30);
        limits->overflow = (w4_overflow)sim_below(world, W4_OVERFLOW_COUNT);
        limits->block_timeout_us = 50 * MS + sim_below(world, 2 * S);
    }
}

static void on_configure(void *context, sim_node *node, w4_node_config *config) {
    const play *p = (play *)context;
    if (p->scenario->neighbours > 0) {
        config->mesh.peers_max = p->scenario->neighbours;
        config->sessions_max = 4 * p->scenario->neighbours;
        config->half_open_max = 16;
        config->mesh.record_interval_us = 5 * S; /* many nodes: else they tell of little else */
    }
    if (p->scenario->rotations > 0) { /* so that nothing but their keys tells agents apart */
        config->protocol.distinct_nodes = false;
    }
    node->commit_us = node->index % 2 == 0 ? p->scenario->commit_us : 0;
    if (p->scenario->small_queues) {
        configure_small(node->world, &config->session);
    }
}

static void on_started(void *context, sim_node *node) {
    play *p = (play *)context;
    sim_agents_start(p, node);
    sim_ledger_started(p->ledger, node);
    sim_keys_started(p, node);
    sim_orders_started(p, node);
    sim_rotation_look(p, node);
    if (node->life % HISTORIES_ONE_IN == 0) {
        sim_histories_check(node);
    }
}

static void on_event(void *context, sim_node *node, const w4_node_event *event) {
    play *p = (play *)context;
    if (event->kind == W4_NODE_EVENT_MESSAGE && event->owner != node->owner) {
        sim_ledger_lost(p->ledger, node, event->msg_id); /* it has another key by now */
        return;
    }
    if (event->kind == W4_NODE_EVENT_MESSAGE && sim_rotation_is_late(p, node, event->msg_id)) {
        return;
    }
    sim_ledger_event(p->ledger, node, event);
    if (!node->hostile && event->kind == W4_NODE_EVENT_MESSAGE) {
        sim_keys_arrived(p, node, event);
    }
    if (node->hostile && event->kind == W4_NODE_EVENT_MESSAGE) {
        sim_hostile_hears(p, event);
    }
}

static void on_told(void *context, sim_node *node, const w4_event_view *view) {
    play *p = (play *)context;
    sim_ledger_told(p->ledger, node, view);
    sim_keys_told(p, node, view);
    sim_rotation_told(p, node, view);
    sim_hostile_told(p, node, view);
}

static void on_turned(void *context, sim_node *node) {
    play *p = (play *)context;
    sim_ledger_turned(p->ledger, node);
    sim_keys_turned(p, node);
    sim_orders_turned(p, node);
}

static void on_died(void *context, sim_node *node) {
    play *p = (play *)context;
    sim_ledger_died(p->ledger, node);
    sim_keys_died(p, node);
    sim_faults_died(&p->faults, node->index);
    p->crashes++;
}

/* ---- the trouble */

/* The first of each kind comes in the first two thirds, however rare it is: each run has them all.
 */
static void schedule(play *p) {
    uint64_t from_us = SIM_START_US + HARM_AFTER_US;
    uint64_t within_us = (p->trouble_ends_us - from_us) * 2 / 3;
    for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
        uint64_t every_us = p->scenario->faults[kind].every_us;
        p->faults.next_us[kind] = from_us + sim_below(p->world, w4_earlier(every_us, within_us));
    }
}

/* Whom a fault cannot befall now is passed over: it looks for another one the next time. The later
 * ones come somewhere in the second half of their time, or in the first half of the next. */
static void harm(play *p) {
    for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
        uint64_t every_us = p->scenario->faults[kind].every_us;
        if (every_us > 0 && p->world->now_us >= p->faults.next_us[kind] &&
            sim_fault_begin(&p->faults, (sim_fault_kind)kind, p->scenario->faults[kind].for_us)) {
            p->faults.next_us[kind] =
                w4_later(p->world->now_us, every_us / 2 + sim_below(p->world, every_us));
        }
    }
}

static void tick(play *p, bool trouble) {
    sim_faults_end(&p->faults, p->world->now_us);
    if (trouble) {
        harm(p);
        sim_agents_talk(p);
    }
    if (p->world->failed) { /* in a burst: its nodes may be in the middle of a commit */
        return;
    }
    sim_agents_confirm(p);
    sim_web_vote(p);
    sim_durables_acknowledge(sim_ledger_durables(p->ledger));
    sim_hostile_acts(p);
    sim_keys_act(p);
    sim_rotation_act(p, trouble);
    sim_orders_act(p, trouble);
    for (unsigned i = 0; trouble && i < p->scenario->intruders; i++) {
        sim_intruder_acts(p->intruders[i]);
    }
}

/* ---- how it has to end */

/* Does each node have a session with each other one in the end? */
static bool all_meet(const play *p) {
    return p->scenario->neighbours == 0 || p->world->config.nodes <= p->scenario->neighbours + 1;
}

/* Few neighbours may never meet again: to see what became of all that was kept for them takes until
 * it is stale. Not each run of that kind waits so long. */
static bool is_patient(const play *p) {
    return all_meet(p) || p->world->config.seed % PATIENT_ONE_IN == 0;
}

/* Each of these: is something missing, and what. */
static bool missing_fact(play *p, const sim_node *node, char ret_text[static SIM_TEXT_MAX]) {
    if (node->node == NULL) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s is down", node->name);
        return true;
    }
    for (unsigned k = 0; all_meet(p) && k < p->fact_count; k++) {
        const sim_fact *f = &p->facts[k];
        if (f->proposal->kept && f->confirmers[0] != f->confirmers[1] &&
            !sim_ledger_holds(p->ledger, node, f->id)) {
            (void)snprintf(ret_text, SIM_TEXT_MAX,
                           "%s has not accepted fact %u (%s of n%u, confirmed by n%u%s and n%u%s)",
                           node->name, k, f->id, f->proposer, f->confirmers[0],
                           f->votes[0] == NULL ? " (not yet)" : "", f->confirmers[1],
                           f->votes[1] == NULL ? " (not yet)" : "");
            return true;
        }
    }
    return false;
}

static bool missing_claim(play *p, const sim_node *node, char ret_text[static SIM_TEXT_MAX]) {
    const sim_claim *claim = all_meet(p) ? sim_web_missing(p, node) : NULL;
    if (claim != NULL) {
        (void)snprintf(
            ret_text, SIM_TEXT_MAX,
            "%s has not accepted the claim %s of n%u, with the voices of n%u%s and n%u%s",
            node->name, claim->id, claim->proposer, claim->voices[0],
            claim->votes[0] == NULL ? " (not yet)" : "", claim->voices[1],
            claim->votes[1] == NULL ? " (not yet)" : "");
    }
    return claim != NULL;
}

static bool missing_outcome(const play *p, char ret_text[static SIM_TEXT_MAX]) {
    for (const sim_sent *sent = sim_ledger_next(p->ledger, NULL); sent != NULL;
         sent = sim_ledger_next(p->ledger, sent)) {
        if (sim_ledger_owes(p->ledger, sent, is_patient(p))) {
            (void)snprintf(ret_text, SIM_TEXT_MAX, "%s of n%u has %u outcomes of %u", sent->msg_id,
                           sent->from, sent->outcomes, sent->recipients);
            return true;
        }
    }
    const sim_sent *open = sim_durables_open(sim_ledger_durables(p->ledger));
    if (open != NULL && all_meet(p)) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s of n%u for n%d is durable, and has not come",
                       open->msg_id, open->from, open->to);
        return true;
    }
    return false;
}

static bool missing_consent(play *p, char ret_text[static SIM_TEXT_MAX]) {
    unsigned node = 0;
    unsigned who = 0;
    bool missing = sim_humans_missing(p, &node, &who);
    if (missing) {
        const sim_person *person = sim_person_of(sim_ledger_people(p->ledger), who);
        (void)snprintf(ret_text, SIM_TEXT_MAX,
                       "n%u does not know that the person of n%u said %s (%s, %.6f s)", node, who,
                       sim_consent_name(person->consent), person->msg_id,
                       (double)(person->since_us - SIM_START_US) / 1e6);
    }
    return missing;
}

static bool missing_key(const play *p, char ret_text[static SIM_TEXT_MAX]) {
    unsigned whose = 0;
    const sim_node *node = sim_keys_missing(p);
    if (node != NULL) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s does not know of the key that is revoked",
                       node->name);
        return true;
    }
    node = sim_rotation_missing(p, &whose);
    if (node != NULL) {
        (void)snprintf(ret_text, SIM_TEXT_MAX, "%s does not know the key that agent%u has now",
                       node->name, whose);
    }
    return node != NULL;
}

/* By which invariant not all is as it has to be yet, and what is still missing; or '\0'. */
static char missing(play *p, char ret_text[static SIM_TEXT_MAX]) {
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        const sim_node *node = &p->world->nodes[i];
        if (missing_fact(p, node, ret_text) || missing_claim(p, node, ret_text)) {
            return '1';
        }
    }
    return missing_outcome(p, ret_text)                 ? '1'
           : missing_consent(p, ret_text)               ? '4'
           : missing_key(p, ret_text)                   ? '3'
           : sim_mesh_missing(p, all_meet(p), ret_text) ? '6'
                                                        : '\0';
}

/* Until nothing is missing any more. */
static void wait_for_all(play *p) {
    sim_world *world = p->world;
    char text[SIM_TEXT_MAX];
    uint64_t until_us = w4_later(world->now_us, PEACE_US);
    char law = '1';
    while (!world->failed && law != '\0' && world->now_us < until_us) {
        tick(p, false);
        sim_humans_ease(p);
        sim_run(world, world->now_us + LOOK_US);
        law = world->failed ? '\0' : missing(p, text);
    }
    if (law != '\0') {
        sim_fail(world, "%c: %.0f s after the trouble %s", law, (double)PEACE_US / 1e6, text);
    }
}

/* All have heard what people consent to, also those who were away: now they are to keep to it. */
static void talk_again(play *p) {
    unsigned words = 1 + sim_honest_count(p) / AFTERWARDS_ONE_IN;
    for (unsigned i = 0; !p->world->failed && i < AFTERWARDS * words; i++) {
        sim_node *node = &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
        if (sim_is_ready(node)) {
            sim_humans_talk(p, node, sim_draw_other(p, node));
        }
        if (i % words == 0) {
            tick(p, false);
            sim_run(p->world, p->world->now_us + p->scenario->tick_us);
        }
    }
}

static void come_to_peace(play *p) {
    sim_world *world = p->world;
    sim_faults_end_all(&p->faults);
    for (unsigned i = 0; i < p->scenario->intruders; i++) {
        p->intruders[i] = sim_intruder_free(p->intruders[i]);
    }
    wait_for_all(p);
    if (all_meet(p) || world->config.seed % TALKS_AGAIN_ONE_IN == 0) {
        talk_again(p);
        wait_for_all(p);
    }
    sim_run(world, w4_later(world->now_us, all_meet(p) ? QUIET_US : QUIET_FEW_US));
    if (!world->failed) {
        sim_ledger_settle(p->ledger, is_patient(p));
        for (unsigned i = 0; i < p->world->config.nodes; i++) {
            if (p->world->nodes[i].node != NULL) {
                sim_histories_check(&p->world->nodes[i]);
            }
        }
        sim_hostile_check(p);
    }
}

/* ---- the play */

static void print_codes(const char *title, const uint64_t counts[static W4_REFUSAL_COUNT],
                        const char *good, FILE *out) {
    const char *before = title;
    for (int code = 0; code < W4_REFUSAL_COUNT; code++) {
        if (counts[code] > 0) {
            fprintf(out, "%s %" PRIu64 " %s", before, counts[code],
                    code == W4_REFUSAL_NONE ? good : w4_refusal_name((w4_refusal)code));
            before = ",";
        }
    }
    fputs("\n", out);
}

void sim_print_totals(const sim_result *result, FILE *out) {
    print_codes("answered:", result->answered, "taken", out);
    print_codes("told:", result->told, "delivered", out);
    fprintf(out, "faults:");
    for (int kind = 0; kind < SIM_FAULT_KIND_COUNT; kind++) {
        if (result->begun[kind] > 0) {
            fprintf(out, " %" PRIu64 " %s", result->begun[kind],
                    sim_fault_name((sim_fault_kind)kind));
        }
    }
    fprintf(out,
            "\n%.1f s simulated, %u crashes, %" PRIu64 " durable messages dealt with, %" PRIu64
            " of them redelivered, %u claims, %" PRIu64 " words between people, %" PRIu64
            " of consent only passed on, %u forged, %u said again and %" PRIu64
            " of a revoked key refused, %" PRIu64 " checks\n",
            result->simulated_s, result->crashes, result->durables, result->redelivered,
            result->claims, result->people, result->told_people, result->forgeries, result->replays,
            result->of_revoked, result->checks);
}

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
    sim_print_totals(result, out);
    fprintf(out, "%" PRIu64 " turns, trace %016" PRIx64 "\n", result->turns, result->trace);
}

static void run(play *p) {
    sim_world *world = p->world;
    sim_hostile(p)->hostile = sim_has_hostile(p);
    /* One after the other, in the first seconds; the seed of all at once. */
    for (unsigned i = 0; i < world->config.nodes; i++) {
        p->faults.until_us[SIM_FAULT_KILL][i] =
            SIM_START_US + (i == 0 ? 0 : sim_below(world, 3 * S));
    }
    p->next_fact_us = p->next_talk_us = p->next_burst_us = p->next_human_us = p->next_claim_us =
        SIM_START_US + TALK_AFTER_US;
    schedule(p);
    while (!world->failed && world->now_us < p->trouble_ends_us) {
        tick(p, true);
        sim_run(world, world->now_us + p->scenario->tick_us);
    }
    if (!world->failed) {
        come_to_peace(p);
    }
}

static void collect(const play *p, sim_result *ret_result) {
    const sim_world *world = p->world;
    *ret_result = (sim_result){.failed = world->failed,
                               .failed_s = (double)(world->failed_us - SIM_START_US) / 1e6,
                               .trace = world->trace,
                               .turns = world->turns,
                               .facts = p->fact_count,
                               .crashes = p->crashes,
                               .nodes = world->config.nodes,
                               .simulated_s = (double)(world->now_us - SIM_START_US) / 1e6};
    ret_result->claims = p->claim_count;
    ret_result->forgeries = sim_hostile_refused(p, false);
    ret_result->replays = sim_hostile_refused(p, true);
    ret_result->people = sim_people_checks(sim_ledger_people(p->ledger));
    ret_result->told_people = sim_people_told(sim_ledger_people(p->ledger));
    ret_result->of_revoked = sim_ledger_refusals(p->ledger, W4_REFUSAL_KEY_REVOKED);
    ret_result->durables =
        sim_durables_done(sim_ledger_durables(p->ledger), &ret_result->redelivered);
    memcpy(ret_result->failure, world->failure, sizeof ret_result->failure);
    memcpy(ret_result->begun, p->faults.begun, sizeof ret_result->begun);
    for (unsigned i = 0; i < world->config.nodes; i++) {
        sim_totals t;
        sim_ledger_totals(p->ledger, i, &t);
        ret_result->checks += t.checks;
    }
    for (int code = 0; code < W4_REFUSAL_COUNT; code++) {
        ret_result->told[code] = sim_ledger_outcomes(p->ledger, (w4_refusal)code);
        for (int kind = 0; kind < SIM_KIND_COUNT; kind++) {
            ret_result->answered[code] += p->said[kind][code];
        }
    }
}

static bool is_overruled(const void *context, const sim_node *node, const char *fact) {
    return sim_orders_against((const play *)context, node, fact);
}

static int prepare(play *p, const sim_options *options) {
    const sim_scenario *scenario = p->scenario;
    const sim_config config = {.seed = options->seed,
                               .nodes = options->nodes == 0 ? scenario->nodes : options->nodes,
                               .verbose = options->verbose,
                               .links = scenario->weather,
                               .clock_spread_us = CLOCK_SPREAD_US,
                               .scattered = scenario->neighbours > 0};
    const sim_hooks hooks = {.context = p,
                             .configure = on_configure,
                             .started = on_started,
                             .event = on_event,
                             .told = on_told,
                             .turned = on_turned,
                             .died = on_died};
    sim_quick_crypto(options->quick);
    sim_planted_set(options->plant);
    p->trouble_ends_us =
        SIM_START_US + (options->minutes == 0 ? scenario->seconds : options->minutes * 60) * S;
    p->heard = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = config.nodes < 2 || config.nodes > SIM_NODES_MAX ? -1 : 0;
    r = r != 0 ? r : sim_ledger_new(options->plant, &p->ledger);
    r = r != 0 ? r : sim_world_new(&config, &hooks, &p->world);
    for (unsigned i = 0; r == 0 && i < scenario->intruders; i++) {
        r = sim_intruder_new(p->world, i, &p->intruders[i]);
    }
    if (r == 0) {
        sim_ledger_attach(p->ledger, p->world);
        sim_ledger_overrule(p->ledger, is_overruled, p);
        r = sim_keys_new(p);
        sim_rotation_new(p);
        p->faults.world = p->world;
        p->faults.victims = sim_honest_count(p);
    }
    return r;
}

int sim_play(const sim_options *options, FILE *table, sim_result *ret_result) {
    const sim_scenario *scenario = sim_scenario_find(options->scenario);
    play *p = (play *)calloc(1, sizeof *p);
    if (scenario == NULL || p == NULL) {
        free(p);
        return -1;
    }
    p->scenario = scenario;
    int r = prepare(p, options);
    if (r == 0) {
        run(p);
        collect(p, ret_result);
        if (table != NULL) {
            print_table(p, ret_result, table);
        }
    }
    for (unsigned i = 0; i < SIM_STRANGERS_MAX; i++) {
        sim_intruder_free(p->intruders[i]);
    }
    sim_world_free(p->world);
    sim_rotation_free(p);
    w4_identity_free(p->stolen);
    sim_ledger_free(p->ledger);
    w4_buffer_deinit(&p->heard);
    free(p);
    return r;
}

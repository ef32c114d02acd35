#include "ledger.h"

#include "bounds.h"
#include "durables.h"
#include "people.h"

#include "envelope/envelope.h"
#include "node/state.h"
#include "protocol/cip_handshake.h"
#include "protocol/humans/hcp.h"
#include "protocol/internet/lip.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUORUM 2u
#define TRUST_EVERY 16u /* turns in which nothing was told of trust */
#define PLANT_AFTER 40u /* messages that came out before the planted fault */

/* The messages of one agent to another on one channel, while both nodes live. Kept until the end:
 * nothing is taken out of the table of what was sent. */
typedef struct flow {
    unsigned from_life, to_life;
    const sim_sent *sent; /* the last that arrived and of which its sender knows so */
    uint64_t last;        /* its number */
    uint64_t when;        /* it arrived */
} flow;

/* What a node has told its agent of a fact, the last word. */
typedef struct known {
    UT_hash_handle hh;
    char key[48]; /* fact and node */
    unsigned node;
    bool accepted; /* once */
} known;

struct sim_ledger {
    sim_world *world;
    sim_durables *durables;
    sim_people *people;
    sim_plant plant;
    uint64_t seen; /* messages that came out */
    uint64_t turns;
    bool trust_told; /* in this turn */
    uint64_t arrivals;
    char held[37]; /* PLANT_SWAP: the one that is held back */
    sim_sent *sent;
    sim_sent **unkept; /* by node: accepted, and not on disk yet */
    uint64_t *numbers;
    flow *flows;
    known *known;
    uint8_t *anchors;
    sim_bounds *bounds;
    sim_totals *totals;
    sim_ledger_overruled *overruled;
    const void *overruled_context;
    uint64_t refusals[W4_REFUSAL_COUNT], outcomes[W4_REFUSAL_COUNT];
    w4_json_document doc;
    w4_buffer text;
};

static const char *const kind_names[] = {
    [SIM_KIND_PROPOSE] = "fact",    [SIM_KIND_CONFIRM] = "vote", [SIM_KIND_TALK] = "talk",
    [SIM_KIND_DURABLE] = "durable", [SIM_KIND_HUMAN] = "human",  [SIM_KIND_WEB] = "web",
};

static const char *const plant_names[SIM_PLANT_COUNT] = {
    [SIM_PLANT_NONE] = "none",       [SIM_PLANT_LOSE] = "lose",       [SIM_PLANT_TWICE] = "twice",
    [SIM_PLANT_SWAP] = "swap",       [SIM_PLANT_COUNTER] = "counter", [SIM_PLANT_VOTE] = "vote",
    [SIM_PLANT_TRUST] = "trust",     [SIM_PLANT_RESUME] = "resume",   [SIM_PLANT_ACK] = "ack",
    [SIM_PLANT_CONSENT] = "consent", [SIM_PLANT_TOLD] = "told",       [SIM_PLANT_KEY] = "key",
    [SIM_PLANT_FORGED] = "forged",   [SIM_PLANT_VOICES] = "voices",   [SIM_PLANT_FORMER] = "former",
    [SIM_PLANT_BEHIND] = "behind",   [SIM_PLANT_DEAF] = "deaf",       [SIM_PLANT_ORDER] = "order",
};

const char *sim_plant_name(sim_plant plant) {
    return plant < SIM_PLANT_COUNT ? plant_names[plant] : "?";
}

bool sim_plant_from_name(const char *name, sim_plant *ret_plant) {
    for (int i = 0; i < SIM_PLANT_COUNT; i++) {
        if (strcmp(name, plant_names[i]) == 0) {
            *ret_plant = (sim_plant)i;
            return true;
        }
    }
    return false;
}

/* ---- life */

int sim_ledger_new(sim_plant plant, sim_ledger **ret_ledger) {
    sim_ledger *ledger = (sim_ledger *)calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return -1;
    }
    ledger->plant = plant;
    ledger->text = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    *ret_ledger = ledger;
    return 0;
}

void sim_ledger_overrule(sim_ledger *ledger, sim_ledger_overruled *overruled, const void *context) {
    ledger->overruled = overruled;
    ledger->overruled_context = context;
}

void sim_ledger_attach(sim_ledger *ledger, sim_world *world) {
    size_t n = world->config.nodes;
    ledger->world = world;
    ledger->numbers = (uint64_t *)calloc(n, sizeof *ledger->numbers);
    ledger->flows = (flow *)calloc(n * n * W4_CHANNEL_KIND_COUNT, sizeof *ledger->flows);
    ledger->anchors = (uint8_t *)calloc(n * n, 1);
    ledger->unkept = (sim_sent **)calloc(n, sizeof *ledger->unkept);
    ledger->totals = (sim_totals *)calloc(n, sizeof *ledger->totals);
    if (ledger->numbers == NULL || ledger->flows == NULL || ledger->anchors == NULL ||
        ledger->totals == NULL || ledger->unkept == NULL ||
        sim_bounds_new(world, ledger->plant == SIM_PLANT_COUNTER, &ledger->bounds) != 0 ||
        sim_people_new(world, &ledger->people) != 0 ||
        sim_durables_new(world, ledger->people, &ledger->durables) != 0) {
        abort();
    }
}

sim_durables *sim_ledger_durables(const sim_ledger *ledger) {
    return ledger->durables;
}

sim_people *sim_ledger_people(const sim_ledger *ledger) {
    return ledger->people;
}

static void sent_free(sim_sent *sent) {
    free(sent->lives);
    free(sent->arrived);
    free(sent->when);
    free(sent->refused);
    free(sent->outcome);
    free(sent);
}

sim_ledger *sim_ledger_free(sim_ledger *ledger) {
    if (ledger == NULL) {
        return NULL;
    }
    sim_bounds_free(ledger->bounds);
    sim_durables_free(ledger->durables);
    sim_people_free(ledger->people);
    sim_sent *sent = NULL;
    sim_sent *next = NULL;
    HASH_ITER (hh, ledger->sent, sent, next) {
        HASH_DEL(ledger->sent, sent);
        sent_free(sent);
    }
    known *k = NULL;
    known *after = NULL;
    HASH_ITER (hh, ledger->known, k, after) {
        HASH_DEL(ledger->known, k);
        free(k);
    }
    w4_json_document_deinit(&ledger->doc);
    w4_buffer_deinit(&ledger->text);
    free(ledger->numbers);
    free(ledger->flows);
    free(ledger->anchors);
    free((void *)ledger->unkept);
    free(ledger->totals);
    free(ledger);
    return NULL;
}

/* ---- what goes in */

sim_sent *sim_ledger_find(const sim_ledger *ledger, const char *msg_id) {
    sim_sent *sent = NULL;
    HASH_FIND(hh, ledger->sent, msg_id, 36, sent);
    return sent;
}

sim_sent *sim_ledger_next(const sim_ledger *ledger, const sim_sent *sent) {
    return sent == NULL ? ledger->sent : (sim_sent *)sent->hh.next;
}

/* Whoever has another key, or finds one, is greeted anew: what is for one waits for that, and what
 * is for all goes by where somebody of that node was greeted before. */
static bool needs_greeting(const sim_node *node, const sim_node *to) {
    return node->generation + to->generation > 0 &&
           !w4_cip_handshake_ready(node->node->protocol, &node->agent, &to->agent, &to->id);
}

sim_sent *sim_ledger_sent(sim_ledger *ledger, sim_node *node, sim_kind kind, w4_family family,
                          int to, w4_channel_kind channel, const char *fact,
                          const w4_send_receipt *receipt) {
    sim_world *world = ledger->world;
    unsigned n = world->config.nodes;
    sim_sent *sent = (sim_sent *)calloc(1, sizeof *sent);
    if (sent == NULL) {
        sim_fail(world, "the simulator is out of memory");
        return NULL;
    }
    memcpy(sent->msg_id, receipt->msg_id, sizeof sent->msg_id);
    (void)snprintf(sent->fact, sizeof sent->fact, "%s", fact);
    sent->kind = kind;
    sent->from = node->index;
    sent->life = node->life;
    sent->author = node->agent;
    sent->to = to;
    sent->channel = channel;
    sent->number = ++ledger->numbers[node->index];
    sent->at_us = world->now_us;
    sent->recipients = receipt->recipients;
    sent->stored = receipt->stored;
    sent->lives = (unsigned *)calloc(n, sizeof *sent->lives);
    sent->arrived = (uint8_t *)calloc(n, 1);
    sent->when = (uint64_t *)calloc(n, sizeof *sent->when);
    sent->refused = (uint8_t *)calloc(n, 1);
    sent->outcome = (uint8_t *)calloc(n + SIM_STRANGERS_MAX, 1);
    if (sent->lives == NULL || sent->arrived == NULL || sent->refused == NULL ||
        sent->outcome == NULL || sent->when == NULL) {
        sent_free(sent);
        sim_fail(world, "the simulator is out of memory");
        return NULL;
    }
    sent->greets = to >= 0 && needs_greeting(node, &world->nodes[to]);
    for (unsigned i = 0; i < n; i++) {
        sent->lives[i] = world->nodes[i].node == NULL ? 0 : world->nodes[i].life;
    }
    if (sim_ledger_find(ledger, sent->msg_id) != NULL) {
        sim_fail(world, "1: msg_id %s was given twice", sent->msg_id);
    }
    HASH_ADD(hh, ledger->sent, msg_id, 36, sent);
    sent->next_unkept = ledger->unkept[node->index];
    ledger->unkept[node->index] = sent;
    ledger->totals[node->index].sent++;
    if (kind == SIM_KIND_DURABLE) {
        sim_durables_sent(ledger->durables, sent, family);
    }
    return sent;
}

void sim_ledger_anchor(sim_ledger *ledger, const sim_node *node, const sim_node *other) {
    ledger->anchors[node->index * ledger->world->config.nodes + other->index] = 1;
}

static bool is_anchor(const sim_ledger *ledger, const sim_node *node, unsigned other) {
    return ledger->anchors[node->index * ledger->world->config.nodes + other] != 0;
}

/* ---- 1: what comes out */

/* A vote that came before its fact waits for it, and what came later does not wait for the vote.
 * The fact may also have been passed on by a neighbour: then it is not given to the agent. */
static bool waited_for_fact(const sim_ledger *ledger, const sim_node *node, const sim_sent *sent,
                            uint64_t since) {
    const sim_sent *proposal = sim_ledger_find(ledger, sent->fact);
    uint64_t when = proposal == NULL ? 0 : proposal->when[node->index];
    return proposal != NULL && (when == 0 || when > since);
}

/* Evidence waits where its sender is not trusted yet: its key may not be known to be one of an
 * agent who is. */
static bool waited_for_trust(const sim_ledger *ledger, const sim_sent *sent) {
    return sent->kind == SIM_KIND_WEB && sent->fact[0] == '\0' &&
           !w4_fingerprint_equal(&sent->author, &ledger->world->nodes[sent->from].root);
}

/* Called when a message has come and its sender was told so, whichever was last. What ends with a
 * code is not looked at: nothing is promised for it, and it may yet come, behind what was sent
 * later. Nor is what was sent before that node was a neighbour, which is owed to nobody: the sender
 * is never told about it. */
static void check_order(sim_ledger *ledger, sim_node *node, const sim_sent *sent) {
    unsigned n = ledger->world->config.nodes;
    flow *f = &ledger->flows[(sent->from * n + node->index) * W4_CHANNEL_KIND_COUNT +
                             (unsigned)sent->channel];
    unsigned now = ledger->world->nodes[sent->from].life;
    if (sent->life != now || sent->lives[node->index] != node->life ||
        sent->kind == SIM_KIND_HUMAN) {
        return; /* one of them has died since: it was sent again, or came late; or it may wait for
                   a person to be at ease */
    }
    uint64_t since_us = ledger->world->nodes[sent->from].rekeyed_us;
    since_us = since_us > node->rekeyed_us ? since_us : node->rekeyed_us;
    if (since_us != 0 && sent->at_us <= since_us) {
        return; /* of another key: what agents say has an order each */
    }
    if (f->from_life != sent->life || f->to_life != node->life ||
        (f->sent != NULL && since_us != 0 && f->sent->at_us <= since_us)) {
        *f = (flow){.from_life = sent->life, .to_life = node->life};
    }
    uint64_t when = sent->when[node->index];
    if ((sent->number > f->last) == (when > f->when)) {
        if (sent->number > f->last) {
            f->last = sent->number;
            f->when = when;
            f->sent = sent;
        }
        return;
    }
    const sim_sent *late = sent->number < f->last ? sent : f->sent;
    uint64_t early = late == sent ? f->when : when;
    if (!waited_for_fact(ledger, node, late, early) && !waited_for_trust(ledger, late) &&
        !late->greets) {
        const sim_sent *other = late == sent ? f->sent : sent;
        sim_fail(ledger->world,
                 "1: %s of n%u (%s, number %" PRIu64 ") came to %s behind a later one on its "
                 "channel, %s (%s, number %" PRIu64 ")",
                 late->msg_id, sent->from, kind_names[late->kind], late->number, node->name,
                 other->msg_id, kind_names[other->kind], other->number);
    }
}

static void arrived(sim_ledger *ledger, sim_node *node, const char *msg_id) {
    sim_sent *sent = sim_ledger_find(ledger, msg_id);
    if (sent == NULL) {
        return;
    }
    if (++sent->arrived[node->index] > 1) {
        sim_fail(ledger->world, "1: %s of n%u came twice to the agent of %s", msg_id, sent->from,
                 node->name);
    }
    if (sent->to >= 0 && (unsigned)sent->to != node->index) {
        sim_fail(ledger->world, "1: %s for n%d came to the agent of %s", msg_id, sent->to,
                 node->name);
    }
    sent->when[node->index] = ++ledger->arrivals;
    ledger->totals[node->index].arrived++;
    if (sent->outcome[node->index] == 1) {
        check_order(ledger, node, sent);
    }
}

/* Words of handshakes, which nodes make for their agents. */
static bool is_of_handshake(w4_type type) {
    return type == W4_TYPE_CIP_HELLO || type == W4_TYPE_CIP_STATE_UPDATE ||
           type == W4_TYPE_CIP_INTENT;
}

static void message(sim_ledger *ledger, sim_node *node, const w4_node_event *event) {
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (w4_envelope_read(&ledger->doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) !=
            0 ||
        w4_envelope_verify(&envelope, NULL) == W4_REFUSAL_BAD_SIGNATURE) {
        sim_fail(ledger->world, "1: what came to the agent of %s is no signed envelope",
                 node->name);
        return;
    }
    const sim_node *from = sim_node_of_agent(ledger->world, &envelope.sender.fingerprint);
    if (from == NULL || (!from->hostile && !is_of_handshake(envelope.type) &&
                         sim_ledger_find(ledger, envelope.msg_id) == NULL)) {
        sim_fail(ledger->world, "1: %s came to the agent of %s, and nobody sent it",
                 envelope.msg_id, node->name);
        return;
    }
    const sim_sent *said = sim_ledger_find(ledger, envelope.msg_id);
    if (said != NULL && said->kind == SIM_KIND_DURABLE) {
        sim_durables_arrived(ledger->durables, node, said, event->redelivered);
        ledger->totals[node->index].arrived++;
    }
    if (envelope.family == W4_FAMILY_HCP) {
        sim_people_arrived(ledger->people, node, &envelope, said == NULL ? 0 : said->at_us);
    }
    if (said != NULL && said->kind == SIM_KIND_DURABLE) {
        return;
    }
    bool counts = said != NULL;
    bool now = counts && ++ledger->seen == PLANT_AFTER;
    if (counts && ledger->plant == SIM_PLANT_LOSE && ledger->seen % PLANT_AFTER == 0) {
        return;
    }
    if (ledger->plant == SIM_PLANT_SWAP && ledger->seen >= PLANT_AFTER && counts) {
        /* The next one of the same way and channel goes first. */
        const sim_sent *sent = sim_ledger_find(ledger, envelope.msg_id);
        const sim_sent *held = sim_ledger_find(ledger, ledger->held);
        if (held == NULL && ledger->held[0] == '\0' && node->index == 0) {
            memcpy(ledger->held, envelope.msg_id, sizeof ledger->held);
            return;
        }
        if (held != NULL && node->index == 0 && held->from == sent->from &&
            held->channel == sent->channel && held->number < sent->number) {
            arrived(ledger, node, envelope.msg_id);
            arrived(ledger, node, held->msg_id);
            ledger->held[0] = '-';
            return;
        }
    }
    arrived(ledger, node, envelope.msg_id);
    if (now && ledger->plant == SIM_PLANT_TWICE) {
        arrived(ledger, node, envelope.msg_id);
    }
}

/* The node that `to` of a delivery stands for: its agent's or its own fingerprint. Peers that are
 * no nodes are counted behind all nodes. */
static int target_of(sim_ledger *ledger, const char *to) {
    w4_fingerprint f;
    if (!w4_fingerprint_parse(w4_bytes_from_text(to), &f)) {
        return -1;
    }
    const sim_node *node = sim_node_of(ledger->world, &f);
    node = node != NULL ? node : sim_node_of_agent(ledger->world, &f);
    if (node != NULL) {
        return (int)node->index;
    }
    for (unsigned i = 0; i < ledger->world->stranger_count; i++) {
        if (w4_fingerprint_equal(&ledger->world->strangers[i], &f)) {
            return (int)(ledger->world->config.nodes + i);
        }
    }
    return -1;
}

static void delivery(sim_ledger *ledger, sim_node *node, const w4_node_event *event) {
    sim_world *world = ledger->world;
    sim_sent *sent = sim_ledger_find(ledger, event->msg_id);
    int target = target_of(ledger, event->to);
    if (sent == NULL || sent->from != node->index || target < 0) {
        sim_fail(world, "1: the agent of %s was told about %s for %s, which it did not send",
                 node->name, event->msg_id, event->to);
        return;
    }
    if (sent->outcome[target] != 0) {
        sim_fail(world, "1: the agent of %s was told twice what became of %s at n%d (%s)",
                 node->name, event->msg_id, target, w4_refusal_name(event->code));
        return;
    }
    bool delivered = event->code == W4_REFUSAL_NONE;
    ledger->outcomes[event->code]++;
    sent->outcome[target] = delivered ? 1 : 2;
    sent->outcomes++;
    if (delivered && (unsigned)target < world->config.nodes && sent->arrived[target] != 0) {
        check_order(ledger, &world->nodes[target], sent);
    }
    ledger->totals[node->index].outcomes++;
    ledger->totals[node->index].delivered += delivered;
    ledger->totals[node->index].failed += !delivered;
}

static void check_fact(sim_ledger *ledger, sim_node *node, const w4_node_event *event);
static void check_trust(sim_ledger *ledger, sim_node *node);

void sim_ledger_event(sim_ledger *ledger, sim_node *node, const w4_node_event *event) {
    switch (event->kind) {
    case W4_NODE_EVENT_MESSAGE:
        message(ledger, node, event);
        return;
    case W4_NODE_EVENT_DELIVERY:
        delivery(ledger, node, event);
        return;
    case W4_NODE_EVENT_FACT:
    case W4_NODE_EVENT_CLAIM:
        check_fact(ledger, node, event);
        return;
    case W4_NODE_EVENT_HELD: /* its end is told later */
    case W4_NODE_EVENT_BEACON:
    case W4_NODE_EVENT_KIND_COUNT:
        return;
    }
}

void sim_ledger_lost(sim_ledger *ledger, const sim_node *node, const char *msg_id) {
    sim_sent *sent = sim_ledger_find(ledger, msg_id);
    if (sent != NULL) {
        sent->refused[node->index] = 1;
    }
}

static known *find_known(const sim_ledger *ledger, const sim_node *node, const char *fact);

/* Given to its agent, or refused, or it may stay away: of a node that is blocked everything is
 * refused, unread; a vote whose fact never came waits for it longer than any run takes; and what
 * is for all people is for those who have greeted. */
static bool has_come(const sim_ledger *ledger, const sim_sent *sent, const sim_node *there) {
    const sim_node *from = &ledger->world->nodes[sent->from];
    return sent->arrived[there->index] != 0 || sent->refused[there->index] != 0 ||
           (sent->fact[0] != '\0' && find_known(ledger, there, sent->fact) == NULL) ||
           (sent->kind == SIM_KIND_HUMAN &&
            (sent->to < 0 || sent->at_us <= there->rekeyed_us)) || /* who have not greeted again */
           w4_trust_book_state(w4_node_trust(there->node), W4_TRUST_NODE, &from->id) ==
               W4_TRUST_BLOCKED;
}

/* Its key is revoked: its node has no agent any more, to give things to and to tell. */
static bool is_revoked(const sim_node *node) {
    return node->node != NULL &&
           w4_protocol_key_refused(w4_node_protocol(node->node), &node->agent) != W4_REFUSAL_NONE;
}

/* By now a node has given what it took to its agent, or refused it, or died with it. waiting: how
 * many words each node may still keep from a person who is not at ease. */
static void check_arrivals(sim_ledger *ledger, const sim_sent *sent,
                           uint32_t waiting[static SIM_NODES_MAX]) {
    for (unsigned i = 0; i < ledger->world->config.nodes; i++) {
        const sim_node *there = &ledger->world->nodes[i];
        if (sent->outcome[i] != 1 || there->node == NULL || there->life != sent->lives[i] ||
            is_revoked(there) || has_come(ledger, sent, there)) {
            continue;
        }
        if (sent->kind == SIM_KIND_HUMAN && waiting[i] > 0) {
            waiting[i]--;
            continue;
        }
        sim_fail(ledger->world,
                 "1: %s of n%u (%s) counts as delivered to n%u, where it did not come",
                 sent->msg_id, sent->from, kind_names[sent->kind], i);
    }
}

bool sim_ledger_owes(const sim_ledger *ledger, const sim_sent *sent, bool patient) {
    const sim_node *from = &ledger->world->nodes[sent->from];
    return sent->kept && from->node != NULL && from->life == sent->life && !is_revoked(from) &&
           sent->outcomes != sent->recipients && sent->kind != SIM_KIND_DURABLE &&
           (patient || !sent->stored);
}

void sim_ledger_settle(sim_ledger *ledger, bool patient) {
    sim_world *world = ledger->world;
    uint32_t waiting[SIM_NODES_MAX] = {0};
    sim_durables_check(ledger->durables, NULL);
    for (unsigned i = 0; i < world->config.nodes; i++) {
        const sim_node *node = &world->nodes[i];
        waiting[i] =
            node->node == NULL ? 0 : w4_hcp_waiting(w4_node_protocol(node->node), &node->agent);
    }
    for (const sim_sent *sent = ledger->sent; sent != NULL; sent = (sim_sent *)sent->hh.next) {
        const sim_node *from = &world->nodes[sent->from];
        if (sent->kind != SIM_KIND_DURABLE) {
            check_arrivals(ledger, sent, waiting);
        }
        if (sim_ledger_owes(ledger, sent, patient)) {
            sim_fail(world,
                     "1: %s of %s, accepted at %.6f s for %u, has %u outcomes when all is quiet",
                     sent->msg_id, from->name, (double)(sent->at_us - SIM_START_US) / 1e6,
                     sent->recipients, sent->outcomes);
        }
    }
}

void sim_ledger_turned(sim_ledger *ledger, sim_node *node) {
    while (w4_node_durable(node->node) && ledger->unkept[node->index] != NULL) {
        sim_sent *sent = ledger->unkept[node->index];
        ledger->unkept[node->index] = sent->next_unkept;
        sent->kept = true;
        ledger->totals[node->index].kept++;
    }
    if (w4_node_durable(node->node)) {
        sim_durables_turned(ledger->durables, node);
        sim_people_turned(ledger->people, node);
    }
    sim_bounds_check(ledger->bounds, node);
    ledger->totals[node->index].checks++;
    if (ledger->plant == SIM_PLANT_TRUST && ledger->seen == PLANT_AFTER) {
        const w4_fingerprint *stranger =
            &ledger->world->nodes[ledger->world->config.nodes - 1].agent;
        w4_trust_move move;
        (void)w4_trust_book_set(w4_node_trust(node->node), W4_TRUST_AGENT, stranger,
                                W4_TRUST_TRUSTED, "plant", "", 0, &move);
    }
    if (ledger->trust_told || ++ledger->turns % TRUST_EVERY == 0) {
        ledger->trust_told = false;
        check_trust(ledger, node);
    }
}

/* ---- 3: trust and facts */

/* The state it has now, or COUNT: it is not there. */
static w4_fact_state state_of_fact(const sim_node *node, const char *fact) {
    w4_protocol *protocol = w4_node_protocol(node->node);
    w4_fact_state state = W4_FACT_STATE_COUNT;
    (void)(w4_protocol_fact_state(protocol, fact, &state) ||
           w4_lip_claim_state(protocol, fact, &state));
    return state;
}

static known *find_known(const sim_ledger *ledger, const sim_node *node, const char *fact) {
    known *found = NULL;
    char key[48];
    (void)snprintf(key, sizeof key, "%s %u", fact, node->index);
    HASH_FIND_STR(ledger->known, key, found);
    return found;
}

bool sim_ledger_knows(const sim_ledger *ledger, const sim_node *node, const char *fact) {
    return find_known(ledger, node, fact) != NULL;
}

bool sim_ledger_accepted(const sim_ledger *ledger, const sim_node *node, const char *fact) {
    const known *found = find_known(ledger, node, fact);
    return found != NULL && found->accepted;
}

bool sim_ledger_holds(const sim_ledger *ledger, const sim_node *node, const char *fact) {
    return sim_ledger_accepted(ledger, node, fact) ||
           (find_known(ledger, node, fact) != NULL &&
            state_of_fact(node, fact) == W4_FACT_ACCEPTED);
}

static known *add_known(sim_ledger *ledger, const sim_node *node, const char *fact) {
    known *k = (known *)calloc(1, sizeof *k);
    if (k == NULL) {
        sim_fail(ledger->world, "the simulator is out of memory");
        return NULL;
    }
    (void)snprintf(k->key, sizeof k->key, "%s %u", fact, node->index);
    k->node = node->index;
    HASH_ADD_STR(ledger->known, key, k);
    return k;
}

/* Is that confirmation in the node's store, as its author signed it? */
static bool is_stored(sim_ledger *ledger, const sim_node *node, const sim_sent *sent) {
    uint8_t key[36 + W4_FINGERPRINT_LEN];
    w4_envelope envelope;
    w4_envelope_fault fault;
    const w4_fingerprint *author = &sent->author;
    memcpy(key, sent->msg_id, 36);
    memcpy(key + 36, author->bytes, sizeof author->bytes);
    /* Also while its turn waits for that store. */
    return node->store->ops->get(node->store, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key),
                                 &ledger->text) == 0 &&
           w4_envelope_read(&ledger->doc, w4_buffer_bytes(&ledger->text), &W4_JSON_LIMITS_ENVELOPE,
                            &envelope, &fault) == 0 &&
           w4_envelope_verify(&envelope, NULL) == W4_REFUSAL_NONE &&
           (envelope.type == W4_TYPE_CIP_FACT_CONFIRM || envelope.type == W4_TYPE_LIP_ACCEPT) &&
           w4_fingerprint_equal(&envelope.sender.fingerprint, author) &&
           w4_json_string_equal(
               w4_json_get(envelope.payload, sent->kind == SIM_KIND_WEB ? "claim_ref" : "fact_ref"),
               sent->fact);
}

/* Confirmations that were really given, by agents whom this operator trusts, and that are here. */
static unsigned count_evidence(sim_ledger *ledger, const sim_node *node, const sim_sent *proposal) {
    unsigned count = 0;
    uint8_t counted[SIM_NODES_MAX] = {0};
    for (const sim_sent *sent = ledger->sent; sent != NULL; sent = (sim_sent *)sent->hh.next) {
        if (strcmp(sent->fact, proposal->msg_id) == 0 && sent->from != proposal->from &&
            counted[sent->from] == 0 && is_anchor(ledger, node, sent->from) &&
            is_stored(ledger, node, sent)) {
            counted[sent->from] = 1;
            count++;
        }
    }
    return ledger->plant == SIM_PLANT_VOTE && count > 0 ? count - 1 : count;
}

/* A fact, or evidence from the internet. */
static bool is_proposal(const sim_sent *sent) {
    return sent->kind == SIM_KIND_PROPOSE || (sent->kind == SIM_KIND_WEB && sent->fact[0] == '\0');
}

static void check_fact(sim_ledger *ledger, sim_node *node, const w4_node_event *event) {
    known *k = find_known(ledger, node, event->msg_id);
    k = k != NULL ? k : add_known(ledger, node, event->msg_id);
    if (k == NULL || k->accepted) {
        return;
    }
    if (event->state != W4_FACT_ACCEPTED) {
        return;
    }
    const sim_sent *proposal = sim_ledger_find(ledger, event->msg_id);
    if (proposal == NULL || !is_proposal(proposal)) {
        sim_fail(ledger->world, "3: %s accepted %s, which nobody proposed", node->name,
                 event->msg_id);
        return;
    }
    unsigned evidence = count_evidence(ledger, node, proposal);
    if (evidence < QUORUM) {
        sim_fail(ledger->world, "3: %s accepted %s on the word of %u", node->name, event->msg_id,
                 evidence);
    }
    k->accepted = true;
}

static bool has_earned_trust(const sim_ledger *ledger, const sim_node *node, unsigned other) {
    for (const sim_sent *sent = ledger->sent; sent != NULL; sent = (sim_sent *)sent->hh.next) {
        if (sent->from == other && sent->kind == SIM_KIND_PROPOSE &&
            sim_ledger_accepted(ledger, node, sent->msg_id)) {
            return true;
        }
    }
    return false;
}

static void check_trust(sim_ledger *ledger, sim_node *node) {
    const w4_trust_book *book = w4_node_trust(node->node);
    w4_trust_entry entry;
    for (size_t cursor = 0; w4_trust_book_next(book, &cursor, &entry);) {
        const sim_node *other = sim_node_of_agent(ledger->world, &entry.subject);
        if (entry.kind == W4_TRUST_AGENT && other != NULL && entry.state == W4_TRUST_BLOCKED &&
            is_anchor(ledger, node, other->index)) {
            sim_fail(ledger->world, "3: %s has blocked the agent of %s, which does nothing wrong",
                     node->name, other->name);
        }
        other = entry.kind == W4_TRUST_NODE ? sim_node_of(ledger->world, &entry.subject) : other;
        if (entry.kind == W4_TRUST_NODE && other != NULL && !other->hostile &&
            entry.state == W4_TRUST_BLOCKED) {
            sim_fail(ledger->world, "3: %s has blocked %s, which does nothing wrong", node->name,
                     other->name);
        }
        if (entry.state != W4_TRUST_TRUSTED) {
            continue;
        }
        if (entry.kind == W4_TRUST_HUMAN && other != NULL) {
            sim_people_check_trusted(ledger->people, node, other);
            continue;
        }
        if (entry.kind != W4_TRUST_AGENT || other == NULL) {
            sim_fail(ledger->world, "3: %s trusts somebody whom no operator named", node->name);
        } else if (!is_anchor(ledger, node, other->index) &&
                   !has_earned_trust(ledger, node, other->index)) {
            sim_fail(ledger->world, "3: %s trusts the agent of %s without evidence", node->name,
                     other->name);
        }
    }
}

/* ---- 5: what is durable */

/* What its agent was told before the node died, it knows now: facts that it told of, that they were
 * accepted, and what it took from its agent with the promise to keep it. */
void sim_ledger_started(sim_ledger *ledger, sim_node *node) {
    char fact[37];
    for (const known *k = ledger->known; k != NULL; k = (known *)k->hh.next) {
        if (k->node != node->index) {
            continue;
        }
        (void)snprintf(fact, sizeof fact, "%.36s", k->key);
        w4_fact_state state = state_of_fact(node, fact);
        const sim_sent *sent = sim_ledger_find(ledger, fact);
        bool settled = k->accepted && (sent == NULL || sent->kind == SIM_KIND_PROPOSE);
        settled = settled && !ledger->overruled(ledger->overruled_context, node, fact);
        if (state == W4_FACT_STATE_COUNT || (settled && state != W4_FACT_ACCEPTED)) {
            sim_fail(ledger->world, "5: %s told its agent that %s was %s, and now it is %s",
                     node->name, fact, k->accepted ? "accepted" : "there",
                     w4_fact_state_name(state));
        }
    }
    for (const sim_sent *sent = ledger->sent; sent != NULL; sent = (sim_sent *)sent->hh.next) {
        if (sent->from == node->index && sent->kept && sent->stored &&
            (is_proposal(sent) || sent->fact[0] != '\0')) {
            const char *about = is_proposal(sent) ? sent->msg_id : sent->fact;
            if (state_of_fact(node, about) == W4_FACT_STATE_COUNT) {
                sim_fail(ledger->world, "5: %s promised to keep %s, and has it no more", node->name,
                         sent->msg_id);
            }
        }
    }
}

void sim_ledger_told(sim_ledger *ledger, sim_node *node, const w4_event_view *view) {
    ledger->trust_told = ledger->trust_told || view->event == W4_EVENT_TRUST_UPDATED;
    if (view->event != W4_EVENT_ENVELOPE_REJECTED ||
        w4_json_read(&ledger->doc, view->json, &W4_JSON_LIMITS_LINE, NULL) != 0) {
        return;
    }
    char msg_id[37];
    w4_json data = w4_json_get(w4_json_root(&ledger->doc), "data");
    if (w4_json_string_copy(w4_json_get(data, "msg_id"), msg_id, sizeof msg_id)) {
        sim_sent *sent = sim_ledger_find(ledger, msg_id);
        if (sent != NULL) {
            sent->refused[node->index] = 1;
        }
    }
    for (int code = 0; !node->hostile && code < W4_REFUSAL_COUNT; code++) {
        ledger->refusals[code] +=
            w4_json_string_equal(w4_json_get(data, "code"), w4_refusal_name((w4_refusal)code));
    }
    ledger->totals[node->index].refused++;
}

uint64_t sim_ledger_outcomes(const sim_ledger *ledger, w4_refusal code) {
    return ledger->outcomes[code];
}

uint64_t sim_ledger_refusals(const sim_ledger *ledger, w4_refusal code) {
    return ledger->refusals[code];
}

void sim_ledger_died(sim_ledger *ledger, sim_node *node) {
    ledger->unkept[node->index] = NULL; /* never acknowledged */
    sim_durables_died(ledger->durables, node);
    sim_people_died(ledger->people, node);
}

void sim_ledger_totals(const sim_ledger *ledger, unsigned node, sim_totals *ret_totals) {
    *ret_totals = ledger->totals[node];
}

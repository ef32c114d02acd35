/* What agents say: facts, votes on them, and words to one another about nothing. */
#include "play.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

#define LONG_TEXT_MAX 15000u /* of one string */
#define BURST_EVERY_US (500 * W4_US_PER_MS)
#define BREAK_WITHIN_US (400 * W4_US_PER_MS)
#define DURABLE_ONE_IN 4u
#define STRAY_ONE_IN 8u /* words go to anybody, not to a neighbour */
#define SLOW_ONE_IN 3u  /* facts */
#define SLOW_US (30 * W4_US_PER_S)
#define TEXTS 4u /* of JSON, of a word */

/* The texts of a word, as JSON. A text that is NULL is no value. */
static bool read_texts(const sim_word *word, const char *channel, w4_json_document docs[TEXTS],
                       w4_send_request *request) {
    const char *const texts[TEXTS] = {word->payload, word->state, word->source, channel};
    w4_json *const values[TEXTS] = {&request->payload, &request->state, &request->source,
                                    &request->channel};
    for (unsigned i = 0; i < TEXTS; i++) {
        if (texts[i] == NULL) {
            continue;
        }
        if (w4_json_read(&docs[i], w4_bytes_from_text(texts[i]), &W4_JSON_LIMITS_LINE, NULL) != 0) {
            return false;
        }
        *values[i] = w4_json_root(&docs[i]);
    }
    return true;
}

static void note_sent(play *p, sim_node *node, const sim_word *word, const w4_send_receipt *receipt,
                      const sim_sent **ret_sent) {
    int target = -1;
    w4_fingerprint f;
    if (w4_fingerprint_parse(w4_bytes_from_text(word->to), &f)) {
        target = (int)sim_node_of_agent(p->world, &f)->index;
    }
    w4_channel_kind kind =
        word->channel < W4_CHANNEL_KIND_COUNT
            ? word->channel
            : w4_type_find(word->family, w4_bytes_from_text(word->type))->channel;
    *ret_sent = sim_ledger_sent(p->ledger, node, word->kind, word->family, target, kind,
                                word->about, receipt);
}

int sim_agent_send(play *p, sim_node *node, const sim_word *word, const sim_sent **ret_sent) {
    w4_json_document docs[TEXTS] = {0};
    w4_send_receipt receipt;
    w4_refused refused = {.code = W4_REFUSAL_NONE};
    char channel[32];
    bool named = word->channel < W4_CHANNEL_KIND_COUNT;
    if (named) {
        (void)snprintf(channel, sizeof channel, "\"%s\"", w4_channel_kind_name(word->channel));
    }
    w4_send_request request = {.owner = node->owner,
                               .family = word->family,
                               .type = w4_bytes_from_text(word->type),
                               .to = w4_bytes_from_text(word->to),
                               .durable = word->kind == SIM_KIND_DURABLE};
    int r = -1;
    if (!read_texts(word, named ? channel : NULL, docs, &request)) {
        sim_fail(p->world, "the simulator made JSON that is none: %.200s", word->payload);
    } else {
        r = w4_protocol_send(w4_node_protocol(node->node), &request, p->world->now_us, &receipt,
                             &refused);
        if (r < 0) {
            sim_fail(p->world, "alive: %s cannot send: %d", node->name, r);
        }
    }
    for (unsigned i = 0; i < TEXTS; i++) {
        w4_json_document_deinit(&docs[i]);
    }
    if (r >= 0) {
        sim_poke(node);
        p->said[word->kind][r == 0 ? W4_REFUSAL_NONE : refused.code]++;
        sim_rotation_said(p, node);
    }
    if (r == 0) {
        note_sent(p, node, word, &receipt, ret_sent);
    }
    return r;
}

/* ---- whom it is to */

/* Honest nodes that this one has a session with. */
static unsigned neighbours_of(const play *p, const sim_node *node,
                              unsigned ret_indexes[static SIM_NODES_MAX]) {
    unsigned count = 0;
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(node->node, &cursor, &session);) {
        const sim_node *peer = sim_node_of(p->world, &session.peer);
        if (peer != NULL && !peer->hostile) {
            ret_indexes[count++] = peer->index;
        }
    }
    return count;
}

static sim_node *draw_node(const play *p) {
    return &p->world->nodes[sim_below(p->world, sim_honest_count(p))];
}

sim_node *sim_draw_other(const play *p, const sim_node *node) {
    unsigned around[SIM_NODES_MAX];
    unsigned n = sim_honest_count(p);
    unsigned count = p->scenario->neighbours == 0 || sim_below(p->world, STRAY_ONE_IN) == 0
                         ? 0
                         : neighbours_of(p, node, around);
    unsigned index = count > 0 ? around[sim_below(p->world, count)]
                               : (node->index + 1 + (unsigned)sim_below(p->world, n - 1)) % n;
    return &p->world->nodes[index];
}

bool sim_draw_voices(const play *p, const sim_node *node, unsigned ret_voices[static 2]) {
    ret_voices[0] = ret_voices[1] = sim_draw_other(p, node)->index;
    for (unsigned tries = 0; tries < 8 && ret_voices[1] == ret_voices[0]; tries++) {
        ret_voices[1] = sim_draw_other(p, node)->index;
    }
    /* Of two nodes one has no more than its own voice, however often it says it. */
    bool apart = ret_voices[0] != ret_voices[1] || sim_honest_count(p) == 2;
    return apart && ret_voices[0] != node->index && ret_voices[1] != node->index;
}

/* ---- words */

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
    sim_node *node = draw_node(p);
    if (!sim_is_ready(node) || p->fact_count == SIM_FACTS_MAX) {
        return;
    }
    unsigned voices[2];
    if (!sim_draw_voices(p, node, voices)) {
        return;
    }
    const sim_sent *sent = NULL;
    size_t len = (size_t)snprintf(
        p->payload, sizeof p->payload,
        "{\"causal_links\":[],\"dmp_trace\":{\"decision_id\":\"d-%u\",\"evidence\":",
        p->fact_count);
    len += write_bulk(p, p->payload + len, sizeof p->payload - len - 128, SIZE_MAX);
    (void)snprintf(p->payload + len, sizeof p->payload - len,
                   ",\"steps\":[\"looked\"]},\"fact\":{\"confidence\":0.9,\"domain\":\"sim\","
                   "\"statement\":\"number %u\"}}",
                   p->fact_count);
    const sim_word word = {.type = "FACT_PROPOSE",
                           .to = "*",
                           .payload = p->payload,
                           .kind = SIM_KIND_PROPOSE,
                           .channel = W4_CHANNEL_KIND_COUNT,
                           .about = ""};
    if (sim_agent_send(p, node, &word, &sent) == 0 && sent != NULL) {
        sim_fact *f = &p->facts[p->fact_count++];
        *f = (sim_fact){
            .proposer = node->index, .confirmers = {voices[0], voices[1]}, .proposal = sent};
        memcpy(f->id, sent->msg_id, sizeof f->id);
    }
}

/* One agent to one other, about nothing. */
static void talk(play *p, sim_node *node, const sim_node *other, w4_channel_kind channel,
                 sim_kind kind) {
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    const sim_sent *sent = NULL;
    if (!sim_is_ready(node) || other == node) {
        return;
    }
    w4_fingerprint_format(&other->agent, to);
    size_t len = (size_t)snprintf(p->payload, sizeof p->payload,
                                  "{\"context\":\"a trip\",\"goal\":\"ask\",\"more\":");
    len += write_bulk(p, p->payload + len, sizeof p->payload - len - 64, LONG_TEXT_MAX);
    (void)snprintf(p->payload + len, sizeof p->payload - len,
                   ",\"priority\":\"normal\",\"topic\":\"tides\"}");
    const sim_word word = {.type = "INTENT",
                           .to = to,
                           .payload = p->payload,
                           .kind = kind,
                           .channel = channel,
                           .about = ""};
    (void)sim_agent_send(p, node, &word, &sent);
}

static w4_channel_kind draw_channel(const play *p) {
    return p->scenario->small_queues ? (w4_channel_kind)sim_below(p->world, W4_CHANNEL_KIND_COUNT)
                                     : W4_CHANNEL_KIND_COUNT;
}

/* More at once than queues hold; and often the link breaks while it is on its way. */
static void burst(play *p) {
    sim_node *node = draw_node(p);
    if (!sim_is_ready(node)) {
        return;
    }
    const sim_node *other = sim_draw_other(p, node);
    w4_channel_kind channel = draw_channel(p);
    for (unsigned i = 0; i < p->scenario->burst; i++) {
        talk(p, node, other, channel, SIM_KIND_TALK);
    }
    if (sim_below(p->world, 3) != 0) {
        sim_run(p->world, p->world->now_us + sim_below(p->world, BREAK_WITHIN_US));
        w4_memory_network_reset(p->world->network, node->name, other->name);
    }
}

void sim_agents_talk(play *p) {
    uint64_t now_us = p->world->now_us;
    while (now_us >= p->next_fact_us) {
        p->next_fact_us += p->scenario->fact_every_us;
        propose(p);
    }
    while (now_us >= p->next_talk_us) {
        p->next_talk_us += p->scenario->talk_every_us;
        sim_node *node = draw_node(p);
        if (sim_is_ready(node)) {
            bool durable = sim_below(p->world, DURABLE_ONE_IN) == 0;
            talk(p, node, sim_draw_other(p, node), draw_channel(p),
                 durable ? SIM_KIND_DURABLE : SIM_KIND_TALK);
        }
    }
    while (p->scenario->human_every_us > 0 && now_us >= p->next_human_us) {
        p->next_human_us += p->scenario->human_every_us;
        sim_node *node = draw_node(p);
        if (sim_is_ready(node)) {
            sim_humans_talk(p, node, sim_draw_other(p, node));
        }
    }
    while (p->scenario->claim_every_us > 0 && now_us >= p->next_claim_us) {
        p->next_claim_us += p->scenario->claim_every_us;
        sim_web_bring(p, draw_node(p));
    }
    while (p->scenario->burst > 0 && now_us >= p->next_burst_us) {
        p->next_burst_us += BURST_EVERY_US;
        burst(p);
    }
}

/* ---- votes */

/* Was it accepted and never lost with its node? Else the agent, who was not told, says it again. */
bool sim_stands(const sim_world *world, const sim_sent *sent) {
    const sim_node *from = &world->nodes[sent->from];
    return sent->kept || (from->node != NULL && from->life == sent->life);
}

static void vote(play *p, sim_node *node, sim_fact *f, const sim_sent **vote) {
    char id[37];
    char payload[256];
    if (!sim_is_ready(node) || (*vote != NULL && sim_stands(p->world, *vote)) ||
        w4_protocol_fact_find(w4_node_protocol(node->node), w4_bytes_from_text(f->id), id) != 1) {
        return;
    }
    (void)snprintf(payload, sizeof payload,
                   "{\"confidence\":1,\"decision\":\"confirm\",\"fact_ref\":\"%s\"}", f->id);
    const sim_word word = {.type = "FACT_CONFIRM",
                           .to = "*",
                           .payload = payload,
                           .kind = SIM_KIND_CONFIRM,
                           .channel = W4_CHANNEL_KIND_COUNT,
                           .about = f->id};
    (void)sim_agent_send(p, node, &word, vote);
}

/* Where keys change, some take their time: so the first one may have two keys before the second
 * one has said anything. */
static bool waits(const play *p, unsigned number) {
    return p->scenario->rotations > 0 && number % SLOW_ONE_IN == 0 &&
           p->world->now_us < w4_later(p->facts[number].proposal->at_us, SLOW_US);
}

void sim_agents_confirm(play *p) {
    for (unsigned i = 0; i < p->fact_count; i++) {
        sim_fact *f = &p->facts[i];
        for (int k = 0; k < (waits(p, i) ? 1 : 2); k++) {
            vote(p, &p->world->nodes[f->confirmers[k]], f, &f->votes[k]);
        }
    }
}

/* ---- coming and going */

int sim_agent_identity(const play *p, const sim_node *node, w4_identity **ret_identity) {
    uint8_t seed[W4_SEED_LEN] = {2, (uint8_t)node->index, (uint8_t)(node->index >> 8),
                                 (uint8_t)node->generation};
    for (unsigned i = 0; i < 8; i++) {
        seed[8 + i] = (uint8_t)(p->world->config.seed >> (8 * i));
    }
    return w4_identity_from_seed(seed, ret_identity);
}

void sim_agents_attach(play *p, sim_node *node) {
    sim_world *world = p->world;
    w4_agent_attach attach = {.agent_id = node->agent_id,
                              .capabilities = w4_bytes_from_text("[]"),
                              .owner = ++world->next_owner};
    w4_refused refused = {.text = "no key"};
    if (sim_agent_identity(p, node, &attach.identity) != 0 ||
        w4_protocol_agent_attach(w4_node_protocol(node->node), &attach, world->now_us, &refused) !=
            0) {
        w4_identity_free(attach.identity);
        sim_fail(world, "alive: the agent of %s is not taken: %s", node->name, refused.text);
        return;
    }
    node->owner = attach.owner;
    w4_mesh_agents_changed(w4_node_mesh(node->node), world->now_us);
}

void sim_agents_start(play *p, sim_node *node) {
    sim_world *world = p->world;
    sim_rotation_hand_in(p, node);
    for (unsigned i = 0; i < sim_honest_count(p); i++) {
        if (w4_node_trust_set(node->node, W4_TRUST_AGENT, &world->nodes[i].root, W4_TRUST_TRUSTED,
                              "anchor", "named by the operator", world->now_us) < 0) {
            sim_fail(world, "alive: %s cannot set trust", node->name);
        }
        sim_ledger_anchor(p->ledger, node, &world->nodes[i]);
    }
    sim_agents_attach(p, node);
}

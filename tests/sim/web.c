/* What agents bring from the internet, and what they say of what others brought. Each source is
 * used once, so that nothing but voices decides. */
#include "play.h"

#include <stdio.h>
#include <string.h>

#define AGAINST_ONE_IN 4u
#define SOURCE_TEXT_MAX 160u
#define SOURCE_FORM                                                                                \
    "{\"retrieved_at\":\"2026-11-22T10:00:00.000Z\",\"trust_tier\":\"high\","                      \
    "\"uri\":\"https://s%u.example/a\"}"

static sim_word word_of(const char *type, const char *payload, const char *source,
                        const char *about) {
    return (sim_word){.type = type,
                      .to = "*",
                      .payload = payload,
                      .kind = SIM_KIND_WEB,
                      .channel = W4_CHANNEL_KIND_COUNT,
                      .about = about,
                      .family = W4_FAMILY_LIP,
                      .source = source};
}

void sim_web_bring(play *p, sim_node *node) {
    char payload[256];
    char source[SOURCE_TEXT_MAX];
    unsigned voices[2];
    const sim_sent *sent = NULL;
    if (!sim_is_ready(node) || p->claim_count == SIM_CLAIMS_MAX ||
        !sim_draw_voices(p, node, voices)) {
        return;
    }
    (void)snprintf(payload, sizeof payload,
                   "{\"claims\":[\"claim %u\"],\"confidence\":0.5,\"evidence\":[\"seen\"],"
                   "\"extraction_notes\":\"read\"}",
                   p->claim_count);
    (void)snprintf(source, sizeof source, SOURCE_FORM, p->claim_count);
    const sim_word word = word_of("LIP_EVIDENCE", payload, source, "");
    if (sim_agent_send(p, node, &word, &sent) == 0 && sent != NULL) {
        sim_claim *c = &p->claims[p->claim_count++];
        *c = (sim_claim){.proposer = node->index,
                         .voices = {voices[0], voices[1]},
                         .evidence = sent,
                         .against = sim_below(p->world, AGAINST_ONE_IN) == 0};
        memcpy(c->id, sent->msg_id, sizeof c->id);
    }
}

/* Some say no, some that it contradicts what they know. */
static void say_no(play *p, sim_node *node, unsigned number, const char *id,
                   const sim_sent **ret_sent) {
    char payload[256];
    char source[SOURCE_TEXT_MAX];
    bool conflict = number % 2 == 0;
    (void)snprintf(source, sizeof source, SOURCE_FORM, number);
    (void)snprintf(payload, sizeof payload,
                   conflict ? "{\"conflicts\":[\"%s\"],\"local_refs\":[],\"severity\":\"low\"}"
                            : "{\"claim_ref\":\"%s\",\"decision\":\"reject\"}",
                   id);
    const sim_word word = word_of(conflict ? "LIP_CONFLICT" : "LIP_REJECT", payload, source, id);
    (void)sim_agent_send(p, node, &word, ret_sent);
}

static void vote(play *p, sim_node *node, unsigned number, bool against, const sim_sent **vote) {
    const sim_claim *c = &p->claims[number];
    char payload[256];
    char source[SOURCE_TEXT_MAX];
    if (!sim_is_ready(node) || (*vote != NULL && sim_stands(p->world, *vote)) ||
        !sim_ledger_knows(p->ledger, node, c->id)) {
        return;
    }
    if (against) {
        say_no(p, node, number, c->id, vote);
        return;
    }
    (void)snprintf(source, sizeof source, SOURCE_FORM, number);
    (void)snprintf(payload, sizeof payload, "{\"claim_ref\":\"%s\",\"decision\":\"accept\"}",
                   c->id);
    const sim_word word = word_of("LIP_ACCEPT", payload, source, c->id);
    (void)sim_agent_send(p, node, &word, vote);
}

void sim_web_vote(play *p) {
    for (unsigned i = 0; i < p->claim_count; i++) {
        sim_claim *c = &p->claims[i];
        for (int k = 0; k < 2; k++) {
            vote(p, &p->world->nodes[c->voices[k]], i, k == 1 && c->against, &c->votes[k]);
        }
    }
}

/* More than this cannot be asked. What is said of facts, decisions, keys and people is passed on by
 * neighbours (the features of MESH), so in the end all of one part have it; what is said of claims
 * is not: it goes from the node of its author to the neighbours that this one has, and is kept for
 * them for as long as a letter is. Whoever was no neighbour then, or was away for longer, never
 * hears of it, and has to leave the claim pending. So it is asked of exactly those whose node took
 * each word, by the account of its author: for each other one the author has a code, or was never
 * promised anything. And who was to vote and has not heard of it does not. */
static bool has_reached(const sim_sent *sent, unsigned node) {
    return sent->from == node || sent->outcome[node] == 1;
}

static bool has_vote(const sim_claim *c, unsigned voice, const sim_node *node) {
    return c->votes[voice] != NULL ? has_reached(c->votes[voice], node->index)
                                   : has_reached(c->evidence, c->voices[voice]);
}

const sim_claim *sim_web_missing(const play *p, const sim_node *node) {
    for (unsigned i = 0; i < p->claim_count; i++) {
        const sim_claim *c = &p->claims[i];
        if (c->evidence->kept && !c->against && c->voices[0] != c->voices[1] &&
            has_reached(c->evidence, node->index) && has_vote(c, 0, node) && has_vote(c, 1, node) &&
            !sim_ledger_holds(p->ledger, node, c->id)) {
            return c;
        }
    }
    return NULL;
}

#include "minority.h"

#include "envelope/envelope.h"

#include <stdlib.h>
#include <string.h>

#define FRESH_US (UINT64_C(300) * W4_US_PER_S)
#define ON_ITS_WAY_US (10 * W4_US_PER_S) /* through queues, until the agent has it */

static minority *watched;

static const minority_fact *find_fact(const minority *m, const char *id) {
    for (unsigned i = 0; i < m->fact_count; i++) {
        if (strcmp(m->facts[i].id, id) == 0) {
            return &m->facts[i];
        }
    }
    return NULL;
}

/* 3: whatever is given to an agent is given once, over all lives of its node. */
static void judge_once(minority *m, const sim_node *node, const char *msg_id) {
    minority_seen *s = NULL;
    char key[40];
    (void)snprintf(key, sizeof key, "%u %s", node->index, msg_id);
    HASH_FIND_STR(m->seen, key, s);
    if (s != NULL) {
        sim_fail(m->world, "3: the agent of %s was given %s twice", node->name, msg_id);
        return;
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        sim_fail(m->world, "the simulator is out of memory");
        return;
    }
    memcpy(s->key, key, sizeof key);
    HASH_ADD_STR(m->seen, key, s);
}

/* 3: what is new is fresh, by the clock there. */
static void judge_fresh(minority *m, const sim_node *node, const w4_envelope *envelope) {
    uint64_t wall_us = w4_env_wall_us(&node->env, m->world->now_us);
    uint64_t at_us = envelope->timestamp_us;
    uint64_t off_us = at_us > wall_us ? at_us - wall_us : wall_us - at_us;
    if (envelope->type == W4_TYPE_CIP_FACT_PROPOSE && off_us > FRESH_US + ON_ITS_WAY_US) {
        sim_fail(m->world, "3: the agent of %s was given %s, %.1f s off", node->name,
                 envelope->msg_id, (double)off_us / 1e6);
    }
}

static bool is_word_to_a_human(const w4_envelope *envelope) {
    return envelope->family == W4_FAMILY_HCP && envelope->type != W4_TYPE_HCP_HELLO &&
           envelope->type != W4_TYPE_HCP_STATE_UPDATE;
}

/* 4: nothing but greetings and states reaches a human who has taken consent back, or who has not
 * said yet. */
static void judge_consent(minority *m, const sim_node *node, const w4_envelope *envelope) {
    if (!is_word_to_a_human(envelope)) {
        return;
    }
    m->words++;
    if (m->revoked[node->index] || !m->greeted[node->index]) {
        sim_fail(m->world, "4: the human of %s, who %s, was given %s", node->name,
                 m->revoked[node->index] ? "has taken consent back" : "has not greeted",
                 envelope->msg_id);
    }
}

void minority_judge_given(minority *m, sim_node *node, const w4_node_event *event) {
    w4_json_document doc = {.nodes = NULL};
    w4_envelope envelope;
    w4_envelope_fault fault;
    m->given++;
    if (w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) != 0 ||
        w4_envelope_verify(&envelope, NULL) != W4_REFUSAL_NONE) {
        sim_fail(m->world, "3: the agent of %s was given what nobody has signed", node->name);
    } else {
        judge_once(m, node, envelope.msg_id);
        judge_fresh(m, node, &envelope);
        judge_consent(m, node, &envelope);
    }
    w4_json_document_deinit(&doc);
}

/* 4: nor does anything leave the node of one who has taken consent back, from or for them. */
static void judge_leaving(const sim_node *node, const w4_protocol_event *event) {
    minority *m = node->world->hooks.context;
    w4_json_document doc = {.nodes = NULL};
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (event->kind != W4_PROTOCOL_EVENT_TRANSMIT || !minority_is_honest(node) ||
        !m->revoked[node->index]) {
        return;
    }
    if (w4_envelope_read(&doc, event->envelope, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0 &&
        is_word_to_a_human(&envelope) &&
        w4_fingerprint_equal(&envelope.sender.fingerprint, &node->agent)) {
        sim_fail(m->world, "4: %s of %s leaves it, whose human has taken consent back",
                 envelope.msg_id, node->name);
    }
    w4_json_document_deinit(&doc);
}

/* All that comes out of the protocols of nodes passes here, on its way to sessions. */
bool __real_w4_protocol_pop_event(w4_protocol *protocol, w4_protocol_event *ret_event);
bool __wrap_w4_protocol_pop_event(w4_protocol *protocol, w4_protocol_event *ret_event);
bool __wrap_w4_protocol_pop_event(w4_protocol *protocol, w4_protocol_event *ret_event) {
    bool any = __real_w4_protocol_pop_event(protocol, ret_event);
    for (unsigned i = 0; any && watched != NULL && i < MINORITY_HONEST; i++) {
        const sim_node *node = &watched->world->nodes[i];
        if (node->node != NULL && w4_node_protocol(node->node) == protocol) {
            judge_leaving(node, ret_event);
        }
    }
    return any;
}

void minority_judge_watch(minority *m) {
    watched = m;
}

/* 3: accepted is only what an honest agent has proposed and two have confirmed who are trusted and
 * live apart. All of theirs who are trusted live in one place, so one of the two is honest, and of
 * what was never confirmed by an honest one nothing is accepted; and what honest ones have said
 * does not come to an end by the word of those. */
void minority_judge_fact(minority *m, const sim_node *node, const w4_node_event *event) {
    const minority_fact *f = find_fact(m, event->msg_id);
    bool accepted = event->state == W4_FACT_ACCEPTED;
    if (f == NULL) {
        sim_fail(m->world, "3: %s knows %s, which nobody has proposed", node->name, event->msg_id);
    } else if (accepted && !f->confirmed[0] && !f->confirmed[1]) {
        sim_fail(m->world, "3: %s accepted %s of %s, which nobody honest has confirmed", node->name,
                 event->msg_id, f->proposer < MINORITY_HONEST ? "an honest agent" : "a liar");
    } else if (f->good && (event->state == W4_FACT_REJECTED || event->state == W4_FACT_REFUTED ||
                           event->state == W4_FACT_DISPUTED)) {
        sim_fail(m->world, "3: at %s %s is %s, and nobody who is honest said so", node->name,
                 event->msg_id, w4_fact_state_name(event->state));
    }
}

/* 3: nobody becomes trusted by what they did, and nobody loses trust by what others did. */
static void judge_at(minority *m, const sim_node *node) {
    const w4_trust_book *book = w4_node_trust(node->node);
    for (unsigned i = 0; i < MINORITY_AGENTS; i++) {
        w4_trust_state is = w4_trust_book_state(book, W4_TRUST_AGENT, &m->agents[i].fingerprint);
        if (i >= MINORITY_TRAITORS && is == W4_TRUST_TRUSTED) {
            sim_fail(m->world, "3: %s trusts %s", node->name, m->agents[i].name);
        }
    }
    for (unsigned i = 0; i < MINORITY_NODES; i++) {
        const sim_node *other = &m->world->nodes[i];
        w4_trust_state is = w4_trust_book_state(book, W4_TRUST_NODE, &other->id);
        if (i > MINORITY_HONEST && is == W4_TRUST_TRUSTED) {
            sim_fail(m->world, "3: %s trusts %s, which was only introduced", node->name,
                     other->name);
        }
        if (i < MINORITY_HONEST && is == W4_TRUST_BLOCKED) {
            sim_fail(m->world, "3: %s has blocked %s, which is honest", node->name, other->name);
        }
        if (i < MINORITY_HONEST &&
            w4_trust_book_state(book, W4_TRUST_AGENT, &other->agent) != W4_TRUST_TRUSTED) {
            sim_fail(m->world, "3: %s no longer trusts %s, who is honest", node->name,
                     other->agent_id);
        }
    }
}

void minority_judge_trust(minority *m) {
    for (unsigned i = 0; i < MINORITY_HONEST; i++) {
        if (m->world->nodes[i].node != NULL) {
            judge_at(m, &m->world->nodes[i]);
        }
    }
}

/* And in spite of them all, what two honest agents have confirmed is accepted everywhere. */
void minority_judge_end(minority *m) {
    for (unsigned i = 0; i < m->fact_count; i++) {
        const minority_fact *f = &m->facts[i];
        for (unsigned n = 0; f->good && n < MINORITY_HONEST; n++) {
            const sim_node *node = &m->world->nodes[n];
            bool accepted = false;
            char id[37];
            for (size_t cursor = 0;
                 !accepted && w4_protocol_fact_next(w4_node_protocol(node->node), W4_FACT_ACCEPTED,
                                                    &cursor, id);) {
                accepted = strcmp(id, f->id) == 0;
            }
            if (!accepted) {
                sim_fail(m->world, "1: %s has not accepted %s of n%u, confirmed by n%u%s and n%u%s",
                         node->name, f->id, f->proposer, f->confirms[0],
                         f->confirmed[0] ? "" : " (not yet)", f->confirms[1],
                         f->confirmed[1] ? "" : " (not yet)");
            }
        }
    }
}

#include "minority.h"

#include "base/text.h"
#include "envelope/envelope.h"
#include "node/state.h"

#include <string.h>

#define PAYLOAD_MAX 640u

static const minority_agent *draw_agent(minority *m) {
    return &m->agents[sim_below(m->world, MINORITY_AGENTS)];
}

static const sim_node *draw_honest(minority *m) {
    return &m->world->nodes[sim_below(m->world, MINORITY_HONEST)];
}

/* Past all that a node asks of its own agents. */
static void send_raw(minority *m, const minority_agent *from, const sim_node *to,
                     w4_channel_kind channel, w4_bytes envelope) {
    sim_node *node = &m->world->nodes[from->node];
    const w4_sending sending = {
        .message = envelope, .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
    if (node->node != NULL) {
        (void)w4_node_send(node->node, &to->id, channel, &sending, m->world->now_us);
        sim_poke(node);
    }
}

static void write_lie(minority *m, char payload[static PAYLOAD_MAX], uint64_t decision) {
    (void)snprintf(payload, PAYLOAD_MAX,
                   "{\"causal_links\":[],\"dmp_trace\":{\"decision_id\":\"lie-%llu\",\"steps\":"
                   "[\"made it up\"]},\"fact\":{\"confidence\":1,\"domain\":\"sim\","
                   "\"statement\":\"lie %llu\"}}",
                   (unsigned long long)decision, (unsigned long long)++m->lies);
}

static void note_lie(minority *m, const char *id) {
    if (m->fact_count < MINORITY_FACTS_MAX) {
        minority_fact *f = &m->facts[m->fact_count++];
        *f = (minority_fact){.proposer = MINORITY_NODES};
        memcpy(f->id, id, sizeof f->id);
    }
}

/* A lie, said by the book. */
static void lie(minority *m) {
    const minority_agent *a = draw_agent(m);
    char payload[PAYLOAD_MAX];
    char id[37];
    write_lie(m, payload, 1000 + m->lies);
    if (minority_send(m, &m->world->nodes[a->node], a->owner, W4_FAMILY_CIP, "FACT_PROPOSE", NULL,
                      payload, "{}", id) == 0) {
        note_lie(m, id);
    }
}

/* All of them say yes to what nobody honest has confirmed, and no to what was. */
static void vote(minority *m) {
    static const char *const words[] = {"confirm", "reject"};
    if (m->fact_count == 0) {
        return;
    }
    uint64_t recent = w4_earlier(m->fact_count, 12);
    const minority_fact *f = &m->facts[m->fact_count - 1 - sim_below(m->world, recent)];
    for (unsigned i = 0; i < MINORITY_AGENTS; i++) {
        const minority_agent *a = &m->agents[i];
        bool against = f->good; /* two of them are trusted, on one node */
        char payload[PAYLOAD_MAX];
        char id[37];
        (void)snprintf(payload, sizeof payload,
                       "{\"fact_ref\":\"%s\",\"decision\":\"%s\",\"confidence\":1}", f->id,
                       words[against ? 1 : 0]);
        (void)minority_send(m, &m->world->nodes[a->node], a->owner, W4_FAMILY_CIP,
                            against ? "FACT_REJECT" : "FACT_CONFIRM", NULL, payload, "{}", id);
    }
}

/* Signed by one of theirs, with a time stamp of their choice. */
static void sign(minority *m, const minority_agent *a, w4_type type, const char *id,
                 const sim_node *to, int64_t off_us, const char *payload, const char *state,
                 w4_buffer *out) {
    w4_party receiver = {.agent_id = ""};
    uint64_t wall_us = w4_env_wall_us(&to->env, m->world->now_us);
    receiver.fingerprint = to->agent;
    (void)snprintf(receiver.agent_id, sizeof receiver.agent_id, "%s", to->agent_id);
    w4_envelope_draft draft = {.type = type,
                               .msg_id = id,
                               .timestamp_us = (uint64_t)((int64_t)wall_us + off_us) / 1000 * 1000,
                               .sender_id = a->name,
                               .receiver = state[0] != '\0' ? &receiver : NULL,
                               .with_pubkey = true,
                               .payload = w4_bytes_from_text(payload),
                               .state = w4_bytes_from_text(state)};
    if (w4_envelope_write(&draft, a->key, out) != 0) {
        sim_fail(m->world, "the simulator is out of memory");
    }
}

/* To each of two another statement, under one msg_id or one decision; and then to the other one. */
static void equivocate(minority *m) {
    const minority_agent *a = &m->agents[MINORITY_AGENTS - 1 - sim_below(m->world, 3)];
    const sim_node *victims[2] = {draw_honest(m), draw_honest(m)};
    bool one_id = sim_below(m->world, 2) == 0;
    w4_buffer letters[2] = {W4_BUFFER_INIT(65536), W4_BUFFER_INIT(65536)};
    char id[37];
    char payload[PAYLOAD_MAX];
    uint64_t decision = m->lies;
    w4_uuid_v4(&victims[0]->env, id);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 0 || !one_id) {
            w4_uuid_v4(&victims[0]->env, id);
            note_lie(m, id);
        }
        write_lie(m, payload, decision);
        sign(m, a, W4_TYPE_CIP_FACT_PROPOSE, id, victims[0], 0, payload, "", &letters[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        send_raw(m, a, victims[i % 2], W4_CHANNEL_KNOWLEDGE,
                 w4_buffer_bytes(&letters[(i % 2) ^ (i / 2)]));
    }
    w4_buffer_deinit(&letters[0]);
    w4_buffer_deinit(&letters[1]);
}

/* What others have said, said again: at once, much later, and after a restart. */
static void replay(minority *m) {
    const minority_agent *a = draw_agent(m);
    if (m->heard_count > 0) {
        uint64_t kept = w4_earlier(m->heard_count, MINORITY_HEARD_MAX);
        for (unsigned i = 0; i < 3; i++) {
            w4_buffer *heard = &m->heard[sim_below(m->world, kept)];
            send_raw(m, a, draw_honest(m), W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(heard));
        }
    }
}

/* At both edges of the window of freshness, and beyond them. */
static void skew(minority *m) {
    static const int64_t offs_ms[] = {-299000, 299000, -301000, 301000, -350000, 350000};
    const minority_agent *a = draw_agent(m);
    const sim_node *to = draw_honest(m);
    w4_buffer letter = W4_BUFFER_INIT(65536);
    char id[37];
    char payload[PAYLOAD_MAX];
    w4_uuid_v4(&to->env, id);
    write_lie(m, payload, 1000 + m->lies);
    note_lie(m, id);
    sign(m, a, W4_TYPE_CIP_FACT_PROPOSE, id, to, offs_ms[sim_below(m->world, 6)] * 1000, payload,
         "", &letter);
    send_raw(m, a, to, W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(&letter));
    w4_buffer_deinit(&letter);
}

#define WELL                                                                                       \
    ("{\"human\":{\"affect\":\"calm\",\"clarity\":80,\"consent\":\"granted\",\"presence\":"        \
     "\"focused\",\"pressure\":10}}")

/* Words to people, whatever they have said of it: several in a row, so that some come while a word
 * of theirs is on its way. */
static void press(minority *m) {
    const minority_agent *a = draw_agent(m);
    const sim_node *to = draw_honest(m);
    for (unsigned i = 0; i < 4; i++) {
        bool greets = sim_below(m->world, 4) == 0;
        w4_buffer letter = W4_BUFFER_INIT(65536);
        char id[37];
        w4_uuid_v4(&to->env, id);
        sign(m, a, greets ? W4_TYPE_HCP_HELLO : W4_TYPE_HCP_INTENT, id, to, 0,
             greets ? "{\"consent_scope\":[\"work\"],\"identity\":{\"name\":\"x\"}}"
                    : "{\"goal\":\"align\",\"priority\":\"high\",\"topic\":\"work\"}",
             WELL, &letter);
        send_raw(m, a, to, W4_CHANNEL_CONTROL, w4_buffer_bytes(&letter));
        w4_buffer_deinit(&letter);
    }
}

void minority_attack(minority *m) {
    static void (*const attacks[])(minority *) = {lie, vote, equivocate, replay, skew, press};
    uint64_t which = sim_below(m->world, sizeof attacks / sizeof attacks[0]);
    attacks[which](m);
    m->attacks++;
}

/* Of what honest agents have said, some is kept for ever, some is replaced by what is newer. */
void minority_hear(minority *m, const w4_node_event *event) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0 &&
        sim_node_of_agent(m->world, &envelope.sender.fingerprint) != NULL) {
        unsigned at = m->heard_count < MINORITY_HEARD_MAX
                          ? m->heard_count
                          : (unsigned)sim_below(m->world, MINORITY_HEARD_MAX);
        m->heard_count++;
        w4_buffer_deinit(&m->heard[at]);
        m->heard[at] = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
        if (w4_buffer_append(&m->heard[at], event->bytes) != 0) {
            sim_fail(m->world, "the simulator is out of memory");
        }
    }
    w4_json_document_deinit(&doc);
}

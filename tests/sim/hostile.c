/* A node of the mesh that is trusted by nobody: it confirms what it likes, and says again and
 * otherwise what others have said. */
#include "play.h"

#include "envelope/envelope.h"
#include "node/state.h"

#include <inttypes.h>
#include <string.h>

#define HOSTILE_AFTER_US (20 * W4_US_PER_S)

void sim_hostile_sends(play *p, unsigned to, w4_channel_kind channel, w4_bytes envelope) {
    sim_node *hostile = sim_hostile(p);
    const w4_sending sending = {
        .message = envelope, .token = W4_TOKEN_MESH, .deadline_us = W4_NEVER};
    if (hostile->node != NULL && w4_node_send(hostile->node, &p->world->nodes[to].id, channel,
                                              &sending, p->world->now_us) < 0) {
        sim_fail(p->world, "alive: the hostile node cannot send");
    }
    sim_poke(hostile);
}

/* To one that heard it before, and to another one with other words under the same signature. */
void sim_hostile_acts(play *p) {
    unsigned victim = (p->heard_from + 1) % sim_honest_count(p);
    unsigned witness = (p->heard_from + 2) % sim_honest_count(p);
    if (p->heard.len == 0 || p->forged > 0 || p->world->now_us < SIM_START_US + HOSTILE_AFTER_US) {
        return;
    }
    const sim_sent *sent = sim_ledger_find(p->ledger, p->heard_id);
    if (sent == NULL || sent->arrived[victim] == 0 || sent->arrived[witness] == 0 ||
        !sim_is_ready(&p->world->nodes[victim]) || !sim_is_ready(&p->world->nodes[witness])) {
        p->heard.len = 0; /* the next one then */
        return;
    }
    sim_hostile_sends(p, witness, W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(&p->heard));
    p->replayed++;
    uint8_t *word = (uint8_t *)memmem(p->heard.data, p->heard.len, "number", 6);
    word[0] = 'N';
    sim_hostile_sends(p, victim, W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(&p->heard));
    p->forged++;
}

/* What it hears of others it keeps; and it confirms all that it hears of, which counts nothing. */
void sim_hostile_hears(play *p, const w4_node_event *event) {
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
                       "{\"confidence\":1,\"decision\":\"confirm\",\"fact_ref\":\"%s\"}",
                       envelope.msg_id);
        const sim_word word = {.type = "FACT_CONFIRM",
                               .to = "*",
                               .payload = payload,
                               .kind = SIM_KIND_CONFIRM,
                               .channel = W4_CHANNEL_KIND_COUNT,
                               .about = envelope.msg_id};
        (void)sim_agent_send(p, sim_hostile(p), &word, &sent);
    }
    w4_json_document_deinit(&doc);
}

void sim_hostile_check(play *p) {
    uint64_t bad_signature = sim_ledger_refusals(p->ledger, W4_REFUSAL_BAD_SIGNATURE);
    uint64_t replay = sim_ledger_refusals(p->ledger, W4_REFUSAL_REPLAY);
    /* Else who was to refuse it may have died of it, or was no neighbour. */
    bool sure = p->crashes <= 1 && p->scenario->neighbours == 0;
    if (bad_signature > p->forged ||
        (sure && (p->forged == 0 || bad_signature == 0 || replay == 0))) {
        sim_fail(p->world,
                 "3: %u forged and %u replayed envelopes were sent; refused as such were %" PRIu64
                 " and %" PRIu64,
                 p->forged, p->replayed, bad_signature, replay);
    }
}

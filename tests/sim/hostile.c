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

/* Once both were refused it has shown what it can. */
static bool is_done(const play *p) {
    for (unsigned i = 0; i < p->attack_count; i++) {
        if (p->attacks[i].forgery_refused && p->attacks[i].replay_refused) {
            return true;
        }
    }
    return p->attack_count == SIM_FORGED_MAX;
}

/* Who was lied to does not listen to it any more. */
static bool is_fit(const play *p, const sim_sent *sent, unsigned index) {
    bool fresh = sent != NULL && sent->arrived[index] != 0 && sent->from != index &&
                 sim_is_ready(&p->world->nodes[index]);
    for (unsigned i = 0; i < p->attack_count; i++) {
        fresh = fresh && p->attacks[i].victim != index;
    }
    return fresh;
}

/* To one that heard it before, and to another one with other words under the same signature. */
void sim_hostile_acts(play *p) {
    unsigned victim = (p->heard_from + 1) % sim_honest_count(p);
    unsigned witness = (p->heard_from + 2) % sim_honest_count(p);
    if (p->heard.len == 0 || is_done(p) || p->world->now_us < SIM_START_US + HOSTILE_AFTER_US ||
        !sim_is_ready(sim_hostile(p))) {
        return;
    }
    const sim_sent *sent = sim_ledger_find(p->ledger, p->heard_id);
    if (!is_fit(p, sent, victim) || !is_fit(p, sent, witness)) {
        p->heard.len = 0; /* the next one then */
        return;
    }
    sim_attack *attack = &p->attacks[p->attack_count++];
    *attack = (sim_attack){.victim = victim, .witness = witness};
    memcpy(attack->msg_id, p->heard_id, sizeof attack->msg_id);
    sim_hostile_sends(p, witness, W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(&p->heard));
    uint8_t *word = (uint8_t *)memmem(p->heard.data, p->heard.len, "number", 6);
    word[0] = 'N';
    sim_hostile_sends(p, victim, W4_CHANNEL_KNOWLEDGE, w4_buffer_bytes(&p->heard));
    p->heard.len = 0;
}

/* A refusal of what it forged, or said again. */
void sim_hostile_told(play *p, const sim_node *node, const w4_event_view *view) {
    w4_json_document doc = {0};
    char msg_id[37];
    if (view->event != W4_EVENT_ENVELOPE_REJECTED || p->attack_count == 0 ||
        w4_json_read(&doc, view->json, &W4_JSON_LIMITS_LINE, NULL) != 0) {
        return;
    }
    w4_json data = w4_json_get(w4_json_root(&doc), "data");
    w4_json code = w4_json_get(data, "code");
    bool named = w4_json_string_copy(w4_json_get(data, "msg_id"), msg_id, sizeof msg_id);
    for (unsigned i = 0; named && i < p->attack_count; i++) {
        sim_attack *a = &p->attacks[i];
        if (strcmp(a->msg_id, msg_id) == 0) {
            a->forgery_refused |=
                node->index == a->victim &&
                w4_json_string_equal(code, w4_refusal_name(W4_REFUSAL_BAD_SIGNATURE));
            a->replay_refused |= node->index == a->witness &&
                                 w4_json_string_equal(code, w4_refusal_name(W4_REFUSAL_REPLAY));
        }
    }
    w4_json_document_deinit(&doc);
}

/* What it hears of others it keeps; and it confirms all that it hears of, which counts nothing. */
void sim_hostile_hears(play *p, const w4_node_event *event) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    if (w4_envelope_read(&doc, event->bytes, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault) == 0 &&
        envelope.type == W4_TYPE_CIP_FACT_PROPOSE) {
        const sim_node *from = sim_node_of_agent(p->world, &envelope.sender.fingerprint);
        if (p->heard.len == 0 && !is_done(p) && from != NULL) {
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

unsigned sim_hostile_refused(const play *p, bool replays) {
    unsigned count = 0;
    for (unsigned i = 0; i < p->attack_count; i++) {
        count += replays ? p->attacks[i].replay_refused : p->attacks[i].forgery_refused;
    }
    return count;
}

/* Nobody but it forges; and what it forged and said again was refused where it came. That it came
 * is certain only where links and nodes last: of as many as it tries one does then. */
void sim_hostile_check(play *p) {
    uint64_t bad_signature = sim_ledger_refusals(p->ledger, W4_REFUSAL_BAD_SIGNATURE);
    unsigned forgeries = sim_hostile_refused(p, false);
    unsigned replays = sim_hostile_refused(p, true);
    bool sure = p->crashes <= 1 && p->scenario->neighbours == 0;
    bool tried = p->attack_count == SIM_FORGED_MAX;
    if (bad_signature > p->attack_count || (sure && tried && (forgeries == 0 || replays == 0))) {
        sim_fail(p->world,
                 "3: %u times it forged an envelope and said one again; refused as such were %u "
                 "and %u (and %" PRIu64 " for bad signatures in all)",
                 p->attack_count, forgeries, replays, bad_signature);
    }
}

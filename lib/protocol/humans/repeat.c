#include "protocol/humans/repeat.h"

#include "base/text.h"
#include "envelope/schema.h"
#include "protocol/evidence/evidence.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

#define STATE_BYTES_MAX 1024u

/* One word that is said again. */
typedef struct repeat {
    w4_protocol *p;
    w4_humans *humans;
    w4_human *human;
    w4_agent *agent;
    uint64_t wall_us;
    w4_json_document doc;    /* of the greeting of then */
    w4_buffer kept;          /* that greeting */
    w4_buffer payload;       /* what holds now, as payload ... */
    w4_buffer state;         /* ... and as state */
    w4_json_document result; /* of the envelope */
    w4_buffer text;
} repeat;

static void repeat_init(repeat *r) {
    r->kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    r->payload = W4_BUFFER_INIT(STATE_BYTES_MAX);
    r->state = W4_BUFFER_INIT(STATE_BYTES_MAX);
    r->text = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
}

static void repeat_deinit(repeat *r) {
    w4_json_document_deinit(&r->doc);
    w4_json_document_deinit(&r->result);
    w4_buffer_deinit(&r->kept);
    w4_buffer_deinit(&r->payload);
    w4_buffer_deinit(&r->state);
    w4_buffer_deinit(&r->text);
}

/* How they were a while ago is not how they are: what gates nothing is said instead. */
static void write_how(const repeat *r, w4_json_writer *w) {
    const w4_human *human = r->human;
    bool fresh = w4_human_is_fresh(human, r->wall_us);
    w4_json_begin_object(w);
    w4_json_member_string(w, "affect", w4_names_affect[fresh ? human->affect : W4_AFFECT_NEUTRAL]);
    w4_json_member_unsigned(w, "clarity", fresh ? human->clarity : 50);
    w4_json_member_string(w, "consent", w4_consent_name(human->consent));
    w4_json_member_string(w, "presence", w4_names_presence[human->presence]);
    w4_json_member_unsigned(w, "pressure", fresh ? human->pressure : 50);
    w4_json_end_object(w);
}

static int write_state(repeat *r) {
    w4_json_writer payload, state;
    w4_json_writer_init(&payload, &r->payload);
    write_how(r, &payload);
    w4_json_writer_init(&state, &r->state);
    w4_json_begin_object(&state);
    w4_json_name(&state, "human");
    write_how(r, &state);
    w4_json_end_object(&state);
    return payload.error != 0 ? payload.error : state.error;
}

/* The greeting that holds, if it was to all and is kept. 0, -ENOMEM, or a store condition: there
 * is none then. */
static int read_greeting(repeat *r, w4_json *ret_payload) {
    const w4_human_said *greeting = &r->human->greeting;
    if (greeting->msg_id[0] == '\0' || !w4_fingerprint_is_zero(&greeting->to)) {
        return W4_STORE_E_NOT_FOUND;
    }
    int c = w4_evidence_get(r->p->store, greeting->msg_id, &r->human->fingerprint, &r->kept);
    c = c == 0 ? w4_json_read_canonical(&r->doc, w4_buffer_bytes(&r->kept),
                                        &W4_JSON_LIMITS_ENVELOPE, NULL)
               : c;
    if (c == 0) {
        *ret_payload = w4_json_get(w4_json_root(&r->doc), "payload");
    }
    return c;
}

/* 0 with the text, 1: no later time stamp can be given yet; or an error as of what is called. */
static int sign(repeat *r, const w4_fingerprint *to) {
    char msg_id[W4_UUID_LEN + 1];
    w4_json greeting;
    w4_party receiver = {.fingerprint = *to};
    bool to_all = w4_fingerprint_is_zero(to);
    const w4_home *home = to_all ? NULL : w4_homes_find(&r->p->homes, to);
    memcpy(receiver.agent_id, home ? home->agent.agent_id : "agent",
           home ? sizeof receiver.agent_id : sizeof "agent");
    w4_agent *agent = r->agent;
    agent->said_us = r->human->latest_us > agent->said_us ? r->human->latest_us : agent->said_us;
    uint64_t at_us;
    int c = w4_stamps_next(&r->p->stamps, agent, W4_STAMPS_APART_US, r->wall_us, &at_us);
    if (c < 0) {
        return c;
    }
    if (at_us <= r->human->latest_us) {
        return 1;
    }
    c = to_all ? read_greeting(r, &greeting) : W4_STORE_E_NOT_FOUND;
    bool greets = c == 0;
    if (c < 0) {
        return c;
    }
    w4_uuid_v4(r->p->env, msg_id);
    const w4_envelope_draft draft = {.type = greets ? W4_TYPE_HCP_HELLO : W4_TYPE_HCP_STATE_UPDATE,
                                     .msg_id = msg_id,
                                     .timestamp_us = at_us,
                                     .sender_id = agent->agent_id,
                                     .receiver = to_all ? NULL : &receiver,
                                     .with_pubkey = true,
                                     .payload = greets ? w4_json_text(greeting)
                                                       : w4_buffer_bytes(&r->payload),
                                     .state = w4_buffer_bytes(&r->state)};
    return w4_envelope_write(&draft, agent->identity, &r->text);
}

/* 0, a fatal error, or what stood against it (> 0). */
static int say(repeat *r, const w4_fingerprint *to, bool last) {
    w4_envelope envelope;
    w4_envelope_fault fault;
    w4_human *human;
    w4_consent before;
    w4_buffer_clear(&r->text);
    int c = sign(r, to);
    c = c == 0 ? w4_envelope_read(&r->result, w4_buffer_bytes(&r->text), &r->p->config.limits,
                                  &envelope, &fault)
               : c;
    if (c != 0) {
        return c == -EMSGSIZE ? 1 : c;
    }
    const w4_human_word word = {.envelope = &envelope,
                                .wall_us = r->human->taken_us,
                                .here = true,
                                .hosted = true,
                                .repeats = last};
    return w4_humans_take(r->humans, &word, &human, &before);
}

/* What was said to all, or to one after the other. */
static int repeat_words(repeat *r) {
    const w4_human *human = r->human;
    w4_fingerprint to[1 + W4_HUMAN_ASIDES_MAX] = {human->word.to};
    uint32_t count = 1;
    bool alone = human->word.msg_id[0] != '\0' && !w4_fingerprint_is_zero(&human->word.to);
    for (uint32_t i = 0; alone && i < human->asides_count; i++) {
        if (!w4_fingerprint_equal(&human->asides[i].to, &to[0])) {
            to[count++] = human->asides[i].to;
        }
    }
    int c = write_state(r);
    for (uint32_t i = 0; c == 0 && i < count; i++) {
        c = say(r, &to[i], i + 1 == count);
    }
    return c;
}

int w4_repeat_words(w4_protocol *p, w4_humans *humans, uint64_t now_us, bool *ret_said) {
    w4_agent *agent;
    bool said = false;
    int c = 0;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        w4_human *human =
            agent->attached && agent->identity ? w4_humans_find(humans, &agent->fingerprint) : NULL;
        if (!human || !human->overtaken) {
            continue;
        }
        repeat r = {.p = p,
                    .humans = humans,
                    .human = human,
                    .agent = agent,
                    .wall_us = w4_router_wall(p, now_us)};
        repeat_init(&r);
        c = repeat_words(&r);
        repeat_deinit(&r);
        said = said || c == 0;
        if (c < 0) {
            return c;
        }
    }
    *ret_said = said;
    return 0;
}

/* DECISION_SHARE: one decision of one key has one choice. What its author says of it later is
 * another one with the same decision_id and choice, and a retrospective. */
#include "base/text.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/facts/decision_rows.h"
#include "protocol/facts/knowledge.h"
#include "protocol/router.h"

#include <string.h>

#define NAME_SIZE 256u /* decision_id with the NUL */

static const char name_pointer[] = "/payload/dmp_trace/decision_id";

static bool read_name(const w4_inbound *in, char ret_name[static NAME_SIZE]) {
    w4_json name =
        w4_json_at_pointer(in->envelope.payload, w4_bytes_from_text("/dmp_trace/decision_id"));
    return w4_json_string_copy(name, ret_name, NAME_SIZE);
}

/* The msg_id of the one that the sender chose otherwise in, or NULL. */
static const char *find_other(const w4_protocol *p, const w4_inbound *in, const char *name) {
    w4_decision_words words;
    w4_decision_read_words(in->envelope.payload, &words);
    return w4_decisions_other_choice(p->decisions, &in->envelope.sender.fingerprint, name,
                                     words.choice);
}

/* What is passed on, or comes out of an archive, makes nothing forgotten that was said later, which
 * would be passed on in turn. */
static int look_room(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_decision decision = {
        .agent = e->sender.fingerprint, .aside = !e->broadcast, .shared_us = e->timestamp_us};
    memcpy(decision.id, e->msg_id, sizeof decision.id);
    return !w4_inbound_is_old(in) || w4_decisions_has_room(p->decisions, &decision)
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "",
                                   "room for a decision that is older than all that are kept");
}

int w4_knowledge_look_decision(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    char name[NAME_SIZE];
    in->concerns = true;
    if (!read_name(in, name)) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, name_pointer, "at most 255 bytes");
    }
    if (w4_json_count(w4_json_get(e->payload, "causal_links")) > W4_DECISION_LINKS_MAX) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/causal_links",
                                 "at most 16 elements");
    }
    if (w4_decisions_has_of(p->decisions, e->msg_id, &e->sender.fingerprint)) {
        return 0;
    }
    if (!find_other(p, in, name)) {
        return look_room(p, in);
    }
    /* An agent whose key is here is kept from saying it; anybody else has said it. */
    return in->origin == W4_ORIGIN_HOSTED
               ? w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, name_pointer,
                                   "one under which this agent has made no other choice")
               : w4_inbound_refuse(in, W4_REFUSAL_BLACKLISTED, name_pointer,
                                   "one under which its sender has made no other choice");
}

int w4_knowledge_blame_decision(w4_protocol *p, w4_inbound *in) {
    char name[NAME_SIZE], other[W4_UUID_LEN + 1];
    const char *kept = in->fault.code == W4_REFUSAL_BLACKLISTED && read_name(in, name)
                           ? find_other(p, in, name)
                           : NULL;
    if (!kept) {
        return 0;
    }
    memcpy(other, kept, sizeof other);
    return w4_misconduct_accuse(p, in, other, "one decision_id for two choices");
}

int w4_knowledge_decision(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    char name[NAME_SIZE];
    w4_decision_words words;
    if (!read_name(in, name)) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, name_pointer, "at most 255 bytes");
    }
    w4_decision_read_words(e->payload, &words);
    w4_decision decision = {.agent = e->sender.fingerprint,
                            .agent_id = e->sender.agent_id,
                            .decision_id = name,
                            .retrospective = words.retrospective,
                            .aside = !e->broadcast,
                            .links = (const char(*)[37])words.links,
                            .link_count = words.link_count,
                            .shared_us = e->timestamp_us,
                            .taken_us = in->wall_us};
    memcpy(decision.id, e->msg_id, sizeof decision.id);
    memcpy(decision.choice, words.choice, sizeof decision.choice);
    in->took_effect = !w4_inbound_is_old(in) ||
                      !w4_decisions_has_of(p->decisions, e->msg_id, &e->sender.fingerprint);
    int r = w4_decisions_add(p->decisions, &decision, e->text);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    w4_facts_queue_effects(p->facts, e->msg_id);
    in->stored = true;
    return 0;
}

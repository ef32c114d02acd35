#include "protocol/pipeline/pipeline_words.h"

#include "protocol/delivery/route.h"
#include "protocol/router.h"

#include <inttypes.h>

#define FINE_SPAN_US (2 * W4_FRESHNESS_WINDOW_US)

static void tell_sender(const w4_inbound *in, w4_words *words) {
    w4_words_who(words, in->envelope.sender.agent_id, &in->envelope.sender.fingerprint);
}

void w4_tell_node(const w4_protocol *p, const w4_fingerprint *node, w4_words *words) {
    const w4_record *record = w4_graph_find(p->graph, node);
    w4_words_say(words, w4_fingerprint_equal(node, &p->self) ? "this node " : "the node ");
    w4_words_who(words, record ? record->name : NULL, node);
}

void w4_tell_carrier(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    if (w4_fingerprint_is_zero(&in->from_node)) {
        w4_words_say(words, "no node is named as the one that brought it, so none is judged");
        return;
    }
    w4_tell_node(p, &in->from_node, words);
    w4_words_say(words, " brought it, and is %s here",
                 w4_trust_state_name(W4_TRUST_NODE,
                                     w4_trust_book_state(p->trust, W4_TRUST_NODE, &in->from_node)));
}

void w4_tell_form(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    if (!in->rule) {
        const w4_fault *detail = &in->fault.detail;
        if (detail->expected[0] == '\0') {
            w4_words_say(words, "%s", w4_refusal_help(in->fault.code));
        } else if (in->fault.code != W4_REFUSAL_BAD_ENVELOPE && detail->pointer[0] == '\0') {
            w4_words_say(words, "%s", detail->expected); /* of the text: what is wrong, and where */
        } else {
            w4_words_say(words, "%s%s: expected %s",
                         detail->pointer[0] == '\0' ? "as a whole" : "at ", detail->pointer,
                         detail->expected);
        }
        return;
    }
    const w4_envelope *e = &in->envelope;
    w4_words_say(words, "%zu bytes in canonical form: %s %s, from ", e->text.len,
                 w4_type_row_of(e->type)->name, e->msg_id);
    tell_sender(in, words);
    w4_words_say(words, e->broadcast ? " to everybody" : " to ");
    if (!e->broadcast) {
        w4_words_who(words, e->receiver.agent_id, &e->receiver.fingerprint);
    }
    w4_words_say(words, ", on the channel %s", w4_channel_kind_name(in->channel_kind));
}

void w4_tell_fingerprint(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    if (!in->envelope.has_pubkey) {
        w4_words_say(words,
                     "it brings no key, so there is nothing to compare: the key that is known "
                     "here of that fingerprint is taken");
        return;
    }
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint computed = w4_fingerprint_of(&in->envelope.pubkey);
    w4_fingerprint_format(&computed, text);
    w4_words_say(words, "the SHA-256 of sender.pubkey is %s", text);
}

void w4_tell_signature(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    bool known = !in->envelope.has_pubkey && w4_inbound_key(p, in);
    if (in->envelope.has_pubkey || known) {
        bool bad = in->fault.code == W4_REFUSAL_BAD_SIGNATURE;
        w4_words_say(words, "it is %s by the key that %s ", bad ? "not signed" : "signed",
                     known ? "is known here of" : "it brings, of");
    } else {
        w4_words_say(words, "it brings no key, and none is known here of ");
    }
    tell_sender(in, words);
}

void w4_tell_speaker(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    if (in->origin == W4_ORIGIN_NODE) {
        if (in->family->kind != W4_TRUST_NODE) {
            w4_words_say(words, "what agents say may come over any node");
            return;
        }
        w4_words_say(words, "a node speaks for itself alone; ");
        w4_tell_node(p, &in->from_node, words);
        w4_words_say(words, " brought it");
        return;
    }
    if (w4_inbound_is_old(in)) {
        w4_words_say(words, "it is a %s, said to %s", w4_type_row_of(in->envelope.type)->name,
                     in->envelope.broadcast ? "all" : "one agent");
        return;
    }
    if (in->agent) {
        w4_words_say(words, "it is taken as the word of ");
        w4_words_who(words, in->agent->agent_id, &in->agent->fingerprint);
        w4_words_say(words, ", which is attached here");
    }
}

void w4_tell_freshness(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    uint64_t at_us = in->envelope.timestamp_us;
    bool past = at_us <= in->wall_us;
    w4_words_say(words, "its time stamp, ");
    w4_words_when(words, at_us);
    w4_words_say(words, ", is ");
    uint64_t apart_us = past ? in->wall_us - at_us : at_us - in->wall_us;
    if (apart_us < FINE_SPAN_US) { /* whoever is a second too late sees that it is one */
        w4_words_say(words, "%" PRIu64 " s", apart_us / W4_US_PER_S);
    } else {
        w4_words_span(words, apart_us);
    }
    w4_words_say(words, past ? " behind the clock here" : " ahead of the clock here");
    if (in->durable) {
        w4_words_say(words, "; a durable one may be ");
        w4_words_span(words, p->config.durable.age_us);
        w4_words_say(words, " old");
    }
}

void w4_tell_replay(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    if (in->fault.code == W4_REFUSAL_REPLAY) {
        w4_words_say(words, in->durable && !in->repeat
                                ? "a later one of that sender for that receiver was taken before: "
                                  "durable ones come in order"
                                : "one with that msg_id was taken before, of ");
        if (in->durable && !in->repeat) {
            return;
        }
    } else {
        w4_words_say(words, "none with that msg_id was taken yet of ");
    }
    tell_sender(in, words);
}

void w4_tell_trust(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    w4_trust_kind kind = in->family->kind;
    w4_trust_state state = w4_trust_book_state(p->trust, kind, sender);
    tell_sender(in, words);
    w4_words_say(words, " is %s here", w4_trust_state_name(kind, state));
    if (w4_trust_book_in_cooldown(p->trust, kind, sender, in->wall_us)) {
        w4_words_say(words, " and cooling down");
    }
    const char *type = w4_type_row_of(in->envelope.type)->name;
    if (in->rule->at_least == W4_TRUST_UNTRUSTED) {
        w4_words_say(words, "; %s asks for no trust, only for not being %s", type,
                     w4_trust_state_name(kind, W4_TRUST_BLOCKED));
        return;
    }
    w4_words_say(words, "; %s asks for %s at least", type,
                 w4_trust_state_name(kind, in->rule->at_least));
    if (state < in->rule->at_least && in->fault.code == W4_REFUSAL_NONE) {
        w4_words_say(words, ", but this one ends a handshake that is under way");
    }
}

void w4_tell_chain(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    if (!in->chained) {
        w4_words_say(words, "it names no message that it answers");
        return;
    }
    const w4_chain *chain = &in->chain;
    uint32_t before = 0;
    for (uint32_t i = 0; i < chain->ancestor_count; i++) {
        before +=
            w4_fingerprint_equal(&chain->ancestors[i], &in->envelope.sender.fingerprint) ? 1 : 0;
    }
    w4_words_say(
        words,
        "an answer at depth %" PRIu32 " (%" PRIu32 " at most) of the chain that began with "
        "%s; its sender spoke %" PRIu32 " times in it before (%" PRIu32 " at most), and it "
        "may cause %" PRIu32 " more messages",
        chain->depth, p->config.chain.depth, chain->root, before, p->config.chain.repeats,
        chain->budget);
}

void w4_tell_route(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_envelope *e = &in->envelope;
    if (e->broadcast) {
        w4_words_say(words, "it is for everybody that is reached now");
        return;
    }
    const w4_agent *agent = w4_agents_find(&p->agents, &e->receiver.fingerprint);
    w4_fingerprint node;
    w4_words_who(words, e->receiver.agent_id, &e->receiver.fingerprint);
    if (agent && agent->attached) {
        w4_words_say(words, " is attached here");
        return;
    }
    if (!w4_router_node_for(p, &e->sender.fingerprint, &e->receiver.fingerprint, &node) ||
        w4_fingerprint_equal(&node, &p->self)) {
        if (w4_router_is_behind(p, &e->receiver.fingerprint, &node)) {
            w4_words_say(words, " lives at ");
            w4_tell_node(p, &node, words);
            w4_words_say(words, ", which is blocked here");
        } else {
            w4_words_say(words, " is not attached here, and no node says that it has it");
        }
        return;
    }
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &node);
    w4_words_say(words, " lives at ");
    w4_tell_node(p, &node, words);
    w4_words_say(words, neighbour && neighbour->up ? ", which is connected"
                                                   : ", which is not connected now");
}

void w4_tell_room(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    if (in->family->local && !w4_store_has_room(p->store)) {
        w4_words_say(words, "too much waits to be written to disk, so it could come twice");
        return;
    }
    w4_words_say(words, !in->durable ? "it is not durable, so nothing is to be kept until its "
                                       "receiver takes it"
                                     : "it is durable, so it is kept until its receiver has dealt "
                                       "with it");
}

void w4_tell_handler(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    w4_words_say(words, "%s%s", in->rule->effect, in->held ? "; but it is held for now" : "");
}

void w4_tell_memory(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    (void)p;
    w4_words_say(words, "from then on %s is a replay", in->envelope.msg_id);
}

#include "protocol/router.h"

#include "base/text.h"
#include "protocol/delivery/roster.h"
#include "protocol/evidence/trust_history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void trust_of_key_moved(w4_protocol *p, const w4_fingerprint *agent) {
    w4_facts_queue_agent(p->facts, agent);
    for (size_t i = 0; w4_family_rules_all[i]; i++) {
        if (w4_family_rules_all[i]->trust_moved) {
            w4_family_rules_all[i]->trust_moved(p, agent);
        }
    }
}

/* It is that of all keys of the identity. */
void w4_router_trust_moved(w4_protocol *p, const w4_fingerprint *agent) {
    w4_key_info info = {.replaced = true, .successor = w4_keyring_root(p->keyring, agent)};
    while (info.replaced) {
        w4_fingerprint key = info.successor;
        info.replaced = false;
        trust_of_key_moved(p, &key);
        (void)w4_keyring_find(p->keyring, &key, &info);
    }
    w4_fact_sync_trust_moved(p);
}

int w4_router_trust(w4_protocol *p, w4_trust_kind kind, const w4_fingerprint *subject,
                    w4_trust_event event, const w4_fingerprint *actor, const char *note,
                    const char *evidence, uint64_t now_us) {
    char by[W4_FINGERPRINT_TEXT_LEN + 1] = "node";
    if (actor) {
        w4_fingerprint_format(actor, by);
    }
    w4_protocol_event told = {.kind = W4_PROTOCOL_EVENT_TRUST, .type = W4_TYPE_COUNT};
    int r = w4_trust_book_apply(p->trust, kind, subject, event, by, note, evidence,
                                w4_router_wall(p, now_us), &told.move);
    if (r == -ENOSPC) {
        uint64_t suppressed;
        if (w4_log_limit_allow(&p->log_limit, 1, now_us, &suppressed)) {
            w4_log(p->env, W4_LOG_WARNING,
                   "trust: the book is full, an event was passed over (and %" PRIu64 " before)",
                   suppressed);
        }
        return 0;
    }
    if (r <= 0) {
        return r;
    }
    int stored = w4_trust_history_append(p->store, p->trust, &told.move);
    if (stored < 0 || r == 2) { /* what is only counted moves nothing: nobody needs to hear */
        return stored;
    }
    r = w4_event_queue_push(&p->events, &told, NULL);
    if (kind == W4_TRUST_AGENT) {
        w4_router_trust_moved(p, subject);
    }
    return r < 0 ? r : stored;
}

int w4_router_tell_delivery(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                            const w4_fingerprint *receiver, w4_refusal code) {
    return w4_router_tell_dropped(p, sender, msg_id, receiver, code, W4_OVERFLOW_COUNT);
}

/* draft: of what kind it is, and what it says. */
static int push_outcome(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                        const w4_fingerprint *receiver, const w4_protocol_event *draft) {
    const w4_agent *agent = w4_router_attached(p, sender);
    if (!agent) {
        return 0;
    }
    w4_protocol_event event = *draft;
    event.owner = agent->owner;
    event.type = W4_TYPE_COUNT;
    memcpy(event.agent_id, agent->agent_id, sizeof event.agent_id);
    memcpy(event.msg_id, msg_id, sizeof event.msg_id);
    w4_fingerprint_format(receiver, event.to);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    if (r > 0) {
        w4_log(p->env, W4_LOG_ERROR, "protocol: no room to tell what became of %s", msg_id);
    }
    return r < 0 ? r : 0;
}

int w4_router_tell_dropped(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                           const w4_fingerprint *receiver, w4_refusal code, w4_overflow policy) {
    const w4_protocol_event draft = {
        .kind = W4_PROTOCOL_EVENT_DELIVERY, .code = code, .policy = policy};
    return push_outcome(p, sender, msg_id, receiver, &draft);
}

int w4_router_tell_held(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                        const w4_fingerprint *receiver) {
    const w4_protocol_event draft = {.kind = W4_PROTOCOL_EVENT_HELD};
    return push_outcome(p, sender, msg_id, receiver, &draft);
}

int w4_router_correct_delivery(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                               const w4_fingerprint *receiver, w4_refusal code) {
    const w4_protocol_event draft = {.kind = W4_PROTOCOL_EVENT_DELIVERY,
                                     .code = code,
                                     .policy = W4_OVERFLOW_COUNT,
                                     .correction = true};
    return push_outcome(p, sender, msg_id, receiver, &draft);
}

int w4_router_tell_rejected(w4_protocol *p, const w4_inbound *in) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_REJECTED,
                               .node = in->from_node,
                               .code = in->fault.code,
                               .family = W4_FAMILY_COUNT,
                               .type = W4_TYPE_COUNT};
    if (in->family) { /* its form was good */
        event.family = in->envelope.family;
        event.type = in->envelope.type;
        event.sender = in->envelope.sender.fingerprint;
        memcpy(event.msg_id, in->envelope.msg_id, sizeof event.msg_id);
    }
    char text[sizeof event.text];
    snprintf(text, sizeof text, "%.100s%s%.140s", in->fault.detail.pointer,
             in->fault.detail.pointer[0] != '\0' ? ": " : "", in->fault.detail.expected);
    w4_text_escape_cut(event.text, sizeof event.text, w4_bytes_from_text(text));
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

int w4_router_tell_ended(w4_protocol *p, const w4_waited *waited, w4_refusal code) {
    if (w4_fingerprint_is_zero(waited->from_node)) {
        return w4_router_tell_delivery(p, waited->sender, waited->msg_id,
                                       w4_named_or(waited->named, waited->agent), code);
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_REJECTED,
                               .node = *waited->from_node,
                               .code = code,
                               .family = W4_FAMILY_COUNT,
                               .type = W4_TYPE_COUNT,
                               .sender = *waited->sender};
    memcpy(event.msg_id, waited->msg_id, sizeof event.msg_id);
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : w4_receipts_end(p, waited, code);
}

w4_fingerprint w4_router_addressee(const w4_protocol *p, const w4_fingerprint *agent) {
    return w4_keyring_current(p->keyring, agent);
}

bool w4_router_is_key_of(const w4_protocol *p, const w4_fingerprint *key,
                         const w4_fingerprint *who) {
    const w4_fingerprint current = w4_router_addressee(p, key);
    return w4_fingerprint_equal(key, who) || w4_fingerprint_equal(&current, who);
}

bool w4_router_is_word_of(const w4_protocol *p, const w4_fingerprint *key,
                          const w4_fingerprint *who) {
    return w4_fingerprint_equal(key, who) ||
           (!w4_keyring_revoked(p->keyring, who) && w4_router_is_key_of(p, key, who));
}

w4_agent *w4_router_attached(const w4_protocol *p, const w4_fingerprint *agent) {
    w4_agent *local = w4_agents_find(&p->agents, agent);
    if (!local || !local->attached) {
        w4_fingerprint addressee = w4_router_addressee(p, agent);
        local = w4_agents_find(&p->agents, &addressee);
    }
    return local && local->attached ? local : NULL;
}

bool w4_router_is_ours(const w4_protocol *p, const w4_fingerprint *agent) {
    w4_fingerprint addressee = w4_router_addressee(p, agent);
    const w4_home *home = w4_homes_find(&p->homes, &addressee);
    return w4_router_attached(p, agent) || (home && home->local);
}

bool w4_router_has(const w4_protocol *p, const w4_fingerprint *node, const w4_fingerprint *agent) {
    const w4_record *record = w4_graph_find(p->graph, node);
    const w4_fingerprint addressee = w4_router_addressee(p, agent);
    for (uint32_t i = 0; record && i < record->agent_count; i++) {
        const w4_fingerprint *named = &record->agents[i].fingerprint;
        if (w4_fingerprint_equal(named, agent) || w4_fingerprint_equal(named, &addressee)) {
            return true;
        }
    }
    return false;
}

bool w4_router_is_blocked(const w4_protocol *p, const w4_fingerprint *node) {
    return w4_trust_book_state(p->trust, W4_TRUST_NODE, node) == W4_TRUST_BLOCKED;
}

/* Of the nodes that say the agent is attached to them: one that is connected before one that is
 * not, one that is trusted here before others, then who said it first. Anybody can say it, and must
 * not cut off or draw to himself what is for another. Blocked nodes have no say. */
static int worth_of(const w4_protocol *p, const w4_fingerprint *node) {
    w4_trust_state trust = w4_trust_book_state(p->trust, W4_TRUST_NODE, node);
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (w4_router_is_blocked(p, node)) {
        return 0;
    }
    return 1 + (neighbour && neighbour->up ? 2 : 0) + (trust == W4_TRUST_TRUSTED ? 1 : 0);
}

bool w4_router_place(const w4_protocol *p, const w4_fingerprint *agent, w4_fingerprint *ret_node) {
    const void *cursor = NULL;
    w4_fingerprint node, addressee = w4_router_addressee(p, agent);
    int best = 0;
    while (w4_graph_next_home(p->graph, &addressee, &cursor, &node)) {
        int worth = worth_of(p, &node);
        if (worth > best) {
            best = worth;
            *ret_node = node;
        }
    }
    return best > 0;
}

bool w4_router_home(const w4_protocol *p, const w4_fingerprint *agent, const w4_fingerprint *from,
                    w4_fingerprint *ret_node) {
    const w4_agent *local = w4_agents_find(&p->agents, agent);
    if (!from && local && local->attached) {
        *ret_node = p->self;
        return true;
    }
    if (from && w4_router_has(p, from, agent)) {
        *ret_node = *from;
        return true;
    }
    /* Instead of who brought its word only a node that proved itself here: any number of others can
     * be written on paper, and each would pass for one more that is independent. */
    w4_fingerprint named;
    if (w4_router_place(p, agent, &named) && (!from || w4_neighbour_find(&p->parcels, &named))) {
        *ret_node = named;
        return true;
    }
    if (from) {
        *ret_node = *from;
    }
    return from != NULL;
}

bool w4_router_node_for(const w4_protocol *p, const w4_fingerprint *sender,
                        const w4_fingerprint *receiver, w4_fingerprint *ret_node) {
    w4_fingerprint node;
    if (w4_cip_handshake_node(p, sender, receiver, &node) && w4_router_has(p, &node, receiver) &&
        !w4_router_is_blocked(p, &node)) {
        *ret_node = node;
        return true;
    }
    return w4_router_home(p, receiver, NULL, ret_node);
}

bool w4_router_is_behind(const w4_protocol *p, const w4_fingerprint *agent,
                         w4_fingerprint *ret_node) {
    w4_fingerprint node;
    if (w4_router_home(p, agent, NULL, &node)) {
        return false;
    }
    const void *cursor = NULL;
    const w4_home *home = w4_roster_home(p, agent);
    bool blocked = w4_graph_next_home(p->graph, agent, &cursor, &node);
    if (!blocked && home && !home->local) {
        node = home->node;
        blocked = w4_router_is_blocked(p, &node);
    }
    if (blocked) {
        *ret_node = node;
    }
    return blocked;
}

int w4_router_given(w4_protocol *p, w4_type type, const w4_fingerprint *sender,
                    const w4_fingerprint *receiver, w4_bytes envelope) {
    const w4_type_row *row = w4_type_row_of(type);
    const w4_family_rules *family = row ? w4_family_rules_of(row->family) : NULL;
    return family && family->given ? family->given(p, type, sender, receiver, envelope) : 0;
}

static int deliver_now(w4_protocol *p, w4_agent *agent, const w4_arrival *arrival,
                       w4_refusal *ret_code) {
    if (!w4_agent_has_room(agent, arrival->envelope->len)) {
        *ret_code = W4_REFUSAL_BACKPRESSURE;
        return 0;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_DELIVER,
                               .node = *arrival->from_node,
                               .channel = arrival->channel,
                               .owner = agent->owner,
                               .trust = w4_router_trust_of(p, arrival->sender),
                               .paced = arrival->paced,
                               .wall_us = arrival->wall_us,
                               .type = arrival->type,
                               .sender = *arrival->sender,
                               .receiver = agent->fingerprint,
                               .named = *arrival->named};
    memcpy(event.agent_id, agent->agent_id, sizeof event.agent_id);
    memcpy(event.msg_id, arrival->msg_id, sizeof event.msg_id);
    int r = w4_event_queue_push(&p->events, &event, arrival->envelope);
    *ret_code = r > 0 ? W4_REFUSAL_BACKPRESSURE : W4_REFUSAL_NONE;
    if (r == 0) {
        w4_agent_given(agent, arrival->envelope->len);
        r = w4_router_given(p, arrival->type, arrival->sender, &agent->fingerprint,
                            w4_blob_bytes(arrival->envelope));
    }
    if (r == 0 && w4_fingerprint_is_zero(arrival->from_node)) {
        r = w4_router_tell_delivery(p, arrival->sender, arrival->msg_id,
                                    w4_named_or(arrival->named, &agent->fingerprint),
                                    W4_REFUSAL_NONE);
    }
    return r < 0 ? r : 0;
}

int w4_router_arrive(w4_protocol *p, w4_agent *agent, const w4_arrival *arrival, bool *ret_waits,
                     w4_refusal *ret_code) {
    bool waits = arrival->channel == W4_CHANNEL_KNOWLEDGE &&
                 (w4_agent_overloaded(agent) || agent->paced_count > 0);
    if (!waits) {
        return deliver_now(p, agent, arrival, ret_code);
    }
    w4_paced paced = {.envelope = arrival->envelope,
                      .sender = *arrival->sender,
                      .receiver = *arrival->named,
                      .from_node = *arrival->from_node,
                      .type = arrival->type,
                      .paced = arrival->paced,
                      .wall_us = arrival->wall_us,
                      .deadline_us = arrival->deadline_us};
    memcpy(paced.msg_id, arrival->msg_id, sizeof paced.msg_id);
    int r = w4_agent_pace(agent, &paced);
    p->late_us = w4_earlier(p->late_us, paced.deadline_us);
    w4_router_wake(p, paced.deadline_us);
    *ret_waits = r == 0;
    *ret_code = r > 0 ? W4_REFUSAL_BACKPRESSURE : W4_REFUSAL_NONE;
    return r < 0 ? r : 0;
}

/* What waited for a busy agent meets it once more: the humans may have said something else since.
 * *ret_gone: it is not to be given now, for *ret_code, or because it is kept elsewhere. */
static int meet_again(w4_protocol *p, const w4_paced *paced, w4_agent *agent, uint64_t now_us,
                      bool *ret_gone, w4_refusal *ret_code) {
    const w4_type_row *row = w4_type_row_of(paced->type);
    const w4_family_rules *family = row ? w4_family_rules_of(row->family) : NULL;
    *ret_gone = false;
    *ret_code = W4_REFUSAL_NONE;
    if (!family || !family->meets) {
        return 0;
    }
    bool local = w4_fingerprint_is_zero(&paced->from_node);
    w4_inbound in = {.origin = local ? W4_ORIGIN_HOSTED : W4_ORIGIN_NODE,
                     .from_node = paced->from_node,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = paced->deadline_us,
                     .channel_kind = W4_CHANNEL_KNOWLEDGE,
                     .blob = paced->envelope,
                     .family = family};
    w4_json_document doc = {0}; /* that of the pipeline may be in use */
    int r = w4_envelope_read(&doc, w4_blob_bytes(paced->envelope), &p->config.limits, &in.envelope,
                             &in.fault);
    r = r == 0 ? family->meets(p, &in, agent) : r;
    if (r == W4_MEETS_LATER) { /* one that its human was spared before has its turn */
        *ret_gone = !paced->paced && family->keep != NULL;
        r = *ret_gone ? family->keep(p, &in, agent) : 0;
    } else {
        *ret_gone = r > 0;
    }
    *ret_code = r == 1 ? in.fault.code : W4_REFUSAL_NONE;
    w4_json_document_deinit(&doc);
    return r < 0 ? r : 0;
}

int w4_router_unpace(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    int r = 0;
    p->offer_us = 0; /* what is durable too, with the next look at the time */
    w4_router_wake(p, 0);
    const w4_paced *first;
    while (r == 0 && !w4_agent_overloaded(agent) && (first = TAILQ_FIRST(&agent->paced)) != NULL &&
           w4_agent_has_room(agent, first->envelope->len)) {
        w4_paced *paced = w4_agent_unpace(agent);
        w4_arrival arrival = {.envelope = paced->envelope,
                              .msg_id = paced->msg_id,
                              .sender = &paced->sender,
                              .named = &paced->receiver,
                              .from_node = &paced->from_node,
                              .channel = W4_CHANNEL_KNOWLEDGE,
                              .type = paced->type,
                              .paced = paced->paced,
                              .wall_us = paced->wall_us};
        w4_refusal code;
        bool gone;
        r = meet_again(p, paced, agent, now_us, &gone, &code);
        r = r == 0 && !gone ? deliver_now(p, agent, &arrival, &code) : r;
        const w4_waited waited = w4_waited_of(agent, paced);
        if (r == 0 && code != W4_REFUSAL_NONE) {
            r = w4_router_tell_ended(p, &waited, code);
        } else if (r == 0 && !gone) {
            r = w4_receipts_end(p, &waited, W4_REFUSAL_NONE);
        }
        w4_paced_free(paced);
    }
    return r;
}

static int end_late_of(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    w4_paced *paced = TAILQ_FIRST(&agent->paced), *next;
    int r = 0;
    for (; r == 0 && paced; paced = next) {
        next = TAILQ_NEXT(paced, link);
        if (now_us < paced->deadline_us) {
            p->late_us = w4_earlier(p->late_us, paced->deadline_us);
            continue;
        }
        const w4_waited waited = w4_waited_of(agent, paced);
        r = w4_router_tell_ended(p, &waited, W4_REFUSAL_TIMEOUT);
        w4_agent_unpace_one(agent, paced);
        w4_paced_free(paced);
    }
    return r;
}

int w4_router_end_late(w4_protocol *p, uint64_t now_us) {
    w4_agent *agent;
    int r = 0;
    if (now_us < p->late_us) {
        return 0;
    }
    p->late_us = W4_NEVER;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        r = r == 0 ? end_late_of(p, agent, now_us) : r;
    }
    return r;
}

/* ---- what went wrong */

void w4_router_keep_error(w4_protocol *p, int r) {
    p->failed = r < 0 && p->failed == 0 ? r : p->failed;
    p->wake_us = p->failed != 0 ? 0 : p->wake_us;
}

void w4_router_refuse(w4_refused *refused, w4_refusal code, const char *pointer, const char *text) {
    *refused = (w4_refused){.code = code};
    snprintf(refused->pointer, sizeof refused->pointer, "%s", pointer);
    snprintf(refused->text, sizeof refused->text, "%s", text);
}

/* ---- of its own */

int w4_router_word(w4_protocol *p, const w4_fingerprint *node, w4_type type, w4_bytes payload,
                   uint64_t now_us, w4_blob **ret_word) {
    char msg_id[W4_UUID_LEN + 1];
    w4_uuid_v4(p->env, msg_id);
    w4_party receiver = {.agent_id = "node", .fingerprint = *node};
    w4_envelope_draft draft = {.type = type,
                               .msg_id = msg_id,
                               .timestamp_us = w4_router_wall(p, now_us),
                               .sender_id = "node",
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = payload};
    w4_buffer_clear(&p->word);
    int r = w4_envelope_write(&draft, p->node, &p->word);
    w4_blob *word = r == 0 ? w4_blob_new(w4_buffer_bytes(&p->word)) : NULL;
    if (!word) {
        return r == 0 ? -ENOMEM : r;
    }
    *ret_word = word;
    return 0;
}

int w4_router_say(w4_protocol *p, const w4_fingerprint *node, w4_type type, w4_bytes payload,
                  uint64_t life_us, uint64_t now_us) {
    w4_blob *word = NULL;
    int r = w4_router_word(p, node, type, payload, now_us, &word);
    if (r != 0) {
        return r == -EMSGSIZE ? 0 : r;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_TRANSMIT,
                               .node = *node,
                               .channel = w4_type_row_of(type)->channel,
                               .sender = p->self,
                               .deadline_us = w4_later(now_us, life_us),
                               .of_session = true,
                               .ticket = w4_parcels_ticket(&p->parcels),
                               .type = W4_TYPE_COUNT};
    r = w4_event_queue_push(&p->events, &event, word);
    w4_blob_unref(word);
    return r < 0 ? r : 0;
}

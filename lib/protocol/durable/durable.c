#include "protocol/durable/durable.h"

#include "base/text.h"
#include "protocol/delivery/roster.h"
#include "protocol/delivery/route.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

/* ---- in the pipeline */

static bool is_trusted(const w4_protocol *p, const w4_fingerprint *agent) {
    return w4_router_trust_of(p, agent) == W4_TRUST_TRUSTED;
}

/* What is kept for that agent, under whatever key it was meant. */
static w4_shelf *shelf_of(const w4_protocol *p, const w4_fingerprint *agent) {
    w4_fingerprint addressee = w4_router_addressee(p, agent);
    return w4_shelves_find(&p->shelves, &addressee);
}

/* What is older could not be brought any more, so nothing of it needs to be remembered. */
static uint64_t oldest_taken(const w4_protocol *p, uint64_t wall_us) {
    uint64_t age_us = w4_later(p->config.durable.age_us, W4_FRESHNESS_WINDOW_US);
    return wall_us > age_us ? wall_us - age_us : 0;
}

w4_refusal w4_durable_check_fresh(const w4_protocol *p, const w4_inbound *in) {
    bool old = in->envelope.timestamp_us < in->wall_us &&
               w4_envelope_check_fresh(&in->envelope, in->wall_us) != W4_REFUSAL_NONE;
    if (!old) {
        return w4_envelope_check_fresh(&in->envelope, in->wall_us);
    }
    return in->wall_us - in->envelope.timestamp_us > p->config.durable.age_us ? W4_REFUSAL_STALE
                                                                              : W4_REFUSAL_NONE;
}

int w4_durable_check_new(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    bool posted = in->origin == W4_ORIGIN_SUBMIT &&
                  w4_posts_has(&p->posts, &e->sender.fingerprint, e->msg_id);
    w4_novelty novelty = posted ? W4_NOVELTY_REPEAT
                                : w4_taken_look(&p->taken, &e->receiver.fingerprint,
                                                &e->sender.fingerprint, e->msg_id, e->timestamp_us);
    in->repeat = novelty == W4_NOVELTY_REPEAT;
    return novelty == W4_NOVELTY_NEW
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_REPLAY, in->repeat ? "/msg_id" : "/timestamp",
                                   in->repeat ? "one not seen before"
                                              : "later than those of what came before");
}

/* Of an agent here: of size bytes until another node has it, and until its end is known. */
static const char *look_held(const w4_protocol *p, const w4_inbound *in, size_t size) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    return w4_posts_full(&p->posts, &p->config.durable, sender, &in->envelope.receiver.fingerprint,
                         size, w4_ends_count_of(&p->held, sender), p->held.count);
}

int w4_durable_look_room(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    const w4_fingerprint *receiver = &e->receiver.fingerprint, *sender = &e->sender.fingerprint;
    const char *full = NULL;
    if (w4_router_is_ours(p, receiver)) {
        bool trusted = is_trusted(p, sender) || in->origin != W4_ORIGIN_NODE;
        w4_fingerprint addressee = w4_router_addressee(p, receiver);
        full = w4_shelves_full(&p->shelves, &p->config.durable, &addressee, sender, trusted,
                               e->text.len);
        full = !full && in->origin != W4_ORIGIN_NODE ? look_held(p, in, 0) : full;
        if (!full && !w4_taken_has_room(&p->taken, receiver, sender, trusted,
                                        oldest_taken(p, in->wall_us))) {
            full = "fewer who send durable messages";
        }
    } else if (in->origin != W4_ORIGIN_NODE) {
        full = look_held(p, in, e->text.len);
    }
    return full ? w4_inbound_refuse(in, W4_REFUSAL_BACKPRESSURE, "/receiver", full) : 0;
}

void w4_durable_make_room(w4_protocol *p, const w4_inbound *in) {
    const w4_fingerprint *receiver = &in->envelope.receiver.fingerprint;
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    if (w4_router_is_ours(p, receiver)) {
        bool trusted = is_trusted(p, sender) || in->origin != W4_ORIGIN_NODE;
        w4_taken_make_room(&p->taken, receiver, sender, trusted, oldest_taken(p, in->wall_us));
    }
}

/* From now on it is a repeat. 0, 1 with in->fault, or fatal. */
static int remember(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    if (w4_taken_look(&p->taken, &e->receiver.fingerprint, &e->sender.fingerprint, e->msg_id,
                      e->timestamp_us) == W4_NOVELTY_REPEAT) {
        return 0;
    }
    int r = w4_taken_add(&p->taken, &e->receiver.fingerprint, &e->sender.fingerprint, e->msg_id,
                         e->timestamp_us);
    return r != 0 ? w4_inbound_store_failed(in, r) : 0;
}

/* One of an agent here: its end is told when it comes, be it at once. 0, 1 with in->fault, fatal.
 */
static int hold_here(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    uint64_t age_us = w4_later(e->timestamp_us, p->config.durable.age_us), left_us;
    w4_end draft = {.sender = e->sender.fingerprint,
                    .receiver = e->receiver.fingerprint,
                    .node = p->self,
                    .until_us = w4_later(age_us, W4_FRESHNESS_WINDOW_US)};
    if (in->deadline_us != W4_NEVER) {
        left_us = in->deadline_us > in->now_us ? in->deadline_us - in->now_us : 0;
        draft.until_us = w4_earlier(draft.until_us, w4_later(in->wall_us, left_us));
    }
    memcpy(draft.msg_id, e->msg_id, sizeof draft.msg_id);
    int r = w4_durable_hold(p, &draft, in->now_us);
    return r != 0 ? w4_inbound_store_failed(in, r) : 0;
}

/* Said when its receiver did not get it at once. */
static int tell_held_here(w4_protocol *p, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    return w4_ends_find(&p->held, &e->sender.fingerprint, e->msg_id)
               ? w4_router_tell_held(p, &e->sender.fingerprint, e->msg_id, &e->receiver.fingerprint)
               : 0;
}

static int keep(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_fingerprint receiver = w4_router_addressee(p, &e->receiver.fingerprint);
    bool from_here = in->origin != W4_ORIGIN_NODE;
    w4_kept draft = {.sender = e->sender.fingerprint,
                     .receiver = e->receiver.fingerprint,
                     .from_node = in->from_node,
                     .timestamp_us = e->timestamp_us,
                     .wall_us = in->wall_us,
                     .channel = w4_type_row_of(e->type)->channel,
                     .trusted = is_trusted(p, &e->sender.fingerprint)};
    memcpy(draft.msg_id, e->msg_id, sizeof draft.msg_id);
    int r = w4_shelves_add(&p->shelves, &receiver, &draft, e->text);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    r = from_here ? hold_here(p, in) : 0;
    r = r == 0 ? remember(p, in) : r;
    if (r > 0) { /* without that it might come twice: so it has not come */
        w4_shelf *shelf = w4_shelves_find(&p->shelves, &receiver);
        int removed = w4_shelves_remove(&p->shelves, TAILQ_LAST(&shelf->list, w4_kept_list));
        return removed < 0 ? removed : r;
    }
    in->stored = true;
    in->recipients++;
    w4_router_wake(p, in->now_us); /* says when it is too old */
    w4_agent *agent = w4_router_attached(p, &e->receiver.fingerprint);
    p->shelving = p->shelves.last_number;
    r = r == 0 && agent ? w4_durable_offer(p, agent, in->now_us) : r;
    p->shelving = 0;
    return r == 0 && from_here ? tell_held_here(p, in) : r;
}

/* Mostly it is the last one. */
static w4_kept *find_kept(const w4_shelf *shelf, const w4_fingerprint *sender, const char *msg_id) {
    w4_kept *kept = TAILQ_LAST(&shelf->list, w4_kept_list);
    while (kept &&
           !(strcmp(kept->msg_id, msg_id) == 0 && w4_fingerprint_equal(&kept->sender, sender))) {
        kept = TAILQ_PREV(kept, w4_kept_list, link);
    }
    return kept;
}

bool w4_durable_stage(const w4_protocol *p, const w4_inbound *in, w4_receipt_stage *ret_stage) {
    const w4_envelope *e = &in->envelope;
    const w4_shelf *shelf = shelf_of(p, &e->receiver.fingerprint);
    const w4_kept *kept = shelf ? find_kept(shelf, &e->sender.fingerprint, e->msg_id) : NULL;
    if (w4_ends_find(&p->owed, &e->sender.fingerprint, e->msg_id)) {
        return false;
    }
    *ret_stage = kept && kept->given == 0 ? W4_RECEIPT_HELD : W4_RECEIPT_PLAIN;
    return true;
}

/* Where a sender here can have it brought to: the directory knows better than memory. */
static bool find_node(const w4_protocol *p, const w4_inbound *in, w4_fingerprint *ret_node) {
    const w4_envelope *e = &in->envelope;
    w4_fingerprint node;
    if (w4_router_node_for(p, &e->sender.fingerprint, &e->receiver.fingerprint, &node) &&
        !w4_fingerprint_equal(&node, &p->self)) {
        *ret_node = node;
        return true;
    }
    w4_fingerprint addressee = w4_router_addressee(p, &e->receiver.fingerprint);
    const w4_home *home = w4_roster_home(p, &addressee);
    if (!home || w4_router_is_blocked(p, &home->node)) {
        return false;
    }
    *ret_node = home->node;
    return true;
}

w4_refusal w4_durable_check_route(const w4_protocol *p, const w4_inbound *in,
                                  const char **ret_why) {
    w4_fingerprint node;
    if (w4_router_is_ours(p, &in->envelope.receiver.fingerprint) || find_node(p, in, &node)) {
        return W4_REFUSAL_NONE;
    }
    return w4_route_missing(p, &in->envelope.receiver.fingerprint, ret_why);
}

int w4_durable_route(w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_fingerprint node;
    if (w4_router_is_ours(p, &e->receiver.fingerprint)) {
        return keep(p, in);
    }
    if (in->origin != W4_ORIGIN_NODE && find_node(p, in, &node)) {
        return w4_durable_post(p, in, &node);
    }
    return in->took_effect
               ? 0
               : w4_inbound_refuse(in, W4_REFUSAL_NOT_FOUND, "/receiver", "an agent of this node");
}

int w4_durable_note_sender(w4_protocol *p, const w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_fingerprint node;
    return in->origin == W4_ORIGIN_NODE && !e->broadcast && in->family->local &&
                   is_trusted(p, &e->sender.fingerprint) &&
                   w4_router_home(p, &e->sender.fingerprint, &in->from_node, &node)
               ? w4_homes_note(&p->homes, &e->sender, &node, in->wall_us)
               : 0;
}

/* ---- giving */

/* One from the shelf, read once more: as it was, judged by what is known now. */
typedef struct reading {
    w4_json_document document;
    w4_buffer text;
    w4_inbound in;
} reading;

static void reading_deinit(reading *r) {
    w4_blob_unref(r->in.blob);
    w4_buffer_deinit(&r->text);
    w4_json_document_deinit(&r->document);
}

/* 0, -ENOMEM, or a store condition (CORRUPT also when it is no envelope of ours). The reading is to
 * be deinited in any case. */
static int read_kept(const w4_protocol *p, const w4_kept *kept, uint64_t now_us, reading *ret) {
    *ret = (reading){.text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX),
                     .in = {.origin = W4_ORIGIN_NODE,
                            .from_node = kept->from_node,
                            .now_us = now_us,
                            .wall_us = w4_router_wall(p, now_us),
                            .deadline_us = W4_NEVER,
                            .channel_kind = kept->channel,
                            .durable = true}};
    w4_inbound *in = &ret->in;
    int r = w4_shelves_read(&p->shelves, kept, &ret->text);
    if (r != 0) {
        return r == W4_STORE_E_NOT_FOUND ? W4_STORE_E_CORRUPT : r;
    }
    r = w4_envelope_read(&ret->document, w4_buffer_bytes(&ret->text), &W4_JSON_LIMITS_ENVELOPE,
                         &in->envelope, &in->fault);
    if (r != 0) {
        return r < 0 ? r : W4_STORE_E_CORRUPT;
    }
    in->family = w4_family_rules_of(in->envelope.family);
    in->chained = w4_chain_of(&in->envelope, &in->chain);
    in->blob = w4_blob_new(in->envelope.text);
    return !in->family ? W4_STORE_E_CORRUPT : in->blob ? 0 : -ENOMEM;
}

static int tell_given_up(w4_protocol *p, const w4_kept *kept, w4_refusal code, const char *why) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_REJECTED,
                               .node = kept->from_node,
                               .code = code,
                               .family = W4_FAMILY_COUNT,
                               .type = W4_TYPE_COUNT,
                               .sender = kept->sender};
    memcpy(event.msg_id, kept->msg_id, sizeof event.msg_id);
    w4_text_copy(event.text, sizeof event.text, w4_bytes_from_text(why));
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

/* Given for the first time (NONE), or given up before that: so it ends for its sender. The receipt
 * of one that came just now says itself that it was given. 0, -ENOMEM, or a store condition. */
static int end_it(w4_protocol *p, const w4_kept *kept, w4_refusal code, uint64_t now_us) {
    bool known;
    if (w4_fingerprint_is_zero(&kept->from_node)) {
        return w4_durable_ended(p, &kept->sender, kept->msg_id, code, now_us, &known);
    }
    if (kept->number == p->shelving && code == W4_REFUSAL_NONE) {
        return 0;
    }
    w4_end draft = {.sender = kept->sender,
                    .receiver = kept->receiver,
                    .node = kept->from_node,
                    .until_us = w4_later(w4_router_wall(p, now_us), p->config.durable.age_us),
                    .code = code};
    memcpy(draft.msg_id, kept->msg_id, sizeof draft.msg_id);
    return w4_ends_add(&p->owed, &draft);
}

static int give_up(w4_protocol *p, w4_kept *kept, w4_refusal code, const char *why,
                   uint64_t now_us) {
    int r = tell_given_up(p, kept, code, why);
    r = r == 0 && kept->given == 0 ? end_it(p, kept, code, now_us) : r;
    return r != 0 ? r : w4_shelves_remove(&p->shelves, kept);
}

static int push_delivery(w4_protocol *p, const w4_agent *agent, const w4_kept *kept,
                         const w4_inbound *in) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_DELIVER,
                               .node = kept->from_node,
                               .channel = kept->channel,
                               .owner = agent->owner,
                               .trust = w4_router_trust_of(p, &kept->sender),
                               .wall_us = kept->wall_us,
                               .type = in->envelope.type,
                               .sender = kept->sender,
                               .receiver = agent->fingerprint,
                               .named = kept->receiver,
                               .paced = in->paced,
                               .redelivered = kept->given > 1,
                               .durable = true};
    memcpy(event.agent_id, agent->agent_id, sizeof event.agent_id);
    memcpy(event.msg_id, kept->msg_id, sizeof event.msg_id);
    return w4_event_queue_push(&p->events, &event, in->blob);
}

/* 0, fatal, or a condition: not now. */
static int hand_over(w4_protocol *p, w4_agent *agent, w4_kept *kept, const w4_inbound *in) {
    int r = w4_shelves_give(&p->shelves, kept);
    if (r == 0 && kept->given == 1) {
        r = end_it(p, kept, W4_REFUSAL_NONE, in->now_us);
        r = r > 0 ? 0 : r; /* its sender is told when its time is over */
    }
    if (r != 0) {
        return r;
    }
    r = push_delivery(p, agent, kept, in);
    if (r > 0) { /* it may come marked as a repeat then, without having been one */
        w4_shelf_take_back_one(kept);
    }
    if (r == 0) {
        w4_agent_given(agent, kept->size);
        r = w4_router_given(p, in->envelope.type, &kept->sender, &agent->fingerprint,
                            w4_blob_bytes(in->blob));
    }
    return r != 0 ? r
                  : w4_heard_add(&agent->heard, in->envelope.msg_id,
                                 &in->envelope.sender.fingerprint, in->chained ? &in->chain : NULL);
}

#define NOT_NOW 1000 /* beside the conditions of a store */

/* What its family says of it waits too, but not for ever: one each pace_interval goes. */
static int meet(w4_protocol *p, w4_agent *agent, w4_kept *kept, w4_inbound *in) {
    w4_shelf *shelf = kept->shelf;
    int r = in->family->meets ? in->family->meets(p, in, agent) : 0;
    if (r != W4_MEETS_LATER) {
        shelf->pace_us = 0;
        return r == W4_MEETS_NOT ? 1 : r;
    }
    bool first = shelf->pace_us == 0;
    bool due = !first && in->now_us >= shelf->pace_us;
    if (first || due) {
        shelf->pace_us = w4_later(in->now_us, p->config.hcp.pace_interval_us);
    }
    p->offer_us = w4_earlier(p->offer_us, shelf->pace_us); /* others may have been due before it */
    w4_router_wake(p, p->offer_us);
    return due ? 0 : NOT_NOW;
}

/* Gives the next one to its agent. 0, fatal, or a condition: not now. */
static int offer_one(w4_protocol *p, w4_agent *agent, w4_kept *kept, uint64_t now_us) {
    if (w4_keyring_revoked(p->keyring, &kept->sender)) {
        return give_up(p, kept, W4_REFUSAL_KEY_REVOKED, "/sender: a key that is not revoked",
                       now_us);
    }
    if (w4_router_trust_of(p, &kept->sender) == W4_TRUST_BLOCKED) {
        return give_up(p, kept, W4_REFUSAL_BLACKLISTED, "/sender: one that is not blocked", now_us);
    }
    reading kept_now;
    int r = read_kept(p, kept, now_us, &kept_now);
    if (r == W4_STORE_E_CORRUPT) { /* it stays where it is, and the others go on */
        w4_log(p->env, W4_LOG_ERROR, "protocol: the durable message %s is damaged in the store",
               kept->msg_id);
        w4_shelf_pass_over(kept);
        r = 0;
    } else if (r == 0) {
        r = meet(p, agent, kept, &kept_now.in);
        r = r == 1   ? give_up(p, kept, kept_now.in.fault.code, kept_now.in.fault.detail.expected,
                               now_us)
            : r == 0 ? hand_over(p, agent, kept, &kept_now.in)
                     : r;
    }
    reading_deinit(&kept_now);
    return r;
}

int w4_durable_offer(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    w4_shelf *shelf;
    w4_kept *kept;
    int r = 0;
    while (r == 0 && agent->attached && agent->hears &&
           (shelf = shelf_of(p, &agent->fingerprint)) != NULL &&
           (kept = w4_shelf_next(shelf)) != NULL) {
        if ((kept->channel == W4_CHANNEL_KNOWLEDGE && w4_agent_overloaded(agent)) ||
            !w4_agent_has_room(agent, kept->size)) {
            break; /* and what came behind it waits too */
        }
        r = offer_one(p, agent, kept, now_us);
    }
    if (r > 0 && r != NOT_NOW) {
        p->offer_us = w4_earlier(p->offer_us, w4_later(now_us, W4_DURABLE_PAUSE_US));
        w4_router_wake(p, p->offer_us);
    }
    return r < 0 ? r : 0;
}

void w4_durable_unheard(w4_protocol *p, const w4_agent *agent) {
    w4_shelf *shelf = shelf_of(p, &agent->fingerprint);
    if (shelf) {
        w4_shelf_take_back(shelf);
    }
}

int w4_durable_acknowledge(w4_protocol *p, w4_agent *agent, const char *msg_id, uint64_t now_us,
                           bool *ret_known) {
    w4_shelf *shelf = shelf_of(p, &agent->fingerprint);
    w4_kept *kept = shelf ? w4_shelf_find_out(shelf, msg_id) : NULL;
    *ret_known = kept != NULL;
    if (!kept) {
        return 0;
    }
    int r = w4_shelves_remove(&p->shelves, kept);
    return r == 0 ? w4_durable_offer(p, agent, now_us) : r;
}

uint32_t w4_durable_waiting(const w4_protocol *p, const w4_fingerprint *agent) {
    const w4_shelf *shelf = shelf_of(p, agent);
    return shelf ? shelf->count : 0;
}

/* ---- taking back */

/* Of those types, from or to that one? What cannot be read is not taken back. */
static bool is_meant(const w4_protocol *p, const w4_kept *kept, bool (*match)(w4_type type),
                     const w4_fingerprint *who, uint64_t now_us, int *ret_error) {
    reading kept_now;
    if (!w4_router_is_word_of(p, &kept->sender, who) &&
        !w4_router_is_key_of(p, &kept->shelf->agent, who)) {
        return false;
    }
    int r = read_kept(p, kept, now_us, &kept_now);
    bool meant = r == 0 && match(kept_now.in.envelope.type);
    reading_deinit(&kept_now);
    *ret_error = r < 0 ? r : 0;
    return meant;
}

static int withdraw_kept(w4_protocol *p, w4_shelf *shelf, bool (*match)(w4_type type),
                         const w4_fingerprint *who, w4_refusal code, uint64_t now_us) {
    w4_kept *kept = TAILQ_FIRST(&shelf->list), *next;
    int r = 0;
    for (; r == 0 && kept; kept = next) {
        next = TAILQ_NEXT(kept, link);
        if (is_meant(p, kept, match, who, now_us, &r) && !kept->out) {
            r = give_up(p, kept, code, w4_refusal_help(code), now_us);
        }
    }
    return r;
}

int w4_durable_withdraw(w4_protocol *p, bool (*match)(w4_type type), const w4_fingerprint *who,
                        w4_refusal code, uint64_t now_us) {
    const void *cursor = NULL;
    w4_shelf *shelf = w4_shelves_next(&p->shelves, &cursor), *next;
    int r = w4_durable_withdraw_posts(p, match, who, code, now_us);
    for (; r == 0 && shelf; shelf = next) {
        next = w4_shelves_next(&p->shelves, &cursor);
        r = withdraw_kept(p, shelf, match, who, code, now_us);
        r = r > 0 ? 0 : r; /* judged once more before it is given */
    }
    return r;
}

int w4_durable_drop_late(w4_protocol *p, const w4_end *end) {
    const w4_shelf *shelf =
        w4_fingerprint_equal(&end->node, &p->self) ? shelf_of(p, &end->receiver) : NULL;
    w4_kept *kept = shelf ? find_kept(shelf, &end->sender, end->msg_id) : NULL;
    return kept && kept->given == 0 ? w4_shelves_remove(&p->shelves, kept) : 0;
}

/* ---- time */

static uint64_t oldest_kept(const w4_protocol *p, uint64_t wall_us) {
    return wall_us > p->config.durable.age_us ? wall_us - p->config.durable.age_us : 0;
}

static int end_old_kept(w4_protocol *p, uint64_t now_us) {
    uint64_t before_us = oldest_kept(p, w4_router_wall(p, now_us));
    w4_kept *kept;
    int r = 0;
    while (r == 0 && (kept = w4_shelves_stale(&p->shelves, before_us)) != NULL) {
        r = give_up(p, kept, W4_REFUSAL_TIMEOUT, "its receiver did not come for it in time",
                    now_us);
    }
    return r;
}

static int offer_all(w4_protocol *p, uint64_t now_us) {
    int r = 0;
    p->offer_us = W4_NEVER;
    w4_agent *agent;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        r = r == 0 ? w4_durable_offer(p, agent, now_us) : r;
    }
    return r;
}

int w4_durable_expire(w4_protocol *p, uint64_t now_us) {
    int r = 0;
    if (now_us >= p->durable_again_us) {
        r = w4_durable_end_old_posts(p, now_us);
        r = r == 0 ? end_old_kept(p, now_us) : r;
        if (r > 0) { /* the store takes nothing now */
            p->durable_again_us = w4_later(now_us, W4_DURABLE_PAUSE_US);
            r = 0;
        }
    }
    r = r == 0 ? w4_durable_try_streams(p, now_us) : r;
    return r == 0 && now_us >= p->offer_us ? offer_all(p, now_us) : r;
}

uint64_t w4_durable_deadline(const w4_protocol *p, uint64_t now_us) {
    uint64_t wall_us = w4_router_wall(p, now_us);
    uint64_t until_us = w4_earlier(p->posts.until_us, p->held.until_us);
    until_us = w4_earlier(until_us, p->owed.until_us);
    if (p->shelves.count > 0) {
        until_us = w4_earlier(until_us, w4_later(p->shelves.oldest_us, p->config.durable.age_us));
    }
    uint64_t deadline_us = W4_NEVER;
    if (until_us != W4_NEVER) {
        deadline_us = w4_later(now_us, until_us >= wall_us ? until_us - wall_us + 1 : 0);
        deadline_us = deadline_us > p->durable_again_us ? deadline_us : p->durable_again_us;
    }
    return w4_earlier(deadline_us, w4_earlier(w4_durable_streams_deadline(p), p->offer_us));
}

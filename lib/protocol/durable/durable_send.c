/* Durable messages at the node of their sender. */
#include "protocol/durable/durable.h"

#include "protocol/cip_handshake.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

/* clang-format off */
/* Codes that may be gone the next time; every other one is final. */
static const w4_refusal passing_codes[] = {
    W4_REFUSAL_BACKPRESSURE, W4_REFUSAL_RATE_LIMITED, W4_REFUSAL_OVERLOADED, /* no room */
    W4_REFUSAL_INTERNAL,
    W4_REFUSAL_DISCONNECTED, W4_REFUSAL_NO_ROUTE, W4_REFUSAL_TIMEOUT,        /* the way there */
    W4_REFUSAL_UNTRUSTED, W4_REFUSAL_COOLDOWN, W4_REFUSAL_UNKNOWN_SENDER,    /* not met yet */
    W4_REFUSAL_PEER_BLOCKED,
    W4_REFUSAL_NOT_FOUND,                                                    /* not there yet */
    W4_REFUSAL_DEFERRED_OVERLOAD, W4_REFUSAL_DEFERRED_PRESSURE,
};
/* clang-format on */

/* What could not be done may be another time. */
static bool is_passing(w4_refusal code) {
    for (size_t i = 0; i < sizeof passing_codes / sizeof passing_codes[0]; i++) {
        if (passing_codes[i] == code) {
            return true;
        }
    }
    return false;
}

static int pump(w4_protocol *p, w4_stream *stream, uint64_t now_us);

static void wait_until(w4_protocol *p, w4_stream *stream, w4_stream_state state, uint64_t at_us) {
    w4_stream_leave(stream);
    stream->state = state;
    stream->again_us = at_us;
    w4_router_wake(p, at_us);
}

/* Something has changed there: now. */
static int go_on(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    stream->tries = 0;
    wait_until(p, stream, W4_STREAM_WAITING, now_us);
    return pump(p, stream, now_us);
}

static void pause_stream(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    uint32_t doublings =
        stream->tries < W4_DURABLE_PAUSES_MAX ? stream->tries : W4_DURABLE_PAUSES_MAX;
    stream->tries++;
    wait_until(p, stream, W4_STREAM_WAITING, w4_later(now_us, W4_DURABLE_PAUSE_US << doublings));
}

/* Its session has no room. It is told when there is some, as a rule; memory that sessions share it
 * may have to try for. */
static void wait_for_room(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &stream->node);
    pause_stream(p, stream, now_us);
    if (neighbour && neighbour->up) {
        w4_stream_queue_up(stream, &neighbour->crowds[TAILQ_FIRST(&stream->list)->channel]);
    }
}

static bool is_attached(const w4_protocol *p, const w4_fingerprint *agent) {
    return w4_router_attached(p, agent) != NULL;
}

/* The end of a post. Its sender is told, now or when it is here again. 0, fatal, or 1: the store
 * takes nothing now, so it stays, and is brought once more; the receiver knows a repeat. */
static int finish(w4_protocol *p, w4_post *post, w4_refusal code, uint64_t now_us) {
    w4_fingerprint sender = post->sender, receiver = post->receiver;
    char msg_id[37];
    memcpy(msg_id, post->msg_id, sizeof msg_id);
    bool attached = is_attached(p, &sender), first = post == TAILQ_FIRST(&post->stream->list);
    uint64_t until_us = w4_later(w4_router_wall(p, now_us), p->config.durable.age_us);
    w4_stream *stream = post->stream;
    int r = w4_posts_remove(&p->posts, post, attached ? W4_REFUSAL_NONE : code, until_us);
    if (r > 0) {
        if (first) {
            pause_stream(p, stream, now_us);
        }
        return 1;
    }
    if (r == 0 && attached) {
        r = w4_router_tell_delivery(p, &sender, msg_id, &receiver, code);
    }
    stream = r == 0 && first ? w4_posts_find(&p->posts, &sender, &receiver) : NULL;
    if (stream) {
        stream->unsure = stream->was_unsure = false;
        r = go_on(p, stream, now_us);
    }
    return r;
}

/* ---- held where its receiver is */

static int tell_end(w4_protocol *p, const w4_end *end, w4_refusal code, uint64_t now_us) {
    if (is_attached(p, &end->sender)) {
        return w4_router_tell_delivery(p, &end->sender, end->msg_id, &end->receiver, code);
    }
    w4_post verdict = {.sender = end->sender,
                       .receiver = end->receiver,
                       .node = end->node,
                       .until_us = w4_later(w4_router_wall(p, now_us), p->config.durable.age_us),
                       .code = code};
    memcpy(verdict.msg_id, end->msg_id, sizeof verdict.msg_id);
    return code != W4_REFUSAL_NONE ? w4_posts_add_verdict(&p->posts, &verdict) : 0;
}

static int end_held(w4_protocol *p, w4_end *end, w4_refusal code, uint64_t now_us) {
    w4_end copy = *end;
    int r = w4_ends_remove(&p->held, end);
    return r == 0 ? tell_end(p, &copy, code, now_us) : r;
}

int w4_durable_ended(w4_protocol *p, const w4_fingerprint *sender, const char *msg_id,
                     w4_refusal code, uint64_t now_us, bool *ret_known) {
    w4_end *end = w4_ends_find(&p->held, sender, msg_id);
    *ret_known = end != NULL;
    int r = end ? end_held(p, end, code, now_us) : 0;
    return r > 0 ? 0 : r; /* it stays, and ends with its time */
}

/* Its time there is told by the node that has it, unless its sender gave it less. */
static uint64_t held_until(const w4_protocol *p, const w4_post *post) {
    uint64_t age_us = w4_later(post->timestamp_us, p->config.durable.age_us);
    return post->until_us < age_us ? post->until_us : w4_later(age_us, W4_FRESHNESS_WINDOW_US);
}

int w4_durable_hold(w4_protocol *p, const w4_end *draft, uint64_t now_us) {
    int r = w4_ends_add(&p->held, draft);
    if (r == 0) {
        w4_router_wake(p, now_us); /* says when it is over */
    }
    return r;
}

/* The first of a stream is there, and waits there: the next one may go. */
static int hold_first(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    w4_post *post = TAILQ_FIRST(&stream->list);
    w4_end draft = {.sender = post->sender,
                    .receiver = post->receiver,
                    .node = stream->node,
                    .until_us = held_until(p, post)};
    memcpy(draft.msg_id, post->msg_id, sizeof draft.msg_id);
    w4_posts_fly(&p->posts, stream, 0);
    stream->unsure = false;
    int r = w4_durable_hold(p, &draft, now_us);
    r = r == 0 ? w4_posts_remove(&p->posts, post, W4_REFUSAL_NONE, 0) : r;
    if (r > 0) { /* brought once more; what is held there is known then */
        pause_stream(p, stream, now_us);
        return 0;
    }
    r = r == 0 ? w4_router_tell_held(p, &draft.sender, draft.msg_id, &draft.receiver) : r;
    stream = r == 0 ? w4_posts_find(&p->posts, &draft.sender, &draft.receiver) : NULL;
    if (stream) {
        stream->unsure = stream->was_unsure = false;
        r = go_on(p, stream, now_us);
    }
    return r;
}

/* ---- sending */

/* What is damaged ends with a code; where the store can't be read now, it waits. */
static int unreadable(w4_protocol *p, w4_stream *stream, int condition, uint64_t now_us) {
    if (condition != W4_STORE_E_CORRUPT && condition != W4_STORE_E_NOT_FOUND) {
        pause_stream(p, stream, now_us);
        return 0;
    }
    w4_post *post = TAILQ_FIRST(&stream->list);
    w4_log(p->env, W4_LOG_ERROR, "protocol: the durable message %s is damaged in the store",
           post->msg_id);
    int r = finish(p, post, W4_REFUSAL_INTERNAL, now_us);
    return r < 0 ? r : 0;
}

static int fly(w4_protocol *p, w4_stream *stream, const w4_post *post, uint64_t now_us) {
    bool spares = stream->spares;
    stream->spares = false;
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_posts_read(&p->posts, post, &text);
    w4_blob *blob = r == 0 ? w4_blob_new(w4_buffer_bytes(&text)) : NULL;
    w4_buffer_deinit(&text);
    if (!blob) {
        return r > 0 ? unreadable(p, stream, r, now_us) : -ENOMEM;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_TRANSMIT,
                               .node = stream->node,
                               .channel = post->channel,
                               .sender = post->sender,
                               .deadline_us = W4_NEVER,
                               .ticket = w4_parcels_ticket(&p->parcels),
                               .spares = spares,
                               .type = W4_TYPE_COUNT};
    r = w4_event_queue_push(&p->events, &event, blob);
    w4_blob_unref(blob);
    if (r > 0) {
        pause_stream(p, stream, now_us);
        return 0;
    }
    if (r == 0) {
        r = w4_posts_fly(&p->posts, stream, event.ticket);
    }
    wait_until(p, stream, W4_STREAM_FLYING, W4_NEVER);
    stream->was_unsure = stream->unsure;
    stream->unsure = true;
    return r;
}

/* Whom to greet before the message goes, if there is anybody. */
static bool find_greeted(const w4_protocol *p, const w4_stream *stream, w4_party *ret_party) {
    const w4_record *record = w4_graph_find(p->graph, &stream->node);
    for (uint32_t i = 0; record && i < record->agent_count; i++) {
        if (w4_fingerprint_equal(&record->agents[i].fingerprint, &stream->receiver)) {
            ret_party->fingerprint = stream->receiver;
            memcpy(ret_party->agent_id, record->agents[i].agent_id, sizeof ret_party->agent_id);
            return true;
        }
    }
    return false;
}

/* Begins a handshake where one is due. 1: it is under way, 0: not needed, or fatal. */
static int greet_first(w4_protocol *p, w4_stream *stream, const w4_post *post, uint64_t now_us) {
    w4_fingerprint greeter = w4_router_addressee(p, &stream->sender); /* with the key it has now */
    w4_agent *local = w4_agents_find(&p->agents, &greeter);
    w4_party receiver;
    if (!post->greets || !local || !local->identity || !find_greeted(p, stream, &receiver) ||
        w4_cip_handshake_ready(p, &greeter, &stream->receiver, &stream->node)) {
        return 0;
    }
    wait_until(p, stream, W4_STREAM_GREETING, w4_later(now_us, p->config.handshake_timeout_us));
    int r = w4_cip_handshake_want(p, local, &receiver, &stream->node, now_us);
    return r != 0 ? r : 1;
}

/* Sends the first message of a stream, if it is time. */
static int pump(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    const w4_post *post = TAILQ_FIRST(&stream->list);
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &stream->node);
    if (!neighbour || !neighbour->up) {
        w4_posts_fly(&p->posts, stream, 0);
        wait_until(p, stream, W4_STREAM_WAITING, W4_NEVER);
        return 0;
    }
    if (stream->state == W4_STREAM_FLYING || now_us < stream->again_us) {
        return 0;
    }
    if (stream->state == W4_STREAM_WAITING) {
        int r = greet_first(p, stream, post, now_us);
        if (r != 0) {
            return r < 0 ? r : 0;
        }
    } /* greeted in vain, or not answered: it goes, and the gates there decide */
    return fly(p, stream, post, now_us);
}

static w4_post draft_of(const w4_protocol *p, const w4_inbound *in, const w4_fingerprint *node) {
    const w4_envelope *e = &in->envelope;
    w4_post draft = {.sender = e->sender.fingerprint,
                     .receiver = e->receiver.fingerprint,
                     .node = *node,
                     .timestamp_us = e->timestamp_us,
                     .until_us = w4_later(e->timestamp_us, p->config.durable.age_us),
                     .channel = in->channel_kind,
                     .greets = in->rule->at_least > W4_TRUST_UNTRUSTED};
    if (in->deadline_us != W4_NEVER) {
        uint64_t left_us = in->deadline_us > in->now_us ? in->deadline_us - in->now_us : 0;
        draft.until_us = w4_earlier(draft.until_us, w4_later(in->wall_us, left_us));
    }
    memcpy(draft.msg_id, e->msg_id, sizeof draft.msg_id);
    return draft;
}

int w4_durable_post(w4_protocol *p, w4_inbound *in, const w4_fingerprint *node) {
    w4_post draft = draft_of(p, in, node), *post;
    int r = w4_posts_add(&p->posts, &draft, in->envelope.text, &post);
    if (r != 0) {
        return w4_inbound_store_failed(in, r);
    }
    in->stored = true;
    in->recipients++;
    w4_router_wake(p, in->now_us); /* says when its time is over */
    r = w4_homes_note(&p->homes, &in->envelope.receiver, node, in->wall_us);
    w4_stream *stream = post->stream;
    return r == 0 && post == TAILQ_FIRST(&stream->list) ? go_on(p, stream, in->now_us) : r;
}

/* ---- what becomes of it */

/* unsure: for all that is known now, the first one may have been taken. */
static int settle(w4_protocol *p, w4_stream *stream, w4_refusal code, bool unsure,
                  uint64_t now_us) {
    w4_posts_fly(&p->posts, stream, 0);
    stream->unsure = unsure;
    if (is_passing(code)) {
        pause_stream(p, stream, now_us);
        return 0;
    }
    int r = finish(p, TAILQ_FIRST(&stream->list), code, now_us);
    return r < 0 ? r : 0;
}

static int settle_flight(w4_protocol *p, w4_stream *stream, w4_refusal outcome, bool receipts,
                         uint64_t now_us) {
    if (outcome == W4_REFUSAL_NONE && receipts) {
        w4_posts_fly(&p->posts, stream, 0);
        wait_until(p, stream, W4_STREAM_AWAITING, w4_later(now_us, W4_DURABLE_RECEIPT_US));
        return 0;
    }
    if (outcome == W4_REFUSAL_DISCONNECTED || outcome == W4_REFUSAL_NO_ROUTE) {
        int r = settle(p, stream, outcome, true, now_us); /* it may have arrived all the same */
        return r == 0 ? pump(p, stream, now_us) : r;
    }
    /* The session did not take it, or gave it up before any of it was sent. */
    if (outcome == W4_REFUSAL_BACKPRESSURE) {
        w4_posts_fly(&p->posts, stream, 0);
        stream->unsure = stream->was_unsure;
        wait_for_room(p, stream, now_us);
        return 0;
    }
    return settle(p, stream, outcome, outcome != W4_REFUSAL_NONE && stream->was_unsure, now_us);
}

int w4_durable_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome, uint64_t now_us,
                           bool *ret_known) {
    w4_stream *stream = w4_posts_find_ticket(&p->posts, ticket);
    *ret_known = stream != NULL;
    if (!stream) {
        return 0;
    }
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, &stream->node);
    return settle_flight(p, stream, outcome, neighbour && neighbour->receipts, now_us);
}

int w4_durable_peer_room(w4_protocol *p, const w4_fingerprint *node, w4_channel_kind channel,
                         uint32_t room, uint64_t now_us) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    uint32_t max = room < W4_DURABLE_ADMITTED ? room : W4_DURABLE_ADMITTED;
    w4_stream *stream;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < max && neighbour &&
                         (stream = TAILQ_FIRST(&neighbour->crowds[channel])) != NULL;
         i++) {
        stream->spares = true;
        r = go_on(p, stream, now_us);
    }
    return r;
}

int w4_durable_answered(w4_protocol *p, const w4_answer *answer, uint64_t now_us, bool *ret_known) {
    w4_stream *stream = w4_posts_find(&p->posts, answer->sender, answer->receiver);
    *ret_known = stream && stream->unsure && w4_fingerprint_equal(&stream->node, answer->node) &&
                 strcmp(TAILQ_FIRST(&stream->list)->msg_id, answer->msg_id) == 0;
    if (*ret_known && answer->stage == W4_RECEIPT_HELD && answer->code == W4_REFUSAL_NONE) {
        return hold_first(p, stream, now_us);
    }
    if (*ret_known && answer->stage == W4_RECEIPT_ENDED) {
        w4_posts_fly(&p->posts, stream, 0);
        stream->unsure = false;
        int r = finish(p, TAILQ_FIRST(&stream->list), answer->code, now_us);
        return r < 0 ? r : 0;
    }
    if (*ret_known) {
        return settle(p, stream, answer->code, false, now_us);
    }
    const w4_end *end = w4_ends_find(&p->held, answer->sender, answer->msg_id);
    *ret_known = end && w4_fingerprint_equal(&end->node, answer->node) &&
                 w4_fingerprint_equal(&end->receiver, answer->receiver);
    return *ret_known && answer->stage == W4_RECEIPT_ENDED
               ? w4_durable_ended(p, answer->sender, answer->msg_id, answer->code, now_us,
                                  ret_known)
               : 0;
}

/* ---- what changes there */

int w4_durable_released(w4_protocol *p, const w4_fingerprint *local, const w4_fingerprint *remote,
                        uint64_t now_us) {
    const void *cursor = NULL;
    w4_stream *stream = w4_posts_next(&p->posts, &cursor), *next;
    int r = 0;
    for (; r == 0 && stream; stream = next) { /* its own, and those of keys it had before */
        next = w4_posts_next(&p->posts, &cursor);
        w4_fingerprint greeter = w4_router_addressee(p, &stream->sender);
        if (w4_fingerprint_equal(&greeter, local) &&
            w4_fingerprint_equal(&stream->receiver, remote) &&
            (stream->state == W4_STREAM_GREETING || stream->state == W4_STREAM_WAITING)) {
            r = go_on(p, stream, now_us);
        }
    }
    return r;
}

typedef int (*stream_action)(w4_protocol *p, w4_stream *stream, uint64_t now_us);

/* To all streams to that node; an action may free its own. */
static int with_streams_to(w4_protocol *p, const w4_fingerprint *node, stream_action action,
                           uint64_t now_us) {
    const void *cursor = NULL;
    w4_stream *stream = w4_posts_next(&p->posts, &cursor), *next;
    int r = 0;
    for (; r == 0 && stream; stream = next) {
        next = w4_posts_next(&p->posts, &cursor);
        if (w4_fingerprint_equal(&stream->node, node)) {
            r = action(p, stream, now_us);
        }
    }
    return r;
}

/* A session began there. Without the record of the node it is not known yet whom to greet. */
static int begin(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    w4_posts_fly(&p->posts, stream, 0);
    if (w4_graph_find(p->graph, &stream->node)) {
        return go_on(p, stream, now_us);
    }
    wait_until(p, stream, W4_STREAM_GREETING, w4_later(now_us, p->config.handshake_timeout_us));
    return 0;
}

int w4_durable_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_receipts_owe_again(p, node);
    return with_streams_to(p, node, begin, now_us);
}

int w4_durable_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_receipts_peer_down(p, node);
    return with_streams_to(p, node, pump, now_us);
}

static int look_again(w4_protocol *p, w4_stream *stream, uint64_t now_us) {
    bool waits = stream->state == W4_STREAM_WAITING || stream->state == W4_STREAM_GREETING;
    return waits ? go_on(p, stream, now_us) : 0;
}

/* A receiver that is at another node now: what cannot have been taken at the old one goes there. */
static void follow(w4_protocol *p, const w4_fingerprint *node) {
    const void *cursor = NULL;
    w4_stream *stream;
    while ((stream = w4_posts_next(&p->posts, &cursor)) != NULL) {
        w4_fingerprint place;
        if (!stream->unsure && !w4_fingerprint_equal(&stream->node, node) &&
            w4_router_place(p, &stream->receiver, &place) && w4_fingerprint_equal(&place, node)) {
            stream->node = *node;
        }
    }
}

int w4_durable_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    follow(p, node);
    return with_streams_to(p, node, look_again, now_us);
}

/* ---- the sender is here */

static int tell_verdicts(w4_protocol *p, const w4_agent *agent) {
    w4_post *post = TAILQ_FIRST(&p->posts.verdicts), *next;
    int r = 0;
    for (; r == 0 && post; post = next) {
        next = TAILQ_NEXT(post, link);
        if (!w4_trust_book_same(p->trust, &post->sender, &agent->fingerprint)) {
            continue;
        }
        r = w4_router_tell_delivery(p, &post->sender, post->msg_id, &post->receiver, post->code);
        if (r == 0) {
            r = w4_posts_remove(&p->posts, post, W4_REFUSAL_NONE, 0);
            r = r > 0 ? 0 : r; /* told once more after a restart */
        }
    }
    return r;
}

int w4_durable_attached(w4_protocol *p, w4_agent *agent, uint64_t now_us) {
    int r = tell_verdicts(p, agent);
    const void *cursor = NULL;
    w4_stream *stream = w4_posts_next(&p->posts, &cursor), *next;
    for (; r == 0 && stream; stream = next) {
        next = w4_posts_next(&p->posts, &cursor);
        if (w4_fingerprint_equal(&stream->sender, &agent->fingerprint)) {
            r = look_again(p, stream, now_us);
        }
    }
    return r == 0 ? w4_durable_offer(p, agent, now_us) : r;
}

/* ---- taking back */

static bool is_meant(const w4_protocol *p, const w4_post *post, bool (*match)(w4_type type),
                     const w4_fingerprint *who, int *ret_error) {
    if (!w4_router_is_word_of(p, &post->sender, who) &&
        !w4_router_is_key_of(p, &post->receiver, who)) {
        return false;
    }
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    int r = w4_posts_read(&p->posts, post, &text);
    r = r == 0 ? w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &envelope,
                                  &fault)
               : r;
    bool meant = r == 0 && match(envelope.type);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    *ret_error = r < 0 ? r : 0;
    return meant;
}

/* What flies is asked back: the session says whether it came in time. */
static int withdraw_one(w4_protocol *p, w4_post *post, w4_refusal code, uint64_t now_us) {
    const w4_stream *stream = post->stream;
    if (stream->ticket == 0 || post != TAILQ_FIRST(&stream->list)) {
        int r = finish(p, post, code, now_us);
        return r < 0 ? r : 0;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_WITHDRAW,
                               .node = stream->node,
                               .channel = post->channel,
                               .ticket = stream->ticket,
                               .code = code,
                               .type = W4_TYPE_COUNT};
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

/* From the last to the first: what is behind one that goes is not sent in between. */
static int withdraw_stream(w4_protocol *p, w4_stream *stream, bool (*match)(w4_type type),
                           const w4_fingerprint *who, w4_refusal code, uint64_t now_us) {
    w4_post *post = TAILQ_LAST(&stream->list, w4_post_list), *before;
    int r = 0;
    for (; r == 0 && post; post = before) {
        before = TAILQ_PREV(post, w4_post_list, link);
        if (is_meant(p, post, match, who, &r)) {
            r = withdraw_one(p, post, code, now_us);
        }
    }
    return r;
}

int w4_durable_withdraw_posts(w4_protocol *p, bool (*match)(w4_type type),
                              const w4_fingerprint *who, w4_refusal code, uint64_t now_us) {
    const void *cursor = NULL;
    w4_stream *stream = w4_posts_next(&p->posts, &cursor), *next;
    int r = 0;
    for (; r == 0 && stream; stream = next) {
        next = w4_posts_next(&p->posts, &cursor);
        r = withdraw_stream(p, stream, match, who, code, now_us);
    }
    return r;
}

/* ---- time */

int w4_durable_end_old_posts(w4_protocol *p, uint64_t now_us) {
    uint64_t wall_us = w4_router_wall(p, now_us);
    w4_post *post;
    int r = 0;
    while (r == 0 && (post = w4_posts_over(&p->posts, wall_us)) != NULL) {
        r = post->stream ? finish(p, post, W4_REFUSAL_TIMEOUT, now_us)
                         : w4_posts_remove(&p->posts, post, W4_REFUSAL_NONE, 0);
    }
    w4_end *end;
    while (r == 0 && (end = w4_ends_over(&p->held, wall_us)) != NULL) {
        r = w4_durable_drop_late(p, end);
        r = r == 0 ? end_held(p, end, W4_REFUSAL_TIMEOUT, now_us) : r;
    }
    while (r == 0 && (end = w4_ends_over(&p->owed, wall_us)) != NULL) {
        r = w4_ends_remove(&p->owed, end);
    }
    return r;
}

int w4_durable_try_streams(w4_protocol *p, uint64_t now_us) {
    int r = 0;
    const void *cursor = NULL;
    w4_stream *stream = w4_posts_next(&p->posts, &cursor), *next;
    for (; r == 0 && stream; stream = next) {
        next = w4_posts_next(&p->posts, &cursor);
        if (now_us >= stream->again_us) {
            r = pump(p, stream, now_us);
        }
    }
    return r;
}

uint64_t w4_durable_streams_deadline(const w4_protocol *p) {
    uint64_t deadline_us = W4_NEVER;
    const void *cursor = NULL;
    const w4_stream *stream;
    while ((stream = w4_posts_next(&p->posts, &cursor)) != NULL) {
        deadline_us = w4_earlier(deadline_us, stream->again_us);
    }
    return deadline_us;
}

#include "protocol/delivery/deliveries.h"

#include "protocol/cip_handshake.h"
#include "protocol/delivery/precedence.h"
#include "protocol/router.h"

#include <errno.h>
#include <string.h>

static const w4_fingerprint nobody = {{0}};

/* What a store says is told by the node, which sees its commits; a letter that could not be marked
 * is sent once more after a restart, and the receiver knows a repeat. */
static int only_fatal(int r) {
    return r < 0 ? r : 0;
}

static int mark_letter(w4_protocol *p, uint64_t number, const w4_fingerprint *node,
                       w4_letter_mark mark) {
    w4_letter *letter = number != 0 ? w4_mail_find(&p->mail, number) : NULL;
    return letter ? only_fatal(w4_mail_mark(&p->mail, letter, node, mark)) : 0;
}

/* What the end of a parcel says of its letter. A greeting that nobody was there for, or answered in
 * time, leaves it open for when agents of that node are new; unless its sender is told just now
 * that it timed out: then it must not come after all, behind what he says next. */
static w4_letter_mark mark_after(const w4_parcel *parcel, w4_refusal code) {
    if (code == W4_REFUSAL_NONE) {
        return parcel->bare ? W4_LETTER_BARE : W4_LETTER_DONE;
    }
    if (parcel->refused) {
        return W4_LETTER_DONE;
    }
    if (code == W4_REFUSAL_TIMEOUT && parcel->again) {
        return W4_LETTER_BARE;
    }
    /* What that session will never take must not keep back all that comes behind it. */
    return parcel->again && code != W4_REFUSAL_TOO_LARGE ? W4_LETTER_OPEN : W4_LETTER_DONE;
}

int w4_deliveries_end(w4_protocol *p, w4_parcel *parcel, w4_refusal code, uint64_t now_us) {
    w4_neighbour *neighbour = parcel->neighbour;
    w4_letter_mark mark = mark_after(parcel, code);
    bool window_was_full =
        parcel->state == W4_PARCEL_FLYING && neighbour->kept_flying >= W4_RESEND_WINDOW;
    int r = mark_letter(p, parcel->letter, &neighbour->node, mark);
    if (r == 0 && !parcel->again) {
        const w4_fingerprint *to =
            w4_fingerprint_is_zero(&parcel->receiver) ? &neighbour->node : &parcel->receiver;
        r = w4_router_tell_dropped(p, &parcel->sender, parcel->msg_id, to, code, parcel->policy);
    }
    if (mark == W4_LETTER_OPEN) { /* it comes again, and before all that was said after it */
        int recalled = w4_deliveries_recall_behind(p, parcel);
        r = r == 0 ? recalled : r;
        neighbour->cursor = w4_earlier(neighbour->cursor, parcel->letter);
        neighbour->resend_us = w4_later(now_us, W4_RESEND_PAUSE_US);
        w4_router_wake(p, neighbour->resend_us);
    } else if (window_was_full) { /* the next may go, also where nothing is to be acknowledged */
        neighbour->resend_us = w4_earlier(neighbour->resend_us, now_us);
        w4_router_wake(p, now_us);
    }
    w4_parcel_free(&p->parcels, parcel);
    return r;
}

/* A letter whose session ends with a part of it sent goes once more with the next session. Nothing
 * behind it on its channel may go before: letters take their place in line again, and for all else
 * its sender gets a code. */
static int fly(w4_protocol *p, w4_parcel *parcel, w4_blob *envelope, uint64_t now_us) {
    w4_blob_ref(envelope); /* it may be the parcel's own, which it gives up */
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_TRANSMIT,
                               .node = parcel->neighbour->node,
                               .channel = parcel->channel,
                               .sender = parcel->sender,
                               .deadline_us = parcel->deadline_us,
                               .of_session = parcel->neighbour->letters[parcel->channel] > 0,
                               .spares = parcel->kept,
                               .type = W4_TYPE_COUNT};
    int r = w4_parcel_fly(&p->parcels, parcel, &event.ticket);
    if (r == 0) {
        r = w4_event_queue_push(&p->events, &event, envelope);
    }
    w4_blob_unref(envelope);
    return r > 0 ? w4_deliveries_end(p, parcel, W4_REFUSAL_BACKPRESSURE, now_us) : r;
}

/* Who greets for what that one has said: the key it has now. Greetings under a key that was
 * replaced are refused everywhere, and trust that a greeting brings is that of all its keys. */
static w4_fingerprint greeter_of(const w4_protocol *p, const w4_parcel *parcel) {
    return w4_router_addressee(p, &parcel->sender);
}

/* Would its answer pass the gate of trust here? */
static bool may_answer(const w4_protocol *p, const w4_fingerprint *agent, uint64_t now_us) {
    return w4_router_trust_of(p, agent) != W4_TRUST_BLOCKED &&
           !w4_trust_book_in_cooldown(p->trust, W4_TRUST_AGENT, agent, w4_router_wall(p, now_us));
}

/* The next agent of a node to be greeted by one of ours. NULL: there is none. */
static const w4_record_agent *next_agent(const w4_protocol *p, const w4_agent *local,
                                         w4_neighbour *neighbour, uint64_t now_us) {
    const w4_record *record = w4_graph_find(p->graph, &neighbour->node);
    for (uint32_t i = 0; record && i < record->agent_count; i++) {
        const w4_record_agent *agent = &record->agents[neighbour->rotation++ % record->agent_count];
        if (!w4_fingerprint_equal(&agent->fingerprint, &local->fingerprint) &&
            may_answer(p, &agent->fingerprint, now_us)) {
            return agent;
        }
    }
    return NULL;
}

static int greet_one(w4_protocol *p, w4_agent *local, w4_neighbour *neighbour, uint64_t now_us) {
    const w4_record_agent *agent = next_agent(p, local, neighbour, now_us);
    if (!agent) {
        return 0;
    }
    w4_party remote = {.fingerprint = agent->fingerprint};
    memcpy(remote.agent_id, agent->agent_id, sizeof remote.agent_id);
    return w4_cip_handshake_want(p, local, &remote, &neighbour->node, now_us);
}

/* 0; 1: it has ended with a code; or a fatal error. */
static int hold(w4_protocol *p, w4_parcel *parcel, w4_blob *envelope, uint64_t now_us) {
    if (w4_parcels_held(parcel->neighbour, &parcel->sender) >= W4_AGENT_QUEUE_MAX ||
        w4_parcel_hold(&p->parcels, parcel, envelope) != 0) {
        int r = w4_deliveries_end(p, parcel, W4_REFUSAL_BACKPRESSURE, now_us);
        return r == 0 ? 1 : r;
    }
    parcel->hold_us = w4_later(now_us, p->config.handshake_timeout_us);
    w4_parcel_due(parcel, parcel->hold_us);
    w4_router_wake(p, parcel->hold_us);
    return 0;
}

static bool is_greeted(const w4_protocol *p, const w4_parcel *parcel) {
    const w4_fingerprint greeter = greeter_of(p, parcel);
    const w4_fingerprint to = w4_router_addressee(p, &parcel->receiver);
    return w4_cip_handshake_ready(p, &greeter, &to, &parcel->neighbour->node);
}

/* Is it for all at a node where nobody is to be greeted? What its sender said before goes first. */
static bool goes_bare(const w4_protocol *p, const w4_parcel *parcel) {
    return w4_fingerprint_is_zero(&parcel->receiver) &&
           w4_precedence_agents(p, &parcel->neighbour->node) == 0 &&
           !w4_precedence_overtakes_any(parcel);
}

static bool may_go_to_all(const w4_protocol *p, const w4_parcel *parcel) {
    w4_fingerprint greeter = greeter_of(p, parcel);
    return w4_cip_handshake_ready_node(p, &greeter, &parcel->neighbour->node) &&
           !w4_precedence_overtakes(parcel);
}

static bool may_go(const w4_protocol *p, const w4_parcel *parcel) {
    return w4_fingerprint_is_zero(&parcel->receiver)
               ? may_go_to_all(p, parcel)
               : is_greeted(p, parcel) && !w4_precedence_overtakes(parcel);
}

/* The same of what is held: those who were to be greeted may have gone meanwhile. */
static bool may_go_now(const w4_protocol *p, w4_parcel *parcel) {
    parcel->bare = goes_bare(p, parcel);
    return parcel->bare || may_go(p, parcel);
}

/* Whom the parcel is for by name, as the directory has it. */
static bool find_party(const w4_protocol *p, const w4_fingerprint *agent, w4_party *ret_party) {
    w4_fingerprint node;
    const w4_record_agent *entry = w4_graph_find_agent(p->graph, agent, &node);
    if (entry) {
        ret_party->fingerprint = *agent;
        memcpy(ret_party->agent_id, entry->agent_id, sizeof ret_party->agent_id);
    }
    return entry != NULL;
}

/* Who it is for may have left that node, or is not back yet after the node was started anew. */
static bool is_there(const w4_protocol *p, const w4_parcel *parcel) {
    return w4_fingerprint_is_zero(&parcel->receiver) ||
           w4_router_has(p, &parcel->neighbour->node, &parcel->receiver);
}

/* Sends it, or holds it until it may go. */
static int place(w4_protocol *p, w4_parcel *parcel, w4_blob *envelope, bool greets,
                 uint64_t now_us) {
    w4_neighbour *neighbour = parcel->neighbour;
    if (!neighbour->up || !is_there(p, parcel)) {
        if (parcel->letter == 0) {
            w4_refusal code = neighbour->up ? W4_REFUSAL_NOT_FOUND : W4_REFUSAL_DISCONNECTED;
            return w4_deliveries_end(p, parcel, code, now_us);
        }
        w4_parcel_park(&p->parcels, parcel);
        return 0;
    }
    w4_fingerprint greeter = greeter_of(p, parcel);
    w4_agent *local = w4_agents_find(&p->agents, &greeter);
    bool all = w4_fingerprint_is_zero(&parcel->receiver);
    const w4_fingerprint to = w4_router_addressee(p, &parcel->receiver);
    w4_party receiver;
    parcel->bare = greets && goes_bare(p, parcel);
    bool ready = !greets || !local || !local->identity || parcel->bare || may_go(p, parcel) ||
                 (!all && !find_party(p, &to, &receiver));
    if (ready) {
        return fly(p, parcel, envelope, now_us);
    }
    bool greeted = !all && is_greeted(p, parcel);
    int r = hold(p, parcel, envelope, now_us);
    if (r != 0 || greeted) {
        return r < 0 ? r : 0;
    }
    return !all ? w4_cip_handshake_want(p, local, &receiver, &neighbour->node, now_us)
           : w4_cip_handshake_running(p, &local->fingerprint, &neighbour->node)
               ? 0
               : greet_one(p, local, neighbour, now_us);
}

int w4_deliver(w4_protocol *p, const w4_dispatch *d, uint64_t now_us) {
    const w4_fingerprint *receiver = d->receiver ? &d->receiver->fingerprint : &nobody;
    w4_parcel draft = {.sender = *d->sender,
                       .receiver = *receiver,
                       .type = d->type,
                       .channel = d->channel,
                       .letter = d->letter ? d->letter->number : 0,
                       .after = d->letter ? d->letter->number : p->mail.last_number,
                       .deadline_us = d->deadline_us};
    memcpy(draft.msg_id, d->msg_id, sizeof draft.msg_id);
    draft.neighbour = w4_neighbour_get(&p->parcels, d->node);
    if (!draft.neighbour) {
        return -ENOMEM;
    }
    w4_parcel *parcel;
    int r = w4_parcel_new(&p->parcels, &draft, &parcel);
    if (r > 0) {
        r = mark_letter(p, draft.letter, d->node, W4_LETTER_DONE);
        return r != 0 ? r
                      : w4_router_tell_delivery(p, d->sender, d->msg_id,
                                                d->receiver ? receiver : d->node,
                                                W4_REFUSAL_BACKPRESSURE);
    }
    if (r == 0) {
        w4_router_wake(p, d->deadline_us);
        r = mark_letter(p, draft.letter, d->node, W4_LETTER_SENT);
    }
    if (r == 0 && draft.letter != 0 &&
        (w4_precedence_has_parked(p, parcel) || w4_precedence_is_behind(p, parcel, now_us))) {
        return 0; /* it goes after those */
    }
    return r != 0 ? r : place(p, parcel, d->envelope, d->greets, now_us);
}

int w4_deliver_unheld(w4_protocol *p, w4_bytes envelope, const w4_envelope_draft *draft,
                      const w4_agent *sender, const w4_fingerprint *node, uint64_t now_us) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    int r = only_fatal(w4_seen_add(&p->seen, &sender->fingerprint, draft->msg_id,
                                   draft->timestamp_us, w4_router_wall(p, now_us)));
    if (r != 0 || !neighbour || !neighbour->up) {
        return r;
    }
    w4_blob *blob = w4_blob_new(envelope);
    if (!blob) {
        return -ENOMEM;
    }
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_TRANSMIT,
                               .node = *node,
                               .channel = w4_type_row_of(draft->type)->channel,
                               .ticket = w4_parcels_ticket(&p->parcels),
                               .sender = sender->fingerprint,
                               .deadline_us = W4_NEVER,
                               .type = W4_TYPE_COUNT};
    r = w4_event_queue_push(&p->events, &event, blob);
    w4_blob_unref(blob);
    return only_fatal(r);
}

/* Puts what is kept on its way to a neighbour, from its row in the store. */
static int place_kept(w4_protocol *p, w4_parcel *parcel, const w4_letter *letter, uint64_t now_us) {
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_mail_read(&p->mail, letter, &text);
    w4_blob *blob = r == 0 ? w4_blob_new(w4_buffer_bytes(&text)) : NULL;
    w4_buffer_deinit(&text);
    if (!blob) {
        return r <= 0 ? -ENOMEM : w4_deliveries_end(p, parcel, W4_REFUSAL_INTERNAL, now_us);
    }
    parcel->kept = true;
    /* What is knowledge always asks for a handshake first. */
    r = place(p, parcel, blob, true, now_us);
    w4_blob_unref(blob);
    return r;
}

/* As many as the window has room for. *ret_behind: the number of the first letter that is parked
 * behind others; W4_NEVER: none. */
static int resume_parked(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us,
                         uint64_t *ret_behind) {
    w4_parcel *parcel = neighbour->parked > 0 ? TAILQ_FIRST(&neighbour->sent) : NULL;
    uint64_t behind = W4_NEVER;
    int r = 0;
    while (r == 0 && parcel && neighbour->kept_flying < W4_RESEND_WINDOW) {
        w4_parcel *next = TAILQ_NEXT(parcel, link);
        bool waits = parcel->state != W4_PARCEL_PARKED || !is_there(p, parcel);
        if (!waits && w4_precedence_is_behind(p, parcel, now_us)) {
            behind = w4_earlier(behind, parcel->letter);
        } else if (!waits) {
            const w4_letter *letter = w4_mail_find(&p->mail, parcel->letter);
            r = !letter || w4_precedence_is_stale(p, letter, now_us)
                    ? w4_deliveries_end(p, parcel, W4_REFUSAL_STALE, now_us)
                    : place_kept(p, parcel, letter, now_us);
        }
        parcel = next;
    }
    *ret_behind = behind;
    return r;
}

int w4_deliveries_release(w4_protocol *p, const w4_fingerprint *local, const w4_fingerprint *remote,
                          const w4_fingerprint *node, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    uint64_t behind;
    int r = neighbour ? resume_parked(p, neighbour, now_us, &behind) : 0;
    w4_parcel *parcel = neighbour ? TAILQ_FIRST(&neighbour->held) : NULL;
    while (r == 0 && parcel) {
        w4_parcel *next = TAILQ_NEXT(parcel, link);
        w4_fingerprint greeter = greeter_of(p, parcel);
        if (w4_fingerprint_equal(&greeter, local) &&
            (w4_fingerprint_is_zero(&parcel->receiver) ||
             w4_trust_book_same(p->trust, &parcel->receiver, remote) || is_greeted(p, parcel)) &&
            !w4_precedence_overtakes(parcel)) {
            r = fly(p, parcel, parcel->envelope, now_us);
        }
        parcel = next;
    }
    if (r == 0) {
        r = w4_durable_released(p, local, remote, now_us);
    }
    if (neighbour) { /* mail that nobody answered for before may go now */
        neighbour->cursor = 0;
        neighbour->resend_us = w4_earlier(neighbour->resend_us, now_us);
        w4_router_wake(p, now_us);
    }
    return r;
}

int w4_deliveries_greet_next(w4_protocol *p, const w4_agent *local, const w4_fingerprint *node,
                             uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    const w4_parcel *parcel;
    bool waits = false;
    if (!neighbour) {
        return 0;
    }
    TAILQ_FOREACH (parcel, &neighbour->held, link) {
        w4_fingerprint greeter = greeter_of(p, parcel);
        waits = waits || (w4_fingerprint_is_zero(&parcel->receiver) &&
                          w4_fingerprint_equal(&greeter, &local->fingerprint));
    }
    w4_agent *agent = w4_agents_find(&p->agents, &local->fingerprint);
    return waits && agent ? greet_one(p, agent, neighbour, now_us) : 0;
}

/* ---- the outbox */

/* The letters before `end`. */
static int send_kept(w4_protocol *p, w4_neighbour *neighbour, uint64_t end, uint64_t now_us) {
    int r = 0;
    while (r == 0 && neighbour->kept_flying < W4_RESEND_WINDOW && neighbour->up) {
        w4_letter *letter = w4_mail_from(&p->mail, neighbour->cursor);
        if (!letter || letter->number >= end) {
            neighbour->cursor = w4_earlier(p->mail.last_number + 1, end);
            break;
        }
        if (w4_parcels_held(neighbour, &letter->sender) >= W4_AGENT_QUEUE_MAX / 2) {
            break;
        }
        const uint64_t number = letter->number;
        neighbour->cursor = number + 1;
        if (!w4_precedence_is_due(p, letter, neighbour, now_us)) {
            continue;
        }
        w4_parcel draft = {.neighbour = neighbour,
                           .sender = letter->sender,
                           .receiver = letter->receiver,
                           .type = letter->type,
                           .channel = letter->channel,
                           .letter = letter->number,
                           .after = letter->number,
                           .deadline_us = W4_NEVER,
                           .again = true};
        memcpy(draft.msg_id, letter->msg_id, sizeof draft.msg_id);
        w4_parcel *parcel;
        r = w4_parcel_new(&p->parcels, &draft, &parcel);
        if (r > 0) {
            neighbour->cursor = letter->number;
            neighbour->resend_us = w4_later(now_us, W4_RESEND_PAUSE_US);
            w4_router_wake(p, neighbour->resend_us);
            return 0;
        }
        if (r == 0) {
            r = only_fatal(w4_mail_mark(&p->mail, letter, &neighbour->node, W4_LETTER_SENT));
        }
        if (r == 0) {
            r = place_kept(p, parcel, letter, now_us);
        }
        if (neighbour->cursor <= number) {
            break; /* there was no room for it: later */
        }
    }
    return r;
}

/* Sends what the outbox has for a neighbour, a window at a time, and what is parked in between. It
 * waits for the neighbour's record, which says whom to greet. */
static int pump(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us) {
    if (!neighbour->up || !w4_graph_find(p->graph, &neighbour->node)) {
        return 0;
    }
    uint64_t behind;
    int r;
    do {
        r = resume_parked(p, neighbour, now_us, &behind);
        r = r == 0 ? send_kept(p, neighbour, behind, now_us) : r;
    } while (r == 0 && behind != W4_NEVER && neighbour->cursor >= behind);
    return r;
}

/* Acknowledged, and not yet given to whom it is for. */
static int stay(w4_protocol *p, w4_parcel *parcel, uint64_t now_us) {
    int r = mark_letter(p, parcel->letter, &parcel->neighbour->node, W4_LETTER_DONE);
    w4_parcel_stay(&p->parcels, parcel);
    parcel->deadline_us = w4_earlier(parcel->deadline_us, w4_later(now_us, W4_PARCEL_THERE_US));
    w4_parcel_due(parcel, parcel->deadline_us);
    w4_router_wake(p, parcel->deadline_us);
    return r == 0 ? w4_router_tell_held(p, &parcel->sender, parcel->msg_id, &parcel->receiver) : r;
}

/* With what comes before it. */
static void go_later(w4_protocol *p, w4_parcel *parcel, uint64_t now_us) {
    w4_neighbour *neighbour = parcel->neighbour;
    parcel->policy = W4_OVERFLOW_COUNT;
    w4_parcel_park(&p->parcels, parcel);
    neighbour->resend_us = w4_earlier(neighbour->resend_us, w4_later(now_us, W4_RESEND_PAUSE_US));
    w4_router_wake(p, neighbour->resend_us);
}

/* Given back, and not its end yet? What was said for the first time ends by the policy it meets. */
static bool goes_later(const w4_protocol *p, const w4_parcel *parcel, w4_refusal outcome) {
    bool recalled = parcel->recalled && parcel->policy == W4_OVERFLOW_COUNT;
    return outcome == W4_REFUSAL_BACKPRESSURE && (recalled || (parcel->kept && !parcel->again)) &&
           w4_mail_find(&p->mail, parcel->letter);
}

bool w4_deliveries_later(w4_protocol *p, uint64_t ticket, uint64_t now_us) {
    w4_parcel *parcel = w4_parcel_find(&p->parcels, ticket);
    if (!parcel) {
        return false;
    }
    if (parcel->letter == 0) {
        bool past = w4_precedence_gets_past(p, parcel, now_us);
        if (past) {
            w4_router_keep_error(p, w4_deliveries_end(p, parcel, W4_REFUSAL_BACKPRESSURE, now_us));
        }
        return past;
    }
    bool later =
        w4_mail_find(&p->mail, parcel->letter) &&
        (w4_precedence_is_behind(p, parcel, now_us) || w4_precedence_has_parked(p, parcel));
    if (later) {
        go_later(p, parcel, now_us);
    }
    return later;
}

int w4_deliveries_transmitted(w4_protocol *p, uint64_t ticket, w4_refusal outcome,
                              uint64_t now_us) {
    w4_parcel *parcel = w4_parcel_find(&p->parcels, ticket);
    if (!parcel) {
        return 0; /* a word of a handshake, or given up before */
    }
    w4_neighbour *neighbour = parcel->neighbour;
    bool kept = parcel->kept, arrived = outcome == W4_REFUSAL_NONE;
    bool link_gone = outcome == W4_REFUSAL_DISCONNECTED || outcome == W4_REFUSAL_NO_ROUTE;
    if (link_gone && w4_mail_find(&p->mail, parcel->letter)) {
        w4_parcel_park(&p->parcels, parcel);
        if (neighbour->up) { /* a new session stands already */
            neighbour->resend_us = w4_earlier(neighbour->resend_us, now_us);
            w4_router_wake(p, now_us);
        }
        return 0;
    }
    if (goes_later(p, parcel, outcome)) {
        int r = w4_deliveries_recall_behind(p, parcel);
        go_later(p, parcel, now_us);
        return r;
    }
    int r = parcel->stays && arrived && neighbour->there < W4_PARCELS_THERE_MAX
                ? stay(p, parcel, now_us)
                : w4_deliveries_end(p, parcel, outcome, now_us);
    return r == 0 && kept && arrived ? pump(p, neighbour, now_us) : r;
}

static w4_parcel *find_answered(const w4_protocol *p, const w4_answer *answer) {
    const w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, answer->node);
    return neighbour ? w4_parcel_find_sent(&p->parcels, neighbour, answer->sender, answer->receiver,
                                           answer->msg_id)
                     : NULL;
}

int w4_deliveries_wait(w4_protocol *p, const w4_answer *answer) {
    w4_parcel *parcel = find_answered(p, answer);
    if (parcel && parcel->state == W4_PARCEL_FLYING && !parcel->again) {
        parcel->stays = !w4_fingerprint_is_zero(&parcel->receiver);
    }
    return 0;
}

int w4_deliveries_ended(w4_protocol *p, const w4_answer *answer, uint64_t now_us) {
    w4_parcel *parcel = find_answered(p, answer);
    if (parcel && parcel->state == W4_PARCEL_THERE) {
        return w4_deliveries_end(p, parcel, answer->code, now_us);
    }
    if (parcel) {
        parcel->stays = false; /* its acknowledgement is to come */
    }
    return answer->code != W4_REFUSAL_NONE ? w4_deliveries_refused(p, answer, now_us) : 0;
}

int w4_deliveries_dropped(w4_protocol *p, uint64_t ticket, w4_overflow policy, uint64_t now_us) {
    w4_parcel *parcel = w4_parcel_find(&p->parcels, ticket);
    if (parcel) {
        parcel->policy = policy;
    }
    return w4_deliveries_transmitted(p, ticket, W4_REFUSAL_BACKPRESSURE, now_us);
}

int w4_deliveries_refused(w4_protocol *p, const w4_answer *answer, uint64_t now_us) {
    w4_parcel *parcel = find_answered(p, answer);
    if (parcel && parcel->state == W4_PARCEL_FLYING) {
        parcel->refused = true;
        return w4_deliveries_end(p, parcel, answer->code, now_us);
    }
    bool all = w4_fingerprint_is_zero(answer->receiver);
    return parcel ? 0
                  : w4_router_correct_delivery(p, answer->sender, answer->msg_id,
                                               all ? answer->node : answer->receiver, answer->code);
}

/* ---- neighbours */

/* Greets once more for what is held: the agents there are others now, or have forgotten. */
static int greet_for_held(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us) {
    const w4_parcel *parcel, *before = NULL;
    int r = 0;
    TAILQ_FOREACH (parcel, &neighbour->held, link) {
        w4_fingerprint greeter = greeter_of(p, parcel);
        w4_agent *local = w4_agents_find(&p->agents, &greeter);
        bool all = w4_fingerprint_is_zero(&parcel->receiver);
        bool same = before && w4_fingerprint_equal(&before->sender, &parcel->sender) &&
                    w4_fingerprint_equal(&before->receiver, &parcel->receiver);
        const w4_fingerprint to = w4_router_addressee(p, &parcel->receiver);
        w4_party receiver;
        before = parcel;
        if (r != 0 || same || !local) {
            continue;
        }
        if (all) {
            r = greet_one(p, local, neighbour, now_us);
        } else if (find_party(p, &to, &receiver)) {
            r = w4_cip_handshake_want(p, local, &receiver, &neighbour->node, now_us);
        }
    }
    return r;
}

/* What is for all and was held for the sake of agents who are not there any more. */
static int release_bare(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us) {
    bool is_empty = w4_precedence_agents(p, &neighbour->node) == 0;
    w4_parcel *parcel = is_empty ? TAILQ_FIRST(&neighbour->held) : NULL, *next;
    int r = 0;
    for (; r == 0 && parcel; parcel = next) {
        next = TAILQ_NEXT(parcel, link);
        if (may_go_now(p, parcel)) {
            r = fly(p, parcel, parcel->envelope, now_us);
        }
    }
    return r;
}

/* What waited for its receivers in the memory of another process there. */
static int end_there(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us) {
    w4_parcel *parcel = TAILQ_FIRST(&neighbour->sent), *next;
    int r = 0;
    for (; r == 0 && parcel; parcel = next) {
        next = TAILQ_NEXT(parcel, link);
        parcel->stays = false; /* said in the session before */
        if (parcel->state == W4_PARCEL_THERE) {
            r = w4_deliveries_end(p, parcel, W4_REFUSAL_DISCONNECTED, now_us);
        }
    }
    return r;
}

int w4_deliveries_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (!neighbour) {
        return -ENOMEM;
    }
    bool anew = neighbour->up; /* the other process is another one, the session began afresh */
    neighbour->up = true;
    neighbour->cursor = 0;
    neighbour->resend_us = W4_NEVER;
    int r = 0;
    if (anew) {
        w4_cip_handshakes_forget_node(p, &neighbour->node);
        r = end_there(p, neighbour, now_us);
        r = r == 0 ? greet_for_held(p, neighbour, now_us) : r;
    }
    return r == 0 ? pump(p, neighbour, now_us) : r;
}

int w4_deliveries_peer_changed(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (!neighbour || !neighbour->up) {
        return 0;
    }
    neighbour->cursor = 0;
    int r = greet_for_held(p, neighbour, now_us);
    r = r == 0 ? release_bare(p, neighbour, now_us) : r;
    return r == 0 ? pump(p, neighbour, now_us) : r;
}

int w4_deliveries_peer_room(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (!neighbour || neighbour->resend_us == W4_NEVER) {
        return 0;
    }
    neighbour->resend_us = W4_NEVER;
    return pump(p, neighbour, now_us);
}

/* What is parked at a node that has another key by now. Its letters are on their way there, so they
 * do not set out a second time. */
static int follow_node(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    const w4_fingerprint current = w4_router_addressee(p, key);
    w4_neighbour *from = w4_neighbour_find(&p->parcels, key);
    if (!from || from->parked == 0 || w4_fingerprint_equal(&current, key)) {
        return 0;
    }
    w4_neighbour *to = w4_neighbour_get(&p->parcels, &current);
    w4_parcel *parcel = to ? TAILQ_FIRST(&from->sent) : NULL, *next;
    int r = to ? 0 : -ENOMEM;
    for (; r == 0 && parcel; parcel = next) {
        next = TAILQ_NEXT(parcel, link);
        if (parcel->state == W4_PARCEL_PARKED) {
            w4_parcel_move(&p->parcels, parcel, to);
            r = mark_letter(p, parcel->letter, &current, W4_LETTER_SENT);
        }
    }
    if (r == 0 && to->up) {
        to->resend_us = w4_earlier(to->resend_us, now_us);
        w4_router_wake(p, now_us);
    }
    return r;
}

/* Where an agent was listed under its next key before this said whose it is. */
static int go_on_at_homes(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    const w4_fingerprint current = w4_router_addressee(p, key);
    const void *cursor = NULL;
    w4_fingerprint node;
    int r = 0;
    while (r == 0 && w4_graph_next_home(p->graph, &current, &cursor, &node)) {
        r = w4_deliveries_peer_changed(p, &node, now_us);
    }
    return r;
}

int w4_deliveries_key_replaced(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    int r = follow_node(p, key, now_us);
    w4_neighbour *from = w4_neighbour_find(&p->parcels, key);
    if (from) {
        w4_neighbour_tidy(&p->parcels, from);
    }
    return r == 0 ? go_on_at_homes(p, key, now_us) : r;
}

int w4_deliveries_peer_down(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_neighbour *neighbour = w4_neighbour_find(&p->parcels, node);
    if (!neighbour) {
        return 0;
    }
    neighbour->up = false;
    neighbour->resend_us = W4_NEVER;
    struct w4_parcel_list *lists[] = {&neighbour->sent, &neighbour->held}; /* older ones first */
    w4_refusal code =
        w4_router_is_blocked(p, node) ? W4_REFUSAL_PEER_BLOCKED : W4_REFUSAL_DISCONNECTED;
    int r = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        /* What is parked goes behind the last one that there is now. */
        const w4_parcel *last = TAILQ_LAST(lists[i], w4_parcel_list);
        w4_parcel *parcel = TAILQ_FIRST(lists[i]), *next;
        for (bool end = parcel == NULL; r == 0 && !end; parcel = next) {
            end = parcel == last;
            next = TAILQ_NEXT(parcel, link);
            if (parcel->state == W4_PARCEL_PARKED) {
                continue;
            }
            if (parcel->letter != 0) {
                w4_parcel_park(&p->parcels, parcel);
            } else {
                r = w4_deliveries_end(p, parcel, code, now_us);
            }
        }
    }
    w4_router_wake(p, neighbour->due_us);
    w4_cip_handshakes_forget_node(p, node);
    r = r == 0 ? follow_node(p, node, now_us) : r;
    w4_neighbour_tidy(&p->parcels, neighbour);
    return r;
}

/* ---- time */

/* What waited too long, by the list it is in; the others say when they will have. */
static int expire_list(w4_protocol *p, struct w4_parcel_list *list, uint64_t now_us) {
    w4_parcel *parcel = TAILQ_FIRST(list);
    int r = 0;
    while (r == 0 && parcel) {
        w4_parcel *next = TAILQ_NEXT(parcel, link);
        bool held = parcel->state == W4_PARCEL_HELD;
        bool lost = parcel->letter != 0 && parcel->state != W4_PARCEL_FLYING &&
                    !w4_mail_find(&p->mail, parcel->letter);
        if (lost) {
            r = w4_deliveries_end(p, parcel, W4_REFUSAL_STALE, now_us);
        } else if (held && now_us < parcel->deadline_us && may_go_now(p, parcel)) {
            r = fly(p, parcel, parcel->envelope, now_us);
        } else if (now_us >= parcel->deadline_us || (held && now_us >= parcel->hold_us)) {
            r = w4_deliveries_end(p, parcel, W4_REFUSAL_TIMEOUT, now_us);
        } else {
            w4_parcel_due(parcel, held ? w4_earlier(parcel->hold_us, parcel->deadline_us)
                                       : parcel->deadline_us);
        }
        parcel = next;
    }
    return r;
}

/* All of them are looked at only when one may be due, or may have lost its letter. */
static int expire_parcels(w4_protocol *p, w4_neighbour *neighbour, uint64_t now_us) {
    if (now_us < neighbour->due_us && neighbour->gone == p->mail.gone) {
        return 0;
    }
    neighbour->due_us = W4_NEVER;
    neighbour->gone = p->mail.gone;
    int r = expire_list(p, &neighbour->held, now_us);
    return r == 0 ? expire_list(p, &neighbour->sent, now_us) : r;
}

static int expire_letters(w4_protocol *p, uint64_t now_us) {
    const w4_letter *first;
    int r = 0;
    while (r == 0 && (first = TAILQ_FIRST(&p->mail.list)) != NULL &&
           w4_precedence_is_stale(p, first, now_us)) {
        r = w4_mail_remove(&p->mail, TAILQ_FIRST(&p->mail.list));
    }
    return only_fatal(r);
}

int w4_deliveries_expire(w4_protocol *p, uint64_t now_us) {
    int r = expire_letters(p, now_us);
    void *cursor = NULL;
    w4_neighbour *neighbour = w4_neighbour_next(&p->parcels, &cursor), *next;
    for (; r == 0 && neighbour; neighbour = next) {
        next = w4_neighbour_next(&p->parcels, &cursor);
        r = expire_parcels(p, neighbour, now_us);
        if (r == 0 && now_us >= neighbour->resend_us) {
            neighbour->resend_us = W4_NEVER;
            r = pump(p, neighbour, now_us);
        }
        w4_neighbour_tidy(&p->parcels, neighbour);
    }
    return r;
}

uint64_t w4_deliveries_deadline(const w4_protocol *p, uint64_t now_us) {
    uint64_t deadline_us = W4_NEVER;
    const w4_letter *first = TAILQ_FIRST(&p->mail.list);
    if (first) {
        uint64_t stale_us = w4_later(first->timestamp_us, W4_LETTER_KEEP_US);
        uint64_t wall_us = w4_router_wall(p, now_us);
        deadline_us = w4_later(now_us, stale_us > wall_us ? stale_us - wall_us : 0);
    }
    void *cursor = NULL;
    const w4_neighbour *neighbour;
    while ((neighbour = w4_neighbour_next(&p->parcels, &cursor)) != NULL) {
        deadline_us = w4_earlier(deadline_us, neighbour->resend_us);
        deadline_us = w4_earlier(deadline_us, neighbour->due_us);
    }
    return deadline_us;
}

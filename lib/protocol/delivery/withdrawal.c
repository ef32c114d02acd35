/* Taking back what agents have said, as far as it can still be held back. */
#include "protocol/delivery/deliveries.h"
#include "protocol/delivery/precedence.h"
#include "protocol/durable/durable.h"
#include "protocol/router.h"

static bool concerns(const w4_protocol *p, const w4_fingerprint *sender,
                     const w4_fingerprint *receiver, const w4_fingerprint *who) {
    return w4_router_is_word_of(p, sender, who) || w4_router_is_key_of(p, receiver, who);
}

/* What flies is asked back: the session says whether it came in time. */
static int ask_back(w4_protocol *p, const w4_parcel *parcel, w4_refusal code) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_WITHDRAW,
                               .node = parcel->neighbour->node,
                               .channel = parcel->channel,
                               .ticket = parcel->ticket,
                               .code = code,
                               .type = W4_TYPE_COUNT};
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

/* Was all of that behind this one too? Then only what has set out since has to be looked at: many
 * that come back one after the other do not each look at all that flies. */
static uint64_t recalled_up_to(const w4_parcel *parcel) {
    const w4_neighbour *n = parcel->neighbour;
    bool same = n->recalled.channel == parcel->channel && n->recalled.letter <= parcel->letter &&
                w4_fingerprint_equal(&n->recalled.sender, &parcel->sender) &&
                (w4_fingerprint_is_zero(&n->recalled.receiver) ||
                 w4_fingerprint_equal(&n->recalled.receiver, &parcel->receiver));
    return same ? n->recalled.ticket : 0;
}

int w4_deliveries_recall_behind(w4_protocol *p, const w4_parcel *parcel) {
    w4_neighbour *neighbour = parcel->neighbour;
    uint64_t up_to = recalled_up_to(parcel);
    w4_parcel *other = TAILQ_LAST(&neighbour->sent, w4_parcel_list), *first = NULL;
    int r = 0;
    for (; other && !(other->state == W4_PARCEL_FLYING && other->ticket <= up_to);
         other = TAILQ_PREV(other, w4_parcel_list, link)) {
        first = other;
    }
    for (other = first; r == 0 && other; other = TAILQ_NEXT(other, link)) {
        if (other->state == W4_PARCEL_FLYING && !other->recalled &&
            w4_precedence_is_before(parcel, other)) {
            other->recalled = true;
            r = ask_back(p, other, W4_REFUSAL_BACKPRESSURE);
        }
    }
    if (r == 0) {
        neighbour->recalled.sender = parcel->sender;
        neighbour->recalled.receiver = parcel->receiver;
        neighbour->recalled.channel = parcel->channel;
        neighbour->recalled.letter = parcel->letter;
        neighbour->recalled.ticket = p->parcels.last_ticket;
    }
    return r;
}

static int withdraw_parcel(w4_protocol *p, w4_parcel *parcel, w4_refusal code, uint64_t now_us) {
    if (parcel->state == W4_PARCEL_THERE) {
        return 0; /* that node hears of it too, and says how it ends */
    }
    if (parcel->state != W4_PARCEL_FLYING) {
        return w4_deliveries_end(p, parcel, code, now_us);
    }
    return ask_back(p, parcel, code);
}

static int withdraw_paced(w4_protocol *p, bool (*match)(w4_type type), const w4_fingerprint *who,
                          w4_refusal code) {
    w4_agent *agent;
    int r = 0;
    TAILQ_FOREACH (agent, &p->agents.list, link) {
        w4_paced *paced, *next;
        for (paced = TAILQ_FIRST(&agent->paced); r == 0 && paced; paced = next) {
            next = TAILQ_NEXT(paced, link);
            if (!match(paced->type) || !concerns(p, &paced->sender, &agent->fingerprint, who)) {
                continue;
            }
            const w4_waited waited = w4_waited_of(agent, paced);
            r = w4_router_tell_ended(p, &waited, code);
            w4_agent_unpace_one(agent, paced);
            w4_paced_free(paced);
        }
    }
    return r;
}

static int withdraw_letters(w4_protocol *p, bool (*match)(w4_type type),
                            const w4_fingerprint *who) {
    w4_letter *letter = TAILQ_FIRST(&p->mail.list), *next;
    int r = 0;
    for (; r == 0 && letter; letter = next) {
        next = TAILQ_NEXT(letter, link);
        if (match(letter->type) && concerns(p, &letter->sender, &letter->receiver, who)) {
            r = w4_mail_remove(&p->mail, letter);
            r = r < 0 ? r : 0; /* what a store says is told by the node, which sees its commits */
        }
    }
    return r;
}

int w4_deliveries_withdraw(w4_protocol *p, bool (*match)(w4_type type), const w4_fingerprint *who,
                           w4_refusal code, uint64_t now_us) {
    int r = withdraw_paced(p, match, who, code);
    void *cursor = NULL;
    w4_neighbour *neighbour = w4_neighbour_next(&p->parcels, &cursor), *next_neighbour;
    for (; r == 0 && neighbour; neighbour = next_neighbour) {
        next_neighbour = w4_neighbour_next(&p->parcels, &cursor);
        struct w4_parcel_list *lists[] = {&neighbour->held, &neighbour->sent};
        for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
            w4_parcel *parcel = TAILQ_FIRST(lists[i]), *next;
            for (; r == 0 && parcel; parcel = next) {
                next = TAILQ_NEXT(parcel, link);
                if (match(parcel->type) && concerns(p, &parcel->sender, &parcel->receiver, who)) {
                    r = withdraw_parcel(p, parcel, code, now_us);
                }
            }
        }
    }
    r = r == 0 ? withdraw_letters(p, match, who) : r;
    return r == 0 ? w4_durable_withdraw(p, match, who, code, now_us) : r;
}

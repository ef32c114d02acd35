#include "protocol/delivery/precedence.h"

#include "protocol/delivery/deliveries.h"
#include "protocol/router.h"

uint32_t w4_precedence_agents(const w4_protocol *p, const w4_fingerprint *node) {
    const w4_record *record = w4_graph_find(p->graph, node);
    return record ? record->agent_count : 0;
}

/* Is there an agent that both are for? Zero stands for all at a node. */
static bool have_in_common(const w4_fingerprint *receiver, const w4_fingerprint *other) {
    return w4_fingerprint_is_zero(receiver) || w4_fingerprint_is_zero(other) ||
           w4_fingerprint_equal(receiver, other);
}

/* A letter for one who has left that node, or is not back yet, holds up only what is for that one.
 */
static bool waits_for_same(const w4_protocol *p, const w4_parcel *letter, const w4_parcel *parcel) {
    return w4_fingerprint_equal(&letter->receiver, &parcel->receiver) ||
           (have_in_common(&letter->receiver, &parcel->receiver) &&
            (w4_fingerprint_is_zero(&letter->receiver) ||
             w4_router_has(p, &letter->neighbour->node, &letter->receiver)));
}

bool w4_precedence_has_parked(w4_protocol *p, const w4_parcel *parcel) {
    const w4_parcel *other = NULL;
    uint32_t itself = parcel->state == W4_PARCEL_PARKED ? 1 : 0;
    if (parcel->neighbour->parked > itself) {
        TAILQ_FOREACH (other, &parcel->neighbour->sent, link) {
            if (other != parcel && other->state == W4_PARCEL_PARKED &&
                other->letter <= parcel->after &&
                (parcel->letter != 0 || other->channel == parcel->channel) &&
                w4_fingerprint_equal(&other->sender, &parcel->sender) &&
                waits_for_same(p, other, parcel)) {
                break;
            }
        }
    }
    return other != NULL;
}

bool w4_precedence_is_stale(const w4_protocol *p, const w4_letter *letter, uint64_t now_us) {
    return w4_later(letter->timestamp_us, W4_LETTER_KEEP_US) <= w4_router_wall(p, now_us);
}

bool w4_precedence_is_due(const w4_protocol *p, const w4_letter *letter,
                          const w4_neighbour *neighbour, uint64_t now_us) {
    if (!w4_fingerprint_is_zero(&letter->node) &&
        !w4_trust_book_same(p->trust, &letter->node, &neighbour->node)) {
        return false;
    }
    if (w4_precedence_is_stale(p, letter, now_us)) {
        return false;
    }
    switch (w4_letter_mark_of(letter, &neighbour->node)) {
    case W4_LETTER_OPEN:
        return true;
    case W4_LETTER_BARE:
        return w4_precedence_agents(p, &neighbour->node) > 0;
    case W4_LETTER_SENT:
    case W4_LETTER_DONE:
        break;
    }
    return false;
}

bool w4_precedence_is_behind(w4_protocol *p, const w4_parcel *parcel, uint64_t now_us) {
    w4_neighbour *neighbour = parcel->neighbour;
    const w4_letter *letter;
    while (neighbour->cursor < parcel->letter &&
           (letter = w4_mail_from(&p->mail, neighbour->cursor)) != NULL &&
           letter->number < parcel->letter) {
        if (w4_precedence_is_due(p, letter, neighbour, now_us)) {
            neighbour->resend_us =
                w4_earlier(neighbour->resend_us, w4_later(now_us, W4_RESEND_PAUSE_US));
            w4_router_wake(p, neighbour->resend_us);
            return true;
        }
        neighbour->cursor = letter->number + 1;
    }
    neighbour->cursor = neighbour->cursor > parcel->letter ? neighbour->cursor : parcel->letter;
    return false;
}

bool w4_precedence_gets_past(w4_protocol *p, const w4_parcel *parcel, uint64_t now_us) {
    const w4_letter *letter = w4_mail_from(&p->mail, parcel->neighbour->cursor);
    for (; letter && letter->number <= parcel->after; letter = TAILQ_NEXT(letter, link)) {
        if (letter->channel == parcel->channel &&
            w4_fingerprint_equal(&letter->sender, &parcel->sender) &&
            have_in_common(&letter->receiver, &parcel->receiver) &&
            w4_precedence_is_due(p, letter, parcel->neighbour, now_us)) {
            return true;
        }
    }
    return w4_precedence_has_parked(p, parcel);
}

bool w4_precedence_is_before(const w4_parcel *parcel, const w4_parcel *other) {
    return other->after >= parcel->letter && other->letter != parcel->letter &&
           other->channel == parcel->channel &&
           w4_fingerprint_equal(&other->sender, &parcel->sender) &&
           have_in_common(&other->receiver, &parcel->receiver);
}

/* mixed: only of what is for all where this is for one, or the other way round. */
static bool is_behind_held(const w4_parcel *parcel, bool mixed) {
    bool all = w4_fingerprint_is_zero(&parcel->receiver);
    const w4_parcel *other;
    TAILQ_FOREACH (other, &parcel->neighbour->held, link) {
        if (other == parcel || other->after > parcel->after ||
            (parcel->letter != 0 && other->after == parcel->letter)) {
            return false; /* it and the rest were said later */
        }
        if (!(mixed && all == w4_fingerprint_is_zero(&other->receiver)) &&
            other->channel == parcel->channel &&
            w4_fingerprint_equal(&other->sender, &parcel->sender)) {
            return true;
        }
    }
    return false;
}

bool w4_precedence_overtakes(const w4_parcel *parcel) {
    return is_behind_held(parcel, true);
}

bool w4_precedence_overtakes_any(const w4_parcel *parcel) {
    return is_behind_held(parcel, false);
}

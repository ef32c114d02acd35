#include "protocol/delivery/precedence.h"

#include "protocol/delivery/deliveries.h"
#include "protocol/router.h"

uint32_t w4_precedence_agents(const w4_protocol *p, const w4_fingerprint *node) {
    const w4_record *record = w4_graph_find(p->graph, node);
    return record ? record->agent_count : 0;
}

bool w4_precedence_has_parked(const w4_parcel *parcel) {
    const w4_parcel *other = NULL;
    if (parcel->neighbour->parked > 1) { /* not only this one */
        TAILQ_FOREACH (other, &parcel->neighbour->sent, link) {
            if (other != parcel && other->state == W4_PARCEL_PARKED &&
                w4_fingerprint_equal(&other->sender, &parcel->sender) &&
                w4_fingerprint_equal(&other->receiver, &parcel->receiver)) {
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

bool w4_precedence_overtakes(const w4_parcel *parcel) {
    bool all = w4_fingerprint_is_zero(&parcel->receiver);
    const w4_parcel *other;
    TAILQ_FOREACH (other, &parcel->neighbour->held, link) {
        if (other == parcel || (parcel->letter != 0 && other->letter > parcel->letter)) {
            return false;
        }
        if (all != w4_fingerprint_is_zero(&other->receiver) && other->channel == parcel->channel &&
            w4_fingerprint_equal(&other->sender, &parcel->sender)) {
            return true;
        }
    }
    return false;
}

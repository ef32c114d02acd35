#include "protocol/delivery/parcels.h"

#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct parcel_tickets {
    uint64_t ticket;
    w4_parcel *parcel;
    UT_hash_handle hh;
} parcel_tickets;

typedef struct neighbour_table {
    w4_neighbour neighbour; /* key: its node */
    UT_hash_handle hh;
} neighbour_table;

/* What one sender has of all parcels. */
typedef struct parcel_senders {
    w4_fingerprint sender;
    uint32_t count;
    size_t bytes;
    UT_hash_handle hh;
} parcel_senders;

/* ---- neighbours */

w4_neighbour *w4_neighbour_find(const w4_parcels *parcels, const w4_fingerprint *node) {
    neighbour_table *found = NULL;
    HASH_FIND(hh, parcels->neighbours, node, sizeof *node, found);
    return found ? &found->neighbour : NULL;
}

w4_neighbour *w4_neighbour_get(w4_parcels *parcels, const w4_fingerprint *node) {
    w4_neighbour *known = w4_neighbour_find(parcels, node);
    if (known || HASH_COUNT(parcels->neighbours) >= W4_NEIGHBOURS_MAX) {
        return known;
    }
    neighbour_table *row = calloc(1, sizeof *row);
    if (!row) {
        return NULL;
    }
    w4_neighbour *neighbour = &row->neighbour;
    neighbour->node = *node;
    neighbour->resend_us = UINT64_MAX;
    neighbour->due_us = UINT64_MAX;
    neighbour->handle = row;
    TAILQ_INIT(&neighbour->held);
    TAILQ_INIT(&neighbour->sent);
    for (size_t kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        TAILQ_INIT(&neighbour->crowds[kind]);
    }
    HASH_ADD(hh, parcels->neighbours, neighbour.node, sizeof row->neighbour.node, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return neighbour;
}

w4_neighbour *w4_neighbour_next(const w4_parcels *parcels, void **cursor) {
    neighbour_table *row = *cursor;
    row = row ? row->hh.next : parcels->neighbours;
    *cursor = row;
    return row ? &row->neighbour : NULL;
}

void w4_neighbour_tidy(w4_parcels *parcels, w4_neighbour *neighbour) {
    bool has_any = !TAILQ_EMPTY(&neighbour->held) || !TAILQ_EMPTY(&neighbour->sent);
    for (size_t kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        has_any = has_any || !TAILQ_EMPTY(&neighbour->crowds[kind]);
    }
    if (!neighbour->up && !has_any) {
        neighbour_table *row = neighbour->handle;
        HASH_DEL(parcels->neighbours, row);
        free(row);
    }
}

/* ---- senders */

static parcel_senders *sender_get(w4_parcels *parcels, const w4_fingerprint *sender) {
    parcel_senders *row = NULL;
    HASH_FIND(hh, parcels->senders, sender, sizeof *sender, row);
    if (row) {
        return row;
    }
    row = calloc(1, sizeof *row);
    if (!row) {
        return NULL;
    }
    row->sender = *sender;
    HASH_ADD(hh, parcels->senders, sender, sizeof row->sender, row);
    if (!row->hh.tbl) {
        free(row);
        return NULL;
    }
    return row;
}

static void sender_tidy(w4_parcels *parcels, parcel_senders *row) {
    if (row->count == 0) {
        HASH_DEL(parcels->senders, row);
        free(row);
    }
}

/* ---- parcels */

/* FNV-1a. Whoever sends chooses the msg_id, and has but himself to wait for what it leads to. */
static unsigned row_of(const w4_neighbour *neighbour, const char *msg_id) {
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sizeof neighbour->node.bytes; i++) {
        hash = (hash ^ neighbour->node.bytes[i]) * UINT64_C(1099511628211);
    }
    for (; *msg_id; msg_id++) {
        hash = (hash ^ (uint8_t)*msg_id) * UINT64_C(1099511628211);
    }
    return (unsigned)((hash ^ hash >> 32) % W4_PARCEL_ROWS);
}

int w4_parcel_new(w4_parcels *parcels, const w4_parcel *draft, w4_parcel **ret_parcel) {
    parcel_senders *sender = sender_get(parcels, &draft->sender);
    if (!sender) {
        return -ENOMEM;
    }
    w4_parcel *parcel = NULL;
    int r = sender->count >= W4_PARCELS_MAX - parcels->count ? 1 : 0;
    if (r == 0 && (parcel = malloc(sizeof *parcel)) == NULL) {
        r = -ENOMEM;
    }
    if (r != 0) {
        sender_tidy(parcels, sender);
        return r;
    }
    *parcel = *draft;
    parcel->state = W4_PARCEL_PARKED;
    parcel->envelope = NULL;
    parcel->by_ticket = NULL;
    parcel->of_sender = sender;
    parcel->waits = false;
    parcel->policy = W4_OVERFLOW_COUNT;
    parcel->neighbour->parked++;
    parcel->neighbour->letters[parcel->channel] += parcel->letter != 0;
    TAILQ_INSERT_TAIL(&parcel->neighbour->sent, parcel, link);
    LIST_INSERT_HEAD(&parcels->rows[row_of(parcel->neighbour, parcel->msg_id)], parcel, row);
    sender->count++;
    parcels->count++;
    w4_parcel_due(parcel, parcel->deadline_us);
    *ret_parcel = parcel;
    return 0;
}

void w4_parcel_due(w4_parcel *parcel, uint64_t at_us) {
    w4_neighbour *neighbour = parcel->neighbour;
    neighbour->due_us = at_us < neighbour->due_us ? at_us : neighbour->due_us;
}

void w4_parcel_set_waits(w4_parcels *parcels, w4_parcel *parcel, bool waits) {
    if (waits == parcel->waits || (waits && parcel->again)) {
        return;
    }
    parcel->waits = waits;
    parcels->waits_turn++;
    if (waits) {
        LIST_INSERT_HEAD(&parcels->waiting, parcel, wait);
    } else {
        LIST_REMOVE(parcel, wait);
    }
}

bool w4_parcels_wait(const w4_parcels *parcels, const w4_fingerprint *sender) {
    const w4_parcel *parcel;
    LIST_FOREACH (parcel, &parcels->waiting, wait) {
        if (w4_fingerprint_equal(&parcel->sender, sender)) {
            return true;
        }
    }
    return false;
}

/* Takes it out of the list and state that it is in. */
static void take_out(w4_parcels *parcels, w4_parcel *parcel) {
    w4_neighbour *neighbour = parcel->neighbour;
    w4_parcel_set_waits(parcels, parcel, false);
    switch (parcel->state) {
    case W4_PARCEL_HELD:
        TAILQ_REMOVE(&neighbour->held, parcel, link);
        parcels->bytes -= parcel->envelope->len;
        ((parcel_senders *)parcel->of_sender)->bytes -= parcel->envelope->len;
        parcel->envelope = w4_blob_unref(parcel->envelope);
        break;
    case W4_PARCEL_FLYING: {
        parcel_tickets *entry = parcel->by_ticket;
        HASH_DEL(parcels->tickets, entry);
        free(entry);
        parcel->by_ticket = NULL;
        neighbour->kept_flying -= parcel->kept ? 1 : 0;
        TAILQ_REMOVE(&neighbour->sent, parcel, link);
        break;
    }
    case W4_PARCEL_PARKED:
        neighbour->parked--;
        TAILQ_REMOVE(&neighbour->sent, parcel, link);
        break;
    case W4_PARCEL_THERE:
        neighbour->there--;
        TAILQ_REMOVE(&neighbour->sent, parcel, link);
        break;
    case W4_PARCEL_STATE_COUNT: /* in no list */
        break;
    }
    parcel->recalled = false;
    parcel->state = W4_PARCEL_STATE_COUNT;
}

void w4_parcel_free(w4_parcels *parcels, w4_parcel *parcel) {
    parcel_senders *sender = parcel->of_sender;
    take_out(parcels, parcel);
    LIST_REMOVE(parcel, row);
    parcel->neighbour->letters[parcel->channel] -= parcel->letter != 0;
    sender->count--;
    sender_tidy(parcels, sender);
    parcels->count--;
    free(parcel);
}

/* Behind what was said earlier and is in the same state, mostly at the end. Its letter may have
 * gone while it flew: that is looked at soon. */
static void insert(struct w4_parcel_list *list, w4_parcel *parcel) {
    w4_parcel *other = TAILQ_LAST(list, w4_parcel_list);
    w4_parcel_due(parcel, parcel->letter != 0 ? 0 : parcel->deadline_us);
    w4_parcel *younger = NULL;
    for (; other; other = TAILQ_PREV(other, w4_parcel_list, link)) {
        if (other->state != parcel->state) {
            continue;
        }
        if (other->after < parcel->after || (other->after == parcel->after && !parcel->letter)) {
            break;
        }
        younger = other;
    }
    if (younger) {
        TAILQ_INSERT_BEFORE(younger, parcel, link);
    } else {
        TAILQ_INSERT_TAIL(list, parcel, link);
    }
}

int w4_parcel_hold(w4_parcels *parcels, w4_parcel *parcel, w4_blob *envelope) {
    parcel_senders *sender = parcel->of_sender;
    w4_blob_ref(envelope);
    take_out(parcels, parcel);
    if (sender->bytes + envelope->len > W4_PARCELS_BYTES_MAX - parcels->bytes) {
        w4_blob_unref(envelope);
        return 1;
    }
    parcel->envelope = envelope;
    parcel->state = W4_PARCEL_HELD;
    parcels->bytes += envelope->len;
    sender->bytes += envelope->len;
    insert(&parcel->neighbour->held, parcel);
    return 0;
}

int w4_parcel_fly(w4_parcels *parcels, w4_parcel *parcel, uint64_t *ret_ticket) {
    parcel_tickets *entry = calloc(1, sizeof *entry);
    if (!entry) {
        return -ENOMEM;
    }
    entry->ticket = w4_parcels_ticket(parcels);
    entry->parcel = parcel;
    HASH_ADD(hh, parcels->tickets, ticket, sizeof entry->ticket, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return -ENOMEM;
    }
    take_out(parcels, parcel);
    parcel->by_ticket = entry;
    parcel->ticket = entry->ticket;
    parcel->state = W4_PARCEL_FLYING;
    parcel->neighbour->kept_flying += parcel->kept ? 1 : 0;
    TAILQ_INSERT_TAIL(&parcel->neighbour->sent, parcel, link);
    *ret_ticket = entry->ticket;
    return 0;
}

void w4_parcel_park(w4_parcels *parcels, w4_parcel *parcel) {
    take_out(parcels, parcel);
    parcel->state = W4_PARCEL_PARKED;
    parcel->stays = false; /* said of a flight that came to nothing */
    parcel->neighbour->parked++;
    insert(&parcel->neighbour->sent, parcel);
}

void w4_parcel_stay(w4_parcels *parcels, w4_parcel *parcel) {
    take_out(parcels, parcel);
    parcel->neighbour->letters[parcel->channel] -= parcel->letter != 0;
    parcel->letter = 0;
    parcel->state = W4_PARCEL_THERE;
    parcel->neighbour->there++;
    TAILQ_INSERT_TAIL(&parcel->neighbour->sent, parcel, link);
}

void w4_parcel_move(w4_parcels *parcels, w4_parcel *parcel, w4_neighbour *neighbour) {
    take_out(parcels, parcel);
    LIST_REMOVE(parcel, row);
    parcel->neighbour->letters[parcel->channel] -= parcel->letter != 0;
    parcel->neighbour = neighbour;
    neighbour->letters[parcel->channel] += parcel->letter != 0;
    LIST_INSERT_HEAD(&parcels->rows[row_of(neighbour, parcel->msg_id)], parcel, row);
    w4_parcel_due(parcel, parcel->deadline_us);
    w4_parcel_park(parcels, parcel);
}

w4_parcel *w4_parcel_find(const w4_parcels *parcels, uint64_t ticket) {
    parcel_tickets *found = NULL;
    HASH_FIND(hh, parcels->tickets, &ticket, sizeof ticket, found);
    return found ? found->parcel : NULL;
}

w4_parcel *w4_parcel_find_sent(const w4_parcels *parcels, const w4_neighbour *neighbour,
                               const w4_fingerprint *sender, const w4_fingerprint *receiver,
                               const char *msg_id) {
    w4_parcel *parcel;
    LIST_FOREACH (parcel, &parcels->rows[row_of(neighbour, msg_id)], row) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who was freed left its row before */
        if (parcel->neighbour == neighbour && parcel->state != W4_PARCEL_HELD &&
            strcmp(parcel->msg_id, msg_id) == 0 && w4_fingerprint_equal(&parcel->sender, sender) &&
            w4_fingerprint_equal(&parcel->receiver, receiver)) {
            return parcel;
        }
    }
    return NULL;
}

uint64_t w4_parcels_ticket(w4_parcels *parcels) {
    return ++parcels->last_ticket;
}

uint32_t w4_parcels_held(const w4_neighbour *neighbour, const w4_fingerprint *sender) {
    uint32_t count = 0;
    const w4_parcel *parcel;
    TAILQ_FOREACH (parcel, &neighbour->held, link) {
        count += w4_fingerprint_equal(&parcel->sender, sender) ? 1 : 0;
    }
    return count;
}

void w4_parcels_deinit(w4_parcels *parcels) {
    neighbour_table *row, *next_row;
    HASH_ITER (hh, parcels->neighbours, row, next_row) {
        struct w4_parcel_list *lists[] = {&row->neighbour.held, &row->neighbour.sent};
        for (size_t i = 0; i < 2; i++) {
            w4_parcel *parcel;
            while ((parcel = TAILQ_FIRST(lists[i])) != NULL) {
                /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the freed one left the list before */
                w4_parcel_free(parcels, parcel);
            }
        }
        HASH_DEL(parcels->neighbours, row);
        free(row);
    }
}

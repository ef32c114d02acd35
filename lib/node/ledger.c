#define HASH_NONFATAL_OOM 1

#include "node/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

typedef struct row {
    UT_hash_handle hh;
    TAILQ_ENTRY(row) changed; /* the one that changed last is the last */
    w4_fingerprint peer;
    w4_channel_stats stats[W4_CHANNEL_KIND_COUNT];
} row;

TAILQ_HEAD(rows, row);

struct w4_ledger {
    row *by_peer;
    struct rows rows;
    w4_channel_stats others[W4_CHANNEL_KIND_COUNT];
};

int w4_ledger_new(w4_ledger **ret_ledger) {
    w4_ledger *ledger = (w4_ledger *)calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return -ENOMEM;
    }
    TAILQ_INIT(&ledger->rows);
    *ret_ledger = ledger;
    return 0;
}

static void row_free(w4_ledger *ledger, row *r) {
    HASH_DEL(ledger->by_peer, r);
    TAILQ_REMOVE(&ledger->rows, r, changed);
    free(r);
}

w4_ledger *w4_ledger_free(w4_ledger *ledger) {
    if (ledger != NULL) {
        while (!TAILQ_EMPTY(&ledger->rows)) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
            row_free(ledger, TAILQ_FIRST(&ledger->rows));
        }
        free(ledger);
    }
    return NULL;
}

void w4_channel_stats_add(w4_channel_stats *s, const w4_channel_stats *more) {
    s->attempted += more->attempted;
    s->enqueued += more->enqueued;
    s->delivered += more->delivered;
    s->dropped_oldest += more->dropped_oldest;
    s->dropped_newest += more->dropped_newest;
    s->blocked += more->blocked;
    s->errors += more->errors;
    s->overflow_events += more->overflow_events;
    s->failed += more->failed;
    s->retransmitted += more->retransmitted;
    s->duplicates += more->duplicates;
    s->bytes_out += more->bytes_out;
    s->bytes_in += more->bytes_in;
    s->messages_in += more->messages_in;
    s->queued += more->queued;
    s->in_flight += more->in_flight;
    s->waiting += more->waiting;
    s->queued_bytes += more->queued_bytes;
    s->waiting_bytes += more->waiting_bytes;
    s->max_queue_len =
        more->max_queue_len > s->max_queue_len ? more->max_queue_len : s->max_queue_len;
}

static row *find(const w4_ledger *ledger, const w4_fingerprint *peer) {
    row *found = NULL;
    HASH_FIND(hh, ledger->by_peer, peer, sizeof *peer, found);
    return found;
}

static row *row_new(w4_ledger *ledger, const w4_fingerprint *peer) {
    if (HASH_COUNT(ledger->by_peer) >= W4_LEDGER_PEERS_MAX) {
        row *oldest = TAILQ_FIRST(&ledger->rows);
        for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
            w4_channel_stats_add(&ledger->others[kind], &oldest->stats[kind]);
        }
        row_free(ledger, oldest);
    }
    row *r = (row *)calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->peer = *peer;
    HASH_ADD(hh, ledger->by_peer, peer, sizeof r->peer, r);
    if (r->hh.tbl == NULL) {
        free(r);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&ledger->rows, r, changed);
    return r;
}

static w4_channel_stats *stats_of(w4_ledger *ledger, const w4_fingerprint *peer,
                                  w4_channel_kind kind) {
    row *r = find(ledger, peer);
    if (r == NULL) {
        r = row_new(ledger, peer);
    } else {
        TAILQ_REMOVE(&ledger->rows, r, changed);
        TAILQ_INSERT_TAIL(&ledger->rows, r, changed);
    }
    return r == NULL ? &ledger->others[kind] : &r->stats[kind];
}

void w4_ledger_add(w4_ledger *ledger, const w4_fingerprint *peer, w4_channel_kind kind,
                   const w4_channel_stats *stats) {
    if (stats->attempted + stats->bytes_in + stats->overflow_events + stats->duplicates > 0) {
        w4_channel_stats_add(stats_of(ledger, peer, kind), stats);
    }
}

void w4_ledger_count_error(w4_ledger *ledger, const w4_fingerprint *peer, w4_channel_kind kind) {
    w4_channel_stats *stats = stats_of(ledger, peer, kind);
    stats->attempted++;
    stats->errors++;
}

w4_channel_stats w4_ledger_get(const w4_ledger *ledger, const w4_fingerprint *peer,
                               w4_channel_kind kind) {
    if (peer == NULL) {
        return ledger->others[kind];
    }
    const row *r = find(ledger, peer);
    return r == NULL ? (w4_channel_stats){0} : r->stats[kind];
}

#include "protocol/humans/rapport.h"

#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

typedef struct entry {
    w4_rapport rapport; /* first: one is the other; begins with the key */
    TAILQ_ENTRY(entry) by_use;
    UT_hash_handle hh;
} entry;

TAILQ_HEAD(entry_list, entry);
struct w4_rapports {
    entry *map;
    struct entry_list by_use;
};

typedef struct pair_key {
    w4_fingerprint pair[2];
} pair_key;

static pair_key key_of(const w4_fingerprint *a, const w4_fingerprint *b) {
    bool swapped = memcmp(a->bytes, b->bytes, W4_FINGERPRINT_LEN) > 0;
    return swapped ? (pair_key){{*b, *a}} : (pair_key){{*a, *b}};
}

int w4_rapports_new(w4_rapports **ret_rapports) {
    w4_rapports *rapports = calloc(1, sizeof *rapports);
    if (!rapports) {
        return -ENOMEM;
    }
    TAILQ_INIT(&rapports->by_use);
    *ret_rapports = rapports;
    return 0;
}

static void drop(w4_rapports *rapports, entry *e) {
    HASH_DEL(rapports->map, e);
    TAILQ_REMOVE(&rapports->by_use, e, by_use);
    free(e);
}

w4_rapports *w4_rapports_free(w4_rapports *rapports) {
    if (rapports) {
        entry *e, *next;
        HASH_ITER (hh, rapports->map, e, next) {
            drop(rapports, e);
        }
        free(rapports);
    }
    return NULL;
}

static entry *find(const w4_rapports *rapports, const pair_key *key) {
    entry *e = NULL;
    HASH_FIND(hh, rapports->map, key, sizeof *key, e);
    return e;
}

w4_rapport *w4_rapports_find(const w4_rapports *rapports, const w4_fingerprint *a,
                             const w4_fingerprint *b) {
    pair_key key = key_of(a, b);
    entry *e = find(rapports, &key);
    return e ? &e->rapport : NULL;
}

w4_rapport *w4_rapports_get(w4_rapports *rapports, const w4_fingerprint *a,
                            const w4_fingerprint *b) {
    pair_key key = key_of(a, b);
    entry *e = find(rapports, &key);
    if (e) {
        TAILQ_REMOVE(&rapports->by_use, e, by_use);
        TAILQ_INSERT_TAIL(&rapports->by_use, e, by_use);
        return &e->rapport;
    }
    if (HASH_COUNT(rapports->map) >= W4_RAPPORTS_MAX) {
        drop(rapports, TAILQ_FIRST(&rapports->by_use));
    }
    e = calloc(1, sizeof *e);
    if (!e) {
        return NULL;
    }
    memcpy(e->rapport.pair, key.pair, sizeof e->rapport.pair);
    HASH_ADD(hh, rapports->map, rapport.pair, sizeof e->rapport.pair, e);
    if (!e->hh.tbl) {
        free(e);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&rapports->by_use, e, by_use);
    return &e->rapport;
}

static unsigned side_of(const w4_rapport *rapport, const w4_fingerprint *who) {
    return w4_fingerprint_equal(&rapport->pair[0], who) ? 0 : 1;
}

void w4_rapport_ask(w4_rapport *rapport, const w4_fingerprint *asker) {
    rapport->asked[side_of(rapport, asker)] = true;
}

void w4_rapport_answer(w4_rapport *rapport, const w4_fingerprint *asker, uint64_t now_us) {
    unsigned side = side_of(rapport, asker);
    if (rapport->asked[side]) {
        rapport->answered_us[side] = now_us;
        rapport->asked[side] = false; /* one answer to one question */
    }
}

bool w4_rapport_checked_in(const w4_rapport *rapport, const w4_fingerprint *asker,
                           uint64_t now_us) {
    if (!rapport) {
        return false;
    }
    uint64_t answered_us = rapport->answered_us[side_of(rapport, asker)];
    return answered_us != 0 && now_us <= w4_later(answered_us, W4_CHECK_IN_LIFE_US);
}

#include "protocol/evidence/known_keys.h"

#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#define LOOKS_MAX 1024u

typedef struct known_key {
    w4_fingerprint fingerprint;
    w4_pubkey key;
    TAILQ_ENTRY(known_key) by_use;
    UT_hash_handle hh;
} known_key;

TAILQ_HEAD(known_key_list, known_key);
struct w4_known_keys {
    known_key *map;
    struct known_key_list by_use; /* longest ago first */
};

int w4_known_keys_new(w4_known_keys **ret_keys) {
    w4_known_keys *keys = calloc(1, sizeof *keys);
    if (!keys) {
        return -ENOMEM;
    }
    TAILQ_INIT(&keys->by_use);
    *ret_keys = keys;
    return 0;
}

static void drop(w4_known_keys *keys, known_key *known) {
    HASH_DEL(keys->map, known);
    TAILQ_REMOVE(&keys->by_use, known, by_use);
    free(known);
}

w4_known_keys *w4_known_keys_free(w4_known_keys *keys) {
    if (keys) {
        known_key *known;
        while ((known = TAILQ_FIRST(&keys->by_use)) != NULL) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
            drop(keys, known);
        }
        free(keys);
    }
    return NULL;
}

static known_key *find(const w4_known_keys *keys, const w4_fingerprint *fingerprint) {
    known_key *known = NULL;
    HASH_FIND(hh, keys->map, fingerprint, sizeof *fingerprint, known);
    return known;
}

static known_key *use(w4_known_keys *keys, const w4_fingerprint *fingerprint) {
    known_key *known = find(keys, fingerprint);
    if (known) {
        TAILQ_REMOVE(&keys->by_use, known, by_use);
        TAILQ_INSERT_TAIL(&keys->by_use, known, by_use);
    }
    return known;
}

/* The oldest that does not matter. Those looked at in vain become the newest, so that later calls
 * get round to others; where all of them matter the last of them goes. */
static void make_room(w4_known_keys *keys, w4_known_keys_matters matters, const void *context) {
    for (unsigned looks = 1; looks < LOOKS_MAX; looks++) {
        known_key *oldest = TAILQ_FIRST(&keys->by_use);
        if (!matters(context, &oldest->fingerprint)) {
            break;
        }
        (void)use(keys, &oldest->fingerprint);
    }
    drop(keys, TAILQ_FIRST(&keys->by_use));
}

int w4_known_keys_learn(w4_known_keys *keys, const w4_fingerprint *fingerprint,
                        const w4_pubkey *key, w4_known_keys_matters matters, const void *context) {
    if (use(keys, fingerprint)) {
        return 0; /* a fingerprint has one key only */
    }
    if (HASH_COUNT(keys->map) >= W4_KNOWN_KEYS_MAX) {
        make_room(keys, matters, context);
    }
    known_key *known = calloc(1, sizeof *known);
    if (!known) {
        return -ENOMEM;
    }
    known->fingerprint = *fingerprint;
    known->key = *key;
    HASH_ADD(hh, keys->map, fingerprint, sizeof known->fingerprint, known);
    if (!known->hh.tbl) {
        free(known);
        return -ENOMEM;
    }
    TAILQ_INSERT_TAIL(&keys->by_use, known, by_use);
    return 0;
}

const w4_pubkey *w4_known_keys_find(w4_known_keys *keys, const w4_fingerprint *fingerprint) {
    known_key *known = use(keys, fingerprint);
    return known ? &known->key : NULL;
}

const w4_pubkey *w4_known_keys_look(const w4_known_keys *keys, const w4_fingerprint *fingerprint) {
    const known_key *known = find(keys, fingerprint);
    return known ? &known->key : NULL;
}

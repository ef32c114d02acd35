/* Which key follows which, and which are revoked: what the documents of key_document.h say, taken
 * together. It judges documents that are read and proven; the owner stores them, and asks.
 *
 * Rules. A key has one successor and succeeds one key, chains are bounded and have no circles. Of
 * two successions of one key the first that is known here stands; one rival is kept beside it, as
 * the proof that the key signed two. A revoked key names no successor any more; what it named
 * before stands. A revocation is in force when the key itself signed it, a later key of the same
 * identity that is not revoked, this node, or a node that is an anchor here; others of nodes that
 * are known are kept and passed on, and judged again when anything of that changes.
 *
 * Bounded: documents of keys that do not matter here have places of their own, where the oldest
 * make room for new ones. */
#pragma once

#include "trust/key_document.h"

#define W4_KEYRING_CHAIN_MAX 32u /* keys of one identity */
#define W4_KEYRING_REVOCATIONS_OF_KEY 4u
#define W4_KEYRING_STRANGERS_MAX 1024u /* documents of keys that do not matter here */
#define W4_KEYRING_SUCCESSIONS_MAX 4096u
#define W4_KEYRING_REVOCATIONS_MAX 16384u
#define W4_KEYRING_PARTS 64u
#define W4_KEYRING_SUM_LEN 16u

typedef struct w4_keyring w4_keyring;

/* By whose word a key is revoked. */
typedef enum w4_key_authority {
    W4_KEY_BY_NOBODY,    /* whose word counts here, or is passed on */
    W4_KEY_BY_HEARSAY,   /* a node that is known: it is passed on, and does not count here */
    W4_KEY_BY_ITSELF,    /* the key signed it */
    W4_KEY_BY_SUCCESSOR, /* a later key of the same identity */
    W4_KEY_BY_ANCHOR,    /* a node that is an anchor here */
    W4_KEY_BY_OPERATOR,  /* this node, so whoever runs it */
    W4_KEY_AUTHORITY_COUNT
} w4_key_authority;
const char *w4_key_authority_name(w4_key_authority authority); /* "itself", ... */

typedef struct w4_keyring_rules {
    void *context;
    /* Is anything held of that key here that a stranger's documents must not drive out? */
    bool (*matters)(void *context, const w4_fingerprint *key);
    /* What the word of that key counts for where it is neither the key itself nor a later one:
     * NOBODY, HEARSAY, ANCHOR or OPERATOR. */
    w4_key_authority (*authority)(void *context, const w4_fingerprint *signer);
} w4_keyring_rules;

int w4_keyring_new(const w4_keyring_rules *rules, w4_keyring **ret_ring); /* 0 or -ENOMEM */
w4_keyring *w4_keyring_free(w4_keyring *ring);

/* How a document is kept; also the first byte of its row in the store. */
typedef enum w4_key_place {
    W4_KEY_PLACE_SUCCESSION = 1,
    W4_KEY_PLACE_REVOCATION = 2,
    W4_KEY_PLACE_RIVAL = 3,   /* a second succession of one key */
    W4_KEY_PLACE_HEARSAY = 4, /* a revocation that does not count here */
} w4_key_place;
#define W4_KEY_PLACES 4u
/* In the order in which they are to be taken: what is said last counts by what was said first. */
extern const w4_key_place w4_key_places[W4_KEY_PLACES];

typedef enum w4_keyring_verdict {
    W4_KEYRING_TAKEN, /* in force from now on */
    W4_KEYRING_KEPT,  /* kept, and in force it is not: a rival, or hearsay */
    W4_KEYRING_KNOWN, /* nothing is new */
    W4_KEYRING_REFUSED
} w4_keyring_verdict;

typedef struct w4_keyring_result {
    w4_keyring_verdict verdict;
    w4_fingerprint subject;
    w4_key_place place;         /* TAKEN, KEPT */
    w4_key_authority authority; /* of a revocation */
    bool first;                 /* TAKEN, a revocation: the key was not revoked before */
    w4_refusal code;            /* REFUSED */
    const char *pointer, *expected;
} w4_keyring_result;

/* 0 or -ENOMEM. Documents that gave way are to be popped afterwards. */
int w4_keyring_take(w4_keyring *ring, const w4_key_document *document,
                    w4_keyring_result *ret_result);
/* At the start, from the store, in the order of w4_key_places.
 * What was in force stays so. 0, -ENOMEM, or 1: it cannot stand there. */
int w4_keyring_load(w4_keyring *ring, const w4_key_document *document, w4_key_place place);

/* A revocation that was hearsay and is in force now: it moves in the store. */
typedef struct w4_key_judged {
    w4_fingerprint key;
    uint8_t id[W4_KEY_DOCUMENT_ID_LEN];
    w4_bytes text;
} w4_key_judged;
/* One after the other, after each document that was taken. False: no more. */
bool w4_keyring_judge(w4_keyring *ring, w4_key_judged *ret_judged);
void w4_keyring_judge_again(w4_keyring *ring); /* who is an anchor here has changed */

typedef struct w4_key_row {
    w4_key_place place;
    uint8_t id[W4_KEY_DOCUMENT_ID_LEN];
    w4_fingerprint subject;
} w4_key_row;
bool w4_keyring_pop_dropped(w4_keyring *ring, w4_key_row *ret_row);

/* ---- asking */
typedef struct w4_key_info {
    w4_fingerprint key;
    w4_key_kind of;
    bool succeeds; /* another key: predecessor, since succeeded_us */
    w4_fingerprint predecessor;
    uint64_t succeeded_us;
    bool replaced; /* by successor, at replaced_us as its document says */
    w4_fingerprint successor;
    uint64_t replaced_us;
    bool disputed; /* another succession of it is known */
    w4_fingerprint rival;
    bool revoked;
    w4_key_authority authority;
    w4_fingerprint revoked_by;
    uint64_t revoked_us;
    const char *reason; /* borrowed until the ring changes */
    bool doubted; /* a node that is known here says it is revoked, whose word does not count */
    w4_fingerprint doubted_by;
    uint64_t doubted_us;
    const char *doubt; /* its reason; borrowed as well */
} w4_key_info;
/* False: no document speaks of it. */
bool w4_keyring_find(const w4_keyring *ring, const w4_fingerprint *key, w4_key_info *ret_info);
bool w4_keyring_revoked(const w4_keyring *ring, const w4_fingerprint *key);
/* The first and the last key of its identity; itself where nothing is known of it. */
w4_fingerprint w4_keyring_root(const w4_keyring *ring, const w4_fingerprint *key);
w4_fingerprint w4_keyring_current(const w4_keyring *ring, const w4_fingerprint *key);
/* The succession by which it was replaced; false: there is none. */
struct w4_key_text;
bool w4_keyring_succession(const w4_keyring *ring, const w4_fingerprint *key,
                           struct w4_key_text *ret_text);
/* The key itself, where it has signed a succession, or was named by one. NULL: not known here. */
const w4_pubkey *w4_keyring_pubkey(const w4_keyring *ring, const w4_fingerprint *key);

/* Keys of which documents speak, one after the other; *cursor starts at NULL. */
bool w4_keyring_next(const w4_keyring *ring, const void **cursor, w4_key_info *ret_info);
uint32_t w4_keyring_count(const w4_keyring *ring); /* documents */
size_t w4_keyring_memory(const w4_keyring *ring);

/* ---- comparing with other nodes: documents by their ids, in parts by the first digits. */
static inline unsigned w4_keyring_part_of(const uint8_t *id) {
    return id[0] >> 2;
}
void w4_keyring_sum(const w4_keyring *ring, unsigned part,
                    uint8_t ret_sum[static W4_KEYRING_SUM_LEN]);
typedef struct w4_key_text {
    w4_key_place place;
    uint8_t id[W4_KEY_DOCUMENT_ID_LEN];
    w4_bytes text;
} w4_key_text;
/* The documents of one part; *cursor starts at NULL. */
bool w4_keyring_next_text(const w4_keyring *ring, unsigned part, const void **cursor,
                          w4_key_text *ret_text);

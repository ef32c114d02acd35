#include "trust/keyring.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#undef HASH_FUNCTION
#define HASH_FUNCTION(KEY, LEN, HASH) ((HASH) = w4_table_hash((KEY), (LEN)))
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define LOOKS_MAX 16u /* at strangers that turned out to matter, for one place */

static const char *const authority_names[W4_KEY_AUTHORITY_COUNT] = {
    [W4_KEY_BY_NOBODY] = "nobody", [W4_KEY_BY_HEARSAY] = "hearsay",
    [W4_KEY_BY_ITSELF] = "itself", [W4_KEY_BY_SUCCESSOR] = "successor",
    [W4_KEY_BY_ANCHOR] = "anchor", [W4_KEY_BY_OPERATOR] = "operator",
};

const w4_key_place w4_key_places[W4_KEY_PLACES] = {W4_KEY_PLACE_SUCCESSION, W4_KEY_PLACE_RIVAL,
                                                   W4_KEY_PLACE_REVOCATION, W4_KEY_PLACE_HEARSAY};

const char *w4_key_authority_name(w4_key_authority authority) {
    assert(authority < W4_KEY_AUTHORITY_COUNT);
    return authority_names[authority];
}

typedef struct ring_key ring_key;

/* A document that is kept. */
typedef struct ring_document {
    w4_key_place place;
    uint8_t id[W4_KEY_DOCUMENT_ID_LEN];
    ring_key *subject;
    w4_fingerprint about; /* its fingerprint */
    w4_fingerprint other; /* the successor, or who signed the revocation */
    uint64_t made_us;
    w4_key_authority authority; /* of a revocation */
    bool stranger;
    TAILQ_ENTRY(ring_document) of_part;
    TAILQ_ENTRY(ring_document) of_strangers; /* dropped: of those */
    size_t len;
    char reason[W4_KEY_REASON_MAX + 1];
    uint8_t text[];
} ring_document;
TAILQ_HEAD(ring_documents, ring_document);

/* A key that documents speak of. */
struct ring_key {
    w4_fingerprint fingerprint;
    w4_key_kind of;
    bool has_key; /* pubkey is known */
    w4_pubkey pubkey;
    ring_key *predecessor, *successor;
    ring_document *succession, *rival;
    ring_document *revocations[W4_KEYRING_REVOCATIONS_OF_KEY];
    const ring_document *revoked; /* the one by which it is; NULL: it is not */
    UT_hash_handle hh;
};

struct w4_keyring {
    w4_keyring_rules rules;
    ring_key *keys;
    struct ring_documents parts[W4_KEYRING_PARTS];
    uint8_t sums[W4_KEYRING_PARTS][W4_KEYRING_SUM_LEN];
    struct ring_documents strangers;                   /* the oldest first */
    uint32_t stranger_count, successions, revocations; /* the last two without strangers */
    uint32_t hearsay;
    struct ring_documents dropped;
    size_t bytes;
    bool unjudged; /* something has changed that hearsay may hang on */
};

int w4_keyring_new(const w4_keyring_rules *rules, w4_keyring **ret_ring) {
    w4_keyring *ring = calloc(1, sizeof *ring);
    if (!ring) {
        return -ENOMEM;
    }
    ring->rules = *rules;
    for (unsigned i = 0; i < W4_KEYRING_PARTS; i++) {
        TAILQ_INIT(&ring->parts[i]);
    }
    TAILQ_INIT(&ring->strangers);
    TAILQ_INIT(&ring->dropped);
    *ret_ring = ring;
    return 0;
}

w4_keyring *w4_keyring_free(w4_keyring *ring) {
    if (!ring) {
        return NULL;
    }
    ring_document *d;
    for (unsigned i = 0; i <= W4_KEYRING_PARTS; i++) {
        struct ring_documents *list = i < W4_KEYRING_PARTS ? &ring->parts[i] : &ring->dropped;
        while ((d = TAILQ_FIRST(list)) != NULL) {
            if (i < W4_KEYRING_PARTS) {
                TAILQ_REMOVE(list, d, of_part);
            } else {
                TAILQ_REMOVE(list, d, of_strangers);
            }
            free(d);
        }
    }
    ring_key *key = ring->keys, *next;
    HASH_CLEAR(hh, ring->keys);
    for (; key; key = next) {
        next = key->hh.next;
        free(key);
    }
    free(ring);
    return NULL;
}

/* ---- keys */

static ring_key *find(const w4_keyring *ring, const w4_fingerprint *fingerprint) {
    ring_key *found = NULL;
    HASH_FIND(hh, ring->keys, fingerprint, sizeof *fingerprint, found);
    return found;
}

static int get(w4_keyring *ring, const w4_fingerprint *fingerprint, w4_key_kind of,
               ring_key **ret_key) {
    ring_key *key = find(ring, fingerprint);
    if (!key) {
        key = calloc(1, sizeof *key);
        if (!key) {
            return -ENOMEM;
        }
        key->fingerprint = *fingerprint;
        key->of = of;
        HASH_ADD(hh, ring->keys, fingerprint, sizeof key->fingerprint, key);
        if (!key->hh.tbl) {
            free(key);
            return -ENOMEM;
        }
    }
    *ret_key = key;
    return 0;
}

static bool is_spoken_of(const ring_key *key) {
    bool spoken = key->predecessor || key->succession || key->rival;
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY; i++) {
        spoken = spoken || key->revocations[i];
    }
    return spoken;
}

static void forget_silent(w4_keyring *ring, ring_key *key) {
    if (key && !is_spoken_of(key)) {
        HASH_DEL(ring->keys, key);
        free(key);
    }
}

static const ring_key *root_of(const ring_key *key) {
    while (key->predecessor) {
        key = key->predecessor;
    }
    return key;
}

static uint32_t chain_length(const ring_key *any) {
    uint32_t length = 0;
    for (const ring_key *key = root_of(any); key; key = key->successor) {
        length++;
    }
    return length;
}

static bool chain_matters(const w4_keyring *ring, const ring_key *any) {
    for (const ring_key *key = root_of(any); key; key = key->successor) {
        if (ring->rules.matters(ring->rules.context, &key->fingerprint)) {
            return true;
        }
    }
    return false;
}

/* ---- documents */

static void flip_sum(w4_keyring *ring, const ring_document *d) {
    uint8_t *sum = ring->sums[w4_keyring_part_of(d->id)];
    for (unsigned i = 0; i < W4_KEYRING_SUM_LEN; i++) {
        sum[i] ^= d->id[i];
    }
}

static uint32_t *count_of(w4_keyring *ring, const ring_document *d) {
    bool revocation = d->place == W4_KEY_PLACE_REVOCATION || d->place == W4_KEY_PLACE_HEARSAY;
    return d->stranger  ? &ring->stranger_count
           : revocation ? &ring->revocations
                        : &ring->successions;
}

static void enter(w4_keyring *ring, ring_document *d) {
    TAILQ_INSERT_TAIL(&ring->parts[w4_keyring_part_of(d->id)], d, of_part);
    flip_sum(ring, d);
    ring->bytes += sizeof *d + d->len;
    ring->hearsay += d->place == W4_KEY_PLACE_HEARSAY ? 1 : 0;
    (*count_of(ring, d))++;
    if (d->stranger) {
        TAILQ_INSERT_TAIL(&ring->strangers, d, of_strangers);
    }
}

/* It leaves everything but the key it speaks of, and waits to be popped. */
static void drop(w4_keyring *ring, ring_document *d) {
    (*count_of(ring, d))--;
    ring->hearsay -= d->place == W4_KEY_PLACE_HEARSAY ? 1 : 0;
    if (d->stranger) {
        TAILQ_REMOVE(&ring->strangers, d, of_strangers);
    }
    TAILQ_REMOVE(&ring->parts[w4_keyring_part_of(d->id)], d, of_part);
    flip_sum(ring, d);
    ring->bytes -= sizeof *d + d->len;
    TAILQ_INSERT_TAIL(&ring->dropped, d, of_strangers);
}

static void drop_chain(w4_keyring *ring, ring_key *any) {
    ring_key *key = any, *next;
    while (key->predecessor) {
        key = key->predecessor;
    }
    for (; key; key = next) {
        next = key->successor;
        for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY; i++) {
            if (key->revocations[i]) {
                drop(ring, key->revocations[i]);
            }
        }
        if (key->rival) {
            drop(ring, key->rival);
        }
        if (key->succession) {
            drop(ring, key->succession);
        }
        HASH_DEL(ring->keys, key);
        free(key);
    }
}

bool w4_keyring_pop_dropped(w4_keyring *ring, w4_key_row *ret_row) {
    ring_document *d = TAILQ_FIRST(&ring->dropped);
    if (!d) {
        return false;
    }
    TAILQ_REMOVE(&ring->dropped, d, of_strangers);
    *ret_row = (w4_key_row){.place = d->place, .subject = d->about};
    memcpy(ret_row->id, d->id, sizeof ret_row->id);
    free(d);
    return true;
}

static void drop_hearsay(w4_keyring *ring, ring_document *d) {
    ring_key *key = d->subject;
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY; i++) {
        key->revocations[i] = key->revocations[i] == d ? NULL : key->revocations[i];
    }
    drop(ring, d);
    forget_silent(ring, key);
}

/* A stranger's document needs a place: hearsay goes, and whole chains, the oldest first; not what
 * hangs on those two keys. Those that have come to matter meanwhile are strangers no longer. */
static void make_room(w4_keyring *ring, const ring_key *not_this, const ring_key *nor_this) {
    for (unsigned looks = 0; looks < LOOKS_MAX && ring->stranger_count >= W4_KEYRING_STRANGERS_MAX;
         looks++) {
        ring_document *oldest = TAILQ_FIRST(&ring->strangers);
        const ring_key *root = root_of(oldest->subject);
        if (root == not_this || root == nor_this) {
            TAILQ_REMOVE(&ring->strangers, oldest, of_strangers);
            TAILQ_INSERT_TAIL(&ring->strangers, oldest, of_strangers);
        } else if (oldest->place == W4_KEY_PLACE_HEARSAY) {
            drop_hearsay(ring, oldest);
        } else if (!chain_matters(ring, oldest->subject)) {
            drop_chain(ring, oldest->subject);
        } else {
            TAILQ_REMOVE(&ring->strangers, oldest, of_strangers);
            ring->stranger_count--;
            oldest->stranger = false;
            (*count_of(ring, oldest))++;
        }
    }
}

/* Whether there is a place for a document about those keys; *ret_stranger: among the strangers. */
static bool has_place(w4_keyring *ring, const ring_key *a, const ring_key *b, w4_key_place place,
                      bool hearsay, bool *ret_stranger) {
    bool matters = !hearsay && (chain_matters(ring, a) || (b && chain_matters(ring, b)));
    *ret_stranger = !matters;
    if (matters) {
        return place == W4_KEY_PLACE_REVOCATION ? ring->revocations < W4_KEYRING_REVOCATIONS_MAX
                                                : ring->successions < W4_KEYRING_SUCCESSIONS_MAX;
    }
    make_room(ring, root_of(a), b ? root_of(b) : NULL);
    return ring->stranger_count < W4_KEYRING_STRANGERS_MAX;
}

static ring_document *document_new(const w4_key_document *from, w4_key_place place) {
    ring_document *d = calloc(1, sizeof *d + from->text.len);
    if (!d) {
        return NULL;
    }
    d->place = place;
    d->about = from->subject;
    memcpy(d->id, from->id, sizeof d->id);
    d->other = from->kind == W4_KEY_REVOCATION ? from->signer : from->successor;
    d->made_us = from->made_us;
    memcpy(d->reason, from->reason, sizeof d->reason);
    d->len = from->text.len;
    memcpy(d->text, from->text.data, from->text.len);
    return d;
}

/* ---- judging */

static int refuse(w4_keyring_result *result, w4_refusal code, const char *pointer,
                  const char *expected) {
    *result = (w4_keyring_result){
        .verdict = W4_KEYRING_REFUSED, .code = code, .pointer = pointer, .expected = expected};
    return 0;
}

/* before: it was said before the signer itself was revoked, if it was. */
static w4_key_authority authority_of(const w4_keyring *ring, const ring_key *subject,
                                     const w4_fingerprint *signer, bool before) {
    if (w4_fingerprint_equal(&subject->fingerprint, signer)) {
        return W4_KEY_BY_ITSELF;
    }
    const ring_key *key = find(ring, signer);
    if (key && key->revoked && !before) {
        return W4_KEY_BY_NOBODY;
    }
    for (const ring_key *later = subject->successor; later; later = later->successor) {
        if (later == key) {
            return W4_KEY_BY_SUCCESSOR;
        }
    }
    return ring->rules.authority(ring->rules.context, signer);
}

/* Why old may not be followed by fresh; false: it may. */
static bool is_impossible(const w4_keyring *ring, const w4_key_document *d,
                          w4_keyring_result *result) {
    const ring_key *old = find(ring, &d->subject), *fresh = find(ring, &d->successor);
    if (old && old->revoked) {
        refuse(result, W4_REFUSAL_KEY_REVOKED, "/old", "a key that was not revoked");
    } else if (fresh && fresh->predecessor) {
        refuse(result, W4_REFUSAL_BAD_ENVELOPE, "/new", "a key that succeeds no other");
    } else if (old && fresh && root_of(old) == fresh) {
        refuse(result, W4_REFUSAL_BAD_ENVELOPE, "/new", "a key that was not an earlier one of it");
    } else if ((old && chain_length(old) > 1 && old->of != d->of) ||
               (fresh && chain_length(fresh) > 1 && fresh->of != d->of)) {
        refuse(result, W4_REFUSAL_BAD_ENVELOPE, "/kind", "the kind of the other keys of it");
    } else if ((old ? chain_length(old) : 1) + (fresh ? chain_length(fresh) : 1) >
               W4_KEYRING_CHAIN_MAX) {
        refuse(result, W4_REFUSAL_BAD_ENVELOPE, "/new", "at most 32 keys of one identity");
    } else {
        return false;
    }
    return true;
}

static void know_key(ring_key *key, const w4_pubkey *pubkey, w4_key_kind of) {
    key->pubkey = *pubkey;
    key->has_key = true;
    key->of = of;
}

/* Another succession of a key that has one. */
static int take_rival(w4_keyring *ring, ring_key *old, const w4_key_document *d,
                      w4_keyring_result *result) {
    *result = (w4_keyring_result){.verdict = W4_KEYRING_KNOWN, .place = W4_KEY_PLACE_RIVAL};
    bool stranger;
    if (old->rival || w4_fingerprint_equal(&old->successor->fingerprint, &d->successor) ||
        !has_place(ring, old, NULL, W4_KEY_PLACE_RIVAL, false, &stranger)) {
        return 0;
    }
    ring_document *kept = document_new(d, W4_KEY_PLACE_RIVAL);
    if (!kept) {
        return -ENOMEM;
    }
    kept->subject = old;
    kept->stranger = stranger;
    old->rival = kept;
    enter(ring, kept);
    result->verdict = W4_KEYRING_KEPT;
    return 0;
}

static int link_succession(w4_keyring *ring, const w4_key_document *d, bool load,
                           w4_keyring_result *result) {
    ring_key *old = NULL, *fresh = NULL;
    ring_document *kept = document_new(d, W4_KEY_PLACE_SUCCESSION);
    int r = kept ? get(ring, &d->subject, d->of, &old) : -ENOMEM;
    r = r == 0 ? get(ring, &d->successor, d->of, &fresh) : r;
    bool stranger = false;
    bool room =
        r == 0 && (has_place(ring, old, fresh, W4_KEY_PLACE_SUCCESSION, false, &stranger) || load);
    if (!room) {
        free(kept);
        forget_silent(ring, fresh);
        forget_silent(ring, old);
        return r < 0 ? r : refuse(result, W4_REFUSAL_BACKPRESSURE, "", "a place for it here");
    }
    know_key(old, &d->subject_key, d->of);
    know_key(fresh, &d->successor_key, d->of);
    kept->subject = old;
    kept->stranger = stranger;
    old->succession = kept;
    old->successor = fresh;
    fresh->predecessor = old;
    enter(ring, kept);
    ring->unjudged = true;
    *result = (w4_keyring_result){.verdict = W4_KEYRING_TAKEN, .place = W4_KEY_PLACE_SUCCESSION};
    return 0;
}

static int take_succession(w4_keyring *ring, const w4_key_document *d, bool load,
                           w4_keyring_result *result) {
    ring_key *old = find(ring, &d->subject);
    if (old && old->successor &&
        w4_fingerprint_equal(&old->successor->fingerprint, &d->successor)) {
        *result = (w4_keyring_result){.verdict = W4_KEYRING_KNOWN};
        return 0;
    }
    if (old && old->successor && !old->revoked) {
        return take_rival(ring, old, d, result);
    }
    return is_impossible(ring, d, result) ? 0 : link_succession(ring, d, load, result);
}

/* Where another revocation of that key is kept: in place of hearsay, where there is no room. */
static ring_document **revocation_slot(w4_keyring *ring, ring_key *key, const w4_key_document *d,
                                       w4_key_authority authority) {
    ring_document **hearsay = NULL;
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY; i++) {
        ring_document **slot = &key->revocations[i];
        if (*slot && w4_fingerprint_equal(&(*slot)->other, &d->signer)) {
            return NULL; /* the first word of each stands */
        }
        if (*slot && (*slot)->authority == W4_KEY_BY_HEARSAY) {
            hearsay = slot;
        }
    }
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY; i++) {
        if (!key->revocations[i]) {
            return &key->revocations[i];
        }
    }
    if (!hearsay || authority == W4_KEY_BY_HEARSAY) {
        return NULL;
    }
    drop(ring, *hearsay);
    *hearsay = NULL;
    return hearsay;
}

static int keep_revocation(w4_keyring *ring, ring_key *key, const w4_key_document *d, bool load,
                           w4_keyring_result *result) {
    w4_key_authority authority = result->authority;
    bool hearsay = authority <= W4_KEY_BY_HEARSAY, stranger = false;
    ring_document **slot = revocation_slot(ring, key, d, authority);
    if (!slot) {
        result->verdict = W4_KEYRING_KNOWN;
        return 0;
    }
    w4_key_place place = hearsay ? W4_KEY_PLACE_HEARSAY : W4_KEY_PLACE_REVOCATION;
    if (!has_place(ring, key, NULL, place, hearsay, &stranger) && !load) {
        return refuse(result, W4_REFUSAL_BACKPRESSURE, "", "a place for it here");
    }
    ring_document *kept = document_new(d, place);
    if (!kept) {
        return -ENOMEM;
    }
    kept->subject = key;
    kept->authority = authority;
    kept->stranger = stranger;
    *slot = kept;
    enter(ring, kept);
    result->place = place;
    result->verdict = hearsay ? W4_KEYRING_KEPT : W4_KEYRING_TAKEN;
    result->first = !hearsay && !key->revoked;
    if (result->first) {
        key->revoked = kept;
        ring->unjudged = true;
    }
    return 0;
}

static int take_revocation(w4_keyring *ring, const w4_key_document *d, bool load, bool in_force,
                           w4_keyring_result *result) {
    ring_key *key = NULL;
    int r = get(ring, &d->subject, d->of, &key);
    if (r < 0) {
        return r;
    }
    w4_key_authority authority = authority_of(ring, key, &d->signer, in_force);
    if (authority <= W4_KEY_BY_HEARSAY && in_force) {
        authority = W4_KEY_BY_ANCHOR; /* as it was when it was taken */
    } else if (authority == W4_KEY_BY_NOBODY && load) {
        authority = W4_KEY_BY_HEARSAY;
    }
    *result = (w4_keyring_result){.place = W4_KEY_PLACE_REVOCATION, .authority = authority};
    r = authority == W4_KEY_BY_NOBODY
            ? refuse(result, W4_REFUSAL_UNAUTHORIZED, "/by",
                     "that key, a later one of it, or a node that is known here")
            : keep_revocation(ring, key, d, load, result);
    forget_silent(ring, key);
    return r;
}

int w4_keyring_take(w4_keyring *ring, const w4_key_document *document,
                    w4_keyring_result *ret_result) {
    int r = document->kind == W4_KEY_SUCCESSION
                ? take_succession(ring, document, false, ret_result)
                : take_revocation(ring, document, false, false, ret_result);
    ret_result->subject = document->subject;
    return r;
}

int w4_keyring_load(w4_keyring *ring, const w4_key_document *document, w4_key_place place) {
    w4_keyring_result result = {.verdict = W4_KEYRING_REFUSED};
    const ring_key *old = find(ring, &document->subject);
    bool revokes = place == W4_KEY_PLACE_REVOCATION || place == W4_KEY_PLACE_HEARSAY;
    int r = 0;
    if (revokes != (document->kind == W4_KEY_REVOCATION)) {
        return 1;
    }
    if (revokes) {
        r = take_revocation(ring, document, true, place == W4_KEY_PLACE_REVOCATION, &result);
    } else if (place == W4_KEY_PLACE_SUCCESSION || (old && old->successor)) {
        r = take_succession(ring, document, true, &result);
    }
    return r < 0 ? r : result.verdict <= W4_KEYRING_KEPT ? 0 : 1;
}

static bool judge_key(w4_keyring *ring, ring_key *key, w4_key_judged *ret_judged) {
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY && !key->revoked; i++) {
        ring_document *d = key->revocations[i];
        w4_key_authority now = d ? authority_of(ring, key, &d->other, false) : W4_KEY_BY_NOBODY;
        if (now <= W4_KEY_BY_HEARSAY) {
            continue;
        }
        ring->hearsay -= d->place == W4_KEY_PLACE_HEARSAY ? 1 : 0;
        (*count_of(ring, d))--;
        if (d->stranger) {
            TAILQ_REMOVE(&ring->strangers, d, of_strangers);
        }
        d->place = W4_KEY_PLACE_REVOCATION;
        d->stranger = false;
        d->authority = now;
        (*count_of(ring, d))++;
        key->revoked = d;
        *ret_judged =
            (w4_key_judged){.key = key->fingerprint, .text = w4_bytes_of(d->text, d->len)};
        memcpy(ret_judged->id, d->id, sizeof ret_judged->id);
        return true;
    }
    return false;
}

bool w4_keyring_judge(w4_keyring *ring, w4_key_judged *ret_judged) {
    ring_key *key = ring->unjudged && ring->hearsay > 0 ? ring->keys : NULL;
    for (; key; key = key->hh.next) {
        if (!key->revoked && judge_key(ring, key, ret_judged)) {
            return true;
        }
    }
    ring->unjudged = false;
    return false;
}

void w4_keyring_judge_again(w4_keyring *ring) {
    ring->unjudged = true;
}

/* ---- asking */

static void info_of(const ring_key *key, w4_key_info *info) {
    *info = (w4_key_info){.key = key->fingerprint, .of = key->of, .reason = "", .doubt = ""};
    if (key->predecessor) {
        info->succeeds = true;
        info->predecessor = key->predecessor->fingerprint;
        info->succeeded_us = key->predecessor->succession->made_us;
    }
    if (key->successor) {
        info->replaced = true;
        info->successor = key->successor->fingerprint;
        info->replaced_us = key->succession->made_us;
    }
    if (key->rival) {
        info->disputed = true;
        info->rival = key->rival->other;
    }
    if (key->revoked) {
        info->revoked = true;
        info->authority = key->revoked->authority;
        info->revoked_by = key->revoked->other;
        info->revoked_us = key->revoked->made_us;
        info->reason = key->revoked->reason;
        return;
    }
    for (unsigned i = 0; i < W4_KEYRING_REVOCATIONS_OF_KEY && !info->doubted; i++) {
        const ring_document *d = key->revocations[i];
        if (d) {
            info->doubted = true;
            info->doubted_by = d->other;
            info->doubted_us = d->made_us;
            info->doubt = d->reason;
        }
    }
}

bool w4_keyring_find(const w4_keyring *ring, const w4_fingerprint *fingerprint,
                     w4_key_info *ret_info) {
    const ring_key *key = find(ring, fingerprint);
    if (key) {
        info_of(key, ret_info);
    }
    return key != NULL;
}

bool w4_keyring_revoked(const w4_keyring *ring, const w4_fingerprint *fingerprint) {
    const ring_key *key = find(ring, fingerprint);
    return key && key->revoked;
}

w4_fingerprint w4_keyring_root(const w4_keyring *ring, const w4_fingerprint *fingerprint) {
    const ring_key *key = find(ring, fingerprint);
    return key ? root_of(key)->fingerprint : *fingerprint;
}

w4_fingerprint w4_keyring_current(const w4_keyring *ring, const w4_fingerprint *fingerprint) {
    const ring_key *key = find(ring, fingerprint);
    while (key && key->successor) {
        key = key->successor;
    }
    return key ? key->fingerprint : *fingerprint;
}

static void text_of(const ring_document *d, w4_key_text *text) {
    *text = (w4_key_text){.place = d->place, .text = w4_bytes_of(d->text, d->len)};
    memcpy(text->id, d->id, sizeof text->id);
}

bool w4_keyring_succession(const w4_keyring *ring, const w4_fingerprint *fingerprint,
                           struct w4_key_text *ret_text) {
    const ring_key *key = find(ring, fingerprint);
    if (key && key->succession) {
        text_of(key->succession, ret_text);
    }
    return key && key->succession;
}

const w4_pubkey *w4_keyring_pubkey(const w4_keyring *ring, const w4_fingerprint *fingerprint) {
    const ring_key *key = find(ring, fingerprint);
    return key && key->has_key ? &key->pubkey : NULL;
}

bool w4_keyring_next(const w4_keyring *ring, const void **cursor, w4_key_info *ret_info) {
    const ring_key *key = *cursor ? ((const ring_key *)*cursor)->hh.next : ring->keys;
    if (key) {
        *cursor = key;
        info_of(key, ret_info);
    }
    return key != NULL;
}

uint32_t w4_keyring_count(const w4_keyring *ring) {
    return ring->stranger_count + ring->successions + ring->revocations;
}

size_t w4_keyring_memory(const w4_keyring *ring) {
    return sizeof *ring + ring->bytes + HASH_COUNT(ring->keys) * sizeof(ring_key);
}

void w4_keyring_sum(const w4_keyring *ring, unsigned part,
                    uint8_t ret_sum[static W4_KEYRING_SUM_LEN]) {
    assert(part < W4_KEYRING_PARTS);
    memcpy(ret_sum, ring->sums[part], W4_KEYRING_SUM_LEN);
}

bool w4_keyring_next_text(const w4_keyring *ring, unsigned part, const void **cursor,
                          w4_key_text *ret_text) {
    assert(part < W4_KEYRING_PARTS);
    const ring_document *d = *cursor ? TAILQ_NEXT((const ring_document *)*cursor, of_part)
                                     : TAILQ_FIRST(&ring->parts[part]);
    if (d) {
        *cursor = d;
        text_of(d, ret_text);
    }
    return d != NULL;
}

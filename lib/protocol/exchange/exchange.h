/* How two nodes make a set of signed words the same: facts with their votes and decisions
 * (fact_sync.h), humans with what they consent to (human_sync.h). Each word goes through the
 * pipeline here as its sender's, and nothing is believed because a neighbour says so.
 *
 * One node gives, the other takes; all state is the taker's:
 *
 *   G: sum         one digest over all that G could pass on. The same here: done.
 *   T: parts       64 digests, by the first two digits of the keys, from part N on
 *   G: a list      keys and digests, in order, of the first part that differs
 *   T: wanted      the keys that T lacks, or knows otherwise
 *   G: envelopes   what was said of them, and how many of the keys are covered
 *
 * and again, until no part is left. A sum is said when a session begins, soon after something moved
 * here, and to one neighbour now and then. The forms are those of MESH_FACTS, MESH_VOTES and
 * MESH_HUMANS in web4-protocols(7). */
#pragma once

#include "protocol/exchange/gift.h"
#include "protocol/exchange/sums.h"
#include "protocol/pipeline/pipeline.h"

#define W4_EXCHANGE_KEY_MAX 64u   /* characters; lower-case hex digits come first */
#define W4_EXCHANGE_LIST_MAX 128u /* in one list, or asked for at once */
#define W4_EXCHANGE_VERIFIED_PER_TURN 32u
#define W4_EXCHANGE_BURST 256u /* requests that are answered to a neighbour at once ... */
#define W4_EXCHANGE_PER_S 4u   /* ... and later */
#define W4_EXCHANGE_PAUSE_US (20 * W4_US_PER_MS)       /* between requests ... */
#define W4_EXCHANGE_BRISK 200u                         /* ... until there were so many of a round */
#define W4_EXCHANGE_SLOW_PAUSE_US (400 * W4_US_PER_MS) /* from then on */
#define W4_EXCHANGE_SPREAD_US (1 * W4_US_PER_S)        /* after something moved here */
#define W4_EXCHANGE_ANSWER_US (10 * W4_US_PER_S)
#define W4_EXCHANGE_AGAIN_US (30 * W4_US_PER_S)  /* after no answer */
#define W4_EXCHANGE_PERIOD_US (15 * W4_US_PER_S) /* between sums said now and then */

typedef struct w4_exchange_item {
    char key[W4_EXCHANGE_KEY_MAX + 1];
    uint8_t digest[W4_EXCHANGE_DIGEST_LEN]; /* as the other one has it */
} w4_exchange_item;

/* What is made the same. Sums and parts are true after refresh until the set changes. */
typedef struct w4_exchange_set {
    w4_type asks;      /* carries all but envelopes */
    w4_type gives;     /* carries envelopes; may be the same */
    const char *list;  /* the payload's member with the list, ... */
    const char *place; /* ... the pointer to it in an envelope, ... */
    const char *lead;  /* ... what one that does not lead on should have been, ... */
    const char *key;   /* ... and member of its elements with the key */
    bool in_pieces;    /* envelopes of one key may need several answers: `skip` */
    uint64_t greet_us; /* the first sum of a session: when; 0: at once */

    int (*refresh)(w4_protocol *p); /* 0 or -ENOMEM */
    uint32_t (*count)(const w4_protocol *p);
    void (*sum)(const w4_protocol *p, uint8_t ret_sum[static W4_EXCHANGE_DIGEST_LEN]);
    const uint8_t *(*part)(const w4_protocol *p, unsigned part);
    /* Writes what is in a part behind `after` ("": from its beginning), in the order of the keys,
     * W4_EXCHANGE_LIST_MAX elements at most. *ret_last: there are no more. */
    void (*write_list)(const w4_protocol *p, unsigned part, const char *after, w4_json_writer *w,
                       bool *ret_last);
    bool (*is_wanted)(const w4_protocol *p, const w4_fingerprint *node, w4_json listed,
                      const w4_exchange_item *item);
    /* What was said of one key. 0: all of it, or all that can be given; 1: there is no room for the
     * rest in this answer; or -ENOMEM. */
    int (*give)(const w4_protocol *p, const char *key, w4_gift *gift);
    /* One envelope has gone through the pipeline (r is its outcome, >= 0). 0 or a fatal error.
     * *ret_new: it moved something. */
    int (*taken)(w4_protocol *p, w4_inbound *in, int r, bool *ret_new);
    /* What the neighbour had to say of it has been looked at. 0 or a fatal error. NULL: nothing. */
    int (*covered)(w4_protocol *p, const w4_fingerprint *node, const w4_exchange_item *item);
    /* A round is over; moved: it brought something new. NULL: nothing. */
    void (*finished)(w4_protocol *p, const w4_fingerprint *node, bool moved, uint64_t now_us);
} w4_exchange_set;

typedef struct w4_exchange {
    const w4_exchange_set *set;
    struct w4_exchange_peer *peers;
    uint64_t period_us;        /* when to say the next sum to somebody; 0: not set */
    w4_json_document document; /* of the answer that is looked at */
} w4_exchange;

/* The set is borrowed. */
void w4_exchange_init(w4_exchange *x, const w4_exchange_set *set);
void w4_exchange_deinit(w4_exchange *x);

/* A session with a node that understands this begins, or ended. 0 or -ENOMEM. */
int w4_exchange_peer_up(w4_protocol *p, w4_exchange *x, const w4_fingerprint *node,
                        uint64_t now_us);
void w4_exchange_peer_down(w4_exchange *x, const w4_fingerprint *node);

/* Something moved here: everybody is told the sum, in a while. except: or NULL. */
void w4_exchange_moved(w4_protocol *p, w4_exchange *x, const w4_fingerprint *except,
                       uint64_t now_us);
/* What was refused before may be taken now: rounds begin anew. 0 or -ENOMEM. */
int w4_exchange_start_over(w4_protocol *p, w4_exchange *x, uint64_t now_us);

/* Handlers of the pipeline, for set->asks and, where it is another type, set->gives. */
int w4_exchange_take(w4_protocol *p, w4_exchange *x, w4_inbound *in);
int w4_exchange_take_words(w4_protocol *p, w4_exchange *x, w4_inbound *in);

int w4_exchange_expire(w4_protocol *p, w4_exchange *x, uint64_t now_us); /* 0 or a fatal error */
uint64_t w4_exchange_deadline(const w4_exchange *x);

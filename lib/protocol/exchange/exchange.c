#include "protocol/exchange/exchange.h"

#include "base/text.h"
#include "base/tokens.h"
#include "crypto/primitives.h"
#include "protocol/exchange/payloads.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_LEN W4_EXCHANGE_DIGEST_LEN

static const w4_token_rate rate = {W4_EXCHANGE_BURST, W4_EXCHANGE_PER_S};

typedef enum exchange_step {
    STEP_IDLE,
    STEP_LISTING, /* asks for the next list */
    STEP_WANTING, /* asks for what it lacks of the last one */
    STEP_TAKING   /* looks at an answer */
} exchange_step;

typedef struct w4_exchange_peer {
    w4_fingerprint node;
    uint64_t announce_us; /* when to say the sum here; W4_NEVER */
    /* giving */
    w4_tokens tokens;
    /* taking */
    exchange_step step;
    bool waiting; /* for an answer, until due_us */
    uint64_t due_us, asked_us;
    uint32_t asked; /* in this round */
    bool moved;     /* this round brought something new */
    unsigned part;
    char after[W4_EXCHANGE_KEY_MAX + 1];
    bool last; /* the list was the last of its part */
    w4_exchange_item *wants;
    uint32_t want_count, want_at;
    uint64_t skip; /* words of the first want that have come */
    w4_blob *answer;
    uint32_t answer_at;
    w4_blob *aside; /* what they told unasked */
    uint32_t aside_at;
    bool known;                /* they have said a sum */
    uint8_t heard[DIGEST_LEN]; /* the last one */
    uint8_t sum[DIGEST_LEN];   /* the one that the round is for */
    bool settled;              /* with these sums there was nothing left to take */
    uint8_t settled_sum[DIGEST_LEN], settled_own[DIGEST_LEN];
    UT_hash_handle hh;
} exchange_peer;

static void end_taking(exchange_peer *peer) {
    free(peer->wants);
    peer->wants = NULL;
    peer->want_count = peer->want_at = 0;
    peer->skip = 0;
    peer->answer = w4_blob_unref(peer->answer);
    peer->answer_at = 0;
    peer->waiting = false;
    peer->step = STEP_IDLE;
    peer->due_us = W4_NEVER;
}

static void drop_peer(w4_exchange *x, exchange_peer *peer) {
    end_taking(peer);
    w4_blob_unref(peer->aside);
    HASH_DEL(x->peers, peer);
    free(peer);
}

void w4_exchange_init(w4_exchange *x, const w4_exchange_set *set) {
    *x = (w4_exchange){.set = set};
}

void w4_exchange_deinit(w4_exchange *x) {
    while (x->peers) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the table before */
        drop_peer(x, x->peers);
    }
    w4_json_document_deinit(&x->document);
}

static exchange_peer *find_peer(const w4_exchange *x, const w4_fingerprint *node) {
    exchange_peer *found = NULL;
    HASH_FIND(hh, x->peers, node, sizeof *node, found);
    return found;
}

static int refresh(w4_protocol *p, const w4_exchange *x) {
    return x->set->refresh ? x->set->refresh(p) : 0;
}

/* ---- saying */

static int say(w4_protocol *p, const exchange_peer *peer, w4_type type, const w4_buffer *payload,
               uint64_t now_us) {
    return w4_router_say(p, &peer->node, type, w4_buffer_bytes(payload), W4_EXCHANGE_ANSWER_US,
                         now_us);
}

static int announce(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    peer->announce_us = W4_NEVER;
    int r = refresh(p, x);
    if (r != 0 || x->set->count(p) == 0) {
        return r; /* there is nothing to take here */
    }
    w4_buffer payload = W4_BUFFER_INIT(1024);
    r = w4_exchange_write_sum(p, x->set, &payload);
    r = r == 0 ? say(p, peer, x->set->asks, &payload, now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

static void announce_at(w4_protocol *p, exchange_peer *peer, uint64_t at_us) {
    peer->announce_us = w4_earlier(peer->announce_us, at_us);
    w4_router_wake(p, peer->announce_us);
}

static exchange_peer *add_peer(w4_exchange *x, const w4_fingerprint *node, uint64_t now_us) {
    exchange_peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
        return NULL;
    }
    peer->node = *node;
    HASH_ADD(hh, x->peers, node, sizeof peer->node, peer);
    if (!peer->hh.tbl) {
        free(peer);
        return NULL;
    }
    peer->tokens = w4_tokens_full(&rate, now_us);
    peer->announce_us = W4_NEVER;
    return peer;
}

int w4_exchange_peer_up(w4_protocol *p, w4_exchange *x, const w4_fingerprint *node,
                        uint64_t now_us) {
    exchange_peer *peer = find_peer(x, node);
    peer = peer ? peer : add_peer(x, node, now_us);
    if (!peer) {
        return -ENOMEM;
    }
    end_taking(peer); /* what was under way went with the session before */
    peer->settled = false;
    if (x->set->greet_us == 0) {
        return announce(p, x, peer, now_us);
    }
    announce_at(p, peer, w4_later(now_us, x->set->greet_us));
    return 0;
}

void w4_exchange_peer_down(w4_exchange *x, const w4_fingerprint *node) {
    exchange_peer *peer = find_peer(x, node);
    if (peer) {
        drop_peer(x, peer);
    }
}

void w4_exchange_moved(w4_protocol *p, w4_exchange *x, const w4_fingerprint *except,
                       uint64_t now_us) {
    exchange_peer *peer, *next;
    HASH_ITER (hh, x->peers, peer, next) {
        if (!except || !w4_fingerprint_equal(&peer->node, except)) {
            announce_at(p, peer, w4_later(now_us, W4_EXCHANGE_SPREAD_US));
        }
    }
}

/* ---- giving */

static bool take_token(exchange_peer *peer, uint64_t now_us) {
    return w4_tokens_take(&peer->tokens, &rate, 1, now_us);
}

typedef int (*writer)(const w4_protocol *p, const w4_exchange_set *set, w4_json request,
                      w4_buffer *out);

static int give(w4_protocol *p, w4_exchange *x, w4_inbound *in, exchange_peer *peer, w4_type type,
                writer fill) {
    if (!take_token(peer, in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer requests");
    }
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = refresh(p, x);
    r = r == 0 ? fill(p, x->set, in->envelope.payload, &payload) : r;
    r = r == 0 ? say(p, peer, type, &payload, in->now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* ---- taking */

static void schedule(w4_protocol *p, exchange_peer *peer, exchange_step step, uint64_t at_us) {
    peer->step = step;
    peer->waiting = false;
    peer->due_us = at_us;
    w4_router_wake(p, at_us);
}

/* Not at once after the last request: the other one has other things to do. */
static uint64_t next_request_us(const exchange_peer *peer, uint64_t now_us) {
    uint64_t pause_us =
        peer->asked < W4_EXCHANGE_BRISK ? W4_EXCHANGE_PAUSE_US : W4_EXCHANGE_SLOW_PAUSE_US;
    uint64_t at_us = peer->asked_us != 0 ? w4_later(peer->asked_us, pause_us) : now_us;
    return at_us > now_us ? at_us : now_us;
}

static void begin_round(w4_protocol *p, exchange_peer *peer, uint64_t at_us) {
    end_taking(peer);
    peer->part = 0;
    peer->after[0] = '\0';
    peer->asked = 0;
    peer->moved = false;
    memcpy(peer->sum, peer->heard, sizeof peer->sum);
    schedule(p, peer, STEP_LISTING, at_us);
}

/* What moved there meanwhile is asked for in a round of its own. */
static int finish_round(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    end_taking(peer);
    int r = refresh(p, x);
    if (r != 0) {
        return r;
    }
    peer->settled = true;
    memcpy(peer->settled_sum, peer->sum, sizeof peer->sum);
    x->set->sum(p, peer->settled_own);
    if (x->set->finished) {
        x->set->finished(p, &peer->node, peer->moved, now_us);
    }
    if (memcmp(peer->heard, peer->sum, sizeof peer->sum) != 0) {
        begin_round(p, peer, w4_later(now_us, W4_EXCHANGE_SPREAD_US));
    }
    return 0;
}

static int take_sum(w4_protocol *p, w4_exchange *x, w4_inbound *in, exchange_peer *peer,
                    w4_json sum) {
    uint8_t own[DIGEST_LEN];
    int r = refresh(p, x);
    if (r != 0) {
        return r;
    }
    (void)w4_hex_parse(w4_json_string_raw(sum), peer->heard, sizeof peer->heard);
    peer->known = true;
    x->set->sum(p, own);
    bool settled = peer->settled &&
                   memcmp(peer->settled_sum, peer->heard, sizeof peer->heard) == 0 &&
                   memcmp(peer->settled_own, own, sizeof own) == 0;
    if (peer->step == STEP_IDLE && !settled && memcmp(peer->heard, own, sizeof own) != 0) {
        peer->asked = 0;
        begin_round(p, peer, next_request_us(peer, in->now_us));
    }
    return 0;
}

/* Behind the last list: the rest of its part, or the next part. */
static int go_on(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    if (peer->last) {
        peer->part++;
        peer->after[0] = '\0';
    }
    if (peer->part >= W4_EXCHANGE_PARTS) {
        return finish_round(p, x, peer, now_us);
    }
    schedule(p, peer, STEP_LISTING, next_request_us(peer, now_us));
    return 0;
}

static bool is_in_order(const exchange_peer *peer, const char *key) {
    return w4_exchange_part(key) == peer->part && strcmp(key, peer->after) > 0;
}

/* A list must lead on: parts and keys only grow, else a round would have no end. */
static int read_list(w4_protocol *p, w4_exchange *x, w4_inbound *in, exchange_peer *peer,
                     w4_json list) {
    peer->wants = calloc(W4_EXCHANGE_LIST_MAX, sizeof *peer->wants);
    if (!peer->wants) {
        return -ENOMEM;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_exchange_item item = {.key = ""};
        if (!w4_json_string_copy(w4_json_get(i.value, x->set->key), item.key, sizeof item.key) ||
            !is_in_order(peer, item.key)) {
            end_taking(peer);
            return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, x->set->place, x->set->lead);
        }
        (void)w4_hex_parse(w4_json_string_raw(w4_json_get(i.value, "digest")), item.digest,
                           sizeof item.digest);
        memcpy(peer->after, item.key, sizeof peer->after);
        if (x->set->is_wanted(p, &peer->node, i.value, &item)) {
            peer->wants[peer->want_count++] = item;
        }
    }
    return 0;
}

static int take_list(w4_protocol *p, w4_exchange *x, w4_inbound *in, exchange_peer *peer) {
    w4_json payload = in->envelope.payload, list = w4_json_get(payload, x->set->list);
    int64_t part = 0;
    (void)w4_json_integer(w4_json_get(payload, "part"), &part);
    if (peer->step != STEP_LISTING || !peer->waiting) {
        return 0; /* it was not asked for, or comes too late */
    }
    if ((unsigned)part < peer->part) {
        end_taking(peer);
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/part",
                                 "one from the part that was asked for on");
    }
    if ((unsigned)part >= W4_EXCHANGE_PARTS) {
        return finish_round(p, x, peer, in->now_us);
    }
    if ((unsigned)part != peer->part) {
        peer->part = (unsigned)part;
        peer->after[0] = '\0';
    }
    int r = read_list(p, x, in, peer, list);
    if (r != 0) {
        return r;
    }
    peer->last = w4_json_is_true(w4_json_get(payload, "last")) || w4_json_count(list) == 0;
    if (peer->want_count > 0) {
        schedule(p, peer, STEP_WANTING, next_request_us(peer, in->now_us));
        return 0;
    }
    end_taking(peer);
    return go_on(p, x, peer, in->now_us);
}

/* Unasked a node tells what is for agents here alone. */
static int take_aside(w4_protocol *p, w4_inbound *in, exchange_peer *peer) {
    if (peer->aside || !take_token(peer, in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer words");
    }
    peer->aside = w4_blob_ref(in->blob);
    peer->aside_at = 0;
    w4_router_wake(p, in->now_us);
    return 0;
}

int w4_exchange_take_words(w4_protocol *p, w4_exchange *x, w4_inbound *in) {
    exchange_peer *peer = find_peer(x, &in->from_node);
    in->consumed = true;
    if (!peer) {
        return 0;
    }
    if (!w4_json_exists(w4_json_get(in->envelope.payload, "done"))) {
        return take_aside(p, in, peer);
    }
    if (peer->step == STEP_WANTING && peer->waiting) { /* else it comes too late */
        peer->answer = w4_blob_ref(in->blob);
        peer->answer_at = 0;
        schedule(p, peer, STEP_TAKING, in->now_us);
    }
    return 0;
}

int w4_exchange_take(w4_protocol *p, w4_exchange *x, w4_inbound *in) {
    exchange_peer *peer = find_peer(x, &in->from_node);
    w4_json payload = in->envelope.payload, sum = w4_json_get(payload, "sum");
    in->consumed = true;
    if (!peer) {
        return 0; /* it came before its session is told, or after it ended */
    }
    if (w4_json_exists(sum)) {
        return take_sum(p, x, in, peer, sum);
    }
    if (w4_json_exists(w4_json_get(payload, "parts"))) {
        return give(p, x, in, peer, x->set->asks, w4_exchange_write_list);
    }
    if (w4_json_exists(w4_json_get(payload, "wanted"))) {
        return give(p, x, in, peer, x->set->gives, w4_exchange_write_words);
    }
    if (x->set->gives == x->set->asks && w4_json_exists(w4_json_get(payload, "envelopes"))) {
        return w4_exchange_take_words(p, x, in);
    }
    return w4_json_exists(w4_json_get(payload, x->set->list)) ? take_list(p, x, in, peer) : 0;
}

/* ---- what an answer holds */

static int take_envelope(w4_protocol *p, w4_exchange *x, exchange_peer *peer, w4_bytes text,
                         uint64_t now_us) {
    w4_inbound in = {.origin = W4_ORIGIN_SHARED,
                     .from_node = peer->node,
                     .bytes = text,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    bool moved = false;
    int r = w4_pipeline_run(p, &in);
    r = r >= 0 ? x->set->taken(p, &in, r, &moved) : r;
    w4_blob_unref(in.blob);
    peer->moved = peer->moved || moved;
    return r;
}

/* Some of its envelopes from *at on, the others in the next turn. The message is in the document
 * of the exchange then. *ret_done: there are no more. 0 or a fatal error. */
static int look_at_words(w4_protocol *p, w4_exchange *x, exchange_peer *peer, w4_blob *words,
                         uint32_t *at, bool *ret_done, uint64_t now_us) {
    w4_json_document *doc = &x->document;
    int r = w4_json_read_canonical(doc, w4_blob_bytes(words), &W4_JSON_LIMITS_ENVELOPE, NULL);
    if (r != 0) {
        *ret_done = true;
        return r < 0 ? r : 0;
    }
    w4_json list = w4_json_at_pointer(w4_json_root(doc), w4_bytes_from_text("/payload/envelopes"));
    uint32_t place = 0, looked = 0;
    w4_json_iterator i = w4_json_first(list);
    for (; r == 0 && w4_json_exists(i.value) && looked < W4_EXCHANGE_VERIFIED_PER_TURN;
         i = w4_json_next(i), place++) {
        if (place >= *at) {
            r = take_envelope(p, x, peer, w4_json_text(i.value), now_us);
            looked++;
            (*at)++;
        }
    }
    *ret_done = !w4_json_exists(i.value);
    return r;
}

/* The answer has been looked at: what was covered is as good as it gets. */
static int close_answer(w4_protocol *p, w4_exchange *x, exchange_peer *peer, w4_json payload,
                        uint64_t now_us) {
    int64_t done = 0, skip = 0;
    (void)w4_json_integer(w4_json_get(payload, "done"), &done);
    (void)w4_json_integer(w4_json_get(payload, "skip"), &skip);
    uint32_t left = peer->want_count - peer->want_at;
    bool forward = done > 0 || (uint64_t)skip > peer->skip;
    uint32_t covered = (uint64_t)done < left ? (uint32_t)done : left;
    covered = forward ? covered : left; /* it leads nowhere: enough of this list */
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < covered; i++, peer->want_at++) {
        r = x->set->covered ? x->set->covered(p, &peer->node, &peer->wants[peer->want_at]) : 0;
    }
    peer->skip = (uint64_t)skip;
    peer->answer = w4_blob_unref(peer->answer);
    peer->answer_at = 0;
    if (r == 0 && peer->want_at < peer->want_count) {
        schedule(p, peer, STEP_WANTING, next_request_us(peer, now_us));
        return 0;
    }
    end_taking(peer);
    return r == 0 ? go_on(p, x, peer, now_us) : r;
}

static int look_at_answer(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    bool done;
    int r = look_at_words(p, x, peer, peer->answer, &peer->answer_at, &done, now_us);
    if (r == 0 && !done) {
        schedule(p, peer, STEP_TAKING, now_us);
        return 0;
    }
    w4_json payload = w4_json_get(w4_json_root(&x->document), "payload");
    return r == 0 ? close_answer(p, x, peer, payload, now_us) : r;
}

static int look_at_aside(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    bool done;
    int r = look_at_words(p, x, peer, peer->aside, &peer->aside_at, &done, now_us);
    if (r == 0 && !done) {
        w4_router_wake(p, now_us);
    } else {
        peer->aside = w4_blob_unref(peer->aside);
    }
    return r;
}

/* ---- asking */

static int ask(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = refresh(p, x);
    if (r == 0) {
        r = peer->step == STEP_LISTING
                ? w4_exchange_write_parts(p, x->set, peer->part, peer->after, &payload)
                : w4_exchange_write_wanted(p, x->set, &peer->wants[peer->want_at],
                                           peer->want_count - peer->want_at, peer->skip, &payload);
    }
    r = r == 0 ? say(p, peer, x->set->asks, &payload, now_us) : r;
    w4_buffer_deinit(&payload);
    peer->waiting = true;
    peer->asked++;
    peer->asked_us = now_us;
    peer->due_us = w4_later(now_us, W4_EXCHANGE_ANSWER_US);
    w4_router_wake(p, peer->due_us);
    return r;
}

static int run_peer(w4_protocol *p, w4_exchange *x, exchange_peer *peer, uint64_t now_us) {
    int r = peer->aside ? look_at_aside(p, x, peer, now_us) : 0;
    r = r == 0 && now_us >= peer->announce_us ? announce(p, x, peer, now_us) : r;
    if (r != 0 || now_us < peer->due_us || peer->step == STEP_IDLE) {
        return r;
    }
    if (peer->step == STEP_TAKING) {
        return look_at_answer(p, x, peer, now_us);
    }
    if (peer->waiting) { /* no answer: from the beginning, later */
        begin_round(p, peer, w4_later(now_us, W4_EXCHANGE_AGAIN_US));
        return 0;
    }
    return ask(p, x, peer, now_us);
}

int w4_exchange_start_over(w4_protocol *p, w4_exchange *x, uint64_t now_us) {
    uint8_t own[DIGEST_LEN];
    exchange_peer *peer, *next;
    int r = refresh(p, x);
    if (r != 0) {
        return r;
    }
    x->set->sum(p, own);
    HASH_ITER (hh, x->peers, peer, next) {
        peer->settled = false;
        if (peer->known && peer->step == STEP_IDLE && memcmp(peer->heard, own, sizeof own) != 0) {
            begin_round(p, peer, w4_later(now_us, W4_EXCHANGE_SPREAD_US));
        }
    }
    return 0;
}

/* Now and then one neighbour is told the sum, whoever it is. */
static void pick_one(w4_protocol *p, w4_exchange *x, uint64_t now_us) {
    bool set = x->period_us != 0;
    if (set && now_us < x->period_us) {
        return;
    }
    uint64_t jitter_us = w4_env_random_below(p->env, W4_EXCHANGE_PERIOD_US / 4);
    x->period_us = w4_later(now_us, W4_EXCHANGE_PERIOD_US + jitter_us);
    uint64_t which = w4_env_random_below(p->env, HASH_COUNT(x->peers));
    exchange_peer *peer = x->peers;
    while (peer && which-- > 0) {
        peer = peer->hh.next;
    }
    if (peer && set) {
        peer->announce_us = now_us;
    }
}

int w4_exchange_expire(w4_protocol *p, w4_exchange *x, uint64_t now_us) {
    exchange_peer *peer, *next;
    int r = 0;
    if (!x->peers) {
        x->period_us = 0;
        return 0;
    }
    pick_one(p, x, now_us);
    for (peer = x->peers; r == 0 && peer; peer = next) {
        next = peer->hh.next;
        r = run_peer(p, x, peer, now_us);
    }
    return r;
}

uint64_t w4_exchange_deadline(const w4_exchange *x) {
    uint64_t deadline_us = x->peers && x->period_us != 0 ? x->period_us : W4_NEVER;
    for (const exchange_peer *peer = x->peers; peer; peer = peer->hh.next) {
        deadline_us = w4_earlier(deadline_us, w4_earlier(peer->due_us, peer->announce_us));
        deadline_us = peer->aside ? 0 : deadline_us;
    }
    return deadline_us;
}

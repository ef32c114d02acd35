#include "protocol/facts/fact_sync.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "protocol/facts/fact_give.h"
#include "protocol/facts/knowledge.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct want {
    char id[37];
    uint8_t digest[W4_FACT_DIGEST_LEN]; /* as the other one has it */
} want;

typedef enum sync_step {
    STEP_IDLE,
    STEP_LISTING, /* asks for the next list */
    STEP_WANTING, /* asks for what it lacks of the last one */
    STEP_TAKING   /* looks at an answer */
} sync_step;

typedef struct sync_peer {
    w4_fingerprint node;
    uint64_t announce_us; /* when to say the sum here; W4_NEVER */
    /* giving */
    uint32_t tokens;
    uint64_t tokens_us;
    /* taking */
    sync_step step;
    bool waiting; /* for an answer, until due_us */
    uint64_t due_us, asked_us;
    uint32_t asked; /* in this round */
    bool took;
    unsigned part;
    char after[37];
    bool last; /* the list was the last of its part */
    want *wants;
    uint32_t want_count, want_at;
    uint64_t skip; /* words of the first want that have come */
    w4_blob *answer;
    uint32_t answer_at;
    bool known; /* its sum is */
    uint8_t sum[W4_FACT_DIGEST_LEN];
    bool settled; /* with these sums there was nothing left to take */
    uint8_t settled_sum[W4_FACT_DIGEST_LEN], settled_own[W4_FACT_DIGEST_LEN];
    UT_hash_handle hh;
} sync_peer;

/* A state of a fact at a neighbour that could not be made the one here with what that one gave.
 * Another one may give more: nobody can keep a node from asking the others. */
typedef struct sync_tried {
    struct {
        w4_fingerprint node;
        char id[36];
        uint8_t digest[W4_FACT_DIGEST_LEN];
    } key;
    UT_hash_handle hh;
} sync_tried;

static void end_taking(sync_peer *peer) {
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

static void drop_peer(w4_fact_sync *sync, sync_peer *peer) {
    end_taking(peer);
    HASH_DEL(sync->peers, peer);
    free(peer);
}

static void clear_tried(w4_fact_sync *sync) {
    sync_tried *tried, *next;
    HASH_ITER (hh, sync->tried, tried, next) {
        HASH_DEL(sync->tried, tried);
        free(tried);
    }
}

void w4_fact_sync_deinit(w4_fact_sync *sync) {
    while (sync->peers) {
        drop_peer(sync, sync->peers);
    }
    clear_tried(sync);
    w4_json_document_deinit(&sync->document);
}

static sync_peer *find_peer(const w4_fact_sync *sync, const w4_fingerprint *node) {
    sync_peer *found = NULL;
    HASH_FIND(hh, sync->peers, node, sizeof *node, found);
    return found;
}

int w4_fact_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    sync_peer *peer = find_peer(&p->fact_sync, node);
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer) {
            return -ENOMEM;
        }
        peer->node = *node;
        HASH_ADD(hh, p->fact_sync.peers, node, sizeof peer->node, peer);
        if (!peer->hh.tbl) {
            free(peer);
            return -ENOMEM;
        }
        peer->tokens = W4_FACT_SYNC_BURST;
        peer->tokens_us = now_us;
    }
    end_taking(peer); /* what was under way went with the session before */
    peer->announce_us = w4_later(now_us, W4_FACT_SYNC_START_US);
    w4_router_wake(p, peer->announce_us);
    return 0;
}

void w4_fact_sync_peer_down(w4_protocol *p, const w4_fingerprint *node) {
    sync_peer *peer = find_peer(&p->fact_sync, node);
    if (peer) {
        drop_peer(&p->fact_sync, peer);
    }
}

void w4_fact_sync_trust_moved(w4_protocol *p) {
    if (p->fact_sync.peers && !p->fact_sync.trust_moved) {
        p->fact_sync.trust_moved = true;
        w4_router_wake(p, 0);
    }
}

/* ---- saying */

typedef int (*writer)(const w4_protocol *p, w4_json request, w4_buffer *out);

/* What does not get through is made good by a later round. 0 or -ENOMEM. */
static int say(w4_protocol *p, const w4_fingerprint *node, w4_type type, w4_bytes payload,
               uint64_t now_us) {
    return w4_router_say(p, node, type, payload, W4_FACT_SYNC_ANSWER_US, now_us);
}

static int announce(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    peer->announce_us = W4_NEVER;
    if (w4_facts_count(p->facts) == 0) {
        return 0; /* there is nothing to take here */
    }
    w4_buffer payload = W4_BUFFER_INIT(1024);
    int r = w4_fact_give_sum(p, &payload);
    r = r == 0 ? say(p, &peer->node, W4_TYPE_MESH_FACTS, w4_buffer_bytes(&payload), now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* ---- giving */

static bool take_token(sync_peer *peer, uint64_t now_us) {
    uint64_t more = (now_us - peer->tokens_us) * W4_FACT_SYNC_PER_S / W4_US_PER_S;
    if (more > 0) {
        peer->tokens_us = now_us;
        peer->tokens = more < W4_FACT_SYNC_BURST - peer->tokens ? peer->tokens + (uint32_t)more
                                                                : W4_FACT_SYNC_BURST;
    }
    if (peer->tokens == 0) {
        return false;
    }
    peer->tokens--;
    return true;
}

static int give(w4_protocol *p, w4_inbound *in, sync_peer *peer, w4_type type, writer fill) {
    if (!take_token(peer, in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer requests");
    }
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = fill(p, in->envelope.payload, &payload);
    r = r == 0 ? say(p, &in->from_node, type, w4_buffer_bytes(&payload), in->now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* ---- taking */

static void schedule(w4_protocol *p, sync_peer *peer, sync_step step, uint64_t at_us) {
    peer->step = step;
    peer->waiting = false;
    peer->due_us = at_us;
    w4_router_wake(p, at_us);
}

/* Not at once after the last request: the other one has other things to do. */
static void ask_next(w4_protocol *p, sync_peer *peer, sync_step step, uint64_t now_us) {
    uint64_t pause_us =
        peer->asked < W4_FACT_SYNC_BRISK ? W4_FACT_SYNC_PAUSE_US : 10 * W4_FACT_SYNC_PAUSE_US;
    uint64_t at_us = w4_later(peer->asked_us, pause_us);
    schedule(p, peer, step, at_us > now_us ? at_us : now_us);
}

static void begin_round(w4_protocol *p, sync_peer *peer, uint64_t at_us) {
    end_taking(peer);
    peer->part = 0;
    peer->after[0] = '\0';
    peer->asked = 0;
    peer->took = false;
    schedule(p, peer, STEP_LISTING, at_us);
}

/* What is new here may be new to the other neighbours too. */
static void finish_round(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    sync_peer *other, *next;
    end_taking(peer);
    peer->settled = true;
    memcpy(peer->settled_sum, peer->sum, sizeof peer->sum);
    w4_facts_sum(p->facts, peer->settled_own);
    HASH_ITER (hh, p->fact_sync.peers, other, next) {
        if (peer->took && other != peer) {
            other->announce_us =
                w4_earlier(other->announce_us, w4_later(now_us, W4_FACT_SYNC_START_US));
            w4_router_wake(p, other->announce_us);
        }
    }
}

static int take_sum(w4_protocol *p, w4_inbound *in, sync_peer *peer, w4_json sum) {
    uint8_t own[W4_FACT_DIGEST_LEN];
    w4_facts_sum(p->facts, own);
    (void)w4_hex_parse(w4_json_string_raw(sum), peer->sum, sizeof peer->sum);
    peer->known = true;
    bool done = memcmp(peer->sum, own, sizeof own) == 0 ||
                (peer->settled && memcmp(peer->settled_sum, peer->sum, sizeof own) == 0 &&
                 memcmp(peer->settled_own, own, sizeof own) == 0);
    if (!done && peer->step == STEP_IDLE) {
        uint64_t at_us = w4_later(peer->asked_us, W4_FACT_SYNC_PAUSE_US);
        begin_round(p, peer, at_us > in->now_us ? at_us : in->now_us);
    }
    return 0;
}

static sync_tried *find_tried(const w4_fact_sync *sync, const sync_peer *peer, const want *wanted) {
    sync_tried probe, *found = NULL;
    probe.key.node = peer->node;
    memcpy(probe.key.id, wanted->id, sizeof probe.key.id);
    memcpy(probe.key.digest, wanted->digest, sizeof probe.key.digest);
    HASH_FIND(hh, sync->tried, &probe.key, sizeof probe.key, found);
    return found;
}

uint32_t w4_fact_sync_tried(const w4_fact_sync *sync) {
    return HASH_COUNT(sync->tried);
}

static int add_tried(w4_fact_sync *sync, const sync_peer *peer, const want *wanted) {
    if (find_tried(sync, peer, wanted)) {
        return 0;
    }
    if (HASH_COUNT(sync->tried) >= W4_FACT_SYNC_TRIED_MAX) {
        sync_tried *oldest = sync->tried;
        HASH_DEL(sync->tried, oldest);
        free(oldest);
    }
    sync_tried *tried = calloc(1, sizeof *tried);
    if (!tried) {
        return -ENOMEM;
    }
    tried->key.node = peer->node;
    memcpy(tried->key.id, wanted->id, sizeof tried->key.id);
    memcpy(tried->key.digest, wanted->digest, sizeof tried->key.digest);
    HASH_ADD(hh, sync->tried, key, sizeof tried->key, tried);
    if (!tried->hh.tbl) {
        free(tried);
        return -ENOMEM;
    }
    return 0;
}

static bool is_same_here(const w4_protocol *p, const want *wanted) {
    const w4_fact *fact = w4_facts_find(p->facts, wanted->id);
    return fact && fact->counted &&
           memcmp(fact->digest, wanted->digest, sizeof wanted->digest) == 0;
}

/* Behind the last list: the rest of its part, or the next part. */
static void go_on(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    if (peer->last) {
        peer->part++;
        peer->after[0] = '\0';
    }
    if (peer->part >= W4_FACT_PARTS) {
        finish_round(p, peer, now_us);
    } else {
        ask_next(p, peer, STEP_LISTING, now_us);
    }
}

/* A list must lead on: parts and ids only grow, else a round would have no end. */
static int take_list(w4_protocol *p, w4_inbound *in, sync_peer *peer) {
    w4_json payload = in->envelope.payload, list = w4_json_get(payload, "facts");
    int64_t part = 0;
    (void)w4_json_integer(w4_json_get(payload, "part"), &part);
    if (peer->step != STEP_LISTING || !peer->waiting) {
        return 0; /* it was not asked for, or comes too late */
    }
    if ((unsigned)part < peer->part) {
        return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/part",
                                 "one from the part that was asked for on");
    }
    if ((unsigned)part >= W4_FACT_PARTS) {
        finish_round(p, peer, in->now_us);
        return 0;
    }
    if ((unsigned)part != peer->part) {
        peer->part = (unsigned)part;
        peer->after[0] = '\0';
    }
    peer->wants = calloc(W4_FACT_SYNC_LIST_MAX, sizeof *peer->wants);
    if (!peer->wants) {
        return -ENOMEM;
    }
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        want wanted;
        if (!w4_json_string_copy(w4_json_get(i.value, "id"), wanted.id, sizeof wanted.id) ||
            strcmp(wanted.id, peer->after) <= 0) {
            end_taking(peer);
            return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/facts",
                                     "facts in the order of their ids");
        }
        (void)w4_hex_parse(w4_json_string_raw(w4_json_get(i.value, "digest")), wanted.digest,
                           sizeof wanted.digest);
        memcpy(peer->after, wanted.id, sizeof peer->after);
        if (!is_same_here(p, &wanted) && !find_tried(&p->fact_sync, peer, &wanted)) {
            peer->wants[peer->want_count++] = wanted;
        }
    }
    peer->last = w4_json_is_true(w4_json_get(payload, "last")) || w4_json_count(list) == 0;
    peer->want_at = 0;
    if (peer->want_count > 0) {
        ask_next(p, peer, STEP_WANTING, in->now_us);
    } else {
        end_taking(peer);
        go_on(p, peer, in->now_us);
    }
    return 0;
}

int w4_fact_sync_take(w4_protocol *p, w4_inbound *in) {
    sync_peer *peer = find_peer(&p->fact_sync, &in->from_node);
    w4_json payload = in->envelope.payload, sum = w4_json_get(payload, "sum");
    in->consumed = true;
    if (!peer) {
        return 0; /* it came before its session is told, or after it ended */
    }
    if (w4_json_exists(sum)) {
        return take_sum(p, in, peer, sum);
    }
    if (w4_json_exists(w4_json_get(payload, "parts"))) {
        return give(p, in, peer, W4_TYPE_MESH_FACTS, w4_fact_give_list);
    }
    if (w4_json_exists(w4_json_get(payload, "wanted"))) {
        return give(p, in, peer, W4_TYPE_MESH_VOTES, w4_fact_give_votes);
    }
    return w4_json_exists(w4_json_get(payload, "facts")) ? take_list(p, in, peer) : 0;
}

int w4_fact_sync_take_votes(w4_protocol *p, w4_inbound *in) {
    sync_peer *peer = find_peer(&p->fact_sync, &in->from_node);
    in->consumed = true;
    if (peer && peer->step == STEP_WANTING && peer->waiting) {
        peer->answer = w4_blob_ref(in->blob);
        peer->answer_at = 0;
        schedule(p, peer, STEP_TAKING, in->now_us);
    }
    return 0;
}

/* ---- what an answer holds */

/* One envelope goes its way through the pipeline, and is judged before the next comes: as it went
 * where they were cast. */
static int take_envelope(w4_protocol *p, sync_peer *peer, w4_bytes text, uint64_t now_us) {
    w4_inbound in = {.origin = W4_ORIGIN_SHARED,
                     .from_node = peer->node,
                     .bytes = text,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    int r = w4_pipeline_run(p, &in);
    if (r == 0 && in.took_effect) {
        peer->took = true;
        p->fact_sync.taken++;
    } else if (r > 0 && in.fault.code != W4_REFUSAL_UNTRUSTED &&
               in.fault.code != W4_REFUSAL_UNKNOWN_REFERENCE) {
        r = w4_router_tell_rejected(p, &in);
    }
    w4_blob_unref(in.blob);
    return r < 0 ? r : w4_knowledge_judge(p, now_us);
}

/* The answer has been looked at: what was covered is as good as it gets. */
static int close_answer(w4_protocol *p, sync_peer *peer, w4_json payload, uint64_t now_us) {
    int64_t done = 0, skip = 0;
    (void)w4_json_integer(w4_json_get(payload, "done"), &done);
    (void)w4_json_integer(w4_json_get(payload, "skip"), &skip);
    uint32_t left = peer->want_count - peer->want_at;
    bool forward = done > 0 || (uint64_t)skip > peer->skip;
    uint32_t covered = (uint64_t)done < left ? (uint32_t)done : left;
    covered = forward ? covered : left; /* it leads nowhere: enough of this list */
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < covered; i++, peer->want_at++) {
        const want *wanted = &peer->wants[peer->want_at];
        r = is_same_here(p, wanted) ? 0 : add_tried(&p->fact_sync, peer, wanted);
    }
    peer->skip = (uint64_t)skip;
    peer->answer = w4_blob_unref(peer->answer);
    peer->answer_at = 0;
    if (peer->want_at < peer->want_count) {
        ask_next(p, peer, STEP_WANTING, now_us);
    } else {
        end_taking(peer);
        go_on(p, peer, now_us);
    }
    return r;
}

/* Some of its envelopes, the others in the next turn. */
static int look_at_answer(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    int r = w4_json_read_canonical(&p->fact_sync.document, w4_blob_bytes(peer->answer),
                                   &W4_JSON_LIMITS_ENVELOPE, NULL);
    if (r != 0) {
        end_taking(peer);
        return r < 0 ? r : 0;
    }
    w4_json payload = w4_json_get(w4_json_root(&p->fact_sync.document), "payload");
    uint32_t at = 0, looked = 0;
    w4_json_iterator i = w4_json_first(w4_json_get(payload, "envelopes"));
    for (; r == 0 && w4_json_exists(i.value); i = w4_json_next(i), at++) {
        if (at < peer->answer_at) {
            continue;
        }
        if (looked++ == W4_FACT_SYNC_VERIFIED_PER_TURN) {
            break;
        }
        r = take_envelope(p, peer, w4_json_text(i.value), now_us);
        peer->answer_at++;
    }
    if (r == 0 && w4_json_exists(i.value)) {
        schedule(p, peer, STEP_TAKING, now_us);
        return 0;
    }
    return r == 0 ? close_answer(p, peer, payload, now_us) : r;
}

/* ---- asking */

static int ask_wanted(w4_protocol *p, sync_peer *peer, w4_buffer *out) {
    size_t room = p->config.limits.bytes > 8192 ? p->config.limits.bytes - 4096 : 4096;
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_unsigned(&w, "bytes", room);
    w4_json_member_unsigned(&w, "skip", peer->skip);
    w4_json_name(&w, "wanted");
    w4_json_begin_array(&w);
    for (uint32_t i = peer->want_at; i < peer->want_count; i++) {
        w4_json_string_text(&w, peer->wants[i].id);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

static int ask(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = peer->step == STEP_LISTING ? w4_fact_give_parts(p, peer->part, peer->after, &payload)
                                       : ask_wanted(p, peer, &payload);
    r = r == 0 ? say(p, &peer->node, W4_TYPE_MESH_FACTS, w4_buffer_bytes(&payload), now_us) : r;
    w4_buffer_deinit(&payload);
    peer->waiting = true;
    peer->asked++;
    peer->asked_us = now_us;
    peer->due_us = w4_later(now_us, W4_FACT_SYNC_ANSWER_US);
    w4_router_wake(p, peer->due_us);
    return r;
}

static int run_peer(w4_protocol *p, sync_peer *peer, uint64_t now_us) {
    int r = now_us >= peer->announce_us ? announce(p, peer, now_us) : 0;
    if (r != 0 || now_us < peer->due_us || peer->step == STEP_IDLE) {
        return r;
    }
    if (peer->step == STEP_TAKING) {
        return look_at_answer(p, peer, now_us);
    }
    if (peer->waiting) { /* no answer: from the beginning, later */
        begin_round(p, peer, w4_later(now_us, W4_FACT_SYNC_AGAIN_US));
        return 0;
    }
    return ask(p, peer, now_us);
}

/* Words that were refused may count now. */
static void start_over(w4_protocol *p, uint64_t now_us) {
    uint8_t own[W4_FACT_DIGEST_LEN];
    sync_peer *peer, *next;
    p->fact_sync.trust_moved = false;
    clear_tried(&p->fact_sync);
    w4_facts_sum(p->facts, own);
    HASH_ITER (hh, p->fact_sync.peers, peer, next) {
        peer->settled = false;
        if (peer->known && peer->step == STEP_IDLE && memcmp(peer->sum, own, sizeof own) != 0) {
            begin_round(p, peer, w4_later(now_us, W4_FACT_SYNC_START_US));
        }
    }
}

/* Now and then one neighbour is told the sum, whoever it is. */
static void pick_one(w4_protocol *p, uint64_t now_us) {
    w4_fact_sync *sync = &p->fact_sync;
    bool set = sync->period_us != 0;
    if (set && now_us < sync->period_us) {
        return;
    }
    uint64_t jitter_us = w4_env_random_below(p->env, W4_FACT_SYNC_PERIOD_US / 4);
    sync->period_us = w4_later(now_us, W4_FACT_SYNC_PERIOD_US + jitter_us);
    uint64_t which = w4_env_random_below(p->env, HASH_COUNT(sync->peers));
    sync_peer *peer = sync->peers;
    while (peer && which-- > 0) {
        peer = peer->hh.next;
    }
    if (peer && set) {
        peer->announce_us = now_us;
    }
}

int w4_fact_sync_expire(w4_protocol *p, uint64_t now_us) {
    w4_fact_sync *sync = &p->fact_sync;
    sync_peer *peer, *next;
    int r = 0;
    if (!sync->peers) {
        sync->trust_moved = false;
        sync->period_us = 0;
        return 0;
    }
    if (sync->trust_moved) {
        start_over(p, now_us);
    }
    pick_one(p, now_us);
    for (peer = sync->peers; r == 0 && peer; peer = next) {
        next = peer->hh.next;
        r = run_peer(p, peer, now_us);
    }
    return r;
}

uint64_t w4_fact_sync_deadline(const w4_protocol *p) {
    const w4_fact_sync *sync = &p->fact_sync;
    uint64_t deadline_us = sync->peers && sync->period_us != 0 ? sync->period_us : W4_NEVER;
    for (const sync_peer *peer = sync->peers; peer; peer = peer->hh.next) {
        deadline_us = w4_earlier(deadline_us, w4_earlier(peer->due_us, peer->announce_us));
    }
    return deadline_us;
}

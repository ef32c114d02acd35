#include "protocol/humans/human_sync.h"

#include "base/text.h"
#include "protocol/humans/hcp.h"
#include "protocol/map.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum human_step {
    STEP_IDLE,
    STEP_LISTING, /* asks for the next list */
    STEP_WANTING, /* asks for what it lacks of the last one */
    STEP_TAKING   /* looks at an answer */
} human_step;

typedef struct human_peer {
    w4_fingerprint node;
    uint64_t announce_us; /* when to say the sum here; W4_NEVER */
    /* giving */
    uint32_t tokens;
    uint64_t tokens_us;
    /* taking */
    human_step step;
    bool waiting; /* for an answer, until due_us */
    uint64_t due_us, asked_us;
    uint32_t asked; /* in this round */
    unsigned part;
    bool begun; /* of that part, up to after */
    w4_fingerprint after;
    bool last; /* the list was the last of its part */
    w4_fingerprint *wants;
    uint32_t want_count, want_at;
    w4_blob *answer;
    uint32_t answer_at;
    w4_blob *aside; /* what they told unasked */
    uint32_t aside_at;
    uint8_t sum[W4_HUMAN_DIGEST_LEN];   /* of theirs, that the round is for */
    uint8_t heard[W4_HUMAN_DIGEST_LEN]; /* the last one they said */
    bool settled;                       /* with these sums there was nothing left to take */
    uint8_t settled_sum[W4_HUMAN_DIGEST_LEN], settled_own[W4_HUMAN_DIGEST_LEN];
    UT_hash_handle hh;
} human_peer;

static void end_taking(human_peer *peer) {
    free(peer->wants);
    peer->wants = NULL;
    peer->want_count = peer->want_at = 0;
    peer->answer = w4_blob_unref(peer->answer);
    peer->answer_at = 0;
    peer->waiting = false;
    peer->step = STEP_IDLE;
    peer->due_us = W4_NEVER;
}

static void drop_peer(w4_human_sync *sync, human_peer *peer) {
    end_taking(peer);
    w4_blob_unref(peer->aside);
    HASH_DEL(sync->peers, peer);
    free(peer);
}

void w4_human_sync_deinit(w4_human_sync *sync) {
    while (sync->peers) {
        drop_peer(sync, sync->peers);
    }
    w4_human_index_deinit(&sync->index);
    w4_json_document_deinit(&sync->document);
}

static human_peer *find_peer(const w4_human_sync *sync, const w4_fingerprint *node) {
    human_peer *found = NULL;
    HASH_FIND(hh, sync->peers, node, sizeof *node, found);
    return found;
}

/* ---- saying */

static int say(w4_protocol *p, const human_peer *peer, const w4_buffer *payload, uint64_t now_us) {
    return w4_router_say(p, &peer->node, W4_TYPE_MESH_HUMANS, w4_buffer_bytes(payload),
                         W4_HUMAN_SYNC_ANSWER_US, now_us);
}

typedef struct household {
    const w4_protocol *p;
    const w4_fingerprint *node;
} household;

static bool lives_there(void *context, const w4_fingerprint *agent) {
    const household *h = context;
    const w4_home *home = w4_homes_find(&h->p->homes, agent);
    return w4_router_has(h->p, h->node, agent) ||
           (home && w4_fingerprint_equal(&home->node, h->node));
}

/* What was said to one agent goes to nobody but the node of that one, from the node it was said at,
 * and unasked. */
static int tell_asides(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    household there = {.p = p, .node = &peer->node};
    const w4_human_asides asides = {.humans = w4_hcp_humans(p),
                                    .store = p->store,
                                    .limits = &p->config.limits,
                                    .lives_there = lives_there,
                                    .context = &there};
    uint32_t count = 0;
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_human_give_asides(&asides, &payload, &count);
    r = r == 0 && count > 0 ? say(p, peer, &payload, now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

static int announce(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    w4_human_index *index = &p->human_sync.index;
    peer->announce_us = W4_NEVER;
    int r = w4_human_index_refresh(index, w4_hcp_humans(p));
    if (r != 0 || index->count == 0) {
        return r; /* there is nothing to take here */
    }
    w4_buffer payload = W4_BUFFER_INIT(1024);
    r = w4_human_give_sum(index, &payload);
    r = r == 0 ? say(p, peer, &payload, now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

int w4_human_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    human_peer *peer = find_peer(&p->human_sync, node);
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer) {
            return -ENOMEM;
        }
        peer->node = *node;
        HASH_ADD(hh, p->human_sync.peers, node, sizeof peer->node, peer);
        if (!peer->hh.tbl) {
            free(peer);
            return -ENOMEM;
        }
        peer->tokens = W4_HUMAN_SYNC_BURST;
        peer->tokens_us = now_us;
    }
    end_taking(peer); /* what was under way went with the session before */
    peer->settled = false;
    int r = tell_asides(p, peer, now_us);
    return r == 0 ? announce(p, peer, now_us) : r;
}

void w4_human_sync_peer_down(w4_protocol *p, const w4_fingerprint *node) {
    human_peer *peer = find_peer(&p->human_sync, node);
    if (peer) {
        drop_peer(&p->human_sync, peer);
    }
}

void w4_human_sync_moved(w4_protocol *p, uint64_t now_us) {
    w4_human_sync *sync = &p->human_sync;
    uint64_t changes = w4_humans_changes(w4_hcp_humans(p));
    if (sync->changes == changes) {
        return;
    }
    sync->changes = changes;
    human_peer *peer, *next;
    HASH_ITER (hh, sync->peers, peer, next) {
        uint64_t at_us = w4_later(now_us, W4_HUMAN_SYNC_SPREAD_US);
        peer->announce_us = w4_earlier(peer->announce_us, at_us);
        w4_router_wake(p, peer->announce_us);
    }
}

/* ---- giving */

static bool take_token(human_peer *peer, uint64_t now_us) {
    uint64_t more = (now_us - peer->tokens_us) * W4_HUMAN_SYNC_PER_S / W4_US_PER_S;
    if (more > 0) {
        peer->tokens_us = now_us;
        peer->tokens = more < W4_HUMAN_SYNC_BURST - peer->tokens ? peer->tokens + (uint32_t)more
                                                                 : W4_HUMAN_SYNC_BURST;
    }
    if (peer->tokens == 0) {
        return false;
    }
    peer->tokens--;
    return true;
}

static int give(w4_protocol *p, w4_inbound *in, human_peer *peer, bool words) {
    if (!take_token(peer, in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer requests");
    }
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json request = in->envelope.payload;
    int r = w4_human_index_refresh(&p->human_sync.index, w4_hcp_humans(p));
    if (r == 0) {
        r = words ? w4_human_give_words(w4_hcp_humans(p), p->store, &p->config.limits, request,
                                        &payload)
                  : w4_human_give_list(&p->human_sync.index, request, &payload);
    }
    r = r == 0 ? say(p, peer, &payload, in->now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* ---- taking */

static void schedule(w4_protocol *p, human_peer *peer, human_step step, uint64_t at_us) {
    peer->step = step;
    peer->waiting = false;
    peer->due_us = at_us;
    w4_router_wake(p, at_us);
}

/* Not at once after the last request: the other one has other things to do. */
static void ask_next(w4_protocol *p, human_peer *peer, human_step step, uint64_t now_us) {
    uint64_t pause_us = peer->asked == 0                    ? 0
                        : peer->asked < W4_HUMAN_SYNC_BRISK ? W4_HUMAN_SYNC_PAUSE_US
                                                            : 20 * W4_HUMAN_SYNC_PAUSE_US;
    uint64_t at_us = w4_later(peer->asked_us, pause_us);
    schedule(p, peer, step, at_us > now_us ? at_us : now_us);
}

static void begin_round(w4_protocol *p, human_peer *peer, uint64_t at_us) {
    end_taking(peer);
    peer->part = 0;
    peer->begun = false;
    peer->asked = 0;
    schedule(p, peer, STEP_LISTING, at_us);
}

/* What moved there meanwhile is asked for in a round of its own. */
static int finish_round(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    end_taking(peer);
    int r = w4_human_index_refresh(&p->human_sync.index, w4_hcp_humans(p));
    peer->settled = true;
    memcpy(peer->settled_sum, peer->sum, sizeof peer->sum);
    memcpy(peer->settled_own, p->human_sync.index.sum, sizeof peer->settled_own);
    if (memcmp(peer->heard, peer->sum, sizeof peer->sum) != 0) {
        memcpy(peer->sum, peer->heard, sizeof peer->sum);
        begin_round(p, peer, w4_later(now_us, W4_HUMAN_SYNC_SPREAD_US));
    }
    return r;
}

static int take_sum(w4_protocol *p, w4_inbound *in, human_peer *peer, w4_json sum) {
    w4_human_index *index = &p->human_sync.index;
    int r = w4_human_index_refresh(index, w4_hcp_humans(p));
    (void)w4_hex_parse(w4_json_string_raw(sum), peer->heard, sizeof peer->heard);
    if (r != 0 || peer->step != STEP_IDLE) {
        return r;
    }
    memcpy(peer->sum, peer->heard, sizeof peer->sum);
    bool same = memcmp(peer->sum, index->sum, sizeof index->sum) == 0;
    bool settled = peer->settled && memcmp(peer->settled_sum, peer->sum, sizeof peer->sum) == 0 &&
                   memcmp(peer->settled_own, index->sum, sizeof index->sum) == 0;
    if (!same && !settled) {
        begin_round(p, peer, in->now_us);
    }
    return 0;
}

/* Behind the last list: the rest of its part, or the next part. */
static int go_on(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    if (peer->last) {
        peer->part++;
        peer->begun = false;
    }
    if (peer->part >= W4_HUMAN_PARTS) {
        return finish_round(p, peer, now_us);
    }
    ask_next(p, peer, STEP_LISTING, now_us);
    return 0;
}

/* Is there more to learn of that human than is known here? */
static bool is_wanted(const w4_protocol *p, w4_json listed, const w4_fingerprint *agent) {
    const w4_human *human = w4_humans_find(w4_hcp_humans(p), agent);
    uint8_t digest[W4_HUMAN_DIGEST_LEN] = {0};
    int64_t at_us = 0, greeted_us = 0;
    (void)w4_hex_parse(w4_json_string_raw(w4_json_get(listed, "digest")), digest, sizeof digest);
    (void)w4_json_integer(w4_json_get(listed, "at"), &at_us);
    (void)w4_json_integer(w4_json_get(listed, "greeted"), &greeted_us);
    return !human ||
           (memcmp(human->digest, digest, sizeof digest) != 0 &&
            ((uint64_t)at_us >= human->latest_us ||
             (uint64_t)greeted_us > human->greeting.at_us)) ||
           (!w4_human_can_be_told(human) && (uint64_t)at_us > human->latest_us);
}

/* A list must lead on: parts and fingerprints only grow, else a round would have no end. */
static int read_list(w4_protocol *p, w4_inbound *in, human_peer *peer, w4_json list) {
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_fingerprint agent;
        if (!w4_fingerprint_parse(w4_json_string_raw(w4_json_get(i.value, "agent")), &agent) ||
            w4_human_part(&agent) != peer->part ||
            (peer->begun && w4_fingerprint_compare(&agent, &peer->after) <= 0)) {
            end_taking(peer);
            return w4_inbound_refuse(in, W4_REFUSAL_BAD_ENVELOPE, "/payload/humans",
                                     "humans of that part, in the order of their fingerprints");
        }
        peer->after = agent;
        peer->begun = true;
        if (is_wanted(p, i.value, &agent)) {
            peer->wants[peer->want_count++] = agent;
        }
    }
    return 0;
}

static int take_list(w4_protocol *p, w4_inbound *in, human_peer *peer) {
    w4_json payload = in->envelope.payload, list = w4_json_get(payload, "humans");
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
    if ((unsigned)part >= W4_HUMAN_PARTS) {
        return finish_round(p, peer, in->now_us);
    }
    peer->begun = peer->begun && (unsigned)part == peer->part;
    peer->part = (unsigned)part;
    peer->wants = calloc(W4_HUMANS_OF_ONE, sizeof *peer->wants);
    int r = peer->wants ? read_list(p, in, peer, list) : -ENOMEM;
    if (r != 0) {
        return r;
    }
    peer->last = w4_json_is_true(w4_json_get(payload, "last")) || w4_json_count(list) == 0;
    peer->want_at = 0;
    if (peer->want_count > 0) {
        ask_next(p, peer, STEP_WANTING, in->now_us);
        return 0;
    }
    end_taking(peer);
    return go_on(p, peer, in->now_us);
}

/* Unasked a node tells what its humans said to agents here. */
static int take_words(w4_protocol *p, w4_inbound *in, human_peer *peer) {
    bool asked = w4_json_exists(w4_json_get(in->envelope.payload, "done"));
    if (asked && peer->step == STEP_WANTING && peer->waiting) {
        peer->answer = w4_blob_ref(in->blob);
        peer->answer_at = 0;
        schedule(p, peer, STEP_TAKING, in->now_us);
    }
    if (asked) {
        return 0; /* or it comes too late */
    }
    if (peer->aside || !take_token(peer, in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer words");
    }
    peer->aside = w4_blob_ref(in->blob);
    peer->aside_at = 0;
    w4_router_wake(p, in->now_us);
    return 0;
}

int w4_human_sync_take(w4_protocol *p, w4_inbound *in) {
    human_peer *peer = find_peer(&p->human_sync, &in->from_node);
    w4_json payload = in->envelope.payload, sum = w4_json_get(payload, "sum");
    in->consumed = true;
    if (!peer) {
        return 0; /* it came before its session is told, or after it ended */
    }
    if (w4_json_exists(sum)) {
        return take_sum(p, in, peer, sum);
    }
    if (w4_json_exists(w4_json_get(payload, "parts"))) {
        return give(p, in, peer, false);
    }
    if (w4_json_exists(w4_json_get(payload, "wanted"))) {
        return give(p, in, peer, true);
    }
    if (w4_json_exists(w4_json_get(payload, "envelopes"))) {
        return take_words(p, in, peer);
    }
    return w4_json_exists(w4_json_get(payload, "humans")) ? take_list(p, in, peer) : 0;
}

/* ---- what an answer holds */

/* One envelope goes its way through the pipeline: what it moves takes effect at once. */
static int take_envelope(w4_protocol *p, human_peer *peer, w4_bytes text, uint64_t now_us) {
    uint64_t before = w4_humans_changes(w4_hcp_humans(p));
    w4_inbound in = {.origin = W4_ORIGIN_SHARED,
                     .from_node = peer->node,
                     .bytes = text,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    int r = w4_pipeline_run(p, &in);
    p->human_sync.taken += w4_humans_changes(w4_hcp_humans(p)) != before ? 1 : 0;
    r = r > 0 ? w4_router_tell_rejected(p, &in) : r;
    w4_blob_unref(in.blob);
    return r;
}

/* The answer has been looked at: what was covered is as good as it gets. */
static int close_answer(w4_protocol *p, human_peer *peer, w4_json payload, uint64_t now_us) {
    int64_t done = 0;
    (void)w4_json_integer(w4_json_get(payload, "done"), &done);
    uint32_t left = peer->want_count - peer->want_at;
    /* None: it leads nowhere, so enough of this list. */
    peer->want_at += done > 0 && (uint64_t)done < left ? (uint32_t)done : left;
    peer->answer = w4_blob_unref(peer->answer);
    peer->answer_at = 0;
    if (peer->want_at < peer->want_count) {
        ask_next(p, peer, STEP_WANTING, now_us);
        return 0;
    }
    end_taking(peer);
    return go_on(p, peer, now_us);
}

/* Some of its envelopes from *at on, the others in the next turn. The payload is in the document of
 * the sync then. *ret_done: there are no more. 0 or a fatal error. */
static int look_at_words(w4_protocol *p, human_peer *peer, w4_blob *words, uint32_t *at,
                         bool *ret_done, uint64_t now_us) {
    w4_json_document *doc = &p->human_sync.document;
    int r = w4_json_read_canonical(doc, w4_blob_bytes(words), &W4_JSON_LIMITS_ENVELOPE, NULL);
    if (r != 0) {
        *ret_done = true;
        return r < 0 ? r : 0;
    }
    w4_json list = w4_json_at_pointer(w4_json_root(doc), w4_bytes_from_text("/payload/envelopes"));
    uint32_t place = 0, looked = 0;
    w4_json_iterator i = w4_json_first(list);
    for (; r == 0 && w4_json_exists(i.value) && looked < W4_HUMAN_SYNC_VERIFIED_PER_TURN;
         i = w4_json_next(i), place++) {
        if (place >= *at) {
            r = take_envelope(p, peer, w4_json_text(i.value), now_us);
            looked++;
            (*at)++;
        }
    }
    *ret_done = !w4_json_exists(i.value);
    return r;
}

static int look_at_answer(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    bool done;
    int r = look_at_words(p, peer, peer->answer, &peer->answer_at, &done, now_us);
    if (r == 0 && !done) {
        schedule(p, peer, STEP_TAKING, now_us);
        return 0;
    }
    w4_json payload = w4_json_get(w4_json_root(&p->human_sync.document), "payload");
    return r == 0 ? close_answer(p, peer, payload, now_us) : r;
}

static int look_at_aside(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    bool done;
    int r = look_at_words(p, peer, peer->aside, &peer->aside_at, &done, now_us);
    if (r == 0 && !done) {
        w4_router_wake(p, now_us);
    } else {
        peer->aside = w4_blob_unref(peer->aside);
    }
    return r;
}

/* ---- asking */

static int ask_wanted(w4_protocol *p, human_peer *peer, w4_buffer *out) {
    size_t room = p->config.limits.bytes > 8192 ? p->config.limits.bytes - 4096 : 4096;
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_unsigned(&w, "bytes", room);
    w4_json_name(&w, "wanted");
    w4_json_begin_array(&w);
    for (uint32_t i = peer->want_at; i < peer->want_count; i++) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&peer->wants[i], text);
        w4_json_string_text(&w, text);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    return w.error;
}

static int ask(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_human_index *index = &p->human_sync.index;
    int r = w4_human_index_refresh(index, w4_hcp_humans(p));
    if (r == 0) {
        r = peer->step == STEP_LISTING
                ? w4_human_give_parts(index, peer->part, peer->begun ? &peer->after : NULL,
                                      &payload)
                : ask_wanted(p, peer, &payload);
    }
    r = r == 0 ? say(p, peer, &payload, now_us) : r;
    w4_buffer_deinit(&payload);
    peer->waiting = true;
    peer->asked++;
    peer->asked_us = now_us;
    peer->due_us = w4_later(now_us, W4_HUMAN_SYNC_ANSWER_US);
    w4_router_wake(p, peer->due_us);
    return r;
}

static int run_peer(w4_protocol *p, human_peer *peer, uint64_t now_us) {
    int r = peer->aside ? look_at_aside(p, peer, now_us) : 0;
    r = r == 0 && now_us >= peer->announce_us ? announce(p, peer, now_us) : r;
    if (r != 0 || now_us < peer->due_us || peer->step == STEP_IDLE) {
        return r;
    }
    if (peer->step == STEP_TAKING) {
        return look_at_answer(p, peer, now_us);
    }
    if (peer->waiting) { /* no answer: from the beginning, later */
        begin_round(p, peer, w4_later(now_us, W4_HUMAN_SYNC_AGAIN_US));
        return 0;
    }
    return ask(p, peer, now_us);
}

/* Now and then one neighbour is told the sum, whoever it is. */
static void pick_one(w4_protocol *p, uint64_t now_us) {
    w4_human_sync *sync = &p->human_sync;
    bool set = sync->period_us != 0;
    if (set && now_us < sync->period_us) {
        return;
    }
    uint64_t jitter_us = w4_env_random_below(p->env, W4_HUMAN_SYNC_PERIOD_US / 4);
    sync->period_us = w4_later(now_us, W4_HUMAN_SYNC_PERIOD_US + jitter_us);
    uint64_t which = w4_env_random_below(p->env, HASH_COUNT(sync->peers));
    human_peer *peer = sync->peers;
    while (peer && which-- > 0) {
        peer = peer->hh.next;
    }
    if (peer && set) {
        peer->announce_us = now_us;
    }
}

int w4_human_sync_expire(w4_protocol *p, uint64_t now_us) {
    w4_human_sync *sync = &p->human_sync;
    human_peer *peer, *next;
    int r = 0;
    if (!sync->peers) {
        sync->period_us = 0;
        return 0;
    }
    pick_one(p, now_us);
    for (peer = sync->peers; r == 0 && peer; peer = next) {
        next = peer->hh.next;
        r = run_peer(p, peer, now_us);
    }
    return r;
}

uint64_t w4_human_sync_deadline(const w4_protocol *p) {
    const w4_human_sync *sync = &p->human_sync;
    uint64_t deadline_us = sync->peers && sync->period_us != 0 ? sync->period_us : W4_NEVER;
    for (const human_peer *peer = sync->peers; peer; peer = peer->hh.next) {
        deadline_us = w4_earlier(deadline_us, w4_earlier(peer->due_us, peer->announce_us));
        deadline_us = peer->aside ? 0 : deadline_us;
    }
    return deadline_us;
}

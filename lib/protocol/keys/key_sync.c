#include "protocol/keys/key_sync.h"

#include "base/text.h"
#include "base/tokens.h"
#include "crypto/primitives.h"
#include "envelope/schema.h"
#include "protocol/keys/keys.h"
#include "protocol/map.h"
#include "protocol/router.h"
#include "json/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUM_LEN W4_KEYRING_SUM_LEN
#define PATIENCE_US (10 * W4_US_PER_S) /* for what is said to a session */

static const w4_token_rate rate = {W4_KEY_SYNC_BURST, W4_KEY_SYNC_PER_S};

typedef struct key_peer {
    w4_fingerprint node;
    w4_tokens tokens;
    bool known; /* its sums are, as it said them last */
    uint8_t sums[W4_KEYRING_PARTS][SUM_LEN];
    UT_hash_handle hh;
} key_peer;

static key_peer *find_peer(const w4_key_sync *sync, const w4_fingerprint *node) {
    key_peer *found = NULL;
    HASH_FIND(hh, sync->peers, node, sizeof *node, found);
    return found;
}

static void drop_peer(w4_key_sync *sync, key_peer *peer) {
    HASH_DEL(sync->peers, peer);
    free(peer);
}

void w4_key_sync_deinit(w4_key_sync *sync) {
    while (sync->peers) {
        drop_peer(sync, sync->peers);
    }
    w4_json_document_deinit(&sync->document);
    w4_buffer_deinit(&sync->fresh);
}

/* ---- saying */

/* Signs the payload and sends it. What is lost on the way is made good by a later sum. */
static int say(w4_protocol *p, const w4_fingerprint *node, w4_bytes payload, uint64_t now_us) {
    return w4_router_say(p, node, W4_TYPE_MESH_KEYS, payload, PATIENCE_US, now_us);
}

static void write_digest(w4_json_writer *w, const char *name, const uint8_t *digest) {
    char text[2 * SUM_LEN + 1];
    w4_hex_format(w4_bytes_of(digest, SUM_LEN), text);
    if (name) {
        w4_json_name(w, name);
    }
    w4_json_string_text(w, text);
}

static void sum_of_all(const w4_protocol *p, uint8_t ret_sum[static SUM_LEN]) {
    uint8_t sums[W4_KEYRING_PARTS][SUM_LEN], hash[W4_HASH_LEN];
    for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
        w4_keyring_sum(p->keyring, part, sums[part]);
    }
    w4_hash(w4_bytes_of(sums, sizeof sums), w4_bytes_of(NULL, 0), hash);
    memcpy(ret_sum, hash, SUM_LEN);
}

static int say_sum(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    uint8_t sum[SUM_LEN];
    w4_buffer payload = W4_BUFFER_INIT(1024);
    w4_json_writer w;
    sum_of_all(p, sum);
    w4_json_writer_init(&w, &payload);
    w4_json_begin_object(&w);
    write_digest(&w, "sum", sum);
    w4_json_end_object(&w);
    int r = w.error == 0 ? say(p, node, w4_buffer_bytes(&payload), now_us) : w.error;
    w4_buffer_deinit(&payload);
    return r;
}

static int say_sums(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(8192);
    w4_json_writer w;
    w4_json_writer_init(&w, &payload);
    w4_json_begin_object(&w);
    w4_json_name(&w, "sums");
    w4_json_begin_array(&w);
    for (unsigned part = 0; part < W4_KEYRING_PARTS; part++) {
        uint8_t sum[SUM_LEN];
        w4_keyring_sum(p->keyring, part, sum);
        write_digest(&w, NULL, sum);
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    int r = w.error == 0 ? say(p, node, w4_buffer_bytes(&payload), now_us) : w.error;
    w4_buffer_deinit(&payload);
    return r;
}

static uint32_t write_list(const w4_protocol *p, unsigned part, uint32_t room, w4_json_writer *w) {
    const void *cursor = NULL;
    w4_key_text text;
    uint32_t count = 0;
    w4_json_begin_object(w);
    w4_json_name(w, "ids");
    w4_json_begin_array(w);
    while (count < room && count < W4_LIST_ITEMS_MAX &&
           w4_keyring_next_text(p->keyring, part, &cursor, &text)) {
        write_digest(w, NULL, text.id);
        count++;
    }
    w4_json_end_array(w);
    w4_json_member_unsigned(w, "part", part);
    w4_json_end_object(w);
    return count;
}

/* What is here in the parts that differ, as many as fit. */
static int say_lists(w4_protocol *p, const key_peer *peer, uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_json_writer w;
    uint32_t room = W4_KEY_SYNC_IDS_MAX, lists = 0;
    w4_json_writer_init(&w, &payload);
    w4_json_begin_object(&w);
    w4_json_name(&w, "lists");
    w4_json_begin_array(&w);
    for (unsigned part = 0; part < W4_KEYRING_PARTS && room > 0; part++) {
        uint8_t own[SUM_LEN];
        w4_keyring_sum(p->keyring, part, own);
        if (memcmp(own, peer->sums[part], sizeof own) != 0) {
            room -= write_list(p, part, room, &w);
            lists++;
        }
    }
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    int r = w.error;
    r = r == 0 && lists > 0 ? say(p, &peer->node, w4_buffer_bytes(&payload), now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* documents: the members of the array. */
static int say_documents(w4_protocol *p, const w4_fingerprint *node, w4_bytes documents, bool more,
                         uint64_t now_us) {
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = w4_buffer_append_text(&payload, "{\"documents\":[");
    r = r == 0 ? w4_buffer_append(&payload, documents) : r;
    r = r == 0 ? w4_buffer_append_text(&payload, more ? "],\"more\":true}" : "]}") : r;
    r = r == 0 ? say(p, node, w4_buffer_bytes(&payload), now_us) : r;
    w4_buffer_deinit(&payload);
    return r;
}

/* ---- what is new */

static int add_text(w4_buffer *documents, w4_bytes text) {
    int r = documents->len > 0 ? w4_buffer_append_text(documents, ",") : 0;
    return r == 0 ? w4_buffer_append(documents, text) : r;
}

/* The succession of a revoked key, where it has one: who hears of the revocation first would not
 * take it any more. */
static int add_succession(w4_protocol *p, const w4_key_document *revocation) {
    w4_key_text text;
    if (revocation->kind != W4_KEY_REVOCATION ||
        !w4_keyring_succession(p->keyring, &revocation->subject, &text)) {
        return 0;
    }
    p->key_sync.fresh_count++;
    return add_text(&p->key_sync.fresh, text.text);
}

int w4_key_sync_spread(w4_protocol *p, const w4_key_document *document,
                       const w4_fingerprint *from) {
    w4_key_sync *sync = &p->key_sync;
    static const w4_fingerprint nobody = {{0}};
    from = from ? from : &nobody;
    if (sync->fresh_count == 0 && !sync->fresh_sum) {
        sync->fresh.max = W4_ENVELOPE_BYTES_MAX;
        sync->from = *from;
    } else if (!w4_fingerprint_equal(&sync->from, from)) {
        sync->from = nobody;
    }
    if (sync->fresh_count + 2 > W4_KEY_SYNC_DOCUMENTS_MAX ||
        sync->fresh.len + 2 * (size_t)W4_KEY_DOCUMENT_MAX > W4_KEY_SYNC_BYTES_MAX) {
        sync->fresh_sum = true;
        return 0;
    }
    int r = add_succession(p, document);
    r = r == 0 ? add_text(&sync->fresh, document->text) : r;
    sync->fresh_count += r == 0 ? 1 : 0;
    return r;
}

int w4_key_sync_committed(w4_protocol *p, uint64_t now_us) {
    w4_key_sync *sync = &p->key_sync;
    key_peer *peer, *next;
    int r = 0;
    if ((sync->fresh_count == 0 && !sync->fresh_sum) || p->keys_unstored) {
        return 0;
    }
    HASH_ITER (hh, sync->peers, peer, next) {
        if (r == 0 && sync->fresh_count > 0 && !w4_fingerprint_equal(&peer->node, &sync->from)) {
            r = say_documents(p, &peer->node, w4_buffer_bytes(&sync->fresh), false, now_us);
        }
        if (r == 0 && sync->fresh_sum) {
            r = say_sum(p, &peer->node, now_us);
        }
    }
    w4_buffer_clear(&sync->fresh);
    sync->fresh_count = 0;
    sync->fresh_sum = false;
    return r;
}

/* ---- neighbours */

int w4_key_sync_peer_up(w4_protocol *p, const w4_fingerprint *node, uint64_t now_us) {
    key_peer *peer = find_peer(&p->key_sync, node);
    if (!peer) {
        peer = calloc(1, sizeof *peer);
        if (!peer) {
            return -ENOMEM;
        }
        peer->node = *node;
        HASH_ADD(hh, p->key_sync.peers, node, sizeof peer->node, peer);
        if (!peer->hh.tbl) {
            free(peer);
            return -ENOMEM;
        }
        peer->tokens = w4_tokens_full(&rate, now_us);
    }
    peer->known = false;
    return say_sum(p, node, now_us);
}

void w4_key_sync_peer_down(w4_protocol *p, const w4_fingerprint *node) {
    key_peer *peer = find_peer(&p->key_sync, node);
    if (peer) {
        drop_peer(&p->key_sync, peer);
    }
}

/* To the one whose turn it is: the first goes to the end. */
int w4_key_sync_expire(w4_protocol *p, uint64_t now_us) {
    w4_key_sync *sync = &p->key_sync;
    int r = w4_keys_settle(p, now_us);
    if (r != 0 || !sync->peers) {
        sync->period_us = 0;
        return r;
    }
    if (sync->period_us == 0) {
        sync->period_us = w4_later(now_us, W4_KEY_SYNC_PERIOD_US);
    } else if (now_us >= sync->period_us) {
        key_peer *peer = sync->peers;
        sync->period_us = w4_later(now_us, W4_KEY_SYNC_PERIOD_US);
        HASH_DEL(sync->peers, peer);
        HASH_ADD(hh, sync->peers, node, sizeof peer->node, peer);
        if (!peer->hh.tbl) {
            free(peer);
            return -ENOMEM;
        }
        r = say_sum(p, &peer->node, now_us);
    }
    return r;
}

uint64_t w4_key_sync_deadline(const w4_protocol *p) {
    return p->key_sync.peers && p->key_sync.period_us != 0 ? p->key_sync.period_us : W4_NEVER;
}

/* ---- taking */

static void read_digest(w4_json value, uint8_t ret_digest[static SUM_LEN]) {
    (void)w4_hex_parse(w4_json_string_raw(value), ret_digest, SUM_LEN);
}

static int take_sum(w4_protocol *p, w4_inbound *in, w4_json sum) {
    uint8_t theirs[SUM_LEN], own[SUM_LEN];
    read_digest(sum, theirs);
    sum_of_all(p, own);
    return memcmp(theirs, own, sizeof own) == 0 ? 0 : say_sums(p, &in->from_node, in->now_us);
}

static int take_sums(w4_protocol *p, w4_inbound *in, key_peer *peer, w4_json sums) {
    unsigned part = 0;
    for (w4_json_iterator i = w4_json_first(sums);
         w4_json_exists(i.value) && part < W4_KEYRING_PARTS; i = w4_json_next(i)) {
        read_digest(i.value, peer->sums[part++]);
    }
    peer->known = true;
    return say_lists(p, peer, in->now_us);
}

static int compare_ids(const void *a, const void *b) {
    return memcmp(a, b, SUM_LEN);
}

typedef struct gift {
    uint8_t (*ids)[SUM_LEN]; /* what the other one has, of one part */
    size_t count;
    w4_buffer documents;
    uint32_t given;
    bool more;
} gift;

static bool has(const gift *g, const uint8_t *id) {
    return g->count > 0 && bsearch(id, g->ids, g->count, SUM_LEN, compare_ids) != NULL;
}

static int give_part(const w4_protocol *p, unsigned part, w4_key_place place, gift *g) {
    const void *cursor = NULL;
    w4_key_text text;
    int r = 0;
    while (r == 0 && w4_keyring_next_text(p->keyring, part, &cursor, &text)) {
        if (text.place != place || has(g, text.id)) {
            continue;
        }
        if (g->given >= W4_KEY_SYNC_DOCUMENTS_MAX ||
            g->documents.len + text.text.len + 1 > W4_KEY_SYNC_BYTES_MAX) {
            g->more = true;
            return 0;
        }
        r = add_text(&g->documents, text.text);
        g->given++;
    }
    return r;
}

static int give_list(const w4_protocol *p, w4_json list, w4_key_place place, gift *g) {
    int64_t part = 0;
    (void)w4_json_integer(w4_json_get(list, "part"), &part);
    g->count = 0;
    for (w4_json_iterator i = w4_json_first(w4_json_get(list, "ids")); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        read_digest(i.value, g->ids[g->count++]);
    }
    if (g->count > 0) {
        qsort(g->ids, g->count, SUM_LEN, compare_ids);
    }
    return give_part(p, (unsigned)part, place, g);
}

/* Successions first: what comes behind them may hang on them. */
static int take_lists(w4_protocol *p, w4_inbound *in, w4_json lists) {
    gift g = {.documents = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX)};
    g.ids = (uint8_t(*)[SUM_LEN])malloc(W4_LIST_ITEMS_MAX * sizeof *g.ids);
    int r = g.ids ? 0 : -ENOMEM;
    for (size_t n = 0; r == 0 && n < W4_KEY_PLACES; n++) {
        for (w4_json_iterator i = w4_json_first(lists); r == 0 && w4_json_exists(i.value);
             i = w4_json_next(i)) {
            r = give_list(p, i.value, w4_key_places[n], &g);
        }
    }
    if (r == 0 && g.given > 0) {
        r = say_documents(p, &in->from_node, w4_buffer_bytes(&g.documents), g.more, in->now_us);
    }
    w4_buffer_deinit(&g.documents);
    free(g.ids);
    return r;
}

/* One that is not good says nothing of the others: they are judged one by one. */
static int take_documents(w4_protocol *p, w4_inbound *in, key_peer *peer, w4_json documents) {
    uint32_t fresh = 0;
    int r = 0;
    for (w4_json_iterator i = w4_json_first(documents); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        w4_keyring_result result;
        w4_key_fault fault = {.code = W4_REFUSAL_NONE};
        r = w4_keys_take(p, w4_json_text(i.value), &in->from_node, in->now_us, &result, &fault);
        fresh += r == 0 && result.verdict <= W4_KEYRING_KEPT ? 1 : 0;
    }
    bool more = w4_json_is_true(w4_json_get(in->envelope.payload, "more"));
    return r == 0 && more && fresh > 0 && peer->known ? say_lists(p, peer, in->now_us) : r;
}

int w4_key_sync_take(w4_protocol *p, w4_inbound *in) {
    key_peer *peer = find_peer(&p->key_sync, &in->from_node);
    w4_json payload = in->envelope.payload;
    w4_json documents = w4_json_get(payload, "documents"), lists = w4_json_get(payload, "lists");
    w4_json sums = w4_json_get(payload, "sums"), sum = w4_json_get(payload, "sum");
    in->consumed = true;
    if (!peer) {
        return w4_inbound_refuse(in, W4_REFUSAL_UNAUTHORIZED, "", "a node that said it can do so");
    }
    if (!w4_tokens_take(&peer->tokens, &rate, 1 + w4_json_count(documents) + w4_json_count(lists),
                        in->now_us)) {
        return w4_inbound_refuse(in, W4_REFUSAL_RATE_LIMITED, "", "fewer documents");
    }
    int r = w4_json_exists(sum) ? take_sum(p, in, sum) : 0;
    r = r == 0 && w4_json_exists(sums) ? take_sums(p, in, peer, sums) : r;
    r = r == 0 && w4_json_exists(lists) ? take_lists(p, in, lists) : r;
    return r == 0 && w4_json_exists(documents) ? take_documents(p, in, peer, documents) : r;
}

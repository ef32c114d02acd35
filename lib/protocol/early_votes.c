#include "protocol/early_votes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rows of W4_STORE_META: prefix, sender 32, msg_id 36 -> node 32 | envelope. */
static const char prefix[] = "early_vote/";
#define PREFIX_LEN (sizeof prefix - 1)
#define KEY_LEN (PREFIX_LEN + W4_FINGERPRINT_LEN + 36u)

static w4_bytes make_key(const w4_early_vote *vote, uint8_t ret_key[static KEY_LEN]) {
    memcpy(ret_key, prefix, PREFIX_LEN);
    memcpy(ret_key + PREFIX_LEN, vote->agent.bytes, W4_FINGERPRINT_LEN);
    memcpy(ret_key + PREFIX_LEN + W4_FINGERPRINT_LEN, vote->msg_id, 36);
    return w4_bytes_of(ret_key, KEY_LEN);
}

w4_early_vote *w4_early_vote_free(w4_early_vote *vote) {
    if (vote) {
        w4_blob_unref(vote->envelope);
        free(vote);
    }
    return NULL;
}

void w4_early_votes_deinit(w4_early_votes *early) {
    w4_early_vote *vote;
    while (early->count > 0 && (vote = TAILQ_FIRST(&early->list)) != NULL) {
        TAILQ_REMOVE(&early->list, vote, link);
        early->count--;
        w4_early_vote_free(vote);
    }
}

static int keep(w4_early_votes *early, const w4_early_vote *vote) {
    w4_early_vote *kept = malloc(sizeof *kept);
    if (!kept) {
        return -ENOMEM;
    }
    *kept = *vote;
    w4_blob_ref(kept->envelope);
    TAILQ_INSERT_TAIL(&early->list, kept, link);
    early->count++;
    return 0;
}

static bool has_room(const w4_early_votes *early, const w4_fingerprint *agent) {
    const w4_early_vote *vote;
    uint32_t of_agent = 0;
    TAILQ_FOREACH (vote, &early->list, link) {
        of_agent += w4_fingerprint_equal(&vote->agent, agent) ? 1 : 0;
    }
    return early->count < W4_EARLY_VOTES_MAX && of_agent < W4_EARLY_VOTES_PER_AGENT;
}

int w4_early_votes_add(w4_early_votes *early, w4_store *store, const w4_early_vote *vote) {
    if (!has_room(early, &vote->agent)) {
        return -ENOSPC;
    }
    uint8_t key[KEY_LEN];
    w4_buffer row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_buffer_append(&row, w4_bytes_of(vote->node.bytes, W4_FINGERPRINT_LEN));
    r = r == 0 ? w4_buffer_append(&row, w4_blob_bytes(vote->envelope)) : r;
    r = r == 0 ? w4_store_put(store, W4_STORE_META, make_key(vote, key), w4_buffer_bytes(&row)) : r;
    w4_buffer_deinit(&row);
    return r == 0 ? keep(early, vote) : r;
}

/* A row that can't be removed is found again after a restart, where it is seen to be known. */
static w4_early_vote *take_out(w4_early_votes *early, w4_store *store, w4_early_vote *vote) {
    uint8_t key[KEY_LEN];
    TAILQ_REMOVE(&early->list, vote, link);
    early->count--;
    w4_store_remove(store, W4_STORE_META, make_key(vote, key));
    return vote;
}

w4_early_vote *w4_early_votes_take(w4_early_votes *early, w4_store *store, const char *fact) {
    w4_early_vote *vote;
    TAILQ_FOREACH (vote, &early->list, link) {
        if (strcmp(vote->fact, fact) == 0) {
            return take_out(early, store, vote);
        }
    }
    return NULL;
}

w4_early_vote *w4_early_votes_expired(w4_early_votes *early, w4_store *store, uint64_t now_us) {
    w4_early_vote *first = TAILQ_FIRST(&early->list);
    return first && now_us >= first->until_us ? take_out(early, store, first) : NULL;
}

uint64_t w4_early_votes_deadline(const w4_early_votes *early) {
    const w4_early_vote *first = TAILQ_FIRST(&early->list);
    return first ? first->until_us : W4_NEVER;
}

static int load_row(w4_early_votes *early, w4_json_document *doc, w4_bytes key, w4_bytes value,
                    uint64_t now_us) {
    if (key.len != KEY_LEN || value.len < W4_FINGERPRINT_LEN) {
        return W4_STORE_E_CORRUPT;
    }
    w4_bytes text = w4_bytes_of(value.data + W4_FINGERPRINT_LEN, value.len - W4_FINGERPRINT_LEN);
    w4_envelope envelope;
    w4_envelope_fault fault;
    int r = w4_envelope_read(doc, text, &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault);
    if (r != 0) {
        return r < 0 ? r : W4_STORE_E_CORRUPT;
    }
    w4_early_vote vote = {.agent = envelope.sender.fingerprint,
                          .family = envelope.family,
                          .type = envelope.type,
                          .until_us = w4_later(now_us, W4_EARLY_VOTE_KEEP_US)};
    memcpy(vote.node.bytes, value.data, W4_FINGERPRINT_LEN);
    memcpy(vote.msg_id, envelope.msg_id, sizeof vote.msg_id);
    w4_json fact = w4_json_get(envelope.payload, "fact_ref");
    if (!w4_json_string_copy(fact, vote.fact, sizeof vote.fact)) {
        return W4_STORE_E_CORRUPT;
    }
    vote.envelope = w4_blob_new(text);
    r = vote.envelope ? keep(early, &vote) : -ENOMEM;
    w4_blob_unref(vote.envelope);
    return r;
}

int w4_early_votes_init(w4_early_votes *early, w4_store *store, uint64_t now_us) {
    *early = (w4_early_votes){0};
    TAILQ_INIT(&early->list);
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_META, w4_bytes_of(prefix, PREFIX_LEN));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(early, &doc, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value),
                     now_us);
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

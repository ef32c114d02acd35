#include "protocol/facts/early_votes.h"

#include "base/text.h"
#include "protocol/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rows of W4_STORE_META: prefix, sender 32, msg_id 36 -> node 32 | envelope. */
static const char prefix[] = "early_vote/";
#define PREFIX_LEN (sizeof prefix - 1)
#define KEY_LEN (PREFIX_LEN + W4_FINGERPRINT_LEN + 36u)

/* So that each fact that comes need not look through all votes. */
typedef struct early_fact_table {
    char fact[37];
    uint32_t count; /* not due yet */
    UT_hash_handle hh;
} early_fact_table;

static w4_bytes make_key(const w4_early_vote *vote, uint8_t ret_key[static KEY_LEN]) {
    memcpy(ret_key, prefix, PREFIX_LEN);
    memcpy(ret_key + PREFIX_LEN, vote->agent.bytes, W4_FINGERPRINT_LEN);
    memcpy(ret_key + PREFIX_LEN + W4_FINGERPRINT_LEN, vote->msg_id, 36);
    return w4_bytes_of(ret_key, KEY_LEN);
}

static int expect_fact(w4_early_votes *early, const char *fact) {
    early_fact_table *entry = NULL;
    HASH_FIND_STR(early->facts, fact, entry);
    if (!entry) {
        entry = calloc(1, sizeof *entry);
        if (!entry) {
            return -ENOMEM;
        }
        memcpy(entry->fact, fact, sizeof entry->fact);
        HASH_ADD_STR(early->facts, fact, entry);
        if (!entry->hh.tbl) {
            free(entry);
            return -ENOMEM;
        }
    }
    entry->count++;
    return 0;
}

static void expect_less(w4_early_votes *early, const char *fact) {
    early_fact_table *entry = NULL;
    HASH_FIND_STR(early->facts, fact, entry);
    if (entry && --entry->count == 0) {
        HASH_DEL(early->facts, entry);
        free(entry);
    }
}

static void drop(w4_early_votes *early, w4_early_vote *vote) {
    if (vote->due) {
        TAILQ_REMOVE(&early->due, vote, link);
    } else {
        TAILQ_REMOVE(&early->list, vote, link);
        expect_less(early, vote->fact);
    }
    early->count--;
    early->bytes -= vote->envelope->len;
    w4_blob_unref(vote->envelope);
    free(vote);
}

void w4_early_votes_deinit(w4_early_votes *early) {
    struct w4_early_vote_list *lists[] = {&early->list, &early->due};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        w4_early_vote *vote;
        while (early->count > 0 && (vote = TAILQ_FIRST(lists[i])) != NULL) {
            /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed left the list before */
            drop(early, vote);
        }
    }
}

uint64_t w4_early_vote_until(const w4_envelope *vote, uint64_t durable_age_us) {
    bool longer = vote->durable && durable_age_us > W4_EARLY_VOTE_KEEP_US;
    return w4_later(vote->timestamp_us, longer ? durable_age_us : W4_EARLY_VOTE_KEEP_US);
}

/* Behind all that were not said later. */
static void insert_by_time(w4_early_votes *early, w4_early_vote *vote) {
    w4_early_vote *before = TAILQ_LAST(&early->list, w4_early_vote_list);
    while (before && before->said_wall_us > vote->said_wall_us) {
        before = TAILQ_PREV(before, w4_early_vote_list, link);
    }
    if (before) {
        TAILQ_INSERT_AFTER(&early->list, before, vote, link);
    } else {
        TAILQ_INSERT_HEAD(&early->list, vote, link);
    }
}

static int keep(w4_early_votes *early, const w4_early_vote *vote, bool loaded) {
    w4_early_vote *kept = malloc(sizeof *kept);
    if (!kept || expect_fact(early, vote->fact) != 0) {
        free(kept);
        return -ENOMEM;
    }
    *kept = *vote;
    kept->due = false;
    w4_blob_ref(kept->envelope);
    if (loaded) {
        insert_by_time(early, kept);
    } else {
        TAILQ_INSERT_TAIL(&early->list, kept, link);
    }
    early->count++;
    early->bytes += kept->envelope->len;
    return 0;
}

static bool has_room(const w4_early_votes *early, const w4_early_vote *newcomer, bool trusted) {
    const w4_early_vote *vote;
    uint32_t of_agent = 0;
    TAILQ_FOREACH (vote, &early->list, link) {
        of_agent += w4_fingerprint_equal(&vote->agent, &newcomer->agent) ? 1 : 0;
    }
    size_t bytes = early->bytes + newcomer->envelope->len;
    return trusted ? early->count < W4_EARLY_VOTES_MAX && of_agent < W4_EARLY_VOTES_PER_AGENT &&
                         bytes <= W4_EARLY_VOTES_BYTES_MAX
                   : early->count < W4_EARLY_VOTES_STRANGERS_MAX &&
                         of_agent < W4_EARLY_VOTES_PER_STRANGER &&
                         bytes <= W4_EARLY_VOTES_STRANGERS_BYTES_MAX;
}

static bool is_kept(const w4_early_votes *early, const w4_early_vote *newcomer) {
    const w4_early_vote *vote;
    TAILQ_FOREACH (vote, &early->list, link) {
        if (w4_fingerprint_equal(&vote->agent, &newcomer->agent) &&
            strcmp(vote->msg_id, newcomer->msg_id) == 0) {
            return true;
        }
    }
    return false;
}

int w4_early_votes_add(w4_early_votes *early, w4_store *store, const w4_early_vote *vote,
                       bool trusted) {
    if (is_kept(early, vote)) {
        return 0;
    }
    if (!has_room(early, vote, trusted)) {
        return -ENOSPC;
    }
    uint8_t key[KEY_LEN];
    w4_buffer row = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_buffer_append(&row, w4_bytes_of(vote->node.bytes, W4_FINGERPRINT_LEN));
    r = r == 0 ? w4_buffer_append(&row, w4_blob_bytes(vote->envelope)) : r;
    r = r == 0 ? w4_store_put(store, W4_STORE_META, make_key(vote, key), w4_buffer_bytes(&row)) : r;
    w4_buffer_deinit(&row);
    return r == 0 ? keep(early, vote, false) : r;
}

void w4_early_votes_fact_came(w4_early_votes *early, const char *fact) {
    early_fact_table *entry = NULL;
    HASH_FIND_STR(early->facts, fact, entry);
    w4_early_vote *vote = entry ? TAILQ_FIRST(&early->list) : NULL, *next;
    for (; vote; vote = next) {
        next = TAILQ_NEXT(vote, link);
        if (strcmp(vote->fact, fact) == 0) {
            TAILQ_REMOVE(&early->list, vote, link);
            TAILQ_INSERT_TAIL(&early->due, vote, link);
            vote->due = true;
        }
    }
    if (entry) {
        HASH_DEL(early->facts, entry);
        free(entry);
    }
}

w4_early_vote *w4_early_votes_due(const w4_early_votes *early) {
    return TAILQ_FIRST(&early->due);
}

/* The time stamps are the voters' own, so the order of coming is not that of ending. */
static w4_early_vote *first_to_end(const w4_early_votes *early) {
    w4_early_vote *vote, *first = NULL;
    TAILQ_FOREACH (vote, &early->list, link) {
        first = first && first->until_wall_us <= vote->until_wall_us ? first : vote;
    }
    return first;
}

w4_early_vote *w4_early_votes_expired(const w4_early_votes *early, uint64_t wall_us) {
    w4_early_vote *first = first_to_end(early);
    return first && wall_us > first->until_wall_us ? first : NULL;
}

int w4_early_votes_remove(w4_early_votes *early, w4_store *store, w4_early_vote *vote) {
    uint8_t key[KEY_LEN];
    int r = w4_store_remove(store, W4_STORE_META, make_key(vote, key));
    drop(early, vote);
    return r < 0 ? r : 0;
}

uint64_t w4_early_votes_until(const w4_early_votes *early) {
    const w4_early_vote *first = first_to_end(early);
    return first ? first->until_wall_us : W4_NEVER;
}

bool w4_early_vote_names(w4_json item, char ret_id[static 37]) {
    w4_json name = w4_json_kind_of(item) == W4_JSON_OBJECT ? w4_json_get(item, "claim_ref") : item;
    return w4_json_string_copy(name, ret_id, 37) && w4_uuid_v4_valid(w4_bytes_from_text(ret_id));
}

bool w4_early_vote_subject(w4_json payload, char ret_id[static 37]) {
    w4_json fact = w4_json_get(payload, "fact_ref");
    fact = w4_json_exists(fact) ? fact : w4_json_get(payload, "claim_ref");
    if (w4_json_exists(fact)) {
        return w4_json_string_copy(fact, ret_id, 37);
    }
    w4_json_iterator i = w4_json_first(w4_json_get(payload, "conflicts"));
    while (w4_json_exists(i.value) && !w4_early_vote_names(i.value, ret_id)) {
        i = w4_json_next(i);
    }
    return w4_json_exists(i.value);
}

static int load_row(w4_early_votes *early, w4_json_document *doc, w4_bytes key, w4_bytes value,
                    uint64_t durable_age_us) {
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
                          .said_wall_us = envelope.timestamp_us,
                          .until_wall_us = w4_early_vote_until(&envelope, durable_age_us)};
    memcpy(vote.node.bytes, value.data, W4_FINGERPRINT_LEN);
    memcpy(vote.msg_id, envelope.msg_id, sizeof vote.msg_id);
    if (!w4_early_vote_subject(envelope.payload, vote.fact)) {
        return W4_STORE_E_CORRUPT;
    }
    vote.envelope = w4_blob_new(text);
    r = vote.envelope ? keep(early, &vote, true) : -ENOMEM;
    w4_blob_unref(vote.envelope);
    return r;
}

int w4_early_votes_init(w4_early_votes *early, w4_store *store, uint64_t durable_age_us) {
    *early = (w4_early_votes){0};
    TAILQ_INIT(&early->list);
    TAILQ_INIT(&early->due);
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_META, w4_bytes_of(prefix, PREFIX_LEN));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        r = load_row(early, &doc, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value),
                     durable_age_us);
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_document_deinit(&doc);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

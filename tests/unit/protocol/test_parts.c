/* The small parts, each at its bounds: events, keys, what was seen, mail, decisions, votes, trust's
 * history. */
#include "protocol/delivery/event_queue.h"
#include "protocol/delivery/mail.h"
#include "protocol/evidence/evidence.h"
#include "protocol/evidence/known_keys.h"
#include "protocol/facts/decisions.h"
#include "protocol/facts/early_votes.h"
#include "protocol/facts/fact.h"
#include "protocol/map.h"
#include "protocol/pipeline/seen.h"
#include "world.h"

#include <errno.h>

#define WALL_US (UINT64_C(1790000000) * 1000000)

static w4_store *store;

static void open_store(void) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
}

static void close_store(void) {
    store = w4_store_free(store);
}

static w4_fingerprint fingerprint_of(unsigned number) {
    w4_fingerprint f = {{(uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
    return f;
}

static void id_of(unsigned number, char ret_id[static 37]) {
    snprintf(ret_id, 37, "%08x-1111-4111-8111-111111111111", number);
}

static unsigned count_rows(w4_store_table table) {
    w4_store_cursor cursor;
    unsigned rows = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0)), 0);
    while (w4_store_next(store, &cursor) == 0) {
        rows++;
    }
    w4_store_cursor_deinit(&cursor);
    return rows;
}

START_TEST(events_leave_room_for_what_matters) {
    w4_event_queue queue;
    w4_event_queue_init(&queue);
    w4_protocol_event tells = {.kind = W4_PROTOCOL_EVENT_REJECTED};
    w4_protocol_event carries = {.kind = W4_PROTOCOL_EVENT_DELIVERY};
    for (unsigned i = 0; i < W4_EVENT_QUEUE_TELL_MAX; i++) {
        ck_assert_int_eq(w4_event_queue_push(&queue, &tells, NULL), 0);
    }
    ck_assert_int_eq(w4_event_queue_push(&queue, &tells, NULL), 1);
    ck_assert_uint_eq(queue.lost, 1);
    for (unsigned i = W4_EVENT_QUEUE_TELL_MAX; i < W4_EVENT_QUEUE_MAX; i++) {
        ck_assert_int_eq(w4_event_queue_push(&queue, &carries, NULL), 0);
    }
    ck_assert_int_eq(w4_event_queue_push(&queue, &carries, NULL), 1);
    w4_event_queue_deinit(&queue);
    w4_event_queue_deinit(&queue);
}
END_TEST

START_TEST(events_share_their_envelope) {
    w4_event_queue queue;
    w4_event_queue_init(&queue);
    w4_blob *blob = w4_blob_new(w4_bytes_from_text("envelope"));
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_DELIVER};
    for (unsigned i = 0; i < 3; i++) {
        event.ticket = i;
        ck_assert_int_eq(w4_event_queue_push(&queue, &event, blob), 0);
    }
    ck_assert_uint_eq(blob->refs, 4);
    blob = w4_blob_unref(blob);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(w4_event_queue_pop(&queue, &event));
        ck_assert_uint_eq(event.ticket, i); /* in order */
        ck_assert(w4_bytes_equal_text(event.envelope, "envelope"));
    }
    ck_assert(!w4_event_queue_pop(&queue, &event));
    ck_assert_uint_eq(queue.bytes, 0);
    w4_event_queue_deinit(&queue);
}
END_TEST

static bool no_matter(const void *context, const w4_fingerprint *fingerprint) {
    (void)context;
    (void)fingerprint;
    return false;
}

static bool is_low(const void *limit, const w4_fingerprint *fingerprint) {
    for (unsigned number = 0; number < *(const unsigned *)limit; number++) {
        w4_fingerprint f = fingerprint_of(number);
        if (w4_fingerprint_equal(&f, fingerprint)) {
            return true;
        }
    }
    return false;
}

static bool all_matter(const void *context, const w4_fingerprint *fingerprint) {
    return !no_matter(context, fingerprint);
}

/* Any number of strangers: keys that matter stay, also when nobody asks for them; where all
 * matter, some go all the same. */
START_TEST(keys_that_matter_stay) {
    static const unsigned limit = 100;
    w4_known_keys *keys;
    w4_pubkey key = {{1}};
    ck_assert_int_eq(w4_known_keys_new(&keys), 0);
    for (unsigned i = 0; i < 3 * W4_KNOWN_KEYS_MAX; i++) {
        w4_fingerprint f = fingerprint_of(i);
        ck_assert_int_eq(w4_known_keys_learn(keys, &f, &key, is_low, &limit), 0);
    }
    for (unsigned i = 0; i < limit; i++) {
        w4_fingerprint f = fingerprint_of(i);
        ck_assert_ptr_nonnull(w4_known_keys_find(keys, &f));
    }
    for (unsigned i = 0; i < 100; i++) {
        w4_fingerprint f = fingerprint_of(4 * W4_KNOWN_KEYS_MAX + i);
        ck_assert_int_eq(w4_known_keys_learn(keys, &f, &key, all_matter, NULL), 0);
        ck_assert_ptr_nonnull(w4_known_keys_find(keys, &f));
    }
    w4_known_keys_free(keys);
}
END_TEST

START_TEST(keys_used_longest_ago_go_first) {
    w4_known_keys *keys;
    ck_assert_int_eq(w4_known_keys_new(&keys), 0);
    w4_pubkey key = {{1}};
    w4_fingerprint kept = fingerprint_of(0), f;
    for (unsigned i = 0; i < W4_KNOWN_KEYS_MAX + 100; i++) {
        f = fingerprint_of(i);
        key.bytes[1] = (uint8_t)i;
        ck_assert_int_eq(w4_known_keys_learn(keys, &f, &key, no_matter, NULL), 0);
        ck_assert_ptr_nonnull(w4_known_keys_find(keys, &kept)); /* used all the time */
    }
    f = fingerprint_of(1);
    ck_assert_ptr_null(w4_known_keys_find(keys, &f));
    f = fingerprint_of(W4_KNOWN_KEYS_MAX + 99);
    ck_assert_uint_eq(w4_known_keys_find(keys, &f)->bytes[1], (uint8_t)(W4_KNOWN_KEYS_MAX + 99));
    w4_known_keys_free(keys);
    ck_assert_ptr_null(w4_known_keys_free(NULL));
}
END_TEST

START_TEST(seen_rows_are_bounded_in_time) {
    w4_env env = {.wall_offset_us = (int64_t)WALL_US};
    w4_seen seen;
    ck_assert_int_eq(w4_seen_init(&seen, store, &env, 0), 0);
    w4_fingerprint sender = fingerprint_of(1);
    char id[37];
    for (unsigned i = 0; i < 10; i++) {
        id_of(i, id);
        ck_assert_int_eq(w4_seen_add(&seen, &sender, id, WALL_US + i, WALL_US), 0);
        ck_assert(w4_seen_has(&seen, &sender, id, WALL_US + i));
    }
    /* A clock that is put a month forward makes nothing old. */
    uint64_t now_us = 100 * W4_US_PER_S;
    env.wall_offset_us += INT64_C(30) * 86400 * 1000000;
    ck_assert_int_eq(w4_seen_prune(&seen, &env, now_us), 0);
    ck_assert_uint_eq(count_rows(W4_STORE_SEEN), 10);
    env.wall_offset_us = (int64_t)WALL_US;
    now_us += W4_SEEN_KEEP_US;
    ck_assert_int_eq(w4_seen_prune(&seen, &env, now_us), 0);
    ck_assert_uint_eq(count_rows(W4_STORE_SEEN), 0);
    w4_seen_deinit(&seen);
    w4_seen_deinit(&seen);
}
END_TEST

/* ---- tables */

/* Ids that all fall into one bucket of uthash's own hash do not in the tables here. */
START_TEST(nobody_chooses_what_collides) {
    enum { KEYS = 64, BUCKETS = 32 };
    bool used[BUCKETS] = {false};
    unsigned chosen = 0, buckets = 0;
    for (unsigned number = 0; chosen < KEYS; number++) {
        char id[37];
        unsigned own, here;
        id_of(number, id);
        HASH_JEN(id, sizeof id - 1, own);
        if (own % BUCKETS != 0) {
            continue;
        }
        chosen++;
        HASH_VALUE(id, sizeof id - 1, here);
        buckets += used[here % BUCKETS] ? 0 : 1;
        used[here % BUCKETS] = true;
    }
    ck_assert_uint_gt(buckets, BUCKETS / 4);
}
END_TEST

/* ---- decisions */

static int add_decision(w4_decisions *decisions, unsigned number, unsigned agent) {
    w4_decision d = {.agent = fingerprint_of(agent),
                     .agent_id = "a",
                     .decision_id = "d",
                     .shared_us = WALL_US + number * 1000,
                     .taken_us = WALL_US + number * 1000};
    id_of(number, d.id);
    return w4_decisions_add(decisions, &d, w4_bytes_from_text("{}"));
}

static void expect_author(const w4_decisions *decisions, const char *id, unsigned by,
                          unsigned should) {
    w4_fingerprint who = fingerprint_of(by), expected = fingerprint_of(should);
    const w4_fingerprint *author = w4_decisions_author(decisions, id, &who);
    ck_assert_ptr_nonnull(author);
    ck_assert(w4_fingerprint_equal(author, &expected));
}

/* Who copies a msg_id and comes first neither keeps the honest one out nor stands for it. */
START_TEST(copied_ids_of_decisions) {
    enum { HONEST = 1, COPIER = 2, OTHER = 3 };
    w4_decisions *decisions;
    w4_fingerprint honest = fingerprint_of(HONEST), copier = fingerprint_of(COPIER);
    char id[37];
    id_of(7, id);
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    ck_assert_ptr_null(w4_decisions_author(decisions, id, &honest));
    ck_assert_int_eq(add_decision(decisions, 7, COPIER), 0);
    ck_assert(!w4_decisions_has_of(decisions, id, &honest));
    for (unsigned turn = 0; turn < 3; turn++) {
        ck_assert_int_eq(add_decision(decisions, 7, HONEST), 0);
        ck_assert_uint_eq(w4_decisions_count(decisions), 2);
        ck_assert_uint_eq(count_rows(W4_STORE_DECISION), 2);
        ck_assert_uint_eq(count_rows(W4_STORE_ENVELOPE), 2);
        ck_assert(w4_decisions_has_of(decisions, id, &honest));
        expect_author(decisions, id, HONEST, HONEST);
        expect_author(decisions, id, COPIER, COPIER);
        w4_decisions_free(decisions);
        ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    }
    /* The copy goes, and nothing of the other one. */
    for (unsigned i = 0; i < W4_DECISIONS_PER_AGENT; i++) {
        ck_assert_int_eq(add_decision(decisions, 100 + i, COPIER), 0);
    }
    ck_assert(!w4_decisions_has_of(decisions, id, &copier));
    ck_assert(w4_decisions_has(decisions, id));
    expect_author(decisions, id, OTHER, HONEST);
    ck_assert_uint_eq(count_rows(W4_STORE_DECISION), W4_DECISIONS_PER_AGENT + 1);
    w4_decisions_free(decisions);
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    expect_author(decisions, id, OTHER, HONEST);
    for (unsigned i = 0; i < W4_DECISIONS_PER_AGENT; i++) {
        ck_assert_int_eq(add_decision(decisions, 5000 + i, HONEST), 0);
    }
    ck_assert(!w4_decisions_has(decisions, id));
    ck_assert_uint_eq(count_rows(W4_STORE_DECISION), 2 * W4_DECISIONS_PER_AGENT);
    ck_assert_uint_eq(count_rows(W4_STORE_ENVELOPE), 2 * W4_DECISIONS_PER_AGENT);
    w4_decisions_free(decisions);
}
END_TEST

START_TEST(decisions_of_one_key_are_bounded) {
    w4_decisions *decisions;
    char id[37];
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    ck_assert_int_eq(add_decision(decisions, 999999, 2), 0);
    for (unsigned i = 0; i < W4_DECISIONS_PER_AGENT + 1; i++) {
        ck_assert_int_eq(add_decision(decisions, i, 1), 0);
    }
    ck_assert_uint_eq(w4_decisions_count(decisions), W4_DECISIONS_PER_AGENT + 1);
    ck_assert_uint_eq(count_rows(W4_STORE_DECISION), W4_DECISIONS_PER_AGENT + 1);
    ck_assert_uint_eq(count_rows(W4_STORE_ENVELOPE), W4_DECISIONS_PER_AGENT + 1);
    id_of(0, id);
    ck_assert(!w4_decisions_has(decisions, id)); /* its own oldest went */
    id_of(999999, id);
    ck_assert(w4_decisions_has(decisions, id));
    w4_decisions_free(decisions);
    /* After a restart the oldest is still the oldest. */
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    ck_assert_int_eq(add_decision(decisions, 500000, 1), 0);
    id_of(1, id);
    ck_assert(!w4_decisions_has(decisions, id));
    id_of(2, id);
    ck_assert(w4_decisions_has(decisions, id));
    w4_decisions_free(decisions);
}
END_TEST

static void add_of(w4_decisions *decisions, unsigned number, unsigned agent, bool aside) {
    w4_decision d = {.agent = fingerprint_of(agent),
                     .agent_id = "a",
                     .decision_id = "d",
                     .aside = aside,
                     .shared_us = WALL_US + number * 1000,
                     .taken_us = WALL_US};
    id_of(number, d.id);
    if (w4_decisions_has_room(decisions, &d)) {
        ck_assert_int_eq(w4_decisions_add(decisions, &d, w4_bytes_from_text("{}")), 0);
    }
}

/* At both bounds, in whatever order they came and whatever else was said to one: the same. */
START_TEST(what_all_know_has_room_of_its_own) {
    enum { AGENTS = 9, EACH = W4_DECISIONS_PER_AGENT + 20, ALL = AGENTS * EACH };
    w4_store *other_store;
    w4_decisions *one, *other;
    ck_assert_int_eq(w4_store_memory_new(&other_store), 0);
    ck_assert_int_eq(w4_decisions_new(store, &one), 0);
    ck_assert_int_eq(w4_decisions_new(other_store, &other), 0);
    for (unsigned i = 0; i < 50; i++) {
        add_of(one, 50000 + i, 1 + i % 3, true);
    }
    for (unsigned i = 0; i < ALL; i++) {
        unsigned back = ALL - 1 - i;
        add_of(one, i, i % AGENTS, false);
        add_of(other, back, back % AGENTS, false);
        if (i % 8 == 0) {
            add_of(other, 60000 + i, AGENTS, true);
        }
    }
    ck_assert_mem_eq(w4_decisions_sums(one), w4_decisions_sums(other), sizeof(w4_sums));
    ck_assert_uint_eq(w4_decisions_count(one), W4_DECISIONS_MAX + 50);
    ck_assert_uint_eq(w4_decisions_count(other), W4_DECISIONS_MAX + W4_DECISIONS_PER_AGENT);
    w4_decisions_free(one);
    w4_decisions_free(other);
    w4_store_free(other_store);
}
END_TEST

/* ---- early votes */

static w4_early_vote early_vote(unsigned number, unsigned agent, unsigned fact, w4_blob *blob) {
    w4_early_vote vote = {
        .agent = fingerprint_of(agent), .until_wall_us = 1000 + number, .envelope = blob};
    id_of(number, vote.msg_id);
    id_of(fact, vote.fact);
    return vote;
}

/* Strangers fill their share and no more, each only a part of it; nobody drives another out. */
START_TEST(early_votes_are_bounded) {
    w4_early_votes early;
    ck_assert_int_eq(w4_early_votes_init(&early, store, 0), 0);
    w4_blob *blob = w4_blob_new(w4_bytes_from_text("{}"));
    unsigned number = 0, taken = 0;
    for (; number < 2 * W4_EARLY_VOTES_STRANGERS_MAX; number++) {
        w4_early_vote vote = early_vote(number, number / 100, 1, blob);
        int r = w4_early_votes_add(&early, store, &vote, false);
        ck_assert(r == 0 || r == -ENOSPC);
        taken += r == 0 ? 1 : 0;
    }
    ck_assert_uint_eq(taken, W4_EARLY_VOTES_STRANGERS_MAX); /* 64 of each hundred, 16 times */
    for (; number < 8 * W4_EARLY_VOTES_PER_AGENT; number++) {
        w4_early_vote vote = early_vote(number, 1000 + number / 1500, 1, blob);
        int r = w4_early_votes_add(&early, store, &vote, true);
        ck_assert(r == 0 || r == -ENOSPC);
        taken += r == 0 ? 1 : 0;
    }
    ck_assert_uint_eq(taken, W4_EARLY_VOTES_MAX);
    ck_assert_uint_eq(early.count, taken);
    ck_assert_uint_eq(count_rows(W4_STORE_META), taken);
    w4_blob_unref(blob);
    w4_early_votes_deinit(&early);
    ck_assert_uint_eq(early.bytes, 0);
}
END_TEST

START_TEST(early_votes_are_bounded_in_bytes) {
    w4_early_votes early;
    ck_assert_int_eq(w4_early_votes_init(&early, store, 0), 0);
    static uint8_t large[256 * 1024];
    w4_blob *blob = w4_blob_new(w4_bytes_of(large, sizeof large));
    unsigned taken[2] = {0, 0};
    for (unsigned i = 0; i < 200; i++) {
        w4_early_vote vote = early_vote(i, i, 1, blob);
        bool trusted = i >= 100;
        taken[trusted] += w4_early_votes_add(&early, store, &vote, trusted) == 0 ? 1 : 0;
    }
    ck_assert_uint_eq(taken[0], W4_EARLY_VOTES_STRANGERS_BYTES_MAX / sizeof large);
    ck_assert_uint_eq(taken[0] + taken[1], W4_EARLY_VOTES_BYTES_MAX / sizeof large);
    w4_blob_unref(blob);
    w4_early_votes_deinit(&early);
}
END_TEST

START_TEST(early_votes_come_due_and_end) {
    w4_early_votes early;
    ck_assert_int_eq(w4_early_votes_init(&early, store, 0), 0);
    w4_blob *blob = w4_blob_new(w4_bytes_from_text("{}"));
    for (unsigned i = 0; i < 6; i++) { /* facts 0 1 2 0 1 2; the later, the sooner over */
        w4_early_vote vote = early_vote(i, i, i % 3, blob);
        vote.until_wall_us = 1000 - i;
        ck_assert_int_eq(w4_early_votes_add(&early, store, &vote, true), 0);
    }
    char id[37];
    id_of(7, id);
    w4_early_votes_fact_came(&early, id);
    ck_assert_ptr_null(w4_early_votes_due(&early));
    id_of(1, id);
    w4_early_votes_fact_came(&early, id);
    for (unsigned i = 1; i < 6; i += 3) {
        w4_early_vote *vote = w4_early_votes_due(&early);
        ck_assert_ptr_nonnull(vote);
        id_of(i, id);
        ck_assert_str_eq(vote->msg_id, id);
        ck_assert_int_eq(w4_early_votes_remove(&early, store, vote), 0);
    }
    ck_assert_ptr_null(w4_early_votes_due(&early));
    ck_assert_uint_eq(w4_early_votes_until(&early), 995);
    ck_assert_ptr_null(w4_early_votes_expired(&early, 995));
    static const unsigned order[] = {5, 3, 2, 0};
    for (unsigned i = 0; i < 4; i++) {
        w4_early_vote *vote = w4_early_votes_expired(&early, 1001);
        ck_assert_ptr_nonnull(vote);
        id_of(order[i], id);
        ck_assert_str_eq(vote->msg_id, id);
        ck_assert_int_eq(w4_early_votes_remove(&early, store, vote), 0);
    }
    ck_assert_uint_eq(w4_early_votes_until(&early), W4_NEVER);
    ck_assert_uint_eq(count_rows(W4_STORE_META), 0);
    ck_assert_ptr_null(early.facts);
    w4_blob_unref(blob);
    w4_early_votes_deinit(&early);
}
END_TEST

/* ---- mail */

START_TEST(mail_is_bounded) {
    w4_mail mail;
    ck_assert_int_eq(w4_mail_init(&mail, store, WALL_US), 0);
    w4_letter *letter;
    w4_envelope envelope = {.text = w4_bytes_from_text("{}"), .timestamp_us = WALL_US};
    for (unsigned i = 0; i < W4_LETTERS_MAX + 10; i++) {
        id_of(i, envelope.msg_id);
        ck_assert_int_eq(w4_mail_add(&mail, &envelope, W4_CHANNEL_KNOWLEDGE, NULL, &letter), 0);
    }
    ck_assert_uint_eq(mail.count, W4_LETTERS_MAX);
    ck_assert_uint_eq(count_rows(W4_STORE_OUTBOX), W4_LETTERS_MAX);
    ck_assert_ptr_null(w4_mail_find(&mail, 10));
    ck_assert_uint_eq(w4_mail_from(&mail, 0)->number, 11);
    ck_assert_uint_eq(w4_mail_from(&mail, 100)->number, 100);
    ck_assert_ptr_null(w4_mail_from(&mail, W4_LETTERS_MAX + 11));
    w4_mail_deinit(&mail);
    w4_mail_deinit(&mail);
}
END_TEST

/* Whatever ended between the letters that are kept, the next one is found. */
START_TEST(gaps_of_any_width) {
    static const uint64_t after[] = {0, 1, 0, UINT64_C(1) << 40, 3, UINT64_C(1) << 50, 0};
    enum { COUNT = sizeof after / sizeof after[0] };
    w4_mail mail;
    uint64_t numbers[COUNT];
    ck_assert_int_eq(w4_mail_init(&mail, store, WALL_US), 0);
    ck_assert_ptr_null(w4_mail_from(&mail, 0));
    w4_envelope envelope = {.text = w4_bytes_from_text("{}"), .timestamp_us = WALL_US};
    for (unsigned i = 0; i < COUNT; i++) {
        w4_letter *letter;
        mail.last_number += after[i];
        id_of(i, envelope.msg_id);
        ck_assert_int_eq(w4_mail_add(&mail, &envelope, W4_CHANNEL_KNOWLEDGE, NULL, &letter), 0);
        numbers[i] = letter->number;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t before = i > 0 ? numbers[i - 1] : 0;
        uint64_t from[] = {before + 1, before + (numbers[i] - before) / 2 + 1, numbers[i]};
        for (unsigned k = 0; k < 3; k++) {
            uint64_t number = from[k] < numbers[i] ? from[k] : numbers[i];
            ck_assert_uint_eq(w4_mail_from(&mail, number)->number, numbers[i]);
        }
    }
    ck_assert_uint_eq(w4_mail_from(&mail, 0)->number, numbers[0]);
    ck_assert_ptr_null(w4_mail_from(&mail, numbers[COUNT - 1] + 1));
    w4_mail_deinit(&mail);
}
END_TEST

START_TEST(mail_remembers_who_has_it) {
    w4_mail mail;
    ck_assert_int_eq(w4_mail_init(&mail, store, WALL_US), 0);
    w4_identity *key = world_key(1);
    w4_buffer text = W4_BUFFER_INIT(1 << 16);
    w4_envelope_draft draft = {
        .type = W4_TYPE_CIP_INTENT,
        .msg_id = "11111111-1111-4111-8111-111111111111",
        .timestamp_us = WALL_US,
        .sender_id = "ada",
        .payload = w4_bytes_from_text("{\"goal\":\"ask\",\"priority\":\"low\",\"topic\":\"t\"}")};
    ck_assert_int_eq(w4_envelope_write(&draft, key, &text), 0);
    w4_json_document doc = {0};
    w4_envelope envelope;
    w4_envelope_fault fault;
    ck_assert_int_eq(
        w4_envelope_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, &envelope, &fault),
        0);
    w4_letter *all, *one;
    w4_fingerprint a = fingerprint_of(1), b = fingerprint_of(2);
    ck_assert_int_eq(w4_mail_add(&mail, &envelope, W4_CHANNEL_KNOWLEDGE, NULL, &all), 0);
    ck_assert_int_eq(w4_mail_add(&mail, &envelope, W4_CHANNEL_STATE, &a, &one), 0);
    ck_assert_int_eq(w4_mail_mark(&mail, all, &a, W4_LETTER_DONE), 0);
    ck_assert_int_eq(w4_mail_mark(&mail, all, &b, W4_LETTER_BARE), 0);
    ck_assert_int_eq(w4_mail_mark(&mail, one, &a, W4_LETTER_SENT), 0);
    w4_mail_deinit(&mail);

    ck_assert_int_eq(w4_mail_init(&mail, store, WALL_US), 0);
    ck_assert_uint_eq(mail.count, 2);
    all = w4_mail_find(&mail, 1);
    one = w4_mail_find(&mail, 2);
    ck_assert_int_eq(w4_letter_mark_of(all, &a), W4_LETTER_DONE);
    ck_assert_int_eq(w4_letter_mark_of(all, &b), W4_LETTER_OPEN); /* only what is done is kept */
    ck_assert_int_eq(w4_letter_mark_of(one, &a), W4_LETTER_OPEN);
    ck_assert_int_eq(one->channel, W4_CHANNEL_STATE);
    ck_assert_str_eq(all->msg_id, draft.msg_id);
    w4_buffer back = W4_BUFFER_INIT(1 << 20);
    ck_assert_int_eq(w4_mail_read(&mail, one, &back), 0);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&back), w4_buffer_bytes(&text)));
    ck_assert_int_eq(w4_mail_mark(&mail, one, &a, W4_LETTER_DONE), 0);
    ck_assert_ptr_null(w4_mail_find(&mail, 2));
    ck_assert_int_eq(w4_mail_remove(&mail, all), 0);
    ck_assert_uint_eq(count_rows(W4_STORE_OUTBOX), 0);
    w4_mail_deinit(&mail);
    w4_buffer_deinit(&back);
    w4_buffer_deinit(&text);
    w4_json_document_deinit(&doc);
    w4_identity_free(key);
}
END_TEST

/* ---- votes of one fact */

static w4_trust_book *trust;

static int speak(w4_fact *fact, unsigned agent, w4_stance stance, uint64_t at_us,
                 w4_vote_effect *effect) {
    w4_ballot ballot = {.agent = fingerprint_of(agent),
                        .agent_id = "a",
                        .stance = stance,
                        .spoken = {.at_us = at_us, .taken_us = at_us}};
    id_of(agent * 1000 + (unsigned)at_us, ballot.spoken.msg_id);
    return w4_fact_vote(fact, &ballot, trust, NULL, effect);
}

START_TEST(one_voice_a_key) {
    ck_assert_int_eq(w4_trust_book_new(&trust), 0);
    w4_fact *fact = w4_fact_new("11111111-1111-4111-8111-111111111111", "ada", "d", 0);
    w4_vote_effect effect;
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_CONFIRM, 10, &effect), 0);
    ck_assert(effect.joined && !effect.evicted);
    ck_assert_str_eq(effect.gone[0], "");
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_REJECT, 20, &effect), 0);
    ck_assert(!effect.joined);
    char first[37], second[37];
    id_of(1010, first);
    id_of(1020, second);
    const w4_vote *vote = &fact->votes[0];
    ck_assert_str_eq(effect.gone[0], ""); /* the turn is kept */
    ck_assert_int_eq(vote->former, W4_STANCE_CONFIRM);
    ck_assert_str_eq(vote->formerly.msg_id, first);
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_CONFIRM, 15, &effect), W4_FACT_E_OLD);
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_REJECT, 20, &effect), W4_FACT_E_OLD);
    ck_assert_int_eq(vote->decision, W4_STANCE_REJECT);
    ck_assert(w4_fact_vote_said(vote, first) && w4_fact_vote_said(vote, second));
    /* The same kind once more takes the place of the one before; a turn that of the last turn. */
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_REJECT, 25, &effect), 0);
    ck_assert_str_eq(effect.gone[0], second);
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_CONFIRM, 30, &effect), 0);
    ck_assert_str_eq(effect.gone[0], first);
    ck_assert(!w4_fact_vote_said(vote, first));
    /* Of the same time: both stand. */
    ck_assert_int_eq(speak(fact, 1, W4_STANCE_CHALLENGE, 30, &effect), 0);
    ck_assert_uint_eq(vote->challenged.at_us, vote->decided.at_us);
    ck_assert_uint_eq(fact->vote_count, 1);
    w4_fact_free(fact);
    trust = w4_trust_book_free(trust);
}
END_TEST

START_TEST(names_of_states) {
    for (unsigned i = 0; i < W4_FACT_STATE_COUNT; i++) {
        w4_fact_state state;
        const char *name = w4_fact_state_name((w4_fact_state)i);
        ck_assert(w4_fact_state_from_name(w4_bytes_from_text(name), &state));
        ck_assert_uint_eq(state, i);
    }
    w4_fact_state state = W4_FACT_REFUTED;
    ck_assert(!w4_fact_state_from_name(w4_bytes_from_text("true"), &state));
    ck_assert_int_eq(state, W4_FACT_REFUTED);
    ck_assert_str_eq(w4_fact_state_name(W4_FACT_STATE_COUNT), "?");
}
END_TEST

/* ---- the history of trust */

START_TEST(history_gives_the_state) {
    w4_trust_book *book, *again;
    w4_trust_move move;
    w4_fingerprint a = fingerprint_of(1), b = fingerprint_of(2);
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    static const w4_trust_event events[] = {W4_TRUST_EVENT_HANDSHAKE,
                                            W4_TRUST_EVENT_KNOWLEDGE_VERIFIED,
                                            W4_TRUST_EVENT_ANOMALY, W4_TRUST_EVENT_CONFLICT};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(w4_trust_book_apply(book, W4_TRUST_AGENT, &a, events[i], "node",
                                             "a \"note\"\n", "11111111-1111-4111-8111-111111111111",
                                             WALL_US + i * 1000, &move),
                         1);
        ck_assert_int_eq(w4_trust_history_append(store, book, &move), 0);
    }
    ck_assert_int_eq(w4_trust_book_set(book, W4_TRUST_NODE, &b, W4_TRUST_BLOCKED, "operator:uid 0",
                                       "because", WALL_US, &move),
                     1);
    ck_assert_int_eq(w4_trust_history_append(store, book, &move), 0);
    ck_assert_int_eq(w4_trust_book_new(&again), 0);
    ck_assert_int_eq(w4_trust_history_load(store, again), 0);
    ck_assert_int_eq(w4_trust_book_state(again, W4_TRUST_AGENT, &a),
                     w4_trust_book_state(book, W4_TRUST_AGENT, &a));
    ck_assert_int_eq(w4_trust_book_state(again, W4_TRUST_NODE, &b), W4_TRUST_BLOCKED);
    ck_assert_int_eq(w4_trust_book_state(again, W4_TRUST_AGENT, &b), W4_TRUST_UNTRUSTED);
    ck_assert(w4_trust_book_in_cooldown(again, W4_TRUST_AGENT, &a, WALL_US + 5000));
    uint64_t cursor = 0;
    unsigned count = 0;
    while (w4_trust_history_find(store, again, W4_TRUST_AGENT, &a, &cursor, &move) == 0) {
        ck_assert_int_eq(move.event, events[count]);
        ck_assert_uint_eq(move.wall_us, WALL_US + count * 1000);
        count++;
    }
    ck_assert_uint_eq(count, 4);
    cursor = 0;
    ck_assert_int_eq(w4_trust_history_find(store, again, W4_TRUST_NODE, &b, &cursor, &move), 0);
    ck_assert_int_eq(move.cause, W4_TRUST_BY_HAND);
    ck_assert_str_eq(move.reason, "because");
    w4_trust_book_free(book);
    w4_trust_book_free(again);
}
END_TEST

START_TEST(history_is_checked) {
    static const char *const rows[] = {
        "", "{}", "[]", "{\"kind\":\"agent\"}",
        ("{\"kind\":\"agent\",\"subject\":\"00\",\"at\":\"2026-01-01T00:00:00.000Z\",\"from\":"
         "\"untrusted\",\"to\":\"trusted\",\"by_hand\":true,\"actor\":\"a\",\"reason\":\"r\"}")};
    w4_trust_book *book;
    uint64_t sequence;
    ck_assert_int_eq(w4_trust_book_new(&book), 0);
    ck_assert_int_eq(
        w4_store_append(store, W4_STORE_TRUST, w4_bytes_from_text(rows[_i]), &sequence), 0);
    ck_assert_int_eq(w4_trust_history_load(store, book), W4_STORE_E_CORRUPT);
    w4_trust_book_free(book);
}
END_TEST

/* Two senders may use one msg_id; each has its own evidence. */
START_TEST(evidence_is_by_sender) {
    static const char id[] = "11111111-1111-4111-8111-111111111111";
    w4_fingerprint a = fingerprint_of(1), b = fingerprint_of(2);
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    ck_assert_int_eq(w4_evidence_put(store, id, &a, w4_bytes_from_text("a's")), 0);
    ck_assert_int_eq(w4_evidence_get(store, id, &b, &text), W4_STORE_E_NOT_FOUND);
    ck_assert_int_eq(w4_evidence_put(store, id, &b, w4_bytes_from_text("b's")), 0);
    ck_assert_int_eq(w4_evidence_get(store, id, &a, &text), 0);
    ck_assert(w4_bytes_equal_text(w4_buffer_bytes(&text), "a's"));
    ck_assert_int_eq(w4_evidence_remove(store, id, &a), 0);
    ck_assert_int_eq(w4_evidence_get(store, id, &b, &text), 0);
    w4_buffer_deinit(&text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parts");
    TCase *tcase = tcase_create("parts");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, open_store, close_store);
    tcase_add_test(tcase, events_leave_room_for_what_matters);
    tcase_add_test(tcase, events_share_their_envelope);
    tcase_add_test(tcase, keys_that_matter_stay);
    tcase_add_test(tcase, keys_used_longest_ago_go_first);
    tcase_add_test(tcase, seen_rows_are_bounded_in_time);
    tcase_add_test(tcase, decisions_of_one_key_are_bounded);
    tcase_add_test(tcase, what_all_know_has_room_of_its_own);
    tcase_add_test(tcase, copied_ids_of_decisions);
    tcase_add_test(tcase, nobody_chooses_what_collides);
    tcase_add_test(tcase, early_votes_are_bounded);
    tcase_add_test(tcase, early_votes_are_bounded_in_bytes);
    tcase_add_test(tcase, early_votes_come_due_and_end);
    tcase_add_test(tcase, mail_is_bounded);
    tcase_add_test(tcase, gaps_of_any_width);
    tcase_add_test(tcase, mail_remembers_who_has_it);
    tcase_add_test(tcase, one_voice_a_key);
    tcase_add_test(tcase, names_of_states);
    tcase_add_test(tcase, history_gives_the_state);
    tcase_add_loop_test(tcase, history_is_checked, 0, 5);
    tcase_add_test(tcase, evidence_is_by_sender);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

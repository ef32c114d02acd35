/* The tables behind durable messages, each at its bounds and read back from its store. */
#include "protocol/delivery/homes.h"
#include "protocol/durable/posts.h"
#include "protocol/durable/shelves.h"
#include "protocol/durable/taken.h"
#include "runner.h"
#include "store/memory.h"

#include <stdio.h>
#include <string.h>

#define DAY_US (UINT64_C(24) * 3600 * W4_US_PER_S)

static w4_store *store;

static w4_fingerprint name(uint32_t number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof number);
    return f;
}

static const char *uuid(uint32_t number) {
    static char text[37];
    snprintf(text, sizeof text, "%08x-0000-4000-8000-000000000000", number);
    return text;
}

static w4_bytes text_of(size_t len) {
    static uint8_t bytes[4096];
    ck_assert_uint_le(len, sizeof bytes);
    return w4_bytes_of(bytes, len);
}

static void setup(void) {
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
}

static void teardown(void) {
    store = w4_store_free(store);
}

static unsigned rows(w4_store_table table, char kind) {
    w4_store_cursor cursor;
    unsigned count = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, table, w4_bytes_of(&kind, 1)), 0);
    while (w4_store_next(store, &cursor) == 0) {
        count++;
    }
    w4_store_cursor_deinit(&cursor);
    return count;
}

static const w4_durable_limits roomy = {.age_us = 7 * DAY_US,
                                        .receiver_messages = 1000000,
                                        .receiver_bytes = 1u << 30,
                                        .sender_messages = 1000000,
                                        .sender_bytes = 1u << 30,
                                        .bytes = 1u << 30};

/* ---- shelves */

static w4_shelves shelves;

static void keep_from(uint32_t agent, uint32_t sender, bool trusted, uint32_t number, size_t size) {
    w4_fingerprint key = name(agent);
    w4_kept draft = {.sender = name(sender),
                     .receiver = key,
                     .timestamp_us = number,
                     .channel = W4_CHANNEL_CONTROL,
                     .trusted = trusted};
    snprintf(draft.msg_id, sizeof draft.msg_id, "%s", uuid(number));
    ck_assert_int_eq(w4_shelves_add(&shelves, &key, &draft, text_of(size)), 0);
}

static bool has_room(const w4_durable_limits *limits, uint32_t agent, uint32_t sender, bool trusted,
                     size_t size) {
    w4_fingerprint key = name(agent), from = name(sender);
    return w4_shelves_full(&shelves, limits, &key, &from, trusted, size) == NULL;
}

START_TEST(shelves_are_bounded) {
    ck_assert_int_eq(w4_shelves_init(&shelves, store), 0);
    for (uint32_t i = 0; i < 8; i++) {
        keep_from(1, 10 + i % 2, i % 2 == 0, i, 100); /* 4 of each; 11 is a stranger */
    }
    w4_durable_limits limits = roomy;
    ck_assert(has_room(&limits, 1, 10, true, 100));
    limits.receiver_messages = 8;
    ck_assert(!has_room(&limits, 1, 12, true, 1) && has_room(&limits, 2, 12, true, 1));
    limits = roomy;
    limits.receiver_bytes = 900;
    ck_assert(has_room(&limits, 1, 12, true, 100) && !has_room(&limits, 1, 12, true, 101));
    limits = roomy;
    limits.sender_messages = 4;
    ck_assert(!has_room(&limits, 1, 10, true, 1) && has_room(&limits, 1, 12, true, 1));
    limits.sender_messages = 5;
    limits.sender_bytes = 500;
    ck_assert(has_room(&limits, 1, 10, true, 100) && !has_room(&limits, 1, 10, true, 101));
    ck_assert(has_room(&limits, 2, 10, true, 500)); /* each receiver by itself */
    limits = roomy;
    limits.bytes = 900;
    ck_assert(has_room(&limits, 2, 12, true, 100) && !has_room(&limits, 2, 12, true, 101));
    limits = roomy;
    limits.receiver_messages = 16; /* a fourth of it is for strangers, and they have that */
    ck_assert(!has_room(&limits, 1, 12, false, 1) && has_room(&limits, 1, 12, true, 1));
    limits.receiver_messages = 20;
    limits.receiver_bytes = 2000;
    ck_assert(has_room(&limits, 1, 12, false, 100) && !has_room(&limits, 1, 12, false, 101));
    limits.receiver_messages = 1; /* one of them can always come */
    limits.receiver_bytes = 400;
    ck_assert(has_room(&limits, 2, 12, false, 100) && !has_room(&limits, 2, 12, false, 101));
    w4_shelves_deinit(&shelves);
    w4_shelves_deinit(&shelves);
}
END_TEST

START_TEST(all_shelves_are_bounded) {
    w4_fingerprint first = name(0);
    ck_assert_int_eq(w4_shelves_init(&shelves, store), 0);
    keep_from(0, 1, true, 0, 1);
    shelves.count = W4_SHELVES_MAX; /* as if: that many rows take their time */
    ck_assert(!has_room(&roomy, 1, 2, true, 1));
    ck_assert_int_eq(w4_shelves_remove(&shelves, w4_shelf_next(w4_shelves_find(&shelves, &first))),
                     0);
    ck_assert(has_room(&roomy, 1, 2, true, 1));
    w4_shelves_deinit(&shelves);
}
END_TEST

START_TEST(a_shelf_in_order) {
    enum { MANY = W4_SHELF_WINDOW + 6 };
    w4_fingerprint agent = name(1);
    ck_assert_int_eq(w4_shelves_init(&shelves, store), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        keep_from(1, 10, true, i, 10);
    }
    for (unsigned life = 0; life < 2; life++) {
        w4_shelf *shelf = w4_shelves_find(&shelves, &agent);
        ck_assert_uint_eq(shelf->count, MANY);
        ck_assert_uint_eq(shelf->bytes, 10 * MANY);
        for (uint32_t i = 0; i < W4_SHELF_WINDOW; i++) {
            w4_kept *kept = w4_shelf_next(shelf);
            ck_assert_str_eq(kept->msg_id, uuid(i));
            ck_assert_uint_eq(kept->given, life);
            ck_assert_int_eq(w4_shelves_give(&shelves, kept), 0);
        }
        ck_assert_ptr_null(w4_shelf_next(shelf));
        ck_assert_ptr_null(w4_shelf_find_out(shelf, uuid(W4_SHELF_WINDOW)));
        w4_shelf_take_back_one(w4_shelf_find_out(shelf, uuid(7)));
        ck_assert_str_eq(w4_shelf_next(shelf)->msg_id, uuid(7));
        w4_shelf_take_back(shelf);
        ck_assert_str_eq(w4_shelf_next(shelf)->msg_id, uuid(0));
        w4_shelves_deinit(&shelves);
        ck_assert_int_eq(w4_shelves_init(&shelves, store), 0);
        ck_assert_uint_eq(shelves.last_number, MANY);
    }
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'g'), W4_SHELF_WINDOW);
    /* Too old: exactly what is older, the oldest first, also out of order. */
    ck_assert_ptr_null(w4_shelves_stale(&shelves, 0));
    keep_from(2, 10, true, 2, 10);
    for (unsigned i = 0; i < 6; i++) {
        w4_kept *kept = w4_shelves_stale(&shelves, 5);
        ck_assert_uint_lt(kept->timestamp_us, 5);
        ck_assert_int_eq(w4_shelves_remove(&shelves, kept), 0);
    }
    ck_assert_ptr_null(w4_shelves_stale(&shelves, 5));
    ck_assert_uint_eq(shelves.count, MANY - 5);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'i'), MANY - 5);
    ck_assert_uint_eq(rows(W4_STORE_MAIL, 'i'), MANY - 5);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'g'), W4_SHELF_WINDOW - 5);
    w4_shelves_deinit(&shelves);
}
END_TEST

/* What the store does not take is not there, in part neither. */
START_TEST(a_full_store_keeps_nothing) {
    w4_fingerprint agent = name(1);
    w4_kept draft = {.sender = name(2), .receiver = agent, .channel = W4_CHANNEL_STATE};
    snprintf(draft.msg_id, sizeof draft.msg_id, "%s", uuid(1));
    ck_assert_int_eq(w4_shelves_init(&shelves, store), 0);
    keep_from(3, 2, true, 1, 10);
    w4_store_memory_full(store, true);
    ck_assert_int_eq(w4_shelves_add(&shelves, &agent, &draft, text_of(10)), W4_STORE_E_FULL);
    ck_assert_ptr_null(w4_shelves_find(&shelves, &agent));
    agent = name(3);
    w4_kept *kept = w4_shelf_next(w4_shelves_find(&shelves, &agent));
    ck_assert_int_eq(w4_shelves_give(&shelves, kept), W4_STORE_E_FULL);
    ck_assert(!kept->out && kept->given == 0);
    w4_posts posts;
    w4_post *post = NULL, out = {.channel = W4_CHANNEL_STATE};
    ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    ck_assert_int_eq(w4_posts_add(&posts, &out, text_of(10), &post), W4_STORE_E_FULL);
    ck_assert_ptr_null(post);
    ck_assert_uint_eq(posts.count, 0);
    w4_taken taken;
    ck_assert_int_eq(w4_taken_init(&taken, store), 0);
    ck_assert_int_eq(w4_taken_add(&taken, &agent, &agent, uuid(1), 5), W4_STORE_E_FULL);
    ck_assert_uint_eq(w4_taken_count(&taken), 0);
    ck_assert_int_eq(w4_taken_look(&taken, &agent, &agent, uuid(1), 5), W4_NOVELTY_NEW);
    w4_store_memory_full(store, false);
    ck_assert_int_eq(w4_taken_add(&taken, &agent, &agent, uuid(1), 5), 0);
    ck_assert_uint_eq(rows(W4_STORE_MAIL, 'o') + rows(W4_STORE_DURABLE, 'o'), 0);
    ck_assert_uint_eq(rows(W4_STORE_MAIL, 'i'), 1);
    w4_taken_deinit(&taken);
    w4_posts_deinit(&posts);
    w4_shelves_deinit(&shelves);
}
END_TEST

/* ---- posts */

static w4_posts posts;

static w4_post *post_to(uint32_t sender, uint32_t receiver, uint32_t number, size_t size) {
    w4_post *post = NULL, draft = {.sender = name(sender),
                                   .receiver = name(receiver),
                                   .timestamp_us = number,
                                   .until_us = 1000 + number,
                                   .channel = W4_CHANNEL_CONTROL};
    snprintf(draft.msg_id, sizeof draft.msg_id, "%s", uuid(number));
    ck_assert_int_eq(w4_posts_add(&posts, &draft, text_of(size), &post), 0);
    return post;
}

static bool can_post(const w4_durable_limits *limits, uint32_t sender, uint32_t receiver,
                     size_t size) {
    w4_fingerprint from = name(sender), to = name(receiver);
    return w4_posts_full(&posts, limits, &from, &to, size, 0, 0) == NULL;
}

START_TEST(posts_are_bounded) {
    ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    post_to(1, 10, 1, 100);
    post_to(1, 11, 2, 100);
    post_to(2, 10, 3, 100);
    w4_durable_limits limits = roomy;
    limits.sender_messages = 2;
    ck_assert(!can_post(&limits, 1, 12, 1) && can_post(&limits, 2, 12, 1));
    limits = roomy;
    limits.sender_bytes = 300;
    ck_assert(can_post(&limits, 1, 12, 100) && !can_post(&limits, 1, 12, 101));
    limits = roomy;
    limits.receiver_messages = 2;
    ck_assert(!can_post(&limits, 3, 10, 1) && can_post(&limits, 3, 11, 1));
    limits = roomy;
    limits.receiver_bytes = 300;
    ck_assert(can_post(&limits, 3, 10, 100) && !can_post(&limits, 3, 10, 101));
    limits = roomy;
    limits.bytes = 400;
    ck_assert(can_post(&limits, 3, 12, 100) && !can_post(&limits, 3, 12, 101));
    w4_posts_deinit(&posts);
    w4_posts_deinit(&posts);
}
END_TEST

START_TEST(streams_are_bounded) {
    ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    for (uint32_t i = 0; i < W4_STREAMS_MAX; i++) {
        post_to(1, i, i, 1);
    }
    ck_assert(can_post(&roomy, 1, 0, 1));
    ck_assert(!can_post(&roomy, 2, 0, 1));
    ck_assert(!can_post(&roomy, 1, W4_STREAMS_MAX, 1));
    w4_posts_deinit(&posts);
}
END_TEST

START_TEST(all_posts_are_bounded) {
    ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    post_to(1, 2, 0, 1);
    post_to(1, 2, 1, 1);
    posts.count = W4_POSTS_MAX; /* as if */
    ck_assert(!can_post(&roomy, 1, 2, 1));
    w4_fingerprint from = name(1), to = name(2);
    const w4_stream *stream = w4_posts_find(&posts, &from, &to);
    ck_assert_int_eq(w4_posts_remove(&posts, TAILQ_FIRST(&stream->list), W4_REFUSAL_NONE, 0), 0);
    ck_assert(can_post(&roomy, 1, 2, 1));
    w4_posts_deinit(&posts);
}
END_TEST

/* Verdicts for who is away: the oldest go first, and all that are left outlive a restart. */
START_TEST(verdicts_are_bounded) {
    ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    for (uint32_t i = 0; i <= W4_VERDICTS_MAX; i++) {
        ck_assert_int_eq(w4_posts_remove(&posts, post_to(1, 2, i, 10), W4_REFUSAL_TIMEOUT, 5000),
                         0);
    }
    for (unsigned life = 0; life < 2; life++) {
        const w4_post *verdict = TAILQ_FIRST(&posts.verdicts);
        ck_assert_uint_eq(posts.verdict_count, W4_VERDICTS_MAX);
        ck_assert_uint_eq(posts.count, 0);
        ck_assert_uint_eq(posts.bytes, 0);
        ck_assert_str_eq(verdict->msg_id, uuid(1));
        ck_assert_int_eq(verdict->code, W4_REFUSAL_TIMEOUT);
        ck_assert_ptr_null(w4_posts_over(&posts, 5000));
        ck_assert_ptr_nonnull(w4_posts_over(&posts, 5001));
        w4_posts_deinit(&posts);
        ck_assert_int_eq(w4_posts_init(&posts, store), 0);
    }
    ck_assert_uint_eq(rows(W4_STORE_MAIL, 'o'), 0);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'o'), W4_VERDICTS_MAX);
    w4_posts_deinit(&posts);
}
END_TEST

/* ---- what was taken */

static w4_taken taken;

static void take(uint32_t receiver, uint32_t sender, uint32_t number, uint64_t timestamp_us) {
    w4_fingerprint to = name(receiver), from = name(sender);
    ck_assert_int_eq(w4_taken_add(&taken, &to, &from, uuid(number), timestamp_us), 0);
}

static w4_novelty look(uint32_t receiver, uint32_t sender, uint32_t number, uint64_t timestamp_us) {
    w4_fingerprint to = name(receiver), from = name(sender);
    return w4_taken_look(&taken, &to, &from, uuid(number), timestamp_us);
}

/* What is forgotten of a pair is too old from then on, so that nothing comes twice. */
START_TEST(a_floor_under_what_is_forgotten) {
    enum { MANY = W4_TAKEN_PER_PAIR + 6 };
    ck_assert_int_eq(w4_taken_init(&taken, store), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(look(1, 2, i, 100 + i), W4_NOVELTY_NEW);
        take(1, 2, i, 100 + i);
    }
    for (unsigned life = 0; life < 2; life++) {
        for (uint32_t i = 0; i < MANY; i++) {
            ck_assert_int_eq(look(1, 2, i, 100 + i),
                             i < 6 ? W4_NOVELTY_TOO_OLD : W4_NOVELTY_REPEAT);
        }
        ck_assert_int_eq(look(1, 2, 1000, 105), W4_NOVELTY_TOO_OLD);
        ck_assert_int_eq(look(1, 2, 1000, 106), W4_NOVELTY_NEW);
        ck_assert_int_eq(look(2, 1, 0, 1), W4_NOVELTY_NEW); /* another pair */
        w4_fingerprint key = name(1), from = name(2);
        ck_assert_int_eq(w4_taken_look(&taken, &key, &from, "no uuid", 500), W4_NOVELTY_TOO_OLD);
        w4_taken_deinit(&taken);
        ck_assert_int_eq(w4_taken_init(&taken, store), 0);
    }
    /* Clocks go back: what is forgotten never lowers the floor. */
    take(1, 2, 2000, 50);
    for (uint32_t i = 0; i < W4_TAKEN_PER_PAIR; i++) {
        take(1, 2, 3000 + i, 200 + i);
    }
    ck_assert_int_eq(look(1, 2, 2000, 50), W4_NOVELTY_TOO_OLD);
    ck_assert_int_eq(look(1, 2, 4000, 169), W4_NOVELTY_TOO_OLD);
    ck_assert_int_eq(look(1, 2, 4000, 170), W4_NOVELTY_NEW);
    w4_taken_deinit(&taken);
}
END_TEST

START_TEST(pairs_are_bounded) {
    ck_assert_int_eq(w4_taken_init(&taken, store), 0);
    w4_fingerprint to = name(1), from = name(W4_TAKEN_PAIRS_MAX), known = name(7);
    uint32_t at = 0;
    for (; at < W4_TAKEN_PAIRS_STRANGERS_MAX; at++) {
        take(1, at, at, 100 + at);
    }
    ck_assert(!w4_taken_has_room(&taken, &to, &from, false, 0));
    ck_assert(w4_taken_has_room(&taken, &to, &from, true, 0));
    ck_assert(w4_taken_has_room(&taken, &to, &known, false, 0)); /* that pair is there */
    for (; at < W4_TAKEN_PAIRS_MAX; at++) {
        take(1, at, at, 100 + at);
    }
    ck_assert(!w4_taken_has_room(&taken, &to, &from, true, 100)); /* none is older */
    ck_assert(w4_taken_has_room(&taken, &to, &from, true, 101));  /* one is */
    ck_assert_uint_eq(w4_taken_count(&taken), W4_TAKEN_PAIRS_MAX);
    w4_taken_make_room(&taken, &to, &from, true, 101);
    ck_assert_uint_eq(w4_taken_count(&taken), W4_TAKEN_PAIRS_MAX - 1);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 't'), W4_TAKEN_PAIRS_MAX - 1);
    ck_assert_int_eq(look(1, 0, 0, 100), W4_NOVELTY_NEW);
    ck_assert_int_eq(look(1, 1, 1, 101), W4_NOVELTY_REPEAT);
    w4_taken_deinit(&taken);
}
END_TEST

/* ---- homes */

static w4_homes homes;
static const w4_fingerprint self = {{255}}, other = {{254}};

static void note(uint32_t number, const w4_fingerprint *node, uint64_t wall_us) {
    w4_party party = {.fingerprint = name(number)};
    snprintf(party.agent_id, sizeof party.agent_id, "agent %u", number);
    ck_assert_int_eq(w4_homes_note(&homes, &party, node, wall_us), 0);
}

static bool at_home(uint32_t number) {
    w4_fingerprint key = name(number);
    return w4_homes_find(&homes, &key) != NULL;
}

/* Of listed ones one node has its share only. */
START_TEST(lists_are_bounded) {
    const w4_fingerprint third = {{253}};
    ck_assert_int_eq(w4_homes_init_listed(&homes, store, &self), 0);
    note(1, &third, 1000);
    for (uint32_t i = 0; i <= W4_HOMES_LISTED_PER_NODE; i++) {
        note(1000 + i, &other, 2000 + i);
    }
    ck_assert_uint_eq(homes.counts[0], W4_HOMES_LISTED_PER_NODE + 1);
    ck_assert(at_home(1) && !at_home(1000) && at_home(1001));
    w4_homes_deinit(&homes);
    ck_assert_int_eq(w4_homes_init_listed(&homes, store, &self), 0);
    ck_assert(at_home(1) && !at_home(1000) && at_home(1001));
    for (uint32_t i = 0; i < W4_HOMES_LISTED_MAX; i++) {
        const w4_fingerprint node = {{1, (uint8_t)(i / 100)}};
        note(5000 + i, &node, 9000 + i);
    }
    ck_assert_uint_eq(homes.counts[0], W4_HOMES_LISTED_MAX);
    ck_assert(!at_home(1) && !at_home(1001) && at_home(5000));
    w4_homes_deinit(&homes);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'l'), W4_HOMES_LISTED_MAX);
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'a'), 0);
}
END_TEST

START_TEST(homes_are_bounded) {
    static const uint32_t most[] = {W4_HOMES_REMOTE_MAX, W4_HOMES_LOCAL_MAX};
    for (unsigned local = 0; local < 2; local++) {
        uint32_t base = local * 100000;
        const w4_fingerprint *node = local ? &self : &other;
        ck_assert_int_eq(w4_homes_init(&homes, store, &self), 0);
        for (uint32_t i = 0; i < most[local]; i++) {
            note(base + i, node, 1000 + i);
        }
        note(base, node, 9000); /* the first is seen once more: the second goes first */
        note(base + most[local], node, 9001);
        ck_assert(at_home(base) && !at_home(base + 1) && at_home(base + 2));
        ck_assert_uint_eq(homes.counts[local], most[local]);
        w4_homes_deinit(&homes);
        ck_assert_int_eq(w4_homes_init(&homes, store, &self), 0);
        ck_assert_uint_eq(homes.counts[local], most[local]);
        ck_assert(at_home(base) && !at_home(base + 1));
        w4_homes_deinit(&homes);
    }
    ck_assert_uint_eq(rows(W4_STORE_DURABLE, 'a'), W4_HOMES_REMOTE_MAX + W4_HOMES_LOCAL_MAX);
}
END_TEST

START_TEST(who_moves_has_one_home) {
    uint32_t count;
    w4_party namesake = {.fingerprint = name(8), .agent_id = "agent 7"};
    ck_assert_int_eq(w4_homes_init(&homes, store, &self), 0);
    note(7, &self, 5);
    note(7, &other, 6);
    ck_assert_int_eq(w4_homes_note(&homes, &namesake, &self, 7), 0);
    ck_assert_uint_eq(homes.counts[0], 1);
    ck_assert_uint_eq(homes.counts[1], 1);
    ck_assert_ptr_nonnull(w4_homes_find_named(&homes, w4_bytes_from_text("agent 7"), &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_ptr_null(w4_homes_find_named(&homes, w4_bytes_from_text("agent 9"), &count));
    ck_assert_uint_eq(count, 0);
    /* Seen is written anew once a day, and when the clock was set back. */
    w4_fingerprint key = name(7);
    note(7, &other, 6 + DAY_US - 1);
    ck_assert_uint_eq(w4_homes_find(&homes, &key)->seen_us, 6);
    note(7, &other, 6 + DAY_US);
    ck_assert_uint_eq(w4_homes_find(&homes, &key)->seen_us, 6 + DAY_US);
    note(7, &other, 4);
    ck_assert_uint_eq(w4_homes_find(&homes, &key)->seen_us, 4);
    w4_homes_deinit(&homes);
    w4_homes_deinit(&homes);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable_tables");
    TCase *tcase = tcase_create("durable_tables");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, shelves_are_bounded);
    tcase_add_test(tcase, all_shelves_are_bounded);
    tcase_add_test(tcase, a_shelf_in_order);
    tcase_add_test(tcase, a_full_store_keeps_nothing);
    tcase_add_test(tcase, posts_are_bounded);
    tcase_add_test(tcase, streams_are_bounded);
    tcase_add_test(tcase, all_posts_are_bounded);
    tcase_add_test(tcase, verdicts_are_bounded);
    tcase_add_test(tcase, a_floor_under_what_is_forgotten);
    tcase_add_test(tcase, pairs_are_bounded);
    tcase_add_test(tcase, homes_are_bounded);
    tcase_add_test(tcase, lists_are_bounded);
    tcase_add_test(tcase, who_moves_has_one_home);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

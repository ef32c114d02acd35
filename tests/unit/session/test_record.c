#include "pair.h"

#include "session/record.h"

static const w4_record_limits unlimited = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
static const uint8_t key[W4_AEAD_KEY_LEN] = {1, 2, 3};
static w4_record_sender tx;
static w4_record_receiver rx;
static uint8_t plain[W4_RECORD_MAX];

typedef struct sealed {
    uint8_t bytes[256];
    size_t len;
} sealed;

static void begin(void) {
    w4_record_receiver_deinit(&rx);
    ck_assert_int_eq(w4_crypto_init(), 0);
    w4_record_sender_init(&tx, key, 0);
    w4_record_receiver_deinit(&rx);
    w4_record_receiver_init(&rx, key);
}

static sealed seal_at(const char *text, const w4_record_limits *limits, uint64_t now_us) {
    sealed s = {.len = W4_RECORD_OVERHEAD + strlen(text)};
    memcpy(s.bytes + W4_RECORD_HEADER, text, strlen(text));
    w4_record_seal(&tx, limits, s.bytes, s.len, now_us);
    return s;
}

static sealed seal(const char *text) {
    return seal_at(text, &unlimited, 0);
}

static w4_record_verdict open_at(const sealed *s, uint64_t now_us) {
    return w4_record_open(&rx, w4_bytes_of(s->bytes, s->len), plain, now_us);
}

static w4_record_verdict open_one(const sealed *s) {
    return open_at(s, 0);
}

START_TEST(carries_what_was_sealed) {
    begin();
    for (unsigned i = 0; i < 3; i++) {
        sealed s = seal("hello");
        ck_assert_uint_eq(s.bytes[0], 0);
        ck_assert_uint_eq(s.bytes[7], i);
        ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
        ck_assert_mem_eq(plain, "hello", 5);
    }
    sealed empty = seal("");
    ck_assert_uint_eq(empty.len, W4_RECORD_OVERHEAD);
    ck_assert_int_eq(open_one(&empty), W4_RECORD_OPENED);
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_forged) {
    begin();
    sealed good = seal("some text to carry");
    for (size_t bit = 0; bit < good.len * 8; bit++) {
        sealed s = good;
        s.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(open_one(&s), W4_RECORD_FORGED);
    }
    for (size_t len = 0; len < good.len; len++) {
        sealed s = good;
        s.len = len;
        ck_assert_int_eq(open_one(&s), W4_RECORD_FORGED);
    }
    /* None of them moved the window or the epoch. */
    ck_assert_int_eq(open_one(&good), W4_RECORD_OPENED);
}
END_TEST

START_TEST(a_second_time_is_a_replay) {
    begin();
    sealed s = seal("once");
    ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
    ck_assert_int_eq(open_one(&s), W4_RECORD_REPLAY);
    ck_assert_int_eq(open_one(&s), W4_RECORD_REPLAY);
}
END_TEST

START_TEST(the_other_direction_does_not_fit) {
    begin();
    uint8_t other[W4_AEAD_KEY_LEN] = {9};
    w4_record_receiver_init(&rx, other);
    sealed s = seal("reflected");
    ck_assert_int_eq(open_one(&s), W4_RECORD_FORGED);
}
END_TEST

START_TEST(the_window_has_its_edges) {
    static const uint64_t tops[] = {0, 1, 63, 64, 65, 1022, 1023, 1024, 1025, 1087, 1088, 5000};
    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        w4_replay_window w = {0};
        uint64_t top = tops[i];
        ck_assert(w4_replay_window_fresh(&w, top));
        w4_replay_window_mark(&w, top);
        ck_assert(!w4_replay_window_fresh(&w, top));
        ck_assert(w4_replay_window_fresh(&w, top + 1));
        for (uint64_t back = 1; back <= top && back < 1200; back++) {
            ck_assert_int_eq(w4_replay_window_fresh(&w, top - back), back < W4_REPLAY_WINDOW);
        }
        w4_replay_window_deinit(&w);
    }
}
END_TEST

START_TEST(a_jump_forgets_the_lap_before) {
    for (uint64_t words = 1; words < 60; words++) {
        w4_replay_window w = {0};
        for (uint64_t counter = 0; counter < 64; counter++) {
            w4_replay_window_mark(&w, counter);
        }
        uint64_t top = words * 64 + 63;
        w4_replay_window_mark(&w, top);
        bool right = true;
        for (uint64_t back = 1; back < W4_REPLAY_WINDOW && back < top; back++) {
            right = right && w4_replay_window_fresh(&w, top - back) == (top - back >= 64);
        }
        ck_assert_msg(right, "a jump of %u words", (unsigned)words);
        w4_replay_window_deinit(&w);
    }
}
END_TEST

/* Against a model that remembers everything. */
START_TEST(the_window_is_right_for_any_order) {
    enum { SPAN = 20000 };
    static bool seen[SPAN];
    pair_random random = {.state = (uint64_t)_i};
    w4_replay_window w = {0};
    uint64_t next = 0;
    bool right = true;
    memset(seen, 0, sizeof seen);
    for (unsigned step = 0; step < 20000; step++) {
        uint64_t jump = pair_below(&random, 50) == 0 ? 3000 : 40;
        uint64_t base = next > 1100 ? next - 1100 : 0;
        uint64_t counter = base + pair_below(&random, next - base + jump);
        if (counter >= SPAN) {
            break;
        }
        bool fresh = counter >= next || (next - counter <= W4_REPLAY_WINDOW && !seen[counter]);
        right = right && w4_replay_window_fresh(&w, counter) == fresh;
        if (fresh) {
            w4_replay_window_mark(&w, counter);
            seen[counter] = true;
            next = counter >= next ? counter + 1 : next;
        }
    }
    w4_replay_window_deinit(&w);
    ck_assert(right && next > 10000);
}
END_TEST

START_TEST(what_comes_in_order_needs_no_memory) {
    w4_replay_window w = {0};
    for (uint64_t counter = 0; counter < 3 * W4_REPLAY_WINDOW; counter++) {
        ck_assert(w4_replay_window_fresh(&w, counter));
        w4_replay_window_mark(&w, counter);
        ck_assert(!w4_replay_window_fresh(&w, counter));
        ck_assert(!w4_replay_window_fresh(&w, counter / 2));
    }
    ck_assert_ptr_null(w.words);
    uint64_t next = w.next;
    w4_replay_window_mark(&w, next + 1); /* one is missing: that alone may still come */
    ck_assert_ptr_nonnull(w.words);
    for (uint64_t counter = 0; counter < next + 2; counter++) {
        ck_assert_int_eq(w4_replay_window_fresh(&w, counter), counter == next);
    }
    w4_replay_window_deinit(&w);
}
END_TEST

START_TEST(old_ones_are_replays_and_late_ones_open) {
    begin();
    sealed first = seal("0");
    sealed second = seal("1");
    for (unsigned i = 2; i < W4_REPLAY_WINDOW; i++) {
        seal("lost");
    }
    sealed last = seal("1024");
    ck_assert_int_eq(open_one(&last), W4_RECORD_OPENED);
    ck_assert_int_eq(open_one(&first), W4_RECORD_REPLAY);
    ck_assert_int_eq(open_one(&second), W4_RECORD_OPENED);
}
END_TEST

START_TEST(moves_to_the_next_epoch_after_records) {
    begin();
    const w4_record_limits limits = {.records = 10, .bytes = UINT64_MAX, .us = UINT64_MAX};
    for (unsigned i = 0; i < 3000; i++) {
        sealed s = seal_at("x", &limits, 0);
        ck_assert_uint_eq(s.bytes[0], (uint8_t)(i / 10));
        ck_assert_uint_eq(s.bytes[7], i % 10);
        ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
    }
    ck_assert_uint_eq(tx.rekeys, 299);
}
END_TEST

START_TEST(moves_to_the_next_epoch_after_bytes_time_or_command) {
    begin();
    const w4_record_limits bytes = {.records = 100, .bytes = 60, .us = UINT64_MAX};
    seal_at("0123456789", &bytes, 0); /* 34 bytes each */
    seal_at("0123456789", &bytes, 0);
    ck_assert_uint_eq(seal_at("x", &bytes, 0).bytes[0], 1);
    begin();
    const w4_record_limits time = {.records = 100, .bytes = 1000, .us = 50};
    ck_assert_uint_eq(seal_at("x", &time, 0).bytes[0], 0);
    ck_assert_uint_eq(seal_at("x", &time, 49).bytes[0], 0);
    ck_assert_uint_eq(seal_at("x", &time, 50).bytes[0], 1);
    ck_assert_uint_eq(seal_at("x", &time, 99).bytes[0], 1);
    begin();
    tx.rekey_wanted = true;
    ck_assert_uint_eq(seal("x").bytes[0], 1);
    ck_assert_uint_eq(seal("x").bytes[0], 1);
}
END_TEST

START_TEST(the_counter_never_wraps) {
    begin();
    tx.counter = W4_RECORD_COUNTER_MAX - 1;
    sealed s = seal("last but one");
    ck_assert_uint_eq(s.bytes[0], 0);
    ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
    s = seal("next");
    ck_assert_uint_eq(s.bytes[0], 1);
    ck_assert_uint_eq(tx.counter, 1);
    ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
}
END_TEST

START_TEST(late_records_of_the_old_epoch_open_for_a_while) {
    begin();
    sealed late = seal("late");
    sealed later = seal("later");
    sealed again = seal("again");
    ck_assert_int_eq(open_at(&again, 0), W4_RECORD_OPENED);
    tx.rekey_wanted = true;
    sealed fresh = seal("fresh");
    ck_assert_uint_eq(w4_record_receiver_deadline(&rx), W4_NEVER);
    ck_assert_int_eq(open_at(&fresh, 1000), W4_RECORD_OPENED);
    ck_assert_uint_eq(w4_record_receiver_deadline(&rx), 1000 + W4_RECORD_OLD_KEY_US);
    ck_assert_int_eq(open_at(&late, W4_RECORD_OLD_KEY_US + 999), W4_RECORD_OPENED);
    ck_assert_int_eq(open_at(&late, W4_RECORD_OLD_KEY_US + 999), W4_RECORD_REPLAY);
    ck_assert_int_eq(open_at(&again, W4_RECORD_OLD_KEY_US + 999), W4_RECORD_REPLAY);
    ck_assert_int_eq(open_at(&later, W4_RECORD_OLD_KEY_US + 1000), W4_RECORD_FORGED);
    ck_assert_ptr_null(rx.old);
    ck_assert_uint_eq(w4_record_receiver_deadline(&rx), W4_NEVER);
}
END_TEST

START_TEST(a_lost_epoch_is_not_followed) {
    begin();
    tx.rekey_wanted = true;
    seal("lost");
    tx.rekey_wanted = true;
    sealed s = seal("two ahead");
    ck_assert_uint_eq(s.bytes[0], 2);
    ck_assert_int_eq(open_one(&s), W4_RECORD_FORGED);
}
END_TEST

START_TEST(a_forged_next_epoch_moves_nothing) {
    begin();
    sealed s = seal("x");
    sealed forged = s;
    forged.bytes[0] = 1;
    ck_assert_int_eq(open_one(&forged), W4_RECORD_FORGED);
    forged.bytes[0] = 255;
    ck_assert_int_eq(open_one(&forged), W4_RECORD_FORGED);
    ck_assert_uint_eq(rx.epoch, 0);
    ck_assert_int_eq(open_one(&s), W4_RECORD_OPENED);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, carries_what_was_sealed);
    tcase_add_test(tc, every_flipped_bit_and_every_cut_is_forged);
    tcase_add_test(tc, a_second_time_is_a_replay);
    tcase_add_test(tc, the_other_direction_does_not_fit);
    tcase_add_test(tc, the_window_has_its_edges);
    tcase_add_test(tc, a_jump_forgets_the_lap_before);
    tcase_add_loop_test(tc, the_window_is_right_for_any_order, 0, 10);
    tcase_add_test(tc, what_comes_in_order_needs_no_memory);
    tcase_add_test(tc, old_ones_are_replays_and_late_ones_open);
    tcase_add_test(tc, moves_to_the_next_epoch_after_records);
    tcase_add_test(tc, moves_to_the_next_epoch_after_bytes_time_or_command);
    tcase_add_test(tc, the_counter_never_wraps);
    tcase_add_test(tc, late_records_of_the_old_epoch_open_for_a_while);
    tcase_add_test(tc, a_lost_epoch_is_not_followed);
    tcase_add_test(tc, a_forged_next_epoch_moves_nothing);
    suite_add_tcase(suite, tc);
    int r = w4_test_run(suite);
    w4_record_receiver_deinit(&rx);
    return r;
}

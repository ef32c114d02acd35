#include "envelope/replay.h"

#include "crypto/sign.h"
#include "runner.h"

#include <stdio.h>
#include <string.h>

#define WINDOW_US UINT64_C(300000000)
#define SECOND_US UINT64_C(1000000)
#define NOW_US UINT64_C(1795428732000000)
#define MUST(CONDITION)                                                                            \
    do {                                                                                           \
        if (!(CONDITION)) {                                                                        \
            ck_abort_msg("%s", #CONDITION);                                                        \
        }                                                                                          \
    } while (0)

static const char *id_of(unsigned number) {
    static char text[64];
    snprintf(text, sizeof text, "%08x-0000-4000-8000-%012x", number, number * 7919u);
    return text;
}

static w4_fingerprint sender_of(unsigned number) {
    w4_fingerprint f = {{0}};
    memcpy(f.bytes, &number, sizeof number);
    f.bytes[31] = 1;
    return f;
}

static w4_replay *replay_of(size_t entries_max) {
    w4_replay *replay = NULL;
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_replay_new(entries_max, WINDOW_US, &replay), 0);
    return replay;
}

static int add(w4_replay *replay, unsigned from, unsigned id, uint64_t timestamp_us,
               uint64_t wall_us) {
    w4_fingerprint sender = sender_of(from);
    bool seen = w4_replay_seen(replay, &sender, id_of(id), timestamp_us);
    int r = w4_replay_add(replay, &sender, id_of(id), timestamp_us, wall_us);
    MUST(r == 0 || r == 1);
    MUST(r == 1 || !seen); /* what is added was not seen */
    return r;
}

static bool seen(const w4_replay *replay, unsigned from, unsigned id, uint64_t timestamp_us) {
    w4_fingerprint sender = sender_of(from);
    return w4_replay_seen(replay, &sender, id_of(id), timestamp_us);
}

START_TEST(twice) {
    w4_replay *replay = replay_of(100);
    ck_assert_uint_eq(w4_replay_count(replay), 0);
    ck_assert(!seen(replay, 1, 1, NOW_US));
    ck_assert(!seen(replay, 1, 1, NOW_US)); /* asking adds nothing */
    ck_assert_int_eq(add(replay, 1, 1, NOW_US, NOW_US), 0);
    ck_assert_uint_eq(w4_replay_count(replay), 1);
    ck_assert(seen(replay, 1, 1, NOW_US));
    ck_assert_int_eq(add(replay, 1, 1, NOW_US, NOW_US), 1);
    /* the name is what counts, whatever the time written beside it */
    ck_assert_int_eq(add(replay, 1, 1, NOW_US + 5, NOW_US), 1);
    ck_assert_int_eq(add(replay, 1, 2, NOW_US, NOW_US), 0);
    ck_assert_int_eq(add(replay, 2, 1, NOW_US, NOW_US), 0); /* another sender's */
    ck_assert_uint_eq(w4_replay_count(replay), 3);
    ck_assert_ptr_null(w4_replay_free(replay));
    ck_assert_ptr_null(w4_replay_free(NULL));
}
END_TEST

START_TEST(names_that_are_none) {
    static const char *const ids[] = {"", "x", "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                                      "6BA7B810-9DAD-41D1-80B4-00C04FD430C8"};
    w4_replay *replay = replay_of(10);
    w4_fingerprint sender = sender_of(1);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        ck_assert(w4_replay_seen(replay, &sender, ids[i], NOW_US));
        ck_assert_int_eq(w4_replay_add(replay, &sender, ids[i], NOW_US, NOW_US), 1);
    }
    ck_assert_uint_eq(w4_replay_count(replay), 0);
    w4_replay_free(replay);
}
END_TEST

/* All digits of the name tell names apart. */
START_TEST(names_that_differ_in_one_digit) {
    const char *base = "0f8fad5b-d9cb-469f-a165-70867728950e";
    w4_replay *replay = replay_of(1000);
    w4_fingerprint sender = sender_of(1);
    unsigned added = 0;
    for (size_t i = 0; base[i]; i++) {
        char id[40];
        if (base[i] == '-' || i == 14 || i == 19) {
            continue;
        }
        snprintf(id, sizeof id, "%s", base);
        id[i] = base[i] == 'e' ? '1' : 'e';
        ck_assert_int_eq(w4_replay_add(replay, &sender, id, NOW_US, NOW_US), 0);
        added++;
    }
    ck_assert_uint_eq(added, 30);
    ck_assert_uint_eq(w4_replay_count(replay), added);
    w4_replay_free(replay);
}
END_TEST

/* What is too old to be fresh is forgotten, and yet refused. */
START_TEST(forgotten_by_age) {
    w4_replay *replay = replay_of(100);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(add(replay, 1, i, NOW_US + i, NOW_US), 0);
    }
    /* exactly at the edge they are fresh still: kept */
    ck_assert_int_eq(add(replay, 2, 100, NOW_US + WINDOW_US, NOW_US + WINDOW_US), 0);
    ck_assert_uint_eq(w4_replay_count(replay), 6);
    ck_assert_int_eq(add(replay, 2, 101, NOW_US + WINDOW_US, NOW_US + WINDOW_US + 5), 0);
    ck_assert_uint_eq(w4_replay_count(replay), 2);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(seen(replay, 1, i, NOW_US + i));
    }
    ck_assert(seen(replay, 1, 77, NOW_US + 4)); /* at the floor, below it */
    ck_assert(!seen(replay, 1, 77, NOW_US + 5));
    ck_assert(!seen(replay, 2, 77, NOW_US + 4)); /* the floor of one is not another's */
    ck_assert(!seen(replay, 3, 77, NOW_US));
    w4_replay_free(replay);
}
END_TEST

/* A clock that goes forward, so that all is forgotten, and back again. */
START_TEST(clock_goes_back) {
    w4_replay *replay = replay_of(100);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(add(replay, 1, i, NOW_US + i * SECOND_US, NOW_US + i * SECOND_US), 0);
    }
    uint64_t later_us = NOW_US + 3600 * SECOND_US;
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(add(replay, 2, i, later_us, later_us), 0);
    }
    ck_assert_uint_eq(w4_replay_count(replay), 4);
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(add(replay, 1, i, NOW_US + i * SECOND_US, NOW_US + 20 * SECOND_US), 1);
    }
    /* life goes on */
    ck_assert_int_eq(add(replay, 1, 50, NOW_US + 21 * SECOND_US, NOW_US + 21 * SECOND_US), 0);
    ck_assert_int_eq(add(replay, 1, 50, NOW_US + 21 * SECOND_US, NOW_US + 21 * SECOND_US), 1);
    w4_replay_free(replay);
}
END_TEST

/* One that floods shortens its own memory, and never opens it. */
START_TEST(one_floods) {
    w4_replay *replay = replay_of(800); /* a share is 100 */
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(add(replay, 1, i, NOW_US + i, NOW_US), 0);
    }
    for (unsigned i = 0; i < 5000; i++) {
        MUST(add(replay, 2, i, NOW_US + 1000 + i, NOW_US) == 0);
        MUST(w4_replay_count(replay) <= 150);
    }
    ck_assert_uint_eq(w4_replay_count(replay), 150);
    for (unsigned i = 0; i < 5000; i++) {
        MUST(add(replay, 2, i, NOW_US + 1000 + i, NOW_US) == 1);
    }
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(add(replay, 1, i, NOW_US + i, NOW_US), 1);
    }
    /* the others are not held up, old time stamps and all */
    ck_assert_int_eq(add(replay, 1, 60, NOW_US + 3, NOW_US), 0);
    ck_assert_int_eq(add(replay, 3, 1, NOW_US - WINDOW_US, NOW_US), 0);
    w4_replay_free(replay);
}
END_TEST

/* With time stamps of the future it cuts itself off until they are past; nobody else. */
START_TEST(one_floods_from_the_future) {
    w4_replay *replay = replay_of(160);
    uint64_t future_us = NOW_US + WINDOW_US;
    for (unsigned i = 0; i < 100; i++) {
        int expected = i < 20 ? 0 : 1; /* its share; then the first that goes is the floor */
        MUST(add(replay, 2, i, future_us, NOW_US) == expected || i == 20);
    }
    ck_assert_uint_le(w4_replay_count(replay), 20);
    ck_assert(seen(replay, 2, 500, NOW_US));
    ck_assert(!seen(replay, 1, 500, NOW_US));
    ck_assert_int_eq(add(replay, 1, 500, NOW_US, NOW_US), 0);
    ck_assert_int_eq(add(replay, 2, 501, future_us + 1, NOW_US + 1), 0);
    w4_replay_free(replay);
}
END_TEST

/* Many senders fill it: the oldest makes room, whose ever it is, and stays refused. */
START_TEST(many_fill_it) {
    w4_replay *replay = replay_of(64);
    for (unsigned i = 0; i < 640; i++) {
        MUST(add(replay, i % 16, i, NOW_US + i, NOW_US) == 0);
        MUST(w4_replay_count(replay) <= 64);
    }
    ck_assert_uint_eq(w4_replay_count(replay), 64);
    for (unsigned i = 0; i < 640; i++) {
        MUST(add(replay, i % 16, i, NOW_US + i, NOW_US) == 1);
    }
    w4_replay_free(replay);
}
END_TEST

/* More keys than there is room for: those that are known go on, new ones wait for the window. */
START_TEST(more_senders_than_room) {
    w4_replay *replay = replay_of(32);
    for (unsigned i = 0; i < 32; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 0);
    }
    for (unsigned i = 32; i < 200; i++) {
        ck_assert(!seen(replay, i, i, NOW_US)); /* not seen, but no room either */
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 1);
    }
    ck_assert_int_eq(add(replay, 7, 1000, NOW_US + 1, NOW_US), 0);
    ck_assert_uint_le(w4_replay_count(replay), 32);
    /* the window passes; known ones are heard of again, and the idle make room */
    uint64_t later_us = NOW_US + 2 * WINDOW_US;
    for (unsigned round = 0; round < 8; round++) {
        ck_assert_int_eq(add(replay, 7, 2000 + round, later_us + round, later_us), 0);
    }
    ck_assert_int_eq(add(replay, 300, 1, later_us, later_us), 0);
    /* a sender that was forgotten altogether is refused what it said then, not what it says now */
    ck_assert(seen(replay, 0, 0, NOW_US));
    ck_assert(seen(replay, 0, 4711, NOW_US));
    ck_assert_int_eq(add(replay, 0, 0, NOW_US, NOW_US), 1); /* the clock went back, too */
    ck_assert_int_eq(add(replay, 0, 4711, later_us, later_us), 0);
    ck_assert_int_eq(add(replay, 0, 0, NOW_US, NOW_US), 1);
    w4_replay_free(replay);
}
END_TEST

/* Busy senders at the front of the line do not make the search for an idle one long. */
START_TEST(nobody_idle_near_the_front) {
    w4_replay *replay = replay_of(40);
    for (unsigned i = 0; i < 20; i++) { /* of the future: they keep their place for long */
        ck_assert_int_eq(add(replay, i, i, NOW_US + WINDOW_US, NOW_US), 0);
    }
    for (unsigned i = 20; i < 40; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 0);
    }
    uint64_t later_us = NOW_US + WINDOW_US + SECOND_US;
    ck_assert_int_eq(add(replay, 100, 1, later_us, later_us), 1);
    ck_assert_int_eq(add(replay, 3, 1, later_us, later_us), 0);
    w4_replay_free(replay);
}
END_TEST

/* All that are known have gone for good: strangers alone get the table going again. */
START_TEST(strangers_after_a_full_house) {
    w4_replay *replay = replay_of(64);
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 0);
    }
    uint64_t later_us = NOW_US + 2 * WINDOW_US;
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_int_eq(add(replay, 1000 + i, i, later_us, later_us), 0);
        ck_assert_uint_le(w4_replay_count(replay), 64);
    }
    ck_assert_uint_eq(w4_replay_count(replay), 64);
    for (unsigned i = 0; i < 64; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 1);
        ck_assert_int_eq(add(replay, 1000 + i, i, later_us, later_us), 1);
    }
    w4_replay_free(replay);
}
END_TEST

/* A sender whose entries had to go is not forgotten while what it sent is fresh. */
START_TEST(nothing_left_but_fresh) {
    w4_replay *replay = replay_of(16);
    for (unsigned i = 0; i < 16; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 0);
    }
    for (unsigned i = 0; i < 12; i++) { /* the last takes all the room of the first */
        ck_assert_int_eq(add(replay, 15, 100 + i, NOW_US, NOW_US), 0);
    }
    for (unsigned i = 0; i < 15; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 1);
    }
    ck_assert_int_eq(add(replay, 77, 1, NOW_US, NOW_US), 1);
    w4_replay_free(replay);
}
END_TEST

/* One entry of the future, the first of all, keeps nobody else's place. */
START_TEST(one_holds_the_front) {
    w4_replay *replay = replay_of(16);
    ck_assert_int_eq(add(replay, 0, 0, NOW_US + WINDOW_US, NOW_US), 0);
    for (unsigned i = 1; i < 16; i++) {
        ck_assert_int_eq(add(replay, i, i, NOW_US, NOW_US), 0);
    }
    uint64_t later_us = NOW_US + WINDOW_US + SECOND_US;
    for (unsigned i = 0; i < 15; i++) {
        ck_assert_int_eq(add(replay, 100 + i, i, later_us, later_us), 0);
    }
    ck_assert_int_eq(add(replay, 200, 1, later_us, later_us), 1);
    for (unsigned i = 0; i < 16; i++) {
        ck_assert_int_eq(add(replay, i, i, i == 0 ? NOW_US + WINDOW_US : NOW_US, NOW_US), 1);
    }
    w4_replay_free(replay);
}
END_TEST

START_TEST(smallest_table) {
    w4_replay *replay = replay_of(0); /* counts as one */
    ck_assert_int_eq(add(replay, 1, 1, NOW_US, NOW_US), 0);
    ck_assert_int_eq(add(replay, 2, 1, NOW_US, NOW_US), 1); /* no room for another sender */
    ck_assert_int_eq(add(replay, 1, 2, NOW_US + 1, NOW_US), 0);
    ck_assert_uint_eq(w4_replay_count(replay), 1);
    ck_assert_int_eq(add(replay, 1, 1, NOW_US, NOW_US), 1);
    ck_assert_int_eq(add(replay, 1, 2, NOW_US + 1, NOW_US), 1);
    uint64_t later_us = NOW_US + 2 * WINDOW_US;
    ck_assert_int_eq(add(replay, 2, 1, later_us, later_us), 0); /* the only one made room */
    ck_assert_uint_eq(w4_replay_count(replay), 1);
    ck_assert(seen(replay, 1, 3, NOW_US + 1));
    w4_replay_free(replay);
}
END_TEST

/* Against a model that forgets nothing: whatever happens, nothing is ever accepted twice. */
START_TEST(nothing_twice_at_random) {
    enum { STEPS = 20000, IDS = 4000, SENDERS = 24 };
    static bool accepted[SENDERS][IDS];
    w4_replay *replay = replay_of(100);
    uint64_t state = 88172645463325252u + (unsigned)_i, wall_us = NOW_US;
    unsigned good = 0;
    memset(accepted, 0, sizeof accepted);
    for (unsigned i = 0; i < STEPS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned from = (unsigned)(state % SENDERS), id = (unsigned)(state >> 20) % IDS;
        uint64_t jump_us = (state >> 40) % (2 * SECOND_US);
        wall_us = (state >> 8) % 50 == 0 ? wall_us - 20 * SECOND_US : wall_us + jump_us;
        /* an id has one time stamp for good: an honest sender's, which may lie ahead or behind */
        uint64_t timestamp_us = NOW_US + (uint64_t)id * 4 * SECOND_US;
        uint64_t apart = timestamp_us > wall_us ? timestamp_us - wall_us : wall_us - timestamp_us;
        if (apart > WINDOW_US) {
            continue;
        }
        if (add(replay, from, id, timestamp_us, wall_us) == 0) {
            MUST(!accepted[from][id]);
            accepted[from][id] = true;
            good++;
        }
        MUST(seen(replay, from, id, timestamp_us));
        MUST(w4_replay_count(replay) <= 100);
    }
    ck_assert_uint_gt(good, 100);
    w4_replay_free(replay);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("envelope-replay");
    TCase *tcase = tcase_create("replay");
    tcase_add_test(tcase, twice);
    tcase_add_test(tcase, names_that_are_none);
    tcase_add_test(tcase, names_that_differ_in_one_digit);
    tcase_add_test(tcase, forgotten_by_age);
    tcase_add_test(tcase, clock_goes_back);
    tcase_add_test(tcase, one_floods);
    tcase_add_test(tcase, one_floods_from_the_future);
    tcase_add_test(tcase, many_fill_it);
    tcase_add_test(tcase, more_senders_than_room);
    tcase_add_test(tcase, nobody_idle_near_the_front);
    tcase_add_test(tcase, strangers_after_a_full_house);
    tcase_add_test(tcase, nothing_left_but_fresh);
    tcase_add_test(tcase, one_holds_the_front);
    tcase_add_test(tcase, smallest_table);
    tcase_add_loop_test(tcase, nothing_twice_at_random, 0, 8);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

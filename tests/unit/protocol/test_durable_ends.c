/* What the sender of a durable message is told: that it is held where its receiver is, when it is
 * not given at once, and then its end, one and the true one, whoever of both nodes dies when. */
#include "durable_steps.h"
#include "protocol/durable/ends.h"

static unsigned held(const world *w, const char *msg_id) {
    return world_count(w, 0, W4_PROTOCOL_EVENT_HELD, msg_id, NULL);
}

static unsigned ends(const world *w, const char *msg_id) {
    return world_count(w, 0, W4_PROTOCOL_EVENT_DELIVERY, msg_id, NULL);
}

/* Rows of ends: at the sender's node what is held, at the receiver's what it owes. */
static void expect_open(world *w, unsigned at_sender, unsigned at_receiver) {
    ck_assert_uint_eq(count_kind(w, 0, W4_STORE_DURABLE, W4_ENDS_HELD), at_sender);
    ck_assert_uint_eq(count_kind(w, w->count - 1, W4_STORE_DURABLE, W4_ENDS_OWED), at_receiver);
}

/* ada and ben have met, and ben is away. */
static world *parted(void) {
    world *w = two();
    char id[37];
    world_trust_all(w);
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert(ack(w, "ben", id));
    ck_assert_uint_eq(held(w, id), 0);
    ck_assert_uint_eq(ends(w, id), 1);
    detach(w, "ben");
    world_clear_logs(w);
    return w;
}

static void reborn(world *w, unsigned n) {
    world_reborn(w, n);
    world_settle(w);
}

START_TEST(held_and_then_given) {
    world *w = parted();
    char ids[2][37];
    for (unsigned i = 0; i < 2; i++) {
        ask(w, "ada", "ben", ids[i]); /* the second does not wait for the end of the first */
        world_settle(w);
        ck_assert_uint_eq(held(w, ids[i]), 1);
    }
    expect_rows(w, 0, 0, 0);
    expect_rows(w, 1, 0, 2);
    expect_open(w, 2, 0);
    for (unsigned n = 0; n < 2 && _i == 1; n++) {
        reborn(w, n);
    }
    world_pass(w, DAY);
    ck_assert_uint_eq(ends(w, ids[0]) + ends(w, ids[1]), 0);
    attach(w, "ben");
    for (unsigned i = 0; i < 2; i++) {
        expect_given(w, 1, ids[i], 1, 0);
        ck_assert_uint_eq(outcomes(w, 0, ids[i], W4_REFUSAL_NONE), 1);
    }
    expect_open(w, 0, 0);
    detach(w, "ben"); /* given again is no other end */
    attach(w, "ben");
    world_pass(w, 8 * DAY);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(ends(w, ids[i]), 1);
        ck_assert_uint_eq(held(w, ids[i]), 1);
    }
    world_free(w);
}
END_TEST

/* ---- given up there */

static void block(world *w) {
    world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    attach(w, "ben");
}

static void grow_old(world *w) {
    world_pass(w, 8 * DAY);
}

static const struct {
    void (*happens)(world *w);
    w4_refusal code;
} reasons[] = {{block, W4_REFUSAL_BLACKLISTED}, {grow_old, W4_REFUSAL_TIMEOUT}};
#define REASONS 2

START_TEST(given_up_there) {
    world *w = parted();
    char id[37];
    bool cut = (_i / REASONS) % 2 != 0, die = _i / REASONS / 2 != 0;
    ask(w, "ada", "ben", id);
    world_settle(w);
    if (cut) { /* and its sender is told when the nodes meet again */
        world_link(w, 0, 1, false);
    }
    reasons[_i % REASONS].happens(w);
    for (unsigned n = 0; n < 2 && die; n++) {
        reborn(w, n);
    }
    if (cut) {
        world_link(w, 0, 1, true);
    }
    world_pass(w, SECOND);
    ck_assert_uint_eq(held(w, id), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    expect_given(w, 1, id, 0, 0);
    expect_open(w, 0, 0);
    ck_assert_uint_eq(outcomes(w, 0, id, reasons[_i % REASONS].code), 1);
    world_free(w);
}
END_TEST

/* Who is away when it ends is told when it is back, after a restart too. */
START_TEST(its_sender_is_away) {
    world *w = parted();
    char id[37];
    ask(w, "ada", "ben", id);
    world_settle(w);
    detach(w, "ada");
    block(w);
    world_pass(w, SECOND);
    ck_assert_uint_eq(ends(w, id), 0);
    expect_open(w, 0, 0);
    if (_i == 1) {
        reborn(w, 0);
    }
    attach(w, "ada");
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_BLACKLISTED), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    world_free(w);
}
END_TEST

/* Nothing more is heard of it: then its time ends it, that of its sender or that of all. */
START_TEST(nobody_tells) {
    world *w = parted();
    char id[37];
    w->deadline_us = _i == 1 ? w->now + 60 * SECOND : 0;
    ask(w, "ada", "ben", id);
    w->deadline_us = 0;
    world_settle(w);
    ck_assert_uint_eq(held(w, id), 1);
    world_link(w, 0, 1, false);
    world_pass(w, 50 * SECOND);
    ck_assert_uint_eq(ends(w, id), 0);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_eq(ends(w, id), _i == 1 ? 1 : 0);
    world_pass(w, 7 * DAY + W4_FRESHNESS_WINDOW_US);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_TIMEOUT), 1);
    world_link(w, 0, 1, true);
    attach(w, "ben");
    world_pass(w, SECOND);
    ck_assert_uint_eq(ends(w, id), 1); /* whatever is told now */
    expect_open(w, 0, 0);
    world_free(w);
}
END_TEST

START_TEST(within_one_node) {
    world *w = two();
    char id[37];
    world_add_agent(w, "cho", 0, true);
    detach(w, "cho");
    ask(w, "ada", "cho", id);
    ck_assert_uint_eq(held(w, id), 1);
    ck_assert_uint_eq(ends(w, id), 0);
    if (_i % 2 == 1) {
        reborn(w, 0);
    }
    if (_i / 2 == 1) {
        world_pass(w, 8 * DAY);
    } else {
        attach(w, "cho");
    }
    ck_assert_uint_eq(outcomes(w, 0, id, _i / 2 == 1 ? W4_REFUSAL_TIMEOUT : W4_REFUSAL_NONE), 1);
    ck_assert_uint_eq(ends(w, id), 1);
    expect_open(w, 0, 0);
    world_free(w);
}
END_TEST

/* What waits for its end counts for the share of its sender. */
START_TEST(a_share_of_what_is_held) {
    world *w = parted();
    char id[37];
    w4_protocol_config config = w->nodes[0].config;
    config.durable.sender_messages = 3;
    w4_protocol_configure(w->nodes[0].protocol, &config);
    for (unsigned i = 0; i < 3; i++) {
        ask(w, "ada", "ben", id);
        world_settle(w);
    }
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BACKPRESSURE);
    attach(w, "ben");
    ask(w, "ada", "ben", id);
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, id, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* ---- every moment */

/* ben is away, comes, goes; the message is held, given or given up; one of both nodes dies. */
static bool story_with_a_death(unsigned doomed, unsigned at, bool after_commit, bool given_up) {
    char id[37], what[80];
    world *w = parted();
    snprintf(what, sizeof what, "node %u dies at turn %u, %s its commit", doomed, at,
             after_commit ? "behind" : "before");
    w->doomed = doomed;
    w->turns = 0;
    w->dies_at = at;
    w->dies_after_commit = after_commit;
    unsigned life = w->nodes[0].life;
    do {
        life = w->nodes[0].life;
        ask_plainly(w, "ada", "ben");
        memcpy(id, w->receipt.msg_id, sizeof id);
    } while (w->nodes[0].life != life); /* without an answer it was not sent, for all she knows */
    world_settle(w);
    if (given_up) {
        world_trust(w, 1, "ada", W4_TRUST_BLOCKED);
    }
    world_agent *ben = world_agent_of(w, "ben");
    if (!ben->attached) {
        attach(w, "ben");
    }
    world_pass(w, 40 * SECOND);
    bool died = w->turns >= at;
    w->dies_at = 0;
    if (!ben->attached) {
        attach(w, "ben");
    }
    world_pass(w, 40 * SECOND);
    unsigned told = ends(w, id);
    /* An end is told once; with its sender's node dies who was to hear it. */
    ck_assert_msg(told == 1 || (told == 0 && doomed == 0 && died), "%s: %u ends", what, told);
    if (told == 1) {
        w4_refusal code = given_up ? W4_REFUSAL_BLACKLISTED : W4_REFUSAL_NONE;
        unsigned marked;
        bool came = given(w, 1, id, &marked) > 0;
        ck_assert_msg(outcomes(w, 0, id, came ? W4_REFUSAL_NONE : code) == 1, "%s: came %d", what,
                      came);
    }
    expect_rows(w, 0, 0, 0);
    expect_open(w, 0, 0);
    w->unsound = true; /* as far as acknowledgements go: ben gives none */
    world_free(w);
    return died;
}

START_TEST(death_at_every_turn) {
    unsigned at = 1;
    while (story_with_a_death((unsigned)_i % 2, at, (_i / 2) % 2 != 0, _i / 4 != 0)) {
        ck_assert_uint_lt(++at, 500);
    }
    ck_assert_uint_gt(at, 4);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("durable_ends");
    TCase *tcase = tcase_create("ends");
    tcase_set_timeout(tcase, 100);
    tcase_add_loop_test(tcase, held_and_then_given, 0, 2);
    tcase_add_loop_test(tcase, given_up_there, 0, 4 * REASONS);
    tcase_add_loop_test(tcase, its_sender_is_away, 0, 2);
    tcase_add_loop_test(tcase, nobody_tells, 0, 2);
    tcase_add_loop_test(tcase, within_one_node, 0, 4);
    tcase_add_test(tcase, a_share_of_what_is_held);
    tcase_add_loop_test(tcase, death_at_every_turn, 0, 8);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* A node that was away sees how it went, in whatever order the ids of facts and decisions come. */
#include "fact_steps.h"

/* A fact under that msg_id, which the first three nodes are told. */
static void propose_as(world *w, const char *name, const char *id, const char *link) {
    char payload[512];
    w4_buffer text = W4_BUFFER_INIT(65536);
    snprintf(payload, sizeof payload,
             "{\"fact\":{\"statement\":\"%s\",\"domain\":\"t\",\"confidence\":1},\"dmp_trace\":"
             "{\"decision_id\":\"%s\",\"steps\":[\"s\"]},\"causal_links\":[%s%s%s]}",
             id, id, link ? "\"" : "", link ? link : "", link ? "\"" : "");
    world_sign_as(w, name, NULL, W4_TYPE_CIP_FACT_PROPOSE, payload, id, &text);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_int_eq(w4_protocol_receive(w->nodes[n].protocol,
                                             &w->nodes[(n + 1) % 3].fingerprint,
                                             w4_buffer_bytes(&text), w->now),
                         0);
    }
    w->now += 1000;
    world_settle(w);
    w4_buffer_deinit(&text);
}

/* What was proposed, accepted and refuted while one was away is seen by him as it went. */
START_TEST(what_was_missed_from_the_beginning) {
    world *w = four(32);
    char fact[37], kept[37], link[48];
    cut(w, 3, false);
    ck_assert_int_eq(world_send(w, "ben", "*", "DECISION_SHARE",
                                "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},"
                                "\"dmp_trace\":{\"decision_id\":\"d-9\",\"steps\":[\"s\"]}}"),
                     0);
    snprintf(link, sizeof link, "\"%s\"", w->receipt.msg_id);
    world_settle(w);
    propose(w, "ada", "a", link, kept);
    propose(w, "ada", "b", NULL, fact);
    const char *const both[] = {kept, fact};
    for (unsigned i = 0; i < 2; i++) {
        say(w, "ben", "FACT_CONFIRM", both[i]);
        say(w, "cho", "FACT_CONFIRM", both[i]);
    }
    say(w, "ben", "FACT_REJECT", fact);
    say(w, "cho", "FACT_REJECT", fact);
    world_pass(w, 1000 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_STATE_COUNT);
    cut(w, 3, true);
    world_pass(w, 5 * W4_US_PER_S);
    world_expect_fact(w, kept, W4_FACT_ACCEPTED);
    world_expect_fact(w, fact, W4_FACT_REFUTED);
    expect_same_books(w);
    /* They are told of, but not delivered as if they were new. */
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_DELIVER, fact, NULL), 0);
    world_free(w);
}
END_TEST

/* It was accepted before one of those who confirmed it thought otherwise, and stays so: also where
 * it is heard of later, in whatever order ids come. */
START_TEST(what_follows_is_seen_as_it_went) {
    static const char *const decisions[] = {"00000000-0000-4000-8000-000000000000",
                                            "ffffffff-ffff-4fff-bfff-ffffffffffff"};
    world *w = four(47);
    cut(w, 3, false);
    for (unsigned i = 0; i < 2; i++) {
        char fact[37], link[48];
        decide_as(w, "dan", i, 3, decisions[i]);
        snprintf(link, sizeof link, "\"%s\"", decisions[i]);
        propose(w, "ada", i == 0 ? "a" : "b", link, fact);
        say(w, "ben", "FACT_CONFIRM", fact);
        say(w, "cho", "FACT_CONFIRM", fact);
        say(w, "ben", "FACT_REJECT", fact);
        ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
        world_pass(w, 600 * W4_US_PER_S);
        ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_STATE_COUNT);
        cut(w, 3, true);
        world_pass(w, 20 * W4_US_PER_S);
        world_expect_fact(w, fact, W4_FACT_ACCEPTED);
        expect_same_books(w);
        cut(w, 3, false);
    }
    world_free(w);
}
END_TEST

/* The same of what follows from another fact, in whatever order their ids come, and whatever that
 * one follows from. */
START_TEST(what_follows_from_facts_is_seen_as_it_went) {
    static const char *const ids[][3] = {
        /* the fact, its cause, and the cause of that */
        {"80000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000",
         "00000000-0000-4000-8000-000000000001"},
        {"80000000-0000-4000-8000-000000000001", "ffffffff-ffff-4fff-bfff-ffffffffffff",
         "ffffffff-ffff-4fff-bfff-fffffffffffe"},
        {"80000000-0000-4000-8000-000000000002", "80000000-0000-4000-8000-000000000003",
         "80000000-0000-4000-8000-000000000004"},
    };
    world *w = four(48);
    cut(w, 3, false);
    for (unsigned i = 0; i < 3; i++) {
        propose_as(w, "dan", ids[i][2], NULL);
        propose_as(w, "dan", ids[i][1], ids[i][2]);
        propose_as(w, "ada", ids[i][0], ids[i][1]);
        say(w, "ben", "FACT_CONFIRM", ids[i][0]);
        say(w, "cho", "FACT_CONFIRM", ids[i][0]);
        say(w, "ben", "FACT_REJECT", ids[i][0]);
        ck_assert_int_eq(world_fact(w, 0, ids[i][0]), W4_FACT_ACCEPTED);
        world_pass(w, 600 * W4_US_PER_S);
        cut(w, 3, true);
        world_pass(w, 20 * W4_US_PER_S);
        world_expect_fact(w, ids[i][0], W4_FACT_ACCEPTED);
        world_expect_fact(w, ids[i][1], W4_FACT_PENDING);
        expect_same_books(w);
        cut(w, 3, false);
    }
    world_free(w);
}
END_TEST

/* It had been accepted when what it follows from was refuted. */
START_TEST(what_fell_later_is_seen_as_it_went) {
    static const char *const ids[][2] = {
        {"80000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000000"},
        {"80000000-0000-4000-8000-000000000001", "ffffffff-ffff-4fff-bfff-ffffffffffff"},
    };
    world *w = four(49);
    cut(w, 3, false);
    for (unsigned i = 0; i < 2; i++) {
        const char *fact = ids[i][0], *cause = ids[i][1];
        propose_as(w, "dan", cause, NULL);
        say(w, "ben", "FACT_CONFIRM", cause);
        say(w, "cho", "FACT_CONFIRM", cause);
        propose_as(w, "ada", fact, cause);
        say(w, "ben", "FACT_CONFIRM", fact);
        say(w, "cho", "FACT_CONFIRM", fact);
        say(w, "ben", "FACT_REJECT", cause);
        say(w, "cho", "FACT_REJECT", cause);
        ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
        world_pass(w, 600 * W4_US_PER_S);
        cut(w, 3, true);
        world_pass(w, 20 * W4_US_PER_S);
        world_expect_fact(w, cause, W4_FACT_REFUTED);
        world_expect_fact(w, fact, W4_FACT_ACCEPTED);
        for (unsigned n = 0; n < 4; n++) {
            ck_assert(w4_facts_find(w->nodes[n].protocol->facts, fact)->unsupported);
        }
        expect_same_books(w);
        cut(w, 3, false);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fact_history");
    TCase *tcase = tcase_create("fact_history");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_was_missed_from_the_beginning);
    tcase_add_test(tcase, what_follows_is_seen_as_it_went);
    tcase_add_test(tcase, what_follows_from_facts_is_seen_as_it_went);
    tcase_add_test(tcase, what_fell_later_is_seen_as_it_went);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

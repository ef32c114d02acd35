/* What is kept for a node until it has it. */
#include "delivery_steps.h"
#include "protocol/delivery/mail.h"
#include "protocol/router.h"

START_TEST(mail_waits_for_a_link) {
    world *w = three();
    char id[37], fact[37];
    ask(w, "ada", "*", id);
    world_settle(w);
    propose(w, "ada", "a", fact); /* on the wire when the link ends */
    w->linked[0][1] = w->linked[1][0] = false;
    world_settle(w);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 1); /* cho has it */
    world_link_half(w, 0, 1, false);
    world_link_half(w, 1, 0, false);
    world_pass(w, 100 * SECOND);
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 2);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, fact, "ben"), 1);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_REPLAY), 0);
    world_free(w);
}
END_TEST

START_TEST(mail_grows_stale) {
    world *w = three();
    char fact[37];
    propose(w, "ada", "a", fact);
    world_link(w, 0, 1, false);
    world_settle(w);
    world_pass(w, 299 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_STALE), 0);
    world_pass(w, 2 * SECOND);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_STALE), 1);
    world_link(w, 0, 1, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_STATE_COUNT);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 1);
    world_free(w);
}
END_TEST

/* A letter makes room for others while it is on the wire: when it does not arrive its sender is
 * told so at once. */
START_TEST(letter_that_is_gone) {
    world *w = three();
    char id[37], fact[37];
    ask(w, "ada", "*", id);
    world_settle(w);
    propose(w, "ada", "a", fact);
    w4_protocol *p = w->nodes[0].protocol;
    world_drain(w, 0); /* on the wire */
    ck_assert_int_eq(w4_mail_remove(&p->mail, TAILQ_FIRST(&p->mail.list)), 0);
    ck_assert_int_eq(w4_protocol_expire(p, w->now), 0);
    world_drain(w, 0);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_STALE), 0);
    world_link(w, 0, 1, false);
    world_settle(w);
    world_pass(w, 1000);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_STALE), 1);
    ck_assert_uint_eq(outcomes(w, 0, fact, W4_REFUSAL_NONE), 1); /* cho has it */
    world_free(w);
}
END_TEST

/* More mail than goes at once, to one that was away. */
START_TEST(mail_goes_in_windows) {
    world *w = world_new(2, 1);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    for (unsigned i = 0; i < 250; i++) {
        char id[37], what[16];
        snprintf(what, sizeof what, "d-%u", i);
        propose(w, "ada", what, id);
    }
    world_link_all(w);
    world_pass(w, 20 * SECOND);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[1].protocol, W4_FACT_PENDING), 250);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 250);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_REPLAY), 0);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mail");
    TCase *tcase = tcase_create("mail");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, mail_waits_for_a_link);
    tcase_add_test(tcase, mail_grows_stale);
    tcase_add_test(tcase, letter_that_is_gone);
    tcase_add_test(tcase, mail_goes_in_windows);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

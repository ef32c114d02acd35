/* Confirmers that are not independent of one another: whom the proposer introduced. */
#include "five.h"
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"

/* At all nodes: node `who` became known through node `by`. */
static void introduce(world *w, unsigned who, unsigned by) {
    char actor[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(&w->nodes[by].fingerprint, actor);
    for (unsigned n = 0; n < 4; n++) {
        w4_trust_move move;
        if (n != who && n != by) {
            ck_assert_int_eq(
                w4_trust_book_apply(w->nodes[n].trust, W4_TRUST_NODE, &w->nodes[who].fingerprint,
                                    W4_TRUST_EVENT_INTRODUCED, actor, "", "", 1, &move),
                1);
        }
    }
}

/* Two confirmers whom the proposer's node introduced are one; one of them and another are two; so
 * are two whom somebody else introduced. */
START_TEST(whom_the_proposer_introduced) {
    world *w = five(true);
    char fact[37], second[37], third[37], fourth[37];
    introduce(w, 1, 0);
    introduce(w, 2, 0);
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    /* dan, on a node that has introduced itself */
    propose(w, "ada", "b", "d-2", second);
    vote(w, "cho", "FACT_CONFIRM", second);
    vote(w, "dan", "FACT_CONFIRM", second);
    world_expect_fact(w, second, W4_FACT_ACCEPTED);
    /* the same two, of what somebody else proposes */
    propose(w, "dan", "c", "d-3", third);
    vote(w, "ben", "FACT_CONFIRM", third);
    vote(w, "cho", "FACT_CONFIRM", third);
    ck_assert_int_eq(world_fact(w, 3, third), W4_FACT_ACCEPTED);
    /* of one's own node it knows more than by introduction */
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_ACCEPTED);
    /* an operator who knows the node of cho says so */
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[3].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint,
                                       W4_TRUST_TRUSTED, "operator:uid 0", "", 2, &move),
                     1);
    ck_assert_int_eq(w4_protocol_node_ordered(w->nodes[3].protocol, w->now), 0);
    world_drain(w, 3);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    /* and it is so whoever comes first */
    propose(w, "ada", "d", "d-4", fourth);
    vote(w, "dan", "FACT_CONFIRM", fourth);
    vote(w, "ben", "FACT_CONFIRM", fourth);
    world_expect_fact(w, fourth, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* Who introduced all others can be rejected all the same. */
START_TEST(whom_nobody_introduced_need_not_reject) {
    world *w = five(true);
    char fact[37];
    introduce(w, 1, 0);
    introduce(w, 2, 0);
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_REJECT", fact);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    vote(w, "cho", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_REJECTED);
    world_free(w);
}
END_TEST

#define SOURCE                                                                                     \
    "{\"uri\":\"https://example.org/a\",\"trust_tier\":\"high\","                                  \
    "\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}"

static void say_of_claim(world *w, const char *name, const char *type, const char *payload) {
    ck_assert_msg(world_send_as(w, name, "*", W4_FAMILY_LIP, type, payload, SOURCE) == 0, "%s",
                  w->refused.text);
    w->now += 2000;
    world_settle(w);
}

static w4_fact_state claim_at(const world *w, unsigned n, const char *id) {
    const w4_facts *book = w4_claims_book(w4_lip_claims(w->nodes[n].protocol));
    const w4_fact *claim = w4_facts_find(book, id);
    ck_assert_ptr_nonnull(claim);
    return claim->state;
}

/* An operator's word about a node has claims judged anew, as it has facts. */
START_TEST(an_order_counts_for_claims_too) {
    world *w = five(true);
    char claim[37], payload[128];
    introduce(w, 1, 0);
    introduce(w, 2, 0);
    say_of_claim(w, "ada", "LIP_EVIDENCE",
                 "{\"claims\":[\"it rains\"],\"evidence\":[\"wet\"],\"confidence\":0.9}");
    memcpy(claim, w->receipt.msg_id, 37);
    snprintf(payload, sizeof payload, "{\"claim_ref\":\"%s\",\"decision\":\"accept\"}", claim);
    say_of_claim(w, "ben", "LIP_ACCEPT", payload);
    say_of_claim(w, "cho", "LIP_ACCEPT", payload);
    ck_assert_int_eq(claim_at(w, 3, claim), W4_FACT_PENDING);
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[3].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint,
                                       W4_TRUST_TRUSTED, "operator:uid 0", "", 2, &move),
                     1);
    ck_assert_int_eq(w4_protocol_node_ordered(w->nodes[3].protocol, w->now), 0);
    world_drain(w, 3);
    ck_assert_int_eq(claim_at(w, 3, claim), W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("independence");
    TCase *tcase = tcase_create("independence");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, whom_the_proposer_introduced);
    tcase_add_test(tcase, whom_nobody_introduced_need_not_reject);
    tcase_add_test(tcase, an_order_counts_for_claims_too);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

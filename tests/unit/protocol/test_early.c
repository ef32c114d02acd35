/* Votes that come before their fact. */
#include "five.h"
#include "protocol/facts/early_votes.h"

static wire_fate not_from_ada(world *w, const wire_item *item) {
    (void)w;
    return item->from == 0 && item->to == 2 && item->channel == W4_CHANNEL_KNOWLEDGE ? WIRE_DROP
                                                                                     : WIRE_PASS;
}

static unsigned confirmations(world *w, unsigned n, const char *fact) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_write(w->nodes[n].protocol, fact, &writer));
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_buffer_deinit(&text);
    return w4_json_count(w4_json_get(w4_json_root(&w->doc), "confirmations"));
}

/* A vote that comes before its fact waits for it; it is delivered behind it. */
START_TEST(vote_before_fact) {
    world *w = five(true);
    char fact[37];
    w->filter = not_from_ada;
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_STATE_COUNT);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, NULL, "cho"), 0);
    w->filter = NULL;
    world_link(w, 0, 2, false);
    world_link(w, 0, 2, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, NULL, "cho"), 2);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_UNKNOWN_REFERENCE), 0);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* As not_from_ada, and keeps the text of what it drops. */
static wire_fate kept_back(world *w, const wire_item *item) {
    wire_fate fate = not_from_ada(w, item);
    if (fate == WIRE_DROP) {
        ck_assert_int_eq(w4_buffer_append(w->filter_data, w4_bytes_of(item->bytes, item->len)), 0);
    }
    return fate;
}

/* The fact comes as late as it may: the clock of its author is a window ahead of the voter's, and
 * the way to this node takes all of a window more. */
START_TEST(vote_long_before_fact) {
    world *w = five(true);
    w4_buffer copy = W4_BUFFER_INIT(1 << 20);
    char fact[37];
    w->nodes[0].env.wall_offset_us += (int64_t)W4_FRESHNESS_WINDOW_US;
    w->filter = kept_back;
    w->filter_data = &copy;
    propose(w, "ada", "a", "d-1", fact);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_pass(w, 2 * W4_FRESHNESS_WINDOW_US - 1000); /* as vote has let pass */
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_STATE_COUNT);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[2].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&copy), w->now),
                     0);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(confirmations(w, 2, fact), 1);
    w4_buffer_deinit(&copy);
    world_free(w);
}
END_TEST

static unsigned puts_refused;
static const w4_store_ops *true_ops;

static int put_no_evidence(w4_store *store, w4_store_table table, w4_bytes key, w4_bytes value) {
    if (table == W4_STORE_ENVELOPE && memmem(value.data, value.len, "FACT_CONFIRM", 12) &&
        puts_refused > 0) {
        puts_refused--;
        return W4_STORE_E_FULL;
    }
    return true_ops->put(store, table, key, value);
}

/* The store takes no more in the moment when the fact comes: the vote waits on, over a restart. */
START_TEST(early_vote_waits_for_a_full_store) {
    world *w = five(true);
    char fact[37];
    w->filter = not_from_ada;
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    w4_store *store = w->nodes[2].store;
    w4_store_ops ops = *store->ops;
    true_ops = store->ops;
    ops.put = put_no_evidence;
    store->ops = &ops;
    puts_refused = _i == 0 ? 3 : 1;
    w->filter = NULL;
    world_link(w, 0, 2, false);
    world_link(w, 0, 2, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(confirmations(w, 2, fact), 0);
    if (_i == 0) {
        world_pass(w, 4 * W4_EARLY_VOTE_AGAIN_US);
    } else {
        world_kill(w, 2);
        world_restart(w, 2);
    }
    ck_assert_uint_eq(puts_refused, 0);
    ck_assert_uint_eq(confirmations(w, 2, fact), 1);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_BACKPRESSURE), 0);
    store->ops = true_ops;
    world_free(w);
}
END_TEST

/* One too many is refused with a code; it never drives out one that was kept. */
START_TEST(early_votes_of_one_stranger) {
    world *w = world_new(2, 8);
    world_link_all(w);
    world_add_agent(w, "mal", 0, true);
    world_add_agent(w, "ben", 1, true);
    char msg_id[37], payload[256];
    ck_assert_int_eq(world_send(w, "mal", "ben", "INTENT",
                                "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}"),
                     0);
    world_settle(w); /* they have met */
    for (unsigned i = 0; i < W4_EARLY_VOTES_PER_STRANGER + 5; i++) {
        snprintf(payload, sizeof payload,
                 "{\"confidence\":1,\"decision\":\"confirm\",\"fact_ref\":"
                 "\"%08x-1111-4111-8111-111111111111\"}",
                 i);
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        world_sign(w, "mal", NULL, W4_TYPE_CIP_FACT_CONFIRM, payload, msg_id, &envelope);
        ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                             w4_buffer_bytes(&envelope), w->now),
                         0);
        world_drain(w, 1);
        w4_buffer_deinit(&envelope);
    }
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_BACKPRESSURE), 5);
    world_pass(w, W4_EARLY_VOTE_KEEP_US + W4_US_PER_S);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_UNKNOWN_REFERENCE),
                      W4_EARLY_VOTES_PER_STRANGER);
    world_free(w);
}
END_TEST

START_TEST(vote_whose_fact_never_comes) {
    world *w = five(true);
    char fact[37];
    w->filter = not_from_ada;
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_pass(w, 599 * W4_US_PER_S);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_UNKNOWN_REFERENCE), 0);
    world_pass(w, 2 * W4_US_PER_S);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_UNKNOWN_REFERENCE), 1);
    world_free(w);
}
END_TEST

/* Who was trusted when he voted and is not any more when the fact comes. */
START_TEST(early_vote_of_one_who_is_blocked_since) {
    world *w = five(true);
    char fact[37];
    w->filter = not_from_ada;
    propose(w, "ada", "a", "d-1", fact);
    vote(w, "ben", "FACT_CONFIRM", fact);
    world_trust(w, 2, "ben", W4_TRUST_BLOCKED);
    w->filter = NULL;
    world_link(w, 0, 2, false);
    world_link(w, 0, 2, true);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, 2, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(confirmations(w, 2, fact), 0);
    ck_assert_uint_eq(world_rejected(w, 2, W4_REFUSAL_BLACKLISTED), 1);
    world_free(w);
}
END_TEST

/* They are let in as they were said, whatever the order of their names, also after a restart. */
START_TEST(early_votes_keep_their_order) {
    enum { SAID = 6 };
    world *w = five(true);
    char fact[37], said[SAID][37];
    w->filter = not_from_ada;
    propose(w, "ada", "a", "d-1", fact);
    for (unsigned i = 0; i < SAID; i++) {
        vote(w, "ben", i % 2 == 0 ? "FACT_CONFIRM" : "FACT_REJECT", fact);
        memcpy(said[i], w->receipt.msg_id, 37);
    }
    if (_i == 1) {
        world_reborn(w, 2);
        world_settle(w);
    }
    world_clear_logs(w);
    w->filter = NULL;
    world_link(w, 0, 2, false);
    world_link(w, 0, 2, true);
    world_settle(w);
    unsigned given = 0;
    for (unsigned i = 0; i < w->log_count[2]; i++) {
        const logged *at = &w->log[2][i];
        if (at->kind == W4_PROTOCOL_EVENT_DELIVER && strcmp(at->agent_id, "cho") == 0 &&
            strcmp(at->msg_id, fact) != 0) {
            ck_assert_uint_lt(given, SAID);
            ck_assert_msg(strcmp(at->msg_id, said[given]) == 0, "number %u", given);
            given++;
        }
    }
    ck_assert_uint_eq(given, SAID);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("early");
    TCase *tcase = tcase_create("early");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, vote_before_fact);
    tcase_add_test(tcase, vote_long_before_fact);
    tcase_add_loop_test(tcase, early_vote_waits_for_a_full_store, 0, 2);
    tcase_add_loop_test(tcase, early_votes_keep_their_order, 0, 2);
    tcase_add_test(tcase, early_votes_of_one_stranger);
    tcase_add_test(tcase, vote_whose_fact_never_comes);
    tcase_add_test(tcase, early_vote_of_one_who_is_blocked_since);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* Anomalies of trusted agents that are no disputes: a clock that runs ahead, and handshakes begun
 * again and again. */
#include "five.h"
#include "protocol/evidence/flaps.h"

#define S ((int64_t)W4_US_PER_S)
#define UPDATE "{\"presence\":\"focused\",\"lri\":5}"

/* The agent says something to all, by a clock that is off by so much; node `by` brings it to node
 * 3. Returns the code. */
static w4_refusal say(world *w, const char *name, int64_t off_us, unsigned by) {
    world_node *node = &w->nodes[world_agent_of(w, name)->node];
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    char id[37];
    world_clear_logs(w);
    node->env.wall_offset_us += off_us;
    world_sign(w, name, NULL, W4_TYPE_CIP_STATE_UPDATE, UPDATE, id, &envelope);
    node->env.wall_offset_us -= off_us;
    world_bring(w, 3, &w->nodes[by].fingerprint, w4_buffer_bytes(&envelope));
    w4_buffer_deinit(&envelope);
    const logged *refused = world_last(w, 3, W4_PROTOCOL_EVENT_REJECTED);
    return refused ? refused->code : W4_REFUSAL_NONE;
}

static w4_trust_state state(world *w, const char *name) {
    return world_state_of(w, 3, name);
}

/* What the clock of a neighbour of node 3 said when the session began. */
static void told(world *w, unsigned n, int64_t off_us) {
    world_node *node = &w->nodes[3];
    w4_protocol_peer_clock(node->protocol, &w->nodes[n].fingerprint,
                           (uint64_t)((int64_t)w4_env_wall_us(&node->env, w->now) + off_us),
                           w->now);
}

/* All know all, and all clocks agree. */
static world *quiet(void) {
    world *w = five(true);
    world_settle(w);
    for (unsigned n = 0; n < 3; n++) {
        told(w, n, 0);
    }
    return w;
}

START_TEST(a_clock_that_runs_ahead) {
    world *w = quiet();
    w4_trust_state carrier =
        w4_trust_book_state(w->nodes[3].trust, W4_TRUST_NODE, &w->nodes[0].fingerprint);
    ck_assert_int_eq(say(w, "ada", 299 * S, 0), W4_REFUSAL_NONE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    ck_assert_int_eq(say(w, "ada", 301 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_PROBING);
    ck_assert_ptr_nonnull(world_last(w, 3, W4_PROTOCOL_EVENT_TRUST));
    ck_assert_int_eq(say(w, "ada", 301 * S, 0),
                     W4_REFUSAL_STALE); /* probation is as far as it goes */
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_PROBING);
    /* Nor is it of concern to who brings it. */
    ck_assert_int_eq(
        w4_trust_book_state(w->nodes[3].trust, W4_TRUST_NODE, &w->nodes[0].fingerprint), carrier);
    world_free(w);
}
END_TEST

/* Who passes it on may have kept it: what is old proves nothing. */
START_TEST(what_was_kept_is_no_proof) {
    world *w = quiet();
    ck_assert_int_eq(say(w, "ada", -301 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(say(w, "ada", -99999 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

/* It may be the clock here: unless all agreed with it, and it has not been set, nobody is blamed.
 */
START_TEST(the_clock_here_may_be_wrong) {
    world *w = quiet();
    told(w, 2, 61 * S);
    ck_assert_int_eq(say(w, "ada", 400 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    told(w, 2, -59 * S);
    w->nodes[3].env.wall_offset_us -= 61 * S;
    ck_assert_int_eq(say(w, "ada", 400 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    w->nodes[3].env.wall_offset_us += 61 * S;
    ck_assert_int_eq(say(w, "ada", 400 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

/* Nor is it right because nobody has said anything else. */
START_TEST(nobody_to_ask) {
    world *w = five(true);
    world_settle(w);
    ck_assert_int_eq(say(w, "ada", 400 * S, 0), W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

/* Nor has an agent of this node brought anything over a session. */
START_TEST(of_this_node) {
    world *w = quiet();
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    char id[37];
    world_add_agent(w, "own", 3, false);
    world_trust(w, 3, "own", W4_TRUST_TRUSTED);
    w->nodes[3].env.wall_offset_us += 400 * S;
    world_sign(w, "own", NULL, W4_TYPE_CIP_STATE_UPDATE, UPDATE, id, &envelope);
    w->nodes[3].env.wall_offset_us -= 400 * S;
    ck_assert_int_eq(w4_protocol_submit(w->nodes[3].protocol, world_agent_of(w, "own")->owner,
                                        w4_buffer_bytes(&envelope), w->now, &w->receipt,
                                        &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_STALE);
    ck_assert_int_eq(state(w, "own"), W4_TRUST_TRUSTED);
    w4_buffer_deinit(&envelope);
    world_free(w);
}
END_TEST

/* ---- flapping */

/* Of dan's last answer to ada: its challenge, and its msg_id. */
typedef struct answer {
    char challenge[64], msg_id[37];
} answer;

static wire_fate hear_answer(world *w, const wire_item *item) {
    answer *heard = w->filter_data;
    w4_json_document doc = {0};
    ck_assert_int_eq(
        w4_json_read(&doc, w4_bytes_of(item->bytes, item->len), &W4_JSON_LIMITS_ENVELOPE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    bool is_answer = item->from == 3 && item->to == 0 &&
                     w4_json_string_equal(w4_json_get(root, "type"), "HELLO");
    if (is_answer) {
        w4_json challenge = w4_json_at_pointer(root, w4_bytes_from_text("/payload/challenge"));
        w4_json_string_copy(challenge, heard->challenge, sizeof heard->challenge);
        w4_json_string_copy(w4_json_get(root, "msg_id"), heard->msg_id, sizeof heard->msg_id);
    }
    w4_json_document_deinit(&doc);
    return is_answer ? WIRE_DROP : WIRE_PASS;
}

static void bring(world *w, w4_type type, const char *payload) {
    char id[37];
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    world_sign(w, "ada", "dan", type, payload, id, &envelope);
    world_bring(w, 3, &w->nodes[0].fingerprint, w4_buffer_bytes(&envelope));
    world_settle(w);
    w4_buffer_deinit(&envelope);
}

/* dan is greeted by ada, under a challenge of that number; ended: and has her proof. */
static void greet(world *w, unsigned number, bool ended) {
    char payload[512];
    answer heard = {.challenge = ""};
    w->filter = hear_answer;
    w->filter_data = &heard;
    snprintf(payload, sizeof payload,
             "{\"protocols\":[\"cip/1.0\"],\"capabilities\":[],\"session_nonce\":"
             "\"MDEyMzQ1Njc4OWFiY2RlZg==\",\"challenge\":"
             "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk%c%cA=\",\"features\":{\"supports_mesh\":"
             "true,\"supports_multiplex\":true}}",
             'A' + (int)(number / 26 % 26), 'A' + (int)(number % 26));
    bring(w, W4_TYPE_CIP_HELLO, payload);
    ck_assert_str_ne(heard.challenge, "");
    snprintf(payload, sizeof payload,
             "{\"challenge_response\":\"%s\",\"in_reply_to\":\"%s\",\"lri\":5,"
             "\"presence\":\"focused\"}",
             heard.challenge, heard.msg_id);
    if (ended) {
        bring(w, W4_TYPE_CIP_STATE_UPDATE, payload);
    }
    w->filter = NULL;
    w->now += 1000;
}

START_TEST(who_begins_again_and_again) {
    world *w = quiet();
    greet(w, 0, true);
    for (unsigned i = 1; i <= W4_FLAPS_MAX; i++) {
        greet(w, i, true);
        ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    }
    greet(w, W4_FLAPS_MAX + 1, true);
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

/* What has taken too long is begun anew, and rightly. */
START_TEST(what_never_ends) {
    world *w = quiet();
    for (unsigned i = 0; i < 4 * W4_FLAPS_MAX; i++) {
        greet(w, i, false);
    }
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

/* The same greeting once more is a greeting whose answer got lost. */
START_TEST(who_asks_again) {
    world *w = quiet();
    for (unsigned i = 0; i < 4 * W4_FLAPS_MAX; i++) {
        greet(w, 0, true);
    }
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

START_TEST(who_takes_his_time) {
    world *w = quiet();
    for (unsigned i = 0; i < 4 * W4_FLAPS_MAX; i++) {
        greet(w, i, true);
        w->now += W4_FLAPS_WINDOW_US / (W4_FLAPS_MAX - 1);
    }
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

/* Each session begins anew, whoever has cut it. */
START_TEST(over_one_session) {
    world *w = quiet();
    for (unsigned i = 0; i < 4 * W4_FLAPS_MAX; i++) {
        greet(w, i, true);
        world_link(w, 0, 3, false);
        world_link(w, 0, 3, true);
    }
    ck_assert_int_eq(state(w, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("anomaly");
    TCase *tcase = tcase_create("anomaly");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_clock_that_runs_ahead);
    tcase_add_test(tcase, what_was_kept_is_no_proof);
    tcase_add_test(tcase, the_clock_here_may_be_wrong);
    tcase_add_test(tcase, nobody_to_ask);
    tcase_add_test(tcase, of_this_node);
    tcase_add_test(tcase, who_begins_again_and_again);
    tcase_add_test(tcase, what_never_ends);
    tcase_add_test(tcase, who_asks_again);
    tcase_add_test(tcase, who_takes_his_time);
    tcase_add_test(tcase, over_one_session);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

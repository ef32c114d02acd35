/* An intent is accepted by being given to the agent it is for, or put off with the reason. */
#include "world.h"

#define ASK "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}"

static world *two(void) {
    world *w = world_new(2, 71);
    w->words_first = true;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ann", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    /* they have greeted each other */
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    ck_assert_int_eq(world_send(w, "ann", "ben", "INTENT", ASK), 0);
    world_pass(w, 2 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 2);
    world_clear_logs(w);
    return w;
}

static void tell_state(world *w, const char *name, const char *state) {
    const world_agent *agent = world_agent_of(w, name);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(state), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_refused refused = {0};
    ck_assert_int_eq(w4_protocol_agent_state(w->nodes[agent->node].protocol, agent->owner, name,
                                             w4_json_root(&doc), w->now, &refused),
                     0);
    w4_json_document_deinit(&doc);
    w->now += 1000;
    world_settle(w);
}

/* What its sender is told of an intent for ben. */
static w4_refusal ask(world *w, const char *name) {
    char msg_id[37];
    ck_assert_int_eq(world_send(w, name, "ben", "INTENT", ASK), 0);
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    world_pass(w, W4_US_PER_S);
    unsigned n = world_agent_of(w, name)->node;
    ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_DELIVERY, msg_id, name), 1);
    w4_refusal code = world_last(w, n, W4_PROTOCOL_EVENT_DELIVERY)->code;
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ben"),
                      code == W4_REFUSAL_NONE ? 1 : 0);
    return code;
}

START_TEST(load_puts_it_off) {
    static const struct {
        const char *state;
        bool accepted;
        const char *why;
    } rows[] = {
        {"{\"presence\":\"focused\",\"lri\":0}", true, NULL},
        {"{\"presence\":\"engaged\",\"lri\":89}", true, NULL},
        {"{\"presence\":\"engaged\",\"lri\":90}", false, "lri 90"},
        {"{\"presence\":\"overloaded\",\"lri\":5}", false, "presence overloaded"},
        {"{\"presence\":\"focused\",\"lri\":5,\"kernel_signals\":[\"degraded_memory\"]}", false,
         "kernel_signals"},
        {"{\"presence\":\"focused\",\"lri\":5,\"kernel_signals\":[\"other\"]}", true, NULL},
    };
    world *w = two();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tell_state(w, "ben", rows[i].state);
        world_clear_logs(w);
        w4_refusal code = ask(w, "ada");
        ck_assert_msg(code == (rows[i].accepted ? W4_REFUSAL_NONE : W4_REFUSAL_DEFERRED_OVERLOAD),
                      "%s: %s", rows[i].state, w4_refusal_name(code));
        if (rows[i].why) {
            ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_DEFERRED_OVERLOAD), 1);
            const char *text = world_last(w, 1, W4_PROTOCOL_EVENT_REJECTED)->text;
            ck_assert_msg(strstr(text, rows[i].why) != NULL, "%s", text);
        }
    }
    world_free(w);
}
END_TEST

START_TEST(also_on_one_node) {
    world *w = two();
    tell_state(w, "ann", "{\"presence\":\"overloaded\",\"lri\":5}");
    world_clear_logs(w);
    int r = world_send(w, "ada", "ann", "INTENT", ASK);
    w4_refusal code = r == 1 ? w->refused.code : world_last(w, 0, W4_PROTOCOL_EVENT_DELIVERY)->code;
    ck_assert_int_eq(code, W4_REFUSAL_DEFERRED_OVERLOAD);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ann"), 0);
    tell_state(w, "ann", "{\"presence\":\"focused\",\"lri\":5}");
    ck_assert_int_eq(world_send(w, "ada", "ann", "INTENT", ASK), 0);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 0, W4_PROTOCOL_EVENT_DELIVER, NULL, "ann"), 1);
    world_free(w);
}
END_TEST

/* What is durable is given when it eases, once. */
START_TEST(durable_waits_for_ease) {
    world *w = two();
    tell_state(w, "ben", "{\"presence\":\"overloaded\",\"lri\":5}");
    w->durable = true;
    char msg_id[37];
    ck_assert_int_eq(world_send(w, "ada", "ben", "INTENT", ASK), 0);
    memcpy(msg_id, w->receipt.msg_id, sizeof msg_id);
    world_pass(w, 20 * W4_US_PER_S); /* within a pace_interval */
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ben"), 0);
    w->durable = false;
    tell_state(w, "ben", "{\"presence\":\"focused\",\"lri\":5}");
    world_pass(w, W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ben"), 1);
    world_pass(w, 120 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, msg_id, "ben"), 1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("intent");
    TCase *tcase = tcase_create("intent");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, load_puts_it_off);
    tcase_add_test(tcase, also_on_one_node);
    tcase_add_test(tcase, durable_waits_for_ease);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

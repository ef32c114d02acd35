/* What waits for local agents is more than anybody meant: what only tells goes first, and of
 * messages nothing is lost without a word. */
#include "town.h"

static town t;
static w4_fingerprint second;

/* A node with two agents, and one that it does not know; count: so many wait there already. */
static void begin(uint32_t count) {
    const w4_node_config config = town_config();
    town_init(&t, 2, &config);
    w4_identity *identity = town_identity(3, 0);
    second = *w4_identity_fingerprint(identity);
    w4_agent_attach attach = {.agent_id = "second",
                              .identity = identity,
                              .capabilities = w4_bytes_from_text("[]"),
                              .owner = 2};
    w4_refused refused;
    ck_assert_int_eq(
        w4_protocol_agent_attach(w4_node_protocol(t.nodes[0].node), &attach, t.now_us, &refused),
        0);
    town_go_on(&t, TOWN_S);
    t.nodes[0].node->out_count += count;
}

/* Says something, and counts what comes out. */
typedef struct outcome {
    unsigned messages, facts, delivered, refused;
} outcome;

static outcome hear(uint32_t count) {
    outcome heard = {0};
    w4_node *node = t.nodes[0].node;
    w4_node_event event;
    while (w4_node_pop_event(node, &event)) {
        heard.messages += event.kind == W4_NODE_EVENT_MESSAGE;
        heard.facts += event.kind == W4_NODE_EVENT_FACT;
        heard.delivered += event.kind == W4_NODE_EVENT_DELIVERY && event.code == W4_REFUSAL_NONE;
        heard.refused +=
            event.kind == W4_NODE_EVENT_DELIVERY && event.code == W4_REFUSAL_BACKPRESSURE;
    }
    node->out_count -= count;
    ck_assert_uint_eq(node->out_count, 0);
    return heard;
}

static outcome ask(uint32_t count) {
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    begin(count);
    t.nodes[0].mute = true;
    w4_fingerprint_format(&second, to);
    (void)town_say(&t, 0, W4_FAMILY_CIP, "INTENT", to,
                   "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}", NULL);
    outcome heard = hear(count);
    town_deinit(&t);
    return heard;
}

static outcome propose(uint32_t count) {
    begin(count);
    t.nodes[0].mute = true;
    (void)town_say(&t, 0, W4_FAMILY_CIP, "FACT_PROPOSE", "*",
                   "{\"fact\":{\"statement\":\"s\",\"domain\":\"d\",\"confidence\":1},"
                   "\"dmp_trace\":{\"decision_id\":\"d-1\",\"steps\":[\"s\"]}}",
                   NULL);
    outcome heard = hear(count);
    town_deinit(&t);
    return heard;
}

/* Whoever is not given a message: its sender hears of that, and of no delivery. */
START_TEST(no_message_goes_without_a_word) {
    outcome heard = ask(W4_NODE_EVENTS_MESSAGES_MAX - 1);
    ck_assert_uint_eq(heard.messages, 1);
    ck_assert_uint_eq(heard.delivered, 1);
    ck_assert_uint_eq(heard.refused, 0);
    heard = ask(W4_NODE_EVENTS_MESSAGES_MAX);
    ck_assert_uint_eq(heard.messages, 0);
    ck_assert_uint_eq(heard.delivered, 0);
    ck_assert_uint_eq(heard.refused, 1);
}
END_TEST

START_TEST(what_only_tells_makes_room) {
    outcome heard = propose(W4_NODE_EVENTS_TELL_MAX - 1 - 2);
    ck_assert_uint_eq(heard.messages, 1);
    ck_assert_uint_eq(heard.delivered, 1);
    ck_assert_uint_eq(heard.facts, 1);
    heard = propose(W4_NODE_EVENTS_TELL_MAX);
    ck_assert_uint_eq(heard.messages, 1);
    ck_assert_uint_eq(heard.delivered, 1);
    ck_assert_uint_eq(heard.facts, 0);
}
END_TEST

/* So much, and nobody is asked for more; but who cannot drain goes on. */
START_TEST(enough_is_enough) {
    begin(0);
    w4_node *node = t.nodes[0].node;
    ck_assert(!w4_node_has_enough(node));
    node->out_count += W4_NODE_EVENTS_FULL;
    ck_assert(w4_node_has_enough(node));
    node->durable = false;
    ck_assert(!w4_node_has_enough(node));
    node->durable = true;
    node->out_count -= W4_NODE_EVENTS_FULL;
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("full");
    TCase *tcase = tcase_create("full");
    tcase_add_test(tcase, no_message_goes_without_a_word);
    tcase_add_test(tcase, what_only_tells_makes_room);
    tcase_add_test(tcase, enough_is_enough);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

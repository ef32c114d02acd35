/* What an agent sends on one channel keeps its order when a session has to begin afresh while some
 * of it was on its way: nothing gets past a letter that goes once more. */
#include "town.h"

static town t;

/* Knowledge to all, which is a letter; with a number that tells its place in line. */
static void tell_all(unsigned from) {
    static const char format[] =
        "{\"fact\":{\"statement\":\"number %llu\",\"domain\":\"tides\",\"confidence\":0.9},"
        "\"dmp_trace\":{\"decision_id\":\"d-%llu\",\"steps\":[\"looked\"],\"evidence\":[]},"
        "\"causal_links\":[],\"number\":%llu}";
    char text[512];
    w4_json_document doc = {0};
    w4_send_receipt receipt;
    w4_refused refused = {.text = ""};
    unsigned long long number = ++t.numbers * 4 + W4_CHANNEL_KNOWLEDGE;
    (void)snprintf(text, sizeof text, format, number, number, number);
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(text), &W4_JSON_LIMITS_LINE, NULL), 0);
    const w4_send_request request = {.owner = 1,
                                     .family = W4_FAMILY_CIP,
                                     .type = w4_bytes_from_text("FACT_PROPOSE"),
                                     .to = w4_bytes_from_text("*"),
                                     .payload = w4_json_root(&doc)};
    ck_assert_msg(w4_protocol_send(w4_node_protocol(t.nodes[from].node), &request, t.now_us,
                                   &receipt, &refused) == 0,
                  "%s", refused.text);
    ck_assert(receipt.stored);
    w4_json_document_deinit(&doc);
    town_turn(&t, from);
}

/* Two nodes whose agents know each other. Node 0 gives its sessions up early, node 1 late. */
static void begin(void) {
    w4_node_config config = town_config();
    config.session.channels[W4_CHANNEL_KNOWLEDGE].credit = 1;
    config.session.resume_window_us = TOWN_S;
    town_init(&t, 2, &config);
    t.nodes[1].node = w4_node_free(t.nodes[1].node);
    config.session.resume_window_us = 120 * TOWN_S;
    town_start(&t, 1, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, 0); /* agents shake hands */
    town_go_on(&t, 3 * TOWN_S);
    ck_assert_uint_eq(t.nodes[1].delivered, 1);
    ck_assert_uint_eq(t.nodes[0].messages, 1);
}

/* The link breaks before anybody has heard of what was begun; it comes back when node 0 has given
 * the session up. */
static void begin_afresh(void) {
    w4_memory_conditions cut = {.cut = true};
    w4_memory_network_reset(t.network, "n1", NULL);
    ck_assert_int_eq(w4_memory_network_set(t.network, "n1", NULL, &cut), 0);
    ck_assert_int_eq(w4_memory_network_set(t.network, "n0", NULL, &cut), 0);
    unsigned ended = t.nodes[0].told[W4_EVENT_SESSION_ENDED];
    town_go_on(&t, 5 * TOWN_S);
    ck_assert_uint_eq(t.nodes[0].told[W4_EVENT_SESSION_ENDED], ended + 1);
    ck_assert_uint_eq(t.nodes[1].told[W4_EVENT_SESSION_ENDED], 0);
    ck_assert_int_eq(w4_memory_network_set(t.network, "n1", NULL, NULL), 0);
    ck_assert_int_eq(w4_memory_network_set(t.network, "n0", NULL, NULL), 0);
    town_go_on(&t, 40 * TOWN_S);
}

START_TEST(letters_stay_in_line) {
    begin();
    for (unsigned i = 0; i < 5; i++) {
        tell_all(1); /* the first goes, the others wait for credit */
    }
    begin_afresh();
    ck_assert_uint_eq(t.nodes[0].messages, 6);
    ck_assert(!t.nodes[0].disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 6);
    ck_assert_uint_eq(t.nodes[1].failed, 0);
    town_deinit(&t);
}
END_TEST

/* What is no letter is not kept: behind a letter it ends with a code, before them or on another
 * channel it goes when it can. */
START_TEST(words_do_not_get_past_letters) {
    begin();
    town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, 0); /* begun: may have arrived, ends with a code */
    town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, 0); /* goes: no letter was before it */
    tell_all(1);
    town_send(&t, 1, 0, W4_CHANNEL_KNOWLEDGE, 0); /* ends with a code */
    tell_all(1);
    begin_afresh();
    ck_assert(!t.nodes[0].disorder);
    ck_assert_uint_eq(t.nodes[1].delivered, 1 + 3);
    ck_assert_uint_eq(t.nodes[1].failed, 2);
    ck_assert_uint_eq(t.nodes[0].messages, 1 + 3);
    town_deinit(&t);
}
END_TEST

START_TEST(other_channels_do_not_wait) {
    begin();
    tell_all(1);
    tell_all(1);
    begin_afresh();
    tell_all(1);
    town_send(&t, 1, 0, W4_CHANNEL_STATE, 0);
    town_go_on(&t, 5 * TOWN_S);
    ck_assert(!t.nodes[0].disorder);
    ck_assert_uint_eq(t.nodes[0].messages, 5);
    ck_assert_uint_eq(t.nodes[1].failed, 0);
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order");
    TCase *tc = tcase_create("order");
    tcase_add_test(tc, letters_stay_in_line);
    tcase_add_test(tc, words_do_not_get_past_letters);
    tcase_add_test(tc, other_channels_do_not_wait);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}

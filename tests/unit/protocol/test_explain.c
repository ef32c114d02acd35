/* What is said of an envelope before it comes, and that saying it changes nothing. That it comes
 * true is shown wherever world.h brings something to a node. */
#include "protocol/pipeline/explain.h"
#include "protocol/pipeline/pipeline.h"
#include "protocol/pipeline/words.h"
#include "world.h"

#define ASK "{\"goal\":\"ask\",\"priority\":\"normal\",\"topic\":\"rain\"}"
#define TEXT_MAX 65536u

static world *two(w4_trust_state of_mal) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "mal", 1, false);
    world_trust(w, 0, "mal", of_mal);
    world_clear_logs(w);
    return w;
}

/* All that the store of node n holds. */
static void dump(world *w, unsigned n, w4_buffer *out) {
    for (unsigned t = 0; t < W4_STORE_TABLE_COUNT; t++) {
        w4_store_cursor cursor;
        ck_assert_int_eq(w4_store_cursor_init(&cursor, (w4_store_table)t, w4_bytes_of(NULL, 0)), 0);
        while (w4_store_next(w->nodes[n].store, &cursor) == 0) {
            ck_assert_int_eq(w4_buffer_append(out, w4_buffer_bytes(&cursor.key)), 0);
            ck_assert_int_eq(w4_buffer_append(out, w4_buffer_bytes(&cursor.value)), 0);
        }
        w4_store_cursor_deinit(&cursor);
    }
}

static w4_json explain(world *w, const w4_explain_request *request, w4_json_document *doc) {
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX), canonical = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    w->refused = (w4_refused){0};
    int r = w4_protocol_explain(w->nodes[0].protocol, request, w->now, &writer, &w->refused);
    ck_assert_int_ge(r, 0);
    w4_json said = {0};
    if (r == 0) {
        ck_assert_int_eq(writer.error, 0);
        ck_assert_int_eq(
            w4_json_canonical(&canonical, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
        ck_assert_int_eq(w4_json_read(doc, w4_buffer_bytes(&canonical), &W4_JSON_LIMITS_LINE, NULL),
                         0);
        said = w4_json_root(doc);
    }
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&canonical);
    return said;
}

static w4_json gate_of(w4_json said, const char *name) {
    for (w4_json_iterator i = w4_json_first(w4_json_get(said, "gates")); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        if (w4_json_string_equal(w4_json_get(i.value, "gate"), name)) {
            return i.value;
        }
    }
    ck_abort_msg("no gate %s", name);
}

static void expect(w4_json object, const char *name, const char *text) {
    char got[2048] = "";
    (void)w4_json_string_copy(w4_json_get(object, name), got, sizeof got);
    ck_assert_msg(strcmp(got, text) == 0, "%s is \"%s\", not \"%s\"", name, got, text);
}

static void expect_part(w4_json object, const char *name, const char *part) {
    char got[2048] = "";
    (void)w4_json_string_copy(w4_json_get(object, name), got, sizeof got);
    ck_assert_msg(strstr(got, part) != NULL, "%s is \"%s\", without \"%s\"", name, got, part);
}

static void sign(world *w, const char *to, w4_type type, const char *payload, w4_buffer *out) {
    char id[37];
    world_sign(w, "mal", to, type, payload, id, out);
}

/* Every stage is there in the order of the table, the gates of the family in their place. */
START_TEST(gates_in_their_order) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_document doc = {0};
    sign(w, "ada", W4_TYPE_CIP_INTENT, ASK, &text);
    w4_json said = explain(w, &(w4_explain_request){.bytes = w4_buffer_bytes(&text)}, &doc);
    size_t count;
    const w4_stage *stages = w4_pipeline_stages(&count);
    w4_json_iterator i = w4_json_first(w4_json_get(said, "gates"));
    for (size_t s = 0; s < count; s++) {
        ck_assert(w4_json_exists(i.value));
        expect(i.value, "stage", stages[s].gate.name);
        expect(i.value, "asks", stages[s].gate.help);
        ck_assert_uint_gt(w4_json_string_raw(w4_json_get(i.value, "why")).len, 8);
        i = w4_json_next(i);
    }
    ck_assert(!w4_json_exists(i.value));
    expect(said, "outcome", "passes");
    expect(said, "as", "node");
    expect(said, "type", "INTENT");
    expect(gate_of(said, "route"), "verdict", "not_asked");
    expect_part(gate_of(said, "carrier"), "why", "node1");
    expect_part(gate_of(said, "trust"), "why", "mal (");
    expect_part(gate_of(said, "delivery"), "why", "gets it");
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

START_TEST(nothing_has_happened) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX), before = W4_BUFFER_INIT(1 << 22),
              after = W4_BUFFER_INIT(1 << 22);
    w4_json_document doc = {0};
    dump(w, 0, &before);
    uint64_t deadline = w4_protocol_deadline(w->nodes[0].protocol);
    sign(w, NULL, W4_TYPE_CIP_FACT_PROPOSE,
         "{\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]},\"fact\":{\"confidence\":1,"
         "\"domain\":\"t\",\"statement\":\"s\"}}",
         &text);
    for (unsigned n = 0; n < 3; n++) { /* it is new each time */
        w4_json said = explain(w, &(w4_explain_request){.bytes = w4_buffer_bytes(&text)}, &doc);
        expect(said, "outcome", "passes");
    }
    text.data[text.len / 2] ^= 1; /* nor is anybody blamed */
    w4_json said = explain(w, &(w4_explain_request){.bytes = w4_buffer_bytes(&text)}, &doc);
    expect(said, "outcome", "refused");
    ck_assert(!w4_protocol_has_event(w->nodes[0].protocol));
    ck_assert(!w4_store_dirty(w->nodes[0].store));
    ck_assert_uint_eq(w4_protocol_deadline(w->nodes[0].protocol), deadline);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[0].protocol, W4_FACT_PENDING), 0);
    ck_assert_int_eq(world_state_of(w, 0, "mal"), W4_TRUST_TRUSTED);
    dump(w, 0, &after);
    ck_assert(w4_bytes_equal(w4_buffer_bytes(&before), w4_buffer_bytes(&after)));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&before);
    w4_buffer_deinit(&after);
    world_free(w);
}
END_TEST

START_TEST(where_it_ends_and_why) {
    world *w = two(W4_TRUST_UNTRUSTED);
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_document doc = {0};
    sign(w, "ada", W4_TYPE_CIP_INTENT, ASK, &text);
    w4_explain_request request = {.bytes = w4_buffer_bytes(&text)};
    w->now += 400 * W4_US_PER_S; /* stale by now, and of one who is not trusted */
    w4_json said = explain(w, &request, &doc);
    expect(said, "outcome", "refused");
    expect(said, "ended", "freshness");
    expect(said, "code", "stale");
    expect(said, "pointer", "/timestamp");
    expect_part(gate_of(said, "freshness"), "why", "400 s behind the clock here");
    expect(gate_of(said, "trust"), "verdict", "not_reached");
    request.all = true;
    said = explain(w, &request, &doc);
    expect(said, "ended", "freshness");
    expect(gate_of(said, "trust"), "verdict", "refuses");
    expect(gate_of(said, "trust"), "code", "untrusted");
    expect_part(gate_of(said, "trust"), "why",
                "is untrusted here; INTENT asks for probing at least");
    expect(gate_of(said, "delivery"), "verdict", "passes");

    /* Behind what is not genuine nothing is asked, whatever is wanted. */
    request.bytes = w4_bytes_from_text("{ }");
    said = explain(w, &request, &doc);
    expect(said, "ended", "form");
    expect(said, "code", "not_canonical");
    expect(gate_of(said, "signature"), "verdict", "not_reached");
    expect(gate_of(said, "trust"), "verdict", "not_reached");
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* Node 0 and the node of mal. */
static void block(world *w, w4_trust_state state) {
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[1].fingerprint,
                                       state, "operator", "", 1, &move),
                     1);
}

START_TEST(as_whom) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_document doc = {0};
    sign(w, "ada", W4_TYPE_CIP_INTENT, ASK, &text);
    w4_explain_request request = {.bytes = w4_buffer_bytes(&text), .way = W4_EXPLAIN_AGENT};
    (void)explain(w, &request, &doc);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_NOT_FOUND); /* mal is not attached to node 0 */
    ck_assert_str_eq(w->refused.pointer, "/as");

    /* The node that is said to have brought it is judged. */
    w4_fingerprint stranger = {{9}};
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_set(w->nodes[0].trust, W4_TRUST_NODE, &stranger,
                                       W4_TRUST_BLOCKED, "operator", "", 1, &move),
                     1);
    request = (w4_explain_request){.bytes = w4_buffer_bytes(&text), .from = &stranger};
    w4_json said = explain(w, &request, &doc);
    expect(said, "ended", "carrier");
    expect(said, "code", "peer_blocked");
    request.from = &w->nodes[1].fingerprint;
    expect(explain(w, &request, &doc), "outcome", "passes");

    /* Where its sender lives at a blocked node, that one is taken to have brought it. */
    block(w, W4_TRUST_BLOCKED);
    request.from = NULL;
    said = explain(w, &request, &doc);
    expect(said, "code", "peer_blocked");
    expect_part(said, "reason", "brought it, and is blocked here");
    world_add_agent(w, "bea", 0, false);
    char id[37];
    w4_buffer_clear(&text);
    world_sign(w, "bea", "mal", W4_TYPE_CIP_INTENT, ASK, id, &text);
    request = (w4_explain_request){.bytes = w4_buffer_bytes(&text)};
    said = explain(w, &request, &doc);
    expect(said, "ended", "route");
    expect(said, "code", "peer_blocked");
    expect_part(said, "reason", "which is blocked here");
    block(w, W4_TRUST_PROBING);

    /* An agent of node 0 hands over what it has signed: in any form, and with a route to go. */
    w4_buffer_clear(&text);
    world_sign(w, "bea", "ada", W4_TYPE_CIP_INTENT, ASK, id, &text);
    ck_assert_int_eq(w4_buffer_append_byte(&text, '\n'), 0);
    request = (w4_explain_request){.bytes = w4_buffer_bytes(&text)};
    said = explain(w, &request, &doc);
    expect(said, "as", "agent");
    expect(gate_of(said, "form"), "verdict", "passes");
    expect(gate_of(said, "carrier"), "verdict", "not_asked");
    expect_part(gate_of(said, "speaker"), "why", "bea (");
    expect_part(gate_of(said, "route"), "why", "ada (");
    request.way = W4_EXPLAIN_NODE;
    said = explain(w, &request, &doc);
    expect(said, "code", "not_canonical");
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* What a human says of themselves in this very message counts already, and is not kept. */
START_TEST(humans_are_foreseen) {
    world *w = two(W4_TRUST_TRUSTED);
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX), payload = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_document doc = {0};
    char id[37];
    w4_uuid_v4(&w->nodes[1].env, id);
    w4_party ada = {.fingerprint = world_agent_of(w, "ada")->fingerprint};
    snprintf(ada.agent_id, sizeof ada.agent_id, "ada");
    w4_envelope_draft draft = {
        .type = W4_TYPE_HCP_HELLO,
        .msg_id = id,
        .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
        .sender_id = "mal",
        .receiver = &ada,
        .with_pubkey = true,
        .payload = w4_bytes_from_text("{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":"
                                      "\"M\",\"role\":\"r\"},\"safety_flags\":[]}"),
        .state = w4_bytes_from_text("{\"human\":{\"affect\":\"calm\",\"clarity\":50,\"consent\":"
                                    "\"limited\",\"presence\":\"focused\",\"pressure\":10}}")};
    ck_assert_int_eq(w4_envelope_write(&draft, world_agent_of(w, "mal")->key, &text), 0);
    w4_json said = explain(w, &(w4_explain_request){.bytes = w4_buffer_bytes(&text)}, &doc);
    expect(said, "outcome", "passes");
    expect_part(gate_of(said, "state"), "why", "consent limited, pressure 10");
    draft.type = W4_TYPE_HCP_INTENT;
    draft.payload =
        w4_bytes_from_text("{\"goal\":\"align\",\"priority\":\"low\",\"topic\":\"work\"}");
    w4_buffer_clear(&text);
    ck_assert_int_eq(w4_envelope_write(&draft, world_agent_of(w, "mal")->key, &text), 0);
    said = explain(w, &(w4_explain_request){.bytes = w4_buffer_bytes(&text)}, &doc);
    expect(said, "ended", "consent"); /* ada's human has not said anything */
    expect(said, "code", "consent_required");
    expect_part(gate_of(said, "consent"), "why", "has not greeted");
    expect(gate_of(said, "scope"), "stage", "conditions");
    expect(gate_of(said, "scope"), "verdict", "not_reached");
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    w4_buffer_deinit(&payload);
    world_free(w);
}
END_TEST

/* Each gate has its words, and none that refuses is without codes; looks of `alone` need no node.
 */
START_TEST(gates_say_what_they_ask) {
    size_t count;
    const w4_stage *stages = w4_pipeline_stages(&count);
    for (size_t i = 0; i < count; i++) {
        const w4_stage *stage = &stages[i];
        ck_assert_uint_gt(strlen(stage->gate.help), 0);
        ck_assert_msg(stage->of_family || stage->delivers || stage->gate.tell, "%s is silent",
                      stage->gate.name);
        ck_assert_msg(!stage->gate.look || stage->gate.codes[0], "%s", stage->gate.name);
        ck_assert_msg(!stage->gate.blame || stage->gate.look, "%s", stage->gate.name);
    }
    for (size_t f = 0; w4_family_rules_all[f]; f++) {
        const w4_family_rules *family = w4_family_rules_all[f];
        for (size_t g = 0; g < family->gate_count; g++) {
            ck_assert(family->gates[g].look && family->gates[g].codes[0]);
            ck_assert(family->gates[g].tell != NULL);
        }
        for (size_t r = 0; r < family->rule_count; r++) {
            ck_assert_ptr_nonnull(family->rules[r].effect);
            ck_assert(!family->rules[r].blame || family->rules[r].look);
        }
    }
}
END_TEST

START_TEST(words_for_people) {
    static const struct {
        uint64_t us;
        const char *text;
    } spans[] = {{0, "0 ms"},
                 {1999 * W4_US_PER_MS, "1999 ms"},
                 {2 * W4_US_PER_S, "2 s"},
                 {119 * W4_US_PER_S, "119 s"},
                 {125 * W4_US_PER_S, "2 min"},
                 {7200 * W4_US_PER_S, "2 h"},
                 {7 * 86400 * W4_US_PER_S, "7 days"}};
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        w4_words words = {.len = 0};
        w4_words_span(&words, spans[i].us);
        ck_assert_str_eq(words.text, spans[i].text);
    }
    w4_words words = {.len = 0};
    w4_fingerprint f = {{0xab}};
    w4_words_who(&words, "a\nb", &f); /* acts on no terminal */
    ck_assert_str_eq(words.text, "a\\nb (ab0000000000)");
    for (unsigned i = 0; i < 200; i++) {
        w4_words_say(&words, "%s", "more and more");
    }
    ck_assert_uint_eq(words.len, W4_WORDS_MAX - 1);
    ck_assert_uint_eq(strlen(words.text), W4_WORDS_MAX - 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("explain");
    TCase *tcase = tcase_create("explain");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, gates_in_their_order);
    tcase_add_test(tcase, nothing_has_happened);
    tcase_add_test(tcase, where_it_ends_and_why);
    tcase_add_test(tcase, as_whom);
    tcase_add_test(tcase, humans_are_foreseen);
    tcase_add_test(tcase, gates_say_what_they_ask);
    tcase_add_test(tcase, words_for_people);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* What was said to one agent only is for that agent and for who said it, here too, and after a
 * restart. */
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"
#include "trust/key_document.h"
#include "world.h"

#define SOURCE                                                                                     \
    "{\"uri\":\"https://example.org/a\",\"trust_tier\":\"high\","                                  \
    "\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}"
#define EVIDENCE "{\"claims\":[\"it rains\"],\"evidence\":[\"wet\"],\"confidence\":0.9}"
#define TEXT_MAX (1u << 20)

/* ada alone; ben and eve with one another. */
static world *make(void) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "eve", 1, true);
    world_trust_all(w);
    return w;
}

/* That agent at that node; NULL: its operator. */
static const w4_who *who(world *w, unsigned n, const char *name) {
    static w4_who agent;
    if (!name) {
        return NULL;
    }
    agent = (w4_who){w->nodes[n].trust, world_agent_of(w, name)->fingerprint};
    return &agent;
}

static void settle(world *w) {
    w->now += 2000;
    world_settle(w);
}

static void say_aside(world *w, bool claim, char ret_id[static 37]) {
    int r = claim ? world_send_as(w, "ada", "ben", W4_FAMILY_LIP, "LIP_EVIDENCE", EVIDENCE, SOURCE)
                  : world_send(w, "ada", "ben", "FACT_PROPOSE",
                               "{\"dmp_trace\":{\"decision_id\":\"d-1\",\"steps\":[\"s\"]},"
                               "\"fact\":{\"confidence\":1,\"domain\":\"t\",\"statement\":\"s\"}}");
    ck_assert_msg(r == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
    settle(w);
}

/* Is it there for that agent, in every way of asking? */
static bool sees(world *w, unsigned n, bool claim, const char *id, const char *name) {
    const w4_protocol *p = w->nodes[n].protocol;
    const w4_who *listener = who(w, n, name);
    char found[37];
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    bool is_for =
        claim ? w4_lip_claim_is_for(p, id, listener) : w4_protocol_fact_is_for(p, id, listener);
    uint32_t count = claim ? w4_lip_claim_find_for(p, w4_bytes_of(id, 8), listener, found)
                           : w4_protocol_fact_find_for(p, w4_bytes_of(id, 8), listener, found);
    bool written = claim ? w4_lip_claim_write_for(p, id, listener, &writer)
                         : w4_protocol_fact_write_for(p, id, listener, &writer);
    w4_buffer_deinit(&text);
    ck_assert_int_eq(is_for, written);
    ck_assert_uint_eq(count, is_for ? 1 : 0);
    return is_for;
}

static void expect(world *w, bool claim, const char *id) {
    ck_assert(sees(w, 1, claim, id, "ben"));
    ck_assert(sees(w, 1, claim, id, "ada"));
    ck_assert(!sees(w, 1, claim, id, "eve"));
    ck_assert(sees(w, 1, claim, id, NULL));
    ck_assert(sees(w, 0, claim, id, "ada"));
    ck_assert(!sees(w, 0, claim, id, "eve"));
}

/* As a row was written before it said to whom. */
static void forget_receiver(world *w, bool claim, const char *id) {
    w4_store_table table = claim ? W4_STORE_CLAIM : W4_STORE_FACT;
    w4_store *store = w->nodes[1].store;
    w4_buffer row = W4_BUFFER_INIT(TEXT_MAX);
    ck_assert_int_eq(w4_store_get(store, table, w4_bytes_from_text(id), &row), 0);
    ck_assert_int_eq(w4_buffer_append(&row, w4_bytes_of("", 1)), 0);
    char *text = (char *)row.data, *to = strstr(text, "\"to\":\"");
    ck_assert_ptr_nonnull(to);
    char *behind = strchr(to + 6, '"') + 2;
    memmove(to, behind, strlen(behind) + 1);
    char *aside = claim ? strstr(text, "\"aside\":true,") : NULL;
    if (aside) {
        memmove(aside, aside + 13, strlen(aside + 13) + 1);
    }
    ck_assert_int_eq(w4_store_put(store, table, w4_bytes_from_text(id), w4_bytes_from_text(text)),
                     0);
    w4_buffer_deinit(&row);
}

START_TEST(they_are_for_two) {
    bool claim = _i == 1;
    world *w = make();
    char id[37];
    say_aside(w, claim, id);
    expect(w, claim, id);
    world_kill(w, 1);
    world_restart(w, 1);
    expect(w, claim, id);
    forget_receiver(w, claim, id);
    ck_assert_int_eq(w4_store_commit(w->nodes[1].store), 0);
    world_kill(w, 1);
    world_restart(w, 1);
    expect(w, claim, id);
    world_free(w);
}
END_TEST

/* Whoever has another key by now is the one to whom it was said, and who said it. */
START_TEST(they_follow_keys) {
    bool claim = _i == 1;
    world *w = make();
    char id[37];
    say_aside(w, claim, id);
    static const char *const names[] = {"ada", "ben"};
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_identity *fresh[2];
    for (unsigned i = 0; i < 2; i++) {
        world_agent *agent = world_agent_of(w, names[i]);
        fresh[i] = world_key(8000 + i);
        w4_buffer_clear(&text);
        ck_assert_int_eq(
            w4_key_succession_write(agent->key, fresh[i], W4_KEY_OF_AGENT, WORLD_START_US, &text),
            0);
        for (unsigned n = 0; n < 2; n++) {
            bool news;
            w4_fingerprint key;
            ck_assert_int_eq(w4_protocol_key_take(w->nodes[n].protocol, w4_buffer_bytes(&text),
                                                  w->now, &news, &key, &w->refused),
                             0);
        }
        agent->fingerprint = *w4_identity_fingerprint(fresh[i]);
    }
    settle(w);
    expect(w, claim, id);
    world_kill(w, 1);
    world_restart(w, 1);
    expect(w, claim, id);
    w4_buffer_deinit(&text);
    w4_identity_free(fresh[0]);
    w4_identity_free(fresh[1]);
    world_free(w);
}
END_TEST

static uint32_t voices(world *w, const char *id, const char *listener, const char *kind,
                       char ret_missing[static 256]) {
    w4_buffer text = W4_BUFFER_INIT(TEXT_MAX);
    w4_json_document doc = {0};
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(w4_protocol_fact_write_for(w->nodes[0].protocol, id, who(w, 0, listener), &writer));
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    uint32_t count = w4_json_count(w4_json_get(w4_json_root(&doc), kind));
    ck_assert(w4_json_string_copy(w4_json_get(w4_json_root(&doc), "missing"), ret_missing, 256));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return count;
}

/* The fact is for all, what two say of it to one another is not. */
START_TEST(voices_are_for_two) {
    world *w = make();
    world_add_agent(w, "dan", 0, true);
    world_trust_all(w);
    char id[37], payload[256], missing[256];
    ck_assert_int_eq(world_propose(w, "ada", "s", "d-1", NULL), 0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    settle(w);
    snprintf(payload, sizeof payload, "{\"fact_ref\":\"%s\",\"reason\":\"conflict\"}", id);
    ck_assert_int_eq(world_send(w, "ben", "ada", "FACT_CHALLENGE", payload), 0);
    settle(w);
    ck_assert_int_eq(world_fact(w, 0, id), W4_FACT_DISPUTED);
    static const struct {
        const char *listener;
        uint32_t challenges;
    } expected[] = {{"ada", 1}, {"ben", 1}, {"dan", 0}, {"eve", 0}, {NULL, 1}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        uint32_t found = voices(w, id, expected[i].listener, "challenges", missing);
        ck_assert_uint_eq(found, expected[i].challenges);
        ck_assert_int_eq(strstr(missing, "ben") != NULL, found == 1);
        ck_assert_ptr_nonnull(strstr(missing, "the end of a challenge"));
    }
    ck_assert(w4_protocol_fact_any_aside(w->nodes[0].protocol, id));
    ck_assert_int_eq(world_vote(w, "dan", "FACT_CONFIRM", id), 0);
    ck_assert_uint_eq(voices(w, id, "eve", "confirmations", missing), 1);
    world_free(w);
}
END_TEST

START_TEST(what_is_for_all_is) {
    world *w = make();
    char id[37];
    ck_assert_int_eq(world_propose(w, "ada", "s", "d-1", NULL), 0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    settle(w);
    ck_assert(sees(w, 1, false, id, "eve"));
    ck_assert(!w4_protocol_fact_any_aside(w->nodes[1].protocol, id));
    ck_assert_int_eq(world_send_as(w, "ada", "*", W4_FAMILY_LIP, "LIP_EVIDENCE", EVIDENCE, SOURCE),
                     0);
    memcpy(id, w->receipt.msg_id, sizeof id);
    settle(w);
    ck_assert(sees(w, 1, true, id, "eve"));
    ck_assert(!w4_lip_claim_any_aside(w->nodes[1].protocol, id));
    world_kill(w, 1);
    world_restart(w, 1);
    ck_assert(sees(w, 1, true, id, "eve"));
    ck_assert(!w4_lip_claim_any_aside(w->nodes[1].protocol, id));
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("privacy");
    TCase *tcase = tcase_create("said to one");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, they_are_for_two, 0, 2);
    tcase_add_loop_test(tcase, they_follow_keys, 0, 2);
    tcase_add_test(tcase, voices_are_for_two);
    tcase_add_test(tcase, what_is_for_all_is);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

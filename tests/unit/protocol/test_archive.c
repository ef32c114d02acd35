/* What a memory had kept, brought into another one: it is judged there like anything else, and
 * nobody gains trust by it. */
#include "protocol/evidence/evidence.h"
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"
#include "protocol/memory/archive.h"
#include "protocol/memory/memory.h"
#include "world.h"

#define OUTSIDE 4u /* the node that was not there */
#define ENVELOPES_MAX 64u

static w4_buffer archive;
static w4_json_document doc;

static void setup(void) {
    archive = W4_BUFFER_INIT(16u * 1024 * 1024);
    doc = (w4_json_document){0};
}

static void teardown(void) {
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&archive);
}

static void link_all(world *w, unsigned count) {
    for (unsigned a = 0; a < count; a++) {
        for (unsigned b = a + 1; b < count; b++) {
            if (!w->linked[a][b]) {
                world_link(w, a, b, true);
            }
        }
    }
    for (unsigned n = 0; n < count; n++) {
        world_publish(w, n);
    }
    world_settle(w);
}

/* Four nodes with an agent each, and one that knows of nothing. */
static world *five(void) {
    world *w = world_new(5, 1);
    w->blind = true; /* nothing is foretold for what comes out of an archive */
    link_all(w, 4);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_add_agent(w, "dan", 3, true);
    for (unsigned n = 0; n < 4; n++) {
        world_publish(w, n);
        for (unsigned i = 0; i < w->agent_count; i++) {
            world_trust(w, n, w->agents[i].name, W4_TRUST_TRUSTED);
        }
    }
    world_settle(w);
    return w;
}

static void join(world *w) {
    link_all(w, 5);
}

static void vote(world *w, const char *name, const char *type, const char *id) {
    w->now += 2000;
    ck_assert_msg(world_vote(w, name, type, id) == 0, "%s", w->refused.text);
    world_settle(w);
}

static void accept_fact(world *w, const char *statement, char ret_id[static 37]) {
    w->now += 2000;
    ck_assert_msg(world_propose(w, "ada", statement, statement, NULL) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
    world_settle(w);
    vote(w, "ben", "FACT_CONFIRM", ret_id);
    vote(w, "cho", "FACT_CONFIRM", ret_id);
    ck_assert_int_eq(world_fact(w, 0, ret_id), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, OUTSIDE, ret_id), W4_FACT_STATE_COUNT);
}

/* All of it, in answers of that size; how many there were. */
static unsigned give(const world *w, unsigned n, size_t bytes_max) {
    w4_archive_place place = 0;
    unsigned answers = 0;
    bool ended = false;
    w4_json_writer w2;
    w4_buffer_clear(&archive);
    w4_json_writer_init(&w2, &archive);
    w4_json_begin_array(&w2);
    while (!ended) {
        ck_assert_uint_lt(answers++, 1000);
        ck_assert_int_eq(
            w4_archive_give(w->nodes[n].store, &place, &w2, archive.len + bytes_max, &ended), 0);
    }
    w4_json_end_array(&w2);
    ck_assert_int_eq(w2.error, 0);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&archive), &W4_JSON_LIMITS_FILE, NULL), 0);
    return answers;
}

static unsigned given(void) {
    return w4_json_count(w4_json_root(&doc));
}

static w4_archive_result take(world *w, w4_bytes envelope) {
    w4_archive_result result;
    memset(&result, 77, sizeof result);
    ck_assert_int_eq(w4_archive_take(w->nodes[OUTSIDE].protocol, envelope, w->now, &result), 0);
    ck_assert_int_eq(w4_archive_settle(w->nodes[OUTSIDE].protocol, w->now), 0);
    world_settle(w);
    return result;
}

/* Everything that was given; how many had that outcome. */
static unsigned take_all(world *w, w4_archive_outcome outcome) {
    unsigned count = 0;
    w4_json_iterator i = w4_json_first(w4_json_root(&doc));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        count += take(w, w4_json_text(i.value)).outcome == outcome ? 1 : 0;
    }
    return count;
}

static void trust_outside(world *w, w4_trust_state proposer) {
    world_trust(w, OUTSIDE, "ada", proposer);
    world_trust(w, OUTSIDE, "ben", W4_TRUST_TRUSTED);
    world_trust(w, OUTSIDE, "cho", W4_TRUST_TRUSTED);
    world_settle(w);
}

START_TEST(from_one_memory_into_another) {
    world *w = five();
    char first[37], second[37];
    accept_fact(w, "water boils", first);
    accept_fact(w, "ice melts", second);
    ck_assert_uint_eq(give(w, 0, SIZE_MAX / 2), 1);
    ck_assert_uint_eq(given(), 6);
    join(w);
    trust_outside(w, W4_TRUST_PROBING);
    w->now += 3600 * W4_US_PER_S; /* long after */
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_TAKEN), 6);
    ck_assert_int_eq(world_fact(w, OUTSIDE, first), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_fact(w, OUTSIDE, second), W4_FACT_ACCEPTED);
    bool holds = false;
    ck_assert_int_eq(w4_memory_holds(w->nodes[OUTSIDE].store, W4_MEMORY_FACT, second,
                                     &world_agent_of(w, "ada")->fingerprint, &holds),
                     0);
    ck_assert(holds);
    /* Who proposed a fact that is accepted is trusted for it, but not for one of old. */
    ck_assert_int_eq(world_state_of(w, OUTSIDE, "ada"), W4_TRUST_PROBING);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_KNOWN), 6);
    ck_assert_int_eq(world_state_of(w, OUTSIDE, "ada"), W4_TRUST_PROBING);
    char fresh[37];
    w->now += 2000;
    ck_assert_int_eq(world_propose(w, "ada", "a fresh one", "fresh", NULL), 0);
    memcpy(fresh, w->receipt.msg_id, sizeof fresh);
    world_settle(w);
    vote(w, "ben", "FACT_CONFIRM", fresh);
    vote(w, "cho", "FACT_CONFIRM", fresh);
    ck_assert_int_eq(world_fact(w, OUTSIDE, fresh), W4_FACT_ACCEPTED);
    ck_assert_int_eq(world_state_of(w, OUTSIDE, "ada"), W4_TRUST_TRUSTED);
    world_free(w);
}
END_TEST

/* Signatures prove who said it, not that he is to be believed. */
START_TEST(strangers_stay_strangers) {
    world *w = five();
    char id[37];
    accept_fact(w, "water boils", id);
    (void)give(w, 0, SIZE_MAX / 2);
    join(w);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_REFUSED), 3);
    ck_assert_int_eq(world_fact(w, OUTSIDE, id), W4_FACT_STATE_COUNT);
    world_trust(w, OUTSIDE, "ada", W4_TRUST_TRUSTED);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_TAKEN), 1); /* whose confirmations nobody believes */
    ck_assert_int_eq(world_fact(w, OUTSIDE, id), W4_FACT_PENDING);
    ck_assert_int_eq(world_state_of(w, OUTSIDE, "ben"), W4_TRUST_UNTRUSTED);
    world_trust(w, OUTSIDE, "ben", W4_TRUST_BLOCKED);
    w4_json_iterator i = w4_json_first(w4_json_root(&doc));
    ck_assert_int_eq(take(w, w4_json_text(w4_json_next(i).value)).code, W4_REFUSAL_BLACKLISTED);
    world_free(w);
}
END_TEST

/* Until it is known where they live, who confirmed does not count: anybody can have written it. */
START_TEST(nobody_has_been_here) {
    world *w = five();
    char id[37];
    accept_fact(w, "water boils", id);
    (void)give(w, 0, SIZE_MAX / 2);
    trust_outside(w, W4_TRUST_TRUSTED);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_TAKEN), 3);
    ck_assert_int_eq(world_fact(w, OUTSIDE, id), W4_FACT_PENDING);
    join(w);
    world_settle(w);
    ck_assert_int_eq(world_fact(w, OUTSIDE, id), W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

static void expect_refused(world *w, w4_bytes envelope, w4_refusal code) {
    w4_archive_result result = take(w, envelope);
    ck_assert_msg(result.outcome == W4_ARCHIVE_REFUSED && result.code == code, "%s: %s, not %s",
                  result.text, w4_refusal_name(result.code), w4_refusal_name(code));
    ck_assert(result.text[0] != '\0');
}

START_TEST(what_is_no_part_of_a_memory) {
    static const struct {
        w4_type type;
        const char *to, *payload;
        w4_refusal code;
    } rows[] = {
        {W4_TYPE_CIP_STATE_UPDATE, NULL,
         "{\"presence\":\"focused\",\"lri\":1,\"ltppeerstate\":\"unknown\",\"kernel_signals\":[],"
         "\"intent\":\"x\"}",
         W4_REFUSAL_UNAUTHORIZED},
        {W4_TYPE_CIP_INTENT, NULL, "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}",
         W4_REFUSAL_UNAUTHORIZED},
        {W4_TYPE_CIP_FACT_REJECT, NULL,
         "{\"fact_ref\":\"00000000-0000-4000-8000-000000000001\",\"decision\":\"reject\","
         "\"confidence\":1}",
         W4_REFUSAL_UNAUTHORIZED},
        {W4_TYPE_CIP_FACT_CONFIRM, NULL,
         "{\"fact_ref\":\"00000000-0000-4000-8000-000000000001\",\"decision\":\"confirm\","
         "\"confidence\":1}",
         W4_REFUSAL_UNKNOWN_REFERENCE},
        {W4_TYPE_CIP_DECISION_SHARE, "ben",
         "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":\"d\","
         "\"steps\":[\"s\"]}}",
         W4_REFUSAL_UNAUTHORIZED},
    };
    world *w = five();
    trust_outside(w, W4_TRUST_TRUSTED);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        char id[37];
        world_sign(w, "ada", rows[i].to, rows[i].type, rows[i].payload, id, &envelope);
        expect_refused(w, w4_buffer_bytes(&envelope), rows[i].code);
        w4_buffer_deinit(&envelope);
    }
    expect_refused(w, w4_bytes_from_text(""), W4_REFUSAL_BAD_JSON);
    expect_refused(w, w4_bytes_from_text("{}"), W4_REFUSAL_BAD_ENVELOPE);
    expect_refused(w, w4_bytes_from_text("{ }"), W4_REFUSAL_NOT_CANONICAL);
    world_free(w);
}
END_TEST

START_TEST(forged_and_of_the_future) {
    world *w = five();
    char id[37];
    accept_fact(w, "water boils", id);
    (void)give(w, 0, SIZE_MAX / 2);
    trust_outside(w, W4_TRUST_TRUSTED);
    w4_bytes good = w4_json_text(w4_json_first(w4_json_root(&doc)).value);
    char *forged = calloc(1, good.len + 1); /* strndup looks for an end beyond the text */
    ck_assert_ptr_nonnull(forged);
    memcpy(forged, good.data, good.len);
    char *statement = strstr(forged, "water boils");
    ck_assert_ptr_nonnull(statement);
    memcpy(statement, "water burns", 11);
    expect_refused(w, w4_bytes_from_text(forged), W4_REFUSAL_BAD_SIGNATURE);
    ck_assert_int_eq(world_state_of(w, OUTSIDE, "ada"), W4_TRUST_TRUSTED); /* he did not say it */
    free(forged);
    w->nodes[OUTSIDE].env.wall_offset_us -= INT64_C(1000) * 1000000;
    expect_refused(w, good, W4_REFUSAL_STALE);
    w->nodes[OUTSIDE].env.wall_offset_us += INT64_C(1000) * 1000000;
    ck_assert_int_eq(take(w, good).outcome, W4_ARCHIVE_TAKEN);
    world_free(w);
}
END_TEST

/* What does not stand, and what was not said to all, stays where it is. */
START_TEST(what_is_not_given) {
    world *w = five();
    char stands[37], refuted[37];
    accept_fact(w, "water boils", stands);
    accept_fact(w, "water is dry", refuted);
    vote(w, "ben", "FACT_REJECT", refuted);
    vote(w, "cho", "FACT_REJECT", refuted);
    ck_assert_int_eq(world_fact(w, 0, refuted), W4_FACT_REFUTED);
    static const char decision[] =
        "{\"decision\":{\"choice\":\"c\",\"outcome\":\"o\"},\"dmp_trace\":{\"decision_id\":\"d\","
        "\"steps\":[\"s\"]}}";
    ck_assert_int_eq(world_send(w, "ada", "ben", "DECISION_SHARE", decision), 0);
    world_settle(w);
    (void)give(w, 0, SIZE_MAX / 2);
    ck_assert_uint_eq(given(), 3);
    ck_assert_ptr_null(strstr(w4_buffer_text(&archive), "dry"));
    ck_assert_int_eq(world_send(w, "ada", "*", "DECISION_SHARE", decision), 0);
    world_settle(w);
    (void)give(w, 0, SIZE_MAX / 2);
    ck_assert_uint_eq(given(), 4);
    world_free(w);
}
END_TEST

START_TEST(part_by_part) {
    world *w = five();
    char id[37];
    for (unsigned i = 0; i < 5; i++) {
        char statement[32];
        (void)snprintf(statement, sizeof statement, "statement %u", i);
        accept_fact(w, statement, id);
    }
    ck_assert_uint_eq(give(w, 0, SIZE_MAX / 2), 1);
    ck_assert_uint_eq(given(), 15);
    char *whole = strdup(w4_buffer_text(&archive));
    ck_assert_ptr_nonnull(whole);
    for (size_t bytes = 1; bytes < 8000; bytes += 577) {
        ck_assert_uint_gt(give(w, 0, bytes), 1);
        ck_assert_str_eq(w4_buffer_text(&archive), whole);
    }
    /* An envelope that is gone leaves the others. */
    ck_assert_int_eq(
        w4_evidence_remove(w->nodes[0].store, id, &world_agent_of(w, "ada")->fingerprint), 0);
    (void)give(w, 0, 1);
    ck_assert_uint_eq(given(), 14);
    free(whole);
    w->unsound = true;
    world_free(w);
}
END_TEST

/* ---- claims */

#define URI "https://example.org/a"
#define SOURCE                                                                                     \
    "{\"uri\":\"" URI "\",\"trust_tier\":\"high\",\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}"

static void say(world *w, const char *from, const char *type, const char *payload) {
    w->now += 2000;
    ck_assert_msg(world_send_as(w, from, "*", W4_FAMILY_LIP, type, payload, SOURCE) == 0, "%s",
                  w->refused.text);
    world_settle(w);
}

static w4_tier tier_of(const world *w, unsigned n) {
    char key[W4_SOURCE_KEY_MAX + 1];
    ck_assert(w4_source_key(w4_bytes_from_text(URI), key));
    return w4_sources_tier(w4_claims_sources(w4_lip_claims(w->nodes[n].protocol)), key);
}

START_TEST(claims_raise_no_source) {
    world *w = five();
    char id[37], payload[256];
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(payload, sizeof payload,
                       "{\"claims\":[\"claim %u\"],\"evidence\":[\"e\"],\"confidence\":0.9}", i);
        say(w, "ada", "LIP_EVIDENCE", payload);
        memcpy(id, w->receipt.msg_id, sizeof id);
        (void)snprintf(payload, sizeof payload, "{\"claim_ref\":\"%s\",\"decision\":\"accept\"}",
                       id);
        say(w, "ben", "LIP_ACCEPT", payload);
        say(w, "cho", "LIP_ACCEPT", payload);
    }
    ck_assert_int_ne(tier_of(w, 0),
                     W4_TIER_UNKNOWN); /* what was corroborated has raised it there */
    (void)give(w, 0, SIZE_MAX / 2);
    ck_assert_uint_ge(given(), 9);
    join(w);
    trust_outside(w, W4_TRUST_TRUSTED);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_TAKEN), given());
    const w4_fact *claim =
        w4_facts_find(w4_claims_book(w4_lip_claims(w->nodes[OUTSIDE].protocol)), id);
    ck_assert_ptr_nonnull(claim);
    ck_assert_int_eq(claim->state, W4_FACT_ACCEPTED);
    ck_assert_int_eq(tier_of(w, OUTSIDE), W4_TIER_UNKNOWN);
    ck_assert_uint_eq(take_all(w, W4_ARCHIVE_KNOWN), given());
    unsigned there = given();
    (void)give(w, OUTSIDE, SIZE_MAX / 2); /* and goes on from there whole */
    ck_assert_uint_eq(given(), there);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("protocol archive");
    TCase *tests = tcase_create("archive");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, from_one_memory_into_another);
    tcase_add_test(tests, strangers_stay_strangers);
    tcase_add_test(tests, nobody_has_been_here);
    tcase_add_test(tests, what_is_no_part_of_a_memory);
    tcase_add_test(tests, forged_and_of_the_future);
    tcase_add_test(tests, what_is_not_given);
    tcase_add_test(tests, part_by_part);
    tcase_add_test(tests, claims_raise_no_source);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}

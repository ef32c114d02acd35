/* What is said of claims and their sources, and what follows from it: each word of LIP with what it
 * may do and what it may not. */
#include "claim_steps.h"

#include "protocol/memory/memory.h"

#define SECOND W4_US_PER_S

static void bring(world *w, const char *from, unsigned number, const char *source,
                  char ret_id[static 37]) {
    char payload[128];
    snprintf(payload, sizeof payload,
             "{\"claims\":[\"it rains %u\"],\"evidence\":[\"wet\"],\"confidence\":0.9}", number);
    ck_assert_msg(say(w, from, "LIP_EVIDENCE", payload, source) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static int vote_about(world *w, const char *from, const char *type, const char *id,
                      const char *source) {
    char payload[512];
    snprintf(
        payload, sizeof payload,
        "{\"claim_ref\":\"%s\",\"corroborators\":[\"ben\",\"cho\",\"dan\"],\"decision\":\"%s\","
        "\"reason\":\"seen\"}",
        id, strcmp(type, "LIP_ACCEPT") == 0 ? "accept" : "reject");
    return say(w, from, type, payload, source);
}

static void vote(world *w, const char *from, const char *type, const char *id) {
    ck_assert_msg(vote_about(w, from, type, id, SOURCE) == 0, "%s", w->refused.text);
}

static void set_tier(world *w, w4_tier tier) {
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_int_eq(w4_lip_source_set(w->nodes[n].protocol,
                                           w4_bytes_from_text("https://example.org"), tier, true,
                                           "operator:uid 0", "test", w->now),
                         0);
    }
    world_settle(w);
}

static w4_tier tier_at(const world *w, unsigned n) {
    return w4_sources_tier(w4_claims_sources(w4_lip_claims(w->nodes[n].protocol)),
                           "https://example.org/a");
}

static bool remembers(world *w, unsigned n, const char *id) {
    bool holds = false;
    ck_assert_int_eq(w4_memory_holds(w->nodes[n].store, W4_MEMORY_CLAIM, id,
                                     &world_agent_of(w, "ada")->fingerprint, &holds),
                     0);
    return holds;
}

/* ---- the tier */

/* Whatever a sender says of its source, it neither raises nor lowers. */
START_TEST(an_opinion_does_nothing) {
    world *w = claim_world(4);
    char id[37];
    for (unsigned of = 0; of < W4_TIER_COUNT; of++) {
        char source[256];
        snprintf(source, sizeof source,
                 "{\"uri\":\"https://example.org/a\",\"trust_tier\":\"%s\",\"retrieved_at\":"
                 "\"2026-01-01T00:00:00.000Z\"}",
                 w4_tier_name((w4_tier)of));
        set_tier(w, W4_TIER_LOW);
        bring(w, "ada", 2 * of, source, id);
        expect(w, id, W4_FACT_PENDING);
        set_tier(w, W4_TIER_HIGH);
        bring(w, "ada", 2 * of + 1, source, id);
        expect(w, id, W4_FACT_ACCEPTED);
        ck_assert_int_eq(tier_at(w, 3), W4_TIER_HIGH);
    }
    world_free(w);
}
END_TEST

/* As many as the config says, each way; and one step at a time, to the end and no further. */
START_TEST(tiers_move_by_what_the_config_says) {
    static const w4_tier up[] = {W4_TIER_UNKNOWN, W4_TIER_LOW,  W4_TIER_LOW, W4_TIER_MEDIUM,
                                 W4_TIER_MEDIUM,  W4_TIER_HIGH, W4_TIER_HIGH};
    world *w = claim_world(4);
    char id[37];
    w->nodes[3].config.lip.sources = (w4_source_limits){.raise_after = 2, .lower_after = 1};
    w4_protocol_configure(w->nodes[3].protocol, &w->nodes[3].config);
    for (unsigned i = 1; i < 8; i++) {
        bring(w, "ada", i, SOURCE, id);
        vote(w, "ben", "LIP_ACCEPT", id);
        vote(w, "cho", "LIP_ACCEPT", id);
        ck_assert_int_eq(tier_at(w, 3), up[i - 1]);
    }
    for (unsigned i = 8; i < 11; i++) {
        bring(w, "ada", i, SOURCE, id);
        vote(w, "ben", "LIP_REJECT", id);
        vote(w, "cho", "LIP_REJECT", id);
        ck_assert_int_eq(tier_at(w, 3), i == 8 ? W4_TIER_MEDIUM : W4_TIER_LOW);
    }
    world_free(w);
}
END_TEST

START_TEST(what_was_accepted_stays) {
    world *w = claim_world(4);
    char id[37];
    set_tier(w, W4_TIER_MEDIUM);
    bring(w, "ada", 1, SOURCE, id);
    expect(w, id, W4_FACT_ACCEPTED);
    set_tier(w, W4_TIER_LOW);
    expect(w, id, W4_FACT_ACCEPTED);
    set_tier(w, W4_TIER_BLOCKED);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* What is said for a claim with a blocked source is not heard, what is said against one is. */
START_TEST(blocked_for_what_is_said_for_it) {
    world *w = claim_world(4);
    char ids[2][37], payload[256];
    bring(w, "ada", 1, SOURCE_OF("https://good.org", "high"), ids[0]);
    bring(w, "ada", 2, SOURCE_OF("https://good.org", "high"), ids[1]);
    set_tier(w, W4_TIER_BLOCKED);
    ck_assert_int_eq(vote_about(w, "ben", "LIP_ACCEPT", ids[0], SOURCE), 1);
    ck_assert_str_eq(w4_refusal_name(w->refused.code), "source_blocked");
    vote(w, "ben", "LIP_REJECT", ids[0]);
    vote(w, "cho", "LIP_REJECT", ids[0]);
    expect(w, ids[0], W4_FACT_REJECTED);
    snprintf(payload, sizeof payload, "{\"conflicts\":[\"%s\"],\"severity\":\"low\"}", ids[1]);
    ck_assert_int_eq(say(w, "ben", "LIP_CONFLICT", payload, SOURCE), 0);
    expect(w, ids[1], W4_FACT_DISPUTED);
    world_free(w);
}
END_TEST

/* ---- provenance */

START_TEST(each_part_of_it) {
    static const struct {
        const char *source, *pointer;
    } rows[] = {
        {"{\"trust_tier\":\"high\",\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}", "/source/uri"},
        {"{\"trust_tier\":\"high\",\"uri\":\"https://example.org/a\"}", "/source/retrieved_at"},
        {"{\"trust_tier\":\"high\",\"uri\":\"https://example.org/a\",\"retrieved_at\":\"now\"}",
         "/source/retrieved_at"},
        {"{\"uri\":\"https://example.org/a\",\"retrieved_at\":\"2026-01-01T00:00:00.000Z\"}",
         "/source/trust_tier"},
        {NULL, "/source"},
    };
    world *w = claim_world(2);
    set_tier(w, W4_TIER_HIGH);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(say(w, "ada", "LIP_EVIDENCE", EVIDENCE, rows[i].source), 1);
        ck_assert_str_eq(w4_refusal_name(w->refused.code), "bad_envelope");
        ck_assert_str_eq(w->refused.pointer, rows[i].pointer);
    }
    ck_assert_uint_eq(w4_facts_count(w4_claims_book(w4_lip_claims(w->nodes[0].protocol))), 0);
    world_free(w);
}
END_TEST

/* ---- who corroborates, and who is at odds */

START_TEST(corroborators_by_hearsay_count_nothing) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", 1, SOURCE, id);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "ben", "LIP_ACCEPT", id); /* nor does one who says it twice, ... */
    vote(w, "ada", "LIP_ACCEPT", id); /* ... or who brought it */
    expect(w, id, W4_FACT_PENDING);
    vote(w, "dan", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* A conflict ends when one more than the quorum have corroborated the claim since. */
START_TEST(a_conflict_is_outvoted) {
    world *w = claim_world(5);
    char id[37], payload[256];
    bring(w, "ada", 1, SOURCE, id);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    w->now += SECOND;
    snprintf(payload, sizeof payload, "{%s%s%s%s],\"severity\":\"low\"}",
             _i == 2 ? "\"conflicts\":[\"dry\"],\"local_refs\":[\"" : "\"conflicts\":[",
             _i == 0   ? "{\"claim_ref\":\""
             : _i == 1 ? "\""
                       : "",
             id, _i == 0 ? "\"}" : "\"");
    ck_assert_msg(say(w, "dan", "LIP_CONFLICT", payload, SOURCE) == 0, "%s", w->refused.text);
    expect(w, id, W4_FACT_DISPUTED);
    w->now += SECOND;
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_DISPUTED);
    vote(w, "eve", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* ---- the causal memory */

START_TEST(only_what_is_accepted_is_remembered) {
    world *w = claim_world(4);
    char id[37], other[37], payload[256];
    bring(w, "ada", 1, SOURCE, id);
    bring(w, "ada", 2, SOURCE, other);
    vote(w, "ben", "LIP_ACCEPT", id);
    snprintf(payload, sizeof payload, "{\"conflicts\":[\"%s\"],\"severity\":\"low\"}", other);
    ck_assert_int_eq(say(w, "ben", "LIP_CONFLICT", payload, SOURCE), 0);
    for (unsigned n = 0; n < 4; n++) {
        ck_assert(!remembers(w, n, id) && !remembers(w, n, other));
    }
    vote(w, "dan", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_REJECT", other);
    vote(w, "dan", "LIP_REJECT", other);
    expect(w, id, W4_FACT_ACCEPTED);
    expect(w, other, W4_FACT_REJECTED);
    for (unsigned n = 0; n < 4; n++) {
        ck_assert(remembers(w, n, id) && !remembers(w, n, other));
    }
    world_free(w);
}
END_TEST

/* ---- fetching */

START_TEST(fetching_is_for_those_who_can) {
    world *w = claim_world(2);
    world_agent *cho = world_add_agent(w, "cho", 1, true);
    w4_protocol_agent_detach(w->nodes[1].protocol, cho->owner, NULL, w->now);
    cho->capabilities = "[\"fetch\",\"x\"]";
    ck_assert(world_try_attach(w, cho));
    world_publish(w, 1);
    world_trust_all(w);
    world_settle(w);
    world_clear_logs(w);
    /* To all: to her, and nobody else hears of it. */
    ck_assert_int_eq(
        say(w, "ada", "LIP_FETCH", "{\"query\":\"rain\",\"constraints\":[\"today\"]}", SOURCE), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, "cho"), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 1);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    /* To one: whoever can. */
    ck_assert_int_eq(say_to(w, "ada", "cho", "LIP_FETCH", "{\"query\":\"rain\"}", SOURCE), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, "cho"), 1);
    ck_assert_int_eq(say_to(w, "ada", "ben", "LIP_FETCH", "{\"query\":\"rain\"}", SOURCE), 0);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 0);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_NOT_FOUND), 1);
    world_free(w);
}
END_TEST

/* Each node tells its agents of each state once. */
START_TEST(agents_hear_of_each_state) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", 1, SOURCE, id);
    unsigned before = world_count(w, 3, W4_PROTOCOL_EVENT_CLAIM, id, NULL);
    ck_assert_uint_ge(before, 1);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "dan", "LIP_ACCEPT", id);
    ck_assert_uint_gt(world_count(w, 3, W4_PROTOCOL_EVENT_CLAIM, id, NULL), before);
    world_clear_logs(w);
    world_pass(w, 60 * SECOND);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_CLAIM, id, NULL), 0);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("claims");
    TCase *tcase = tcase_create("claims");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, an_opinion_does_nothing);
    tcase_add_test(tcase, tiers_move_by_what_the_config_says);
    tcase_add_test(tcase, what_was_accepted_stays);
    tcase_add_test(tcase, blocked_for_what_is_said_for_it);
    tcase_add_test(tcase, each_part_of_it);
    tcase_add_test(tcase, corroborators_by_hearsay_count_nothing);
    tcase_add_loop_test(tcase, a_conflict_is_outvoted, 0, 3);
    tcase_add_test(tcase, only_what_is_accepted_is_remembered);
    tcase_add_test(tcase, fetching_is_for_those_who_can);
    tcase_add_test(tcase, agents_hear_of_each_state);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* What comes from the internet: the liminal queue, and whom it waits for. */
#include "claim_steps.h"

#define SECOND W4_US_PER_S

static void bring(world *w, const char *from, char ret_id[static 37]) {
    ck_assert_msg(say(w, from, "LIP_EVIDENCE", EVIDENCE, SOURCE) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

static void vote(world *w, const char *from, const char *type, const char *id) {
    char payload[256];
    snprintf(payload, sizeof payload, "{\"claim_ref\":\"%s\",\"decision\":\"%s\"}", id,
             strcmp(type, "LIP_ACCEPT") == 0 ? "accept" : "reject");
    ck_assert_msg(say(w, from, type, payload, SOURCE) == 0, "%s", w->refused.text);
}

static void conflict(world *w, const char *from, const char *id) {
    char payload[256];
    snprintf(payload, sizeof payload,
             "{\"conflicts\":[{\"claim_ref\":\"%s\",\"against\":\"it is dry\"}],\"severity\":"
             "\"high\"}",
             id);
    ck_assert_msg(say(w, from, "LIP_CONFLICT", payload, SOURCE) == 0, "%s", w->refused.text);
}

static void set_tier(world *w, unsigned n, const char *uri, w4_tier tier, bool pinned) {
    ck_assert_int_eq(w4_lip_source_set(w->nodes[n].protocol, w4_bytes_from_text(uri), tier, pinned,
                                       "operator:uid 0", "test", w->now),
                     0);
    world_settle(w);
}

/* ---- the queue */

START_TEST(two_independent_corroborate) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", id);
    expect(w, id, W4_FACT_PENDING); /* whatever tier its sender claims */
    vote(w, "ada", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_PENDING); /* his own counts for nothing */
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_PENDING);
    vote(w, "cho", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    for (unsigned n = 0; n < 4; n++) {
        ck_assert_uint_gt(world_count(w, n, W4_PROTOCOL_EVENT_CLAIM, id, NULL), 0);
    }
    world_free(w);
}
END_TEST

START_TEST(only_trusted_ones_corroborate) {
    world *w = claim_world(4);
    char id[37];
    for (unsigned n = 0; n < 4; n++) {
        world_trust(w, n, "cho", W4_TRUST_PROBING);
    }
    bring(w, "ada", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_PENDING);
    vote(w, "dan", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* Whoever had the key may have said it. */
START_TEST(revoked_keys_neither_bring_nor_corroborate) {
    world *w = claim_world(4);
    char id[37], his[37];
    bring(w, "ada", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    bring(w, "ben", his);
    w4_fingerprint ben = world_agent_of(w, "ben")->fingerprint;
    for (unsigned n = 0; n < 4; n++) {
        ck_assert_int_eq(w4_protocol_key_revoke(w->nodes[n].protocol, &ben, W4_KEY_OF_AGENT,
                                                "stolen", w->now, &w->refused),
                         0);
    }
    world_settle(w);
    vote(w, "cho", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", his);
    vote(w, "dan", "LIP_ACCEPT", his);
    expect(w, id, W4_FACT_PENDING);
    expect(w, his, W4_FACT_PENDING);
    vote(w, "dan", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    for (unsigned n = 0; n < 4; n++) {
        set_tier(w, n, "https://example.org", W4_TIER_HIGH, true);
    }
    expect(w, his, W4_FACT_PENDING);
    world_free(w);
}
END_TEST

START_TEST(tiers_of_sources_decide) {
    for (unsigned tier = 0; tier < W4_TIER_COUNT; tier++) {
        world *w = claim_world(4);
        char id[37];
        for (unsigned n = 0; n < 4; n++) {
            set_tier(w, n, "https://EXAMPLE.org", (w4_tier)tier, true);
        }
        int r = say(w, "ada", "LIP_EVIDENCE", EVIDENCE, SOURCE);
        ck_assert_int_eq(r, tier == W4_TIER_BLOCKED ? 1 : 0);
        if (tier == W4_TIER_BLOCKED) {
            ck_assert_int_eq(w->refused.code, W4_REFUSAL_SOURCE_BLOCKED);
            ck_assert_str_eq(w->refused.pointer, "/source/uri");
        } else {
            memcpy(id, w->receipt.msg_id, 37);
            bool good = tier == W4_TIER_MEDIUM || tier == W4_TIER_HIGH;
            expect(w, id, good ? W4_FACT_ACCEPTED : W4_FACT_PENDING);
            vote(w, "ben", "LIP_ACCEPT", id);
            expect(w, id, good ? W4_FACT_ACCEPTED : W4_FACT_PENDING);
        }
        world_free(w);
    }
}
END_TEST

START_TEST(a_better_tier_lets_in_what_waits) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", id);
    for (unsigned n = 0; n < 4; n++) {
        set_tier(w, n, "https://example.org/a", W4_TIER_MEDIUM, false);
    }
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(the_receiver_blocks_too) {
    world *w = claim_world(4);
    set_tier(w, 1, "https://example.org", W4_TIER_BLOCKED, true);
    char id[37];
    bring(w, "ada", id);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_SOURCE_BLOCKED), 1);
    ck_assert_ptr_null(claim(w, 1, id));
    ck_assert_ptr_nonnull(claim(w, 2, id));
    world_free(w);
}
END_TEST

/* However it is spelled, and whatever it is below. */
START_TEST(no_spelling_gets_around_a_block) {
    static const char *const blocked[] = {
        SOURCE_OF("https://example.org", "high"),
        SOURCE_OF("http://example.org:8080/x", "high"),
        SOURCE_OF("HTTPS://EXAMPLE.ORG./x", "high"),
        SOURCE_OF("https://good.org@example.org/x", "high"),
        SOURCE_OF("https://ex%61mple.org/x", "high"),
        SOURCE_OF("https:example.org/x", "high"),
        SOURCE_OF("https:\\\\\\\\example.org\\\\x", "high"),
        SOURCE_OF("https://www.example.org/x", "high"),
        SOURCE_OF("https://a.b.example.org/x", "high"),
        SOURCE_OF("http://3221225991/x", "high"),
        SOURCE_OF("http://[::ffff:192.0.2.7]/x", "high"),
        SOURCE_OF("https://paper.org/a/../%6Eews//x", "high"),
        SOURCE_OF("https://paper.org/%2e/news?x", "high"),
    };
    world *w = claim_world(4);
    set_tier(w, 0, "https://example.org/", W4_TIER_BLOCKED, true);
    set_tier(w, 0, "http://192.0.2.7", W4_TIER_BLOCKED, true);
    set_tier(w, 0, "https://paper.org/news/", W4_TIER_BLOCKED, true);
    for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++) {
        ck_assert_msg(say(w, "ada", "LIP_EVIDENCE", EVIDENCE, blocked[i]) == 1, "%s", blocked[i]);
        ck_assert_msg(w->refused.code == W4_REFUSAL_SOURCE_BLOCKED, "%s", blocked[i]);
    }
    ck_assert_int_eq(
        say(w, "ada", "LIP_EVIDENCE", EVIDENCE, SOURCE_OF("https://paper.org/newsroom", "high")),
        0);
    ck_assert_int_eq(
        say(w, "ada", "LIP_EVIDENCE", EVIDENCE, SOURCE_OF("https://notexample.org/", "high")), 0);
    world_free(w);
}
END_TEST

/* One of them is judged before the others: a word about it came in the same breath as the trust. */
START_TEST(deferred_ones_keep_their_order) {
    world *w = claim_world(4);
    char ids[3][37];
    world_trust(w, 1, "ada", W4_TRUST_PROBING);
    for (unsigned i = 0; i < 3; i++) {
        bring(w, "ada", ids[i]);
    }
    world_clear_logs(w);
    w4_facts *book = w4_claims_book(w4_lip_claims(w->nodes[1].protocol));
    w4_facts_queue(book, w4_facts_find(book, ids[2]));
    world_trust(w, 1, "ada", W4_TRUST_TRUSTED);
    world_settle(w);
    unsigned order = 0;
    for (unsigned i = 0; i < w->log_count[1]; i++) {
        if (w->log[1][i].kind == W4_PROTOCOL_EVENT_DELIVER) {
            ck_assert_uint_lt(order, 3);
            ck_assert_str_eq(w->log[1][i].msg_id, ids[order++]);
        }
    }
    ck_assert_uint_eq(order, 3);
    world_free(w);
}
END_TEST

START_TEST(provenance_must_be_there) {
    static const char *const payloads[] = {
        "{\"claims\":[\"c\"],\"confidence\":1}",
        "{\"claims\":[\"c\"],\"confidence\":1,\"evidence\":[]}",
        "{\"claims\":[\"c\"],\"confidence\":1,\"evidence\":[\"\",{},\"  \"]}",
    };
    static const char *const nowhere[] = {
        SOURCE_OF("nowhere", "high"), SOURCE_OF("https://", "high"),
        SOURCE_OF("https://a b.org/x", "high"), SOURCE_OF("//a.org/x", "high")};
    world *w = claim_world(4);
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        ck_assert_int_eq(say(w, "ada", "LIP_EVIDENCE", payloads[i], SOURCE), 1);
        ck_assert_int_eq(w->refused.code, W4_REFUSAL_NO_PROVENANCE);
    }
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        ck_assert_int_eq(say(w, "ada", "LIP_EVIDENCE", EVIDENCE, nowhere[i]), 1);
        ck_assert_int_eq(w->refused.code, W4_REFUSAL_NO_PROVENANCE);
        ck_assert_str_eq(w->refused.pointer, "/source/uri");
    }
    ck_assert_int_eq(say(w, "ada", "LIP_EVIDENCE",
                         "{\"claims\":[\"c\"],\"confidence\":1,\"evidence\":[{},{\"at\":1}]}",
                         SOURCE),
                     0);
    world_free(w);
}
END_TEST

static w4_fact *add_claim(w4_facts *book, unsigned number, unsigned sender, const char *page) {
    char id[37];
    snprintf(id, sizeof id, "%08u-0000-4000-8000-000000000000", number);
    w4_fact *c = w4_fact_new(id, "somebody", page, 0);
    ck_assert_ptr_nonnull(c);
    c->proposer.bytes[0] = (uint8_t)sender;
    ck_assert_int_eq(w4_facts_add(book, c), 0);
    return c;
}

/* Trust in a sender moves: his claims are judged in the order in which they came, and no others
 * with them, though they are of one page. */
START_TEST(of_a_sender_in_order) {
    w4_facts *book;
    const w4_fingerprint sender = {{1}};
    ck_assert_int_eq(w4_facts_new(NULL, &book), 0);
    const w4_fact *first = add_claim(book, 1, 1, "https://example.org/a");
    const w4_fact *second = add_claim(book, 2, 1, "https://example.org/b");
    add_claim(book, 3, 2, "https://example.org/a");
    const w4_fact *last = add_claim(book, 4, 1, "https://example.org/a");
    while (w4_facts_next_queued(book)) {
    }
    w4_facts_queue_agent(book, &sender);
    ck_assert_ptr_eq(w4_facts_next_queued(book), first);
    ck_assert_ptr_eq(w4_facts_next_queued(book), second);
    ck_assert_ptr_eq(w4_facts_next_queued(book), last);
    ck_assert_ptr_null(w4_facts_next_queued(book));
    w4_facts_free(book);
}
END_TEST

START_TEST(conflicts_dispute_and_end) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    conflict(w, "dan", id);
    expect(w, id, W4_FACT_DISPUTED);
    vote(w, "dan", "LIP_ACCEPT", id); /* takes it back */
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(conflicts_of_strangers_do_nothing) {
    world *w = claim_world(4);
    char id[37];
    for (unsigned n = 0; n < 4; n++) {
        world_trust(w, n, "dan", W4_TRUST_PROBING);
    }
    bring(w, "ada", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    conflict(w, "dan", id);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(two_rejections_end_it) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", id);
    vote(w, "ben", "LIP_REJECT", id);
    expect(w, id, W4_FACT_PENDING);
    vote(w, "cho", "LIP_REJECT", id);
    expect(w, id, W4_FACT_REJECTED);
    world_free(w);
}
END_TEST

static void bring_other(world *w, const char *from, unsigned number, char ret_id[static 37]) {
    char payload[128];
    snprintf(payload, sizeof payload,
             "{\"claims\":[\"it rains %u\"],\"evidence\":[\"wet\"],\"confidence\":0.9}", number);
    ck_assert_msg(say(w, from, "LIP_EVIDENCE", payload, SOURCE) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
}

/* Said again, and corroborated again, or denied again, it says no more of the source. */
START_TEST(the_same_claim_counts_once) {
    world *w = claim_world(4);
    char first[37], again[37], other[37];
    const char *const bringers[] = {"ada", "ada", "dan"};
    for (unsigned i = 0; i < 3; i++) {
        bring(w, bringers[i], i == 0 ? first : again);
        vote(w, "ben", "LIP_ACCEPT", i == 0 ? first : again);
        vote(w, "cho", "LIP_ACCEPT", i == 0 ? first : again);
        expect(w, i == 0 ? first : again, W4_FACT_ACCEPTED);
    }
    for (unsigned n = 0; n < 4; n++) {
        const w4_sources *s = w4_claims_sources(w4_lip_claims(w->nodes[n].protocol));
        ck_assert_uint_eq(w4_sources_get(s, "https://example.org")->corroborated_total, 1);
    }
    conflict(w, "cho", first);
    conflict(w, "cho", again);
    bring_other(w, "ada", 7, other);
    conflict(w, "cho", other);
    world_reborn(w, 2);
    for (unsigned n = 0; n < 4; n++) {
        const w4_sources *s = w4_claims_sources(w4_lip_claims(w->nodes[n].protocol));
        ck_assert_uint_eq(w4_sources_get(s, "https://example.org")->corroborated_total, 1);
        ck_assert_uint_eq(w4_sources_get(s, "https://example.org")->conflicts_total, 2);
    }
    world_free(w);
}
END_TEST

START_TEST(sources_learn_from_claims) {
    world *w = claim_world(4);
    char id[37];
    for (unsigned i = 0; i < 3; i++) {
        bring_other(w, "ada", i, id);
        vote(w, "ben", "LIP_ACCEPT", id);
        vote(w, "cho", "LIP_ACCEPT", id);
        vote(w, "dan", "LIP_ACCEPT", id); /* one more says nothing more about the source */
    }
    for (unsigned n = 0; n < 4; n++) {
        const w4_sources *s = w4_claims_sources(w4_lip_claims(w->nodes[n].protocol));
        ck_assert_int_eq(w4_sources_tier(s, "https://example.org/a"), W4_TIER_LOW);
        ck_assert_uint_eq(w4_sources_get(s, "https://example.org")->corroborated_total, 3);
    }
    for (unsigned i = 3; i < 5; i++) {
        bring_other(w, "ada", i, id);
        conflict(w, "ben", id);
        conflict(w, "cho", id);
    }
    const w4_sources *s = w4_claims_sources(w4_lip_claims(w->nodes[3].protocol));
    ck_assert_uint_eq(w4_sources_get(s, "https://example.org")->conflicts_total, 2);
    world_free(w);
}
END_TEST

START_TEST(overloaded_agents_hold_it_up) {
    world *w = claim_world(4);
    char id[37];
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"overloaded\",\"lri\":95}"), 0);
    world_settle(w);
    bring(w, "ada", id);
    vote(w, "cho", "LIP_ACCEPT", id);
    vote(w, "dan", "LIP_ACCEPT", id);
    ck_assert_int_eq(claim(w, 1, id)->state, W4_FACT_PENDING);
    ck_assert_int_eq(claim(w, 0, id)->state, W4_FACT_ACCEPTED);
    ck_assert_int_eq(
        world_send(w, "ben", "*", "STATE_UPDATE", "{\"presence\":\"focused\",\"lri\":5}"), 0);
    world_settle(w);
    ck_assert_int_eq(claim(w, 1, id)->state, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

/* ---- who is not trusted yet */

START_TEST(deferred_until_its_sender_is_trusted) {
    world *w = claim_world(4);
    char ids[3][37];
    world_trust(w, 1, "ada", W4_TRUST_PROBING);
    set_tier(w, 1, "https://example.org", W4_TIER_HIGH, true);
    for (unsigned i = 0; i < 3; i++) {
        bring(w, "ada", ids[i]);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[i], "ben"), 0);
        ck_assert_int_eq(claim(w, 1, ids[i])->state, W4_FACT_PENDING);
    }
    world_reborn(w, 1); /* it outlives the process */
    world_clear_logs(w);
    world_trust(w, 1, "ada", W4_TRUST_TRUSTED);
    world_settle(w);
    unsigned order = 0;
    for (unsigned i = 0; i < w->log_count[1] && order < 3; i++) {
        order += w->log[1][i].kind == W4_PROTOCOL_EVENT_DELIVER &&
                         strcmp(w->log[1][i].msg_id, ids[order]) == 0
                     ? 1
                     : 0;
    }
    ck_assert_uint_eq(order, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(claim(w, 1, ids[i])->state, W4_FACT_ACCEPTED);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[i], "ben"), 1);
    }
    world_trust(w, 1, "ada", W4_TRUST_PROBING);
    world_trust(w, 1, "ada", W4_TRUST_TRUSTED);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[0], "ben"), 1);
    world_free(w);
}
END_TEST

/* While the store takes nothing they stay: whoever got one then would get it again after a restart.
 */
START_TEST(deferred_while_the_store_is_full) {
    world *w = claim_world(4);
    char ids[2][37];
    world_trust(w, 1, "ada", W4_TRUST_PROBING);
    for (unsigned i = 0; i < 2; i++) {
        bring(w, "ada", ids[i]);
    }
    w4_trust_move move; /* also the store of trust takes nothing */
    const w4_fingerprint *ada = &world_agent_of(w, "ada")->fingerprint;
    w4_store_memory_full(w->nodes[1].store, true);
    ck_assert_int_eq(w4_trust_book_set(w->nodes[1].trust, W4_TRUST_AGENT, ada, W4_TRUST_TRUSTED,
                                       "operator", "test", w->now, &move),
                     1);
    ck_assert_int_eq(w4_protocol_trust_changed(w->nodes[1].protocol, ada, w->now), 0);
    world_pass(w, 5 * W4_US_PER_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[i], "ben"), 0);
    }
    w4_store_memory_full(w->nodes[1].store, false);
    world_pass(w, 2 * W4_CLAIMS_RELEASE_AGAIN_US);
    world_reborn(w, 1);
    world_trust(w, 1, "ada", W4_TRUST_TRUSTED);
    world_pass(w, 5 * W4_US_PER_S);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, ids[i], "ben"), 1);
    }
    world_free(w);
}
END_TEST

START_TEST(what_is_deferred_is_bounded) {
    world *w = claim_world(4);
    world_trust(w, 1, "ada", W4_TRUST_PROBING);
    char id[37];
    for (unsigned i = 0; i < W4_CLAIMS_DEFERRED_MAX; i++) {
        bring(w, "ada", id);
    }
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_RATE_LIMITED), 0);
    bring(w, "ada", id);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_RATE_LIMITED), 1);
    world_free(w);
}
END_TEST

/* ---- order, restarts */

static wire_fate hold_evidence(world *w, const wire_item *item) {
    (void)w;
    bool evidence = memmem(item->bytes, item->len, "LIP_EVIDENCE", 12) != NULL;
    return evidence && item->to == 2 && w->filter_data ? WIRE_LAST : WIRE_PASS;
}

START_TEST(votes_may_come_first) {
    world *w = claim_world(4);
    char id[37];
    int on = 1;
    w->filter = hold_evidence;
    w->filter_data = &on;
    ck_assert_int_eq(world_send_as(w, "ada", "*", W4_FAMILY_LIP, "LIP_EVIDENCE", EVIDENCE, SOURCE),
                     0);
    memcpy(id, w->receipt.msg_id, 37);
    world_settle(w);
    vote(w, "ben", "LIP_ACCEPT", id);
    vote(w, "dan", "LIP_ACCEPT", id);
    expect(w, id, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

static wire_fate lose_evidence(world *w, const wire_item *item) {
    (void)w;
    bool evidence = memmem(item->bytes, item->len, "LIP_EVIDENCE", 12) != NULL;
    return evidence && item->to == 2 ? WIRE_DROP : WIRE_PASS;
}

/* What is said against a claim waits for it as what is said for it does, also over a restart. */
START_TEST(a_conflict_may_come_first) {
    world *w = claim_world(4);
    char id[37];
    w->filter = lose_evidence;
    bring(w, "ada", id);
    conflict(w, "ben", id);
    ck_assert_ptr_null(claim(w, 2, id));
    ck_assert_uint_eq(world_count(w, 2, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, "cho"), 0);
    ck_assert_int_eq(claim(w, 3, id)->state, W4_FACT_DISPUTED);
    world_reborn(w, 2);
    w->filter = NULL;
    world_link(w, 0, 2, false);
    world_link(w, 0, 2, true);
    world_settle(w);
    expect(w, id, W4_FACT_DISPUTED);
    world_free(w);
}
END_TEST

START_TEST(claims_outlive_the_process) {
    world *w = claim_world(4);
    char ids[3][37];
    for (unsigned i = 0; i < 3; i++) {
        bring(w, "ada", ids[i]);
    }
    vote(w, "ben", "LIP_ACCEPT", ids[0]);
    vote(w, "cho", "LIP_ACCEPT", ids[0]);
    vote(w, "ben", "LIP_ACCEPT", ids[1]);
    conflict(w, "cho", ids[2]);
    world_reborn(w, 3);
    ck_assert_int_eq(claim(w, 3, ids[0])->state, W4_FACT_ACCEPTED);
    ck_assert_int_eq(claim(w, 3, ids[1])->state, W4_FACT_PENDING);
    ck_assert_int_eq(claim(w, 3, ids[2])->state, W4_FACT_DISPUTED);
    vote(w, "cho", "LIP_ACCEPT", ids[1]);
    ck_assert_int_eq(claim(w, 3, ids[1])->state, W4_FACT_ACCEPTED);
    world_free(w);
}
END_TEST

START_TEST(it_is_shown_whole) {
    world *w = claim_world(4);
    char id[37];
    bring(w, "ada", id);
    vote(w, "ben", "LIP_ACCEPT", id);
    conflict(w, "cho", id);
    w4_protocol *p = w->nodes[3].protocol;
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert_int_eq(w4_claim_write(p, w4_lip_claims(p), claim(w, 3, id), NULL, &writer), 0);
    ck_assert_int_eq(writer.error, 0);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json root = w4_json_root(&doc);
    ck_assert(w4_json_string_equal(w4_json_get(root, "state"), "disputed"));
    ck_assert(w4_json_string_equal(w4_json_at_pointer(root, w4_bytes_from_text("/source/opinion")),
                                   "high"));
    ck_assert(w4_json_string_equal(w4_json_at_pointer(root, w4_bytes_from_text("/source/tier")),
                                   "unknown"));
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "corroborations")), 1);
    ck_assert_uint_eq(w4_json_count(w4_json_get(root, "conflicts")), 1);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

/* ---- fetching */

START_TEST(fetch_reaches_who_can) {
    world *w = claim_world(4);
    ck_assert_int_eq(say(w, "ada", "LIP_FETCH", "{\"query\":\"rain\"}", SOURCE), 0);
    for (unsigned n = 1; n < 4; n++) {
        ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 0);
        ck_assert_uint_eq(world_rejected(w, n, W4_REFUSAL_NOT_FOUND), 0);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lip");
    TCase *tcase = tcase_create("lip");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, two_independent_corroborate);
    tcase_add_test(tcase, only_trusted_ones_corroborate);
    tcase_add_test(tcase, revoked_keys_neither_bring_nor_corroborate);
    tcase_add_test(tcase, tiers_of_sources_decide);
    tcase_add_test(tcase, a_better_tier_lets_in_what_waits);
    tcase_add_test(tcase, the_receiver_blocks_too);
    tcase_add_test(tcase, no_spelling_gets_around_a_block);
    tcase_add_test(tcase, deferred_ones_keep_their_order);
    tcase_add_test(tcase, provenance_must_be_there);
    tcase_add_test(tcase, of_a_sender_in_order);
    tcase_add_test(tcase, conflicts_dispute_and_end);
    tcase_add_test(tcase, conflicts_of_strangers_do_nothing);
    tcase_add_test(tcase, two_rejections_end_it);
    tcase_add_test(tcase, sources_learn_from_claims);
    tcase_add_test(tcase, the_same_claim_counts_once);
    tcase_add_test(tcase, overloaded_agents_hold_it_up);
    tcase_add_test(tcase, deferred_until_its_sender_is_trusted);
    tcase_add_test(tcase, deferred_while_the_store_is_full);
    tcase_add_test(tcase, what_is_deferred_is_bounded);
    tcase_add_test(tcase, votes_may_come_first);
    tcase_add_test(tcase, a_conflict_may_come_first);
    tcase_add_test(tcase, claims_outlive_the_process);
    tcase_add_test(tcase, it_is_shown_whole);
    tcase_add_test(tcase, fetch_reaches_who_can);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

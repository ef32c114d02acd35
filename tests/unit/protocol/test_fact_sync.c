/* Nodes that were away learn what was said about facts meanwhile; from neighbours, none of whom is
 * believed. */
#include "crypto/primitives.h"
#include "fact_steps.h"
#include "neighbour.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/fact_sync.h"
#include "protocol/memory/archive.h"
#include "protocol/router.h"

START_TEST(refutation_reaches_who_was_away) {
    world *w = four(31);
    char fact[37], effect[37], link[48];
    propose(w, "ada", "a", NULL, fact);
    say(w, "ben", "FACT_CONFIRM", fact);
    say(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    snprintf(link, sizeof link, "\"%s\"", fact);
    propose(w, "ada", "b", link, effect);
    say(w, "ben", "FACT_CONFIRM", effect);
    say(w, "cho", "FACT_CONFIRM", effect);
    world_expect_fact(w, effect, W4_FACT_ACCEPTED);
    cut(w, 3, false);
    say(w, "ben", "FACT_REJECT", fact);
    say(w, "cho", "FACT_REJECT", fact);
    ck_assert_int_eq(world_fact(w, 0, fact), W4_FACT_REFUTED);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    world_pass(w, 3600 * W4_US_PER_S); /* longer than any envelope is fresh */
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_ACCEPTED);
    world_clear_logs(w);
    cut(w, 3, true);
    world_pass(w, 5 * W4_US_PER_S);
    world_expect_fact(w, fact, W4_FACT_REFUTED);
    world_expect_fact(w, effect, W4_FACT_ACCEPTED);
    ck_assert(w4_facts_find(w->nodes[3].protocol->facts, effect)->unsupported);
    ck_assert_uint_ge(world_count(w, 3, W4_PROTOCOL_EVENT_FACT, fact, NULL), 1);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    expect_same_books(w);
    /* It stays so. */
    world_reborn(w, 3);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_REFUTED);
    world_free(w);
}
END_TEST

static void share(world *w, const char *to, const char *back, char ret_id[static 37]) {
    char payload[512];
    snprintf(payload, sizeof payload,
             "{\"decision\":{\"choice\":\"sail\",\"outcome\":\"%s\"},\"dmp_trace\":"
             "{\"decision_id\":\"d-1\",\"steps\":[\"s\"]}%s%s%s}",
             back ? "sailed" : "planned", back ? ",\"retrospective\":\"" : "", back ? back : "",
             back ? "\"" : "");
    ck_assert_msg(world_send(w, "ada", to, "DECISION_SHARE", payload) == 0, "%s", w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
    w->now += 2000;
    world_settle(w);
}

static bool knows_decision(world *w, unsigned n, const char *id) {
    return w4_decisions_has_of(w->nodes[n].protocol->decisions, id,
                               &world_agent_of(w, "ada")->fingerprint);
}

/* Decides, and looks back twice, and once in a word to ben, while node 3 is away, for longer
 * than any envelope is fresh. */
static void look_back(world *w, char ret_first[static 37], char ret_back[static 3][37]) {
    cut(w, 3, false);
    share(w, "*", NULL, ret_first);
    share(w, "*", "too early", ret_back[0]);
    share(w, "ben", "a secret", ret_back[1]);
    share(w, "*", "never again", ret_back[2]);
    world_pass(w, 400 * W4_US_PER_S);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(knows_decision(w, 1, ret_back[i]) && !knows_decision(w, 3, ret_back[i]));
    }
}

/* A decision that no fact follows from, and what came of it, reach who was away. */
START_TEST(decisions_reach_who_was_away) {
    world *w = four(33);
    char first[37], back[3][37];
    look_back(w, first, back);
    world_clear_logs(w);
    cut(w, 3, true);
    world_pass(w, 60 * W4_US_PER_S);
    ck_assert(knows_decision(w, 3, first));
    ck_assert(knows_decision(w, 3, back[0]) && knows_decision(w, 3, back[2]));
    ck_assert(!knows_decision(w, 3, back[1]));
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_DELIVER, first, NULL), 0);
    expect_same_books(w);
    const w4_decision *found;
    w4_decision_standing standing;
    ck_assert(w4_decisions_look(w->nodes[3].protocol->decisions, first,
                                &world_agent_of(w, "ada")->fingerprint, &found, &standing));
    ck_assert_uint_eq(standing.retrospective_count, 2);
    ck_assert_str_eq(standing.retrospectives[0]->id, back[2]);
    world_reborn(w, 3);
    world_reborn(w, 1); /* and the word to ben is told apart from its row */
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* From neighbour to neighbour: node 3 has a session with node 2 alone, which has one with node 1.
 */
START_TEST(decisions_go_from_node_to_node) {
    world *w = four(43);
    char first[37], back[37];
    world_link(w, 0, 2, false);
    world_link(w, 0, 3, false);
    world_link(w, 1, 3, false);
    world_link(w, 2, 3, false);
    share(w, "*", NULL, first);
    world_pass(w, 400 * W4_US_PER_S);
    ck_assert(knows_decision(w, 2, first) && !knows_decision(w, 3, first));
    world_link(w, 0, 1, false);
    world_link(w, 2, 3, true);
    world_publish(w, 2);
    world_publish(w, 3);
    world_pass(w, 20 * W4_US_PER_S);
    ck_assert(knows_decision(w, 3, first));
    expect_same_books(w);
    /* And what comes of it later. Whom a node asks, and when, is chance. */
    world_link(w, 0, 1, true);
    world_publish(w, 0);
    share(w, "*", "never again", back);
    ck_assert(!knows_decision(w, 3, back));
    for (int i = 0; i < 40 && !knows_decision(w, 3, back); i++) {
        world_pass(w, 10 * W4_US_PER_S);
    }
    ck_assert(knows_decision(w, 1, back) && knows_decision(w, 2, back));
    ck_assert(knows_decision(w, 3, back));
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* Who does not trust the one who decided does not ask for ever, and takes it when trust comes. */
START_TEST(decisions_wait_for_trust) {
    world *w = four(44);
    char first[37], back[3][37];
    world_trust(w, 3, "ada", W4_TRUST_UNTRUSTED);
    look_back(w, first, back);
    cut(w, 3, true);
    world_pass(w, 60 * W4_US_PER_S);
    ck_assert(!knows_decision(w, 3, first));
    unsigned tried = w4_fact_sync_tried(&w->nodes[3].protocol->fact_sync);
    ck_assert_uint_eq(tried, 9); /* three, of each of three neighbours */
    world_pass(w, 600 * W4_US_PER_S);
    ck_assert_uint_eq(w4_fact_sync_tried(&w->nodes[3].protocol->fact_sync), tried);
    world_trust(w, 3, "ada", W4_TRUST_TRUSTED);
    world_pass(w, 10 * W4_US_PER_S);
    ck_assert(knows_decision(w, 3, first) && knows_decision(w, 3, back[2]));
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* Decisions of many agents, and a fact, under one msg_id: nobody's hides another's. */
START_TEST(one_id_for_several) {
    enum { COPIERS = 20 };
    world *w = four(45);
    char fact[37], name[COPIERS][8];
    for (unsigned i = 0; i < COPIERS; i++) {
        snprintf(name[i], sizeof name[i], "c%u", i);
        world_add_agent(w, name[i], i % 3, true);
    }
    world_trust_all(w);
    world_settle(w);
    cut(w, 3, false);
    propose(w, "ada", "a", NULL, fact);
    for (unsigned i = 0; i < COPIERS; i++) {
        decide_as(w, name[i], i, 3, fact);
    }
    world_pass(w, 600 * W4_US_PER_S);
    cut(w, 3, true);
    world_pass(w, 60 * W4_US_PER_S);
    world_expect_fact(w, fact, W4_FACT_PENDING);
    for (unsigned n = 0; n < 4; n++) {
        const w4_decisions *book = w->nodes[n].protocol->decisions;
        for (unsigned i = 0; i < COPIERS; i++) {
            ck_assert(w4_decisions_has_of(book, fact, &world_agent_of(w, name[i])->fingerprint));
        }
    }
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* So many of ada's that no envelope is kept of, said at that time. */
static void add_others(world *w, unsigned n, unsigned first, unsigned count, bool aside,
                       uint64_t said_us) {
    for (unsigned i = first; i < first + count; i++) {
        w4_decision d = {.agent = world_agent_of(w, "ada")->fingerprint,
                         .agent_id = "ada",
                         .decision_id = "others",
                         .choice = {1},
                         .aside = aside,
                         .shared_us = said_us,
                         .taken_us = said_us};
        snprintf(d.id, sizeof d.id, "%08x-0000-4000-8000-000000000000", i);
        ck_assert_int_eq(
            w4_decisions_add(w->nodes[n].protocol->decisions, &d, w4_bytes_from_text("{}")), 0);
    }
    w->unsound = true;
}

/* Fills ada's share of the book of node 3. */
static w4_decisions *fill_book(world *w, uint64_t said_us) {
    w4_decisions *book = w->nodes[3].protocol->decisions;
    add_others(w, 3, 1, W4_DECISIONS_PER_AGENT - (unsigned)w4_decisions_count(book), false,
               said_us);
    return book;
}

/* Where there is no room the newest stay: so all nodes keep the same, whenever they learn of them.
 */
START_TEST(newest_decisions_stay) {
    world *w = four(34);
    char first[37], back[3][37];
    look_back(w, first, back);
    w4_decisions *book = fill_book(w, WORLD_WALL_OFFSET_US);
    cut(w, 3, true);
    world_pass(w, 120 * W4_US_PER_S);
    ck_assert_uint_eq(w4_decisions_count(book), W4_DECISIONS_PER_AGENT);
    ck_assert(knows_decision(w, 3, first) && knows_decision(w, 3, back[2]));
    ck_assert(!knows_decision(w, 3, "00000001-0000-4000-8000-000000000000"));
    ck_assert(!knows_decision(w, 3, "00000003-0000-4000-8000-000000000000"));
    ck_assert(knows_decision(w, 3, "00000004-0000-4000-8000-000000000000"));
    world_free(w);
}
END_TEST

/* Older ones make none forgotten, and are not asked for for ever. */
START_TEST(old_decisions_have_no_room) {
    world *w = four(34);
    char first[37], back[3][37];
    look_back(w, first, back);
    w4_decisions *book = fill_book(w, WORLD_WALL_OFFSET_US + w->now);
    world_clear_logs(w);
    cut(w, 3, true);
    world_pass(w, 120 * W4_US_PER_S);
    ck_assert_uint_eq(w4_decisions_count(book), W4_DECISIONS_PER_AGENT);
    ck_assert(!knows_decision(w, 3, first) && !knows_decision(w, 3, back[2]));
    unsigned refused = world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL);
    ck_assert_uint_ge(refused, 3);
    ck_assert_uint_le(refused, 9); /* three, of each of three neighbours */
    world_pass(w, 600 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), refused);
    /* Nor do they out of an archive. */
    w4_archive_result result;
    w4_buffer text = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(
        w4_evidence_get(w->nodes[1].store, first, &world_agent_of(w, "ada")->fingerprint, &text),
        0);
    ck_assert_int_eq(w4_archive_take(w->nodes[3].protocol, w4_buffer_bytes(&text), w->now, &result),
                     0);
    ck_assert_int_eq(result.outcome, W4_ARCHIVE_REFUSED);
    ck_assert_int_eq(result.code, W4_REFUSAL_BACKPRESSURE);
    ck_assert_uint_eq(w4_decisions_count(book), W4_DECISIONS_PER_AGENT);
    w4_buffer_deinit(&text);
    world_free(w);
}
END_TEST

static unsigned counted_requests;
static wire_fate count_requests(world *w, const wire_item *item) {
    (void)w;
    bool request = memmem(item->bytes, item->len, "\"MESH_FACTS\"", 12) &&
                   !memmem(item->bytes, item->len, "\"sum\"", 5);
    bool words = memmem(item->bytes, item->len, "\"MESH_VOTES\"", 12) != NULL;
    counted_requests += request || words ? 1 : 0;
    return WIRE_PASS;
}

/* Two nodes, full of what was said to all, and of what was said to one there each: they keep the
 * same newest ones of the former, and ask for nothing any more. */
START_TEST(asides_take_no_room_of_what_all_know) {
    enum { OLD = W4_DECISIONS_PER_AGENT - 2, NEW = 5 };
    char id[37];
    world *w = world_new(2, 46);
    w->shares = true;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    share(w, "ben", NULL, id);
    cut(w, 1, false);
    for (unsigned n = 0; n < 2; n++) {
        add_others(w, n, 1, OLD, false, WORLD_WALL_OFFSET_US);
        add_others(w, n, 10000 * (n + 1), W4_DECISIONS_PER_AGENT, true,
                   WORLD_WALL_OFFSET_US + w->now);
    }
    for (unsigned i = 0; i < NEW; i++) {
        share(w, "*", "again", id);
    }
    world_pass(w, 400 * W4_US_PER_S);
    cut(w, 1, true);
    world_pass(w, 20 * W4_US_PER_S);
    expect_same_books(w);
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_uint_eq(w4_decisions_count(w->nodes[n].protocol->decisions),
                          2 * W4_DECISIONS_PER_AGENT);
        ck_assert(!knows_decision(w, n, "00000003-0000-4000-8000-000000000000"));
        ck_assert(knows_decision(w, n, "00000004-0000-4000-8000-000000000000"));
    }
    w->filter = count_requests;
    counted_requests = 0;
    world_pass(w, 600 * W4_US_PER_S);
    ck_assert_uint_eq(counted_requests, 0);
    world_free(w);
}
END_TEST

/* Two halves went on without each other; one node that sees both is enough. */
START_TEST(halves_meet) {
    world *w = four(33);
    char left[37], right[37];
    for (unsigned a = 0; a < 2; a++) {
        for (unsigned b = 2; b < 4; b++) {
            world_link(w, a, b, false);
        }
    }
    propose(w, "ada", "a", NULL, left);
    say(w, "ben", "FACT_CONFIRM", left);
    propose(w, "dan", "b", NULL, right);
    say(w, "cho", "FACT_CHALLENGE", right);
    world_pass(w, 400 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 3, left), W4_FACT_STATE_COUNT);
    world_link(w, 1, 2, true);
    world_publish(w, 1);
    world_publish(w, 2);
    world_pass(w, 10 * W4_US_PER_S);
    world_expect_fact(w, left, W4_FACT_PENDING);
    world_expect_fact(w, right, W4_FACT_DISPUTED);
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* A node without memory takes all, in many lists and answers. */
START_TEST(many_facts) {
    enum { FACTS = 700 };
    world *w = world_new(2, 34);
    w->shares = true;
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    world_link(w, 0, 1, false);
    for (unsigned i = 0; i < FACTS; i++) {
        char statement[16], fact[37];
        snprintf(statement, sizeof statement, "s%u", i);
        propose(w, "ada", statement, NULL, fact);
    }
    world_pass(w, 600 * W4_US_PER_S);
    world_link(w, 0, 1, true);
    world_pass(w, 30 * W4_US_PER_S);
    ck_assert_uint_eq(w4_protocol_fact_count(w->nodes[1].protocol, W4_FACT_STATE_COUNT), FACTS);
    expect_same_books(w);
    world_free(w);
}
END_TEST

static unsigned counted_mesh;
static wire_fate count_mesh(world *w, const wire_item *item) {
    (void)w;
    counted_mesh += memmem(item->bytes, item->len, "\"MESH_FACTS\"", 12) ||
                            memmem(item->bytes, item->len, "\"MESH_VOTES\"", 12)
                        ? 1
                        : 0;
    return WIRE_PASS;
}

/* What one does not take from another he does not ask for for ever; and takes it when trust comes.
 */
START_TEST(strangers_words_wait_for_trust) {
    world *w = four(35);
    char fact[37];
    cut(w, 3, false);
    world_trust(w, 3, "ben", W4_TRUST_UNTRUSTED);
    propose(w, "ada", "a", NULL, fact);
    say(w, "ben", "FACT_CONFIRM", fact);
    say(w, "cho", "FACT_CONFIRM", fact);
    world_pass(w, 400 * W4_US_PER_S);
    cut(w, 3, true);
    world_pass(w, 20 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    w->filter = count_mesh;
    counted_mesh = 0;
    world_pass(w, 600 * W4_US_PER_S);
    /* four nodes that say a sum each 15 s or so, and nothing else */
    ck_assert_uint_le(counted_mesh, 4 * 41);
    ck_assert_uint_ge(counted_mesh, 4 * 20);
    world_trust(w, 3, "ben", W4_TRUST_TRUSTED);
    world_pass(w, 10 * W4_US_PER_S);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* What was said to one agent stays with him. */
START_TEST(private_words_are_not_passed_on) {
    world *w = four(36);
    char fact[37], open[37];
    cut(w, 3, false);
    ck_assert_int_eq(
        world_send(w, "ada", "ben", "FACT_PROPOSE",
                   "{\"dmp_trace\":{\"decision_id\":\"d-1\",\"steps\":[\"s\"]},"
                   "\"fact\":{\"confidence\":1,\"domain\":\"t\",\"statement\":\"s\"}}"),
        0);
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    w->now += 1000;
    world_settle(w);
    propose(w, "ada", "open", NULL, open);
    char payload[256];
    snprintf(payload, sizeof payload, "{\"fact_ref\":\"%s\",\"reason\":\"conflict\"}", open);
    ck_assert_int_eq(world_send(w, "ben", "ada", "FACT_CHALLENGE", payload), 0);
    world_pass(w, 400 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 1, fact), W4_FACT_PENDING);
    ck_assert_int_eq(world_fact(w, 0, open), W4_FACT_DISPUTED);
    cut(w, 3, true);
    world_pass(w, 20 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_STATE_COUNT);
    ck_assert_int_eq(world_fact(w, 3, open), W4_FACT_PENDING);
    world_free(w);
}
END_TEST

/* What comes over its own link after others have passed it on is taken and delivered as ever. */
START_TEST(late_original_is_delivered) {
    world *w = four(40);
    char fact[37];
    world_link(w, 0, 3, false);
    propose(w, "ada", "a", NULL, fact); /* kept for node 3 */
    w->now += W4_US_PER_S;
    ck_assert_int_eq(world_vote(w, "ben", "FACT_CONFIRM", fact),
                     0); /* it waits there for the fact */
    world_settle(w);
    /* Whom a node asks, and when, is chance. */
    for (int i = 0; i < 20 && world_fact(w, 3, fact) != W4_FACT_PENDING; i++)
        world_pass(w, 10 * W4_US_PER_S);
    ck_assert_int_eq(world_fact(w, 3, fact), W4_FACT_PENDING);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_DELIVER, fact, "dan"), 0);
    world_link(w, 0, 3, true);
    world_publish(w, 0);
    world_pass(w, 10 * W4_US_PER_S);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_DELIVER, fact, "dan"), 1);
    ck_assert_uint_eq(world_count(w, 3, W4_PROTOCOL_EVENT_REJECTED, NULL, NULL), 0);
    expect_same_books(w);
    world_free(w);
}
END_TEST

/* ---- a neighbour that lies */

/* The confirmation of a fact by an agent, which says another fingerprint signed it; in a list. */
static void write_forged(world *w, const char *name, const char *fact, bool good, w4_buffer *out) {
    char payload[256], id[37];
    snprintf(payload, sizeof payload,
             "{\"fact_ref\":\"%s\",\"decision\":\"reject\",\"confidence\":1}", fact);
    w4_buffer envelope = W4_BUFFER_INIT(65536);
    world_sign(w, name, NULL, W4_TYPE_CIP_FACT_REJECT, payload, id, &envelope);
    if (!good) { /* one more digit of confidence than was signed */
        uint8_t *at = memmem(envelope.data, envelope.len, "\"confidence\":1", 14);
        ck_assert_ptr_nonnull(at);
        at[13] = '0';
    }
    w4_buffer_append(out, w4_bytes_from_text("{\"done\":1,\"envelopes\":["));
    w4_buffer_append(out, w4_buffer_bytes(&envelope));
    w4_buffer_append(out, w4_bytes_from_text("],\"skip\":0}"));
    w4_buffer_append(out, w4_bytes_of("", 1));
    w4_buffer_deinit(&envelope);
}

START_TEST(forgeries_count_nothing) {
    world *w = four(37);
    char fact[37];
    propose(w, "ada", "a", NULL, fact);
    w4_buffer word = W4_BUFFER_INIT(1 << 20);
    write_forged(w, "cho", fact, true, &word);
    /* Not asked for: it is not looked at. */
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_VOTES, (char *)word.data), 0);
    world_pass(w, W4_US_PER_S);
    ck_assert_uint_eq(w4_facts_find(w->nodes[0].protocol->facts, fact)->vote_count, 0);
    for (unsigned good = 0; good < 2; good++) {
        char list[512];
        w4_buffer_clear(&word);
        write_forged(w, "cho", fact, good == 1, &word);
        /* Node 1 says that it knows more of that fact, and gives it when asked. */
        snprintf(list, sizeof list, "{\"sum\":\"%032x\"}", 100 + good);
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, list), 0);
        ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0); /* asks */
        snprintf(list, sizeof list,
                 "{\"facts\":[{\"digest\":\"%032x\",\"id\":\"%s\"}],\"last\":true,\"part\":%u}",
                 7 + good, fact, w4_exchange_part(fact));
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, list), 0);
        w->now += W4_US_PER_S;
        ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_VOTES, (char *)word.data), 0);
        ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
        ck_assert_uint_eq(w4_facts_find(w->nodes[0].protocol->facts, fact)->vote_count, good);
        world_drain(w, 0);
        world_clear_wire(w);
        world_pass(w, 60 * W4_US_PER_S);
    }
    /* The forgery is held against who brought it, not against whose name was in it. */
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_BAD_SIGNATURE), 1);
    ck_assert_int_eq(world_state_of(w, 0, "cho"), W4_TRUST_TRUSTED);
    w4_buffer_deinit(&word);
    world_free(w);
}
END_TEST

/* Who lists what is true and then gives nothing of it does not keep it from coming otherwise. */
START_TEST(silence_hides_nothing) {
    world *w = four(40);
    char fact[37], list[512], digest[W4_EXCHANGE_DIGEST_TEXT_LEN + 1];
    cut(w, 0, false);
    propose(w, "ben", "a", NULL, fact);
    say(w, "cho", "FACT_CONFIRM", fact);
    const w4_fact *there = w4_facts_find(w->nodes[2].protocol->facts, fact);
    w4_hex_format(w4_bytes_of(there->digest, sizeof there->digest), digest);
    world_link(w, 0, 1, true);
    world_clear_wire(w);
    snprintf(list, sizeof list, "{\"sum\":\"%032x\"}", 900);
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, list), 0);
    ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0); /* asks */
    snprintf(list, sizeof list,
             "{\"facts\":[{\"digest\":\"%s\",\"id\":\"%s\"}],\"last\":true,\"part\":%u}", digest,
             fact, w4_exchange_part(fact));
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, list), 0);
    w->now += W4_US_PER_S;
    ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
    ck_assert_int_eq(
        neighbour_says(w, 1, 0, W4_TYPE_MESH_VOTES, "{\"done\":1,\"envelopes\":[],\"skip\":0}"), 0);
    ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
    ck_assert_ptr_nonnull(w->nodes[0].protocol->fact_sync.tried);
    world_drain(w, 0);
    world_clear_wire(w);
    world_link(w, 0, 1, false);
    world_link(w, 0, 2, true);
    world_publish(w, 0);
    world_publish(w, 2);
    world_pass(w, 5 * W4_US_PER_S);
    ck_assert_ptr_nonnull(w4_facts_find(w->nodes[0].protocol->facts, fact));
    world_free(w);
}
END_TEST

/* One neighbour gets so many answers and no more. */
START_TEST(requests_are_counted) {
    world *w = four(38);
    char fact[37], ask[128];
    propose(w, "ada", "a", NULL, fact);
    snprintf(ask, sizeof ask, "{\"bytes\":65536,\"skip\":0,\"wanted\":[\"%s\"]}", fact);
    world_clear_logs(w);
    for (unsigned i = 0; i < 400; i++) {
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, ask), 0);
        world_drain(w, 0);
        world_clear_wire(w);
    }
    unsigned refused = world_rejected(w, 0, W4_REFUSAL_RATE_LIMITED);
    ck_assert_uint_ge(refused, 400 - W4_EXCHANGE_BURST);
    ck_assert_uint_lt(refused, 400);
    world_pass(w, 10 * W4_US_PER_S);
    ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, ask), 0);
    world_drain(w, 0);
    ck_assert_uint_eq(world_rejected(w, 0, W4_REFUSAL_RATE_LIMITED), refused);
    world_free(w);
}
END_TEST

/* Words that lead nowhere end a round. */
START_TEST(lists_must_lead_on) {
    world *w = four(39);
    static const char *const lists[] = {
        "{\"facts\":[],\"last\":false,\"part\":0}",
        "{\"facts\":[{\"digest\":\"00000000000000000000000000000001\",\"id\":\"bbbbbbbb-1111-4111-"
        "8111-111111111111\"},{\"digest\":\"00000000000000000000000000000001\",\"id\":\"aaaaaaaa-"
        "1111-4111-8111-111111111111\"}],\"last\":false,\"part\":3}",
        "{\"facts\":[],\"last\":true,\"part\":64}",
    };
    for (unsigned i = 0; i < 3; i++) {
        char sum[64];
        snprintf(sum, sizeof sum, "{\"sum\":\"%032x\"}", 500 + i);
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, sum), 0);
        ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
        for (unsigned k = 0; k < 100; k++) {
            ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, lists[i]), 0);
            w->now += W4_EXCHANGE_PAUSE_US;
            ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
        }
        world_drain(w, 0);
        world_clear_wire(w);
        world_pass(w, 60 * W4_US_PER_S);
    }
    world_free(w);
}
END_TEST

/* Sums that come one upon another do not make this node ask faster than it would in one round. */
START_TEST(rounds_are_paced) {
    world *w = four(41);
    const w4_protocol *p = w->nodes[0].protocol;
    char sum[64];
    for (unsigned i = 0; i < 2; i++) {
        snprintf(sum, sizeof sum, "{\"sum\":\"%032x\"}", 700 + i);
        ck_assert_int_eq(neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, sum), 0);
        ck_assert_uint_eq(w4_exchange_deadline(&p->fact_sync.exchange),
                          i == 0 ? w->now : w->now + W4_EXCHANGE_PAUSE_US);
        ck_assert_int_eq(w4_protocol_expire(w->nodes[0].protocol, w->now), 0);
        ck_assert_int_eq(
            neighbour_says(w, 1, 0, W4_TYPE_MESH_FACTS, "{\"facts\":[],\"last\":true,\"part\":64}"),
            0);
    }
    world_drain(w, 0);
    world_clear_wire(w);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("fact_sync");
    TCase *tcase = tcase_create("fact_sync");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, refutation_reaches_who_was_away);
    tcase_add_test(tcase, decisions_reach_who_was_away);
    tcase_add_test(tcase, decisions_go_from_node_to_node);
    tcase_add_test(tcase, decisions_wait_for_trust);
    tcase_add_test(tcase, one_id_for_several);
    tcase_add_test(tcase, newest_decisions_stay);
    tcase_add_test(tcase, old_decisions_have_no_room);
    tcase_add_test(tcase, asides_take_no_room_of_what_all_know);
    tcase_add_test(tcase, halves_meet);
    tcase_add_test(tcase, many_facts);
    tcase_add_test(tcase, strangers_words_wait_for_trust);
    tcase_add_test(tcase, private_words_are_not_passed_on);
    tcase_add_test(tcase, late_original_is_delivered);
    tcase_add_test(tcase, forgeries_count_nothing);
    tcase_add_test(tcase, silence_hides_nothing);
    tcase_add_test(tcase, requests_are_counted);
    tcase_add_test(tcase, lists_must_lead_on);
    tcase_add_test(tcase, rounds_are_paced);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

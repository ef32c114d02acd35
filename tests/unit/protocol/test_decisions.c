/* Decisions that are shared: one choice for each name of a key, what came of them, and what they
 * follow from. */
#include "protocol/evidence/evidence.h"
#include "protocol/evidence/misconduct.h"
#include "protocol/facts/causes.h"
#include "protocol/facts/decisions.h"
#include "protocol/memory/memory.h"
#include "protocol/router.h"
#include "world.h"

/* The nodes hold the keys of ada (0), ben (1) and cho (2); mal, on node 0, holds its own. */
static world *three(bool with_mal) {
    world *w = world_new(3, 71);
    w->shares = true;
    world_link_all(w);
    if (with_mal) {
        world_add_agent(w, "mal", 0, false);
    }
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "cho", 2, true);
    world_trust_all(w);
    world_pass(w, 3 * W4_US_PER_S);
    return w;
}

static const char *payload_of(const char *name, const char *choice, const char *outcome,
                              const char *back, const char *links) {
    static char text[2048];
    snprintf(text, sizeof text,
             "{\"decision\":{\"choice\":\"%s\",\"outcome\":\"%s\"},\"dmp_trace\":{\"decision_id\":"
             "\"%s\",\"steps\":[\"s\"]}%s%s%s%s%s%s}",
             choice, outcome, name, back ? ",\"retrospective\":\"" : "", back ? back : "",
             back ? "\"" : "", links ? ",\"causal_links\":[" : "", links ? links : "",
             links ? "]" : "");
    return text;
}

static void share(world *w, const char *who, const char *to, const char *payload,
                  char ret_id[static 37]) {
    ck_assert_msg(world_send(w, who, to, "DECISION_SHARE", payload) == 0, "%s %s",
                  w->refused.pointer, w->refused.text);
    memcpy(ret_id, w->receipt.msg_id, 37);
    world_settle(w);
    world_pass(w, 1000); /* time stamps differ */
}

static const w4_decision *find(world *w, unsigned n, const char *who, const char *id,
                               w4_decision_standing *ret_standing) {
    const w4_decision *found = NULL;
    bool known = w4_decisions_look(w->nodes[n].protocol->decisions, id,
                                   &world_agent_of(w, who)->fingerprint, &found, ret_standing);
    return known ? found : NULL;
}

/* The row, as it is stored. */
static const char *row_of(world *w, unsigned n, const char *id) {
    static char text[65536];
    w4_buffer row = W4_BUFFER_INIT(sizeof text - 1);
    ck_assert_int_eq(
        w4_store_get(w->nodes[n].store, W4_STORE_DECISION, w4_bytes_from_text(id), &row), 0);
    w4_text_copy(text, sizeof text, w4_buffer_bytes(&row));
    w4_buffer_deinit(&row);
    return text;
}

/* What the memory says of that one to that listener; "" when it does not tell. */
static const char *entry_of(world *w, unsigned n, const char *id, const char *listener,
                            bool retracted) {
    static char found[65536];
    w4_buffer answer = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_memory_answer told;
    w4_memory_question q = {
        .kind = W4_MEMORY_DECISION, .retracted = retracted, .limit = 100, .bytes_max = 1 << 20};
    w4_who who = {.book = w->nodes[n].trust};
    if (listener) {
        who.key = world_agent_of(w, listener)->fingerprint;
        q.listener = &who;
    }
    w4_json_writer_init(&writer, &answer);
    w4_json_begin_array(&writer);
    ck_assert_int_eq(w4_memory_ask(w->nodes[n].store, &q, &writer, &told), 0);
    w4_json_end_array(&writer);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&answer), &W4_JSON_LIMITS_FILE, NULL), 0);
    found[0] = '\0';
    w4_json_iterator i = w4_json_first(w4_json_root(&doc));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        if (w4_json_string_equal(w4_json_get(i.value, "id"), id)) {
            w4_text_copy(found, sizeof found, w4_json_text(i.value));
        }
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&answer);
    return found;
}

static void expect_words(const char *text, const char *words, bool there) {
    ck_assert_msg((strstr(text, words) != NULL) == there, "%s%s in %s", there ? "no " : "", words,
                  text);
}

/* ---- one choice */

static unsigned count_proofs(world *w, unsigned n, const char *who, const char *first,
                             const char *second) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert_int_eq(
        w4_misconduct_write(w->nodes[n].store, &world_agent_of(w, who)->fingerprint, &writer), 0);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_FILE, NULL), 0);
    unsigned count = w4_json_count(w4_json_root(&doc));
    w4_json_iterator i = w4_json_first(w4_json_root(&doc));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        ck_assert(
            w4_json_string_equal(w4_json_get(i.value, "what"), "one decision_id for two choices"));
        w4_json one = w4_json_at_pointer(i.value, w4_bytes_from_text("/first/msg_id"));
        w4_json two = w4_json_at_pointer(i.value, w4_bytes_from_text("/second/msg_id"));
        ck_assert(w4_json_string_equal(one, first) && w4_json_string_equal(two, second));
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return count;
}

START_TEST(two_choices_under_one_name) {
    world *w = three(true);
    char first[37], second[37];
    w4_decision_standing standing;
    ck_assert_int_eq(world_submit(w, "mal", NULL, W4_TYPE_CIP_DECISION_SHARE,
                                  payload_of("d-1", "east", "planned", NULL, NULL), first),
                     0);
    world_settle(w);
    /* Its own node finds it first; the others, when it goes around that one. */
    w4_buffer other = W4_BUFFER_INIT(65536);
    world_sign(w, "mal", NULL, W4_TYPE_CIP_DECISION_SHARE,
               payload_of("d-1", "west", "planned", NULL, NULL), second, &other);
    for (unsigned n = 1; n < 3; n++) {
        ck_assert_int_eq(w4_protocol_receive(w->nodes[n].protocol, &w->nodes[0].fingerprint,
                                             w4_buffer_bytes(&other), w->now),
                         0);
        world_drain(w, n);
        ck_assert_int_eq(world_state_of(w, n, "mal"), W4_TRUST_BLOCKED);
        ck_assert_uint_eq(count_proofs(w, n, "mal", first, second), 1);
        ck_assert_ptr_nonnull(find(w, n, "mal", first, &standing)); /* the first one stands */
        ck_assert_ptr_null(find(w, n, "mal", second, &standing));
        expect_words(entry_of(w, n, first, NULL, false), "east", true);
    }
    const world_agent *mal = world_agent_of(w, "mal");
    w->refused = (w4_refused){0};
    ck_assert_int_eq(w4_protocol_submit(w->nodes[0].protocol, mal->owner, w4_buffer_bytes(&other),
                                        w->now, &w->receipt, &w->refused),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BLACKLISTED);
    world_drain(w, 0);
    ck_assert_uint_eq(count_proofs(w, 0, "mal", first, second), 1);
    w4_buffer_deinit(&other);
    world_free(w);
}
END_TEST

/* An agent whose key the node holds is kept from it; the same choice may be said again, another
 * agent's decision may have the same name, and so may another decision have the same choice. */
START_TEST(what_is_no_equivocation) {
    world *w = three(false);
    char id[37];
    share(w, "ada", "*", payload_of("d-1", "east", "planned", NULL, NULL), id);
    ck_assert_int_eq(world_send(w, "ada", "*", "DECISION_SHARE",
                                payload_of("d-1", "west", "planned", NULL, NULL)),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_str_eq(w->refused.pointer, "/payload/dmp_trace/decision_id");
    share(w, "ada", "*", payload_of("d-1", "east", "arrived", "never again", NULL), id);
    share(w, "ada", "*", payload_of("d-1", "east", "planned", NULL, NULL), id);
    share(w, "ada", "*", payload_of("d-2", "west", "planned", NULL, NULL), id);
    share(w, "ben", "*", payload_of("d-1", "west", "planned", NULL, NULL), id);
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_int_eq(world_state_of(w, n, "ada"), W4_TRUST_TRUSTED);
        ck_assert_int_eq(world_state_of(w, n, "ben"), W4_TRUST_TRUSTED);
        ck_assert_uint_eq(w4_decisions_count(w->nodes[n].protocol->decisions), 5);
    }
    world_free(w);
}
END_TEST

/* ---- what came of it */

START_TEST(what_came_of_it) {
    world *w = three(false);
    char first[37], other[37], back[2][37];
    share(w, "ada", "*", payload_of("d-1", "sail at noon", "planned", NULL, NULL), first);
    share(w, "ada", "*", payload_of("d-2", "stay", "planned", NULL, NULL), other);
    share(w, "ada", "*", payload_of("d-1", "sail at noon", "arrived late", "sail at ten", NULL),
          back[0]);
    share(w, "ada", "*", payload_of("d-1", "sail at noon", "arrived late", "or at nine", NULL),
          back[1]);
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned n = 0; n < 3; n++) {
            w4_decision_standing standing;
            ck_assert_ptr_nonnull(find(w, n, "ada", first, &standing));
            ck_assert_ptr_null(standing.first);
            ck_assert_uint_eq(standing.retrospective_count, 2);
            ck_assert_str_eq(standing.retrospectives[0]->id, back[1]); /* the newest */
            ck_assert_str_eq(standing.retrospectives[1]->id, back[0]);
            ck_assert_ptr_nonnull(find(w, n, "ada", back[0], &standing));
            ck_assert_str_eq(standing.first->id, first);
            ck_assert_uint_eq(standing.retrospective_count, 0);
            ck_assert_ptr_nonnull(find(w, n, "ada", other, &standing));
            ck_assert_uint_eq(standing.retrospective_count, 0);
            const char *row = row_of(w, n, first);
            expect_words(row, back[0], true);
            expect_words(row, back[1], true);
            expect_words(row_of(w, n, back[1]), "\"retrospective\":true", true);
            const char *entry = entry_of(w, n, first, NULL, false);
            expect_words(entry, "sail at ten", true);
            expect_words(entry, "or at nine", true);
            expect_words(entry, "arrived late", true);
            entry = entry_of(w, n, back[0], NULL, false);
            expect_words(entry, "\"retrospective_of\"", true);
            expect_words(entry, first, true);
        }
        for (unsigned n = 0; n < 3; n++) {
            world_reborn(w, n);
        }
    }
    world_free(w);
}
END_TEST

/* What was said to one agent is not told to another; its author knows it. */
START_TEST(said_to_one_only) {
    world *w = three(false);
    char first[37], back[37];
    world_add_agent(w, "dan", 1, true);
    world_trust_all(w);
    share(w, "ada", "*", payload_of("d-1", "sail", "planned", NULL, NULL), first);
    share(w, "ada", "ben", payload_of("d-1", "sail", "sunk", "a secret", NULL), back);
    expect_words(entry_of(w, 1, first, NULL, false), "a secret", true);
    expect_words(entry_of(w, 1, first, "ben", false), "a secret", true);
    expect_words(entry_of(w, 1, first, "dan", false), "a secret", false);
    expect_words(entry_of(w, 1, first, "dan", false), "\"retrospectives\":[]", true);
    expect_words(entry_of(w, 1, first, "dan", false), "sail", true);
    expect_words(entry_of(w, 0, first, "ada", false), "a secret", true);
    world_free(w);
}
END_TEST

/* The book alone: an older word that comes late is the first then, the list is bounded, and what is
 * forgotten leaves the rest in order. */
static w4_fingerprint somebody(void) {
    w4_fingerprint f;
    memset(f.bytes, 7, sizeof f.bytes);
    return f;
}

static void put(w4_decisions *book, unsigned number, uint64_t at_us, bool retrospective) {
    w4_decision d = {.agent = somebody(),
                     .agent_id = "ada",
                     .decision_id = "d",
                     .choice = {1},
                     .retrospective = retrospective,
                     .shared_us = WORLD_WALL_OFFSET_US + at_us * 1000,
                     .taken_us = WORLD_WALL_OFFSET_US + number};
    snprintf(d.id, sizeof d.id, "%08x-0000-4000-8000-000000000000", number);
    ck_assert_int_eq(w4_decisions_add(book, &d, w4_bytes_from_text("{}")), 0);
}

static void expect_first(w4_decisions *book, unsigned number, unsigned newest, unsigned count) {
    char id[37];
    w4_fingerprint who = somebody();
    const w4_decision *found;
    w4_decision_standing standing;
    snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", number);
    ck_assert(w4_decisions_look(book, id, &who, &found, &standing));
    ck_assert_ptr_null(standing.first);
    ck_assert_uint_eq(standing.retrospective_count, count);
    if (count > 0) {
        snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", newest);
        ck_assert_str_eq(standing.retrospectives[0]->id, id);
    }
}

START_TEST(order_and_bounds) {
    w4_store *store;
    w4_decisions *book;
    const w4_fingerprint who = somebody();
    const uint8_t same[W4_DECISION_CHOICE_LEN] = {1}, another[W4_DECISION_CHOICE_LEN] = {2};
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_decisions_new(store, &book), 0);
    put(book, 2, 200, true);
    expect_first(book, 2, 0, 0);
    put(book, 1, 100, false); /* came late */
    expect_first(book, 1, 2, 1);
    put(book, 3, 300, true);
    put(book, 4, 250, true);
    expect_first(book, 1, 3, 3);
    for (unsigned turn = 0; turn < 2; turn++) {
        ck_assert_ptr_null(w4_decisions_other_choice(book, &who, "d", same));
        ck_assert_ptr_null(w4_decisions_other_choice(book, &who, "e", another));
        ck_assert_str_eq(w4_decisions_other_choice(book, &who, "d", another),
                         "00000001-0000-4000-8000-000000000000");
        ck_assert_int_eq(w4_decisions_save(book), 0);
        w4_decisions_free(book);
        ck_assert_int_eq(w4_decisions_new(store, &book), 0);
        expect_first(book, 1, 3, 3);
    }
    for (unsigned i = 5; i <= W4_DECISIONS_PER_AGENT; i++) {
        put(book, i, 1000 + i, true);
    }
    expect_first(book, 1, W4_DECISIONS_PER_AGENT, W4_DECISION_RETROSPECTIVES_MAX);
    put(book, 5000, 5000, true); /* the first go as they were said, however they came: 1, 2, 4 */
    put(book, 5001, 5001, true);
    put(book, 5002, 5002, true);
    expect_first(book, 3, 5002, W4_DECISION_RETROSPECTIVES_MAX);
    ck_assert_int_eq(w4_decisions_save(book), 0);
    w4_buffer row = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_store_get(store, W4_STORE_DECISION,
                                  w4_bytes_from_text("00000003-0000-4000-8000-000000000000"), &row),
                     0);
    expect_words(w4_buffer_text(&row), "0000138a-0000-4000-8000-000000000000", true);
    w4_buffer_deinit(&row);
    w4_decisions_free(book);
    w4_store_free(store);
}
END_TEST

/* A row of an earlier version does not say what was chosen: its envelope does. */
START_TEST(rows_of_earlier_versions) {
    world *w = three(false);
    char first[37], back[37], agent[W4_FINGERPRINT_TEXT_LEN + 1], row[1024];
    w4_decision_standing standing;
    share(w, "ada", "*", payload_of("d-1", "east", "planned", NULL, NULL), first);
    share(w, "ada", "*", payload_of("d-1", "east", "arrived", "too far", NULL), back);
    const char *const ids[] = {first, back};
    w4_fingerprint_format(&world_agent_of(w, "ada")->fingerprint, agent);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(row, sizeof row,
                 "{\"agent\":\"%s\",\"agent_id\":\"ada\",\"decision_id\":\"d-1\",\"shared_at\":"
                 "\"2026-11-20T10:00:0%u.000Z\",\"taken_at\":\"2026-11-20T10:00:0%u.000Z\"}",
                 agent, i, i);
        ck_assert_int_eq(w4_store_put(w->nodes[0].store, W4_STORE_DECISION,
                                      w4_bytes_from_text(ids[i]), w4_bytes_from_text(row)),
                         0);
    }
    ck_assert_int_eq(w4_store_commit(w->nodes[0].store), 0);
    world_reborn(w, 0);
    ck_assert_ptr_nonnull(find(w, 0, "ada", first, &standing));
    ck_assert_uint_eq(standing.retrospective_count, 1);
    ck_assert_int_eq(world_send(w, "ada", "*", "DECISION_SHARE",
                                payload_of("d-1", "west", "planned", NULL, NULL)),
                     1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    world_pass(w, W4_US_PER_S);
    share(w, "ada", "*", payload_of("d-9", "x", "y", NULL, NULL), back);
    expect_words(row_of(w, 0, first), "\"choice\"", true); /* written anew */
    world_free(w);
}
END_TEST

/* ---- what it follows from */

static void vote(world *w, const char *who, const char *type, const char *fact) {
    ck_assert_int_eq(world_vote(w, who, type, fact), 0);
    world_settle(w);
}

static void propose(world *w, const char *statement, const char *name, const char *cause,
                    char ret_id[static 37]) {
    char links[48] = "";
    if (cause) {
        snprintf(links, sizeof links, "\"%s\"", cause);
    }
    ck_assert_int_eq(world_propose(w, "ada", statement, name, links), 0);
    memcpy(ret_id, w->receipt.msg_id, 37);
    world_settle(w);
    vote(w, "ben", "FACT_CONFIRM", ret_id);
    vote(w, "cho", "FACT_CONFIRM", ret_id);
}

static void expect_support(world *w, const char *decision, const char *who, bool has) {
    for (unsigned n = 0; n < w->count; n++) {
        w4_decision_standing standing;
        ck_assert_ptr_nonnull(find(w, n, who, decision, &standing));
        ck_assert(standing.unsupported == !has);
        expect_words(row_of(w, n, decision), "\"unsupported\":true", !has);
        ck_assert(entry_of(w, n, decision, NULL, false)[0] == (has ? '{' : '\0'));
        expect_words(entry_of(w, n, decision, NULL, true), "\"unsupported\":true", !has);
    }
}

/* A fact falls: the decision that follows from it, the decision that follows from that one, and the
 * fact behind them are without support; and with it again, when the fact is accepted again. */
START_TEST(marks_reach_decisions) {
    world *w = three(false);
    char fact[37], one[37], two[37], behind[37], links[48];
    propose(w, "the bridge is open", "f-1", NULL, fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    snprintf(links, sizeof links, "\"%s\"", fact);
    share(w, "ben", "*", payload_of("d-1", "go over it", "planned", NULL, links), one);
    snprintf(links, sizeof links, "\"%s\"", one);
    share(w, "cho", "*", payload_of("d-2", "go with ben", "planned", NULL, links), two);
    propose(w, "both are late", "f-2", two, behind);
    world_expect_fact(w, behind, W4_FACT_ACCEPTED);
    expect_support(w, one, "ben", true);
    expect_support(w, two, "cho", true);
    vote(w, "ben", "FACT_REJECT", fact);
    vote(w, "cho", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_REFUTED);
    for (unsigned turn = 0; turn < 2; turn++) {
        expect_support(w, one, "ben", false);
        expect_support(w, two, "cho", false);
        for (unsigned n = 0; n < w->count; n++) {
            const w4_fact *effect = w4_facts_find(w->nodes[n].protocol->facts, behind);
            uint32_t steps = 0;
            ck_assert(effect->unsupported);
            const w4_fact *by =
                w4_facts_unsupported_by(w->nodes[n].protocol->facts, effect, &steps);
            ck_assert_str_eq(by->id, fact);
            ck_assert_uint_eq(steps, 3);
        }
        for (unsigned n = 0; n < w->count; n++) {
            world_reborn(w, n);
        }
    }
    world_pass(w, W4_US_PER_S);
    world_trust_all(w); /* the refutation has put ada on probation */
    vote(w, "ben", "FACT_CONFIRM", fact);
    vote(w, "cho", "FACT_CONFIRM", fact);
    world_expect_fact(w, fact, W4_FACT_ACCEPTED);
    expect_support(w, one, "ben", true);
    expect_support(w, two, "cho", true);
    ck_assert(!w4_facts_find(w->nodes[0].protocol->facts, behind)->unsupported);
    world_free(w);
}
END_TEST

/* A decision may be shared before what it follows from is known here. */
START_TEST(causes_that_come_later) {
    world *w = three(false);
    char fact[37], decision[37], links[48];
    ck_assert_int_eq(world_propose(w, "ada", "it rains", "f-1", NULL), 0);
    memcpy(fact, w->receipt.msg_id, sizeof fact);
    world_settle(w);
    vote(w, "ben", "FACT_REJECT", fact);
    vote(w, "cho", "FACT_REJECT", fact);
    world_expect_fact(w, fact, W4_FACT_REJECTED);
    snprintf(links, sizeof links, "\"%s\"", fact);
    share(w, "ben", "*", payload_of("d-1", "take a coat", "dry", NULL, links), decision);
    expect_support(w, decision, "ben", false);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decisions");
    TCase *tcase = tcase_create("decisions");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, two_choices_under_one_name);
    tcase_add_test(tcase, what_is_no_equivocation);
    tcase_add_test(tcase, what_came_of_it);
    tcase_add_test(tcase, said_to_one_only);
    tcase_add_test(tcase, order_and_bounds);
    tcase_add_test(tcase, rows_of_earlier_versions);
    tcase_add_test(tcase, marks_reach_decisions);
    tcase_add_test(tcase, causes_that_come_later);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

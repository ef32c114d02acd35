/* What follows from something that was rejected or refuted is marked, however many steps away it
 * is, and is no longer when that is accepted again. */
#include "protocol/facts/causes.h"
#include "protocol/facts/fact.h"
#include "world.h"

static world *four(void) {
    static const char *const names[] = {"ada", "ben", "cho", "dan"};
    world *w = world_new(4, 21);
    world_link_all(w);
    for (unsigned n = 0; n < 4; n++) {
        world_add_agent(w, names[n], n, true);
    }
    world_trust_all(w);
    return w;
}

/* A fact that follows from the others named; accepted everywhere. */
static void accept_after(world *w, const char *name, const char *const *causes, unsigned count,
                         char ret_fact[static 37]) {
    char links[256] = "";
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(links);
        snprintf(links + len, sizeof links - len, "%s\"%s\"", i > 0 ? "," : "", causes[i]);
    }
    ck_assert_int_eq(world_propose(w, "ada", name, name, links), 0);
    memcpy(ret_fact, w->receipt.msg_id, 37);
    w->now += 1000;
    world_settle(w);
    static const char *const voters[] = {"ben", "cho"};
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(world_vote(w, voters[i], "FACT_CONFIRM", ret_fact), 0);
        w->now += 1000;
        world_settle(w);
    }
    world_expect_fact(w, ret_fact, W4_FACT_ACCEPTED);
}

static void say(world *w, const char *name, const char *type, const char *fact) {
    ck_assert_int_eq(world_vote(w, name, type, fact), 0);
    w->now += 1000;
    world_settle(w);
}

/* A member of a fact as node n shows it. */
static w4_json show(world *w, unsigned n, const char *id, bool why) {
    w4_buffer text = W4_BUFFER_INIT(1 << 20);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    ck_assert(why ? w4_protocol_fact_why(w->nodes[n].protocol, id, &writer)
                  : w4_protocol_fact_write(w->nodes[n].protocol, id, &writer));
    ck_assert_int_eq(writer.error, 0);
    ck_assert_int_eq(w4_json_read(&w->doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_buffer_deinit(&text);
    return w4_json_root(&w->doc);
}

static bool is_marked(world *w, unsigned n, const char *id) {
    return w4_json_is_true(w4_json_get(show(w, n, id, false), "unsupported"));
}

static void expect_marks(world *w, const char *id, bool marked) {
    for (unsigned n = 0; n < w->count; n++) {
        ck_assert_msg(is_marked(w, n, id) == marked, "node %u: %s", n, id);
    }
}

/* The words of facts.why about support. */
static void expect_why(world *w, unsigned n, const char *id, const char *words) {
    w4_json list = show(w, n, id, true);
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (w4_json_string_equal(w4_json_get(i.value, "condition"), "support")) {
            char why[256];
            ck_assert(w4_json_string_copy(w4_json_get(i.value, "why"), why, sizeof why));
            ck_assert_msg(strstr(why, words) != NULL, "%s", why);
            return;
        }
    }
    ck_abort_msg("no word of support");
}

START_TEST(marks_go_along_all_steps) {
    world *w = four();
    char a[37], b[37], c[37], d[37], other[37];
    accept_after(w, "a", NULL, 0, a);
    accept_after(w, "other", NULL, 0, other);
    accept_after(w, "b", (const char *const[]){a}, 1, b);
    accept_after(w, "c", (const char *const[]){b, other}, 2, c);
    accept_after(w, "d", (const char *const[]){c}, 1, d);
    expect_marks(w, d, false);
    world_clear_logs(w);
    say(w, "ben", "FACT_REJECT", a);
    say(w, "dan", "FACT_REJECT", a);
    world_expect_fact(w, a, W4_FACT_REFUTED);
    expect_marks(w, a, false); /* it follows from nothing */
    expect_marks(w, other, false);
    const char *const marked[] = {b, c, d};
    for (unsigned i = 0; i < 3; i++) {
        expect_marks(w, marked[i], true);
        world_expect_fact(w, marked[i], W4_FACT_ACCEPTED); /* what the votes make it */
        for (unsigned n = 0; n < w->count; n++) {
            ck_assert_uint_eq(world_count(w, n, W4_PROTOCOL_EVENT_FACT, marked[i], NULL), 1);
        }
    }
    char words[80];
    snprintf(words, sizeof words, "over 3 steps, from %s, which was refuted", a);
    expect_why(w, 2, d, words);
    expect_why(w, 2, other, "nothing it follows from");
    say(w, "ben", "FACT_CONFIRM", a); /* he thinks better of it */
    world_expect_fact(w, a, W4_FACT_ACCEPTED);
    for (unsigned i = 0; i < 3; i++) {
        expect_marks(w, marked[i], false);
    }
    world_free(w);
}
END_TEST

/* Two causes have fallen: one of them being accepted again is not enough. */
START_TEST(mark_stays_while_one_is_down) {
    world *w = four();
    char a[37], b[37], c[37], d[37];
    accept_after(w, "a", NULL, 0, a);
    accept_after(w, "b", NULL, 0, b);
    accept_after(w, "c", (const char *const[]){a, b}, 2, c);
    accept_after(w, "d", (const char *const[]){c}, 1, d);
    const char *const fallen[] = {a, b};
    for (unsigned i = 0; i < 2; i++) {
        say(w, "ben", "FACT_REJECT", fallen[i]);
        say(w, "dan", "FACT_REJECT", fallen[i]);
    }
    expect_marks(w, d, true);
    say(w, "ben", "FACT_CONFIRM", a);
    expect_marks(w, c, true);
    expect_marks(w, d, true);
    say(w, "dan", "FACT_CONFIRM", b);
    expect_marks(w, c, false);
    expect_marks(w, d, false);
    world_free(w);
}
END_TEST

START_TEST(marks_survive_a_restart) {
    world *w = four();
    char a[37], b[37], c[37];
    accept_after(w, "a", NULL, 0, a);
    accept_after(w, "b", (const char *const[]){a}, 1, b);
    accept_after(w, "c", (const char *const[]){b}, 1, c);
    say(w, "ben", "FACT_REJECT", a);
    say(w, "dan", "FACT_REJECT", a);
    expect_marks(w, c, true);
    world_reborn(w, 2);
    ck_assert(is_marked(w, 2, c));
    ck_assert_int_eq(world_fact(w, 2, a), W4_FACT_REFUTED);
    world_free(w);
}
END_TEST

/* ---- the book alone */

static w4_fact *add(w4_facts *book, unsigned number, const unsigned *causes, unsigned count) {
    char id[37], name[16];
    snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", number);
    snprintf(name, sizeof name, "d-%u", number);
    w4_fact *fact = w4_fact_new(id, "ada", name, count);
    ck_assert_ptr_nonnull(fact);
    for (unsigned i = 0; i < count; i++) {
        snprintf(fact->links[i], sizeof fact->links[i], "%08x-0000-4000-8000-000000000000",
                 causes[i]);
    }
    ck_assert_int_eq(w4_facts_add(book, fact), 0);
    return fact;
}

/* As the judging does it; what it has cost. */
static uint64_t run(w4_facts *book) {
    uint64_t steps = 0;
    w4_fact *fact;
    w4_facts_take_steps(book);
    while ((fact = w4_facts_next_queued(book)) != NULL) {
        bool marked = w4_facts_lacks_support(book, fact);
        if (marked != fact->unsupported) {
            fact->unsupported = marked;
            w4_facts_queue_effects(book, fact->id);
        }
        steps += w4_facts_take_steps(book);
    }
    return steps;
}

static void turn(w4_facts *book, w4_fact *fact, w4_fact_state state) {
    w4_facts_set_state(book, fact, state);
    w4_facts_queue_effects(book, fact->id);
}

/* Facts that follow from each other must not hold up each other's marks. */
START_TEST(circle_does_not_hold_itself_up) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    w4_store *store;
    w4_decisions *decisions;
    w4_facts *book;
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    ck_assert_int_eq(w4_facts_new(decisions, &book), 0);
    w4_fact *root = add(book, 0, NULL, 0);
    w4_fact *first = add(book, 1, (const unsigned[]){0, 2}, 2);
    w4_fact *second = add(book, 2, (const unsigned[]){1}, 1);
    run(book);
    turn(book, root, W4_FACT_REFUTED);
    run(book);
    ck_assert(first->unsupported && second->unsupported);
    turn(book, root, W4_FACT_ACCEPTED);
    run(book);
    ck_assert(!first->unsupported && !second->unsupported);
    /* What is gone can't be accepted again. */
    turn(book, root, W4_FACT_REFUTED);
    run(book);
    w4_facts_queue_effects(book, root->id);
    w4_facts_remove(book, root);
    run(book);
    ck_assert(first->unsupported && second->unsupported);
    w4_facts_free(book);
    w4_decisions_free(decisions);
    w4_store_free(store);
}
END_TEST

/* A chain as long as the book: the cost grows with it, no faster. */
START_TEST(long_chains_cost_little) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    enum { LENGTH = 9000 };
    w4_store *store;
    w4_decisions *decisions;
    w4_facts *book;
    ck_assert_int_eq(w4_store_memory_new(&store), 0);
    ck_assert_int_eq(w4_decisions_new(store, &decisions), 0);
    ck_assert_int_eq(w4_facts_new(decisions, &book), 0);
    w4_fact *root = add(book, 0, NULL, 0), *last = root;
    for (unsigned i = 1; i < LENGTH; i++) {
        last = add(book, i, (const unsigned[]){i - 1}, 1);
    }
    run(book);
    turn(book, root, W4_FACT_REFUTED);
    ck_assert_uint_le(run(book), 4 * LENGTH);
    ck_assert(last->unsupported);
    turn(book, root, W4_FACT_ACCEPTED);
    ck_assert_uint_le(run(book), 4 * LENGTH);
    ck_assert(!last->unsupported);
    uint32_t steps = 0;
    turn(book, root, W4_FACT_REFUTED);
    ck_assert_ptr_eq(w4_facts_unsupported_by(book, last, &steps), NULL); /* further than it looks */
    ck_assert_ptr_eq(w4_facts_unsupported_by(book, w4_facts_at(book, 100), &steps), root);
    ck_assert_uint_eq(steps, 100);
    w4_facts_free(book);
    w4_decisions_free(decisions);
    w4_store_free(store);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("support");
    TCase *tcase = tcase_create("support");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, marks_go_along_all_steps);
    tcase_add_test(tcase, mark_stays_while_one_is_down);
    tcase_add_test(tcase, marks_survive_a_restart);
    tcase_add_test(tcase, circle_does_not_hold_itself_up);
    tcase_add_test(tcase, long_chains_cost_little);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

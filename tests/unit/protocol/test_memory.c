#include "memory_steps.h"

static bool has_envelope(unsigned number, uint8_t author) {
    w4_fingerprint who = agent(author);
    w4_buffer envelope = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    int r = w4_evidence_get(store, id_of(number), &who, &envelope);
    w4_buffer_deinit(&envelope);
    return r == 0;
}

static w4_memory_question by_text(const char *words) {
    w4_memory_question q = any_question();
    q.by_text = true;
    ck_assert_int_eq(w4_words_query_parse(text(words), &q.text), 0);
    return q;
}

START_TEST(an_entry) {
    w4_fact *fact = make_fact(3, 'a',
                              "{\"payload\":{\"fact\":{\"context\":\"c\",\"domain\":\"physics\","
                              "\"statement\":\"Water \\\"boils\\\"\"}}}",
                              (const unsigned[]){1, 2, 0});
    fact->accepted_us = 0;
    fact->state = W4_FACT_PENDING;
    note(W4_MEMORY_FACT, fact);
    w4_memory_question q = any_question();
    q.retracted = true;
    expect(&q, "", "not accepted yet");

    fact->accepted_us = START;
    fact->state = W4_FACT_ACCEPTED;
    w4_vote_effect effect;
    w4_ballot ballot = {.agent = agent('b'),
                        .agent_id = "ben",
                        .stance = W4_STANCE_CONFIRM,
                        .spoken = {.at_us = START - 1000000, .taken_us = START}};
    memcpy(ballot.spoken.msg_id, id_of(9), W4_UUID_LEN + 1);
    ck_assert_int_eq(w4_fact_vote(fact, &ballot, NULL, NULL, &effect), 0);
    note(W4_MEMORY_FACT, fact);
    note(W4_MEMORY_FACT, fact);
    expect(&q, "3 ", "once");
    char should[2048], a[65], b[65];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    for (size_t i = 0; i < 32; i++) {
        memcpy(a + 2 * i, "61", 2);
        memcpy(b + 2 * i, "62", 2);
    }
    (void)snprintf(
        should, sizeof should,
        "[{\"accepted_at\":\"2023-11-14T22:13:20.000Z\",\"agent_id\":\"ada\","
        "\"author\":\"%s\",\"causes\":[\"%s\",\"%s\"],\"confirmed_by\":[{\"agent\":\"%s\","
        "\"agent_id\":\"ben\",\"at\":\"2023-11-14T22:13:19.000Z\",\"msg_id\":\"%s\"}],"
        "\"domain\":\"physics\",\"id\":\"%s\",\"kind\":\"fact\","
        "\"said_at\":\"2023-11-17T22:13:15.000Z\",\"state\":\"accepted\","
        "\"text\":\"Water \\\"boils\\\"\",\"unsupported\":false,"
        "\"updated_at\":\"2023-11-17T22:13:20.000Z\"}]",
        a, id_of(1), id_of(2), b, id_of(9), id_of(3));
    ck_assert_str_eq(w4_buffer_text(&answer), should);
    w4_fact_free(fact);
}
END_TEST

/* What becomes of a fact becomes of its entry; what no longer stands is given to those who ask for
 * it. */
START_TEST(what_no_longer_stands) {
    static const struct {
        w4_fact_state state;
        bool unsupported, stands;
    } rows[] = {
        {W4_FACT_ACCEPTED, false, true}, {W4_FACT_DISPUTED, false, false},
        {W4_FACT_ACCEPTED, false, true}, {W4_FACT_ACCEPTED, true, false},
        {W4_FACT_ACCEPTED, false, true}, {W4_FACT_REJECTED, false, false},
        {W4_FACT_REFUTED, false, false}, {W4_FACT_REFUTED, true, false},
        {W4_FACT_PENDING, false, false},
    };
    w4_fact *fact = make_fact(1, 'a', "{\"payload\":{\"fact\":{\"statement\":\"water\"}}}", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fact->state = rows[i].state;
        fact->unsupported = rows[i].unsupported;
        note(W4_MEMORY_FACT, fact);
        w4_memory_question q = by_text("water");
        expect(&q, rows[i].stands ? "1 " : "", w4_fact_state_name(rows[i].state));
        q.retracted = true;
        expect(&q, "1 ", "retracted ones too");
        ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), w4_fact_state_name(rows[i].state)));
        ck_assert(!strstr(w4_buffer_text(&answer), "\"unsupported\":true") != rows[i].unsupported);
    }
    w4_fact_free(fact);
}
END_TEST

static void fill(void) {
    remember(1, 'a', "physics", "Water boils at 100 degrees", NULL);
    remember(2, 'b', "physics", "Steam drives engines", (const unsigned[]){1, 0});
    remember(3, 'a', "history", "Engines changed the world", (const unsigned[]){2, 0});
    w4_fact *claim =
        make_fact(4, 'c',
                  "{\"payload\":{\"claims\":[\"Mills ran on water\",{\"place\":\"Kent\","
                  "\"year\":1700}],\"extraction_notes\":\"page two\"},"
                  "\"source\":{\"uri\":\"https://example.org/mills\"}}",
                  NULL);
    note(W4_MEMORY_CLAIM, claim);
    w4_fact_free(claim);
    w4_decision decision = {.agent = agent('a'),
                            .agent_id = "ada",
                            .decision_id = "d",
                            .shared_us = START + 5 * DAY,
                            .taken_us = START + 5 * DAY};
    memcpy(decision.id, id_of(5), W4_UUID_LEN + 1);
    ck_assert_int_eq(w4_memory_note_decision(
                         store, &decision, NULL,
                         text("{\"payload\":{\"decision\":{\"choice\":\"Build a mill\",\"context\":"
                              "\"a river\",\"outcome\":\"flour\"},"
                              "\"retrospective\":\"next time a windmill\"}}")),
                     0);
    remember(6, 'b', "history", "Factories grew", (const unsigned[]){3, 5, 0});
}

static const struct {
    const char *words, *domain, *should;
    unsigned cause, effect, after, before; /* days */
    w4_memory_kind kind;
    uint8_t author;
} asked[] = {
    {NULL, NULL, "1 2 3 4 5 6 ", 0, 0, 0, 0, ANY, 0},
    {"water", NULL, "1 4 ", 0, 0, 0, 0, ANY, 0},
    {"WATER boil*", NULL, "1 ", 0, 0, 0, 0, ANY, 0},
    {"engines", NULL, "2 3 ", 0, 0, 0, 0, ANY, 0},
    {"\"changed the\"", NULL, "3 ", 0, 0, 0, 0, ANY, 0},
    {"beside", NULL, "1 2 3 6 ", 0, 0, 0, 0, ANY, 0},
    {"physics", NULL, "1 2 ", 0, 0, 0, 0, ANY, 0},
    {"mill*", NULL, "4 5 ", 0, 0, 0, 0, ANY, 0},
    {"kent", NULL, "4 ", 0, 0, 0, 0, ANY, 0},
    {"example org", NULL, "4 ", 0, 0, 0, 0, ANY, 0},
    {"page", NULL, "4 ", 0, 0, 0, 0, ANY, 0},
    {"river flour", NULL, "5 ", 0, 0, 0, 0, ANY, 0},
    {"windmill", NULL, "5 ", 0, 0, 0, 0, ANY, 0},
    {"nothing of that", NULL, "", 0, 0, 0, 0, ANY, 0},
    {NULL, "physics", "1 2 ", 0, 0, 0, 0, ANY, 0},
    {NULL, "Physics", "", 0, 0, 0, 0, ANY, 0},
    {NULL, "phys", "", 0, 0, 0, 0, ANY, 0},
    {NULL, NULL, "1 2 3 6 ", 0, 0, 0, 0, W4_MEMORY_FACT, 0},
    {NULL, NULL, "4 ", 0, 0, 0, 0, W4_MEMORY_CLAIM, 0},
    {NULL, NULL, "5 ", 0, 0, 0, 0, W4_MEMORY_DECISION, 0},
    {NULL, NULL, "1 3 5 ", 0, 0, 0, 0, ANY, 'a'},
    {NULL, NULL, "", 0, 0, 0, 0, ANY, 'z'},
    {NULL, NULL, "3 4 5 6 ", 0, 0, 3, 0, ANY, 0},
    {NULL, NULL, "1 2 ", 0, 0, 0, 3, ANY, 0},
    {NULL, NULL, "3 4 ", 0, 0, 3, 5, ANY, 0},
    {NULL, NULL, "", 0, 0, 5, 3, ANY, 0},
    {NULL, NULL, "2 ", 1, 0, 0, 0, ANY, 0},
    {NULL, NULL, "6 ", 5, 0, 0, 0, ANY, 0},
    {NULL, NULL, "", 6, 0, 0, 0, ANY, 0},
    {NULL, NULL, "", 99, 0, 0, 0, ANY, 0},
    {NULL, NULL, "1 ", 0, 2, 0, 0, ANY, 0},
    {NULL, NULL, "3 5 ", 0, 6, 0, 0, ANY, 0},
    {NULL, NULL, "", 0, 1, 0, 0, ANY, 0},
    {NULL, NULL, "", 0, 99, 0, 0, ANY, 0},
    {NULL, NULL, "3 ", 2, 6, 0, 0, ANY, 0},
    {NULL, NULL, "", 1, 6, 0, 0, ANY, 0},
    {"engines", "history", "3 ", 0, 0, 0, 0, ANY, 0},
    {"engines", NULL, "2 ", 0, 0, 0, 0, ANY, 'b'},
    {"engines", NULL, "2 ", 1, 0, 0, 0, ANY, 0},
    {"world", NULL, "3 ", 0, 6, 0, 0, W4_MEMORY_FACT, 0},
    {"water", NULL, "", 0, 6, 0, 0, ANY, 0},
    {"water", "physics", "1 ", 0, 0, 1, 2, W4_MEMORY_FACT, 'a'},
};

START_TEST(questions) {
    fill();
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
            char what[32], cause[37], effect[37];
            w4_who author = {.key = agent(asked[i].author)};
            w4_memory_question q = asked[i].words ? by_text(asked[i].words) : any_question();
            memcpy(cause, id_of(asked[i].cause), sizeof cause);
            memcpy(effect, id_of(asked[i].effect), sizeof effect);
            q.kind = asked[i].kind;
            q.domain = asked[i].domain;
            q.author = asked[i].author ? &author : NULL;
            q.cause = asked[i].cause ? cause : NULL;
            q.effect = asked[i].effect ? effect : NULL;
            q.after_us = asked[i].after ? START + asked[i].after * DAY : 0;
            q.before_us = asked[i].before ? START + asked[i].before * DAY : 0;
            (void)snprintf(what, sizeof what, "row %zu", i);
            expect(&q, asked[i].should, what);

            /* One by one it is the same. */
            char numbers[256], all[256] = "";
            q.limit = 1;
            do {
                q.next = ask(&q);
                numbers_of_answer(numbers, sizeof numbers);
                strcat(all, numbers);
            } while (q.next != 0);
            ck_assert_msg(strcmp(all, asked[i].should) == 0, "%s, one by one: %s", what, all);
        }
        ck_assert_int_eq(w4_store_commit(store), 0);
    }
}
END_TEST

/* Ids are compared, never looked into: of another length they are those of nobody. */
START_TEST(ids_that_are_none) {
    static const char *const ids[] = {"", "0", "00000000-0000-4000-8000-0000000000011", "%", "*"};
    fill();
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        w4_memory_question q = any_question();
        q.cause = ids[i];
        expect(&q, "", "cause");
        q.cause = NULL;
        q.effect = ids[i];
        expect(&q, "", "effect");
    }
    w4_memory_question none = any_question();
    none.limit = 0;
    expect(&none, "", "no limit");
}
END_TEST

/* What is an order to a search engine is a text here. */
START_TEST(hostile_words) {
    static const char *const words[] = {
        "water OR engines",
        "water AND boils",
        "NOT engines",
        "NEAR(water boils, 2)",
        "text : water",
        "{text} : water",
        "^water",
        "water + boils",
        "\"water\" OR \"engines",
        "water'; DROP TABLE memory; --",
        "water\" OR 1 --",
        "-water",
        "(water",
        "water)",
        "memory_words MATCH water",
        "rowid:1",
        "water\\",
        "\xf0\x9f\x9a\x80",
        "a\x01water",
    };
    static const char *const should[] = {"", "",     "",     "",     "", "", "1 4 ", "1 ", "", "",
                                         "", "1 4 ", "1 4 ", "1 4 ", "", "", "1 4 ", "",   ""};
    fill();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        w4_memory_question q = by_text(words[i]);
        expect(&q, should[i], words[i]);
    }
    w4_memory_question q = any_question();
    expect(&q, "1 2 3 4 5 6 ", "all is there");
}
END_TEST

START_TEST(long_and_odd_texts) {
    static char envelope[64 * 1024];
    size_t at =
        (size_t)snprintf(envelope, sizeof envelope, "{\"payload\":{\"fact\":{\"statement\":\"");
    for (unsigned i = 0; at < 40000; i++) {
        at += (size_t)snprintf(envelope + at, sizeof envelope - at, "word%u \xc3\xa9 ", i);
    }
    (void)snprintf(envelope + at, sizeof envelope - at, "\"}}}");
    w4_fact *fact = make_fact(1, 'a', envelope, NULL);
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
    w4_memory_question q = by_text("word3000");
    expect(&q, "1 ", "all of it is found");
    ck_assert_uint_lt(answer.len, W4_MEMORY_TEXT_MAX + 1024);
    ck_assert(w4_utf8_valid(w4_buffer_bytes(&answer)));

    /* What is no text, and an envelope that is not there: nothing, or an entry without words. */
    fact = make_fact(2, 'a', "{\"payload\":{\"fact\":{\"domain\":7,\"statement\":[null,true,4]}}}",
                     NULL);
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
    fact = make_fact(3, 'a', "not JSON", NULL);
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
    fact = make_fact(4, 'a', "{}", NULL);
    fact->proposer = agent('b');
    note(W4_MEMORY_FACT, fact);
    w4_fact_free(fact);
    q = any_question();
    expect(&q, "1 2 ", "entries");
}
END_TEST

static void expect_held(unsigned number, bool should) {
    bool holds = !should;
    w4_fingerprint who = agent('a');
    ck_assert_int_eq(w4_memory_holds(store, W4_MEMORY_FACT, id_of(number), &who, &holds), 0);
    ck_assert_msg(holds == should, "%u", number);
}

/* The oldest goes with all its rows; its envelopes too, unless the book still has it. */
START_TEST(the_oldest_goes) {
    remember(1, 'a', "physics", "first", (const unsigned[]){9, 0});
    remember(2, 'a', "physics", "second", (const unsigned[]){9, 0});
    remember(3, 'a', "physics", "third", (const unsigned[]){9, 0});
    ck_assert_int_eq(w4_store_put(store, W4_STORE_FACT, text(id_of(2)), text("{}")), 0);
    uint8_t key[8];
    w4_put_u64(key, W4_MEMORY_ENTRIES_MAX + 1);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, 8), text("{}")), 0);
    remember(4, 'a', "physics", "fourth", NULL);
    expect_held(1, false);
    expect_held(2, false);
    expect_held(3, true);
    expect_held(4, true);
    ck_assert(!has_envelope(1, 'a'));
    ck_assert(has_envelope(2, 'a'));
    ck_assert(has_envelope(3, 'a'));
    w4_memory_question q = any_question();
    expect(&q, "3 4 ", "those that are left");
    q.cause = id_of(9);
    expect(&q, "3 ", "links");
    q = by_text("first");
    expect(&q, "", "words");
}
END_TEST

/* Whoever uses the id of an entry again does not take its place, and has one of his own. */
START_TEST(copied_ids) {
    remember(1, 'a', "physics", "the first", NULL);
    remember(1, 'b', "physics", "the second", NULL);
    w4_memory_question q = by_text("first");
    expect(&q, "1 ", "the first");
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "\"author\":\"6161"));
    q = by_text("second");
    expect(&q, "1 ", "the second");
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "\"author\":\"6262"));
    remember(1, 'b', "physics", "the second", NULL);
    q = any_question();
    expect(&q, "1 1 ", "both, once");
    /* Each goes with its own rows. */
    w4_fingerprint first = agent('a'), second = agent('b');
    bool holds = true;
    ck_assert_int_eq(w4_memory_forget(store, W4_MEMORY_FACT, id_of(1), &first), 0);
    ck_assert_int_eq(w4_memory_holds(store, W4_MEMORY_FACT, id_of(1), &first, &holds), 0);
    ck_assert(!holds && !has_envelope(1, 'a') && has_envelope(1, 'b'));
    ck_assert_int_eq(w4_memory_holds(store, W4_MEMORY_FACT, id_of(1), &second, &holds), 0);
    ck_assert(holds);
    expect(&q, "1 ", "one");
    ck_assert_int_eq(w4_memory_forget(store, W4_MEMORY_FACT, id_of(1), &second), 0);
    expect(&q, "", "none");
    ck_assert(!has_envelope(1, 'b'));
}
END_TEST

static void share(w4_decisions *book, unsigned number, uint8_t author, const char *choice) {
    char said[128];
    (void)snprintf(said, sizeof said, "{\"payload\":{\"decision\":{\"choice\":\"%s\"}}}", choice);
    w4_decision decision = {.agent = agent(author),
                            .agent_id = "ada",
                            .decision_id = "d",
                            .shared_us = START,
                            .taken_us = START};
    memcpy(decision.id, id_of(number), W4_UUID_LEN + 1);
    ck_assert_int_eq(w4_decisions_add(book, &decision, text(said)), 0);
}

/* A cause is an id: it means the decision of that id of the one who names it, if he shared one. */
START_TEST(copied_ids_of_causes) {
    w4_decisions *book = NULL;
    ck_assert_int_eq(w4_decisions_new(store, &book), 0);
    share(book, 1, 'c', "copied");
    share(book, 1, 'a', "honest");
    remember(2, 'a', "physics", "follows", (const unsigned[]){1, 0});
    remember(3, 'b', "physics", "follows too", (const unsigned[]){1, 0});
    w4_memory_question q = any_question();
    q.effect = id_of(2);
    expect(&q, "1 ", "its own");
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "honest"));
    q.effect = id_of(3);
    expect(&q, "1 1 ", "both are told, by their authors");
    ck_assert_ptr_nonnull(strstr(w4_buffer_text(&answer), "honest"));
    q = by_text("honest");
    expect(&q, "1 ", "found");
    w4_decisions_free(book);
}
END_TEST

/* Nobody confirms decisions: so they stay only as long as their book has them. */
START_TEST(decisions_go) {
    w4_decisions *book = NULL;
    w4_memory_question q = any_question();
    ck_assert_int_eq(w4_decisions_new(store, &book), 0);
    char last[16];
    for (unsigned i = 1; i <= W4_DECISIONS_PER_AGENT + 2; i++) {
        w4_decision decision = {.agent = agent('a'),
                                .agent_id = "ada",
                                .decision_id = "d",
                                .shared_us = START,
                                .taken_us = START};
        memcpy(decision.id, id_of(i), W4_UUID_LEN + 1);
        ck_assert_int_eq(
            w4_decisions_add(book, &decision,
                             text("{\"payload\":{\"decision\":{\"choice\":\"mill\"}}}")),
            0);
    }
    q.limit = 1;
    (void)ask(&q);
    numbers_of_answer(last, sizeof last);
    ck_assert_str_eq(last, "3 ");
    ck_assert(!has_envelope(1, 'a') && !has_envelope(2, 'a') && has_envelope(3, 'a'));
    w4_decisions_free(book);
}
END_TEST

/* What was shared with one agent is not there for the others. */
START_TEST(decisions_of_others) {
    static const char *const said[] = {
        "{\"payload\":{\"decision\":{\"choice\":\"x\"}},\"receiver\":{\"fingerprint\":\"*\"}}",
        "{\"payload\":{\"decision\":{\"choice\":\"y\"}},\"receiver\":{\"fingerprint\":"
        "\"6262626262626262626262626262626262626262626262626262626262626262\"}}"};
    static const struct {
        uint8_t who;
        const char *found;
    } expected[] = {{'a', "1 2 "}, {'b', "1 2 "}, {'c', "1 "}, {0, "1 "}};
    w4_decisions *book = NULL;
    w4_memory_question q = any_question();
    char found[32];
    ck_assert_int_eq(w4_decisions_new(store, &book), 0);
    for (unsigned i = 1; i <= 2; i++) {
        w4_decision decision = {.agent = agent('a'),
                                .agent_id = "ada",
                                .decision_id = "d",
                                .shared_us = START,
                                .taken_us = START};
        memcpy(decision.id, id_of(i), W4_UUID_LEN + 1);
        ck_assert_int_eq(w4_decisions_add(book, &decision, text(said[i - 1])), 0);
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        w4_who who = {.key = agent(expected[i].who)};
        q.listener = &who;
        (void)ask(&q);
        numbers_of_answer(found, sizeof found);
        ck_assert_str_eq(found, expected[i].found);
    }
    q.listener = NULL;
    (void)ask(&q);
    numbers_of_answer(found, sizeof found);
    ck_assert_str_eq(found, "1 2 ");
    w4_decisions_free(book);
}
END_TEST

/* Nor are facts and claims, and who confirmed them to others only. */
START_TEST(facts_of_others) {
    static const char *const to_all =
        "{\"payload\":{\"fact\":{\"statement\":\"s\"}},\"receiver\":{\"fingerprint\":\"*\"}}";
    static const char *const to_b =
        "{\"payload\":{\"fact\":{\"statement\":\"s\"}},\"receiver\":{\"fingerprint\":"
        "\"6262626262626262626262626262626262626262626262626262626262626262\"}}";
    static const struct {
        uint8_t who;
        const char *found;
        size_t confirmers; /* of the first */
    } expected[] = {{'a', "1 2 3 ", 1}, {'b', "1 2 3 ", 2}, {'c', "1 ", 2}, {'d', "1 ", 1}};
    char found[32];
    w4_memory_question q = any_question();
    for (unsigned i = 1; i <= 3; i++) {
        w4_fact *fact = make_fact(i, 'a', i == 1 ? to_all : to_b, NULL);
        for (uint8_t voter = 'c'; i == 1 && voter <= 'd'; voter++) {
            w4_vote_effect effect;
            w4_ballot ballot = {
                .agent = agent(voter),
                .agent_id = "somebody",
                .stance = W4_STANCE_CONFIRM,
                .spoken = {.at_us = START, .taken_us = START, .aside = voter == 'c'}};
            memcpy(ballot.spoken.msg_id, id_of(voter), W4_UUID_LEN + 1);
            ck_assert_int_eq(w4_fact_vote(fact, &ballot, NULL, NULL, &effect), 0);
            put_envelope(voter, voter, voter == 'c' ? to_b : to_all);
        }
        note(i == 3 ? W4_MEMORY_CLAIM : W4_MEMORY_FACT, fact);
        w4_fact_free(fact);
    }
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        w4_who who = {.key = agent(expected[i].who)};
        w4_json_document doc = {0};
        q.listener = &who;
        (void)ask(&q);
        numbers_of_answer(found, sizeof found);
        ck_assert_str_eq(found, expected[i].found);
        ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&answer), &W4_JSON_LIMITS_FILE, NULL),
                         0);
        w4_json first = w4_json_first(w4_json_root(&doc)).value;
        ck_assert_uint_eq(w4_json_count(w4_json_get(first, "confirmed_by")),
                          expected[i].confirmers);
        w4_json_document_deinit(&doc);
    }
}
END_TEST

/* A book that forgets leaves to the memory what it holds: the proposal and those who confirmed. */
START_TEST(books_forget) {
    w4_fact *fact = make_fact(1, 'a', "{\"payload\":{\"fact\":{\"statement\":\"s\"}}}", NULL);
    static const struct {
        uint8_t agent;
        unsigned said;
        w4_stance stance;
    } votes[] = {
        {'b', 11, W4_STANCE_CONFIRM}, {'c', 12, W4_STANCE_REJECT}, {'d', 13, W4_STANCE_CHALLENGE}};
    for (size_t i = 0; i < 3; i++) {
        w4_vote_effect effect;
        w4_ballot ballot = {.agent = agent(votes[i].agent),
                            .agent_id = "somebody",
                            .stance = votes[i].stance,
                            .spoken = {.at_us = START, .taken_us = START}};
        memcpy(ballot.spoken.msg_id, id_of(votes[i].said), W4_UUID_LEN + 1);
        ck_assert_int_eq(w4_fact_vote(fact, &ballot, NULL, NULL, &effect), 0);
        put_envelope(votes[i].said, votes[i].agent, "{}");
    }
    ck_assert_int_eq(w4_fact_store_put(store, W4_STORE_FACT, fact), 0);
    note(W4_MEMORY_FACT, fact);
    ck_assert_int_eq(w4_fact_store_remove(store, W4_STORE_FACT, fact), 0);
    ck_assert(has_envelope(1, 'a'));
    ck_assert(has_envelope(11, 'b'));
    ck_assert(!has_envelope(12, 'c'));
    ck_assert(!has_envelope(13, 'd'));
    expect_held(1, true);
    /* One that the memory does not hold goes whole. */
    memcpy(fact->id, id_of(2), sizeof fact->id);
    put_envelope(2, 'a', "{}");
    put_envelope(11, 'b', "{}");
    ck_assert_int_eq(w4_fact_store_remove(store, W4_STORE_FACT, fact), 0);
    ck_assert(!has_envelope(2, 'a'));
    ck_assert(!has_envelope(11, 'b'));
    w4_fact_free(fact);
}
END_TEST

/* An answer costs a bounded number of looks, then it says where to go on. */
START_TEST(questions_are_bounded) {
    uint8_t key[8];
    for (uint64_t i = 1; i <= W4_MEMORY_LOOKED_AT_MAX + 10; i++) {
        w4_put_u64(key, i);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, 8), text("{}")), 0);
    }
    remember(1, 'a', "physics", "behind all that", NULL);
    char numbers[64];
    w4_memory_question q = any_question();
    q.next = ask(&q);
    numbers_of_answer(numbers, sizeof numbers);
    ck_assert_str_eq(numbers, "");
    ck_assert_uint_eq(q.next, W4_MEMORY_LOOKED_AT_MAX + 1);
    expect(&q, "1 ", "the rest");

    remember(2, 'a', "physics", "and another", NULL);
    q.bytes_max = 1; /* one is given however long */
    q.next = ask(&q);
    numbers_of_answer(numbers, sizeof numbers);
    ck_assert_str_eq(numbers, "1 ");
    expect(&q, "2 ", "the rest");
}
END_TEST

/* Words that nearly all entries have, of which none fits the rest of the question. */
START_TEST(searches_are_bounded) {
    enum { LOOKED_AT = W4_MEMORY_SEARCHES_MAX * W4_MEMORY_FOUND_MAX };
    uint8_t key[8];
    for (uint64_t i = 1; i <= LOOKED_AT + 10; i++) {
        w4_put_u64(key, i);
        w4_bytes number = w4_bytes_of(key, 8);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, number, text("{}")), 0);
        ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY_TEXT, number, text("all")), 0);
    }
    remember(1, 'a', "physics", "all behind that", NULL);
    char numbers[64];
    w4_memory_question q = by_text("a*");
    q.next = ask(&q);
    numbers_of_answer(numbers, sizeof numbers);
    ck_assert_str_eq(numbers, "");
    ck_assert_uint_eq(q.next, LOOKED_AT + 1);
    expect(&q, "1 ", "the rest");
}
END_TEST

/* A damaged key is in nobody's way. */
START_TEST(odd_keys) {
    uint8_t key[8];
    remember(1, 'a', "physics", "first", NULL);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of("", 1), text("{}")), 0);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of("\0\0\0", 3), text("7")), 0);
    w4_put_u64(key, W4_MEMORY_ENTRIES_MAX);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, 8), text("{}")), 0);
    remember(2, 'a', "physics", "second", NULL);
    remember(3, 'a', "physics", "third", NULL);
    w4_memory_question q = any_question();
    expect(&q, "2 3 ", "entries");
}
END_TEST

START_TEST(damage_is_passed_over) {
    fill();
    ck_assert_int_eq(w4_store_commit(store), 0);
    uint8_t key[8];
    w4_put_u64(key, 2);
    ck_assert_int_eq(w4_store_memory_damage(store, W4_STORE_MEMORY, w4_bytes_of(key, 8)), 0);
    w4_put_u64(key, 3);
    ck_assert_int_eq(w4_store_put(store, W4_STORE_MEMORY, w4_bytes_of(key, 8), text("half {")), 0);
    w4_memory_question q = any_question();
    expect(&q, "1 4 5 6 ", "all");
    q = by_text("engines");
    expect(&q, "", "words");
    q = any_question();
    q.effect = id_of(6);
    expect(&q, "5 ", "causes");
}
END_TEST

/* What a book had before there was a memory comes into it, once. */
START_TEST(catching_up) {
    w4_facts *book = NULL;
    ck_assert_int_eq(w4_facts_new(NULL, &book), 0);
    for (unsigned i = 1; i <= 3; i++) {
        w4_fact *fact = make_fact(i, 'a', "{\"payload\":{\"fact\":{\"statement\":\"s\"}}}", NULL);
        fact->accepted_us = i == 2 ? 0 : fact->accepted_us;
        fact->state = i == 2 ? W4_FACT_PENDING : W4_FACT_ACCEPTED;
        ck_assert_int_eq(w4_facts_add(book, fact), 0);
    }
    ck_assert_int_eq(w4_store_put(store, W4_STORE_DECISION, text(id_of(5)),
                                  text("{\"agent\":\"6161616161616161616161616161616161616161616161"
                                       "616161616161616161\",\"agent_id\":\"ada\",\"shared_at\":"
                                       "\"2026-01-01T00:00:00.000Z\",\"taken_at\":"
                                       "\"2026-01-01T00:00:01.000Z\"}")),
                     0);
    put_envelope(5, 'a', "{\"payload\":{\"decision\":{\"choice\":\"c\"}}}");
    w4_store_memory_full(store, true);
    ck_assert_int_eq(w4_memory_catch_up(store, W4_MEMORY_FACT, book), 0);
    w4_store_memory_full(store, false);
    w4_memory_question q = any_question();
    expect(&q, "", "a full store");
    ck_assert_int_eq(w4_memory_catch_up(store, W4_MEMORY_FACT, book), 0);
    ck_assert_int_eq(w4_memory_catch_up(store, W4_MEMORY_DECISION, NULL), 0);
    expect(&q, "1 3 5 ", "caught up");
    w4_fact *late = make_fact(7, 'a', "{\"payload\":{\"fact\":{\"statement\":\"s\"}}}", NULL);
    ck_assert_int_eq(w4_facts_add(book, late), 0);
    ck_assert_int_eq(w4_memory_catch_up(store, W4_MEMORY_FACT, book), 0);
    expect(&q, "1 3 5 ", "once only");
    w4_facts_free(book);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("protocol memory");
    TCase *tests = tcase_create("memory");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, an_entry);
    tcase_add_test(tests, what_no_longer_stands);
    tcase_add_test(tests, questions);
    tcase_add_test(tests, ids_that_are_none);
    tcase_add_test(tests, hostile_words);
    tcase_add_test(tests, long_and_odd_texts);
    tcase_add_test(tests, the_oldest_goes);
    tcase_add_test(tests, books_forget);
    tcase_add_test(tests, decisions_go);
    tcase_add_test(tests, decisions_of_others);
    tcase_add_test(tests, facts_of_others);
    tcase_add_test(tests, copied_ids);
    tcase_add_test(tests, copied_ids_of_causes);
    tcase_add_test(tests, questions_are_bounded);
    tcase_add_test(tests, odd_keys);
    tcase_add_test(tests, searches_are_bounded);
    tcase_add_test(tests, damage_is_passed_over);
    tcase_add_test(tests, catching_up);
    suite_add_tcase(suite, tests);
    return w4_test_run(suite);
}

/* The guard of agent loops: what chains say, what is left of them, and where they end. */
#include "delivery_steps.h"
#include "protocol/pipeline/chain.h"

/* Sends as an answer to cause (NULL: to nothing). */
static int answer(world *w, const char *from, const char *to, const char *cause) {
    const world_agent *agent = world_agent_of(w, from);
    w4_json_document doc = {0};
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(ASK), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_send_request request = {.owner = agent->owner,
                               .family = W4_FAMILY_CIP,
                               .type = w4_bytes_from_text("INTENT"),
                               .to = w4_bytes_from_text(to),
                               .payload = w4_json_root(&doc),
                               .caused_by = w4_bytes_from_text(cause ? cause : "")};
    w->refused = (w4_refused){0};
    int r = w4_protocol_send(w->nodes[agent->node].protocol, &request, w->now, &w->receipt,
                             &w->refused);
    ck_assert_int_ge(r, 0);
    w4_json_document_deinit(&doc);
    world_settle(w);
    return r;
}

/* ---- one chain */

static w4_fingerprint someone(unsigned n) {
    return (w4_fingerprint){{(uint8_t)(n + 1)}};
}

static w4_chain chain_of(unsigned depth, unsigned agents) {
    w4_chain chain = {.root = "00000000-0000-4000-8000-000000000000", .budget = 9};
    for (unsigned i = 0; i < depth; i++) {
        w4_fingerprint sender = someone(i % agents);
        w4_chain next;
        w4_chain_answer(i == 0 ? NULL : &chain, "00000000-0000-4000-8000-000000000000", &sender,
                        &next);
        next.budget = chain.budget;
        chain = next;
    }
    return chain;
}

static w4_refusal check(const w4_chain *chain, unsigned sender) {
    static const w4_chain_limits limits = {.depth = 16, .repeats = 3, .budget = 64};
    const char *pointer = NULL, *expected = NULL;
    w4_fingerprint from = someone(sender);
    w4_refusal code = w4_chain_check(chain, &from, &limits, &pointer, &expected);
    ck_assert((code == W4_REFUSAL_NONE) == (pointer == NULL));
    return code;
}

START_TEST(how_long_and_how_often) {
    for (unsigned depth = 0; depth <= 40; depth++) {
        w4_chain chain = chain_of(depth, 40);
        ck_assert_uint_eq(chain.depth, depth);
        ck_assert_uint_eq(chain.ancestor_count, depth < 16 ? depth : 16);
        ck_assert_int_eq(check(&chain, 99), depth <= 16 ? W4_REFUSAL_NONE : W4_REFUSAL_CHAIN_DEPTH);
    }
    for (unsigned agents = 1; agents <= 5; agents++) {
        for (unsigned depth = 0; depth <= 16; depth++) {
            w4_chain chain = chain_of(depth, agents);
            unsigned spoken = depth / agents + 1; /* of the next in turn, with this message */
            ck_assert_int_eq(check(&chain, depth % agents),
                             spoken <= 3 ? W4_REFUSAL_NONE : W4_REFUSAL_CHAIN_LOOP);
        }
    }
    w4_chain others = chain_of(16, 4); /* four agents, four times each: whoever speaks next */
    ck_assert_int_eq(check(&others, 99), W4_REFUSAL_CHAIN_LOOP);
}
END_TEST

START_TEST(ancestors_tell_all) {
    w4_chain chain = chain_of(5, 5);
    chain.ancestor_count = 4;
    ck_assert_int_eq(check(&chain, 9), W4_REFUSAL_BAD_ENVELOPE);
    chain = chain_of(0, 1);
    chain.ancestors[0] = someone(1);
    chain.ancestor_count = 1;
    ck_assert_int_eq(check(&chain, 9), W4_REFUSAL_BAD_ENVELOPE);
}
END_TEST

START_TEST(the_last_sixteen_are_kept) {
    w4_chain chain = chain_of(20, 40);
    for (unsigned i = 0; i < 16; i++) {
        w4_fingerprint expected = someone(4 + i);
        ck_assert(w4_fingerprint_equal(&chain.ancestors[i], &expected));
    }
}
END_TEST

START_TEST(what_was_heard_is_bounded) {
    w4_heard *heard = NULL;
    w4_fingerprint sender = someone(1);
    char id[37];
    for (unsigned i = 0; i < W4_HEARD_MAX + 100; i++) {
        w4_chain chain = chain_of(i % 5, 5);
        snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", i);
        ck_assert_int_eq(w4_heard_add(&heard, id, &sender, i % 2 ? &chain : NULL), 0);
    }
    for (unsigned i = 0; i < W4_HEARD_MAX + 100; i++) {
        snprintf(id, sizeof id, "%08x-0000-4000-8000-000000000000", i);
        const w4_heard_message *at = w4_heard_find(heard, w4_bytes_from_text(id));
        ck_assert((at != NULL) == (i >= 100));
        ck_assert(!at || (at->chain != NULL) == (i % 2 != 0));
    }
    ck_assert_ptr_null(w4_heard_find(heard, w4_bytes_from_text("")));
    ck_assert_ptr_null(w4_heard_find(NULL, w4_bytes_from_text(id)));
    ck_assert_ptr_null(w4_heard_free(heard));
}
END_TEST

START_TEST(budgets_only_fall) {
    w4_budgets budgets = {0};
    char root[37];
    ck_assert_uint_eq(w4_budgets_left(&budgets, "a", 7), 7);
    static const uint32_t said[] = {5, 9, 4, 4, 0, 3}, left[] = {5, 5, 4, 4, 0, 0};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
        snprintf(root, sizeof root, "00000000-0000-4000-8000-000000000000");
        ck_assert_int_eq(w4_budgets_lower(&budgets, root, said[i]), 0);
        ck_assert_uint_eq(w4_budgets_left(&budgets, root, 100), left[i]);
    }
    ck_assert_uint_eq(w4_budgets_left(&budgets, root, 0), 0);
    for (unsigned i = 1; i < W4_CHAIN_ROOTS_MAX; i++) {
        snprintf(root, sizeof root, "%08x-0000-4000-8000-000000000000", i);
        ck_assert_int_eq(w4_budgets_lower(&budgets, root, i), 0);
    }
    /* Used again, the first is no longer the oldest. */
    ck_assert_int_eq(w4_budgets_lower(&budgets, "00000000-0000-4000-8000-000000000000", 3), 0);
    ck_assert_int_eq(w4_budgets_lower(&budgets, "ffffffff-0000-4000-8000-000000000000", 3), 0);
    ck_assert_uint_eq(w4_budgets_left(&budgets, "00000000-0000-4000-8000-000000000000", 100), 0);
    ck_assert_uint_eq(w4_budgets_left(&budgets, "00000001-0000-4000-8000-000000000000", 100), 100);
    ck_assert_uint_eq(w4_budgets_left(&budgets, "00000002-0000-4000-8000-000000000000", 100), 2);
    w4_budgets_deinit(&budgets);
    w4_budgets_deinit(&budgets);
}
END_TEST

/* ---- over the wire */

START_TEST(two_agents_end_their_talk) {
    world *w = three();
    char last[37];
    ck_assert_int_eq(answer(w, "ada", "ben", NULL), 0);
    unsigned said = 1;
    const char *turn[] = {"ada", "ben"};
    for (;; said++) {
        memcpy(last, w->receipt.msg_id, sizeof last);
        if (answer(w, turn[said % 2], turn[(said + 1) % 2], last) != 0) {
            break;
        }
        ck_assert_uint_eq(
            world_count(w, (said + 1) % 2, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, NULL), 1);
    }
    ck_assert_uint_eq(said, 6); /* three times each */
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_CHAIN_LOOP);
    ck_assert_str_eq(w->refused.pointer, "/chain/ancestors");
    world_free(w);
}
END_TEST

START_TEST(a_budget_is_spent_whoever_answers) {
    world *w = three();
    for (unsigned n = 0; n < 3; n++) {
        w4_protocol_config config = w->nodes[n].config;
        config.chain = (w4_chain_limits){.depth = 100, .repeats = 16, .budget = 5};
        w4_protocol_configure(w->nodes[n].protocol, &config);
    }
    ck_assert_int_eq(answer(w, "ada", "ben", NULL), 0);
    char root[37];
    memcpy(root, w->receipt.msg_id, sizeof root);
    for (unsigned i = 0; i < 5; i++) { /* the same message is answered again and again */
        ck_assert_int_eq(answer(w, "ben", i % 2 ? "ada" : "cho", root), 0);
    }
    ck_assert_int_eq(answer(w, "ben", "ada", root), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_CHAIN_BUDGET);
    /* The others have seen it count down. */
    ck_assert_int_eq(answer(w, "cho", "ada", w->receipt.msg_id), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_CHAIN_BUDGET);
    world_free(w);
}
END_TEST

START_TEST(only_what_the_agent_was_given) {
    world *w = three();
    ck_assert_int_eq(answer(w, "ada", "ben", NULL), 0);
    char id[37];
    memcpy(id, w->receipt.msg_id, sizeof id);
    ck_assert_int_eq(answer(w, "cho", "ben", id), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNKNOWN_REFERENCE);
    ck_assert_str_eq(w->refused.pointer, "/caused_by");
    ck_assert_int_eq(answer(w, "ada", "ben", id), 1); /* it said it, and did not get it */
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNKNOWN_REFERENCE);
    world_free(w);
}
END_TEST

/* ---- agents that sign themselves, and nodes that do not guard */

static void sign(world *w, const char *from, const char *to, const w4_chain *chain,
                 w4_buffer *out) {
    const world_agent *agent = world_agent_of(w, from);
    w4_party receiver = {.fingerprint = world_agent_of(w, to)->fingerprint};
    snprintf(receiver.agent_id, sizeof receiver.agent_id, "%s", to);
    w4_buffer text = W4_BUFFER_INIT(4096);
    w4_json_writer writer;
    w4_json_writer_init(&writer, &text);
    w4_chain_write(chain, &writer);
    char id[37];
    w4_uuid_v4(&w->nodes[agent->node].env, id);
    w4_envelope_draft draft = {.type = W4_TYPE_CIP_INTENT,
                               .msg_id = id,
                               .timestamp_us = w4_env_wall_us(&w->nodes[agent->node].env, w->now),
                               .sender_id = from,
                               .receiver = &receiver,
                               .with_pubkey = true,
                               .payload = w4_bytes_from_text(
                                   "{\"goal\":\"ask\",\"priority\":\"normal\",\"topic\":\"rain\"}"),
                               .chain = w4_buffer_bytes(&text)};
    ck_assert_int_eq(w4_envelope_write(&draft, agent->key, out), 0);
    w4_buffer_deinit(&text);
}

START_TEST(what_agents_sign_is_held_against_what_was_seen) {
    world *w = three();
    world_add_agent(w, "dan", 0, false);
    world_trust_all(w);
    ck_assert_int_eq(answer(w, "ada", "dan", NULL), 0);
    w4_chain good;
    w4_chain_answer(NULL, w->receipt.msg_id, &world_agent_of(w, "ada")->fingerprint, &good);
    good.budget = 10;
    w4_chain root = {.budget = 10}; /* it says it began what it was given */
    memcpy(root.root, good.root, sizeof root.root);
    const struct {
        const w4_chain *chain;
        int result;
        w4_refusal code;
    } rows[] = {
        {&root, 1, W4_REFUSAL_BAD_ENVELOPE}, /* no deeper than what it answers */
        {&good, 0, W4_REFUSAL_NONE},
        {&good, 1, W4_REFUSAL_CHAIN_BUDGET}, /* as much as before */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        sign(w, "dan", "ada", rows[i].chain, &envelope);
        w->refused = (w4_refused){0};
        ck_assert_int_eq(w4_protocol_submit(w->nodes[0].protocol, world_agent_of(w, "dan")->owner,
                                            w4_buffer_bytes(&envelope), w->now, &w->receipt,
                                            &w->refused),
                         rows[i].result);
        ck_assert_int_eq(w->refused.code, rows[i].code);
        w4_buffer_deinit(&envelope);
        world_settle(w);
    }
    world_free(w);
}
END_TEST

START_TEST(the_receiver_guards_too) {
    world *w = three();
    w4_chain deep = chain_of(17, 40), round = chain_of(12, 3);
    const struct {
        const w4_chain *chain;
        w4_refusal code;
    } rows[] = {{&deep, W4_REFUSAL_CHAIN_DEPTH}, {&round, W4_REFUSAL_CHAIN_LOOP}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        w4_buffer envelope = W4_BUFFER_INIT(65536);
        sign(w, "ada", "ben", rows[i].chain, &envelope);
        world_clear_logs(w);
        ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                             w4_buffer_bytes(&envelope), w->now),
                         0);
        world_settle(w);
        ck_assert_uint_eq(world_rejected(w, 1, rows[i].code), 1);
        ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, NULL, "ben"), 0);
        w4_buffer_deinit(&envelope);
    }
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("chain");
    TCase *tcase = tcase_create("chain");
    tcase_add_test(tcase, how_long_and_how_often);
    tcase_add_test(tcase, ancestors_tell_all);
    tcase_add_test(tcase, the_last_sixteen_are_kept);
    tcase_add_test(tcase, what_was_heard_is_bounded);
    tcase_add_test(tcase, budgets_only_fall);
    tcase_add_test(tcase, two_agents_end_their_talk);
    tcase_add_test(tcase, a_budget_is_spent_whoever_answers);
    tcase_add_test(tcase, only_what_the_agent_was_given);
    tcase_add_test(tcase, what_agents_sign_is_held_against_what_was_seen);
    tcase_add_test(tcase, the_receiver_guards_too);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* A human takes consent back while words to them or of them are on the last bit of their way: out
 * of the protocols, and not yet given to an agent. */
#include "town.h"

#include "trust/key_document.h"

#define HUMAN(CONSENT)                                                                             \
    "{\"presence\":\"focused\",\"affect\":\"calm\",\"clarity\":80,\"pressure\":10,\"consent\":"    \
    "\"" CONSENT "\"}"

static town t;

static void say(unsigned from, const char *type, const char *to, const char *payload,
                const char *consent) {
    char text[512];
    (void)snprintf(text, sizeof text, "{\"human\":%s}", consent);
    (void)town_say(&t, from, W4_FAMILY_HCP, type, to, payload, text);
    town_go_on(&t, TOWN_S);
}

/* Messages that wait in front of the agent of that node. */
static unsigned waiting(unsigned at) {
    unsigned count = 0;
    const w4_node_out *out = NULL;
    STAILQ_FOREACH (out, &t.nodes[at].node->out, next) {
        count += out->event.kind == W4_NODE_EVENT_MESSAGE;
    }
    return count;
}

/* Two people who have greeted; a context and a word that is none of theirs wait for agent 1, who
 * does not read. */
static void begin(void) {
    const w4_node_config config = town_config();
    char to[W4_FINGERPRINT_TEXT_LEN + 1];
    town_init(&t, 2, &config);
    town_introduce(&t, 1, 0);
    town_go_on(&t, 3 * TOWN_S);
    town_send(&t, 0, 1, W4_CHANNEL_CONTROL, 0);
    town_go_on(&t, 3 * TOWN_S);
    for (unsigned i = 0; i < 2; i++) {
        say(i, "HCP_HELLO", "*", "{\"identity\":{\"name\":\"x\"}}", HUMAN("granted"));
    }
    t.nodes[1].mute = true;
    w4_fingerprint_format(&t.nodes[1].agent, to);
    say(0, "HCP_CONTEXT", to, "{\"context\":\"so it is\"}", HUMAN("granted"));
    town_send(&t, 0, 1, W4_CHANNEL_CONTROL, 0);
    town_go_on(&t, TOWN_S);
    ck_assert_uint_eq(waiting(1), 2);
}

START_TEST(consent_goes_before_what_waits) {
    for (unsigned whose = 0; whose < 2; whose++) {
        begin();
        size_t bytes = t.nodes[1].node->out_bytes;
        say(whose, "HCP_STATE_UPDATE", "*", HUMAN("revoked"), HUMAN("revoked"));
        /* The word that is none of theirs, and where it is for that agent the word that revokes. */
        ck_assert_uint_eq(waiting(1), whose == 0 ? 2 : 1);
        ck_assert_uint_eq(w4_node_refusals(t.nodes[1].node, W4_REFUSAL_CONSENT_REVOKED), 1);
        ck_assert(whose == 0 || t.nodes[1].node->out_bytes < bytes);
        ck_assert_uint_eq(w4_node_withdrawn(t.nodes[1].node), 1);
        unsigned before = t.nodes[1].messages;
        t.nodes[1].mute = false;
        town_turn(&t, 1);
        ck_assert_uint_eq(t.nodes[1].messages, before + 1);
        ck_assert_uint_eq(t.nodes[1].node->out_count, 0);
        ck_assert_uint_eq(t.nodes[1].node->out_bytes, 0);
        town_deinit(&t);
    }
}
END_TEST

START_TEST(what_is_said_again_is_no_revocation) {
    begin();
    say(1, "HCP_STATE_UPDATE", "*", HUMAN("granted"), HUMAN("granted"));
    ck_assert_uint_eq(waiting(1), 2);
    say(1, "HCP_HELLO", "*", "{\"identity\":{\"name\":\"x\"}}", HUMAN("limited"));
    ck_assert_uint_eq(waiting(1), 2);
    town_deinit(&t);
}
END_TEST

static unsigned contexts_waiting(unsigned at) {
    unsigned count = 0;
    const w4_node_out *out = NULL;
    STAILQ_FOREACH (out, &t.nodes[at].node->out, next) {
        count += out->type == W4_TYPE_HCP_CONTEXT;
    }
    return count;
}

/* The agent of that node goes on under another key. */
static void rekey(unsigned at) {
    town_node *n = &t.nodes[at];
    w4_protocol *protocol = w4_node_protocol(n->node);
    w4_identity *before = town_identity(2, at), *after = town_identity(3, at);
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    uint64_t wall_us = w4_env_wall_us(&n->env, t.now_us);
    w4_fingerprint key;
    w4_refused refused;
    bool news = false;
    ck_assert_int_eq(w4_key_succession_write(before, after, W4_KEY_OF_AGENT, wall_us, &text), 0);
    ck_assert_int_eq(
        w4_protocol_key_take(protocol, w4_buffer_bytes(&text), t.now_us, &news, &key, &refused), 0);
    ck_assert(news);
    w4_buffer_deinit(&text);
    w4_identity_free(before);
    n->agent = *w4_identity_fingerprint(after);
    w4_protocol_agent_detach(protocol, 1, NULL, t.now_us);
    const w4_agent_attach attach = {.agent_id = n->agent_id,
                                    .identity = after,
                                    .capabilities = w4_bytes_from_text("[]"),
                                    .owner = 1};
    ck_assert_int_eq(w4_protocol_agent_attach(protocol, &attach, t.now_us, &refused), 0);
    w4_mesh_agents_changed(w4_node_mesh(n->node), t.now_us);
    town_turn(&t, at);
    town_go_on(&t, 3 * TOWN_S);
}

/* What waits was said under the key before. */
START_TEST(consent_goes_under_a_later_key) {
    begin();
    rekey(0);
    say(0, "HCP_HELLO", "*", "{\"identity\":{\"name\":\"x\"}}", HUMAN("granted"));
    ck_assert_uint_eq(contexts_waiting(1), 1);
    say(0, "HCP_STATE_UPDATE", "*", HUMAN("revoked"), HUMAN("revoked"));
    ck_assert_uint_eq(contexts_waiting(1), 0);
    ck_assert_uint_eq(w4_node_refusals(t.nodes[1].node, W4_REFUSAL_CONSENT_REVOKED), 1);
    town_deinit(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recall");
    TCase *tc = tcase_create("recall");
    tcase_add_test(tc, consent_goes_before_what_waits);
    tcase_add_test(tc, what_is_said_again_is_no_revocation);
    tcase_add_test(tc, consent_goes_under_a_later_key);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}

/* A family of its own in this one file, and a line in each list of families: nothing else knows
 * it, and it takes the same way as those of the specification. The lists here stand in for those of
 * the libraries. */
#include "envelope/schema.h"
#include "protocol/pipeline/pipeline.h"
#include "protocol/router.h"
#include "world.h"

#include <errno.h>
#include <stdlib.h>

#define FAMILY_ECHO ((w4_family)W4_FAMILY_COUNT)
#define TYPE_ECHO_SAY ((w4_type)(W4_TYPE_COUNT + 1))
#define TYPE_ECHO_SHOUT ((w4_type)(W4_TYPE_COUNT + 2))

/* clang-format off */
static const w4_schema_row say_rows[] = {
    W4_ROW_TEXT("text", W4_MUST, 1, "what is said"),
    W4_SCHEMA_END,
};
static const w4_schema say = {.rows = say_rows};

static const w4_schema_row envelope_rows[] = {
    W4_ROW_ENUM("echo", W4_MUST, w4_names_version, "version of the protocol"),
    W4_ROW_NAME("type", W4_MUST, "a message type of ECHO"),
    W4_ROWS_OF_ALL,
    W4_SCHEMA_END,
};
static const w4_schema envelope = {.rows = envelope_rows};

static const w4_type_row types[] = {
    {TYPE_ECHO_SAY,   FAMILY_ECHO, "ECHO_SAY",   W4_CHANNEL_KNOWLEDGE, &say, "says something"},
    {TYPE_ECHO_SHOUT, FAMILY_ECHO, "ECHO_SHOUT", W4_CHANNEL_CONTROL,   &say, "says it aloud"},
};

static const w4_family_row family_echo = {
    .family = FAMILY_ECHO,
    .name = "echo",
    .envelope = &envelope,
    .types = types,
    .type_count = sizeof types / sizeof types[0],
};

typedef struct echo {
    unsigned heard, spoken, expired;
    uint64_t due_us;
} echo;

static unsigned open_count;

static int open_echo(w4_protocol *p, uint64_t now_us, void **ret_state) {
    (void)p;
    echo *e = calloc(1, sizeof *e);
    if (!e) {
        return -ENOMEM;
    }
    e->due_us = now_us + W4_US_PER_S;
    *ret_state = e;
    open_count++;
    return 0;
}

static void close_echo(void *state) {
    open_count -= state ? 1 : 0;
    free(state);
}

static int expire_echo(w4_protocol *p, uint64_t now_us) {
    echo *e = w4_family_state(p, FAMILY_ECHO);
    if (now_us >= e->due_us) {
        e->expired++;
        e->due_us = W4_NEVER;
    }
    return 0;
}

static uint64_t echo_deadline(const w4_protocol *p) {
    return ((const echo *)w4_family_state(p, FAMILY_ECHO))->due_us;
}

static int look_polite(const w4_protocol *p, w4_inbound *in) {
    (void)p;
    bool rude = w4_json_string_equal(w4_json_get(in->envelope.payload, "text"), "go away");
    return rude ? w4_inbound_refuse(in, W4_REFUSAL_POLICY_DENIED, "/payload/text", "polite words") : 0;
}

static int hear(w4_protocol *p, w4_inbound *in) {
    echo *e = w4_family_state(p, FAMILY_ECHO);
    e->heard += in->origin == W4_ORIGIN_NODE ? 1 : 0;
    return 0;
}

static int note_spoken(w4_protocol *p, const w4_inbound *in) {
    (void)in;
    ((echo *)w4_family_state(p, FAMILY_ECHO))->spoken++;
    return 0;
}

static bool admit(const w4_protocol *p, const w4_inbound *in) {
    (void)p;
    return w4_json_string_equal(w4_json_get(in->envelope.payload, "text"), "help");
}

static const w4_gate gates[] = {
    {"polite", look_polite, NULL, NULL, NULL, "policy_denied", "polite words", true}};
static const w4_type_rule rules[] = {
    {TYPE_ECHO_SAY,   W4_TRUST_PROBING, 0, NULL, hear, NULL, NULL,  "it is heard"},
    {TYPE_ECHO_SHOUT, W4_TRUST_TRUSTED, 0, NULL, hear, NULL, admit, "it is heard"},
};
/* clang-format on */

static const w4_family_rules echo_rules = {
    .family = FAMILY_ECHO,
    .kind = W4_TRUST_AGENT,
    .blocked = W4_REFUSAL_BLACKLISTED,
    .local = true,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .gates = gates,
    .gate_count = sizeof gates / sizeof gates[0],
    .spoken = note_spoken,
    .open = open_echo,
    .close = close_echo,
    .expire = expire_echo,
    .deadline = echo_deadline,
};

const w4_family_row *const w4_families[] = {&w4_family_cip,  &w4_family_hcp, &w4_family_lip,
                                            &w4_family_mesh, &family_echo,   NULL};
const char *const w4_family_names[] = {"cip", "hcp", "lip", "mesh", "echo", NULL};
const w4_family_rules *const w4_family_rules_all[] = {&w4_cip_rules,  &w4_hcp_rules, &w4_lip_rules,
                                                      &w4_mesh_rules, &echo_rules,   NULL};

static const echo *echo_of(const world *w, unsigned n) {
    return w4_family_state(w->nodes[n].protocol, FAMILY_ECHO);
}

static int speak(world *w, const char *type, const char *payload) {
    return world_send_as(w, "ada", "ben", FAMILY_ECHO, type, payload, NULL);
}

static world *two(w4_trust_state of_ada) {
    world *w = world_new(2, 1);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_trust_all(w);
    world_trust(w, 1, "ada", of_ada);
    world_clear_logs(w);
    return w;
}

START_TEST(it_takes_the_same_way) {
    world *w = two(W4_TRUST_TRUSTED);
    ck_assert_int_eq(speak(w, "ECHO_SAY", "{\"text\":\"hello\"}"), 0);
    ck_assert_uint_eq(w->receipt.recipients, 1);
    world_settle(w);
    ck_assert_uint_eq(world_count(w, 1, W4_PROTOCOL_EVENT_DELIVER, w->receipt.msg_id, "ben"), 1);
    ck_assert_str_eq(world_last(w, 1, W4_PROTOCOL_EVENT_DELIVER)->statement, "ECHO_SAY");
    ck_assert_uint_eq(echo_of(w, 0)->spoken, 1);
    ck_assert_uint_eq(echo_of(w, 0)->heard, 0);
    ck_assert_uint_eq(echo_of(w, 1)->heard, 1);
    world_free(w);
    ck_assert_uint_eq(open_count, 0);
}
END_TEST

START_TEST(its_gates_stand_at_both_ends) {
    world *w = two(W4_TRUST_TRUSTED);
    ck_assert_int_eq(speak(w, "ECHO_SAY", "{\"text\":\"go away\"}"), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_POLICY_DENIED);
    ck_assert_str_eq(w->refused.pointer, "/payload/text");
    ck_assert_int_eq(speak(w, "ECHO_SAY", "{\"text\":\"\"}"), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_BAD_ENVELOPE);
    ck_assert_int_eq(speak(w, "ECHO_SING", "{\"text\":\"la\"}"), 1);
    ck_assert_int_eq(w->refused.code, W4_REFUSAL_UNKNOWN_TYPE);

    char id[37];
    w4_buffer rude = W4_BUFFER_INIT(65536);
    world_sign(w, "ada", "ben", TYPE_ECHO_SAY, "{\"text\":\"go away\"}", id, &rude);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[1].protocol, &w->nodes[0].fingerprint,
                                         w4_buffer_bytes(&rude), w->now),
                     0);
    w4_buffer_deinit(&rude);
    world_settle(w);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_POLICY_DENIED), 1);
    ck_assert_uint_eq(echo_of(w, 1)->heard, 0);
    world_free(w);
}
END_TEST

/* One who is trusted less gets through only where the rule lets him. */
START_TEST(its_rules_ask_for_trust) {
    world *w = two(W4_TRUST_PROBING);
    ck_assert_int_eq(speak(w, "ECHO_SAY", "{\"text\":\"hello\"}"), 0);
    ck_assert_int_eq(speak(w, "ECHO_SHOUT", "{\"text\":\"hey\"}"), 0);
    ck_assert_int_eq(speak(w, "ECHO_SHOUT", "{\"text\":\"help\"}"), 0);
    world_settle(w);
    ck_assert_uint_eq(echo_of(w, 1)->heard, 2);
    ck_assert_uint_eq(world_rejected(w, 1, W4_REFUSAL_UNTRUSTED), 1);
    world_free(w);
}
END_TEST

START_TEST(its_time_comes) {
    world *w = two(W4_TRUST_TRUSTED);
    ck_assert_uint_eq(echo_of(w, 0)->expired, 0);
    world_pass(w, 2 * W4_US_PER_S);
    ck_assert_uint_eq(echo_of(w, 0)->expired, 1);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("new_family");
    TCase *tcase = tcase_create("new_family");
    tcase_add_test(tcase, it_takes_the_same_way);
    tcase_add_test(tcase, its_gates_stand_at_both_ends);
    tcase_add_test(tcase, its_rules_ask_for_trust);
    tcase_add_test(tcase, its_time_comes);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

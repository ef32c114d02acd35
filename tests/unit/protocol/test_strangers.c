/* A node that brings stranger after stranger: they take places of each other's only, in the book of
 * trust and in what is stored of it. */
#include "world.h"

#define FLOOD (W4_TRUST_BORNE_MAX + 150u)

/* A human whom nobody knows greets ada of node 0, over a session of that node. */
static void greet(world *w, unsigned node, unsigned number) {
    w4_identity *key = world_key(30000 + number);
    char id[37];
    w4_uuid_v4(&w->nodes[node].env, id);
    w4_party ada = {.fingerprint = world_agent_of(w, "ada")->fingerprint};
    snprintf(ada.agent_id, sizeof ada.agent_id, "ada");
    w4_envelope_draft draft = {
        .type = W4_TYPE_HCP_HELLO,
        .msg_id = id,
        .timestamp_us = w4_env_wall_us(&w->nodes[0].env, w->now),
        .sender_id = "somebody",
        .receiver = &ada,
        .with_pubkey = true,
        .payload = w4_bytes_from_text("{\"consent_scope\":[\"topic:work\"],\"identity\":{\"name\":"
                                      "\"M\",\"role\":\"r\"},\"safety_flags\":[]}"),
        .state = w4_bytes_from_text("{\"human\":{\"affect\":\"calm\",\"clarity\":50,\"consent\":"
                                    "\"granted\",\"presence\":\"focused\",\"pressure\":10}}")};
    w4_buffer text = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4_envelope_write(&draft, key, &text), 0);
    ck_assert_int_eq(w4_protocol_receive(w->nodes[0].protocol, &w->nodes[node].fingerprint,
                                         w4_buffer_bytes(&text), w->now),
                     0);
    world_drain(w, 0);
    w4_buffer_deinit(&text);
    w4_identity_free(key);
}

static w4_trust_state relation(world *w, unsigned number) {
    w4_identity *key = world_key(30000 + number);
    w4_trust_state state =
        w4_trust_book_state(w->nodes[0].trust, W4_TRUST_HUMAN, w4_identity_fingerprint(key));
    w4_identity_free(key);
    return state;
}

static size_t strangers(world *w) {
    return w4_trust_book_count_rank(w->nodes[0].trust, W4_TRUST_HUMAN, W4_TRUST_STRANGER);
}

static size_t rows(world *w) {
    w4_store_cursor cursor;
    size_t count = 0;
    ck_assert_int_eq(w4_store_cursor_init(&cursor, W4_STORE_TRUST, (w4_bytes){NULL, 0}), 0);
    while (w4_store_next(w->nodes[0].store, &cursor) == 0) {
        count++;
    }
    w4_store_cursor_deinit(&cursor);
    return count;
}

START_TEST(a_flood_of_strangers) {
    world *w = world_new(3, 11);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    world_add_agent(w, "ben", 1, true);
    world_add_agent(w, "mal", 2, true);
    world_trust(w, 0, "ben", W4_TRUST_TRUSTED);
    greet(w, 1, 0);
    ck_assert_int_eq(relation(w, 0), W4_TRUST_PROBING);
    size_t before = rows(w);
    for (unsigned i = 1; i <= FLOOD; i++) {
        greet(w, 2, i);
        ck_assert_int_eq(relation(w, i), W4_TRUST_PROBING);
    }
    ck_assert_uint_eq(strangers(w), W4_TRUST_BORNE_MAX + 1);
    ck_assert_uint_le(rows(w), before + W4_TRUST_BORNE_MAX + 1);
    ck_assert_int_eq(relation(w, 0), W4_TRUST_PROBING);
    ck_assert_int_eq(relation(w, 1), W4_TRUST_UNTRUSTED); /* forgotten: as never met */
    ck_assert_int_eq(world_state_of(w, 0, "ben"), W4_TRUST_TRUSTED);
    greet(w, 1, FLOOD + 1);
    ck_assert_int_eq(relation(w, FLOOD + 1), W4_TRUST_PROBING);
    ck_assert_uint_eq(strangers(w), W4_TRUST_BORNE_MAX + 2);

    ck_assert_int_eq(w4_store_commit(w->nodes[0].store), 0);
    world_kill(w, 0);
    world_restart(w, 0);
    ck_assert_int_eq(relation(w, 0), W4_TRUST_PROBING);
    ck_assert_int_eq(relation(w, FLOOD), W4_TRUST_PROBING);
    ck_assert_int_eq(world_state_of(w, 0, "ben"), W4_TRUST_TRUSTED);
    ck_assert_uint_le(strangers(w), W4_TRUST_BORNE_MAX + 3);
    world_free(w);
}
END_TEST

static void shake_hands(world *w, const w4_fingerprint *node) {
    w4_trust_move move;
    ck_assert_int_eq(w4_trust_book_apply(w->nodes[0].trust, W4_TRUST_NODE, node,
                                         W4_TRUST_EVENT_HANDSHAKE, "node", "", "", 1, &move),
                     1);
}

/* A node that speaks is not forgotten for others that come and go, whatever it says. */
START_TEST(who_speaks_is_not_forgotten) {
    world *w = world_new(3, 12);
    world_link_all(w);
    world_add_agent(w, "ada", 0, true);
    shake_hands(w, &w->nodes[1].fingerprint);
    shake_hands(w, &w->nodes[2].fingerprint);
    for (uint32_t i = 0; i < W4_TRUST_STRANGERS_MAX; i++) {
        w4_fingerprint other = {{7}};
        memcpy(other.bytes + 4, &i, sizeof i);
        shake_hands(w, &other);
        if (i % 3000 == 0) {
            ck_assert_int_eq(w4_protocol_receive(w->nodes[0].protocol, &w->nodes[2].fingerprint,
                                                 w4_bytes_from_text("nonsense"), w->now),
                             0);
            world_drain(w, 0);
        }
    }
    ck_assert_int_eq(
        w4_trust_book_state(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[1].fingerprint),
        W4_TRUST_UNTRUSTED);
    ck_assert_int_eq(
        w4_trust_book_state(w->nodes[0].trust, W4_TRUST_NODE, &w->nodes[2].fingerprint),
        W4_TRUST_PROBING);
    world_free(w);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("strangers");
    TCase *tcase = tcase_create("strangers");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_flood_of_strangers);
    tcase_add_test(tcase, who_speaks_is_not_forgotten);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* Keys of nodes that were revoked, or succeeded: where they are looked for. */
#include "runner.h"

#include "meshes.h"
#include "trust/key_document.h"

static node *a, *b, *c;

static void setup(void) {
    a = node_add();
    b = node_add();
    c = node_add();
    ck_assert_int_eq(
        w4_mesh_add_address(a->mesh, b->address, W4_ADDRESS_OPERATOR, id_of(b), now_us), 0);
}

static void teardown(void) {
    nodes_reset();
}

/* As the node does with what the protocol says of keys. */
static void hand_on(node *n) {
    w4_protocol_event event;
    while (w4_protocol_pop_event(n->protocol, &event)) {
        if (event.kind == W4_PROTOCOL_EVENT_KEY) {
            ck_assert_int_eq(
                event.code == W4_REFUSAL_KEY_REVOKED
                    ? w4_mesh_key_revoked(n->mesh, &event.sender, now_us)
                    : w4_mesh_key_replaced(n->mesh, &event.sender, &event.receiver, now_us),
                0);
        }
    }
}

static void revoke(node *n, const node *key) {
    w4_refused refused;
    ck_assert_int_eq(
        w4_protocol_key_revoke(n->protocol, id_of(key), W4_KEY_OF_NODE, "lost", now_us, &refused),
        0);
    hand_on(n);
}

static void hear_of(node *n, const node *key, const node *successor) {
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_refused refused;
    w4_fingerprint of;
    bool news = false;
    ck_assert_int_eq(w4_key_succession_write(key->identity, successor->identity, W4_KEY_OF_NODE,
                                             WALL0 + now_us, &text),
                     0);
    ck_assert_int_eq(
        w4_protocol_key_take(n->protocol, w4_buffer_bytes(&text), now_us, &news, &of, &refused), 0);
    ck_assert(news);
    w4_buffer_deinit(&text);
}

static void succeed(node *n, const node *key, const node *successor) {
    hear_of(n, key, successor);
    hand_on(n);
}

START_TEST(addresses_go_to_the_successor) {
    w4_mesh_peer_info info;
    succeed(a, b, c);
    ck_assert(!peer_info(a, id_of(b), &info));
    ck_assert(peer_info(a, id_of(c), &info));
    ck_assert_uint_eq(info.address_count, 1);
    ck_assert_str_eq(info.addresses[0].address, b->address);
}
END_TEST

/* Of two successions it heard at once, in the turn in which who was away came back. */
START_TEST(addresses_go_to_the_last_of_them) {
    w4_mesh_peer_info info;
    const node *d = node_add();
    hear_of(a, b, c);
    hear_of(a, c, d);
    hand_on(a);
    ck_assert(!peer_info(a, id_of(b), &info));
    ck_assert(!peer_info(a, id_of(c), &info));
    ck_assert(peer_info(a, id_of(d), &info));
    ck_assert_uint_eq(info.address_count, 1);
    ck_assert_str_eq(info.addresses[0].address, b->address);
}
END_TEST

START_TEST(a_revoked_successor_is_looked_for_nowhere) {
    revoke(a, c);
    succeed(a, b, c);
    ck_assert_uint_eq(peer_count(a), 0);
}
END_TEST

START_TEST(a_revoked_key_is_looked_for_nowhere) {
    revoke(a, b);
    ck_assert_uint_eq(peer_count(a), 0);
    ck_assert_int_eq(
        w4_mesh_add_address(a->mesh, b->address, W4_ADDRESS_OPERATOR, id_of(b), now_us), 2);
    ck_assert_uint_eq(peer_count(a), 0);
    ck_assert_int_eq(w4_mesh_add_address(a->mesh, b->address, W4_ADDRESS_OPERATOR, NULL, now_us),
                     0);
    node_stop(a);
    node_start(a);
    ck_assert_uint_eq(peer_count(a), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mesh keys");
    TCase *tc = tcase_create("keys");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, addresses_go_to_the_successor);
    tcase_add_test(tc, addresses_go_to_the_last_of_them);
    tcase_add_test(tc, a_revoked_successor_is_looked_for_nowhere);
    tcase_add_test(tc, a_revoked_key_is_looked_for_nowhere);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}

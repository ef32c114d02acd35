/* Beacons: what is written is read; forged, cut, stale and too many ones are nothing. */
#include "runner.h"

#include "mesh/beacon.h"

#include "crypto/primitives.h"
#include "mesh/meshes.h"

#include <errno.h>

static w4_identity *identity;
static w4_json_document doc;
static w4_beacon beacon;

static void setup(void) {
    uint8_t seed[W4_SEED_LEN] = {99};
    ck_assert_int_eq(w4_crypto_init(), 0);
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
}

static void teardown(void) {
    identity = w4_identity_free(identity);
    w4_json_document_deinit(&doc);
    nodes_reset();
}

static w4_buffer write_one(uint64_t wall_us, size_t count, const char *const *addresses) {
    w4_buffer out = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    ck_assert_int_eq(w4_beacon_write(identity, wall_us, addresses, count, &out), 0);
    return out;
}

START_TEST(round_trip) {
    const char *const addresses[] = {"tcp:192.0.2.7:7474", "tcp:[2001:db8::7]:7474"};
    w4_buffer out = write_one(WALL0, 2, addresses);
    ck_assert_uint_le(out.len, 350);
    ck_assert_int_eq(w4_beacon_read(&doc, w4_buffer_bytes(&out), &beacon), 0);
    ck_assert_uint_eq(beacon.address_count, 2);
    ck_assert_str_eq(beacon.addresses[0], addresses[0]);
    ck_assert_str_eq(beacon.addresses[1], addresses[1]);
    ck_assert_uint_eq(beacon.wall_us, WALL0);
    ck_assert_mem_eq(&beacon.node, w4_identity_fingerprint(identity), sizeof beacon.node);
    ck_assert_mem_eq(&beacon.pubkey, w4_identity_pubkey(identity), sizeof beacon.pubkey);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(what_does_not_fit_is_left_out) {
    char text[256];
    (void)snprintf(text, sizeof text, "tcp:%0200d:1", 1);
    const char *const addresses[] = {"tcp:a:1", text, "tcp:b:1"};
    w4_buffer out = write_one(WALL0, 3, addresses);
    ck_assert_int_eq(w4_beacon_read(&doc, w4_buffer_bytes(&out), &beacon), 0);
    ck_assert_uint_ge(beacon.address_count, 1);
    ck_assert_str_eq(beacon.addresses[0], "tcp:a:1");
    w4_buffer_deinit(&out);
    w4_buffer none = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    ck_assert_int_eq(w4_beacon_write(identity, WALL0, addresses, 0, &none), -EMSGSIZE);
    ck_assert_uint_eq(none.len, 0);
    w4_buffer_deinit(&none);
    const char *const many[] = {"t:1", "t:2", "t:3", "t:4", "t:5", "t:6"};
    out = write_one(WALL0, 6, many);
    ck_assert_int_eq(w4_beacon_read(&doc, w4_buffer_bytes(&out), &beacon), 0);
    ck_assert_uint_eq(beacon.address_count, W4_BEACON_ADDRESSES_MAX);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(each_bit_and_each_byte_counts) {
    const char *const addresses[] = {"tcp:192.0.2.7:7474"};
    w4_buffer out = write_one(WALL0, 1, addresses);
    memset(&beacon, 0, sizeof beacon);
    for (size_t i = 0; i < out.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            out.data[i] ^= (uint8_t)(1u << bit);
            ck_assert_int_eq(w4_beacon_read(&doc, w4_buffer_bytes(&out), &beacon), 1);
            out.data[i] ^= (uint8_t)(1u << bit);
        }
        ck_assert_int_eq(w4_beacon_read(&doc, w4_bytes_of(out.data, i), &beacon), 1);
    }
    ck_assert_uint_eq(beacon.address_count, 0); /* untouched all the time */
    w4_buffer_deinit(&out);
}
END_TEST

/* Signed well, but not what a beacon is. */
static const char *const other_forms[] = {
    "{\"address\":\"t:1\",\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[1],\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[\"t:\\n\"],\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[1,1,1,1,1],\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[\"t:1\"],\"beacon\":\"2.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[\"t:1\"],\"beacon\":1,\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "{\"address\":[\"t:1\"],\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"yesterday\"}",
    "{\"address\":[\"t:1\"],\"beacon\":\"1.0\",\"pubkey\":\"\",%s\"time\":\"TIME\"}",
    "{\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s\"time\":\"TIME\"}",
    "[%s]",
};

static void fill(char *out, size_t size, const char *form, const char *sign) {
    w4_buffer key = W4_BUFFER_INIT(64);
    ck_assert_int_eq(
        w4_base64_append(&key, w4_bytes_of(w4_identity_pubkey(identity)->bytes, W4_PUBKEY_LEN)), 0);
    char with[1024];
    (void)snprintf(with, sizeof with, "%.*s%s%s", (int)(strstr(form, "%s") - form), form, sign,
                   strstr(form, "%s") + 2);
    out[0] = '\0';
    for (const char *c = with; *c != '\0';) {
        size_t at = strlen(out);
        if (strncmp(c, "KEY", 3) == 0) {
            (void)snprintf(out + at, size - at, "%s", w4_buffer_text(&key));
            c += 3;
        } else if (strncmp(c, "TIME", 4) == 0) {
            (void)snprintf(out + at, size - at, "2026-11-23T10:12:12.000Z");
            c += 4;
        } else {
            (void)snprintf(out + at, size - at, "%c", *c++);
        }
    }
    w4_buffer_deinit(&key);
}

static int read_form(const char *form) {
    char text[1024];
    uint8_t signature[W4_SIGNATURE_LEN];
    fill(text, sizeof text, form, "");
    w4_identity_sign(identity, w4_bytes_from_text(text), signature);
    w4_buffer sign = W4_BUFFER_INIT(256);
    ck_assert_int_eq(
        w4_buffer_append_text(&sign, "\"sign\":{\"algo\":\"ed25519\",\"signature\":\""), 0);
    ck_assert_int_eq(w4_base64_append(&sign, w4_bytes_of(signature, sizeof signature)), 0);
    ck_assert_int_eq(w4_buffer_append_text(&sign, "\"},"), 0);
    fill(text, sizeof text, form, w4_buffer_text(&sign));
    w4_buffer_deinit(&sign);
    return w4_beacon_read(&doc, w4_bytes_from_text(text), &beacon);
}

START_TEST(signed_but_no_beacon) {
    ck_assert_int_eq(read_form("{\"address\":[\"t:1\"],\"beacon\":\"1.0\",\"pubkey\":\"KEY\",%s"
                               "\"time\":\"TIME\"}"),
                     0);
    ck_assert_int_eq(read_form(other_forms[_i]), 1);
}
END_TEST

START_TEST(it_leads_to_a_dial_and_no_more) {
    node *a = node_add();
    node *b = node_add();
    const char *const addresses[] = {b->address};
    w4_buffer out = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    ck_assert_int_eq(w4_beacon_write(b->identity, WALL0, addresses, 1, &out), 0);
    ck_assert_int_eq(w4_mesh_beacon_recv(a->mesh, w4_buffer_bytes(&out), now_us), 0);
    ck_assert_uint_eq(peer_count(a), 1);
    settle_with(false);
    ck_assert_str_eq(a->last_dialled, b->address);
    ck_assert_int_eq(w4_trust_book_state(a->trust, W4_TRUST_NODE, id_of(b)), W4_TRUST_UNTRUSTED);
    /* Its own, heard back, is nothing. */
    ck_assert_int_eq(w4_mesh_beacon_recv(b->mesh, w4_buffer_bytes(&out), now_us), 0);
    ck_assert_uint_eq(peer_count(b), 0);
    w4_buffer_deinit(&out);
}
END_TEST

START_TEST(stale_and_from_the_future) {
    node *a = node_add();
    const char *const addresses[] = {"memory:x"};
    const int64_t offsets_s[] = {-301, 301, -300, 300};
    for (int i = 0; i < 4; i++) {
        w4_buffer out =
            write_one((uint64_t)((int64_t)WALL0 + offsets_s[i] * (int64_t)S), 1, addresses);
        ck_assert_int_eq(w4_mesh_beacon_recv(a->mesh, w4_buffer_bytes(&out), now_us), 0);
        w4_buffer_deinit(&out);
        ck_assert_uint_eq(peer_count(a), i < 2 ? 0 : 1);
    }
}
END_TEST

START_TEST(addresses_of_no_form_are_passed_over) {
    node *a = node_add();
    const char *const addresses[] = {"nonsense", "memory:\xe2\x80\xae", "memory:good"};
    w4_buffer out = write_one(WALL0, 3, addresses);
    ck_assert_int_eq(w4_mesh_beacon_recv(a->mesh, w4_buffer_bytes(&out), now_us), 0);
    w4_mesh_peer_info info;
    ck_assert(peer_info(a, w4_identity_fingerprint(identity), &info));
    ck_assert_uint_eq(info.address_count, 1);
    ck_assert_str_eq(info.addresses[0].address, "memory:good");
    ck_assert_int_eq(info.addresses[0].source, W4_ADDRESS_BEACON);
    w4_buffer_deinit(&out);
}
END_TEST

/* So many a second are looked at, from whomever; after that they cost nothing. */
START_TEST(a_flood_is_cut) {
    node *a = node_add();
    for (unsigned i = 0; i < 120; i++) {
        uint8_t seed[W4_SEED_LEN] = {77, (uint8_t)i};
        w4_identity *other = NULL;
        w4_buffer out = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
        const char *const addresses[] = {"memory:x"};
        ck_assert_int_eq(w4_identity_from_seed(seed, &other), 0);
        ck_assert_int_eq(w4_beacon_write(other, WALL0, addresses, 1, &out), 0);
        ck_assert_int_eq(w4_mesh_beacon_recv(a->mesh, w4_buffer_bytes(&out), now_us), 0);
        w4_buffer_deinit(&out);
        w4_identity_free(other);
    }
    ck_assert_uint_eq(peer_count(a), 50);
    now_us += S;
    const char *const addresses[] = {"memory:x"};
    w4_buffer out = write_one(WALL0, 1, addresses);
    ck_assert_int_eq(w4_mesh_beacon_recv(a->mesh, w4_buffer_bytes(&out), now_us), 0);
    ck_assert_uint_eq(peer_count(a), 51);
    w4_buffer_deinit(&out);
}
END_TEST

/* Every five seconds with jitter, once asked for; none without an address to tell. */
START_TEST(when_they_are_sent) {
    node *a = node_add();
    w4_mesh_config config = W4_MESH_CONFIG_DEFAULT;
    run_for(20 * S);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_BEACON], 0);
    config.beacon_interval_us = 5 * S;
    w4_mesh_configure(a->mesh, &config);
    run_for(100 * S);
    ck_assert_uint_ge(a->events[W4_MESH_EVENT_BEACON], 18);
    ck_assert_uint_le(a->events[W4_MESH_EVENT_BEACON], 23);
    ck_assert_int_eq(w4_beacon_read(&doc, w4_buffer_bytes(&a->beacon), &beacon), 0);
    ck_assert_str_eq(beacon.addresses[0], a->address);
    ck_assert_int_eq(w4_mesh_set_addresses(a->mesh, NULL, 0, now_us), 0);
    unsigned sent = a->events[W4_MESH_EVENT_BEACON];
    run_for(30 * S);
    ck_assert_uint_eq(a->events[W4_MESH_EVENT_BEACON], sent);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("beacon");
    TCase *tc = tcase_create("beacon");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, round_trip);
    tcase_add_test(tc, what_does_not_fit_is_left_out);
    tcase_add_test(tc, each_bit_and_each_byte_counts);
    tcase_add_loop_test(tc, signed_but_no_beacon, 0,
                        (int)(sizeof other_forms / sizeof *other_forms));
    tcase_add_test(tc, it_leads_to_a_dial_and_no_more);
    tcase_add_test(tc, stale_and_from_the_future);
    tcase_add_test(tc, addresses_of_no_form_are_passed_over);
    tcase_add_test(tc, a_flood_is_cut);
    tcase_add_test(tc, when_they_are_sent);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}

/* The registry: order of dials, back-off, whose an address is, and what goes when it is full. */
#include "runner.h"

#include "mesh/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define S W4_US_PER_S
#define MS W4_US_PER_MS

static w4_mesh_registry registry;
static w4_trust_book *trust;
static uint64_t next_us;

static void no_jitter(void *context, void *ret_bytes, size_t len) {
    (void)context;
    memset(ret_bytes, 0xff, len); /* the longest delay that may be */
}

static const w4_env env = {.random = no_jitter};

static w4_fingerprint node_id(uint32_t number) {
    w4_fingerprint f = {{1}};
    memcpy(f.bytes + 1, &number, sizeof number);
    return f;
}

static w4_mesh_peer *peer_of(uint32_t number) {
    w4_fingerprint f = node_id(number);
    w4_mesh_peer *peer = NULL;
    ck_assert_int_eq(w4_mesh_registry_peer(&registry, &f, &peer), 0);
    return peer;
}

static w4_peer_address *add(w4_mesh_peer *peer, const char *address, w4_address_source source) {
    ck_assert_int_eq(w4_mesh_registry_add(&registry, peer, address, source, true), 0);
    for (uint32_t i = 0; i < peer->address_count; i++) {
        if (strcmp(peer->addresses[i]->address, address) == 0) {
            return peer->addresses[i];
        }
    }
    return NULL;
}

static const char *next(uint64_t now_us) {
    const w4_peer_address *address = w4_mesh_registry_next(&registry, trust, now_us, &next_us);
    return address == NULL ? "" : address->address;
}

static void setup(void) {
    memset(&registry, 0, sizeof registry);
    ck_assert_int_eq(w4_trust_book_new(&trust), 0);
}

static void teardown(void) {
    w4_mesh_registry_deinit(&registry);
    w4_mesh_registry_deinit(&registry);
    ck_assert_uint_eq(registry.dialling, 0);
    ck_assert_uint_eq(registry.connected, 0);
    trust = w4_trust_book_free(trust);
}

START_TEST(nobody) {
    ck_assert_str_eq(next(0), "");
    ck_assert_uint_eq(next_us, W4_NEVER);
    w4_fingerprint f = node_id(1);
    ck_assert_ptr_null(w4_mesh_registry_find(&registry, &f));
    ck_assert_ptr_null(w4_mesh_registry_dial_end(&registry, 0));
    ck_assert_ptr_null(w4_mesh_registry_dial_end(&registry, 7));
}
END_TEST

START_TEST(what_was_proved_comes_first) {
    w4_peer_address *claimed = add(peer_of(1), "t:claimed", W4_ADDRESS_RECORD);
    w4_peer_address *old = add(peer_of(2), "t:old", W4_ADDRESS_REMEMBERED);
    w4_peer_address *recent = add(peer_of(3), "t:recent", W4_ADDRESS_RECORD);
    old->worked_wall_us = 10;
    recent->worked_wall_us = 20;
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);

    const char *const order[] = {"t:recent", "t:old", "t:seed", "t:claimed"};
    for (int i = 0; i < 4; i++) {
        ck_assert_str_eq(next(S), order[i]);
        w4_mesh_registry_dial_begin(&registry, w4_mesh_registry_next(&registry, trust, S, &next_us),
                                    S);
    }
    ck_assert_str_eq(next(S), "");
    ck_assert_uint_eq(registry.dialling, 4);
    /* Where it failed comes after where it did not, but never after mere claims. */
    for (uint64_t dial = 1; dial <= 4; dial++) {
        ck_assert_ptr_nonnull(w4_mesh_registry_dial_end(&registry, dial));
    }
    recent->failures = 1;
    ck_assert_str_eq(next(S), "t:old");
    old->failures = 5;
    ck_assert_str_eq(next(S), "t:seed");
    claimed->failures = 0;
    w4_fingerprint f = node_id(2);
    ck_assert_ptr_eq(w4_mesh_registry_find(&registry, &f), old->peer);
}
END_TEST

START_TEST(back_off_delays_and_says_until_when) {
    w4_peer_address *a = add(peer_of(1), "t:a", W4_ADDRESS_SEED);
    w4_backoff_failed(&a->backoff, &env, S);
    uint64_t after_us = a->backoff.not_before_us;
    ck_assert_uint_gt(after_us, S);
    ck_assert_uint_le(after_us, S + 100 * MS);
    ck_assert_str_eq(next(after_us - 1), "");
    ck_assert_uint_eq(next_us, after_us);
    w4_peer_address *b = add(peer_of(2), "t:b", W4_ADDRESS_RECORD);
    ck_assert_str_eq(next(after_us - 1), "t:b");
    w4_mesh_registry_dial_begin(&registry, b, after_us - 1);
    ck_assert_str_eq(next(after_us), "t:a");
}
END_TEST

/* Addresses of one peer side by side, a quarter of a second apart (RFC 8305). */
START_TEST(the_second_address_waits_a_little) {
    w4_mesh_peer *peer = peer_of(1);
    w4_peer_address *a = add(peer, "t:a", W4_ADDRESS_SEED);
    add(peer, "t:b", W4_ADDRESS_RECORD);
    ck_assert_str_eq(next(S), "t:a");
    w4_mesh_registry_dial_begin(&registry, a, S);
    ck_assert_str_eq(next(S), "");
    ck_assert_uint_eq(next_us, S + 250 * MS);
    ck_assert_str_eq(next(S + 250 * MS), "t:b");
    ck_assert_ptr_eq(w4_mesh_registry_dial_end(&registry, a->dial), a);
    a->failures++;
    ck_assert_str_eq(next(S), "t:a"); /* nothing is under way any more */
    w4_mesh_registry_set_connected(&registry, peer, true);
    ck_assert_str_eq(next(S), "");
    ck_assert_uint_eq(registry.connected, 1);
}
END_TEST

START_TEST(blocked_nodes_are_not_dialled) {
    w4_trust_move move;
    w4_fingerprint f = node_id(1);
    add(peer_of(1), "t:a", W4_ADDRESS_SEED);
    ck_assert_int_eq(
        w4_trust_book_set(trust, W4_TRUST_NODE, &f, W4_TRUST_BLOCKED, "o", "", S, &move), 1);
    ck_assert_str_eq(next(S), "");
    ck_assert_uint_eq(next_us, W4_NEVER);
    ck_assert_int_eq(
        w4_trust_book_set(trust, W4_TRUST_NODE, &f, W4_TRUST_PROBING, "o", "", S, &move), 1);
    ck_assert_str_eq(next(S), "t:a");
}
END_TEST

/* ---- whose an address is */

START_TEST(known_addresses_keep_their_history) {
    w4_mesh_peer *peer = peer_of(1);
    w4_peer_address *a = add(peer, "t:a", W4_ADDRESS_RECORD);
    a->worked_wall_us = 5;
    a->failures = 3;
    ck_assert_ptr_eq(add(peer, "t:a", W4_ADDRESS_BEACON), a);
    ck_assert_int_eq(a->source, W4_ADDRESS_RECORD);
    ck_assert_ptr_eq(add(peer, "t:a", W4_ADDRESS_OPERATOR), a);
    ck_assert_int_eq(a->source, W4_ADDRESS_OPERATOR);
    ck_assert_uint_eq(a->failures, 3);
    ck_assert_uint_eq(peer->address_count, 1);
}
END_TEST

/* Somebody claims the address of another: each has it, and the one's failures are not the other's.
 */
START_TEST(a_claim_takes_nothing_away) {
    w4_mesh_peer *honest = peer_of(1);
    w4_mesh_peer *liar = peer_of(2);
    w4_peer_address *a = add(honest, "t:a", W4_ADDRESS_RECORD);
    w4_peer_address *b = add(liar, "t:a", W4_ADDRESS_RECORD);
    ck_assert_ptr_ne(a, b);
    w4_mesh_registry_dial_begin(&registry, b, S);
    w4_mesh_registry_dial_begin(&registry, a, S);
    ck_assert_uint_ne(a->dial, b->dial);
    ck_assert_ptr_eq(w4_mesh_registry_dial_end(&registry, b->dial), b);
    ck_assert_uint_eq(registry.dialling, 1);
    ck_assert_uint_ne(a->dial, 0);
}
END_TEST

START_TEST(a_seed_is_found_out) {
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);
    ck_assert_uint_eq(registry.count, 1);
    w4_peer_address *seed = registry.peers[0]->addresses[0];
    w4_mesh_registry_dial_begin(&registry, seed, S);
    uint64_t dial = seed->dial;
    w4_mesh_peer *peer = peer_of(1);
    ck_assert_ptr_eq(w4_mesh_registry_dial_end(&registry, dial), seed);
    ck_assert_ptr_eq(w4_mesh_registry_claim(&registry, peer, seed), seed);
    ck_assert_uint_eq(registry.count, 1); /* the nameless one is gone */
    ck_assert_ptr_eq(seed->peer, peer);
    ck_assert(!seed->pinned);

    /* Another node answers there later: the address goes to it. */
    w4_mesh_peer *heir = peer_of(2);
    ck_assert_ptr_eq(w4_mesh_registry_claim(&registry, heir, seed), seed);
    ck_assert_uint_eq(peer->address_count, 0);
    ck_assert_ptr_eq(w4_mesh_registry_find(&registry, &peer->node), peer);

    /* Who has it already keeps one of it, that is good for anybody. */
    w4_peer_address *known = add(peer, "t:seed", W4_ADDRESS_RECORD);
    ck_assert(known->pinned);
    ck_assert_ptr_eq(w4_mesh_registry_claim(&registry, peer, seed), known);
    ck_assert(!known->pinned);
    ck_assert_int_eq(known->source, W4_ADDRESS_SEED);
    ck_assert_uint_eq(heir->address_count, 0);
}
END_TEST

/* A seed that somebody merely claims to be at is tried for itself; where it worked it is known. */
START_TEST(claims_do_not_swallow_seeds) {
    w4_peer_address *a = add(peer_of(1), "t:seed", W4_ADDRESS_RECORD);
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);
    ck_assert_uint_eq(registry.count, 2);
    w4_peer_address *seed = registry.peers[1]->addresses[0];
    ck_assert(!seed->pinned);
    w4_mesh_registry_remove_address(&registry, seed);
    ck_assert_uint_eq(registry.count, 1);
    a->worked_wall_us = 1;
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);
    ck_assert_uint_eq(registry.count, 1);
    ck_assert(!a->pinned);
    ck_assert_int_eq(a->source, W4_ADDRESS_SEED);
}
END_TEST

/* ---- bounds */

START_TEST(the_worst_address_gives_way) {
    w4_mesh_peer *peer = peer_of(1);
    char text[16];
    for (unsigned i = 0; i < W4_MESH_PEER_ADDRESSES_MAX; i++) {
        (void)snprintf(text, sizeof text, "t:%u", i);
        add(peer, text, W4_ADDRESS_RECORD)->worked_wall_us = 10 + i;
    }
    ck_assert_ptr_nonnull(add(peer, "t:new", W4_ADDRESS_RECORD));
    ck_assert_uint_eq(peer->address_count, W4_MESH_PEER_ADDRESSES_MAX);
    for (uint32_t i = 0; i < peer->address_count; i++) {
        ck_assert_str_ne(peer->addresses[i]->address, "t:0");
        peer->addresses[i]->source = W4_ADDRESS_OPERATOR;
    }
    ck_assert_int_eq(w4_mesh_registry_add(&registry, peer, "t:more", W4_ADDRESS_RECORD, true),
                     -ENOSPC);
    /* No room for a seed either: it is then not kept, and nothing dangles. */
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:seed", W4_ADDRESS_SEED), 0);
    w4_peer_address *seed = registry.peers[1]->addresses[0];
    ck_assert_ptr_null(w4_mesh_registry_claim(&registry, peer, seed));
    ck_assert_uint_eq(registry.count, 1);
}
END_TEST

static bool has(const w4_mesh_peer *peer, const char *address) {
    for (uint32_t i = 0; i < peer->address_count; i++) {
        if (strcmp(peer->addresses[i]->address, address) == 0) {
            return true;
        }
    }
    return false;
}

START_TEST(what_is_not_listed_ages) {
    const uint64_t now = 100 * W4_MESH_ADDRESS_AGE_US;
    static w4_record record = {.address_count = 0};
    w4_mesh_peer *peer = peer_of(1);
    add(peer, "t:seed", W4_ADDRESS_SEED);
    add(peer, "t:operator", W4_ADDRESS_OPERATOR);
    add(peer, "t:beacon", W4_ADDRESS_BEACON);
    add(peer, "t:never", W4_ADDRESS_RECORD);
    add(peer, "t:here", W4_ADDRESS_RECORD);
    w4_peer_address *recent = add(peer, "t:recent", W4_ADDRESS_REMEMBERED);
    recent->worked_wall_us = now - 1000;
    add(peer, "t:old", W4_ADDRESS_REMEMBERED)->worked_wall_us = now - W4_MESH_ADDRESS_AGE_US - 1;
    ck_assert_uint_eq(w4_mesh_registry_age(&registry, peer, &record, now), 0); /* it lists none */
    snprintf(record.addresses[record.address_count++], 256, "t:here");
    ck_assert_uint_eq(w4_mesh_registry_age(&registry, peer, &record, now), 2);
    ck_assert(!has(peer, "t:never") && !has(peer, "t:old") && has(peer, "t:recent"));
    ck_assert(has(peer, "t:seed") && has(peer, "t:operator") && has(peer, "t:beacon"));
    /* The session goes by it, or a dial is under way. */
    recent->taken = peer->connected = true;
    uint64_t later = now + 2 * W4_MESH_ADDRESS_AGE_US;
    ck_assert_uint_eq(w4_mesh_registry_age(&registry, peer, &record, later), 0);
    w4_mesh_registry_worked(peer, later);
    peer->connected = false;
    ck_assert_uint_eq(w4_mesh_registry_age(&registry, peer, &record, later + 1000), 0);
    /* It was reached where it says it is. */
    recent->taken = false;
    add(peer, "t:here", W4_ADDRESS_RECORD)->worked_wall_us = later + 500;
    ck_assert_uint_eq(w4_mesh_registry_age(&registry, peer, &record, later + 1000), 1);
    ck_assert(!has(peer, "t:recent") && has(peer, "t:here"));
}
END_TEST

START_TEST(dials_are_bounded_and_end_with_what_they_are_of) {
    w4_peer_address *addresses[W4_MESH_DIALS_MAX];
    for (uint32_t i = 0; i < W4_MESH_DIALS_MAX; i++) {
        addresses[i] = add(peer_of(i), "t:a", W4_ADDRESS_RECORD);
        w4_mesh_registry_dial_begin(&registry, addresses[i], S);
        ck_assert_uint_eq(addresses[i]->dial, i + 1);
    }
    ck_assert_uint_eq(registry.dialling, W4_MESH_DIALS_MAX);
    w4_mesh_registry_remove(&registry, addresses[0]->peer);
    w4_mesh_registry_remove_address(&registry, addresses[1]);
    ck_assert_uint_eq(registry.dialling, W4_MESH_DIALS_MAX - 2);
    ck_assert_ptr_null(w4_mesh_registry_dial_end(&registry, 1));
    ck_assert_ptr_null(w4_mesh_registry_dial_end(&registry, 2));
    w4_mesh_registry_dial_begin(&registry, add(peer_of(1), "t:b", W4_ADDRESS_RECORD), S);
    ck_assert_uint_eq(peer_of(1)->addresses[0]->dial, W4_MESH_DIALS_MAX + 1);
}
END_TEST

START_TEST(who_goes_when_it_is_full) {
    for (uint32_t i = 0; i < W4_MESH_PEERS_MAX; i++) {
        peer_of(i)->seen_wall_us = 1000 + i;
    }
    w4_fingerprint late = node_id(W4_MESH_PEERS_MAX);
    w4_mesh_peer *peer = NULL;
    ck_assert_int_eq(w4_mesh_registry_peer(&registry, &late, &peer), -ENOSPC);
    ck_assert_int_eq(w4_mesh_registry_add_anybodys(&registry, "t:x", W4_ADDRESS_SEED), -ENOSPC);
    /* All had sessions: a stranger takes nobody's place, one with a session takes the oldest's. */
    ck_assert_ptr_null(w4_mesh_registry_expendable(&registry, trust, false));
    ck_assert_ptr_eq(w4_mesh_registry_expendable(&registry, trust, true), peer_of(0));
    w4_mesh_registry_set_connected(&registry, peer_of(0), true);
    add(peer_of(1), "t:seed", W4_ADDRESS_SEED);
    w4_mesh_registry_dial_begin(&registry, add(peer_of(2), "t:a", W4_ADDRESS_RECORD), S);
    w4_trust_move move;
    w4_fingerprint friend = node_id(3);
    ck_assert_int_eq(
        w4_trust_book_set(trust, W4_TRUST_NODE, &friend, W4_TRUST_TRUSTED, "o", "", S, &move), 1);
    ck_assert_ptr_eq(w4_mesh_registry_expendable(&registry, trust, true), peer_of(4));
    peer_of(9)->seen_wall_us = 0;
    ck_assert_ptr_eq(w4_mesh_registry_expendable(&registry, trust, false), peer_of(9));
    w4_mesh_registry_remove(&registry, peer_of(9));
    ck_assert_int_eq(w4_mesh_registry_peer(&registry, &late, &peer), 0);
    for (uint32_t i = 0; i < registry.count; i++) {
        ck_assert_uint_eq(registry.peers[i]->position, i);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("registry");
    TCase *tc = tcase_create("registry");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, nobody);
    tcase_add_test(tc, what_was_proved_comes_first);
    tcase_add_test(tc, back_off_delays_and_says_until_when);
    tcase_add_test(tc, the_second_address_waits_a_little);
    tcase_add_test(tc, blocked_nodes_are_not_dialled);
    tcase_add_test(tc, known_addresses_keep_their_history);
    tcase_add_test(tc, a_claim_takes_nothing_away);
    tcase_add_test(tc, a_seed_is_found_out);
    tcase_add_test(tc, claims_do_not_swallow_seeds);
    tcase_add_test(tc, the_worst_address_gives_way);
    tcase_add_test(tc, what_is_not_listed_ages);
    tcase_add_test(tc, dials_are_bounded_and_end_with_what_they_are_of);
    tcase_add_test(tc, who_goes_when_it_is_full);
    suite_add_tcase(suite, tc);
    return w4_test_run(suite);
}

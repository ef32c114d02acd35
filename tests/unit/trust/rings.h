/* A ring of keys, identities to fill it with, and what is done to it. */
#pragma once

#include "runner.h"

#include "base/clock.h"
#include "crypto/primitives.h"
#include "trust/key_history.h"
#include "trust/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define T0 (UINT64_C(1800000000) * W4_US_PER_S)
#define IDENTITIES 48u
#define NODE W4_KEY_OF_NODE
#define AGENT W4_KEY_OF_AGENT

static w4_identity *who[IDENTITIES];
static w4_keyring *ring;
static w4_json_document scratch;
static w4_key_document document;
static w4_key_fault fault;
static w4_keyring_result result;
static w4_buffer text;
static bool all_matter;
static w4_fingerprint anchor, friend;

static const w4_fingerprint *id(unsigned n) {
    return w4_identity_fingerprint(who[n]);
}

static bool matters(void *context, const w4_fingerprint *key) {
    (void)context;
    return all_matter || w4_fingerprint_equal(key, id(0));
}

static w4_key_authority authority(void *context, const w4_fingerprint *signer) {
    (void)context;
    return w4_fingerprint_equal(signer, &anchor)   ? W4_KEY_BY_ANCHOR
           : w4_fingerprint_equal(signer, &friend) ? W4_KEY_BY_HEARSAY
                                                   : W4_KEY_BY_NOBODY;
}

static void setup(void) {
    ck_assert_int_eq(w4_crypto_init(), 0);
    for (unsigned n = 0; n < IDENTITIES; n++) {
        uint8_t seed[W4_SEED_LEN] = {(uint8_t)(n + 1), 9};
        ck_assert_int_eq(w4_identity_from_seed(seed, &who[n]), 0);
    }
    w4_keyring_rules rules = {.matters = matters, .authority = authority};
    ck_assert_int_eq(w4_keyring_new(&rules, &ring), 0);
    text = W4_BUFFER_INIT(65536);
    all_matter = true;
    anchor = friend = (w4_fingerprint){{0}};
}

static void teardown(void) {
    ring = w4_keyring_free(ring);
    for (unsigned n = 0; n < IDENTITIES; n++) {
        who[n] = w4_identity_free(who[n]);
    }
    w4_json_document_deinit(&scratch);
    w4_buffer_deinit(&text);
}

static int read_text(void) {
    return w4_key_document_read(&scratch, w4_buffer_bytes(&text), &document, &fault);
}

static w4_keyring_verdict take(void) {
    ck_assert_int_eq(read_text(), 0);
    ck_assert_int_eq(w4_keyring_take(ring, &document, &result), 0);
    return result.verdict;
}

static w4_keyring_verdict succeed_of(w4_key_kind of, unsigned old, unsigned fresh) {
    w4_buffer_clear(&text);
    ck_assert_int_eq(
        w4_key_succession_write(who[old], who[fresh], of, T0 + fresh * W4_US_PER_S, &text), 0);
    return take();
}

static w4_keyring_verdict succeed(unsigned old, unsigned fresh) {
    return succeed_of(AGENT, old, fresh);
}

static w4_keyring_verdict revoke(unsigned signer, unsigned key) {
    w4_buffer_clear(&text);
    ck_assert_int_eq(
        w4_key_revocation_write(who[signer], id(key), AGENT, "lost", T0 + W4_US_PER_S, &text), 0);
    return take();
}

static bool current_is(unsigned key, unsigned expected) {
    w4_fingerprint current = w4_keyring_current(ring, id(key));
    return w4_fingerprint_equal(&current, id(expected));
}

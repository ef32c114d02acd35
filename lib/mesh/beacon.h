/* LAN beacons (mesh.md 2): a signed datagram that says where a node may be dialled. It is never
 * trusted for more than an address. Canonical JSON:
 * {"address":[...],"beacon":"1.0","pubkey":base64,"sign":{"algo","signature"},"time":RFC 3339}. */
#pragma once

#include "crypto/sign.h"
#include "json/document.h"

#define W4_BEACON_ADDRESSES_MAX 4u
#define W4_BEACON_BYTES_MAX 512u

typedef struct w4_beacon {
    w4_pubkey pubkey;
    w4_fingerprint node; /* of pubkey */
    uint64_t wall_us;
    char addresses[W4_BEACON_ADDRESSES_MAX][256];
    uint32_t address_count;
} w4_beacon;

/* Appends the signed datagram; addresses that would not fit are left out. 0, -ENOMEM, -EMSGSIZE
 * (not even one address fits). */
int w4_beacon_write(const w4_identity *identity, uint64_t wall_us, const char *const *addresses,
                    size_t count, w4_buffer *out);
/* doc is scratch memory. 0, -ENOMEM, or 1: not a good beacon. Freshness is the caller's. */
int w4_beacon_read(w4_json_document *doc, w4_bytes datagram, w4_beacon *ret_beacon);

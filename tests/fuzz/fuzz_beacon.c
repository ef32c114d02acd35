/* Beacons, as they come and with a good signature. */
#include "mesh/beacon.h"
#include "signed_text.h"

#include <string.h>

static void take(w4_bytes datagram) {
    w4_json_document doc = {0};
    w4_beacon beacon;
    int r = w4_beacon_read(&doc, datagram, &beacon);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 0) {
        w4_fingerprint of_key = w4_fingerprint_of(&beacon.pubkey);
        FUZZ_REQUIRE(datagram.len <= W4_BEACON_BYTES_MAX);
        FUZZ_REQUIRE(w4_fingerprint_equal(&of_key, &beacon.node));
        FUZZ_REQUIRE(beacon.address_count <= W4_BEACON_ADDRESSES_MAX);
        for (uint32_t i = 0; i < beacon.address_count; i++) {
            FUZZ_REQUIRE(memchr(beacon.addresses[i], 0, sizeof beacon.addresses[i]) != NULL);
        }
    }
    w4_json_document_deinit(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)fuzz_identity();
    take(w4_bytes_of(data, size));
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    if (fuzz_signed_text(w4_bytes_of(data, size), &text)) {
        take(w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return 0;
}

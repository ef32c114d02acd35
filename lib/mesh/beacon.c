#include "mesh/beacon.h"

#include "base/clock.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "json/writer.h"

#include <errno.h>
#include <string.h>

#define SIGN_NAME_LEN 8u /* ,"sign": */

static const w4_json_limits beacon_limits = {W4_BEACON_BYTES_MAX, 3, 8, 256};

static int write_beacon(const w4_identity *identity, const char *time, const char *const *addresses,
                        size_t count, const uint8_t *signature, w4_buffer *out) {
    w4_json_writer writer;
    w4_json_writer *w = &writer;
    w4_json_writer_init(w, out);
    w4_json_begin_object(w);
    w4_json_name(w, "address");
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        w4_json_string_text(w, addresses[i]);
    }
    w4_json_end_array(w);
    w4_json_member_string(w, "beacon", "1.0");
    w4_member_pubkey(w, "pubkey", w4_identity_pubkey(identity));
    if (signature != NULL) {
        w4_member_sign(w, signature);
    }
    w4_json_member_string(w, "time", time);
    w4_json_end_object(w);
    return w->error;
}

int w4_beacon_write(const w4_identity *identity, uint64_t wall_us, const char *const *addresses,
                    size_t count, w4_buffer *out) {
    char time[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, time);
    w4_buffer text = W4_BUFFER_INIT(W4_BEACON_BYTES_MAX);
    size_t fitting = count < W4_BEACON_ADDRESSES_MAX ? count : W4_BEACON_ADDRESSES_MAX;
    int r = -EMSGSIZE;
    for (; r == -EMSGSIZE && fitting > 0; fitting--) {
        w4_buffer_clear(&text);
        r = write_beacon(identity, time, addresses, fitting, NULL, &text);
        if (r != 0) {
            continue;
        }
        uint8_t signature[W4_SIGNATURE_LEN];
        w4_identity_sign(identity, w4_buffer_bytes(&text), signature);
        w4_buffer_clear(&text);
        r = write_beacon(identity, time, addresses, fitting, signature, &text);
    }
    r = r != 0 ? r : w4_buffer_append(out, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return r;
}

/* The signature over the datagram without its sign member; address and beacon stand before it. */
static int verify(const w4_json_document *doc, const w4_pubkey *pubkey) {
    w4_json sign = w4_json_get(w4_json_root(doc), "sign");
    uint8_t signature[W4_SIGNATURE_LEN];
    if (!w4_json_string_equal(w4_json_get(sign, "algo"), "ed25519") ||
        !w4_base64_parse(w4_json_string_raw(w4_json_get(sign, "signature")), signature,
                         sizeof signature)) {
        return 0;
    }
    w4_bytes value = w4_json_text(sign);
    size_t head = (size_t)(value.data - doc->text.data) - SIGN_NAME_LEN;
    size_t tail = (size_t)(value.data - doc->text.data) + value.len;
    return w4_sign_verify_joined(pubkey, w4_bytes_of(doc->text.data, head),
                                 w4_bytes_of(doc->text.data + tail, doc->text.len - tail),
                                 signature);
}

int w4_beacon_read(w4_json_document *doc, w4_bytes datagram, w4_beacon *ret_beacon) {
    int r = w4_json_read_canonical(doc, datagram, &beacon_limits, NULL);
    if (r != 0) {
        return r < 0 ? r : 1;
    }
    w4_json root = w4_json_root(doc);
    w4_json addresses = w4_json_get(root, "address");
    w4_beacon beacon = {0};
    if (!w4_json_string_equal(w4_json_get(root, "beacon"), "1.0") ||
        w4_json_kind_of(addresses) != W4_JSON_ARRAY ||
        w4_json_count(addresses) > W4_BEACON_ADDRESSES_MAX ||
        !w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "time")), &beacon.wall_us) ||
        !w4_base64_parse(w4_json_string_raw(w4_json_get(root, "pubkey")), beacon.pubkey.bytes,
                         sizeof beacon.pubkey.bytes)) {
        return 1;
    }
    for (w4_json_iterator i = w4_json_first(addresses); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        if (!w4_json_string_plain(i.value) ||
            !w4_json_string_copy(i.value, beacon.addresses[beacon.address_count],
                                 sizeof beacon.addresses[0])) {
            return 1;
        }
        beacon.address_count++;
    }
    r = verify(doc, &beacon.pubkey);
    if (r != 1) {
        return r < 0 ? r : 1;
    }
    beacon.node = w4_fingerprint_of(&beacon.pubkey);
    *ret_beacon = beacon;
    return 0;
}

/* Members of JSON objects whose forms all families share. An error stays in the writer. */
#pragma once

#include "base/clock.h"
#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "json/writer.h"

static inline void w4_member_fingerprint(w4_json_writer *w, const char *name,
                                         const w4_fingerprint *f) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_fingerprint_format(f, text);
    w4_json_member_string(w, name, text);
}

/* Wall time in microseconds, as a time stamp (RFC 3339). */
static inline void w4_member_time(w4_json_writer *w, const char *name, uint64_t wall_us) {
    char text[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(wall_us, text);
    w4_json_member_string(w, name, text);
}

/* The same of what may not have happened: nothing when it is 0. */
static inline void w4_member_time_if_any(w4_json_writer *w, const char *name, uint64_t wall_us) {
    if (wall_us != 0) {
        w4_member_time(w, name, wall_us);
    }
}

/* Keys, signatures, and what else is no longer than those. */
static inline void w4_member_base64(w4_json_writer *w, const char *name, const uint8_t *bytes,
                                    size_t len) {
    uint8_t text[W4_BASE64_LEN(W4_SIGNATURE_LEN) + 1];
    w4_buffer out = {text, 0, sizeof text, sizeof text};
    int r = w4_base64_append(&out, w4_bytes_of(bytes, len));
    w->error = w->error == 0 ? r : w->error;
    w4_json_member_bytes(w, name, w4_buffer_bytes(&out));
}

static inline void w4_member_pubkey(w4_json_writer *w, const char *name, const w4_pubkey *key) {
    w4_member_base64(w, name, key->bytes, sizeof key->bytes);
}

/* The member `sign` of what has one signature, over all the rest of it. */
static inline void w4_member_sign(w4_json_writer *w, const uint8_t signature[W4_SIGNATURE_LEN]) {
    w4_json_name(w, "sign");
    w4_json_begin_object(w);
    w4_json_member_string(w, "algo", "ed25519");
    w4_member_base64(w, "signature", signature, W4_SIGNATURE_LEN);
    w4_json_end_object(w);
}

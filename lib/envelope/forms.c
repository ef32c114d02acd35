/* Forms of strings, elements of lists and enumerations that the schema tables share. */
#include "envelope/schema.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/fingerprint.h"
#include "crypto/primitives.h"
#include "crypto/sign.h"

/* The values come in canonical form: a control of C0 is there as an escape, and an escape that
 * is neither of a quote nor of a backslash stands for a control. DEL and C1 (U+0080 to U+009F:
 * C2 80 to C2 9F) stand as they are. */
static bool has_control(w4_bytes raw) {
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        if (c == '\\') {
            i++; /* canonical form never ends in a lone backslash */
            if (raw.data[i] != '"' && raw.data[i] != '\\') {
                return true;
            }
        } else if (c == 0x7F || (c == 0xC2 && raw.data[i + 1] < 0xA0)) {
            return true;
        }
    }
    return false;
}

const char *w4_check_label(w4_json value) {
    return has_control(w4_json_string_raw(value)) ? "a string without control characters" : NULL;
}

const char *w4_check_agent_id(w4_json value) {
    if (w4_json_string_equal(value, "*")) {
        return "the name of one agent, not *";
    }
    return w4_check_label(value);
}

const char *w4_check_uuid(w4_json value) {
    return w4_uuid_v4_valid(w4_json_string_raw(value)) ? NULL : "a UUID v4 in lower case";
}

const char *w4_check_timestamp(w4_json value) {
    uint64_t ignored;
    return w4_timestamp_parse(w4_json_string_raw(value), &ignored)
               ? NULL
               : "a time as RFC 3339 in UTC, such as 2026-01-31T12:00:00.000Z";
}

/* The forms of fingerprints and of base64 are only looked at here, not decoded: most of these
 * values nobody decodes, and what is decoded is checked again. */
static bool is_hex_of(w4_json value, size_t len) {
    w4_bytes raw = w4_json_string_raw(value);
    bool good = raw.len == len;
    for (size_t i = 0; good && i < raw.len; i++) {
        uint8_t c = raw.data[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    }
    return good;
}

const char *w4_check_fingerprint(w4_json value) {
    return is_hex_of(value, W4_FINGERPRINT_TEXT_LEN) ? NULL : "64 lower-case hex digits";
}

const char *w4_check_digest(w4_json value) {
    return is_hex_of(value, 32) ? NULL : "32 lower-case hex digits";
}

const char *w4_check_fingerprint_or_all(w4_json value) {
    if (w4_json_string_equal(value, "*")) {
        return NULL;
    }
    return w4_check_fingerprint(value) ? "64 lower-case hex digits or *" : NULL;
}

/* The value of a digit of base64, 64 when it is none. */
static unsigned base64_value(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26u;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52u;
    }
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Exactly len bytes, padded, no bit set that means nothing. */
static bool is_base64_of(w4_json value, size_t len) {
    w4_bytes raw = w4_json_string_raw(value);
    size_t padding = (3 - len % 3) % 3;
    if (raw.len != W4_BASE64_LEN(len)) {
        return false;
    }
    unsigned last = 0;
    for (size_t i = 0; i < raw.len - padding; i++) {
        last = base64_value(raw.data[i]);
        if (last == 64) {
            return false;
        }
    }
    for (size_t i = raw.len - padding; i < raw.len; i++) {
        if (raw.data[i] != '=') {
            return false;
        }
    }
    return (last & ((1u << (2 * padding)) - 1)) == 0;
}

const char *w4_check_pubkey(w4_json value) {
    return is_base64_of(value, W4_PUBKEY_LEN) ? NULL : "32 bytes in padded base64";
}

const char *w4_check_signature(w4_json value) {
    return is_base64_of(value, W4_SIGNATURE_LEN) ? NULL : "64 bytes in padded base64";
}

const char *w4_check_nonce(w4_json value) {
    return is_base64_of(value, W4_SESSION_NONCE_LEN) ? NULL : "16 bytes in padded base64";
}

const char *w4_check_challenge(w4_json value) {
    return is_base64_of(value, W4_CHALLENGE_LEN) ? NULL : "32 bytes in padded base64";
}

const char *w4_check_text_or_object(w4_json value) {
    w4_json_kind kind = w4_json_kind_of(value);
    return kind == W4_JSON_STRING || kind == W4_JSON_OBJECT ? NULL : "a string or an object";
}

const char *w4_check_params(w4_json value) {
    w4_json_kind kind = w4_json_kind_of(value);
    return kind == W4_JSON_OBJECT || kind == W4_JSON_ARRAY ? NULL : "an object or an array";
}

/* clang-format off */
const w4_schema_row w4_item_name = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_NAME_BYTES_MAX, .check = w4_check_label, .help = "a name"};
const w4_schema_row w4_item_text = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_TEXT_BYTES_MAX, .help = "a text"};
const w4_schema_row w4_item_uuid = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_NAME_BYTES_MAX, .check = w4_check_uuid, .help = "a msg_id"};
const w4_schema_row w4_item_fingerprint = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = W4_NAME_BYTES_MAX, .check = w4_check_fingerprint, .help = "a fingerprint"};
const w4_schema_row w4_item_text_or_object = {
    .kind = W4_SCHEMA_ANY, .check = w4_check_text_or_object, .help = "in words, or structured"};
const w4_schema_row w4_item_object = {
    .kind = W4_SCHEMA_OBJECT, .help = "an object"};

const char *const w4_names_presence[] = {"focused", "diffuse", "overloaded", "engaged", NULL};
const char *const w4_names_affect[] = {"calm", "tense", "anxious", "energized", "neutral", NULL};
const char *const w4_names_consent[] = {"granted", "limited", "revoked", NULL};
const char *const w4_names_priority[] = {"low", "normal", "high", NULL};
const char *const w4_names_severity[] = {"low", "medium", "high", NULL};
const char *const w4_names_trust[] = {"unknown", "untrusted", "probing", "trusted", "blacklisted", NULL};
/* clang-format on */

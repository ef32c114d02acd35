#include "protocol/evidence/evidence.h"

#include "crypto/primitives.h"
#include "json/document.h"

#include <string.h>

#define KEY_LEN (W4_UUID_LEN + W4_FINGERPRINT_LEN)

static w4_bytes make_key(const char *msg_id, const w4_fingerprint *sender,
                         uint8_t ret_key[static KEY_LEN]) {
    memcpy(ret_key, msg_id, W4_UUID_LEN);
    memcpy(ret_key + W4_UUID_LEN, sender->bytes, W4_FINGERPRINT_LEN);
    return w4_bytes_of(ret_key, KEY_LEN);
}

int w4_evidence_put(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_bytes envelope) {
    uint8_t key[KEY_LEN];
    return w4_store_put(store, W4_STORE_ENVELOPE, make_key(msg_id, sender, key), envelope);
}

int w4_evidence_get(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                    w4_buffer *ret_envelope) {
    uint8_t key[KEY_LEN];
    return w4_store_get(store, W4_STORE_ENVELOPE, make_key(msg_id, sender, key), ret_envelope);
}

int w4_evidence_receiver(w4_store *store, const char *msg_id, const w4_fingerprint *sender,
                         bool *ret_to_all, w4_fingerprint *ret_to) {
    static const char receiver[] = "/receiver/fingerprint";
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_document doc = {0};
    w4_fingerprint to = {{0}};
    int r = w4_evidence_get(store, msg_id, sender, &text);
    r = r == 0 ? w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_ENVELOPE, NULL) : r;
    w4_json named = r == 0 ? w4_json_at_pointer(w4_json_root(&doc), w4_bytes_from_text(receiver))
                           : (w4_json){0};
    *ret_to_all = w4_json_string_equal(named, "*");
    *ret_to = w4_fingerprint_parse(w4_json_string_raw(named), &to) ? to : (w4_fingerprint){{0}};
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
    return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
}

int w4_evidence_remove(w4_store *store, const char *msg_id, const w4_fingerprint *sender) {
    uint8_t key[KEY_LEN];
    return w4_store_remove(store, W4_STORE_ENVELOPE, make_key(msg_id, sender, key));
}

void w4_evidence_stand_in(const char *msg_id, const w4_fingerprint *sender,
                          char ret_key[static W4_UUID_LEN + 1]) {
    uint8_t hash[W4_HASH_LEN];
    size_t len = 0;
    w4_hash(w4_bytes_of(msg_id, W4_UUID_LEN), w4_bytes_of(sender->bytes, W4_FINGERPRINT_LEN), hash);
    for (size_t i = 0; i < W4_UUID_LEN && len < W4_STAND_IN_PREFIX; i++) {
        if (msg_id[i] != '-') {
            ret_key[len++] = msg_id[i];
        }
    }
    /* No hyphens: so it is no msg_id. */
    w4_hex_format(w4_bytes_of(hash, (W4_UUID_LEN - len) / 2), &ret_key[len]);
}

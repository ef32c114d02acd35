/* Documents about keys (web4-trust(7), KEYS), for agents that sign for themselves. */
#include <errno.h>

#include "trust/key_document.h"
#include "web4/error.h"

#define US_PER_MS UINT64_C(1000)
#define TIME_MAX_MS (UINT64_MAX / US_PER_MS)

int web4_identity_succeed(const web4_identity *old_identity, const web4_identity *new_identity,
                          uint64_t time_ms, char **ret_text, size_t *ret_len) {
    if (time_ms > TIME_MAX_MS) {
        return -EINVAL;
    }
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = w4_key_succession_write(old_identity->key, new_identity->key, W4_KEY_OF_AGENT,
                                    time_ms * US_PER_MS, &text);
    r = r == 0 ? w4_web4_hand_out(&text, ret_text, ret_len) : r;
    w4_buffer_deinit(&text);
    return r;
}

int web4_identity_revoke(const web4_identity *identity, const char *fingerprint, const char *reason,
                         uint64_t time_ms, char **ret_text, size_t *ret_len) {
    w4_fingerprint revoked = *w4_identity_fingerprint(identity->key);
    if (time_ms > TIME_MAX_MS ||
        (fingerprint && !w4_fingerprint_parse(w4_bytes_from_text(fingerprint), &revoked))) {
        return -EINVAL;
    }
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = w4_key_revocation_write(identity->key, &revoked, W4_KEY_OF_AGENT, reason,
                                    time_ms * US_PER_MS, &text);
    r = r == 0 ? w4_web4_hand_out(&text, ret_text, ret_len) : r;
    w4_buffer_deinit(&text);
    return r;
}

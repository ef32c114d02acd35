#include "web4/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/primitives.h"

int w4_web4_refuse(web4_error *error, const char *code, const char *pointer, const char *text) {
    if (error != NULL) {
        *error = (web4_error){0};
        w4_text_copy(error->code, sizeof error->code, w4_bytes_from_text(code));
        w4_text_copy(error->pointer, sizeof error->pointer, w4_bytes_from_text(pointer));
        w4_text_escape_cut(error->text, sizeof error->text, w4_bytes_from_text(text));
    }
    return WEB4_REFUSED;
}

int w4_web4_refuse_code(web4_error *error, w4_refusal code, const char *pointer, const char *text) {
    bool has_text = text != NULL && text[0] != 0;
    return w4_web4_refuse(error, w4_refusal_name(code), pointer,
                          has_text ? text : w4_refusal_help(code));
}

int w4_web4_hand_out(w4_buffer *buffer, char **ret_text, size_t *ret_len) {
    buffer->max++; /* for the NUL */
    if (w4_buffer_text(buffer) == NULL) {
        return -ENOMEM;
    }
    *ret_text = (char *)buffer->data;
    *ret_len = buffer->len;
    *buffer = (w4_buffer){0};
    return 0;
}

const char *web4_version(void) {
    return W4_VERSION;
}

void web4_free(void *memory) {
    free(memory);
}

/* ---- */

/* Takes the key over, also on failure. */
static int wrap(w4_identity *key, web4_identity **ret_identity) {
    web4_identity *identity = calloc(1, sizeof *identity);
    w4_buffer pubkey = W4_BUFFER_INIT(sizeof identity->pubkey);
    const w4_pubkey *raw = w4_identity_pubkey(key);
    int r = identity == NULL ? -ENOMEM
                             : w4_base64_append(&pubkey, w4_bytes_of(raw->bytes, W4_PUBKEY_LEN));
    if (r < 0) {
        free(identity);
        w4_identity_free(key);
        w4_buffer_deinit(&pubkey);
        return r;
    }
    w4_text_copy(identity->pubkey, sizeof identity->pubkey, w4_buffer_bytes(&pubkey));
    w4_buffer_deinit(&pubkey);
    w4_fingerprint_format(w4_identity_fingerprint(key), identity->fingerprint);
    identity->key = key;
    *ret_identity = identity;
    return 0;
}

static int refuse_key(web4_error *error, int condition, int system_error) {
    return w4_web4_refuse(error, "", NULL, w4_key_file_error(condition, system_error));
}

int web4_identity_generate(web4_identity **ret_identity) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *key = NULL;
    int r = w4_crypto_init();
    if (r < 0) {
        return r;
    }
    w4_random(seed, sizeof seed);
    r = w4_identity_from_seed(seed, &key);
    w4_wipe(seed, sizeof seed);
    return r < 0 ? r : wrap(key, ret_identity);
}

int web4_identity_load(const char *path, web4_identity **ret_identity, web4_error *error) {
    w4_identity *key = NULL;
    int system_error = 0;
    int r = w4_crypto_init();
    if (r == 0) {
        r = w4_identity_load(path, &key, &system_error);
    }
    if (r > 0) {
        return refuse_key(error, r, system_error);
    }
    return r < 0 ? r : wrap(key, ret_identity);
}

int web4_identity_save(const web4_identity *identity, const char *path, web4_error *error) {
    int system_error = 0;
    int r = w4_identity_save(identity->key, path, &system_error);
    return r > 0 ? refuse_key(error, r, system_error) : r;
}

web4_identity *web4_identity_free(web4_identity *identity) {
    if (identity != NULL) {
        w4_identity_free(identity->key);
        free(identity);
    }
    return NULL;
}

const char *web4_identity_fingerprint(const web4_identity *identity) {
    return identity->fingerprint;
}

const char *web4_identity_pubkey(const web4_identity *identity) {
    return identity->pubkey;
}

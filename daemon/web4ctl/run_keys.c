#include <errno.h>
#include <string.h>

#include "crypto/primitives.h"
#include "crypto/sign.h"
#include "web4ctl/ctl.h"
#include "json/writer.h"

static ctl_status tell_key_error(const ctl_context *ctl, const char *path, int condition,
                                 int error) {
    if (condition < 0) {
        return ctl_fatal(ctl, condition);
    }
    ctl_error(ctl, "%s: %s", path,
              condition == W4_KEY_E_FILE ? strerror(error) : w4_key_error_name(condition));
    return CTL_REFUSED;
}

static ctl_status show_key(const ctl_context *ctl, const w4_identity *identity, const char *path) {
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_buffer text = W4_BUFFER_INIT(16384);
    w4_buffer pubkey = W4_BUFFER_INIT(64);
    const w4_pubkey *key = w4_identity_pubkey(identity);
    w4_json_writer w;
    w4_fingerprint_format(w4_identity_fingerprint(identity), fingerprint);
    int r = w4_base64_append(&pubkey, w4_bytes_of(key->bytes, sizeof key->bytes));
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "fingerprint", fingerprint);
    w4_json_member_string(&w, "path", path);
    w4_json_member_bytes(&w, "pubkey", w4_buffer_bytes(&pubkey));
    w4_json_end_object(&w);
    r = r < 0 ? r : w.error;
    ctl_status status = r < 0 ? ctl_fatal(ctl, r) : ctl_answer_text(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&pubkey);
    w4_buffer_deinit(&text);
    return status;
}

/* As openssl genpkey: the secret goes where the caller sends it. */
static ctl_status print_key(const ctl_context *ctl, const w4_identity *identity) {
    w4_buffer pem = W4_BUFFER_INIT(W4_KEY_FILE_MAX);
    int r = w4_identity_encode(identity, &pem);
    if (r == 0) {
        fwrite(pem.data, 1, pem.len, ctl->output.file);
    }
    if (pem.data != NULL) {
        w4_wipe(pem.data, pem.cap);
    }
    w4_buffer_deinit(&pem);
    return r < 0 ? ctl_fatal(ctl, r) : CTL_DONE;
}

ctl_status ctl_run_keys_generate(ctl_context *ctl) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *identity = NULL;
    const char *path = ctl->line.arguments_count > 0 ? ctl->line.arguments[0] : NULL;
    int error = 0;
    w4_random(seed, sizeof seed);
    int r = w4_identity_from_seed(seed, &identity);
    w4_wipe(seed, sizeof seed);
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    ctl_status status = CTL_DONE;
    if (path == NULL) {
        status = print_key(ctl, identity);
    } else {
        r = w4_identity_save(identity, path, &error);
        status = r == 0 ? show_key(ctl, identity, path) : tell_key_error(ctl, path, r, error);
    }
    w4_identity_free(identity);
    return status;
}

ctl_status ctl_run_keys_show(ctl_context *ctl) {
    w4_identity *identity = NULL;
    int error = 0;
    if (ctl->line.arguments_count == 0) {
        return ctl_run_method(ctl);
    }
    const char *path = ctl->line.arguments[0];
    int r = w4_identity_load(path, &identity, &error);
    if (r != 0) {
        return tell_key_error(ctl, path, r, error);
    }
    ctl_status status = show_key(ctl, identity, path);
    w4_identity_free(identity);
    return status;
}

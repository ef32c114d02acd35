/* The keys that this daemon holds, of the node and of hosted agents: when one is loaded, what lies
 * beside it says which keys it follows. */
#include "web4d/call.h"

#include "io/service.h"
#include "trust/key_history.h"

#include <stdio.h>
#include <string.h>

static int take_lines(w4d_app *app, const char *path, const w4_key_history *history) {
    w4_protocol *protocol = w4_node_protocol(app->node);
    for (uint32_t i = 0; i < history->count; i++) {
        w4_fingerprint subject;
        w4_refused refused = {.code = W4_REFUSAL_NONE};
        bool news = false;
        int r = w4_protocol_key_take(protocol, history->documents[i], w4_loop_now_us(app->loop),
                                     &news, &subject, &refused);
        if (r < 0) {
            return r;
        }
        if (r > 0) {
            w4_log(&app->env, W4_LOG_WARNING, "%s%s: succession %u of %u is refused, %s at %s: %s",
                   path, W4_KEY_HISTORY_SUFFIX, i + 1, history->count,
                   w4_refusal_name(refused.code), refused.pointer, refused.text);
        }
    }
    if (history->passed_over > 0) {
        w4_log(&app->env, W4_LOG_INFO, "%s%s: %u lines lead to no key that is in use", path,
               W4_KEY_HISTORY_SUFFIX, history->passed_over);
    }
    return 0;
}

int w4d_take_history(w4d_app *app, const char *path, const w4_fingerprint *key, char *ret_text,
                     size_t size) {
    w4_buffer lines = W4_BUFFER_INIT(W4_KEY_HISTORY_BYTES_MAX);
    w4_key_history history;
    int r = w4d_files_history(path, &lines, ret_text, size);
    r = r == 0 ? w4_key_history_read(w4_buffer_bytes(&lines), key, &history) : r;
    r = r == 0 ? take_lines(app, path, &history) : r;
    w4_buffer_deinit(&lines);
    return r;
}

int w4d_own_identity(w4d_app *app) {
    char text[512] = "";
    bool given = w4_service_credential(app->service, "identity", app->identity_path,
                                       sizeof app->identity_path) != NULL &&
                 w4d_files_exists(app->identity_path);
    if (!given) {
        (void)snprintf(app->identity_path, sizeof app->identity_path, "%s",
                       app->config->node.identity);
    }
    bool made = !w4d_files_exists(app->identity_path);
    int r = w4d_files_key(app->identity_path, !given, &app->identity, text, sizeof text);
    if (r != 0) {
        w4_log(&app->env, W4_LOG_ERROR, "%s", r < 0 ? strerror(-r) : text);
    } else if (made) {
        w4_log(&app->env, W4_LOG_INFO, "there was no key in %s: made one, the node is a new one",
               app->identity_path);
    }
    return r;
}

int w4d_key_waits(const char *path, const w4_fingerprint *in_use, w4_identity **ret_identity) {
    w4_identity *identity = NULL;
    int error = 0;
    int r = w4_identity_load(path, &identity, &error);
    if (r == 0 && !w4_fingerprint_equal(w4_identity_fingerprint(identity), in_use)) {
        *ret_identity = identity;
        return 1;
    }
    w4_identity_free(identity);
    return r < 0 ? r : 0;
}

/* Nobody would take anything that is signed with it. */
static int check_own(w4d_app *app) {
    const w4_fingerprint *own = w4_identity_fingerprint(app->identity);
    const w4_keyring *ring = w4_protocol_keyring(w4_node_protocol(app->node));
    char other[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_key_info info;
    if (!w4_keyring_find(ring, own, &info) || (!info.revoked && !info.replaced)) {
        return 0;
    }
    if (info.revoked) {
        w4_log(&app->env, W4_LOG_ERROR,
               "the key in %s was revoked (by %s): %s. Put another one there, or move it away and "
               "the node is a new one",
               app->identity_path, w4_key_authority_name(info.authority), info.reason);
        return 1;
    }
    w4_fingerprint current = w4_keyring_current(ring, own);
    w4_fingerprint_format(&current, other);
    w4_log(&app->env, W4_LOG_ERROR,
           "the key in %s is an earlier one of this node, whose key now is %s: put that one there",
           app->identity_path, other);
    return 1;
}

int w4d_own_history(w4d_app *app) {
    char text[512] = "";
    int r = w4d_take_history(app, app->identity_path, w4_identity_fingerprint(app->identity), text,
                             sizeof text);
    if (r > 0) {
        w4_log(&app->env, W4_LOG_ERROR, "%s", text);
    }
    return r != 0 ? r : check_own(app);
}

/* keys: what is known of keys that were succeeded or revoked, and orders about them. */
#include "web4d/call.h"

#include "crypto/primitives.h"

#include <stdio.h>
#include <string.h>

static void write_revocation(w4_json_writer *w, const w4_key_info *info) {
    w4_json_member_string(w, "by", w4_key_authority_name(info->authority));
    w4_member_fingerprint(w, "signer", &info->revoked_by);
    w4_member_time(w, "revoked_at", info->revoked_us);
    w4_json_member_string(w, "reason", info->reason);
}

static void write_hearsay(w4_json_writer *w, const w4_key_info *info) {
    w4_json_name(w, "hearsay");
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "signer", &info->doubted_by);
    w4_member_time(w, "made_at", info->doubted_us);
    w4_json_member_string(w, "reason", info->doubt);
    w4_json_end_object(w);
}

static const char *standing_of(const w4_key_info *info) {
    return info->revoked ? "revoked" : info->replaced ? "replaced" : "current";
}

void w4d_write_standing(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key) {
    const w4_keyring *ring = w4_protocol_keyring(w4_node_protocol(app->node));
    w4_key_info info;
    uint64_t former = 0;
    if (!w4_keyring_find(ring, key, &info)) {
        return;
    }
    w4_json_member_string(w, "standing", standing_of(&info));
    while (info.succeeds && w4_keyring_find(ring, &info.predecessor, &info)) {
        former++;
    }
    if (former > 0) {
        w4_json_member_unsigned(w, "former_keys", former);
    }
}

void w4d_write_key(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key) {
    w4_key_info info = {.key = *key, .of = W4_KEY_OF_AGENT, .reason = ""};
    char name[W4_AGENT_ID_MAX + 1];
    (void)w4_keyring_find(w4_protocol_keyring(w4_node_protocol(app->node)), key, &info);
    w4d_name_of(app, info.of == W4_KEY_OF_NODE ? W4_TRUST_NODE : W4_TRUST_AGENT, key, name,
                sizeof name);
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "fingerprint", key);
    if (name[0] != '\0') {
        w4_json_member_string(w, "name", name);
    }
    w4_json_member_string(w, "kind", w4_key_kind_name(info.of));
    w4_json_member_string(w, "standing", standing_of(&info));
    if (info.succeeds) {
        w4_member_fingerprint(w, "predecessor", &info.predecessor);
        w4_member_time(w, "succeeded_at", info.succeeded_us);
    }
    if (info.replaced) {
        w4_member_fingerprint(w, "successor", &info.successor);
        w4_member_time(w, "replaced_at", info.replaced_us);
    }
    if (info.disputed) {
        w4_member_fingerprint(w, "rival", &info.rival);
    }
    if (info.revoked) {
        write_revocation(w, &info);
    }
    if (info.doubted) {
        write_hearsay(w, &info);
    }
    w4_json_end_object(w);
}

void w4d_write_chain(w4d_app *app, w4_json_writer *w, const w4_fingerprint *key) {
    const w4_keyring *ring = w4_protocol_keyring(w4_node_protocol(app->node));
    w4_fingerprint at = w4_keyring_root(ring, key);
    w4_key_info info;
    if (!w4_keyring_find(ring, key, &info)) {
        return;
    }
    w4_json_name(w, "keys");
    w4_json_begin_array(w);
    while (w4_keyring_find(ring, &at, &info)) {
        w4d_write_key(app, w, &at);
        at = info.successor;
    }
    w4_json_end_array(w);
}

static bool is_own(const w4d_app *app, const w4_keyring *ring, const w4_fingerprint *key) {
    w4_fingerprint root = w4_keyring_root(ring, key);
    w4_fingerprint own = w4_keyring_root(ring, w4_identity_fingerprint(app->identity));
    return w4_fingerprint_equal(&root, &own);
}

static void write_known(w4d_call *call) {
    const w4_keyring *ring = w4_protocol_keyring(w4_node_protocol(call->app->node));
    uint64_t total = 0;
    w4_json_name(call->result, "known");
    w4_json_begin_array(call->result);
    for (int own = 1; own >= 0; own--) {
        const void *cursor = NULL;
        w4_key_info info;
        while (w4_keyring_next(ring, &cursor, &info)) {
            if (is_own(call->app, ring, &info.key) != (own == 1)) {
                continue;
            }
            total++;
            if (!w4d_list_full(call)) {
                w4d_write_key(call->app, call->result, &info.key);
            }
        }
    }
    w4_json_end_array(call->result);
    w4_json_member_unsigned(call->result, "total", total);
}

static int write_waiting(w4_json_writer *w, const char *path, const w4_fingerprint *in_use) {
    w4_identity *identity = NULL;
    int r = w4d_key_waits(path, in_use, &identity);
    if (r > 0) {
        w4_json_name(w, "waiting");
        w4_json_begin_object(w);
        w4_member_fingerprint(w, "fingerprint", w4_identity_fingerprint(identity));
        w4_member_pubkey(w, "pubkey", w4_identity_pubkey(identity));
        w4_json_end_object(w);
    }
    w4_identity_free(identity);
    return r < 0 ? r : 0;
}

static int write_hosted(const w4d_app *app, w4_json_writer *w, const w4_agent_info *info) {
    char path[W4D_KEY_PATH_MAX];
    w4d_files_agent_path(app->config, info->agent_id, path);
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", info->agent_id);
    w4_member_fingerprint(w, "fingerprint", &info->fingerprint);
    w4_member_pubkey(w, "pubkey", &info->pubkey);
    int r = write_waiting(w, path, &info->fingerprint);
    w4_json_end_object(w);
    return r;
}

int w4d_keys_show(w4d_call *call) {
    w4d_app *app = call->app;
    w4_json_writer *w = call->result;
    w4_json_begin_object(w);
    w4_member_fingerprint(w, "node", w4_identity_fingerprint(app->identity));
    w4_member_pubkey(w, "pubkey", w4_identity_pubkey(app->identity));
    w4_json_member_string(w, "name", app->config->node.name);
    w4_json_member_string(w, "path", app->identity_path);
    int r = write_waiting(w, app->identity_path, w4_identity_fingerprint(app->identity));
    w4_json_name(w, "agents");
    w4_json_begin_array(w);
    w4_agent_info info;
    for (size_t cursor = 0;
         r == 0 && w4_protocol_agent_next(w4_node_protocol(app->node), &cursor, &info);) {
        r = info.hosted ? write_hosted(app, w, &info) : 0;
    }
    w4_json_end_array(w);
    write_known(call);
    w4_json_end_object(w);
    return r;
}

/* Whose key is meant: a key of which a document speaks, else an agent or a node. */
static int key_param(w4d_call *call, w4_fingerprint *ret_key, w4_key_kind *ret_kind) {
    char name[W4_RPC_NAME_MAX + 1] = "";
    w4_json given = w4_json_get(call->params, "kind");
    w4_trust_kind kind = W4_TRUST_KIND_COUNT;
    w4_key_info info;
    (void)w4d_param_text(call, "key", name, sizeof name);
    if (w4_json_exists(given)) {
        (void)w4_trust_kind_from_name(w4_json_string_raw(given), &kind);
    }
    bool whole = w4_fingerprint_parse(w4_bytes_from_text(name), ret_key);
    if (whole &&
        w4_keyring_find(w4_protocol_keyring(w4_node_protocol(call->app->node)), ret_key, &info)) {
        *ret_kind = info.of;
        return 0;
    }
    int r = w4d_resolve_subject(call, name, kind, ret_key, &kind);
    if (r == 0) {
        *ret_kind = kind == W4_TRUST_NODE ? W4_KEY_OF_NODE : W4_KEY_OF_AGENT;
    } else {
        (void)snprintf(call->refused.pointer, sizeof call->refused.pointer, "/key");
    }
    return r;
}

static int write_result(w4d_call *call, const bool *news, const w4_fingerprint *key) {
    w4_json_begin_object(call->result);
    if (news != NULL) {
        w4_json_member_bool(call->result, "news", *news);
    }
    w4_json_name(call->result, "key");
    w4d_write_key(call->app, call->result, key);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_keys_revoke(w4d_call *call) {
    w4_fingerprint key;
    w4_key_kind kind;
    char reason[W4_KEY_REASON_MAX + 1] = "revoked by an operator";
    int r = key_param(call, &key, &kind);
    if (r != 0) {
        return r;
    }
    if (w4_fingerprint_equal(&key, w4_identity_fingerprint(call->app->identity))) {
        return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "/key",
                          "that is this node's own key: rotate it first (web4ctl keys rotate, and "
                          "start the node again), then revoke the one it had");
    }
    (void)w4d_param_text(call, "reason", reason, sizeof reason);
    r = w4_protocol_key_revoke(w4_node_protocol(call->app->node), &key, kind, reason, call->now_us,
                               &call->refused);
    return r != 0 ? r : write_result(call, NULL, &key);
}

/* Whose key such a document is about, as far as it can be read. */
static bool subject_of(w4_json document, w4_fingerprint *ret_subject) {
    w4_pubkey key;
    if (w4_base64_parse(w4_json_string_raw(w4_json_get(document, "old")), key.bytes,
                        sizeof key.bytes)) {
        *ret_subject = w4_fingerprint_of(&key);
        return true;
    }
    return w4_fingerprint_parse(w4_json_string_raw(w4_json_get(document, "revoked")), ret_subject);
}

int w4d_agent_keys_take(w4d_call *call) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    const w4_keyring *ring = w4_protocol_keyring(protocol);
    w4_agent_info info;
    w4_fingerprint subject;
    if (call->client->agent_id[0] == '\0' ||
        !w4_protocol_agent_find(protocol, call->client->speaks_as, call->client->agent_id, &info)) {
        return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "",
                          "this connection speaks for no agent yet: call agent.attach first");
    }
    w4_fingerprint own = w4_keyring_root(ring, &info.fingerprint);
    if (subject_of(w4_json_get(call->params, "document"), &subject)) {
        subject = w4_keyring_root(ring, &subject);
        if (!w4_fingerprint_equal(&subject, &own)) {
            return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "/document",
                              "it is about a key of somebody else");
        }
    }
    int r = w4d_keys_take(call);
    call->client->promised = call->client->promised || r == 0;
    return r;
}

int w4d_keys_take(w4d_call *call) {
    w4_json document = w4_json_get(call->params, "document");
    w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_fingerprint key;
    bool news = false;
    int r = w4_protocol_key_take(protocol, w4_json_text(document), call->now_us, &news, &key,
                                 &call->refused);
    if (r > 0) {
        char pointer[sizeof call->refused.pointer];
        (void)snprintf(pointer, sizeof pointer, "/document%.150s", call->refused.pointer);
        return w4d_refuse(call, call->refused.code, pointer, "%s Expected: %.150s",
                          w4_refusal_help(call->refused.code), call->refused.text);
    }
    return r != 0 ? r : write_result(call, &news, &key);
}

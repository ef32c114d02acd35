/* The part of protocol.h that is about keys. */
#include "base/text.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/facts/knowledge.h"
#include "protocol/keys/keys.h"
#include "protocol/router.h"
#include "trust/key_history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(w4_refused *refused, w4_refusal code, const char *pointer, const char *text) {
    *refused = (w4_refused){.code = code};
    snprintf(refused->pointer, sizeof refused->pointer, "%s", pointer);
    snprintf(refused->text, sizeof refused->text, "%s", text);
    return 1;
}

void w4_protocol_peer_keys(w4_protocol *p, const w4_fingerprint *node, bool keys) {
    w4_neighbour *neighbour = w4_neighbour_get(&p->parcels, node);
    if (neighbour) {
        neighbour->keys = keys;
    } else {
        p->failed = p->failed == 0 ? -ENOMEM : p->failed;
    }
}

static int take(w4_protocol *p, w4_bytes text, uint64_t now_us, w4_keyring_result *result,
                w4_refused *ret_refused) {
    w4_key_fault fault = {.code = W4_REFUSAL_NONE};
    int r = p->failed != 0 ? p->failed : w4_keys_take(p, text, NULL, now_us, result, &fault);
    r = r == 0 ? w4_knowledge_settle(p, now_us) : r;
    return r == 0 && result->verdict == W4_KEYRING_REFUSED
               ? refuse(ret_refused, fault.code, fault.pointer, fault.expected)
               : r;
}

int w4_protocol_key_take(w4_protocol *p, w4_bytes document, uint64_t now_us, bool *ret_news,
                         w4_fingerprint *ret_key, w4_refused *ret_refused) {
    w4_buffer form = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    w4_key_fault fault;
    w4_keyring_result result = {.verdict = W4_KEYRING_REFUSED};
    int r = w4_key_document_canonical(document, &form, &fault);
    r = r == 0  ? take(p, w4_buffer_bytes(&form), now_us, &result, ret_refused)
        : r > 0 ? refuse(ret_refused, fault.code, fault.pointer, fault.expected)
                : r;
    if (r == 0) {
        *ret_news = result.verdict != W4_KEYRING_KNOWN;
        *ret_key = result.subject;
    }
    w4_buffer_deinit(&form);
    return r;
}

int w4_protocol_key_revoke(w4_protocol *p, const w4_fingerprint *key, w4_key_kind of,
                           const char *reason, uint64_t now_us, w4_refused *ret_refused) {
    w4_keyring_result result = {.verdict = W4_KEYRING_REFUSED};
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = w4_key_revocation_write(p->node, key, of, reason, w4_router_wall(p, now_us), &text);
    if (r == -EINVAL || r == -EMSGSIZE) {
        r = refuse(ret_refused, W4_REFUSAL_BAD_ENVELOPE, "/reason",
                   "1 to 255 bytes of text without control characters");
    } else if (r == 0) {
        r = take(p, w4_buffer_bytes(&text), now_us, &result, ret_refused);
    }
    w4_buffer_deinit(&text);
    return r;
}

int w4_protocol_lineage(const w4_protocol *p, w4_buffer *out) {
    w4_key_text texts[W4_KEYRING_CHAIN_MAX];
    w4_key_info info;
    size_t count = 0, room = out->max > out->len ? out->max - out->len : 0;
    w4_fingerprint at = p->self;
    int r = 0;
    while (count < W4_KEYRING_CHAIN_MAX && w4_keyring_find(p->keyring, &at, &info) &&
           info.succeeds && w4_keyring_succession(p->keyring, &info.predecessor, &texts[count]) &&
           texts[count].text.len < room) {
        room -= texts[count].text.len + 1;
        at = info.predecessor;
        count++;
    }
    while (r == 0 && count > 0) {
        r = w4_buffer_append(out, texts[--count].text);
        r = r == 0 ? w4_buffer_append_text(out, "\n") : r;
    }
    return r;
}

void w4_protocol_peer_lineage(w4_protocol *p, const w4_fingerprint *peer, w4_bytes lineage,
                              uint64_t now_us) {
    w4_key_history history = {.count = 0};
    int r = p->failed != 0 ? p->failed : w4_key_history_read(lineage, peer, &history);
    for (uint32_t i = 0; r == 0 && i < history.count; i++) {
        w4_keyring_result result;
        w4_key_fault fault;
        r = w4_keys_take(p, history.documents[i], NULL, now_us, &result, &fault);
    }
    p->failed = p->failed == 0 && r < 0 ? r : p->failed;
}

const w4_keyring *w4_protocol_keyring(const w4_protocol *p) {
    return p->keyring;
}

w4_refusal w4_protocol_key_refused(const w4_protocol *p, const w4_fingerprint *key) {
    w4_key_info info;
    if (!w4_keyring_find(p->keyring, key, &info)) {
        return W4_REFUSAL_NONE;
    }
    return info.revoked    ? W4_REFUSAL_KEY_REVOKED
           : info.replaced ? W4_REFUSAL_KEY_REPLACED
                           : W4_REFUSAL_NONE;
}

static bool is_any(w4_type type) {
    (void)type;
    return true;
}

int w4_router_key_revoked(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    const w4_agent *agent = w4_agents_find(&p->agents, key);
    int r = w4_deliveries_withdraw(p, is_any, key, W4_REFUSAL_KEY_REVOKED, now_us);
    if (agent && agent->attached) {
        char agent_id[W4_AGENT_ID_MAX + 1];
        w4_text_copy(agent_id, sizeof agent_id, w4_bytes_from_text(agent->agent_id));
        w4_protocol_agent_detach(p, agent->owner, agent_id, now_us);
    }
    return r < 0 ? r : p->failed;
}

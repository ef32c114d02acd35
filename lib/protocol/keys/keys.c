#include "protocol/keys/keys.h"

#include "base/text.h"
#include "protocol/delivery/deliveries.h"
#include "protocol/durable/durable.h"
#include "protocol/evidence/trust_history.h"
#include "protocol/facts/knowledge.h"
#include "protocol/keys/key_sync.h"
#include "protocol/pipeline/words.h"
#include "protocol/router.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROW_LEN (1u + W4_KEY_DOCUMENT_ID_LEN)

/* ---- what the ring asks */

static bool is_own(const w4_protocol *p, const w4_fingerprint *key) {
    w4_fingerprint root = w4_keyring_root(p->keyring, key);
    w4_fingerprint own = w4_keyring_root(p->keyring, &p->self);
    return w4_fingerprint_equal(&root, &own);
}

static bool is_anchor(const w4_protocol *p, const w4_fingerprint *key) {
    w4_fingerprint root = w4_keyring_root(p->keyring, key);
    for (uint32_t i = 0; i < p->config.anchor_count; i++) {
        w4_fingerprint anchor = w4_keyring_root(p->keyring, &p->config.anchors[i]);
        if (w4_fingerprint_equal(&root, &anchor)) {
            return true;
        }
    }
    return false;
}

static bool matters(void *context, const w4_fingerprint *key) {
    const w4_protocol *p = context;
    w4_trust_entry entry;
    for (int kind = 0; kind < W4_TRUST_KIND_COUNT; kind++) {
        if (w4_trust_book_find(p->trust, (w4_trust_kind)kind, key, &entry) &&
            entry.rank >= W4_TRUST_MARKED) {
            return true;
        }
    }
    return is_own(p, key) || is_anchor(p, key) || w4_agents_find(&p->agents, key) != NULL;
}

static w4_key_authority authority(void *context, const w4_fingerprint *signer) {
    const w4_protocol *p = context;
    w4_trust_state state = w4_trust_book_state(p->trust, W4_TRUST_NODE, signer);
    bool known = state == W4_TRUST_PROBING || state == W4_TRUST_TRUSTED;
    return is_own(p, signer)      ? W4_KEY_BY_OPERATOR
           : is_anchor(p, signer) ? W4_KEY_BY_ANCHOR
           : known                ? W4_KEY_BY_HEARSAY
                                  : W4_KEY_BY_NOBODY;
}

/* ---- the store */

static void row_key(w4_key_place place, const uint8_t *id, uint8_t ret_key[static ROW_LEN]) {
    ret_key[0] = (uint8_t)place;
    memcpy(ret_key + 1, id, W4_KEY_DOCUMENT_ID_LEN);
}

/* What the store does not take now it is given again: a key that is revoked stays revoked. */
static int put_row(w4_protocol *p, w4_key_place place, const uint8_t *id, w4_bytes text) {
    uint8_t key[ROW_LEN];
    row_key(place, id, key);
    int r = w4_store_put(p->store, W4_STORE_KEY, w4_bytes_of(key, sizeof key), text);
    p->keys_unstored = p->keys_unstored || r > 0;
    return r < 0 ? r : 0;
}

static int remove_row(w4_protocol *p, w4_key_place place, const uint8_t *id) {
    uint8_t key[ROW_LEN];
    row_key(place, id, key);
    int r = w4_store_remove(p->store, W4_STORE_KEY, w4_bytes_of(key, sizeof key));
    return r < 0 ? r : 0; /* one that stays is judged again at the next start */
}

static int judge(w4_protocol *p, uint64_t now_us);

int w4_keys_settle(w4_protocol *p, uint64_t now_us) {
    int r = judge(p, now_us);
    bool again = p->keys_unstored;
    p->keys_unstored = false;
    for (unsigned part = 0; again && r == 0 && part < W4_KEYRING_PARTS; part++) {
        const void *cursor = NULL;
        w4_key_text text;
        while (r == 0 && w4_keyring_next_text(p->keyring, part, &cursor, &text)) {
            r = put_row(p, text.place, text.id, text.text);
        }
    }
    return r;
}

static int load_row(w4_protocol *p, const w4_store_cursor *cursor, w4_json_document *doc,
                    w4_key_place place) {
    w4_key_document document;
    w4_key_fault fault;
    int r = w4_key_document_read(doc, w4_buffer_bytes(&cursor->value), &document, &fault);
    r = r == 0 ? w4_keyring_load(p->keyring, &document, place) : r;
    if (r == 0 && place == W4_KEY_PLACE_SUCCESSION) {
        r = w4_trust_book_follow(p->trust, &document.subject, &document.successor, 0, NULL);
        r = r == -EEXIST ? 0 : r;
    }
    return r;
}

static int load_place(w4_protocol *p, w4_key_place place) {
    uint8_t prefix = (uint8_t)place;
    w4_json_document doc = {0};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_KEY, w4_bytes_of(&prefix, 1));
    while (r == 0 && (r = w4_store_next(p->store, &cursor)) == 0) {
        r = load_row(p, &cursor, &doc, place);
        if (r > 0) {
            w4_log(p->env, W4_LOG_WARNING, "keys: a stored document is no good and is passed over");
            r = 0;
        }
    }
    w4_json_document_deinit(&doc);
    w4_store_cursor_deinit(&cursor);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* What had to make room is not in the store any more, nor followed. */
static int drop_rows(w4_protocol *p) {
    w4_key_row row;
    int r = 0;
    while (w4_keyring_pop_dropped(p->keyring, &row)) {
        if (row.place == W4_KEY_PLACE_SUCCESSION) {
            w4_trust_book_unfollow(p->trust, &row.subject);
        }
        r = r == 0 ? remove_row(p, row.place, row.id) : r;
    }
    return r;
}

int w4_keys_open(w4_protocol *p) {
    w4_keyring_rules rules = {.context = p, .matters = matters, .authority = authority};
    int r = w4_keyring_new(&rules, &p->keyring);
    for (size_t i = 0; r == 0 && i < W4_KEY_PLACES; i++) {
        r = load_place(p, w4_key_places[i]);
    }
    return r == 0 ? drop_rows(p) : r;
}

void w4_keys_close(w4_protocol *p) {
    w4_key_sync_deinit(&p->key_sync);
    p->keyring = w4_keyring_free(p->keyring);
}

/* ---- what follows */

static int tell(w4_protocol *p, const w4_key_info *info, bool revoked) {
    w4_protocol_event event = {.kind = W4_PROTOCOL_EVENT_KEY,
                               .type = W4_TYPE_COUNT,
                               .code = revoked ? W4_REFUSAL_KEY_REVOKED : W4_REFUSAL_KEY_REPLACED,
                               .sender = info->key,
                               .receiver = revoked ? info->revoked_by : info->successor};
    snprintf(event.text, sizeof event.text, "%s", revoked ? info->reason : "");
    snprintf(event.agent_id, sizeof event.agent_id, "%s",
             revoked ? w4_key_authority_name(info->authority) : w4_key_kind_name(info->of));
    int r = w4_event_queue_push(&p->events, &event, NULL);
    return r < 0 ? r : 0;
}

static int follow(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    w4_key_info info;
    w4_trust_followed followed = {.count = 0};
    if (!w4_keyring_find(p->keyring, key, &info)) {
        return 0;
    }
    int r =
        w4_trust_book_follow(p->trust, key, &info.successor, w4_router_wall(p, now_us), &followed);
    r = r == -EEXIST ? 0 : r;
    for (uint32_t i = 0; r >= 0 && i < followed.count; i++) {
        w4_protocol_event told = {
            .kind = W4_PROTOCOL_EVENT_TRUST, .type = W4_TYPE_COUNT, .move = followed.moves[i]};
        r = w4_trust_history_append(p->store, p->trust, &followed.moves[i]);
        r = r >= 0 ? w4_event_queue_push(&p->events, &told, NULL) : r;
    }
    if (r >= 0) {
        w4_router_trust_moved(p, key);
        if (info.of == W4_KEY_OF_NODE) { /* voters there may be on one node now */
            w4_knowledge_nodes_moved(p);
        }
        r = tell(p, &info, false);
    }
    r = r >= 0 ? w4_durable_key_replaced(p, key, now_us) : r;
    r = r >= 0 ? w4_deliveries_key_replaced(p, key, now_us) : r;
    return r < 0 ? r : 0;
}

static int revoke(w4_protocol *p, const w4_fingerprint *key, uint64_t now_us) {
    w4_key_info info;
    if (!w4_keyring_find(p->keyring, key, &info)) {
        return 0;
    }
    w4_router_trust_moved(p, key);
    int r = tell(p, &info, true);
    return r == 0 ? w4_router_key_revoked(p, key, now_us) : r;
}

/* Hearsay that counts now. */
static int judge(w4_protocol *p, uint64_t now_us) {
    w4_key_judged judged;
    int r = 0;
    while (r == 0 && w4_keyring_judge(p->keyring, &judged)) {
        r = put_row(p, W4_KEY_PLACE_REVOCATION, judged.id, judged.text);
        r = r == 0 ? remove_row(p, W4_KEY_PLACE_HEARSAY, judged.id) : r;
        r = r == 0 ? revoke(p, &judged.key, now_us) : r;
    }
    return r;
}

static int take_effect(w4_protocol *p, const w4_key_document *document,
                       const w4_keyring_result *result, uint64_t now_us) {
    int r = put_row(p, result->place, document->id, document->text);
    if (r == 0 && result->verdict == W4_KEYRING_TAKEN && document->kind == W4_KEY_SUCCESSION) {
        r = follow(p, &document->subject, now_us);
    } else if (r == 0 && result->verdict == W4_KEYRING_TAKEN && result->first) {
        r = revoke(p, &document->subject, now_us);
    }
    return r == 0 ? judge(p, now_us) : r;
}

static int refuse(w4_keyring_result *result, w4_key_fault *fault, w4_refusal code,
                  const char *pointer, const char *expected) {
    result->verdict = W4_KEYRING_REFUSED;
    result->code = fault->code = code;
    w4_text_copy(fault->pointer, sizeof fault->pointer, w4_bytes_from_text(pointer));
    w4_text_copy(fault->expected, sizeof fault->expected, w4_bytes_from_text(expected));
    return 0;
}

int w4_keys_take(w4_protocol *p, w4_bytes text, const w4_fingerprint *from, uint64_t now_us,
                 w4_keyring_result *ret_result, w4_key_fault *ret_fault) {
    w4_key_document document;
    *ret_result = (w4_keyring_result){.verdict = W4_KEYRING_REFUSED};
    int r = w4_key_document_read(&p->key_sync.document, text, &document, ret_fault);
    if (r != 0) {
        ret_result->code = ret_fault->code;
        return r < 0 ? r : 0;
    }
    if (document.made_us > w4_later(w4_router_wall(p, now_us), W4_KEYS_FUTURE_US)) {
        return refuse(ret_result, ret_fault, W4_REFUSAL_STALE, "/made_at",
                      "at most 300 s after the time here");
    }
    r = w4_keyring_take(p->keyring, &document, ret_result);
    r = r == 0 ? drop_rows(p) : r; /* also where there was no room in the end */
    if (r == 0 && ret_result->verdict == W4_KEYRING_REFUSED) {
        return refuse(ret_result, ret_fault, ret_result->code, ret_result->pointer,
                      ret_result->expected);
    }
    if (r == 0 && ret_result->verdict != W4_KEYRING_KNOWN) {
        r = take_effect(p, &document, ret_result, now_us);
        r = r == 0 ? w4_key_sync_spread(p, &document, from) : r;
    }
    return r;
}

/* ---- the stage */

static int look_key(const w4_protocol *p, w4_inbound *in, const w4_fingerprint *key,
                    const char *pointer) {
    return w4_keyring_revoked(p->keyring, key)
               ? w4_inbound_refuse(in, W4_REFUSAL_KEY_REVOKED, pointer, "a key that is not revoked")
               : 0;
}

int w4_keys_look(const w4_protocol *p, w4_inbound *in) {
    const w4_envelope *e = &in->envelope;
    w4_key_info info;
    int r = look_key(p, in, &e->sender.fingerprint, "/sender");
    bool local = in->origin == W4_ORIGIN_HOSTED || in->origin == W4_ORIGIN_SUBMIT;
    r = r == 0 && local && !e->broadcast ? look_key(p, in, &e->receiver.fingerprint, "/receiver")
                                         : r;
    if (r == 0 && w4_keyring_find(p->keyring, &e->sender.fingerprint, &info) && info.replaced &&
        e->timestamp_us > info.replaced_us) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1], expected[128];
        w4_fingerprint current = w4_keyring_current(p->keyring, &e->sender.fingerprint);
        w4_fingerprint_format(&current, text);
        snprintf(expected, sizeof expected, "the key that took its place, %s", text);
        return w4_inbound_refuse(in, W4_REFUSAL_KEY_REPLACED, "/sender", expected);
    }
    return r;
}

void w4_keys_tell(const w4_protocol *p, const w4_inbound *in, w4_words *words) {
    const w4_fingerprint *sender = &in->envelope.sender.fingerprint;
    w4_key_info info;
    w4_words_who(words, in->envelope.sender.agent_id, sender);
    if (!w4_keyring_find(p->keyring, sender, &info)) {
        w4_words_say(words, ": nobody has said anything about that key");
        return;
    }
    if (info.revoked) {
        w4_words_say(words, ": revoked (by %s) ", w4_key_authority_name(info.authority));
        w4_words_when(words, info.revoked_us);
        w4_words_say(words, ": %s", info.reason);
    } else if (info.replaced) {
        w4_words_say(words, ": replaced by ");
        w4_words_who(words, NULL, &info.successor);
        w4_words_say(words, " ");
        w4_words_when(words, info.replaced_us);
        w4_words_say(words, in->envelope.timestamp_us > info.replaced_us
                                ? ", and signed later than that"
                                : ", and signed before that");
    } else if (info.succeeds) {
        w4_words_say(words, ": took the place of ");
        w4_words_who(words, NULL, &info.predecessor);
        w4_words_say(words, " ");
        w4_words_when(words, info.succeeded_us);
    } else {
        w4_words_say(words, ": nothing that is said about that key counts here");
    }
}

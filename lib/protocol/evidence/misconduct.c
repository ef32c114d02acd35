#include "protocol/evidence/misconduct.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "protocol/evidence/evidence.h"
#include "protocol/router.h"
#include "trust/blame.h"

#include <errno.h>
#include <string.h>

static const char prefix[] = "proof/";
#define PREFIX_LEN (sizeof prefix - 1)
#define OF_KEY_LEN (PREFIX_LEN + W4_FINGERPRINT_LEN)
#define KEY_LEN (OF_KEY_LEN + W4_UUID_LEN)

static void make_key(const w4_fingerprint *subject, const char *msg_id,
                     uint8_t ret_key[static KEY_LEN]) {
    memcpy(ret_key, prefix, PREFIX_LEN);
    memcpy(ret_key + PREFIX_LEN, subject->bytes, W4_FINGERPRINT_LEN);
    memcpy(ret_key + OF_KEY_LEN, msg_id, W4_UUID_LEN);
}

static int keep(w4_protocol *p, const w4_inbound *in, w4_bytes first, const char *first_id,
                const char *what) {
    const w4_envelope *e = &in->envelope;
    char at[W4_TIMESTAMP_LEN + 1];
    uint8_t key[KEY_LEN];
    w4_timestamp_format(in->wall_us, at);
    make_key(&e->sender.fingerprint, e->msg_id, key);
    w4_buffer text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "evidence", e->msg_id);
    w4_json_member_string(&w, "other", first_id);
    w4_json_member_string(&w, "what", what);
    w4_json_member_string(&w, "at", at);
    w4_json_name(&w, "first");
    w4_json_raw(&w, first);
    w4_json_name(&w, "second");
    w4_json_raw(&w, e->text);
    w4_json_end_object(&w);
    int r = w.error;
    if (r == 0) {
        r = w4_store_put(p->store, W4_STORE_META, w4_bytes_of(key, sizeof key),
                         w4_buffer_bytes(&text));
        p->proofs += r == 0 ? 1 : 0;
    }
    w4_buffer_deinit(&text);
    return r < 0 && r != -EMSGSIZE ? r : 0;
}

/* Has the key signed something else in the kept one? What stands beside a signature is not covered
 * by it: anybody on the way could have changed that. 0, -ENOMEM, or W4_STORE_E_CORRUPT: what is
 * kept is no envelope. */
static int says_else(w4_bytes kept, const w4_envelope *e, bool *ret_else) {
    uint8_t before[W4_HASH_LEN], now[W4_HASH_LEN];
    w4_json_document doc = {0};
    w4_envelope first;
    w4_envelope_fault fault;
    w4_json_limits limits = W4_JSON_LIMITS_ENVELOPE; /* taken under other ones, maybe */
    int r = w4_envelope_read(&doc, kept, &limits, &first, &fault);
    if (r == 0) {
        w4_hash(first.signed_head, first.signed_tail, before);
        w4_hash(e->signed_head, e->signed_tail, now);
    }
    *ret_else = r == 0 && memcmp(before, now, sizeof now) != 0;
    w4_json_document_deinit(&doc);
    return r > 0 ? W4_STORE_E_CORRUPT : r;
}

int w4_misconduct_look(const w4_protocol *p, const w4_inbound *in, bool *ret_else) {
    const w4_envelope *e = &in->envelope;
    bool differs = false;
    w4_buffer kept = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_evidence_get(p->store, e->msg_id, &e->sender.fingerprint, &kept);
    r = r == 0 ? says_else(w4_buffer_bytes(&kept), e, &differs) : r;
    w4_buffer_deinit(&kept);
    if (r != 0 && r != W4_STORE_E_NOT_FOUND) {
        return r;
    }
    *ret_else = r == 0 && differs;
    return 0;
}

int w4_misconduct_blame(w4_protocol *p, const w4_inbound *in, w4_trust_offence offence) {
    const w4_envelope *e = &in->envelope;
    w4_trust_blame blame;
    if (!w4_trust_blame_find(offence, in->family->kind, &e->sender.fingerprint, NULL, &blame)) {
        return 0;
    }
    int r = w4_router_trust(p, blame.kind, &blame.subject, blame.event, NULL,
                            w4_trust_offence_name(offence), e->msg_id, in->now_us);
    return r < 0 ? r : 0;
}

/* One that is blocked already is not looked at: what else it says makes nothing worse, and must not
 * take the places of proofs against others. */
int w4_misconduct_accuse(w4_protocol *p, const w4_inbound *in, const char *kept_msg_id,
                         const char *what) {
    const w4_envelope *e = &in->envelope;
    w4_trust_blame blame;
    if (!w4_trust_blame_find(W4_TRUST_OFFENCE_EQUIVOCATION, in->family->kind,
                             &e->sender.fingerprint, NULL, &blame)) {
        return 0;
    }
    w4_trust_state state = w4_trust_book_state(p->trust, blame.kind, &blame.subject);
    if (state == W4_TRUST_BLOCKED) {
        return 0;
    }
    bool differs = false;
    w4_buffer first = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX);
    int r = w4_evidence_get(p->store, kept_msg_id, &e->sender.fingerprint, &first);
    r = r == 0 ? says_else(w4_buffer_bytes(&first), e, &differs) : r;
    if (r == 0 && differs) {
        uint32_t most = state == W4_TRUST_TRUSTED ? W4_PROOFS_MAX : W4_PROOFS_MAX / 4 * 3;
        r = p->proofs < most ? keep(p, in, w4_buffer_bytes(&first), kept_msg_id, what) : 0;
        r = r == 0 ? w4_router_trust(p, blame.kind, &blame.subject, blame.event, NULL, what,
                                     e->msg_id, in->now_us)
                   : r;
    }
    w4_buffer_deinit(&first);
    return r < 0 ? r : 0;
}

int w4_misconduct_write(w4_store *store, const w4_fingerprint *subject, w4_json_writer *w) {
    uint8_t of_key[OF_KEY_LEN];
    memcpy(of_key, prefix, PREFIX_LEN);
    memcpy(of_key + PREFIX_LEN, subject->bytes, W4_FINGERPRINT_LEN);
    w4_store_cursor cursor;
    w4_json_begin_array(w);
    int r = w4_store_cursor_init(&cursor, W4_STORE_META, w4_bytes_of(of_key, sizeof of_key));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        w4_json_raw(w, w4_buffer_bytes(&cursor.value));
    }
    w4_store_cursor_deinit(&cursor);
    w4_json_end_array(w);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

int w4_misconduct_count(w4_store *store, uint32_t *ret_count) {
    uint32_t count = 0;
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_META, w4_bytes_of(prefix, PREFIX_LEN));
    while (r == 0 && (r = w4_store_next(store, &cursor)) == 0) {
        count++;
    }
    w4_store_cursor_deinit(&cursor);
    if (r == W4_STORE_E_NOT_FOUND) {
        *ret_count = count;
    }
    return r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* Writing and signing: canonical form straight away, members in their sorted order. */
#include "base/clock.h"
#include "crypto/primitives.h"
#include "envelope/envelope.h"
#include "envelope/members.h"

#include <errno.h>
#include <string.h>

#define SIGN_BEGIN "\"sign\":{\"algo\":\"ed25519\",\"signature\":\""
#define SIGN_END "\"},"
#define SIGNATURE_TEXT_LEN ((size_t)W4_BASE64_LEN(W4_SIGNATURE_LEN))
#define PUBKEY_TEXT_LEN ((size_t)W4_BASE64_LEN(W4_PUBKEY_LEN))
#define SIGN_LEN (sizeof SIGN_BEGIN - 1 + SIGNATURE_TEXT_LEN + sizeof SIGN_END - 1)

/* Signs what stands from start to the end of out, and puts the sign member in front of the member
 * at offset at. On failure out is as long as it was before start. */
static int insert_sign(w4_buffer *out, size_t start, size_t at, const w4_identity *identity) {
    uint8_t signature[W4_SIGNATURE_LEN];
    size_t len = out->len;
    w4_identity_sign(identity, w4_bytes_of(out->data + start, len - start), signature);
    int r = w4_buffer_append_text(out, SIGN_BEGIN);
    if (r == 0) {
        r = w4_base64_append(out, w4_bytes_of(signature, sizeof signature));
    }
    if (r == 0) {
        r = w4_buffer_append_text(out, SIGN_END);
    }
    if (r == 0 && out->len - start > W4_ENVELOPE_BYTES_MAX) {
        r = -EMSGSIZE;
    }
    if (r < 0) {
        out->len = start;
        return r;
    }
    uint8_t sign[SIGN_LEN];
    memcpy(sign, out->data + len, sizeof sign);
    memmove(out->data + at + sizeof sign, out->data + at, len - at);
    memcpy(out->data + at, sign, sizeof sign);
    return 0;
}

static void write_json(w4_json_writer *w, const char *name, w4_bytes json) {
    if (json.len > 0) {
        w4_json_name(w, name);
        w4_json_raw(w, json);
    }
}

static void write_receiver(w4_json_writer *w, const w4_party *receiver) {
    w4_json_name(w, "receiver");
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", receiver ? receiver->agent_id : "*");
    if (receiver) {
        w4_member_fingerprint(w, "fingerprint", &receiver->fingerprint);
    } else {
        w4_json_member_string(w, "fingerprint", "*");
    }
    w4_json_end_object(w);
}

static void write_sender(w4_json_writer *w, const w4_envelope_draft *draft,
                         const w4_identity *identity) {
    w4_json_name(w, "sender");
    w4_json_begin_object(w);
    w4_json_member_string(w, "agent_id", draft->sender_id);
    if (draft->capabilities) {
        w4_json_name(w, "capabilities");
        w4_json_begin_array(w);
        for (const char *const *c = draft->capabilities; *c; c++) {
            w4_json_string_text(w, *c);
        }
        w4_json_end_array(w);
    }
    w4_member_fingerprint(w, "fingerprint", w4_identity_fingerprint(identity));
    if (draft->with_pubkey) {
        w4_member_pubkey(w, "pubkey", w4_identity_pubkey(identity));
    }
    w4_json_end_object(w);
}

/* The version member, and `durable` before or behind it: the order is that of the names. */
static void write_family(w4_json_writer *w, const w4_envelope_draft *draft, const char *name) {
    bool before = strcmp("durable", name) < 0;
    if (draft->durable && before) {
        w4_json_member_bool(w, "durable", true);
    }
    w4_json_member_string(w, name, "1.0");
    if (draft->durable && !before) {
        w4_json_member_bool(w, "durable", true);
    }
}

int w4_envelope_write(const w4_envelope_draft *draft, const w4_identity *identity, w4_buffer *out) {
    const w4_type_row *row = w4_type_row_of(draft->type);
    w4_bytes nothing = w4_bytes_from_text("{}");
    size_t start = out->len;
    char timestamp[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(draft->timestamp_us, timestamp);

    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    write_json(&w, "chain", draft->chain);
    write_family(&w, draft, w4_family_name(row->family));
    w4_json_member_string(&w, "msg_id", draft->msg_id);
    write_json(&w, "payload", draft->payload.len > 0 ? draft->payload : nothing);
    write_receiver(&w, draft->receiver);
    write_sender(&w, draft, identity);
    size_t behind_sender = out->len;
    write_json(&w, "source", draft->source);
    write_json(&w, "state", draft->state);
    w4_json_member_string(&w, "timestamp", timestamp);
    write_json(&w, "trust", draft->trust);
    w4_json_member_string(&w, "type", row->name);
    w4_json_end_object(&w);
    if (w.error < 0) {
        out->len = start;
        return w.error;
    }
    return insert_sign(out, start, behind_sender + 1, identity); /* behind the comma */
}

int w4_envelope_sign(const w4_envelope *envelope, const w4_identity *identity, w4_buffer *out) {
    const w4_pubkey *key = w4_identity_pubkey(identity);
    if (!w4_fingerprint_equal(&envelope->sender.fingerprint, w4_identity_fingerprint(identity)) ||
        (envelope->has_pubkey && memcmp(&envelope->pubkey, key, sizeof *key) != 0)) {
        return 1;
    }
    size_t start = out->len;
    int r = w4_buffer_append(out, envelope->signed_head);
    if (r == 0) {
        r = w4_buffer_append(out, envelope->signed_tail);
    }
    if (r < 0) {
        out->len = start;
        return r;
    }
    return insert_sign(out, start, start + envelope->signed_head.len, identity);
}

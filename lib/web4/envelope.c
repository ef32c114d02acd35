#include "web4/error.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/chain.h"

#define CANONICAL_MAX (8u * 16u * 1024u * 1024u) /* the canonical form can be the longer one */

static int refuse_json(web4_error *error, int condition, const char *pointer,
                       const w4_json_error *json_error) {
    return w4_web4_refuse_code(error, w4_refusal_of_json(condition), pointer, json_error->text);
}

int web4_canonicalise(const char *json, size_t len, char **ret_text, size_t *ret_len,
                      web4_error *error) {
    w4_buffer out = W4_BUFFER_INIT(CANONICAL_MAX);
    w4_json_error json_error = {0};
    int r = w4_json_canonical(&out, w4_bytes_of(json, len), &W4_JSON_LIMITS_FILE, &json_error);
    if (r == 0) {
        r = w4_web4_hand_out(&out, ret_text, ret_len);
    } else if (r > 0) {
        r = refuse_json(error, r, NULL, &json_error);
    }
    w4_buffer_deinit(&out);
    return r;
}

int w4_web4_read_envelope(w4_json_document *doc, w4_bytes text, bool sign_required,
                          w4_envelope *ret_envelope, web4_error *error) {
    w4_envelope_fault fault = {0};
    int r = w4_crypto_init();
    if (r == 0) {
        r = w4_envelope_read_any(doc, text, &W4_JSON_LIMITS_ENVELOPE, sign_required, ret_envelope,
                                 &fault);
    }
    return r <= 0 ? r
                  : w4_web4_refuse_code(error, fault.code, fault.detail.pointer,
                                        fault.detail.expected);
}

int web4_envelope_sign(const char *json, size_t len, const web4_identity *identity, char **ret_text,
                       size_t *ret_len, web4_error *error) {
    w4_json_document doc = {0};
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_envelope envelope;
    int r = w4_web4_read_envelope(&doc, w4_bytes_of(json, len), false, &envelope, error);
    if (r == 0) {
        r = w4_envelope_sign(&envelope, identity->key, &out);
        if (r > 0) {
            r = w4_web4_refuse_code(error, W4_REFUSAL_BAD_FINGERPRINT, "/sender",
                                    "the sender is not the owner of that key");
        }
    }
    if (r == 0) {
        r = w4_web4_hand_out(&out, ret_text, ret_len);
    }
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
    return r;
}

static int verify(w4_bytes text, w4_buffer *out, web4_error *error) {
    w4_json_document doc = {0};
    w4_envelope envelope;
    int r = w4_web4_read_envelope(&doc, text, true, &envelope, error);
    if (r == 0) {
        w4_refusal code = w4_envelope_verify(&envelope, NULL);
        r = code == W4_REFUSAL_NONE ? 0 : w4_web4_refuse_code(error, code, NULL, NULL);
    }
    if (r == 0 && out != NULL) {
        r = w4_buffer_append(out, envelope.text);
    }
    w4_json_document_deinit(&doc);
    return r;
}

int web4_envelope_verify(const char *json, size_t len, char **ret_text, size_t *ret_len,
                         web4_error *error) {
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = verify(w4_bytes_of(json, len), ret_text == NULL ? NULL : &out, error);
    if (r == 0 && ret_text != NULL) {
        r = w4_web4_hand_out(&out, ret_text, ret_len);
    }
    w4_buffer_deinit(&out);
    return r;
}

/* ---- building */

static void random_bytes(void *context, void *ret_bytes, size_t len) {
    (void)context;
    w4_random(ret_bytes, len);
}

static int refuse_member(web4_error *error, const char *pointer, const char *expected) {
    return w4_web4_refuse_code(error, W4_REFUSAL_BAD_ENVELOPE, pointer, expected);
}

/* A part of the draft in canonical form; nothing for NULL. */
static int canonical_part(w4_buffer *out, const char *json, const char *pointer,
                          web4_error *error) {
    w4_json_error json_error = {0};
    if (json == NULL) {
        return 0;
    }
    int r = w4_json_canonical(out, w4_bytes_from_text(json), &W4_JSON_LIMITS_ENVELOPE, &json_error);
    return r <= 0 ? r : refuse_json(error, r, pointer, &json_error);
}

/* The members that are texts. */
static int fill_draft(const web4_draft *from, w4_envelope_draft *to, w4_party *receiver,
                      char msg_id[static W4_UUID_LEN + 1], web4_error *error) {
    w4_family family = W4_FAMILY_CIP;
    if (from->family != NULL && !w4_family_from_name(w4_bytes_from_text(from->family), &family)) {
        return refuse_member(error, "", "the family must be cip, hcp, lip or mesh");
    }
    const w4_type_row *row = w4_type_find(family, w4_bytes_from_text(from->type));
    if (row == NULL) {
        return w4_web4_refuse_code(error, W4_REFUSAL_UNKNOWN_TYPE, "/type", NULL);
    }
    to->type = row->type;
    if ((from->receiver_id == NULL) != (from->receiver_fingerprint == NULL)) {
        return refuse_member(error, "/receiver", "agent_id and fingerprint, or none of both");
    }
    if (from->receiver_id != NULL) {
        w4_bytes id = w4_bytes_from_text(from->receiver_id);
        if (id.len > W4_AGENT_ID_MAX ||
            !w4_fingerprint_parse(w4_bytes_from_text(from->receiver_fingerprint),
                                  &receiver->fingerprint)) {
            return refuse_member(error, "/receiver", "a name and 64 lower-case hex digits");
        }
        w4_text_copy(receiver->agent_id, sizeof receiver->agent_id, id);
        to->receiver = receiver;
    }
    if (from->msg_id == NULL) {
        const w4_env env = {.random = random_bytes};
        w4_uuid_v4(&env, msg_id);
        to->msg_id = msg_id;
    } else {
        to->msg_id = from->msg_id;
    }
    to->sender_id = from->sender_id;
    to->capabilities = from->capabilities;
    to->durable = from->durable;
    to->timestamp_us = from->timestamp_ms * W4_US_PER_MS;
    to->with_pubkey = true;
    return 0;
}

/* The chain of an answer, as the node writes it for those it signs for. */
static int write_chain(const char *answered, w4_buffer *out, web4_error *error) {
    w4_json_document doc = {0};
    w4_envelope cause;
    w4_chain before, chain;
    w4_json_writer w;
    if (answered == NULL) {
        return 0;
    }
    int r = w4_web4_read_envelope(&doc, w4_bytes_from_text(answered), true, &cause, error);
    if (r == 0) {
        bool chained = w4_chain_of(&cause, &before);
        uint32_t budget = chained ? before.budget : W4_CHAIN_BUDGET_DEFAULT;
        w4_chain_answer(chained ? &before : NULL, cause.msg_id, &cause.sender.fingerprint, &chain);
        if (budget == 0) {
            r = w4_web4_refuse_code(error, W4_REFUSAL_CHAIN_BUDGET, "/chain/budget", NULL);
        }
        chain.budget = budget - 1;
        w4_json_writer_init(&w, out);
        w4_chain_write(&chain, &w);
        r = r == 0 ? w.error : r;
    }
    w4_json_document_deinit(&doc);
    return r;
}

static int write_draft(const web4_draft *draft, const web4_identity *identity, w4_buffer *out,
                       web4_error *error) {
    w4_envelope_draft whole = {0};
    w4_party receiver = {0};
    char msg_id[W4_UUID_LEN + 1];
    w4_buffer payload = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_buffer state = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_buffer source = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    w4_buffer chain = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = fill_draft(draft, &whole, &receiver, msg_id, error);
    r = r != 0 ? r : canonical_part(&payload, draft->payload, "/payload", error);
    r = r != 0 ? r : canonical_part(&state, draft->state, "/state", error);
    r = r != 0 ? r : canonical_part(&source, draft->source, "/source", error);
    r = r != 0 ? r : write_chain(draft->answers, &chain, error);
    if (r == 0) {
        whole.payload = w4_buffer_bytes(&payload);
        whole.state = w4_buffer_bytes(&state);
        whole.source = w4_buffer_bytes(&source);
        whole.chain = w4_buffer_bytes(&chain);
        r = w4_envelope_write(&whole, identity->key, out);
    }
    w4_buffer_deinit(&payload);
    w4_buffer_deinit(&state);
    w4_buffer_deinit(&source);
    w4_buffer_deinit(&chain);
    return r == -EMSGSIZE ? w4_web4_refuse_code(error, W4_REFUSAL_TOO_LARGE, NULL, NULL) : r;
}

int web4_envelope_build(const web4_draft *draft, const web4_identity *identity, char **ret_text,
                        size_t *ret_len, web4_error *error) {
    w4_buffer out = W4_BUFFER_INIT(W4_ENVELOPE_BYTES_MAX);
    int r = draft->sender_id == NULL || draft->type == NULL || draft->payload == NULL
                ? refuse_member(error, "", "sender_id, type and payload must be there")
                : w4_crypto_init();
    r = r != 0 ? r : write_draft(draft, identity, &out, error);
    r = r != 0 ? r : verify(w4_buffer_bytes(&out), NULL, error);
    r = r != 0 ? r : w4_web4_hand_out(&out, ret_text, ret_len);
    w4_buffer_deinit(&out);
    return r;
}

/* The answering side of the CIP handshake, for agents that sign for themselves. */
#include <errno.h>
#include <string.h>

#include "crypto/primitives.h"
#include "envelope/members.h"
#include "web4/error.h"
#include "json/writer.h"

#define CHALLENGE_LEN 32u
#define NONCE_LEN 16u
#define PAYLOAD_MAX 4096u

/* Nobody else can know it, and each greeting of one challenge is answered under the same. Nothing
 * that is signed elsewhere begins like that. */
static int own_challenge(const web4_identity *identity, const w4_envelope *greeting,
                         w4_bytes challenge, uint8_t ret_challenge[static CHALLENGE_LEN]) {
    static const char purpose[] = "web4 challenge of an answer";
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_buffer message = W4_BUFFER_INIT(PAYLOAD_MAX);
    int r = w4_buffer_append(&message, w4_bytes_of(purpose, sizeof purpose));
    r = r < 0 ? r
              : w4_buffer_append(
                    &message, w4_bytes_of(greeting->sender.fingerprint.bytes, W4_FINGERPRINT_LEN));
    r = r < 0 ? r : w4_buffer_append(&message, challenge);
    if (r == 0) {
        w4_identity_sign(identity->key, w4_buffer_bytes(&message), signature);
        w4_hash(w4_bytes_of(signature, sizeof signature), (w4_bytes){0}, ret_challenge);
        w4_wipe(signature, sizeof signature);
    }
    w4_buffer_deinit(&message);
    return r;
}

/* Step (2): a greeting of its own, which answers. */
static int answer_greeting(const web4_identity *identity, const w4_envelope *greeting,
                           w4_json_writer *w) {
    uint8_t nonce[NONCE_LEN], challenge[CHALLENGE_LEN];
    w4_json theirs = w4_json_get(greeting->payload, "challenge");
    int r = own_challenge(identity, greeting, w4_json_string_raw(theirs), challenge);
    w4_random(nonce, sizeof nonce);
    w4_member_base64(w, "challenge", challenge, sizeof challenge);
    w4_json_name(w, "challenge_response");
    w4_json_value(w, theirs);
    w4_json_member_string(w, "in_reply_to", greeting->msg_id);
    w4_json_name(w, "protocols");
    w4_json_begin_array(w);
    w4_json_string_text(w, "cip/1.0");
    w4_json_end_array(w);
    w4_member_base64(w, "session_nonce", nonce, sizeof nonce);
    return r;
}

/* Step (4): a state, which answers that of the other side. */
static void answer_state(const w4_envelope *state, w4_json_writer *w) {
    w4_json_member_string(w, "in_reply_to", state->msg_id);
    w4_json_member_integer(w, "lri", 0);
    w4_json_member_string(w, "presence", "focused");
}

static bool has(const w4_envelope *envelope, const char *member) {
    return w4_json_exists(w4_json_get(envelope->payload, member));
}

/* The payload of the answer. 0, -ENOMSG, -ENOMEM. */
static int write_answer(const web4_identity *identity, const w4_envelope *word, w4_buffer *out,
                        const char **ret_type) {
    bool greeting = word->type == W4_TYPE_CIP_HELLO && !has(word, "in_reply_to");
    bool proof = word->type == W4_TYPE_CIP_STATE_UPDATE && has(word, "in_reply_to") &&
                 has(word, "challenge_response");
    w4_json_writer w;
    int r = 0;
    if (word->broadcast || (!greeting && !proof)) {
        return -ENOMSG;
    }
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    if (greeting) {
        r = answer_greeting(identity, word, &w);
    } else {
        answer_state(word, &w);
    }
    w4_json_end_object(&w);
    *ret_type = greeting ? "HELLO" : "STATE_UPDATE";
    return r < 0 ? r : w.error;
}

int web4_handshake_answer(const char *envelope, size_t len, const web4_identity *identity,
                          const char *sender_id, uint64_t timestamp_ms, char **ret_text,
                          size_t *ret_len, web4_error *error) {
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_json_document doc = {0};
    w4_envelope word;
    w4_buffer payload = W4_BUFFER_INIT(PAYLOAD_MAX);
    web4_draft draft = {.timestamp_ms = timestamp_ms, .sender_id = sender_id};
    int r = w4_web4_read_envelope(&doc, w4_bytes_of(envelope, len), true, &word, error);
    r = r != 0 ? r : write_answer(identity, &word, &payload, &draft.type);
    if (r == 0) {
        w4_fingerprint_format(&word.sender.fingerprint, fingerprint);
        draft.receiver_id = word.sender.agent_id;
        draft.receiver_fingerprint = fingerprint;
        draft.payload = w4_buffer_text(&payload);
        r = draft.payload == NULL ? -ENOMEM
                                  : web4_envelope_build(&draft, identity, ret_text, ret_len, error);
    }
    w4_buffer_deinit(&payload);
    w4_json_document_deinit(&doc);
    return r;
}

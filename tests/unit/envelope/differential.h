/* The promise that holds the two ways in together: what is in canonical form gets one verdict
 * from both, and what is not gets the verdict of its canonical form, or none. */
#pragma once

#include "envelope/envelope.h"

#include <string.h>

typedef struct verdict {
    int result;
    w4_envelope_fault fault;
    w4_envelope envelope;
} verdict;

static inline bool is_about_text(w4_refusal code) {
    return code == W4_REFUSAL_BAD_JSON || code == W4_REFUSAL_NOT_CANONICAL ||
           code == W4_REFUSAL_TOO_LARGE || code == W4_REFUSAL_TOO_DEEP;
}

static inline bool same_party(const w4_party *a, const w4_party *b) {
    return strcmp(a->agent_id, b->agent_id) == 0 &&
           w4_fingerprint_equal(&a->fingerprint, &b->fingerprint);
}

static inline bool same_view(const w4_envelope *a, const w4_envelope *b) {
    return w4_bytes_equal(a->text, b->text) && a->family == b->family && a->type == b->type &&
           strcmp(a->msg_id, b->msg_id) == 0 && a->timestamp_us == b->timestamp_us &&
           same_party(&a->sender, &b->sender) && same_party(&a->receiver, &b->receiver) &&
           a->has_pubkey == b->has_pubkey && a->broadcast == b->broadcast &&
           memcmp(&a->pubkey, &b->pubkey, sizeof a->pubkey) == 0 &&
           a->has_signature == b->has_signature &&
           memcmp(a->signature, b->signature, sizeof a->signature) == 0 &&
           w4_bytes_equal(a->signed_head, b->signed_head) &&
           w4_bytes_equal(a->signed_tail, b->signed_tail) &&
           w4_bytes_equal(w4_json_text(a->payload), w4_json_text(b->payload)) &&
           w4_json_kind_of(a->state) == w4_json_kind_of(b->state) &&
           w4_json_kind_of(a->source) == w4_json_kind_of(b->source) &&
           w4_json_kind_of(a->trust) == w4_json_kind_of(b->trust);
}

/* NULL, or which promise a verdict breaks by itself. */
static inline const char *check_verdict(const verdict *v) {
    if (v->result != 0 && v->result != 1) {
        return "neither accepted nor refused";
    }
    if (v->result == 0) {
        return v->fault.code == W4_REFUSAL_NONE ? NULL : "accepted with a code";
    }
    if (!is_about_text(v->fault.code) && v->fault.code != W4_REFUSAL_BAD_ENVELOPE &&
        v->fault.code != W4_REFUSAL_UNSUPPORTED_VERSION &&
        v->fault.code != W4_REFUSAL_UNKNOWN_TYPE) {
        return "refused with a code of another stage";
    }
    if (v->fault.detail.expected[0] == 0) {
        return "refused without saying why";
    }
    for (const char *c = v->fault.detail.expected; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return "a reason that is not printable";
        }
    }
    return NULL;
}

static inline bool same_verdict(const verdict *a, const verdict *b) {
    return a->result == b->result && a->fault.code == b->fault.code &&
           strcmp(a->fault.detail.pointer, b->fault.detail.pointer) == 0 &&
           (is_about_text(a->fault.code) ||
            strcmp(a->fault.detail.expected, b->fault.detail.expected) == 0) &&
           (a->result != 0 || same_view(&a->envelope, &b->envelope));
}

/* The signed text is what the canonical form of the rest is, and signing again gives an envelope
 * of the same content. */
static inline const char *check_signed_text(const w4_envelope *envelope) {
    w4_json_document doc = {0};
    w4_buffer joined = W4_BUFFER_INIT(SIZE_MAX);
    const char *broken = NULL;
    if (w4_buffer_append(&joined, envelope->signed_head) < 0 ||
        w4_buffer_append(&joined, envelope->signed_tail) < 0 ||
        w4_json_read_canonical(&doc, w4_buffer_bytes(&joined), &W4_JSON_LIMITS_ENVELOPE, NULL) !=
            0) {
        broken = "the signed text is not canonical";
    } else if (w4_json_exists(w4_json_get(w4_json_root(&doc), "sign"))) {
        broken = "the signed text has a sign member";
    } else if (w4_json_count(w4_json_root(&doc)) + 1 != w4_json_count(envelope->root)) {
        broken = "the signed text has lost a member";
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&joined);
    return broken;
}

static inline void read_wire(w4_json_document *doc, w4_bytes text, verdict *ret) {
    memset(ret, 0, sizeof *ret);
    ret->result =
        w4_envelope_read(doc, text, &W4_JSON_LIMITS_ENVELOPE, &ret->envelope, &ret->fault);
}

static inline void read_local(w4_json_document *doc, w4_bytes text, bool sign_required,
                              verdict *ret) {
    memset(ret, 0, sizeof *ret);
    ret->result = w4_envelope_read_any(doc, text, &W4_JSON_LIMITS_ENVELOPE, sign_required,
                                       &ret->envelope, &ret->fault);
}

/* JSON in another form: whoever puts it right gets the verdict that the strict reader gave. */
static inline const char *compare_canonical(w4_bytes text, const verdict *any) {
    w4_json_document doc = {0};
    w4_buffer canonical = W4_BUFFER_INIT(SIZE_MAX);
    verdict right;
    const char *broken = NULL;
    if (is_about_text(any->fault.code)) {
        broken = "not canonical for one, no document for the other";
    } else if (w4_json_canonical(&canonical, text, &W4_JSON_LIMITS_ENVELOPE, NULL) != 0) {
        broken = "no canonical form of what was read";
    } else if (w4_bytes_equal(text, w4_buffer_bytes(&canonical))) {
        broken = "canonical, and refused as not canonical";
    } else {
        read_wire(&doc, w4_buffer_bytes(&canonical), &right);
        broken = same_verdict(&right, any) ? NULL : "another verdict for the canonical form";
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&canonical);
    return broken;
}

static inline const char *compare_unsigned(const verdict *any, const verdict *loose) {
    bool about_sign = any->result == 1 && strcmp(any->fault.detail.pointer, "/sign") == 0;
    if (loose->result == 0 && any->result == 1 && !about_sign) {
        return "taken unsigned, refused signed for another reason";
    }
    return any->result == 0 && !same_verdict(any, loose) ? "signed, and refused unsigned" : NULL;
}

/* NULL, or the promise that this text breaks. */
static inline const char *envelope_differential(w4_bytes text) {
    w4_json_document docs[3];
    memset(docs, 0, sizeof docs);
    static verdict wire, any, loose;
    read_wire(&docs[0], text, &wire);
    read_local(&docs[1], text, true, &any);
    read_local(&docs[2], text, false, &loose);
    const char *broken = check_verdict(&wire);
    broken = broken ? broken : check_verdict(&any);
    broken = broken ? broken : check_verdict(&loose);
    broken = broken ? broken : compare_unsigned(&any, &loose);
    if (!broken && wire.result == 1 && wire.fault.code == W4_REFUSAL_NOT_CANONICAL) {
        broken = compare_canonical(text, &any);
    } else if (!broken && !same_verdict(&wire, &any)) {
        broken = "two verdicts on one text";
    } else if (!broken && wire.result == 0) {
        broken = check_signed_text(&wire.envelope);
        if (!broken &&
            w4_envelope_verify(&wire.envelope, NULL) != w4_envelope_verify(&any.envelope, NULL)) {
            broken = "two answers about one signature";
        }
    }
    for (int i = 0; i < 3; i++) {
        w4_json_document_deinit(&docs[i]);
    }
    return broken;
}

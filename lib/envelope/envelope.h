/* One signed envelope (protocols.md 1). A view borrows the document it was read into. */
#pragma once

#include "crypto/sign.h"
#include "envelope/refusal.h"
#include "envelope/type.h"

#define W4_AGENT_ID_MAX 255
#define W4_ENVELOPE_BYTES_MAX ((size_t)256 * 1024)

typedef struct w4_party {
    char agent_id[W4_AGENT_ID_MAX + 1];
    w4_fingerprint fingerprint;
} w4_party;

typedef struct w4_envelope {
    w4_bytes text; /* canonical, with sign; borrowed from the document */
    w4_json root;
    w4_family family;
    w4_type type;
    char msg_id[37];
    uint64_t timestamp_us; /* wall time */
    w4_party sender;
    bool has_pubkey; /* sender.pubkey is there */
    w4_pubkey pubkey;
    w4_party receiver; /* zero fingerprint when broadcast */
    bool broadcast;
    w4_json payload; /* object */
    w4_json state;   /* object or none */
    w4_json source;  /* lip: object */
    w4_json trust;   /* cip: object or none */
    bool durable;    /* kept in stores until its receiver has dealt with it */
    bool has_signature;
    uint8_t signature[W4_SIGNATURE_LEN];
    w4_bytes signed_head, signed_tail; /* text without the sign member, in two pieces */
} w4_envelope;

/* Why an envelope was refused: the code, and for bad_envelope which member and what was wanted. */
typedef struct w4_envelope_fault {
    w4_refusal code;
    w4_fault detail; /* pointer "" and a text when not about one member */
} w4_envelope_fault;

/* The first four stages: limits, parse, canonical check, schema of its type. The document is
 * (re)used and must outlive the view; so must the text given to _read.
 * In this order: too_large, too_deep, bad_json, not_canonical; not exactly one family member:
 * bad_envelope; another version: unsupported_version; a type that the family does not have:
 * unknown_type; any other member: bad_envelope. A fingerprint that is no 64 lower-case hex digits
 * and a sign that is missing, no object, or of another algo are bad_envelope; a signature that is
 * not 64 bytes of strict base64 passes here (has_signature is false) and is the bad_signature of
 * w4_envelope_verify, behind the check of the fingerprint.
 *   _read: from the wire; canonical form only, sign required.
 *   _read_any: any valid JSON (doc then holds the canonical form). sign_required false: sign may
 *   be missing (an envelope to be signed).
 * 0, -ENOMEM, or 1 with *ret_fault. */
int w4_envelope_read(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                     w4_envelope *ret_envelope, w4_envelope_fault *ret_fault);
int w4_envelope_read_any(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                         bool sign_required, w4_envelope *ret_envelope,
                         w4_envelope_fault *ret_fault);

/* Fingerprint = SHA-256(pubkey), then the signature. known: the key learned earlier for that
 * fingerprint, or NULL; without it and without sender.pubkey the answer is unknown_sender.
 * Returns NONE, BAD_FINGERPRINT, BAD_SIGNATURE, UNKNOWN_SENDER, or INTERNAL (no memory; a known
 * key that is not of this fingerprint). */
w4_refusal w4_envelope_verify(const w4_envelope *envelope, const w4_pubkey *known);

/* Whose word it is in truth, whatever fingerprint it claims: of the key beside it, when the
 * signature is by that key. 1 with *ret_signer, 0 when nothing is proven, or -ENOMEM. */
int w4_envelope_find_signer(const w4_envelope *envelope, w4_fingerprint *ret_signer);

/* Freshness of the time stamp only: STALE or NONE. Exactly the window apart is fresh. */
#define W4_FRESHNESS_WINDOW_US (UINT64_C(300) * 1000000u)
w4_refusal w4_envelope_check_fresh(const w4_envelope *envelope, uint64_t wall_us);

/* What to write; strings and JSON are borrowed, not from out. NULL / none members are left out. */
typedef struct w4_envelope_draft {
    w4_type type;
    const char *msg_id;
    uint64_t timestamp_us; /* wall time */
    const char *sender_id;
    const char *const *capabilities; /* NULL-terminated or NULL */
    const w4_party *receiver;        /* NULL: broadcast */
    bool with_pubkey;
    w4_bytes payload; /* canonical JSON object; empty: {} */
    w4_bytes state;   /* canonical JSON object or empty */
    w4_bytes source;  /* canonical JSON object or empty */
    w4_bytes trust;   /* canonical JSON object or empty */
    w4_bytes chain;   /* canonical JSON object or empty */
    bool durable;
} w4_envelope_draft;

/* Appends the signed canonical envelope. 0, -ENOMEM or -EMSGSIZE (out would pass its max, or the
 * envelope W4_ENVELOPE_BYTES_MAX); then nothing was added. Checks no schema. */
int w4_envelope_write(const w4_envelope_draft *draft, const w4_identity *identity, w4_buffer *out);

/* Signs an envelope that was read without (or with another) signature: appends the whole. The
 * sender's fingerprint and pubkey must be the identity's: else returns 1. 0, 1, -ENOMEM,
 * -EMSGSIZE (as above). */
int w4_envelope_sign(const w4_envelope *envelope, const w4_identity *identity, w4_buffer *out);

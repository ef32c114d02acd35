/* What is said about keys themselves, signed by keys: canonical JSON that each node judges by its
 * signatures alone, whoever brought it.
 *
 * A succession says that one key takes the place of another: both have signed it, so neither can
 * be made a successor, or be succeeded, without its holder. A revocation says that a key is worth
 * nothing any more, and why; who may say so is not in the document (keyring.h). It names the key
 * by its fingerprint: there is one fingerprint to a key, however the key is spelled. */
#pragma once

#include "crypto/sign.h"
#include "envelope/refusal.h"
#include "json/document.h"

#define W4_KEY_DOCUMENT_MAX 2048u /* bytes of one */
#define W4_KEY_DOCUMENT_ID_LEN 32u
#define W4_KEY_REASON_MAX 255u

typedef enum w4_key_document_kind {
    W4_KEY_SUCCESSION,
    W4_KEY_REVOCATION,
    W4_KEY_DOCUMENT_KIND_COUNT
} w4_key_document_kind;

/* Whose key it is. The keys of one identity are all of one kind. */
typedef enum w4_key_kind { W4_KEY_OF_AGENT, W4_KEY_OF_NODE, W4_KEY_KIND_COUNT } w4_key_kind;

const char *w4_key_kind_name(w4_key_kind kind); /* "agent", "node" */
bool w4_key_kind_from_name(w4_bytes name, w4_key_kind *ret_kind);

typedef struct w4_key_document {
    w4_key_document_kind kind;
    w4_key_kind of;
    uint64_t made_us;         /* wall, by the clock of who made it */
    w4_fingerprint subject;   /* the key that is succeeded, or revoked */
    w4_pubkey subject_key;    /* SUCCESSION: that key */
    w4_fingerprint successor; /* SUCCESSION: the one that takes its place */
    w4_pubkey successor_key;
    w4_fingerprint signer; /* REVOCATION: whose signature it carries */
    w4_pubkey signer_key;
    char reason[W4_KEY_REASON_MAX + 1]; /* REVOCATION */
    uint8_t id[W4_KEY_DOCUMENT_ID_LEN]; /* SHA-256 of what is signed */
    w4_bytes text;                      /* all of it; lies in what was read */
} w4_key_document;

typedef struct w4_key_fault {
    w4_refusal code; /* bad_json, not_canonical, too_large, too_deep, bad_envelope, bad_signature */
    char pointer[128];
    char expected[160];
} w4_key_fault;

/* Both append one document. 0, -ENOMEM, -EMSGSIZE, or -EINVAL: the two keys are one, the reason is
 * no text of 1 to W4_KEY_REASON_MAX bytes. */
int w4_key_succession_write(const w4_identity *old_identity, const w4_identity *new_identity,
                            w4_key_kind of, uint64_t made_us, w4_buffer *out);
int w4_key_revocation_write(const w4_identity *signer, const w4_fingerprint *revoked,
                            w4_key_kind of, const char *reason, uint64_t made_us, w4_buffer *out);

/* Reads and proves: only canonical form passes, and only with good signatures. text stays borrowed,
 * scratch is used again and again. 0, -ENOMEM, or 1 with *ret_fault. */
int w4_key_document_read(w4_json_document *scratch, w4_bytes text, w4_key_document *ret_document,
                         w4_key_fault *ret_fault);
/* Any valid JSON form, made canonical into *form. 0, -ENOMEM, or 1 with *ret_fault. */
int w4_key_document_canonical(w4_bytes text, w4_buffer *form, w4_key_fault *ret_fault);
/* Reads any valid JSON form, made canonical into *form, which the text then lies in. */
int w4_key_document_read_any(w4_json_document *scratch, w4_bytes text, w4_buffer *form,
                             w4_key_document *ret_document, w4_key_fault *ret_fault);

#include "trust/key_document.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "envelope/schema.h"
#include "json/writer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SIGN_NAME_LEN 8u /* ,"sign": */

static const w4_json_limits document_limits = {W4_KEY_DOCUMENT_MAX, 4, 16, 1024};

static const char *const document_kinds[W4_KEY_DOCUMENT_KIND_COUNT + 1] = {
    [W4_KEY_SUCCESSION] = "succession", [W4_KEY_REVOCATION] = "revocation"};
static const char *const key_kinds[W4_KEY_KIND_COUNT + 1] = {
    [W4_KEY_OF_AGENT] = "agent", [W4_KEY_OF_NODE] = "node"};

const char *w4_key_kind_name(w4_key_kind kind) {
    assert(kind < W4_KEY_KIND_COUNT);
    return key_kinds[kind];
}

bool w4_key_kind_from_name(w4_bytes name, w4_key_kind *ret_kind) {
    for (unsigned i = 0; i < W4_KEY_KIND_COUNT; i++) {
        if (w4_bytes_equal_text(name, key_kinds[i])) {
            *ret_kind = (w4_key_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- the form, as tables. `sign` is the last member of both in canonical order, and both are
 * closed: what is signed is the text up to it, and the brace. All keys that sign are in there, so
 * that no other document has the same id. */

// clang-format off
static const char *const algos[] = {"ed25519", NULL};

#define R W4_SCHEMA_REQUIRED
#define ROWS_OF_BOTH \
    {.name = "document", .kind = W4_SCHEMA_ENUM,   .flags = R, .names = document_kinds}, \
    {.name = "key",      .kind = W4_SCHEMA_ENUM,   .flags = R, .names = w4_names_version}, \
    {.name = "kind",     .kind = W4_SCHEMA_ENUM,   .flags = R, .names = key_kinds}, \
    {.name = "made_at",  .kind = W4_SCHEMA_STRING, .flags = R, .min = 20, .max = 35, .check = w4_check_timestamp}

static const w4_schema_row succession_sign_rows[] = {
    {.name = "algo",      .kind = W4_SCHEMA_ENUM,   .flags = R, .names = algos},
    {.name = "new",       .kind = W4_SCHEMA_STRING, .flags = R, .min = 88, .max = 88, .check = w4_check_signature},
    {.name = "old",       .kind = W4_SCHEMA_STRING, .flags = R, .min = 88, .max = 88, .check = w4_check_signature},
    W4_SCHEMA_END};
static const w4_schema succession_sign = {.rows = succession_sign_rows, .closed = true};
static const w4_schema_row succession_rows[] = {
    ROWS_OF_BOTH,
    {.name = "new",       .kind = W4_SCHEMA_STRING, .flags = R, .min = 44, .max = 44, .check = w4_check_pubkey},
    {.name = "old",       .kind = W4_SCHEMA_STRING, .flags = R, .min = 44, .max = 44, .check = w4_check_pubkey},
    {.name = "sign",      .kind = W4_SCHEMA_OBJECT, .flags = R, .object = &succession_sign},
    W4_SCHEMA_END};

static const w4_schema_row revocation_sign_rows[] = {
    {.name = "algo",      .kind = W4_SCHEMA_ENUM,   .flags = R, .names = algos},
    {.name = "signature", .kind = W4_SCHEMA_STRING, .flags = R, .min = 88, .max = 88, .check = w4_check_signature},
    W4_SCHEMA_END};
static const w4_schema revocation_sign = {.rows = revocation_sign_rows, .closed = true};
static const w4_schema_row revocation_rows[] = {
    ROWS_OF_BOTH,
    {.name = "by",        .kind = W4_SCHEMA_STRING, .flags = R, .min = 44, .max = 44, .check = w4_check_pubkey},
    {.name = "reason",    .kind = W4_SCHEMA_STRING, .flags = R, .min = 1, .max = W4_KEY_REASON_MAX, .check = w4_check_label},
    {.name = "revoked",   .kind = W4_SCHEMA_STRING, .flags = R, .min = 64, .max = 64, .check = w4_check_fingerprint},
    {.name = "sign",      .kind = W4_SCHEMA_OBJECT, .flags = R, .object = &revocation_sign},
    W4_SCHEMA_END};
#undef R
// clang-format on

static const w4_schema forms[W4_KEY_DOCUMENT_KIND_COUNT] = {
    [W4_KEY_SUCCESSION] = {.rows = succession_rows, .closed = true},
    [W4_KEY_REVOCATION] = {.rows = revocation_rows, .closed = true},
};

/* ---- writing */

static void write_key(w4_json_writer *w, const char *name, const w4_identity *identity) {
    w4_member_pubkey(w, name, w4_identity_pubkey(identity));
}

/* The head of both, in canonical order as far as it goes; by: of a revocation. */
static void begin(w4_json_writer *w, w4_key_document_kind kind, const w4_identity *by,
                  w4_key_kind of, uint64_t made_us, w4_buffer *out) {
    char time[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(made_us, time);
    w4_json_writer_init(w, out);
    w4_json_begin_object(w);
    if (by) {
        write_key(w, "by", by);
    }
    w4_json_member_string(w, "document", document_kinds[kind]);
    w4_json_member_string(w, "key", "1.0");
    w4_json_member_string(w, "kind", key_kinds[of]);
    w4_json_member_string(w, "made_at", time);
}

typedef struct signature {
    uint8_t bytes[W4_SIGNATURE_LEN];
} signature;

/* signatures NULL: what is signed; else of the old key and the new one. */
static int write_succession(const w4_identity *old_identity, const w4_identity *new_identity,
                            w4_key_kind of, uint64_t made_us, const signature *signatures,
                            w4_buffer *out) {
    w4_json_writer writer, *w = &writer;
    begin(w, W4_KEY_SUCCESSION, NULL, of, made_us, out);
    write_key(w, "new", new_identity);
    write_key(w, "old", old_identity);
    if (signatures) {
        w4_json_name(w, "sign");
        w4_json_begin_object(w);
        w4_json_member_string(w, "algo", algos[0]);
        w4_member_base64(w, "new", signatures[1].bytes, sizeof signatures[1].bytes);
        w4_member_base64(w, "old", signatures[0].bytes, sizeof signatures[0].bytes);
        w4_json_end_object(w);
    }
    w4_json_end_object(w);
    return w->error;
}

static int append_document(w4_buffer *text, int r, w4_buffer *out) {
    r = r == 0 ? w4_buffer_append(out, w4_buffer_bytes(text)) : r;
    w4_buffer_deinit(text);
    return r;
}

int w4_key_succession_write(const w4_identity *old_identity, const w4_identity *new_identity,
                            w4_key_kind of, uint64_t made_us, w4_buffer *out) {
    if (w4_fingerprint_equal(w4_identity_fingerprint(old_identity),
                             w4_identity_fingerprint(new_identity))) {
        return -EINVAL;
    }
    signature signatures[2];
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = write_succession(old_identity, new_identity, of, made_us, NULL, &text);
    if (r == 0) {
        w4_identity_sign(old_identity, w4_buffer_bytes(&text), signatures[0].bytes);
        w4_identity_sign(new_identity, w4_buffer_bytes(&text), signatures[1].bytes);
        w4_buffer_clear(&text);
        r = write_succession(old_identity, new_identity, of, made_us, signatures, &text);
    }
    return append_document(&text, r, out);
}

static int write_revocation(const w4_identity *signer, const w4_fingerprint *revoked,
                            w4_key_kind of, const char *reason, uint64_t made_us,
                            const signature *signed_by, w4_buffer *out) {
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_json_writer writer, *w = &writer;
    w4_fingerprint_format(revoked, fingerprint);
    begin(w, W4_KEY_REVOCATION, signer, of, made_us, out);
    w4_json_member_string(w, "reason", reason);
    w4_json_member_string(w, "revoked", fingerprint);
    if (signed_by) {
        w4_member_sign(w, signed_by->bytes);
    }
    w4_json_end_object(w);
    return w->error;
}

int w4_key_revocation_write(const w4_identity *signer, const w4_fingerprint *revoked,
                            w4_key_kind of, const char *reason, uint64_t made_us, w4_buffer *out) {
    if (!w4_text_is_label(w4_bytes_from_text(reason), W4_KEY_REASON_MAX)) {
        return -EINVAL;
    }
    signature signed_by;
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    int r = write_revocation(signer, revoked, of, reason, made_us, NULL, &text);
    if (r == 0) {
        w4_identity_sign(signer, w4_buffer_bytes(&text), signed_by.bytes);
        w4_buffer_clear(&text);
        r = write_revocation(signer, revoked, of, reason, made_us, &signed_by, &text);
    }
    return append_document(&text, r, out);
}

/* ---- reading */

static int fault(w4_key_fault *ret_fault, w4_refusal code, const char *pointer,
                 const char *expected) {
    ret_fault->code = code;
    w4_text_copy(ret_fault->pointer, sizeof ret_fault->pointer, w4_bytes_from_text(pointer));
    w4_text_copy(ret_fault->expected, sizeof ret_fault->expected, w4_bytes_from_text(expected));
    return 1;
}

static w4_pubkey key_at(w4_json object, const char *name) {
    w4_pubkey key = {{0}};
    (void)w4_base64_parse(w4_json_string_raw(w4_json_get(object, name)), key.bytes,
                          sizeof key.bytes);
    return key;
}

/* Members whose form has been checked. */
static void fill(w4_json root, w4_key_document *d) {
    w4_key_kind of = W4_KEY_OF_AGENT;
    (void)w4_key_kind_from_name(w4_json_string_raw(w4_json_get(root, "kind")), &of);
    d->of = of;
    (void)w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "made_at")), &d->made_us);
    if (d->kind == W4_KEY_SUCCESSION) {
        d->subject_key = key_at(root, "old");
        d->successor_key = key_at(root, "new");
        d->subject = w4_fingerprint_of(&d->subject_key);
        d->successor = w4_fingerprint_of(&d->successor_key);
        return;
    }
    (void)w4_fingerprint_parse(w4_json_string_raw(w4_json_get(root, "revoked")), &d->subject);
    (void)w4_json_string_copy(w4_json_get(root, "reason"), d->reason, sizeof d->reason);
    d->signer_key = key_at(root, "by");
    d->signer = w4_fingerprint_of(&d->signer_key);
}

/* What is signed: all of it but the member sign, which is the last one. */
static w4_bytes head_of(w4_json root) {
    w4_bytes sign = w4_json_text(w4_json_get(root, "sign"));
    return w4_bytes_of(root.doc->text.data,
                       (size_t)(sign.data - root.doc->text.data) - SIGN_NAME_LEN);
}

/* 1 good, 0 not, -ENOMEM. */
static int is_signed(w4_json root, const char *member, const w4_pubkey *key) {
    uint8_t bytes[W4_SIGNATURE_LEN];
    (void)w4_base64_parse(w4_json_string_raw(w4_json_get(w4_json_get(root, "sign"), member)), bytes,
                          sizeof bytes);
    return w4_sign_verify_joined(key, head_of(root), w4_bytes_from_text("}"), bytes);
}

static int prove(w4_json root, const w4_key_document *d, w4_key_fault *ret_fault) {
    if (d->kind == W4_KEY_SUCCESSION && w4_fingerprint_equal(&d->subject, &d->successor)) {
        return fault(ret_fault, W4_REFUSAL_BAD_ENVELOPE, "/new", "another key than the old one");
    }
    bool succession = d->kind == W4_KEY_SUCCESSION;
    int r = is_signed(root, succession ? "old" : "signature",
                      succession ? &d->subject_key : &d->signer_key);
    if (r == 0) {
        return fault(ret_fault, W4_REFUSAL_BAD_SIGNATURE,
                     succession ? "/sign/old" : "/sign/signature",
                     succession ? "the signature of the old key" : "the signature of that key");
    }
    r = r == 1 && succession ? is_signed(root, "new", &d->successor_key) : r;
    if (r == 0) {
        return fault(ret_fault, W4_REFUSAL_BAD_SIGNATURE, "/sign/new",
                     "the signature of the new key");
    }
    return r == 1 ? 0 : r;
}

int w4_key_document_read(w4_json_document *scratch, w4_bytes text, w4_key_document *ret_document,
                         w4_key_fault *ret_fault) {
    w4_json_error error;
    int r = w4_json_read_canonical(scratch, text, &document_limits, &error);
    if (r != 0) {
        return r < 0 ? r : fault(ret_fault, w4_refusal_of_json(r), "", error.text);
    }
    w4_json root = w4_json_root(scratch);
    w4_key_document d = {.text = text};
    bool revocation =
        w4_json_string_equal(w4_json_get(root, "document"), document_kinds[W4_KEY_REVOCATION]);
    d.kind = revocation ? W4_KEY_REVOCATION : W4_KEY_SUCCESSION;
    w4_faults faults = {.limit = 1};
    if (!w4_schema_check(&forms[d.kind], root, &faults)) {
        return fault(ret_fault, W4_REFUSAL_BAD_ENVELOPE, faults.items[0].pointer,
                     faults.items[0].expected);
    }
    fill(root, &d);
    r = prove(root, &d, ret_fault);
    if (r == 0) {
        w4_hash(head_of(root), w4_bytes_from_text("}"), d.id);
        *ret_document = d;
    }
    return r;
}

int w4_key_document_canonical(w4_bytes text, w4_buffer *form, w4_key_fault *ret_fault) {
    w4_json_error error;
    w4_buffer_clear(form);
    int r = w4_json_canonical(form, text, &document_limits, &error);
    return r == -EMSGSIZE ? fault(ret_fault, W4_REFUSAL_TOO_LARGE, "", "a shorter text")
           : r > 0        ? fault(ret_fault, w4_refusal_of_json(r), "", error.text)
                          : r;
}

int w4_key_document_read_any(w4_json_document *scratch, w4_bytes text, w4_buffer *form,
                             w4_key_document *ret_document, w4_key_fault *ret_fault) {
    int r = w4_key_document_canonical(text, form, ret_fault);
    return r == 0 ? w4_key_document_read(scratch, w4_buffer_bytes(form), ret_document, ret_fault)
                  : r;
}

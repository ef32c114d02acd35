#include "envelope/envelope.h"

#include "base/clock.h"
#include "crypto/primitives.h"

#include <stdio.h>
#include <string.h>

/* ---- refusals */

static int refuse(w4_envelope_fault *ret_fault, w4_refusal code, const char *pointer,
                  const char *expected) {
    ret_fault->code = code;
    snprintf(ret_fault->detail.pointer, sizeof ret_fault->detail.pointer, "%s", pointer);
    snprintf(ret_fault->detail.expected, sizeof ret_fault->detail.expected, "%s", expected);
    return 1;
}

static int refuse_text(w4_envelope_fault *ret_fault, int condition, const w4_json_error *error) {
    char text[W4_FAULT_EXPECTED_MAX];
    snprintf(text, sizeof text, "%s (at byte %zu)", error->text, error->offset);
    return refuse(ret_fault, w4_refusal_of_json(condition), "", text);
}

/* ---- schema */

/* Looks twice only where there is something to tell: the list of faults is large. */
static bool check_schema(const w4_schema *schema, w4_json value, const char *prefix,
                         w4_envelope_fault *ret_fault) {
    if (w4_schema_check(schema, value, NULL)) {
        return true;
    }
    w4_faults faults;
    faults.count = 0;
    faults.limit = 1;
    w4_schema_check(schema, value, &faults);
    const w4_fault *first = &faults.items[0];
    char pointer[W4_FAULT_POINTER_MAX];
    snprintf(pointer, sizeof pointer, "%s%.*s", prefix, (int)(sizeof pointer - 1 - strlen(prefix)),
             first->pointer);
    refuse(ret_fault, W4_REFUSAL_BAD_ENVELOPE, pointer, first->expected);
    return false;
}

static int refuse_families(w4_json root, w4_envelope_fault *ret_fault) {
    char text[W4_FAULT_EXPECTED_MAX] = "an object";
    if (w4_json_kind_of(root) == W4_JSON_OBJECT) {
        size_t len = (size_t)snprintf(text, sizeof text, "exactly one of the members");
        for (unsigned i = 0; w4_family_names[i] && len < sizeof text; i++) {
            const char *between = i == 0 ? "" : w4_family_names[i + 1] ? "," : " and";
            len += (size_t)snprintf(text + len, sizeof text - len, "%s %s", between,
                                    w4_family_names[i]);
        }
    }
    return refuse(ret_fault, W4_REFUSAL_BAD_ENVELOPE, "", text);
}

/* Which family, spoken in which version, and which of its types: each with its own refusal. */
static int find_type(w4_json root, const w4_type_row **ret_row, w4_envelope_fault *ret_fault) {
    const w4_family_row *family = NULL;
    w4_json version = {0};
    unsigned found = 0;
    for (unsigned i = 0; w4_families[i]; i++) {
        w4_json member = w4_json_get(root, w4_families[i]->name);
        if (w4_json_exists(member)) {
            family = w4_families[i];
            version = member;
            found++;
        }
    }
    if (found != 1) {
        return refuse_families(root, ret_fault);
    }
    char pointer[W4_FAULT_POINTER_MAX];
    snprintf(pointer, sizeof pointer, "/%s", family->name);
    if (w4_json_kind_of(version) != W4_JSON_STRING) {
        return refuse(ret_fault, W4_REFUSAL_BAD_ENVELOPE, pointer, "the string 1.0");
    }
    if (!w4_json_string_equal(version, "1.0")) {
        return refuse(ret_fault, W4_REFUSAL_UNSUPPORTED_VERSION, pointer, "the string 1.0");
    }
    w4_json type = w4_json_get(root, "type");
    if (w4_json_kind_of(type) != W4_JSON_STRING) {
        return refuse(ret_fault, W4_REFUSAL_BAD_ENVELOPE, "/type", "the name of a message type");
    }
    const w4_type_row *row = w4_type_find(family->family, w4_json_string_raw(type));
    if (!row) {
        return refuse(ret_fault, W4_REFUSAL_UNKNOWN_TYPE, "/type", "a message type of its family");
    }
    *ret_row = row;
    return 0;
}

/* ---- filling the view: the schema has vouched for every form */

/* The fingerprint stays zero for a broadcast. */
static bool fill_party(w4_json object, w4_party *ret_party) {
    w4_bytes fingerprint = w4_json_string_raw(w4_json_get(object, "fingerprint"));
    bool parsed = w4_fingerprint_parse(fingerprint, &ret_party->fingerprint);
    bool copied = w4_json_string_copy(w4_json_get(object, "agent_id"), ret_party->agent_id,
                                      sizeof ret_party->agent_id);
    return copied & (parsed != w4_bytes_equal_text(fingerprint, "*"));
}

/* The signed text is the document without its sign member. Members are sorted and timestamp is
 * always there, so sign never comes last: it goes with the comma behind it. Where there is no
 * sign yet the pieces meet where it belongs. */
static void fill_signed_text(w4_envelope *envelope) {
    static const w4_bytes name = {(const uint8_t *)"sign", 4};
    const uint8_t *begin = envelope->text.data, *end = begin + envelope->text.len;
    const uint8_t *head_end = end, *tail = end;
    for (w4_json_iterator i = w4_json_first(envelope->root); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        int order = w4_bytes_compare(w4_json_string_raw(i.name), name);
        if (order >= 0) {
            w4_bytes value = w4_json_text(i.value);
            head_end = w4_json_text(i.name).data;
            tail = order == 0 ? value.data + value.len + 1 : head_end;
            break;
        }
    }
    envelope->signed_head = w4_bytes_of(begin, (size_t)(head_end - begin));
    envelope->signed_tail = w4_bytes_of(tail, (size_t)(end - tail));
}

static bool fill(w4_envelope *envelope, const w4_type_row *row, const w4_json_document *doc) {
    w4_json root = w4_json_root(doc);
    w4_json sender = w4_json_get(root, "sender");
    w4_json receiver = w4_json_get(root, "receiver");
    w4_json pubkey = w4_json_get(sender, "pubkey");
    w4_json signature = w4_json_get(w4_json_get(root, "sign"), "signature");

    memset(envelope, 0, sizeof *envelope);
    envelope->text = doc->text;
    envelope->root = root;
    envelope->family = row->family;
    envelope->type = row->type;
    envelope->payload = w4_json_get(root, "payload");
    envelope->state = w4_json_get(root, "state");
    envelope->source = w4_json_get(root, "source");
    envelope->trust = w4_json_get(root, "trust");
    envelope->durable = w4_json_is_true(w4_json_get(root, "durable"));
    envelope->broadcast = w4_json_string_equal(w4_json_get(receiver, "agent_id"), "*");
    envelope->has_pubkey = w4_json_exists(pubkey);
    /* What is no signature at all fails where signatures are checked, not before. */
    envelope->has_signature =
        w4_base64_parse(w4_json_string_raw(signature), envelope->signature, W4_SIGNATURE_LEN);
    fill_signed_text(envelope);

    bool good = fill_party(sender, &envelope->sender);
    good &= fill_party(receiver, &envelope->receiver);
    good &=
        w4_json_string_copy(w4_json_get(root, "msg_id"), envelope->msg_id, sizeof envelope->msg_id);
    good &= w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "timestamp")),
                               &envelope->timestamp_us);
    good &= envelope->has_pubkey ==
            w4_base64_parse(w4_json_string_raw(pubkey), envelope->pubkey.bytes, W4_PUBKEY_LEN);
    return good;
}

/* ---- reading */

static int read_members(const w4_json_document *doc, bool sign_required, w4_envelope *ret_envelope,
                        w4_envelope_fault *ret_fault) {
    w4_json root = w4_json_root(doc);
    const w4_type_row *row = NULL;
    int r = find_type(root, &row, ret_fault);
    if (r != 0) {
        return r;
    }
    if (!check_schema(w4_envelope_schema(row->family), root, "", ret_fault) ||
        !check_schema(row->payload, w4_json_get(root, "payload"), "/payload", ret_fault)) {
        return 1;
    }
    if (sign_required && !w4_json_exists(w4_json_get(root, "sign"))) {
        return refuse(ret_fault, W4_REFUSAL_BAD_ENVELOPE, "/sign", "an object");
    }
    w4_envelope envelope;
    if (!fill(&envelope, row, doc)) {
        return refuse(ret_fault, W4_REFUSAL_INTERNAL, "", "what the schema asks for");
    }
    *ret_envelope = envelope;
    return 0;
}

/* The canonical reader stops at the first byte it does not like. Limits and the parse come first,
 * so the strict reader has the word on what is wrong (a name twice, a limit further on), and only
 * what it takes is refused as not canonical. On the way out only. */
static int look_again(w4_bytes text, const w4_json_limits *limits, w4_json_error *error) {
    w4_json_document scratch = {0};
    w4_json_error other;
    int r = w4_json_read(&scratch, text, limits, &other);
    w4_json_document_deinit(&scratch);
    if (r > 0) {
        *error = other;
    }
    return r == 0 ? W4_JSON_E_NOT_CANONICAL : r;
}

int w4_envelope_read(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                     w4_envelope *ret_envelope, w4_envelope_fault *ret_fault) {
    w4_json_error error;
    int r = w4_json_read_canonical(doc, text, limits, &error);
    if (r == W4_JSON_E_NOT_CANONICAL || r == W4_JSON_E_SYNTAX) {
        r = look_again(text, limits, &error);
    }
    if (r != 0) {
        return r < 0 ? r : refuse_text(ret_fault, r, &error);
    }
    return read_members(doc, true, ret_envelope, ret_fault);
}

int w4_envelope_read_any(w4_json_document *doc, w4_bytes text, const w4_json_limits *limits,
                         bool sign_required, w4_envelope *ret_envelope,
                         w4_envelope_fault *ret_fault) {
    w4_json_error error;
    int r = w4_json_read(doc, text, limits, &error);
    if (r != 0) {
        return r < 0 ? r : refuse_text(ret_fault, r, &error);
    }
    return read_members(doc, sign_required, ret_envelope, ret_fault);
}

/* ---- checks behind the schema */

w4_refusal w4_envelope_verify(const w4_envelope *envelope, const w4_pubkey *known) {
    const w4_pubkey *key = envelope->has_pubkey ? &envelope->pubkey : known;
    if (!key) {
        return W4_REFUSAL_UNKNOWN_SENDER;
    }
    w4_fingerprint fingerprint = w4_fingerprint_of(key);
    if (!w4_fingerprint_equal(&fingerprint, &envelope->sender.fingerprint)) {
        /* A key that was learned for another fingerprint is our own fault, not the sender's. */
        return envelope->has_pubkey ? W4_REFUSAL_BAD_FINGERPRINT : W4_REFUSAL_INTERNAL;
    }
    if (!envelope->has_signature) {
        return W4_REFUSAL_BAD_SIGNATURE;
    }
    int r = w4_sign_verify_joined(key, envelope->signed_head, envelope->signed_tail,
                                  envelope->signature);
    if (r < 0) {
        return W4_REFUSAL_INTERNAL;
    }
    return r == 1 ? W4_REFUSAL_NONE : W4_REFUSAL_BAD_SIGNATURE;
}

int w4_envelope_find_signer(const w4_envelope *envelope, w4_fingerprint *ret_signer) {
    if (!envelope->has_pubkey || !envelope->has_signature) {
        return 0;
    }
    int r = w4_sign_verify_joined(&envelope->pubkey, envelope->signed_head, envelope->signed_tail,
                                  envelope->signature);
    if (r == 1) {
        *ret_signer = w4_fingerprint_of(&envelope->pubkey);
    }
    return r;
}

w4_refusal w4_envelope_check_fresh(const w4_envelope *envelope, uint64_t wall_us) {
    uint64_t apart = envelope->timestamp_us > wall_us ? envelope->timestamp_us - wall_us
                                                      : wall_us - envelope->timestamp_us;
    return apart <= W4_FRESHNESS_WINDOW_US ? W4_REFUSAL_NONE : W4_REFUSAL_STALE;
}

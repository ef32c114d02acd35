#include "session/hello.h"

#include "base/clock.h"
#include "envelope/members.h"
#include "envelope/schema.h"
#include "json/writer.h"

#include <errno.h>
#include <string.h>

#define HELLO_VERSION "1"
#define PROOF_CONTEXT "web4-rtt-identity-v1"
#define PROOF_CONTEXT_LEN (sizeof PROOF_CONTEXT - 1)
#define PROOF_LEN (PROOF_CONTEXT_LEN + 1 + W4_HASH_LEN)
#define FEATURE_LEN_MAX 64
#define CHANNELS_MAX 64
#define INTERVAL_MS_MAX 3600000.0 /* an hour */
#define SEQ_MAX 9007199254740991.0

static const char *const feature_names[W4_FEATURE_COUNT] = {
    [W4_FEATURE_DURABLE] = "durable", [W4_FEATURE_CHANNELS] = "channels",
    [W4_FEATURE_FACTS] = "facts",     [W4_FEATURE_HUMANS] = "humans",
    [W4_FEATURE_KEYS] = "keys",
};

static const w4_json_limits hello_limits = {
    .bytes = W4_HELLO_MAX,
    .depth = 8,
    .items = 64,
    .string = 4096,
};

static const char *check_node(w4_json value) {
    char text[W4_NODE_NAME_MAX + 1];
    return w4_json_string_copy(value, text, sizeof text) ? NULL : "a name without NUL";
}

static const char *check_time(w4_json value) {
    uint64_t wall_us;
    return w4_json_string_plain(value) && w4_timestamp_parse(w4_json_string_raw(value), &wall_us)
               ? NULL
               : "a time of RFC 3339 in UTC";
}

static const char *check_session(w4_json value) {
    uint8_t raw[W4_SESSION_ID_LEN];
    return w4_json_string_plain(value) && w4_hex_parse(w4_json_string_raw(value), raw, sizeof raw)
               ? NULL
               : "32 lower-case hex digits";
}

/* clang-format off */
static const w4_schema_row feature_row = {.kind = W4_SCHEMA_STRING, .min = 1, .max = FEATURE_LEN_MAX};
static const w4_schema_row succession_row = {.kind = W4_SCHEMA_OBJECT};
static const w4_schema_row seq_row = {.kind = W4_SCHEMA_INTEGER, .min = 0, .max = SEQ_MAX};

static const w4_schema_row resume_rows[] = {
    {.name = "channels", .kind = W4_SCHEMA_ARRAY,  .flags = W4_SCHEMA_REQUIRED, .min = W4_CHANNEL_KIND_COUNT, .max = CHANNELS_MAX, .items = &seq_row},
    {.name = "session",  .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED, .check = check_session},
    W4_SCHEMA_END,
};
static const w4_schema resume_schema = {.rows = resume_rows};

static const w4_schema_row hello_rows[] = {
    {.name = "domain",       .kind = W4_SCHEMA_OBJECT},
    {.name = "features",     .kind = W4_SCHEMA_ARRAY,   .flags = W4_SCHEMA_REQUIRED, .min = 0, .max = W4_FEATURES_MAX, .items = &feature_row},
    {.name = "heartbeat_ms", .kind = W4_SCHEMA_INTEGER, .flags = W4_SCHEMA_REQUIRED, .min = 1, .max = INTERVAL_MS_MAX},
    {.name = "max_message",  .kind = W4_SCHEMA_INTEGER, .flags = W4_SCHEMA_REQUIRED, .min = 1, .max = UINT32_MAX},
    {.name = "node",         .kind = W4_SCHEMA_STRING,  .flags = W4_SCHEMA_REQUIRED, .min = 1, .max = W4_NODE_NAME_MAX, .check = check_node},
    {.name = "proof",        .kind = W4_SCHEMA_STRING,  .flags = W4_SCHEMA_REQUIRED, .check = w4_check_signature},
    {.name = "pubkey",       .kind = W4_SCHEMA_STRING,  .flags = W4_SCHEMA_REQUIRED, .check = w4_check_pubkey},
    {.name = "resume",       .kind = W4_SCHEMA_OBJECT,  .object = &resume_schema},
    {.name = "rtt",          .kind = W4_SCHEMA_STRING,  .flags = W4_SCHEMA_REQUIRED},
    {.name = "successions",  .kind = W4_SCHEMA_ARRAY,   .min = 1, .max = W4_HELLO_SUCCESSIONS_MAX, .items = &succession_row},
    {.name = "time",         .kind = W4_SCHEMA_STRING,  .flags = W4_SCHEMA_REQUIRED, .check = check_time},
    {.name = "timeout_ms",   .kind = W4_SCHEMA_INTEGER, .flags = W4_SCHEMA_REQUIRED, .min = 1, .max = INTERVAL_MS_MAX},
    W4_SCHEMA_END,
};
static const w4_schema hello_schema = {.rows = hello_rows};
/* clang-format on */

static void proof_text(const w4_hello_proof *proof, uint8_t ret_text[static PROOF_LEN]) {
    memcpy(ret_text, PROOF_CONTEXT, PROOF_CONTEXT_LEN);
    ret_text[PROOF_CONTEXT_LEN] = proof->by_initiator ? 0 : 1;
    memcpy(ret_text + PROOF_CONTEXT_LEN + 1, proof->hash, W4_HASH_LEN);
}

static void write_resume(w4_json_writer *w, const w4_resume_point *resume) {
    uint8_t text[2 * W4_SESSION_ID_LEN + 1];
    w4_buffer b = {text, 0, sizeof text, sizeof text};
    int r = w4_hex_append(&b, w4_bytes_of(resume->session, W4_SESSION_ID_LEN));
    w4_json_name(w, "resume");
    w4_json_begin_object(w);
    w4_json_name(w, "channels");
    w4_json_begin_array(w);
    for (unsigned i = 0; i < W4_CHANNEL_KIND_COUNT; i++) {
        w4_json_unsigned_value(w, resume->expected[i]);
    }
    w4_json_end_array(w);
    w4_json_member_bytes(w, "session", w4_buffer_bytes(&b));
    w4_json_end_object(w);
    if (r < 0 && w->error == 0) {
        w->error = r;
    }
}

static void write_lineage(w4_json_writer *w, w4_bytes lineage) {
    w4_json_name(w, "successions");
    w4_json_begin_array(w);
    while (lineage.len > 0) {
        const uint8_t *end = memchr(lineage.data, '\n', lineage.len);
        size_t len = end ? (size_t)(end - lineage.data) : lineage.len;
        w4_json_raw(w, w4_bytes_of(lineage.data, len));
        len += end ? 1 : 0;
        lineage = w4_bytes_of(lineage.data + len, lineage.len - len);
    }
    w4_json_end_array(w);
}

int w4_hello_encode(w4_buffer *out, const w4_handshake_config *config, const w4_hello_proof *proof,
                    const w4_resume_point *resume, uint64_t wall_us) {
    uint8_t signed_text[PROOF_LEN];
    uint8_t signature[W4_SIGNATURE_LEN];
    char time[W4_TIMESTAMP_LEN + 1];
    proof_text(proof, signed_text);
    w4_identity_sign(config->identity, w4_bytes_of(signed_text, sizeof signed_text), signature);
    w4_timestamp_format(wall_us, time);

    /* Members in the order of canonical form. */
    w4_json_writer w;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_name(&w, "features");
    w4_json_begin_array(&w);
    for (unsigned i = 0; i < W4_FEATURE_COUNT; i++) {
        if ((config->features & W4_FEATURE_BIT(i)) != 0) {
            w4_json_string_text(&w, feature_names[i]);
        }
    }
    w4_json_end_array(&w);
    w4_json_member_unsigned(&w, "heartbeat_ms", config->heartbeat_ms);
    w4_json_member_unsigned(&w, "max_message", config->max_message);
    w4_json_member_string(&w, "node", config->node);
    w4_member_base64(&w, "proof", signature, sizeof signature);
    w4_member_pubkey(&w, "pubkey", w4_identity_pubkey(config->identity));
    if (resume && resume->present) {
        write_resume(&w, resume);
    }
    w4_json_member_string(&w, "rtt", HELLO_VERSION);
    if (config->lineage.len > 0) {
        write_lineage(&w, config->lineage);
    }
    w4_json_member_string(&w, "time", time);
    w4_json_member_unsigned(&w, "timeout_ms", config->timeout_ms);
    w4_json_end_object(&w);
    return w.error;
}

static uint32_t integer_of(w4_json object, const char *name) {
    int64_t value = 0;
    w4_json_integer(w4_json_get(object, name), &value);
    return (uint32_t)value;
}

static void read_resume(w4_json value, w4_resume_point *ret_resume) {
    memset(ret_resume, 0, sizeof *ret_resume);
    if (!w4_json_exists(value)) {
        return;
    }
    ret_resume->present = true;
    w4_hex_parse(w4_json_string_raw(w4_json_get(value, "session")), ret_resume->session,
                 W4_SESSION_ID_LEN);
    w4_json_iterator i = w4_json_first(w4_json_get(value, "channels"));
    for (unsigned kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        int64_t seq = 0;
        w4_json_integer(i.value, &seq);
        ret_resume->expected[kind] = (uint64_t)seq;
        i = w4_json_next(i);
    }
}

static unsigned read_features(w4_json list) {
    unsigned features = 0;
    for (w4_json_iterator i = w4_json_first(list); w4_json_exists(i.value); i = w4_json_next(i)) {
        for (unsigned f = 0; f < W4_FEATURE_COUNT; f++) {
            features |= w4_json_string_equal(i.value, feature_names[f]) ? W4_FEATURE_BIT(f) : 0;
        }
    }
    return features;
}

/* The members of a hello that the schema found good. */
static void read_members(w4_json root, w4_hello *hello) {
    memset(hello, 0, sizeof *hello);
    w4_json_string_copy(w4_json_get(root, "node"), hello->node, sizeof hello->node);
    w4_base64_parse(w4_json_string_raw(w4_json_get(root, "pubkey")), hello->pubkey.bytes,
                    W4_PUBKEY_LEN);
    hello->fingerprint = w4_fingerprint_of(&hello->pubkey);
    w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "time")), &hello->wall_us);
    hello->heartbeat_ms = integer_of(root, "heartbeat_ms");
    hello->timeout_ms = integer_of(root, "timeout_ms");
    hello->max_message = integer_of(root, "max_message");
    hello->features = read_features(w4_json_get(root, "features"));
    read_resume(w4_json_get(root, "resume"), &hello->resume);
}

static int read_lineage(w4_json list, w4_buffer *lineage) {
    int r = 0;
    for (w4_json_iterator i = w4_json_first(list); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        r = w4_buffer_append(lineage, w4_json_text(i.value));
        r = r == 0 ? w4_buffer_append_text(lineage, "\n") : r;
    }
    return r == -EMSGSIZE ? 0 : r;
}

static bool is_proven(w4_json root, const w4_hello_proof *proof, const w4_pubkey *key) {
    uint8_t signed_text[PROOF_LEN];
    uint8_t signature[W4_SIGNATURE_LEN];
    proof_text(proof, signed_text);
    return w4_base64_parse(w4_json_string_raw(w4_json_get(root, "proof")), signature,
                           sizeof signature) &&
           w4_sign_verify(key, w4_bytes_of(signed_text, sizeof signed_text), signature);
}

int w4_hello_parse(w4_bytes text, const w4_hello_proof *proof, w4_hello *ret_hello,
                   w4_buffer *ret_lineage, w4_refusal *ret_refusal) {
    w4_json_document doc = {0};
    w4_hello hello;
    w4_refusal refusal = W4_REFUSAL_AUTH_FAILURE;
    int r = w4_json_read_canonical(&doc, text, &hello_limits, NULL);
    w4_json root = w4_json_root(&doc);
    if (r == 0) {
        w4_json version = w4_json_get(root, "rtt");
        if (w4_json_kind_of(version) == W4_JSON_STRING &&
            !w4_json_string_equal(version, HELLO_VERSION)) {
            refusal = W4_REFUSAL_UNSUPPORTED_VERSION;
        } else if (w4_schema_check(&hello_schema, root, NULL)) {
            read_members(root, &hello);
            if (is_proven(root, proof, &hello.pubkey)) {
                w4_json said = w4_json_get(root, "successions");
                *ret_hello = hello;
                refusal = W4_REFUSAL_NONE;
                r = ret_lineage ? read_lineage(said, ret_lineage) : 0;
            }
        }
    }
    w4_json_document_deinit(&doc);
    if (r < 0) {
        return r;
    }
    *ret_refusal = refusal;
    return 0;
}

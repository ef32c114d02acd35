#include "graph/record.h"

#include "base/clock.h"
#include "base/text.h"
#include "crypto/primitives.h"
#include "envelope/members.h"
#include "envelope/schema.h"
#include "json/writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGN_NAME_LEN 8u /* ,"sign": */

static const w4_json_limits record_limits = {W4_RECORD_BYTES_MAX, 8, 256, 1024};

struct w4_record_reader {
    w4_json_document doc;
    w4_record_edge edges[W4_RECORD_EDGES_MAX];
    w4_record_agent agents[W4_RECORD_AGENTS_MAX];
};

static const char *const relation_names[W4_RELATION_COUNT + 1] = {"routes", "trusts", "invokes",
                                                                  NULL};

const char *w4_relation_name(w4_relation relation) {
    return relation < W4_RELATION_COUNT ? relation_names[relation] : "unknown";
}

/* ---- the form of a record, as tables */

static const char *check_address(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    bool colon = false;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] <= 0x20 || raw.data[i] >= 0x7f || raw.data[i] == '\\') {
            return "printable ASCII without spaces";
        }
        colon = colon || raw.data[i] == ':';
    }
    return colon ? NULL : "an address as transport:rest";
}

// clang-format off
static const char *const kinds[] = {"agent", "service", "router", NULL};
static const char *const states[] = {"active", "inactive", NULL};
static const char *const algos[] = {"ed25519", NULL};

#define R W4_SCHEMA_REQUIRED

static const w4_schema_row address_item = {.kind = W4_SCHEMA_STRING, .min = 3, .max = 255, .check = check_address};
static const w4_schema_row capability_item = {.kind = W4_SCHEMA_STRING, .min = 1, .max = 128, .check = w4_check_label};
static const w4_schema_row service_item = {.kind = W4_SCHEMA_OBJECT};

static const w4_schema_row node_metadata_rows[] = {
    {.name = "name",         .kind = W4_SCHEMA_STRING,  .max = 63, .check = w4_check_label},
    {.name = "version",      .kind = W4_SCHEMA_STRING,  .max = 31, .check = w4_check_label},
    W4_SCHEMA_END};
static const w4_schema node_metadata = {.rows = node_metadata_rows};
static const w4_schema_row node_rows[] = {
    {.name = "id",           .kind = W4_SCHEMA_STRING,  .flags = R, .min = 64, .max = 64, .check = w4_check_fingerprint},
    {.name = "kind",         .kind = W4_SCHEMA_ENUM,    .flags = R, .names = kinds},
    {.name = "address",      .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = W4_RECORD_ADDRESSES_MAX, .items = &address_item},
    {.name = "capabilities", .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = 64, .items = &capability_item},
    {.name = "metadata",     .kind = W4_SCHEMA_OBJECT,  .flags = R, .object = &node_metadata},
    W4_SCHEMA_END};
static const w4_schema node_schema = {.rows = node_rows};

static const w4_schema_row edge_metadata_rows[] = {
    {.name = "latency_ms",   .kind = W4_SCHEMA_NUMBER,  .min = 0, .max = 1e6},
    W4_SCHEMA_END};
static const w4_schema edge_metadata = {.rows = edge_metadata_rows};
static const w4_schema_row edge_rows[] = {
    {.name = "id",           .kind = W4_SCHEMA_STRING,  .flags = R, .min = 1, .max = 64, .check = w4_check_label},
    {.name = "source",       .kind = W4_SCHEMA_STRING,  .flags = R, .min = 64, .max = 64, .check = w4_check_fingerprint},
    {.name = "target",       .kind = W4_SCHEMA_STRING,  .flags = R, .min = 64, .max = 64, .check = w4_check_fingerprint},
    {.name = "relation",     .kind = W4_SCHEMA_ENUM,    .flags = R, .names = relation_names},
    {.name = "weight",       .kind = W4_SCHEMA_NUMBER,  .flags = R, .min = 0, .max = 1e6},
    {.name = "state",        .kind = W4_SCHEMA_ENUM,    .flags = R, .names = states},
    {.name = "metadata",     .kind = W4_SCHEMA_OBJECT,  .object = &edge_metadata},
    W4_SCHEMA_END};
static const w4_schema edge_schema = {.rows = edge_rows};
static const w4_schema_row edge_item = {.kind = W4_SCHEMA_OBJECT, .object = &edge_schema};

static const w4_schema_row agent_rows[] = {
    {.name = "agent_id",     .kind = W4_SCHEMA_STRING,  .flags = R, .min = 1, .max = 255, .check = w4_check_agent_id},
    {.name = "fingerprint",  .kind = W4_SCHEMA_STRING,  .flags = R, .min = 64, .max = 64, .check = w4_check_fingerprint},
    {.name = "pubkey",       .kind = W4_SCHEMA_STRING,  .flags = R, .min = 44, .max = 44, .check = w4_check_pubkey},
    {.name = "capabilities", .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = 64, .items = &capability_item},
    W4_SCHEMA_END};
static const w4_schema agent_schema = {.rows = agent_rows};
static const w4_schema_row agent_item = {.kind = W4_SCHEMA_OBJECT, .object = &agent_schema};

static const w4_schema_row sign_rows[] = {
    {.name = "algo",         .kind = W4_SCHEMA_ENUM,    .flags = R, .names = algos},
    {.name = "signature",    .kind = W4_SCHEMA_STRING,  .flags = R, .min = 88, .max = 88, .check = w4_check_signature},
    W4_SCHEMA_END};
static const w4_schema sign_schema = {.rows = sign_rows};

static const w4_schema_row record_rows[] = {
    {.name = "graph",        .kind = W4_SCHEMA_STRING,  .flags = R, .min = 3, .max = 3},
    {.name = "seq",          .kind = W4_SCHEMA_INTEGER, .flags = R, .min = 1, .max = 9007199254740991.0},
    {.name = "issued_at",    .kind = W4_SCHEMA_STRING,  .flags = R, .min = 20, .max = 35, .check = w4_check_timestamp},
    {.name = "ttl",          .kind = W4_SCHEMA_INTEGER, .flags = R, .min = 0, .max = W4_RECORD_TTL_MAX_S},
    {.name = "node",         .kind = W4_SCHEMA_OBJECT,  .flags = R, .object = &node_schema},
    {.name = "edges",        .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = W4_RECORD_EDGES_MAX, .items = &edge_item},
    {.name = "agents",       .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = W4_RECORD_AGENTS_MAX, .items = &agent_item},
    {.name = "services",     .kind = W4_SCHEMA_ARRAY,   .flags = R, .max = 64, .items = &service_item},
    {.name = "domain",       .kind = W4_SCHEMA_OBJECT,  .flags = R | W4_SCHEMA_NULLABLE},
    {.name = "pubkey",       .kind = W4_SCHEMA_STRING,  .flags = R, .min = 44, .max = 44, .check = w4_check_pubkey},
    {.name = "sign",         .kind = W4_SCHEMA_OBJECT,  .flags = R, .object = &sign_schema},
    W4_SCHEMA_END};
static const w4_schema record_schema = {.rows = record_rows};
#undef R
// clang-format on

/* ---- writing */

static void write_agents(w4_json_writer *w, const w4_record *record) {
    w4_json_name(w, "agents");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < record->agent_count; i++) {
        const w4_record_agent *agent = &record->agents[i];
        w4_json_begin_object(w);
        w4_json_member_string(w, "agent_id", agent->agent_id);
        w4_json_name(w, "capabilities");
        if (w4_json_exists(agent->capabilities)) {
            w4_json_value(w, agent->capabilities);
        } else {
            w4_json_raw(w, w4_bytes_from_text("[]"));
        }
        w4_member_fingerprint(w, "fingerprint", &agent->fingerprint);
        w4_member_base64(w, "pubkey", agent->pubkey.bytes, sizeof agent->pubkey.bytes);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void write_edges(w4_json_writer *w, const w4_record *record) {
    w4_json_name(w, "edges");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < record->edge_count; i++) {
        const w4_record_edge *edge = &record->edges[i];
        char target[W4_FINGERPRINT_TEXT_LEN + 1];
        char id[64];
        w4_fingerprint_format(&edge->target, target);
        (void)snprintf(id, sizeof id, "%s-%.16s", w4_relation_name(edge->relation), target);
        w4_json_begin_object(w);
        w4_json_member_string(w, "id", id);
        if (edge->latency_ms != 0) {
            w4_json_name(w, "metadata");
            w4_json_begin_object(w);
            w4_json_member_unsigned(w, "latency_ms", edge->latency_ms);
            w4_json_end_object(w);
        }
        w4_json_member_string(w, "relation", w4_relation_name(edge->relation));
        w4_member_fingerprint(w, "source", &record->id);
        w4_json_member_string(w, "state", edge->active ? "active" : "inactive");
        w4_json_member_string(w, "target", target);
        w4_json_name(w, "weight");
        w4_json_number_value(w, edge->weight);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void write_node(w4_json_writer *w, const w4_record *record) {
    w4_json_name(w, "node");
    w4_json_begin_object(w);
    w4_json_name(w, "address");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < record->address_count; i++) {
        w4_json_string_text(w, record->addresses[i]);
    }
    w4_json_end_array(w);
    w4_json_name(w, "capabilities");
    w4_json_raw(w, w4_bytes_from_text("[]"));
    w4_member_fingerprint(w, "id", &record->id);
    w4_json_member_string(w, "kind", "router");
    w4_json_name(w, "metadata");
    w4_json_begin_object(w);
    w4_json_member_string(w, "name", record->name);
    w4_json_member_string(w, "version", record->version);
    w4_json_end_object(w);
    w4_json_end_object(w);
}

/* All members in canonical order; sign only when there is one. */
static int write_record(const w4_record *record, const w4_identity *identity,
                        const uint8_t *signature, w4_buffer *out) {
    w4_json_writer writer;
    w4_json_writer *w = &writer;
    w4_json_writer_init(w, out);
    w4_json_begin_object(w);
    write_agents(w, record);
    w4_json_name(w, "domain");
    w4_json_null(w);
    write_edges(w, record);
    w4_json_member_string(w, "graph", "1.0");
    char time[W4_TIMESTAMP_LEN + 1];
    w4_timestamp_format(record->issued_wall_us, time);
    w4_json_member_string(w, "issued_at", time);
    write_node(w, record);
    w4_member_pubkey(w, "pubkey", w4_identity_pubkey(identity));
    w4_json_member_unsigned(w, "seq", record->seq);
    w4_json_name(w, "services");
    w4_json_raw(w, w4_bytes_from_text("[]"));
    if (signature != NULL) {
        w4_member_sign(w, signature);
    }
    w4_json_member_unsigned(w, "ttl", record->ttl_s);
    w4_json_end_object(w);
    return w->error;
}

int w4_record_write(const w4_record *record, const w4_identity *identity, w4_buffer *out) {
    w4_record own = *record;
    own.id = *w4_identity_fingerprint(identity);
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    int r = write_record(&own, identity, NULL, &text);
    if (r == 0) {
        uint8_t signature[W4_SIGNATURE_LEN];
        w4_identity_sign(identity, w4_buffer_bytes(&text), signature);
        w4_buffer_clear(&text);
        r = write_record(&own, identity, signature, &text);
    }
    if (r == 0) {
        r = w4_buffer_append(out, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

/* ---- reading */

int w4_record_reader_new(w4_record_reader **ret_reader) {
    w4_record_reader *reader = (w4_record_reader *)calloc(1, sizeof *reader);
    if (reader == NULL) {
        return -ENOMEM;
    }
    *ret_reader = reader;
    return 0;
}

w4_record_reader *w4_record_reader_free(w4_record_reader *reader) {
    if (reader != NULL) {
        w4_json_document_deinit(&reader->doc);
        free(reader);
    }
    return NULL;
}

static int fault(w4_record_fault *ret_fault, bool proven, const char *pointer,
                 const char *expected) {
    w4_text_copy(ret_fault->pointer, sizeof ret_fault->pointer, w4_bytes_from_text(pointer));
    w4_text_copy(ret_fault->expected, sizeof ret_fault->expected, w4_bytes_from_text(expected));
    ret_fault->author_proven = proven;
    return 1;
}

/* Members whose form the schema has checked. */
static w4_fingerprint fingerprint_at(w4_json object, const char *name) {
    w4_fingerprint f = {{0}};
    (void)w4_fingerprint_parse(w4_json_string_raw(w4_json_get(object, name)), &f);
    return f;
}

static w4_pubkey pubkey_at(w4_json object, const char *name) {
    w4_pubkey key = {{0}};
    (void)w4_base64_parse(w4_json_string_raw(w4_json_get(object, name)), key.bytes,
                          sizeof key.bytes);
    return key;
}

static bool signature_good(w4_json root, const w4_pubkey *pubkey, int *ret_r) {
    w4_bytes text = root.doc->text;
    w4_json sign = w4_json_get(root, "sign");
    uint8_t signature[W4_SIGNATURE_LEN];
    (void)w4_base64_parse(w4_json_string_raw(w4_json_get(sign, "signature")), signature,
                          sizeof signature);
    w4_bytes value = w4_json_text(sign);
    /* agents stands before it always, so there is a comma in front. */
    size_t head = (size_t)(value.data - text.data) - SIGN_NAME_LEN;
    size_t tail = (size_t)(value.data - text.data) + value.len;
    *ret_r = w4_sign_verify_joined(pubkey, w4_bytes_of(text.data, head),
                                   w4_bytes_of(text.data + tail, text.len - tail), signature);
    return *ret_r == 1;
}

static int read_edges(w4_record_reader *reader, w4_json edges, w4_record *record,
                      w4_record_fault *ret_fault) {
    for (w4_json_iterator i = w4_json_first(edges); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_record_edge *edge = &reader->edges[record->edge_count];
        *edge = (w4_record_edge){.target = fingerprint_at(i.value, "target"), .weight = 1};
        w4_fingerprint source = fingerprint_at(i.value, "source");
        bool own = w4_fingerprint_equal(&source, &record->id);
        for (uint32_t a = 0; !own && a < record->agent_count; a++) {
            own = w4_fingerprint_equal(&source, &reader->agents[a].fingerprint);
        }
        edge->of_agent = !w4_fingerprint_equal(&source, &record->id);
        if (!own) {
            return fault(ret_fault, true, "/edges", "edges of the author itself only");
        }
        w4_json relation = w4_json_get(i.value, "relation");
        for (int r = 0; r < W4_RELATION_COUNT; r++) {
            if (w4_json_string_equal(relation, relation_names[r])) {
                edge->relation = (w4_relation)r;
            }
        }
        (void)w4_json_number(w4_json_get(i.value, "weight"), &edge->weight);
        edge->active = w4_json_string_equal(w4_json_get(i.value, "state"), "active");
        double latency = 0;
        (void)w4_json_number(w4_json_get(w4_json_get(i.value, "metadata"), "latency_ms"), &latency);
        edge->latency_ms = (uint32_t)latency;
        record->edge_count++;
    }
    record->edges = reader->edges;
    return 0;
}

static int read_agents(w4_record_reader *reader, w4_json agents, w4_record *record,
                       w4_record_fault *ret_fault) {
    for (w4_json_iterator i = w4_json_first(agents); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_record_agent *agent = &reader->agents[record->agent_count];
        *agent = (w4_record_agent){.fingerprint = fingerprint_at(i.value, "fingerprint"),
                                   .pubkey = pubkey_at(i.value, "pubkey"),
                                   .capabilities = w4_json_get(i.value, "capabilities")};
        (void)w4_json_string_copy(w4_json_get(i.value, "agent_id"), agent->agent_id,
                                  sizeof agent->agent_id);
        w4_fingerprint of_key = w4_fingerprint_of(&agent->pubkey);
        if (!w4_fingerprint_equal(&of_key, &agent->fingerprint)) {
            return fault(ret_fault, true, "/agents", "each fingerprint to be that of its key");
        }
        for (uint32_t a = 0; a < record->agent_count; a++) {
            if (w4_fingerprint_equal(&reader->agents[a].fingerprint, &agent->fingerprint)) {
                return fault(ret_fault, true, "/agents", "each agent once");
            }
        }
        record->agent_count++;
    }
    record->agents = reader->agents;
    return 0;
}

static void read_node(w4_json root, w4_record *record) {
    w4_json node = w4_json_get(root, "node");
    w4_json metadata = w4_json_get(node, "metadata");
    (void)w4_json_string_copy(w4_json_get(metadata, "name"), record->name, sizeof record->name);
    (void)w4_json_string_copy(w4_json_get(metadata, "version"), record->version,
                              sizeof record->version);
    for (w4_json_iterator i = w4_json_first(w4_json_get(node, "address")); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        char *address = record->addresses[record->address_count++];
        (void)w4_json_string_copy(i.value, address, sizeof record->addresses[0]);
    }
    int64_t number = 0;
    (void)w4_json_integer(w4_json_get(root, "seq"), &number);
    record->seq = (uint64_t)number;
    (void)w4_json_integer(w4_json_get(root, "ttl"), &number);
    record->ttl_s = (uint32_t)number;
    (void)w4_timestamp_parse(w4_json_string_raw(w4_json_get(root, "issued_at")),
                             &record->issued_wall_us);
}

int w4_record_parse(w4_record_reader *reader, w4_bytes text, w4_fingerprint *ret_id,
                    w4_record_fault *ret_fault) {
    w4_json_error error;
    int r = w4_json_read_canonical(&reader->doc, text, &record_limits, &error);
    if (r != 0) {
        return r < 0 ? r : fault(ret_fault, false, "", error.text);
    }
    w4_json root = w4_json_root(&reader->doc);
    w4_faults faults = {.limit = 1};
    if (!w4_schema_check(&record_schema, root, &faults)) {
        return fault(ret_fault, false, faults.items[0].pointer, faults.items[0].expected);
    }
    if (!w4_json_string_equal(w4_json_get(root, "graph"), "1.0")) {
        return fault(ret_fault, false, "/graph", "the version \"1.0\"");
    }
    *ret_id = fingerprint_at(w4_json_get(root, "node"), "id");
    return 0;
}

int w4_record_verify(w4_record_reader *reader, w4_record *ret_record, w4_record_fault *ret_fault) {
    w4_json root = w4_json_root(&reader->doc);
    w4_record record = {.pubkey = pubkey_at(root, "pubkey")};
    record.id = fingerprint_at(w4_json_get(root, "node"), "id");
    w4_fingerprint of_key = w4_fingerprint_of(&record.pubkey);
    if (!w4_fingerprint_equal(&of_key, &record.id)) {
        return fault(ret_fault, false, "/node/id", "the fingerprint of pubkey");
    }
    if (!w4_pubkey_valid(&record.pubkey)) {
        return fault(ret_fault, false, "/pubkey", "a key of Ed25519");
    }
    int r = 0;
    if (!signature_good(root, &record.pubkey, &r)) {
        return r < 0 ? r : fault(ret_fault, false, "/sign/signature", "a good signature");
    }
    read_node(root, &record);
    r = read_agents(reader, w4_json_get(root, "agents"), &record, ret_fault);
    r = r != 0 ? r : read_edges(reader, w4_json_get(root, "edges"), &record, ret_fault);
    if (r == 0) {
        *ret_record = record;
    }
    return r;
}

int w4_record_read(w4_record_reader *reader, w4_bytes text, w4_record *ret_record,
                   w4_record_fault *ret_fault) {
    w4_fingerprint id;
    int r = w4_record_parse(reader, text, &id, ret_fault);
    return r != 0 ? r : w4_record_verify(reader, ret_record, ret_fault);
}

/* ---- keeping */

static void *copy_of(const void *items, size_t count, size_t size) {
    void *copy = calloc(count > 0 ? count : 1, size);
    if (copy != NULL && count > 0) {
        memcpy(copy, items, count * size);
    }
    return copy;
}

int w4_record_copy_new(const w4_record_reader *reader, const w4_record *record,
                       w4_record_copy **ret_copy) {
    const w4_json_document *doc = &reader->doc;
    w4_record_copy *copy = (w4_record_copy *)calloc(1, sizeof *copy);
    uint8_t *text = (uint8_t *)copy_of(doc->text.data, doc->text.len, 1);
    w4_record_edge *edges =
        (w4_record_edge *)copy_of(record->edges, record->edge_count, sizeof *edges);
    w4_record_agent *agents =
        (w4_record_agent *)copy_of(record->agents, record->agent_count, sizeof *agents);
    uint32_t node_count = record->agent_count > 0 ? doc->count : 0;
    w4_json_node *nodes = (w4_json_node *)copy_of(doc->nodes, node_count, sizeof *nodes);
    if (copy == NULL || text == NULL || edges == NULL || agents == NULL || nodes == NULL) {
        free(copy);
        free(text);
        free(edges);
        free(agents);
        free(nodes);
        return -ENOMEM;
    }
    copy->record = *record;
    copy->record.edges = edges;
    copy->record.agents = agents;
    copy->text = w4_bytes_of(text, doc->text.len);
    copy->document = (w4_json_document){
        .text = copy->text, .nodes = nodes, .count = node_count, .cap = node_count};
    for (uint32_t i = 0; i < record->agent_count; i++) {
        agents[i].capabilities.doc = &copy->document;
    }
    *ret_copy = copy;
    return 0;
}

w4_record_copy *w4_record_copy_free(w4_record_copy *copy) {
    if (copy != NULL) {
        w4_json_document_deinit(&copy->document);
        free((void *)copy->record.edges);
        free((void *)copy->record.agents);
        free((void *)copy->text.data);
        free(copy);
    }
    return NULL;
}

size_t w4_record_copy_memory(const w4_record_copy *copy) {
    if (copy == NULL) {
        return 0;
    }
    const w4_record *record = &copy->record;
    return sizeof *copy + copy->text.len + copy->document.cap * sizeof *copy->document.nodes +
           record->edge_count * sizeof *record->edges +
           record->agent_count * sizeof *record->agents;
}

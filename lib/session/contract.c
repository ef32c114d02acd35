#include "session/contract.h"

#include "json/schema.h"
#include "json/writer.h"

#include <assert.h>
#include <math.h>

static const w4_json_limits open_limits = {
    .bytes = W4_OPEN_LEN_MAX,
    .depth = 4,
    .items = 16,
    .string = 64,
};

/* clang-format off */
static const w4_schema_row sla_rows[] = {
    {.name = "max_drop_rate",    .kind = W4_SCHEMA_NUMBER,  .min = 0, .max = 1},
    {.name = "min_availability", .kind = W4_SCHEMA_NUMBER,  .min = 0, .max = 1},
    {.name = "p99_ms",           .kind = W4_SCHEMA_INTEGER, .min = 1, .max = W4_SLA_WINDOW_MS_MAX},
    {.name = "window_ms",        .kind = W4_SCHEMA_INTEGER, .flags = W4_SCHEMA_REQUIRED, .min = W4_SLA_WINDOW_MS_MIN, .max = W4_SLA_WINDOW_MS_MAX},
    W4_SCHEMA_END,
};
static const w4_schema sla_schema = {.rows = sla_rows};

static const w4_schema_row open_rows[] = {
    {.name = "kind", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED},
    {.name = "sla",  .kind = W4_SCHEMA_OBJECT, .object = &sla_schema},
    W4_SCHEMA_END,
};
static const w4_schema open_schema = {.rows = open_rows};
/* clang-format on */

static void write_share(w4_json_writer *w, const char *name, uint32_t ppm) {
    w4_json_name(w, name);
    w4_json_number_value(w, (double)ppm / W4_SLA_PPM);
}

static void write_contract(w4_json_writer *w, const w4_sla_contract *contract) {
    w4_json_name(w, "sla");
    w4_json_begin_object(w);
    if (w4_sla_promises(contract, W4_SLA_DROP_RATE)) {
        write_share(w, "max_drop_rate", contract->max_drop_ppm);
    }
    if (w4_sla_promises(contract, W4_SLA_AVAILABILITY)) {
        write_share(w, "min_availability", contract->min_availability_ppm);
    }
    if (w4_sla_promises(contract, W4_SLA_P99)) {
        w4_json_member_unsigned(w, "p99_ms", contract->p99_ms);
    }
    w4_json_member_unsigned(w, "window_ms", contract->window_ms);
    w4_json_end_object(w);
}

size_t w4_open_encode(w4_channel_kind kind, const w4_sla_contract *contract,
                      uint8_t ret_text[static W4_OPEN_LEN_OURS]) {
    w4_buffer out = {ret_text, 0, W4_OPEN_LEN_OURS, W4_OPEN_LEN_OURS};
    w4_json_writer w;
    w4_json_writer_init(&w, &out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "kind", w4_channel_kind_name(kind));
    if (w4_sla_exists(contract)) {
        write_contract(&w, contract);
    }
    w4_json_end_object(&w);
    assert(w.error == 0); /* the longest of all fits */
    return out.len;
}

static uint32_t ppm_of(w4_json object, const char *name, uint32_t otherwise) {
    double share;
    return w4_json_number(w4_json_get(object, name), &share) ? (uint32_t)lround(share * W4_SLA_PPM)
                                                             : otherwise;
}

static uint32_t integer_of(w4_json object, const char *name) {
    int64_t value = 0;
    w4_json_integer(w4_json_get(object, name), &value);
    return (uint32_t)value;
}

static bool read_members(w4_json root, w4_channel_kind *ret_kind, w4_sla_contract *ret_contract) {
    w4_json sla = w4_json_get(root, "sla");
    w4_sla_contract contract = W4_SLA_NO_CONTRACT;
    if (w4_json_exists(sla)) {
        contract.max_drop_ppm = ppm_of(sla, "max_drop_rate", contract.max_drop_ppm);
        contract.min_availability_ppm = ppm_of(sla, "min_availability", 0);
        contract.p99_ms = integer_of(sla, "p99_ms");
        contract.window_ms = integer_of(sla, "window_ms");
        if (!w4_sla_contract_valid(&contract)) {
            return false;
        }
    }
    w4_channel_kind kind;
    w4_json name = w4_json_get(root, "kind");
    if (!w4_json_string_plain(name) ||
        !w4_channel_kind_from_name(w4_json_string_raw(name), &kind)) {
        return false;
    }
    *ret_kind = kind;
    *ret_contract = contract;
    return true;
}

int w4_open_parse(w4_bytes text, w4_channel_kind *ret_kind, w4_sla_contract *ret_contract) {
    w4_json_document doc = {0};
    int r = w4_json_read_canonical(&doc, text, &open_limits, NULL);
    if (r == 0) {
        w4_json root = w4_json_root(&doc);
        r = w4_schema_check(&open_schema, root, NULL) && read_members(root, ret_kind, ret_contract)
                ? 0
                : 1;
    }
    w4_json_document_deinit(&doc);
    return r < 0 ? r : r != 0;
}

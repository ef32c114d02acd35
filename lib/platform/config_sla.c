/* Contracts of channels: each member is inherited by itself, so what is looked at is the whole. */
#include "platform/config_table.h"

#include <stdio.h>

#include "base/text.h"

#define WINDOW_MS_DEFAULT 60000u

const w4_sla_contract w4_config_sla_default = {.window_ms = WINDOW_MS_DEFAULT,
                                               .max_drop_ppm = W4_SLA_PPM};

static void fill_milliseconds(uint32_t *ms, w4_json value) {
    int64_t integer;
    if (w4_json_integer(value, &integer)) {
        *ms = (uint32_t)integer;
    }
}

static void fill_rate(uint32_t *ppm, w4_json value) {
    double rate;
    if (w4_json_number(value, &rate)) {
        *ppm = (uint32_t)(rate * W4_SLA_PPM + 0.5);
    }
}

void w4_config_fill_sla(w4_sla_contract *contract, w4_json sla) {
    fill_milliseconds(&contract->window_ms, w4_json_get(sla, "window_ms"));
    fill_milliseconds(&contract->p99_ms, w4_json_get(sla, "p99_ms"));
    fill_rate(&contract->max_drop_ppm, w4_json_get(sla, "max_drop_rate"));
    fill_rate(&contract->min_availability_ppm, w4_json_get(sla, "min_availability"));
}

w4_sla_contract w4_config_contract(const w4_sla_contract *configured) {
    return w4_sla_contract_valid(configured) ? *configured : W4_SLA_NO_CONTRACT;
}

static void check_kind(w4_json channels, const char *of, w4_channel_kind kind,
                       w4_sla_contract *contract, w4_faults *faults) {
    w4_json sla = w4_json_get(w4_json_get(channels, w4_channel_kind_name(kind)), "sla");
    w4_config_fill_sla(contract, sla);
    bool has_p99 = w4_json_exists(w4_json_get(sla, "p99_ms"));
    if (contract->p99_ms <= contract->window_ms ||
        (!has_p99 && !w4_json_exists(w4_json_get(sla, "window_ms")))) {
        return; /* good, or not the fault of this one */
    }
    char expected[64];
    if (has_p99) {
        snprintf(expected, sizeof expected, "at most the window_ms of the contract, %u",
                 contract->window_ms);
    } else {
        snprintf(expected, sizeof expected, "at least the p99_ms of the contract, %u",
                 contract->p99_ms);
    }
    w4_config_blame(faults, expected, "%s/%s/sla/%s", of, w4_channel_kind_name(kind),
                    has_p99 ? "p99_ms" : "window_ms");
}

void w4_config_check_sla(w4_json session, w4_faults *faults) {
    w4_sla_contract of_kind[W4_CHANNEL_KIND_COUNT];
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        of_kind[kind] = w4_config_sla_default;
        check_kind(w4_json_get(session, "channels"), "/session/channels", (w4_channel_kind)kind,
                   &of_kind[kind], faults);
    }
    w4_json peers = w4_json_get(session, "peers");
    for (w4_json_iterator i = w4_json_first(peers); w4_json_exists(i.value); i = w4_json_next(i)) {
        char of[W4_FINGERPRINT_TEXT_LEN + 32], name[W4_FINGERPRINT_TEXT_LEN + 8];
        w4_text_escape_cut(name, sizeof name, w4_json_string_raw(i.name));
        snprintf(of, sizeof of, "/session/peers/%s", name);
        for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
            w4_sla_contract contract = of_kind[kind];
            check_kind(i.value, of, (w4_channel_kind)kind, &contract, faults);
        }
    }
}

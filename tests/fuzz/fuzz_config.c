/* Configurations: two texts, the second behind the first NUL, as a main file and its fragment. */
#include "platform/config.h"
#include "target.h"

#include <string.h>

static const w4_config_place place = {.home = "/home/fuzz", .host_name = "fuzz"};

/* What it tells is a configuration again, the same one, and carries over to itself unchanged. */
static void check_config(const w4_config *config) {
    static w4_config_faults faults;
    static w4_config_changes changes;
    w4_config *again;
    w4_config *carried;
    w4_config_text text = {"again", w4_json_text(w4_config_effective(config))};
    FUZZ_REQUIRE(config->seeds_count <= W4_CONFIG_SEEDS_MAX);
    FUZZ_REQUIRE(config->listen_count <= W4_CONFIG_LISTEN_MAX);
    FUZZ_REQUIRE(config->cip.quorum >= 2);
    FUZZ_REQUIRE(strlen(config->paths.control_socket) < 108);
    FUZZ_REQUIRE(w4_config_load(&text, 1, NULL, &again, &faults) == 0);
    FUZZ_REQUIRE(strcmp(w4_config_digest(config), w4_config_digest(again)) == 0);
    w4_config_compare(config, again, &changes);
    FUZZ_REQUIRE(changes.count == 0);
    FUZZ_REQUIRE(w4_config_load(NULL, 0, &place, &carried, &faults) == 0);
    w4_config_free(again);
    if (w4_config_carry(carried, config, &again) == 0) {
        w4_config_compare(again, config, &changes);
        FUZZ_REQUIRE(changes.count == changes.restart_count);
        w4_config_free(again);
    }
    w4_config_free(carried);
}

static void check_faults(const w4_config_faults *faults) {
    FUZZ_REQUIRE(faults->count > 0);
    for (uint32_t i = 0; i < faults->count && i < W4_FAULTS_MAX; i++) {
        w4_buffer line = W4_BUFFER_INIT(8192);
        FUZZ_REQUIRE(w4_config_fault_format(&faults->items[i], &line) == 0);
        for (size_t k = 0; k < line.len; k++) {
            FUZZ_REQUIRE(line.data[k] >= ' ' && line.data[k] != 0x7F);
        }
        w4_buffer_deinit(&line);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static w4_config_faults faults;
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t first = nul == NULL ? size : (size_t)(nul - data);
    w4_config_text texts[2] = {{"a", w4_bytes_of(data, first)}};
    if (nul != NULL) {
        texts[1] = (w4_config_text){"b", w4_bytes_of(nul + 1, size - first - 1)};
    }
    w4_config *config;
    int r = w4_config_load(texts, nul == NULL ? 1 : 2, &place, &config, &faults);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 1) {
        check_faults(&faults);
        return 0;
    }
    check_config(config);
    w4_config_free(config);
    return 0;
}

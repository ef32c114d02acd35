/* Rows of a store, as a damaged disk or another hand may leave them, a line each: a letter for the
 * table (a is the first), the key as hexadecimal digits, a blank, the value as it is (or, behind a
 * #, as hexadecimal digits). A node starts with them, runs and ends, and again with what it has
 * made of them: it says what is wrong, or goes on without it. */
#include "chance.h"
#include "node/node.h"
#include "protocol/store_examine.h"
#include "script.h"
#include "store/memory.h"
#include "target.h"

#include <errno.h>

#define LINES_MAX 200
#define START_US (UINT64_C(1000) * W4_US_PER_S)
#define WALL_US (INT64_C(1790000000) * 1000000)
#define TURNS 20u
#define REPORT_MAX ((size_t)256 * 1024)

/* As many bytes as there are digits for. */
static size_t from_hex(w4_bytes text, uint8_t *ret_bytes, size_t size) {
    size_t len = text.len / 2 < size ? text.len / 2 : size;
    return w4_hex_parse(w4_bytes_of(text.data, 2 * len), ret_bytes, len) ? len : 0;
}

static void put(void *context, uint8_t what, w4_bytes rest) {
    uint8_t key[255], value[4096];
    const uint8_t *blank = rest.len > 0 ? memchr(rest.data, ' ', rest.len) : NULL;
    if (what < 'a' || what >= 'a' + W4_STORE_TABLE_COUNT || !blank) {
        return;
    }
    size_t at = (size_t)(blank - rest.data);
    size_t len = from_hex(w4_bytes_of(rest.data, at), key, sizeof key);
    w4_bytes text = w4_bytes_of(blank + 1, rest.len - at - 1);
    if (text.len > 0 && text.data[0] == '#') {
        text = w4_bytes_of(value,
                           from_hex(w4_bytes_of(text.data + 1, text.len - 1), value, sizeof value));
    }
    if (len > 0) {
        int r = w4_store_put(context, (w4_store_table)(what - 'a'), w4_bytes_of(key, len), text);
        FUZZ_REQUIRE(r == 0 || r == -EMSGSIZE || r == -EINVAL); /* of another form */
    }
}

static void examine(w4_store *store) {
    w4_store_findings findings;
    w4_buffer report = W4_BUFFER_INIT(REPORT_MAX);
    int r = w4_store_examine(store, NULL, NULL, &report, &findings);
    FUZZ_REQUIRE(r >= 0);
    FUZZ_REQUIRE(r > 0 || (findings.faults > 0) == (report.len > 0));
    w4_buffer_deinit(&report);
}

/* False: it does not start with that store. */
static bool live(w4_store *store, w4_env *env, const w4_identity *identity) {
    w4_transport_registry registry = {0};
    w4_node_context context = {
        .env = env, .store = store, .identity = identity, .registry = &registry};
    w4_node *node;
    uint64_t now_us = START_US;
    int r = w4_node_new(&context, &W4_NODE_CONFIG_DEFAULT, now_us, &node);
    FUZZ_REQUIRE(r >= 0);
    for (unsigned turn = 0; r == 0 && turn < TURNS; turn++) {
        w4_node_event event;
        FUZZ_REQUIRE(w4_node_process(node, now_us) == 0);
        while (w4_node_pop_event(node, &event)) {
        }
        uint64_t next_us = w4_node_deadline(node);
        now_us = next_us > now_us && next_us != W4_NEVER ? next_us : now_us + W4_US_PER_S;
    }
    if (r == 0) {
        w4_node_free(node);
    }
    return r == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static w4_identity *identity;
    uint64_t random = 1;
    w4_env env = {.context = &random, .random = fuzz_fill, .wall_offset_us = WALL_US};
    w4_store *store;
    FUZZ_REQUIRE(w4_crypto_init() == 0 && w4_store_memory_new(&store) == 0);
    identity = identity ? identity : fuzz_key(1);
    fuzz_run_script(w4_bytes_of(data, size), LINES_MAX, put, store);
    FUZZ_REQUIRE(w4_store_commit(store) == 0);
    examine(store);
    if (live(store, &env, identity)) {
        FUZZ_REQUIRE(live(store, &env, identity));
        examine(store);
    }
    w4_store_free(store);
    return 0;
}

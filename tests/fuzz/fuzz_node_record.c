/* Node records, as they come and with a good signature: what is read keeps the promises of its
 * bounds, and the graph keeps it as it was. */
#include "graph/graph.h"
#include "signed_text.h"

#include <string.h>

static void check_record(const w4_record *record) {
    FUZZ_REQUIRE(record->seq >= 1 && record->seq <= UINT64_C(9007199254740991));
    FUZZ_REQUIRE(record->ttl_s <= W4_RECORD_TTL_MAX_S);
    FUZZ_REQUIRE(record->address_count <= W4_RECORD_ADDRESSES_MAX);
    FUZZ_REQUIRE(record->edge_count <= W4_RECORD_EDGES_MAX);
    FUZZ_REQUIRE(record->agent_count <= W4_RECORD_AGENTS_MAX);
    FUZZ_REQUIRE(memchr(record->name, 0, sizeof record->name) != NULL);
    for (uint32_t i = 0; i < record->agent_count; i++) {
        const w4_record_agent *agent = &record->agents[i];
        w4_fingerprint of_key = w4_fingerprint_of(&agent->pubkey);
        FUZZ_REQUIRE(agent->agent_id[0] != '\0');
        FUZZ_REQUIRE(w4_fingerprint_equal(&of_key, &agent->fingerprint));
        FUZZ_REQUIRE(w4_json_kind_of(agent->capabilities) == W4_JSON_ARRAY);
    }
}

static void keep(w4_bytes text, const w4_record *record) {
    w4_graph *graph = NULL;
    w4_graph_change change;
    w4_fingerprint author;
    w4_fingerprint node;
    w4_record_fault fault;
    FUZZ_REQUIRE(w4_graph_new(&graph) == 0);
    for (int i = 0; i < 2; i++) {
        FUZZ_REQUIRE(w4_graph_put(graph, text, record->issued_wall_us, &change, &author, &fault) ==
                     0);
        FUZZ_REQUIRE(i == 0 ? change == W4_GRAPH_ADDED || change == W4_GRAPH_WITHDRAWN
                            : change == W4_GRAPH_UNCHANGED);
    }
    FUZZ_REQUIRE(w4_bytes_equal(w4_graph_text(graph, &record->id), text));
    const w4_record *kept = w4_graph_find(graph, &record->id);
    FUZZ_REQUIRE((kept == NULL) == (record->ttl_s == 0));
    for (uint32_t i = 0; kept != NULL && i < kept->agent_count; i++) {
        FUZZ_REQUIRE(w4_graph_find_agent(graph, &kept->agents[i].fingerprint, &node) ==
                     &kept->agents[i]);
    }
    w4_graph_free(graph);
}

static void take(w4_bytes text) {
    w4_record_reader *reader = NULL;
    w4_record record;
    w4_record_fault fault;
    FUZZ_REQUIRE(w4_record_reader_new(&reader) == 0);
    int r = w4_record_read(reader, text, &record, &fault);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 0) {
        check_record(&record);
        keep(text, &record);
    } else {
        FUZZ_REQUIRE(memchr(fault.pointer, 0, sizeof fault.pointer) != NULL);
        FUZZ_REQUIRE(memchr(fault.expected, 0, sizeof fault.expected) != NULL);
    }
    w4_record_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    (void)fuzz_identity();
    take(w4_bytes_of(data, size));
    w4_buffer text = W4_BUFFER_INIT(1u << 20);
    if (fuzz_signed_text(w4_bytes_of(data, size), &text)) {
        take(w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return 0;
}

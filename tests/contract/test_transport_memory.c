#include "memory_world.h"

static int open_memory(w4_contract_world *w, const w4_transport_host *host,
                       w4_transport **ret_transport) {
    (void)w;
    return w4_transport_open(&w4_transport_memory, host, ret_transport);
}

int main(void) {
    static const w4_transport_contract contract = {
        .name = "memory",
        .backend = &w4_transport_memory,
        .lossless = true,
        .ordered = true, /* as long as the conditions do not reorder */
        .begin = memory_begin,
        .end = memory_end,
        .open = open_memory,
        .now = memory_now,
        .wait = memory_wait,
        .address = memory_address,
        .nobody = memory_nobody,
        .bad_addresses = memory_bad_addresses,
    };
    return w4_transport_contract_main(&contract, NULL);
}

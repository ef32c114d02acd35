/* The memory transport behind the fault decorator: frames are lost, repeated, held back. */
#include "memory_world.h"

#include "transport/fault.h"

static int open_faulty(w4_contract_world *w, const w4_transport_host *host,
                       w4_transport **ret_transport) {
    (void)w;
    static const w4_memory_conditions storm = {.latency_us = 300,
                                               .jitter_us = 400,
                                               .bytes_per_s = 100000000,
                                               .loss_ppm = 50000,
                                               .duplicate_ppm = 50000,
                                               .reorder_ppm = 50000};
    w4_transport *inner;
    int r = w4_transport_open(&w4_transport_memory, host, &inner);
    if (r < 0) {
        return r;
    }
    r = w4_transport_fault_wrap(inner, 99, &storm, 0, ret_transport);
    if (r < 0) {
        w4_transport_free(inner);
    }
    return r;
}

int main(void) {
    static const w4_transport_contract contract = {
        .name = "memory with faults",
        .backend = &w4_transport_memory,
        .lossless = false,
        .ordered = false,
        .begin = memory_begin,
        .end = memory_end,
        .open = open_faulty,
        .now = memory_now,
        .wait = memory_wait,
        .address = memory_address,
        .nobody = memory_nobody,
        .bad_addresses = memory_bad_addresses,
    };
    return w4_transport_contract_main(&contract, NULL);
}

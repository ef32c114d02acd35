/* The fault decorator is a transport: around the memory transport it keeps the rules, calm and in
 * a storm. */
#include "transport_cases.h"

#include "transport/fault.h"

#include <stdlib.h>

static const w4_memory_conditions calm;
static const w4_memory_conditions storm = {.latency_us = 300,
                                           .jitter_us = 400,
                                           .bytes_per_s = 100000000,
                                           .loss_ppm = 50000,
                                           .duplicate_ppm = 50000,
                                           .reorder_ppm = 50000};

static int open_decorated(const w4_transport_host *host, const w4_memory_conditions *conditions,
                          w4_transport **ret_transport) {
    w4_transport *inner;
    int r = w4_transport_open(&w4_transport_memory, host, &inner);
    if (r < 0) {
        return r;
    }
    r = w4_transport_fault_wrap(inner, 99, conditions, 0, ret_transport);
    if (r < 0) {
        w4_transport_free(inner);
    }
    return r;
}

static int open_calm(tc_world *w, const w4_transport_host *host, w4_transport **ret_transport) {
    (void)w;
    return open_decorated(host, &calm, ret_transport);
}

static int open_stormy(tc_world *w, const w4_transport_host *host, w4_transport **ret_transport) {
    (void)w;
    return open_decorated(host, &storm, ret_transport);
}

int main(void) {
    tc_subject subject = {
        .backend = &w4_transport_memory,
        .address = "memory:node{n}",
        .clock = &tc_clock_virtual,
        .faithful = true,
        .wait_s = TC_WAIT_S,
        .open = open_calm,
    };
    static const tc_rule *const lists[] = {tc_rules_of_links, tc_rules_of_limits, NULL};
    int status = transport_cases_main(&subject, lists);
    subject.open = open_stormy;
    subject.faithful = false;
    int stormy = transport_cases_main(&subject, lists);
    return status != EXIT_SUCCESS ? status : stormy;
}

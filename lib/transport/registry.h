/* The backends a process has, by name and by address prefix. */
#pragma once

#include "transport/transport.h"

#define W4_TRANSPORT_BACKENDS_MAX 16

typedef struct w4_transport_registry {
    const w4_transport_backend *backends[W4_TRANSPORT_BACKENDS_MAX];
    uint32_t count;
} w4_transport_registry;

/* 0, -ENOSPC, or -EEXIST (a backend of that name or prefix is there). */
int w4_transport_registry_add(w4_transport_registry *registry, const w4_transport_backend *backend);
const w4_transport_backend *w4_transport_registry_find(const w4_transport_registry *registry,
                                                       w4_bytes name);
const w4_transport_backend *w4_transport_registry_for_address(const w4_transport_registry *registry,
                                                              const char *address);

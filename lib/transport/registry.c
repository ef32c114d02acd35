#include "transport/registry.h"

#include <errno.h>
#include <string.h>

int w4_transport_registry_add(w4_transport_registry *registry,
                              const w4_transport_backend *backend) {
    for (uint32_t i = 0; i < registry->count; i++) {
        const w4_transport_backend *other = registry->backends[i];
        if (strcmp(other->name, backend->name) == 0 ||
            strcmp(other->prefix, backend->prefix) == 0) {
            return -EEXIST;
        }
    }
    if (registry->count == W4_TRANSPORT_BACKENDS_MAX) {
        return -ENOSPC;
    }
    registry->backends[registry->count++] = backend;
    return 0;
}

const w4_transport_backend *w4_transport_registry_find(const w4_transport_registry *registry,
                                                       w4_bytes name) {
    for (uint32_t i = 0; i < registry->count; i++) {
        if (w4_bytes_equal_text(name, registry->backends[i]->name)) {
            return registry->backends[i];
        }
    }
    return NULL;
}

const w4_transport_backend *w4_transport_registry_for_address(const w4_transport_registry *registry,
                                                              const char *address) {
    for (uint32_t i = 0; i < registry->count; i++) {
        const char *prefix = registry->backends[i]->prefix;
        if (strncmp(address, prefix, strlen(prefix)) == 0) {
            return registry->backends[i];
        }
    }
    return NULL;
}

#include "io/backends.h"

/* W4_BACKENDS: "X(tcp) X(unix) ...", from meson.build. */
#define X(NAME) extern const w4_transport_backend w4_transport_##NAME;
W4_BACKENDS
#undef X

int w4_backends_register(w4_transport_registry *registry) {
#define X(NAME) (&w4_transport_##NAME),
    static const w4_transport_backend *const backends[] = {W4_BACKENDS};
#undef X
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof backends / sizeof backends[0]; i++) {
        r = w4_transport_registry_add(registry, backends[i]);
    }
    return r;
}

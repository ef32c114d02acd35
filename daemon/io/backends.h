/* The transports of the daemon. Which those are says the list in meson.build, nothing else: a
 * backend NAME is one file that defines w4_transport_NAME. */
#pragma once

#include "transport/registry.h"

int w4_backends_register(w4_transport_registry *registry); /* 0, -ENOSPC or -EEXIST */

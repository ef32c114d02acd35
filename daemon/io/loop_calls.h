/* The loop as backends from outside see it (transport/backend.h). */
#pragma once

#include "io/loop.h"
#include "transport/backend.h"

extern const w4_transport_loop w4_loop_calls; /* copied to the front of each loop */

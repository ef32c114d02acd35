/* Frames between nodes of one host: "unix:/path". The socket is for its owner and group; an
 * accepted link's remote names the peer: "unix:uid=1000,gid=1000,pid=4711". */
#pragma once

#include "transport/transport.h"

extern const w4_transport_backend w4_transport_unix;

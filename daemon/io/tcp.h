/* Frames over TCP: "tcp:HOST:PORT". Listening needs a number ("tcp:[::]:7474" is IPv6 and IPv4),
 * dialling takes names too. */
#pragma once

#include "transport/transport.h"

extern const w4_transport_backend w4_transport_tcp;

/* Listens on a socket from outside (the service manager), which it takes over also where it
 * fails. Same results as w4_transport_listen. */
int w4_tcp_listen_inherited(w4_transport *transport, int fd,
                            char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno);

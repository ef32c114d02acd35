/* Addresses: "tcp:HOST:PORT", "tcp:[::1]:7474", "unix:/path", "memory:NAME". */
#pragma once

#include "base/bytes.h"

#define W4_TCP_PORT_DEFAULT 7474u
#define W4_HOST_MAX 253u

typedef struct w4_tcp_address {
    char host[W4_HOST_MAX + 1]; /* name or number, without brackets */
    uint16_t port;
} w4_tcp_address;

/* allow_zero: port 0 (the kernel picks) is good for listening. False when malformed. */
bool w4_tcp_address_parse(const char *text, bool allow_zero, w4_tcp_address *ret_address);
/* The path behind "unix:" when absolute, under 108 bytes and free of NUL; else NULL. */
const char *w4_unix_address_path(const char *text);
bool w4_address_valid(const char *text); /* printable ASCII, bounded, a prefix and a rest */

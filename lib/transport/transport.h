/* Transports as their owner uses them; what a backend is, stands in transport/backend.h. */
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/env.h"
#include "transport/backend.h"

/* The calls, with the checks that all backends share. 0, -ENOMEM or a condition. */
int w4_transport_open(const w4_transport_backend *backend, const w4_transport_host *host,
                      w4_transport **ret_transport);
w4_transport *w4_transport_free(w4_transport *transport);
int w4_transport_listen(w4_transport *transport, const char *address,
                        char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno);
void w4_transport_unlisten(w4_transport *transport);
int w4_transport_dial(w4_transport *transport, const char *address, uint64_t now_us,
                      w4_link **ret_link, int *ret_errno);
bool w4_transport_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event);
uint64_t w4_transport_deadline(const w4_transport *transport);
void w4_transport_expire(w4_transport *transport, uint64_t now_us);
int w4_link_send(w4_link *link, w4_bytes frame, uint64_t now_us);
w4_link *w4_link_close(w4_link *link); /* takes NULL, returns NULL */
const char *w4_transport_error_name(int condition);

#include "transport/transport.h"

#include "transport/address.h"

#include <string.h>

static const char *const error_names[] = {
    [0] = "none",
    [W4_TRANSPORT_E_ADDRESS] = "address",
    [W4_TRANSPORT_E_FULL] = "full",
    [W4_TRANSPORT_E_GONE] = "gone",
    [W4_TRANSPORT_E_FAILED] = "failed",
    [W4_TRANSPORT_E_FRAME] = "frame",
    [W4_TRANSPORT_E_UNKNOWN] = "unknown",
};

const char *w4_transport_error_name(int condition) {
    if (condition < 0 || (size_t)condition >= sizeof error_names / sizeof error_names[0]) {
        return "?";
    }
    return error_names[condition];
}

static bool is_address_of(const w4_transport *transport, const char *address) {
    const char *prefix = transport->backend->prefix;
    return w4_address_valid(address) && strncmp(address, prefix, strlen(prefix)) == 0;
}

int w4_transport_open(const w4_transport_backend *backend, const w4_transport_host *host,
                      w4_transport **ret_transport) {
    return backend->open(host, ret_transport);
}

w4_transport *w4_transport_free(w4_transport *transport) {
    if (transport) {
        transport->backend->free(transport);
    }
    return NULL;
}

int w4_transport_listen(w4_transport *transport, const char *address,
                        char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
    if (!is_address_of(transport, address)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    return transport->backend->listen(transport, address, ret_bound, ret_errno);
}

void w4_transport_unlisten(w4_transport *transport) {
    transport->backend->unlisten(transport);
}

int w4_transport_dial(w4_transport *transport, const char *address, uint64_t now_us,
                      w4_link **ret_link, int *ret_errno) {
    if (!is_address_of(transport, address)) {
        return W4_TRANSPORT_E_ADDRESS;
    }
    int r = transport->backend->dial(transport, address, now_us, ret_link, ret_errno);
    if (r == 0) {
        transport->stats.dialled++;
    }
    return r;
}

static void count_event(w4_transport_stats *stats, const w4_transport_event *event) {
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_ACCEPTED:
        stats->accepted++;
        break;
    case W4_TRANSPORT_EVENT_FRAME:
        stats->frames_received++;
        stats->bytes_received += event->frame.len;
        break;
    case W4_TRANSPORT_EVENT_GONE:
        stats->gone++;
        break;
    case W4_TRANSPORT_EVENT_UP:
    case W4_TRANSPORT_EVENT_WRITABLE:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        break;
    }
}

bool w4_transport_pop(w4_transport *transport, uint64_t now_us, w4_transport_event *ret_event) {
    if (!transport->backend->pop(transport, now_us, ret_event)) {
        return false;
    }
    count_event(&transport->stats, ret_event);
    return true;
}

uint64_t w4_transport_deadline(const w4_transport *transport) {
    return transport->backend->deadline(transport);
}

void w4_transport_expire(w4_transport *transport, uint64_t now_us) {
    transport->backend->expire(transport, now_us);
}

int w4_link_send(w4_link *link, w4_bytes frame, uint64_t now_us) {
    if (frame.len == 0 || frame.len > W4_FRAME_MAX) {
        return W4_TRANSPORT_E_FRAME;
    }
    w4_transport_stats *stats = &link->transport->stats;
    int r = link->transport->backend->send(link, frame, now_us);
    if (r == 0) {
        stats->frames_sent++;
        stats->bytes_sent += frame.len;
    } else if (r == W4_TRANSPORT_E_FULL) {
        stats->full++;
    }
    return r;
}

w4_link *w4_link_close(w4_link *link) {
    if (link) {
        link->transport->backend->close(link);
    }
    return NULL;
}

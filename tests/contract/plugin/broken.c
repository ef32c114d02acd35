/* The example backend with one promise broken, by -DBREAK_...: what web4-transport-check has to
 * find, see test_plugins.py. With -DHONEST it loses, repeats and reorders, and says so: that is
 * within the contract. */
#define web4_transport_backend seq_backend
#include "seqpacket.c"

static w4_transport_backend broken;

static bool give_again; /* the event below, before anything else */
static w4_transport_event kept;
static uint8_t kept_bytes[W4_FRAME_MAX];

/* One at a time, of all transports. */
static void keep(const w4_transport_event *event) {
    kept = *event;
    memcpy(kept_bytes, event->frame.data, event->frame.len);
    kept.frame.data = kept_bytes;
}

static bool is_kind(const w4_transport_event *event, w4_transport_event_kind kind) {
    return event->kind == kind;
}

/* The frame comes after the next one, but before anything else. */
static void change_places(w4_transport *base, uint64_t now_us, w4_transport_event *event) {
    w4_transport_event next;
    keep(event);
    *event = kept;
    give_again = seq_pop(base, now_us, &next);
    if (give_again && is_kind(&next, W4_TRANSPORT_EVENT_FRAME)) {
        *event = next;
    } else if (give_again) {
        kept = next;
    }
}

/* Each: true when the event is to be given out as it is now. */
static bool change(w4_transport *base, uint64_t now_us, w4_transport_event *event) {
#if defined BREAK_WHOLE
    if (event->frame.len > 300) {
        event->frame.len = 300;
    }
#elif defined BREAK_BYTES
    if (is_kind(event, W4_TRANSPORT_EVENT_FRAME) && event->frame.len > 20000) {
        ((transport *)base)->frame[19999] ^= 1;
    }
#elif defined BREAK_ORDER
    /* One of fifty frames changes places with the next. */
    if (is_kind(event, W4_TRANSPORT_EVENT_FRAME) && event->frame.data[0] % 50 == 7) {
        change_places(base, now_us, event);
    }
#elif defined BREAK_ONCE
    if (is_kind(event, W4_TRANSPORT_EVENT_FRAME) && event->frame.data[0] % 50 == 7) {
        keep(event);
        give_again = true;
    }
#elif defined BREAK_LOSS
    return !is_kind(event, W4_TRANSPORT_EVENT_FRAME) || event->frame.len < 4 ||
           event->frame.data[0] % 50 != 7;
#elif defined BREAK_END
    return !is_kind(event, W4_TRANSPORT_EVENT_GONE) || event->link->dialled;
#elif defined BREAK_END_TWICE
    if (is_kind(event, W4_TRANSPORT_EVENT_GONE) && !event->link->dialled) {
        kept = *event;
        give_again = true;
    }
#elif defined BREAK_REASON
    event->reason = NULL;
#elif defined BREAK_LEAK
    if (is_kind(event, W4_TRANSPORT_EVENT_FRAME)) {
        char *volatile lost = malloc(event->frame.len);
        (void)lost;
    }
#elif defined BREAK_WRITABLE
    return !is_kind(event, W4_TRANSPORT_EVENT_WRITABLE);
#elif defined HONEST
    static unsigned frames;
    if (!is_kind(event, W4_TRANSPORT_EVENT_FRAME)) {
        return true;
    }
    frames += !give_again;
    if (give_again) {
        return true;
    }
    if (frames % 17 == 3) {
        return false;
    }
    if (frames % 17 == 9) {
        keep(event);
        give_again = true;
    } else if (frames % 17 == 14) {
        change_places(base, now_us, event);
    }
#elif defined BREAK_CRASH
    if (event->frame.len == 257) {
        abort();
    }
#elif defined BREAK_HANG
    while (event->frame.len == 257) {
    }
#endif
    (void)base;
    (void)now_us;
    (void)event;
    return true;
}

static bool broken_pop(w4_transport *base, uint64_t now_us, w4_transport_event *ret_event) {
    if (give_again && kept.link->transport == base) {
        give_again = false;
        *ret_event = kept;
        return true;
    }
    while (seq_pop(base, now_us, ret_event)) {
        if (change(base, now_us, ret_event)) {
            return true;
        }
    }
    return false;
}

static int broken_send(w4_link *base, w4_bytes frame, uint64_t now_us) {
    int r = seq_send(base, frame, now_us);
#ifdef BREAK_BOUND
    r = r == W4_TRANSPORT_E_FULL ? 0 : r; /* taken, and lost */
#endif
    return r;
}

static void broken_close(w4_link *base) {
    if (give_again && kept.link == base) {
        give_again = false;
    }
#ifdef BREAK_FLUSH
    drop_queue((seq_link *)base);
#elif defined BREAK_DESCRIPTORS
    (void)!dup(((seq_link *)base)->fd < 0 ? 2 : ((seq_link *)base)->fd);
#elif defined BREAK_LINK_LEAK
    end_link((seq_link *)base, "never freed", 0);
    ((seq_link *)base)->tell_gone = false;
    return;
#endif
    seq_close(base);
}

static void no_wake(void *context) {
    (void)context;
}

static int broken_open(const w4_transport_host *host, w4_transport **ret_transport) {
    int r = seq_open(host, ret_transport);
    if (r == 0) {
        (*ret_transport)->backend = &broken;
    }
#ifdef BREAK_WAKE
    if (r == 0) {
        (*ret_transport)->host.wake = no_wake;
    }
#elif defined BREAK_LIMIT
    if (r == 0) {
        (*ret_transport)->host.accepts_per_s = 0;
    }
#endif
    (void)no_wake;
    return r;
}

static int broken_listen(w4_transport *base, const char *address,
                         char ret_bound[static W4_ADDRESS_MAX + 1], int *ret_errno) {
#ifdef BREAK_OUTPUT
    (void)snprintf(ret_bound, W4_ADDRESS_MAX + 1, "%s", address);
#endif
    return seq_listen(base, address, ret_bound, ret_errno);
}

static uint64_t broken_deadline(const w4_transport *base) {
#ifdef BREAK_DEADLINE
    (void)base;
    return 0;
#else
    return seq_deadline(base);
#endif
}

#undef web4_transport_backend
#ifndef BREAK_SYMBOL
__attribute__((visibility("default"))) const w4_transport_backend *
web4_transport_backend(uint32_t abi) {
    broken = *seq_backend(abi);
    broken.open = broken_open;
    broken.pop = broken_pop;
    broken.send = broken_send;
    broken.close = broken_close;
    broken.listen = broken_listen;
    broken.deadline = broken_deadline;
#ifdef HONEST
    broken.ordered = false;
#endif
#if defined BREAK_ABI
    return abi == W4_TRANSPORT_ABI + 1 ? &broken : NULL;
#elif defined BREAK_FUNCTION
    broken.expire = NULL;
#endif
    return &broken;
}
#endif

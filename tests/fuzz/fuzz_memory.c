/* Three transports of a memory network, one behind the fault decorator, through any sequence of
 * calls: links live as the contract says whatever their owners do. */
#include "target.h"
#include "transport/fault.h"

#include <string.h>

enum { SIDES = 3, LINKS = 12 };

/* What an owner knows of a link. */
typedef struct owned {
    w4_link *link;
    bool up; /* UP or ACCEPTED was popped */
    bool gone;
} owned;

typedef struct world {
    w4_memory_network *network;
    w4_env env;
    w4_transport *sides[SIDES];
    owned links[SIDES][LINKS];
    uint64_t now_us;
    const uint8_t *at;
    const uint8_t *end;
} world;

static uint8_t next(world *w) {
    return w->at < w->end ? *w->at++ : 0;
}

static void fill_random(void *context, void *ret_bytes, size_t len) {
    (void)context;
    memset(ret_bytes, 5, len);
}

static void open_side(world *w, unsigned side) {
    w4_transport_host host = {
        .env = &w->env, .loop = w->network, .accepts_per_s = side == 2 ? 5 : 0};
    FUZZ_REQUIRE(w4_transport_open(&w4_transport_memory, &host, &w->sides[side]) == 0);
    if (side == 1) {
        static const w4_memory_conditions storm = {.latency_us = 50,
                                                   .jitter_us = 90,
                                                   .loss_ppm = 90000,
                                                   .duplicate_ppm = 90000,
                                                   .reorder_ppm = 90000};
        w4_transport *wrapped;
        FUZZ_REQUIRE(w4_transport_fault_wrap(w->sides[1], 3, &storm, 30000, &wrapped) == 0);
        w->sides[1] = wrapped;
    }
    memset(w->links[side], 0, sizeof w->links[side]);
}

static const char *address(unsigned number) {
    static const char *const texts[] = {"memory:a", "memory:b", "memory:c", "memory:d"};
    return texts[number % 4];
}

static owned *find(world *w, unsigned side, const w4_link *link) {
    for (unsigned i = 0; i < LINKS; i++) {
        if (w->links[side][i].link == link) {
            return &w->links[side][i];
        }
    }
    return NULL;
}

static void pop(world *w, unsigned side) {
    w4_transport_event event;
    if (!w4_transport_pop(w->sides[side], w->now_us, &event)) {
        return;
    }
    owned *known = find(w, side, event.link);
    FUZZ_REQUIRE(event.link->transport == w->sides[side]);
    FUZZ_REQUIRE((known != NULL) != (event.kind == W4_TRANSPORT_EVENT_ACCEPTED));
    FUZZ_REQUIRE(!known || !known->gone);
    switch (event.kind) {
    case W4_TRANSPORT_EVENT_ACCEPTED:
        known = find(w, side, NULL);
        if (!known) {
            w4_link_close(event.link);
            return;
        }
        *known = (owned){.link = event.link, .up = true};
        break;
    case W4_TRANSPORT_EVENT_UP:
        FUZZ_REQUIRE(!known->up && event.link->dialled);
        known->up = true;
        break;
    case W4_TRANSPORT_EVENT_FRAME:
        FUZZ_REQUIRE(known->up && event.frame.len > 0);
        for (size_t i = 0; i < event.frame.len; i++) {
            FUZZ_REQUIRE(event.frame.data[i] == (uint8_t)event.frame.len);
        }
        break;
    case W4_TRANSPORT_EVENT_WRITABLE:
        FUZZ_REQUIRE(known->up);
        break;
    case W4_TRANSPORT_EVENT_GONE:
        FUZZ_REQUIRE(event.reason != NULL);
        known->gone = true;
        break;
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        FUZZ_REQUIRE(false);
    }
}

static void send_some(world *w, unsigned side) {
    owned *o = &w->links[side][next(w) % LINKS];
    uint8_t kind = next(w);
    static const size_t lens[8] = {1, 1, 2, 100, 5000, 65535, 65535, 65535};
    static uint8_t frame[65535];
    size_t len = lens[kind % 8];
    if (!o->link) {
        return;
    }
    memset(frame, (uint8_t)len, len);
    for (unsigned i = 0; i <= kind / 8u; i++) {
        int r = w4_link_send(o->link, w4_bytes_of(frame, len), w->now_us);
        FUZZ_REQUIRE(r == 0 || r == W4_TRANSPORT_E_FULL || r == W4_TRANSPORT_E_GONE);
        FUZZ_REQUIRE(!o->gone || r == W4_TRANSPORT_E_GONE);
    }
}

static void set_conditions(world *w) {
    const char *a = next(w) % 2 ? address(next(w)) + 7 : NULL;
    const char *b = next(w) % 2 ? address(next(w)) + 7 : NULL;
    w4_memory_conditions conditions = {
        .latency_us = next(w) * UINT64_C(10),
        .jitter_us = next(w),
        .bytes_per_s = next(w) % 2 ? next(w) * UINT64_C(10000) : 0,
        .loss_ppm = next(w) * 2000u,
        .duplicate_ppm = next(w) * 2000u,
        .reorder_ppm = next(w) * 2000u,
        .cut = next(w) % 4 == 0,
    };
    bool forget = next(w) % 3 == 0;
    FUZZ_REQUIRE(w4_memory_network_set(w->network, a, b, forget ? NULL : &conditions) == 0);
}

static void step(world *w) {
    uint8_t what = next(w);
    unsigned side = what % SIDES;
    w4_transport *t = w->sides[side];
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    owned *o = NULL;
    switch (what / SIDES % 12) {
    case 0:
        (void)w4_transport_listen(t, address(next(w)), bound, &error);
        break;
    case 1:
        o = find(w, side, NULL);
        if (o) {
            FUZZ_REQUIRE(w4_transport_dial(t, address(next(w)), w->now_us, &o->link, &error) == 0);
        }
        break;
    case 2:
    case 3:
        send_some(w, side);
        break;
    case 4:
        o = &w->links[side][next(w) % LINKS];
        w4_link_close(o->link);
        *o = (owned){0};
        break;
    case 5:
        set_conditions(w);
        break;
    case 6:
        w4_memory_network_reset(w->network, address(next(w)) + 7,
                                next(w) % 2 ? address(next(w)) + 7 : NULL);
        break;
    case 7:
        w4_transport_unlisten(t);
        break;
    case 8:
        w4_transport_free(t);
        open_side(w, side);
        break;
    case 9:
        w->now_us += next(w) * UINT64_C(997);
        w4_transport_expire(t, w->now_us);
        break;
    default:
        for (unsigned i = next(w) % 16u; i > 0; i--) {
            pop(w, side);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    world w = {.env = {.random = fill_random}, .now_us = 1, .at = data, .end = data + size};
    FUZZ_REQUIRE(w4_memory_network_new(1, &w.network) == 0);
    for (unsigned i = 0; i < SIDES; i++) {
        open_side(&w, i);
    }
    for (unsigned steps = 0; w.at < w.end && steps < 2000; steps++) {
        step(&w);
    }
    for (unsigned i = 0; i < SIDES; i++) {
        w4_transport_free(w.sides[i]);
    }
    w4_memory_network_free(w.network);
    return 0;
}

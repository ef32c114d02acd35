#include "web4-transport-check/weather.h"

#include "transport/fault.h"

#include <string.h>

static const w4_memory_conditions calm;

/* Between an eighth of the most and all of it. */
static uint64_t share(tc_world *w, uint64_t most) {
    return most == 0 ? 0 : most / 8 + 1 + tc_draw_below(w, most - most / 8);
}

w4_memory_conditions tc_weather_draw(tc_world *w, const tc_weather *weather) {
    unsigned haste = w->subject->clock->haste;
    w4_memory_conditions c = {
        .latency_us = share(w, weather->latency_us) / haste,
        .jitter_us = share(w, weather->jitter_us) / haste,
        .loss_ppm = (uint32_t)share(w, weather->loss_ppm),
        .duplicate_ppm = (uint32_t)share(w, weather->duplicate_ppm),
        .reorder_ppm = (uint32_t)share(w, weather->reorder_ppm),
    };
    if (weather->bytes_per_s > 0) {
        c.bytes_per_s = weather->bytes_per_s * haste * (1 + tc_draw_below(w, 8));
    }
    return c;
}

bool tc_sky_init(tc_sky *sky, tc_world *w, const tc_weather *weather, w4_transport **sides[2],
                 const char *bound[2]) {
    *sky = (tc_sky){.w = w, .bare = weather->bare};
    sky->by_network = w->subject->clock->is_virtual && w->seed % 2 == 1;
    size_t prefix = strlen((*sides[0])->backend->prefix);
    for (unsigned s = 0; s < 2; s++) {
        if (sky->by_network) {
            memcpy(sky->names[s], bound[s] + prefix, strlen(bound[s] + prefix) + 1);
        }
        if (!sky->bare && w4_transport_fault_wrap(*sides[s], tc_draw(w), &calm, 0, sides[s]) < 0) {
            tc_fail(w, __FILE__, __LINE__, "no memory");
            return false;
        }
        sky->sides[s] = *sides[s];
    }
    return true;
}

static void set_network(tc_sky *sky, unsigned s) {
    w4_memory_conditions c = sky->conditions;
    c.cut = sky->cut[s];
    if (w4_memory_network_set(sky->w->loop, sky->names[s], sky->names[1 - s], &c) < 0) {
        tc_fail(sky->w, __FILE__, __LINE__, "no memory");
    }
}

void tc_sky_set(tc_sky *sky) {
    for (unsigned s = 0; s < 2 && !sky->bare; s++) {
        if (sky->by_network) {
            set_network(sky, s);
            w4_transport_fault_set(sky->sides[s], &calm, sky->end_ppm);
            continue;
        }
        w4_memory_conditions c = sky->conditions;
        c.cut = sky->cut[s];
        w4_transport_fault_set(sky->sides[s], &c, sky->end_ppm);
    }
}

void tc_sky_clear(tc_sky *sky) {
    sky->conditions = calm;
    sky->cut[0] = sky->cut[1] = false;
    sky->end_ppm = 0;
    tc_sky_set(sky);
}

bool tc_sky_end_links(tc_sky *sky) {
    if (sky->by_network) {
        w4_memory_network_reset(sky->w->loop, sky->names[0], sky->names[1]);
        return true;
    }
    for (unsigned s = 0; s < 2 && !sky->bare; s++) {
        w4_transport_fault_end(sky->sides[s]);
    }
    return !sky->bare;
}

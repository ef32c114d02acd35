/* What goes wrong between the two sides, drawn from the seed within the bounds of a weather. */
#pragma once

#include "web4-transport-check/check.h"

/* The worst of it; each seed draws its share. Times are those of virtual time. */
struct tc_weather {
    uint64_t latency_us;
    uint64_t jitter_us;
    uint64_t bytes_per_s; /* the least; 0: unlimited */
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm;
    bool partitions; /* full ones, that heal */
    bool one_way;    /* partitions of one direction */
    bool ends;       /* links end abruptly */
    bool restarts;   /* processes end and start again: sessions only */
    bool holds;      /* what is received is not on disk yet: sessions only */
    bool roads;      /* links by two transports in turn: sessions only */
    bool bare;       /* no decorator: the backend as it is */
};

/* The faults between the two sides of one pair of transports. */
typedef struct tc_sky {
    tc_world *w;
    w4_transport *sides[2]; /* decorated, unless bare */
    char names[2][W4_ADDRESS_MAX + 1];
    bool bare;
    bool by_network; /* the memory network has the faults, not the decorator */
    w4_memory_conditions conditions;
    bool cut[2]; /* what this side sends does not arrive */
    uint32_t end_ppm;
} tc_sky;

w4_memory_conditions tc_weather_draw(tc_world *w, const tc_weather *weather);
/* Puts the decorator around both transports, where the weather wants it. bound: what they listen
 * on. False: no memory; then the sides are as they were. */
bool tc_sky_init(tc_sky *sky, tc_world *w, const tc_weather *weather, w4_transport **sides[2],
                 const char *bound[2]);
void tc_sky_set(tc_sky *sky); /* conditions, cut and end_ppm become true */
void tc_sky_clear(tc_sky *sky);
/* Ends the links of both sides abruptly, if there is a way to; else false. */
bool tc_sky_end_links(tc_sky *sky);

/* What a session that says nothing keeps resident, and what it costs to accept one. */
#include "floor.h"
#include "rows.h"
#include "station.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Quick enough not to wait for long, slow enough to leave time for all else. */
#define HEARTBEAT_US(SESSIONS) (250 * W4_US_PER_MS + (SESSIONS)*UINT64_C(200))
#define DIALS_AT_ONCE 16u
#define SETTLED_US (4 * W4_US_PER_S) /* of a node that tells all of all, once a second */
#define BUSY_MESSAGES 32u            /* each way, on each of two channels */

typedef struct crowd {
    bench_line **lines;
    size_t count, dialled;
    size_t at_once;
    w4_identity **identities;
    char address[W4_ADDRESS_MAX + 1];
    uint64_t messages; /* that came */
} crowd;

static void dial_more(bench_station *station, uint64_t now_us) {
    (void)now_us;
    crowd *c = station->context;
    while (c->dialled < c->count && c->dialled - station->open_count < c->at_once) {
        const w4_identity *identity = c->identities ? c->identities[c->dialled] : NULL;
        c->lines[c->dialled++] = bench_station_dial(station, c->address, identity);
    }
}

static void crowd_init(crowd *c, bench_station *station, const char *address, size_t count) {
    *c = (crowd){
        .count = count, .lines = calloc(count, sizeof(bench_line *)), .at_once = DIALS_AT_ONCE};
    BENCH_CHECK(c->lines);
    memcpy(c->address, address, sizeof c->address);
    station->context = c;
    station->on_turn = dial_more;
}

static void crowd_deinit(crowd *c) {
    for (size_t i = 0; c->identities && i < c->count; i++) {
        w4_identity_free(c->identities[i]);
    }
    free(c->identities);
    free(c->lines);
}

static void crowd_open(crowd *c, bench_station *station) {
    bench_station_wake(station);
    while (station->open_count < c->count) {
        bench_station_turn(station);
    }
    station->on_turn = NULL;
}

/* After two intervals an idle session has given back what it does not need; what the last ones that
 * came led to, among all others, is over some seconds later. */
static void crowd_rest(bench_station *station, uint64_t at_least_us) {
    uint64_t wait_us = station->config.heartbeat_us * 5 / 2;
    uint64_t until_us =
        w4_later(bench_station_now(station), wait_us > at_least_us ? wait_us : at_least_us);
    while (bench_station_now(station) < until_us) {
        bench_station_turn(station); /* heartbeats end the waiting */
    }
}

/* ---- messages in both directions, on two channels */

static void send_some(bench_line *line, uint64_t now_us) {
    static const uint8_t message[1024];
    static const w4_channel_kind channels[] = {W4_CHANNEL_STATE, W4_CHANNEL_KNOWLEDGE};
    for (unsigned i = 0; i < 2 * BUSY_MESSAGES; i++) {
        BENCH_CHECK(w4_session_send(line->session, channels[i % 2],
                                    w4_bytes_of(message, sizeof message), i, now_us) == 0);
    }
    bench_station_activate(line);
}

static void take_message(bench_line *line, w4_bytes message, uint64_t now_us) {
    (void)message;
    (void)now_us;
    ((crowd *)line->station->context)->messages++;
}

/* The accepting end answers each session's first message with its own. */
static void answer_some(bench_line *line, w4_bytes message, uint64_t now_us) {
    crowd *c = line->station->context;
    (void)message;
    if (c->messages++ % (2 * BUSY_MESSAGES) == 0) {
        send_some(line, now_us);
    }
}

static void crowd_be_busy(crowd *c, bench_station *station) {
    station->on_message = take_message;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t until = (i + 1) * 2 * BUSY_MESSAGES;
        send_some(c->lines[i], bench_station_now(station));
        bench_station_wake(station);
        while (c->messages < until) {
            bench_station_turn(station);
        }
    }
}

/* ---- the accepting end, in the parent; the child dials */

typedef struct told {
    bench_station *station;
    w4_loop_watch *watch;
    bool come;
} told;

static void on_told(void *context, w4_loop_ready ready) {
    (void)ready;
    ((told *)context)->come = true;
}

/* Turns until the other process has said something. */
static void serve_until_told(bench_station *station, const bench_pair *pair) {
    told t = {.station = station};
    uint8_t word;
    BENCH_CHECK(w4_loop_watch_new(station->loop, "told", pair->from_child, on_told, &t, &t.watch) ==
                0);
    BENCH_CHECK(w4_loop_watch_set(t.watch, true, false) == 0);
    while (!t.come) {
        bench_station_turn(station);
    }
    w4_loop_watch_free(t.watch);
    bench_pair_hear(pair, &word, sizeof word);
}

static void idle_child(const bench_pair *pair, const bench_options *options, bool busy) {
    bench_station station;
    crowd c;
    char address[W4_ADDRESS_MAX + 1];
    bench_station_init(&station, options->transport, NULL);
    station.config.heartbeat_us = HEARTBEAT_US(options->count);
    bench_pair_hear(pair, address, sizeof address);
    crowd_init(&c, &station, address, options->count);
    crowd_open(&c, &station);
    if (busy) {
        crowd_be_busy(&c, &station);
    }
    crowd_rest(&station, SETTLED_US);
    bench_pair_tell(pair, "", 1);
    uint8_t word;
    bench_pair_hear(pair, &word, sizeof word);
    bench_pair_exit();
}

/* As web4d does within two seconds after a burst (daemon/web4d/rest.c). */
static void give_back(bench_station *station) {
    w4_buffer_deinit(&station->frame);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

static void idle(const bench_options *options, bool busy) {
    bench_pair pair;
    bench_pair_fork(&pair);
    if (pair.child == 0) {
        idle_child(&pair, options, busy);
    }
    bench_station station;
    crowd c = {0};
    char address[W4_ADDRESS_MAX + 1];
    bench_address(options->transport, address);
    bench_station_init(&station, options->transport, NULL);
    station.config.heartbeat_us = HEARTBEAT_US(options->count);
    station.context = &c;
    station.on_message = answer_some;
    bench_station_listen(&station, address);
    size_t before = bench_resident(0);
    bench_pair_tell(&pair, station.address, sizeof station.address);
    serve_until_told(&station, &pair);
    give_back(&station);
    size_t after = bench_resident(0);
    BENCH_CHECK(station.open_count == options->count);
    BENCH_CHECK(!busy || c.messages == options->count * 2 * BUSY_MESSAGES);
    bench_number("bytes_per_session", ((double)after - (double)before) / (double)options->count);
    bench_pair_tell(&pair, "", 1);
    bench_pair_join(&pair);
    bench_station_deinit(&station);
}

void bench_idle(const bench_options *options) {
    idle(options, false);
}

/* The same against a whole daemon, whose pid and address are given: what it keeps for each of so
 * many nodes, all that is not the session included. */
void bench_crowd(const bench_options *options) {
    bench_station station;
    crowd c;
    char address[W4_ADDRESS_MAX + 1] = "";
    if (!options->target || options->pid <= 0 || strlen(options->target) >= sizeof address) {
        bench_fail("--target ADDRESS --pid PID: of a daemon");
    }
    memcpy(address, options->target, strlen(options->target) + 1);
    bench_station_init(&station, options->transport, NULL);
    station.config.heartbeat_us = HEARTBEAT_US(options->count);
    size_t before = bench_resident(options->pid);
    crowd_init(&c, &station, address, options->count);
    c.identities = calloc(options->count, sizeof(w4_identity *));
    BENCH_CHECK(c.identities);
    for (size_t i = 0; i < options->count; i++) {
        c.identities[i] = bench_identity();
    }
    crowd_open(&c, &station);
    crowd_rest(&station, SETTLED_US);
    size_t after = bench_resident(options->pid);
    bench_number("bytes_per_session", ((double)after - (double)before) / (double)options->count);
    bench_station_deinit(&station);
    crowd_deinit(&c);
}

void bench_idle_after_busy(const bench_options *options) {
    idle(options, true);
}

/* ---- handshakes */

static void handshake_child(const bench_pair *pair, const bench_options *options) {
    bench_station station;
    crowd c;
    char address[W4_ADDRESS_MAX + 1];
    bench_station_init(&station, options->transport, NULL);
    bench_pair_hear(pair, address, sizeof address);
    crowd_init(&c, &station, address, options->count);
    uint64_t wall_ns = bench_wall_ns();
    crowd_open(&c, &station);
    wall_ns = bench_wall_ns() - wall_ns;
    bench_pair_tell(pair, "", 1);
    bench_pair_tell(pair, &wall_ns, sizeof wall_ns);
    uint8_t word;
    bench_pair_hear(pair, &word, sizeof word);
    bench_pair_exit();
}

void bench_handshake(const bench_options *options) {
    bench_pair pair;
    bench_pair_fork(&pair);
    if (pair.child == 0) {
        handshake_child(&pair, options);
    }
    bench_station station;
    char address[W4_ADDRESS_MAX + 1];
    bench_address(options->transport, address);
    bench_station_init(&station, options->transport, NULL);
    bench_station_listen(&station, address);
    bench_pair_tell(&pair, station.address, sizeof station.address);
    uint64_t cpu_ns = bench_cpu_ns();
    serve_until_told(&station, &pair);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    uint64_t wall_ns;
    bench_pair_hear(&pair, &wall_ns, sizeof wall_ns);
    bench_pair_tell(&pair, "", 1);
    bench_pair_join(&pair);
    bench_number("handshakes_per_s", (double)options->count * 1e9 / (double)wall_ns);
    bench_number("accept_cpu_us", (double)cpu_ns / 1e3 / (double)options->count);
    bench_station_deinit(&station);
}

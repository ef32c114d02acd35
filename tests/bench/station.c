#include "station.h"

#include "io/tcp.h"
#include "io/unix.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

w4_identity *bench_identity(void) {
    uint8_t seed[W4_SEED_LEN];
    w4_identity *identity;
    bench_random(NULL, seed, sizeof seed);
    BENCH_CHECK(w4_identity_from_seed(seed, &identity) == 0);
    return identity;
}

void bench_address(const char *transport, char ret_address[static W4_ADDRESS_MAX + 1]) {
    static unsigned number;
    if (strcmp(transport, "tcp") == 0) {
        (void)snprintf(ret_address, W4_ADDRESS_MAX + 1, "tcp:127.0.0.1:0");
    } else if (strcmp(transport, "unix") == 0) {
        const char *folder = getenv("TMPDIR");
        (void)snprintf(ret_address, W4_ADDRESS_MAX + 1, "unix:%.60s/w4bench-%ld-%u",
                       folder && folder[0] == '/' ? folder : "/tmp", (long)getpid(), number++);
    } else {
        (void)snprintf(ret_address, W4_ADDRESS_MAX + 1, "memory:end%u", number++);
    }
}

const w4_transport_backend *bench_backend(const char *transport) {
    static const w4_transport_backend *const backends[] = {&w4_transport_tcp, &w4_transport_unix,
                                                           &w4_transport_memory};
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strcmp(backends[i]->name, transport) == 0) {
            return backends[i];
        }
    }
    bench_fail("no transport %s", transport);
}

/* ---- moving frames, in the order of lib/node */

void bench_station_activate(bench_line *line) {
    if (!line->active) {
        TAILQ_INSERT_TAIL(&line->station->active, line, next);
        line->active = true;
    }
}

static void drain_session(bench_line *line, uint64_t now_us) {
    bench_station *station = line->station;
    w4_session_event event;
    while (w4_session_pop_event(line->session, &event)) {
        switch (event.kind) {
        case W4_SESSION_EVENT_OPEN:
            line->open = true;
            station->open_count++;
            break;
        case W4_SESSION_EVENT_MESSAGE:
            if (station->on_message) {
                station->on_message(line, event.message, now_us);
            }
            w4_session_consumed(line->session, event.channel, 1);
            break;
        case W4_SESSION_EVENT_DELIVERED:
            if (station->on_delivered) {
                station->on_delivered(line, now_us);
            }
            break;
        case W4_SESSION_EVENT_CLOSED:
        case W4_SESSION_EVENT_LINK_LOST:
        case W4_SESSION_EVENT_FAILED:
        case W4_SESSION_EVENT_HEARTBEAT_TIMEOUT:
            bench_fail("a session failed: %s %s", w4_refusal_name(event.code), event.text);
        case W4_SESSION_EVENT_ADMITTED:
        case W4_SESSION_EVENT_WRITABLE:
        case W4_SESSION_EVENT_REKEYED:
        case W4_SESSION_EVENT_CHANNEL_OPEN:
        case W4_SESSION_EVENT_CHANNEL_CLOSED:
        case W4_SESSION_EVENT_CONTRACT:
        case W4_SESSION_EVENT_KIND_COUNT:
            break;
        }
    }
}

static void advance_handshake(bench_line *line, uint64_t now_us) {
    bench_station *station = line->station;
    w4_buffer_clear(&station->frame);
    while (w4_handshake_emit(line->handshake, &station->frame, now_us) == 1) {
        BENCH_CHECK(w4_link_send(line->link, w4_buffer_bytes(&station->frame), now_us) == 0);
        w4_buffer_clear(&station->frame);
    }
    BENCH_CHECK(w4_handshake_failure(line->handshake) == W4_REFUSAL_NONE);
    if (!w4_handshake_done(line->handshake)) {
        return;
    }
    w4_handshake_result result;
    BENCH_CHECK(w4_handshake_take(line->handshake, &result) == 0);
    line->handshake = w4_handshake_free(line->handshake);
    BENCH_CHECK(w4_session_new(&station->env, &station->config, now_us, &line->session) == 0);
    BENCH_CHECK(w4_session_attach(line->session, &result, station->transport->backend->ordered,
                                  now_us) == 0);
    bench_station_activate(line);
    drain_session(line, now_us);
}

static bench_line *line_new(bench_station *station, w4_link *link, const w4_identity *identity,
                            bool dialled, uint64_t now_us) {
    bench_line *line = calloc(1, sizeof *line);
    BENCH_CHECK(line);
    TAILQ_INSERT_TAIL(&station->lines, line, of_station);
    line->station = station;
    line->link = link;
    line->identity = identity ? identity : station->identity;
    line->pending = W4_BUFFER_INIT(W4_FRAME_MAX);
    link->owner = line;
    w4_handshake_config config = {
        .identity = line->identity,
        .static_secret = station->static_secret,
        .static_public = station->static_public,
        .node = "bench",
        .heartbeat_ms = (uint32_t)(station->config.heartbeat_us / W4_US_PER_MS),
        .timeout_ms = (uint32_t)(station->config.timeout_us / W4_US_PER_MS),
        .max_message = station->config.max_message,
        .lossy_link = !station->transport->backend->ordered,
    };
    BENCH_CHECK(w4_handshake_new(&station->env, &config, dialled, now_us, &line->handshake) == 0);
    return line;
}

static void on_event(bench_station *station, const w4_transport_event *event, uint64_t now_us) {
    bench_line *line = event->link->owner;
    switch (event->kind) {
    case W4_TRANSPORT_EVENT_ACCEPTED:
        line = line_new(station, event->link, NULL, false, now_us);
        line->up = true;
        break;
    case W4_TRANSPORT_EVENT_UP:
        line->up = true;
        advance_handshake(line, now_us);
        break;
    case W4_TRANSPORT_EVENT_FRAME:
        if (line->handshake) {
            BENCH_CHECK(w4_handshake_recv(line->handshake, event->frame, now_us) == 0);
            advance_handshake(line, now_us);
        } else {
            w4_session_hold_acks(line->session, true);
            BENCH_CHECK(w4_session_recv(line->session, event->frame, now_us) == 0);
            bench_station_activate(line);
            drain_session(line, now_us);
        }
        break;
    case W4_TRANSPORT_EVENT_WRITABLE:
        bench_station_activate(line);
        break;
    case W4_TRANSPORT_EVENT_GONE:
    case W4_TRANSPORT_EVENT_KIND_COUNT:
        bench_fail("a link ended: %s", event->reason);
    }
}

static void emit(bench_line *line, uint64_t now_us) {
    bench_station *station = line->station;
    for (;;) {
        if (line->pending.len > 0) {
            if (w4_link_send(line->link, w4_buffer_bytes(&line->pending), now_us) ==
                W4_TRANSPORT_E_FULL) {
                return;
            }
            w4_buffer_clear(&line->pending);
        }
        w4_buffer_clear(&station->frame);
        int r = w4_session_emit(line->session, &station->frame, now_us);
        BENCH_CHECK(r >= 0);
        if (r == 0) {
            return;
        }
        r = w4_link_send(line->link, w4_buffer_bytes(&station->frame), now_us);
        if (r == W4_TRANSPORT_E_FULL) {
            BENCH_CHECK(w4_buffer_append(&line->pending, w4_buffer_bytes(&station->frame)) == 0);
        } else {
            BENCH_CHECK(r == 0);
        }
    }
}

static void set_timer(bench_line *line) {
    BENCH_CHECK(w4_timers_set(&line->station->timers, &line->timer,
                              w4_session_deadline(line->session)) == 0);
}

static void expire(bench_station *station, uint64_t now_us) {
    w4_timer *timer;
    while ((timer = w4_timers_pop(&station->timers, now_us))) {
        bench_line *line = (bench_line *)((char *)timer - offsetof(bench_line, timer));
        BENCH_CHECK(w4_session_expire(line->session, now_us) == 0);
        bench_station_activate(line);
        drain_session(line, now_us);
    }
}

static void process(bench_station *station, uint64_t now_us) {
    w4_transport_event event;
    w4_transport_expire(station->transport, now_us);
    while (w4_transport_pop(station->transport, now_us, &event)) {
        on_event(station, &event, now_us);
    }
    expire(station, now_us);
    if (station->on_turn) {
        station->on_turn(station, now_us);
    }
    bench_line *line;
    while ((line = TAILQ_FIRST(&station->active))) {
        TAILQ_REMOVE(&station->active, line, next);
        line->active = false;
        if (line->session) {
            w4_session_hold_acks(line->session, false);
            emit(line, now_us);
            drain_session(line, now_us);
            set_timer(line);
        }
    }
}

/* ---- life */

static void run_turn(void *context) {
    bench_station *station = context;
    process(station, w4_loop_now_us(station->loop));
    w4_loop_timer_set(station->timer, w4_timers_next(&station->timers));
}

static void wake(void *context) {
    bench_station *station = context;
    if (station->loop) {
        w4_loop_defer(station->loop, &station->turn);
    }
}

void bench_station_wake(bench_station *station) {
    wake(station);
}

static void open_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

w4_session_config bench_session_config(void) {
    w4_session_config config = W4_SESSION_CONFIG_DEFAULT;
    for (unsigned k = 0; k < W4_CHANNEL_KIND_COUNT; k++) {
        config.channels[k].credit = 1024;
    }
    return config;
}

void bench_station_init(bench_station *station, const char *transport, w4_memory_network *network) {
    memset(station, 0, sizeof *station);
    BENCH_CHECK(w4_crypto_init() == 0);
    open_descriptors();
    station->env = (w4_env){.context = station, .random = bench_random};
    station->network = network;
    station->identity = bench_identity();
    bench_random(NULL, station->static_secret, sizeof station->static_secret);
    w4_dh_public(station->static_secret, station->static_public);
    station->config = bench_session_config();
    station->frame = W4_BUFFER_INIT(W4_FRAME_MAX);
    TAILQ_INIT(&station->active);
    TAILQ_INIT(&station->lines);
    w4_transport_host host = {.env = &station->env, .wake = wake, .wake_context = station};
    if (network) {
        host.loop = network;
    } else {
        BENCH_CHECK(w4_loop_new(&station->env, &station->loop) == 0);
        w4_loop_task_init(&station->turn, W4_LOOP_COMMIT, run_turn, station);
        BENCH_CHECK(w4_loop_timer_new(station->loop, "bench", wake, station, &station->timer) == 0);
        host.loop = station->loop;
    }
    BENCH_CHECK(w4_transport_open(bench_backend(transport), &host, &station->transport) == 0);
}

void bench_station_deinit(bench_station *station) {
    bench_line *line;
    while ((line = TAILQ_FIRST(&station->lines))) {
        TAILQ_REMOVE(&station->lines, line, of_station);
        w4_timers_remove(&station->timers, &line->timer);
        w4_handshake_free(line->handshake);
        w4_session_free(line->session);
        w4_buffer_deinit(&line->pending);
        free(line);
    }
    station->transport = w4_transport_free(station->transport);
    if (station->loop) {
        w4_loop_cancel(station->loop, &station->turn);
        station->timer = w4_loop_timer_free(station->timer);
        station->loop = w4_loop_free(station->loop);
    }
    w4_buffer_deinit(&station->frame);
    w4_timers_deinit(&station->timers);
    station->identity = w4_identity_free(station->identity);
}

void bench_station_listen(bench_station *station, const char *address) {
    int error = 0;
    if (w4_transport_listen(station->transport, address, station->address, &error) != 0) {
        bench_fail("cannot listen on %s: %s", address, strerror(error));
    }
}

bench_line *bench_station_dial(bench_station *station, const char *address,
                               const w4_identity *identity) {
    w4_link *link;
    int error = 0;
    uint64_t now_us = bench_station_now(station);
    if (w4_transport_dial(station->transport, address, now_us, &link, &error) != 0) {
        bench_fail("cannot dial %s: %s", address, strerror(error));
    }
    return line_new(station, link, identity, true, now_us);
}

uint64_t bench_station_now(bench_station *station) {
    return station->loop ? w4_loop_now_us(station->loop) : bench_wall_ns() / 1000;
}

void bench_station_turn(bench_station *station) {
    if (station->loop) {
        BENCH_CHECK(w4_loop_turn(station->loop, W4_NEVER) == 0);
    } else {
        process(station, bench_station_now(station));
    }
}

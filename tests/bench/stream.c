/* Sessions under load and at rest: throughput and round trips beside their floors. */
#include "floor.h"
#include "rows.h"
#include "station.h"

#include <stdlib.h>
#include <string.h>

#define CHANNEL W4_CHANNEL_STATE

/* ---- throughput */

typedef struct flood {
    bench_line *line;
    uint8_t *message;
    size_t size;
    uint64_t left, delivered;
} flood;

static void count_delivered(bench_line *line, uint64_t now_us) {
    (void)now_us;
    ((flood *)line->station->context)->delivered++;
}

/* As many as the queue takes. */
static void send_more(bench_station *station, uint64_t now_us) {
    flood *f = station->context;
    while (f->left > 0) {
        memcpy(f->message, &f->left, sizeof f->left);
        w4_bytes message = w4_bytes_of(f->message, f->size);
        int r = w4_session_send(f->line->session, CHANNEL, message, f->left, now_us);
        if (r == W4_SESSION_E_FULL) {
            break;
        }
        BENCH_CHECK(r == 0);
        f->left--;
        bench_station_activate(f->line);
    }
}

static void flood_init(flood *f, bench_station *station, bench_line *line, size_t size) {
    *f = (flood){.line = line, .size = size, .message = calloc(1, size)};
    BENCH_CHECK(f->message && size >= sizeof f->left);
    station->context = f;
    station->on_delivered = count_delivered;
    station->on_turn = send_more;
}

/* other: the end that the memory transport has in the same process, or NULL. */
static void flood_run(flood *f, bench_station *other, uint64_t count) {
    bench_station *station = f->line->station;
    uint64_t until = f->delivered + count;
    f->left = count;
    bench_station_wake(station);
    while (f->delivered < until) {
        bench_station_turn(station);
        if (other) {
            bench_station_turn(other);
        }
    }
}

typedef struct sink {
    uint64_t messages;
} sink;

static void count_message(bench_line *line, w4_bytes message, uint64_t now_us) {
    (void)now_us;
    BENCH_CHECK(message.len >= sizeof(uint64_t));
    ((sink *)line->station->context)->messages++;
}

static void report(uint64_t count, uint64_t wall_ns, uint64_t cpu_ns) {
    bench_number("messages_per_s", (double)count * 1e9 / (double)wall_ns);
    bench_number("cpu_us", (double)cpu_ns / 1e3 / (double)count);
}

static void session_over_memory(const bench_options *options) {
    w4_memory_network *network;
    BENCH_CHECK(w4_memory_network_new(1, &network) == 0);
    bench_station here, there;
    char address[W4_ADDRESS_MAX + 1];
    bench_address("memory", address);
    bench_station_init(&here, "memory", network);
    bench_station_init(&there, "memory", network);
    sink s = {0};
    there.context = &s;
    there.on_message = count_message;
    bench_station_listen(&there, address);
    bench_line *line = bench_station_dial(&here, address, NULL);
    while (!line->open || there.open_count == 0) {
        bench_station_turn(&here);
        bench_station_turn(&there);
    }
    flood f;
    flood_init(&f, &here, line, options->size);
    flood_run(&f, &there, options->count / 10);
    uint64_t wall_ns = bench_wall_ns();
    uint64_t cpu_ns = bench_cpu_ns();
    flood_run(&f, &there, options->count);
    report(options->count, bench_wall_ns() - wall_ns, bench_cpu_ns() - cpu_ns);
    BENCH_CHECK(s.messages == options->count + options->count / 10);
    free(f.message);
    bench_station_deinit(&here);
    bench_station_deinit(&there);
    w4_memory_network_free(network);
}

/* The child listens, and is told to stop by the end of the pipe's silence. */
typedef struct listening {
    bench_pair pair;
    bench_station station;
    w4_loop_watch *watch;
    bool stop;
} listening;

static void on_told(void *context, w4_loop_ready ready) {
    (void)ready;
    ((listening *)context)->stop = true;
}

static void serve(listening *l, uint64_t *ret_cpu_ns, const uint64_t *count_from, uint64_t from) {
    bench_pair_tell(&l->pair, l->station.address, sizeof l->station.address);
    BENCH_CHECK(w4_loop_watch_new(l->station.loop, "told", l->pair.from_parent, on_told, l,
                                  &l->watch) == 0);
    BENCH_CHECK(w4_loop_watch_set(l->watch, true, false) == 0);
    uint64_t cpu_ns = bench_cpu_ns();
    bool warm = false;
    while (!l->stop) {
        bench_station_turn(&l->station);
        if (!warm && *count_from >= from) {
            warm = true;
            cpu_ns = bench_cpu_ns();
        }
    }
    *ret_cpu_ns = bench_cpu_ns() - cpu_ns;
    w4_loop_watch_free(l->watch);
}

static void session_over_sockets(const bench_options *options) {
    listening l = {0};
    bench_pair_fork(&l.pair);
    uint64_t before = options->count / 10;
    if (l.pair.child == 0) {
        sink s = {0};
        uint64_t cpu_ns;
        char address[W4_ADDRESS_MAX + 1];
        bench_address(options->transport, address);
        bench_station_init(&l.station, options->transport, NULL);
        l.station.context = &s;
        l.station.on_message = count_message;
        bench_station_listen(&l.station, address);
        serve(&l, &cpu_ns, &s.messages, before);
        BENCH_CHECK(s.messages == before + options->count);
        bench_pair_tell(&l.pair, &cpu_ns, sizeof cpu_ns);
        bench_station_deinit(&l.station);
        bench_pair_exit();
    }
    char address[W4_ADDRESS_MAX + 1];
    bench_station_init(&l.station, options->transport, NULL);
    bench_pair_hear(&l.pair, address, sizeof address);
    bench_line *line = bench_station_dial(&l.station, address, NULL);
    while (!line->open) {
        bench_station_turn(&l.station);
    }
    flood f;
    flood_init(&f, &l.station, line, options->size);
    flood_run(&f, NULL, before);
    uint64_t wall_ns = bench_wall_ns();
    uint64_t cpu_ns = bench_cpu_ns();
    flood_run(&f, NULL, options->count);
    cpu_ns = bench_cpu_ns() - cpu_ns;
    wall_ns = bench_wall_ns() - wall_ns;
    uint64_t other_ns;
    bench_pair_tell(&l.pair, "", 1);
    bench_pair_hear(&l.pair, &other_ns, sizeof other_ns);
    bench_pair_join(&l.pair);
    report(options->count, wall_ns, cpu_ns + other_ns);
    free(f.message);
    bench_station_deinit(&l.station);
}

void bench_stream_session(const bench_options *options) {
    if (strcmp(options->transport, "memory") == 0) {
        session_over_memory(options);
    } else {
        session_over_sockets(options);
    }
}

void bench_stream_floor(const bench_options *options) {
    floor_flow flow;
    if (strcmp(options->transport, "memory") == 0) {
        floor_memory(options->size, options->count, &flow);
    } else {
        floor_stream(options->transport, options->size, options->count, false, &flow);
    }
    bench_number("messages_per_s", flow.per_s);
    bench_number("cpu_us", flow.cpu_us);
}

/* ---- round trips */

typedef struct pinger {
    bench_line *line;
    uint8_t *message;
    size_t size;
    uint64_t sent_ns, left;
    bench_samples samples;
    size_t skip;
} pinger;

static void ping(pinger *p, uint64_t now_us) {
    p->sent_ns = bench_wall_ns();
    BENCH_CHECK(w4_session_send(p->line->session, CHANNEL, w4_bytes_of(p->message, p->size), 1,
                                now_us) == 0);
    bench_station_activate(p->line);
}

static void on_pong(bench_line *line, w4_bytes message, uint64_t now_us) {
    pinger *p = line->station->context;
    BENCH_CHECK(message.len == p->size);
    if (p->skip > 0) {
        p->skip--;
    } else {
        bench_samples_add(&p->samples, bench_wall_ns() - p->sent_ns);
    }
    if (--p->left > 0) {
        ping(p, now_us);
    }
}

static void answer(bench_line *line, w4_bytes message, uint64_t now_us) {
    ++*(uint64_t *)line->station->context;
    BENCH_CHECK(w4_session_send(line->session, CHANNEL, message, 1, now_us) == 0);
}

static void report_percentiles(bench_samples *samples) {
    bench_number("p50_us", (double)bench_samples_at(samples, 500) / 1e3);
    bench_number("p99_us", (double)bench_samples_at(samples, 990) / 1e3);
    bench_number("p999_us", (double)bench_samples_at(samples, 999) / 1e3);
}

void bench_ping_session(const bench_options *options) {
    listening l = {0};
    bench_pair_fork(&l.pair);
    if (l.pair.child == 0) {
        uint64_t answered = 0, cpu_ns;
        char address[W4_ADDRESS_MAX + 1];
        bench_address(options->transport, address);
        bench_station_init(&l.station, options->transport, NULL);
        l.station.context = &answered;
        l.station.on_message = answer;
        bench_station_listen(&l.station, address);
        serve(&l, &cpu_ns, &answered, 0);
        bench_station_deinit(&l.station);
        bench_pair_exit();
    }
    pinger p = {
        .size = options->size, .message = calloc(1, options->size), .skip = options->count / 10};
    p.left = p.skip + options->count;
    bench_samples_init(&p.samples, options->count);
    BENCH_CHECK(p.message);
    char address[W4_ADDRESS_MAX + 1];
    bench_station_init(&l.station, options->transport, NULL);
    bench_pair_hear(&l.pair, address, sizeof address);
    p.line = bench_station_dial(&l.station, address, NULL);
    while (!p.line->open) {
        bench_station_turn(&l.station);
    }
    l.station.context = &p;
    l.station.on_message = on_pong;
    ping(&p, bench_station_now(&l.station));
    bench_station_wake(&l.station);
    while (p.left > 0) {
        bench_station_turn(&l.station);
    }
    bench_pair_tell(&l.pair, "", 1);
    bench_pair_join(&l.pair);
    report_percentiles(&p.samples);
    bench_samples_deinit(&p.samples);
    free(p.message);
    bench_station_deinit(&l.station);
}

void bench_ping_floor(const bench_options *options) {
    bench_samples samples;
    bench_samples_init(&samples, options->count);
    floor_ping(options->transport, options->size, options->count, &samples);
    report_percentiles(&samples);
    bench_samples_deinit(&samples);
}

/* One measurement: `bench NAME [--transport T] [--size N] [--count N] ...` prints its numbers as
 * one JSON object. scripts/bench runs them, interleaved and several times, and judges. */
#include "rows.h"

#include <getopt.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const bench_row rows[] = {
    {"stream-session", bench_stream_session, "messages a second over one session"},
    {"stream-floor",   bench_stream_floor,   "the same by seal, stream, open, and nothing else"},
    {"ping-session",   bench_ping_session,   "round trips over one session"},
    {"ping-floor",     bench_ping_floor,     "round trips over a bare socket"},
    {"idle",           bench_idle,           "bytes resident of a session at rest"},
    {"idle-busy",      bench_idle_after_busy, "the same after messages on two channels"},
    {"crowd",          bench_crowd,          "bytes resident a session of a daemon (--target, --pid)"},
    {"handshake",      bench_handshake,      "handshakes a second, CPU of the accepting side"},
    {"handshake-floor", bench_handshake_floor, "the bare operations of it"},
    {"hop",            bench_hop,            "signed envelopes a second from node to node"},
    {"hop-floor",      bench_hop_floor,      "the same by sign, seal, stream, open, verify"},
    {"pipeline",       bench_pipeline,       "envelopes read and verified, and bare verifications"},
    {"queue",          bench_queue,          "messages through a channel's queues, without a seal"},
    {"dispatch",       bench_dispatch,       "from the name of a type to its rule and to an event"},
    {"route",          bench_route,          "the node of an agent, among 1,000"},
    {"start",          bench_start,          "the service: until it accepts, until READY, resident at rest"},
    {"agents-ping",    bench_agents_ping,    "round trips between agents of two nodes (--target A,B)"},
    {"agents-stream",  bench_agents_stream,  "messages a second between agents of two nodes"},
};
/* clang-format on */

static uint64_t number(const char *text) {
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        bench_fail("not a number: %s", text);
    }
    return value;
}

static void parse(int argc, char **argv, bench_options *options) {
    static const struct option longs[] = {
        {"transport", required_argument, NULL, 't'}, {"size", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'c'},     {"target", required_argument, NULL, 'a'},
        {"pid", required_argument, NULL, 'p'},       {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (option == 't') {
            options->transport = optarg;
        } else if (option == 's') {
            options->size = (size_t)number(optarg);
        } else if (option == 'c') {
            options->count = number(optarg);
        } else if (option == 'a') {
            options->target = optarg;
        } else if (option == 'p') {
            options->pid = (pid_t)number(optarg);
        } else {
            bench_fail("see the table in bench.c");
        }
    }
}

/* As web4d has it (daemon/web4d/main.c). */
static void tame_malloc(void) {
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

int main(int argc, char **argv) {
    tame_malloc();
    bench_options options = {.transport = "unix", .size = 1024, .count = 10000};
    parse(argc, argv, &options);
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; optind < argc && i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, argv[optind]) == 0) {
            (void)putchar('{');
            rows[i].run(&options);
            (void)puts("}");
            return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)fprintf(stderr, "%-16s %s\n", rows[i].name, rows[i].help);
    }
    return 2;
}

/* One end of links and sessions, moved as lib/node moves them: all that has come is taken in, then
 * the application has its turn, then each session emits until it has nothing to say, and the loop
 * writes once. Over the memory transport the measurement turns it by hand. */
#pragma once

#include "measure.h"

#include "io/loop.h"
#include "node/timers.h"
#include "session/session.h"
#include "transport/memory.h"

#include <sys/queue.h>

typedef struct bench_station bench_station;

/* A link, its handshake, its session. */
typedef struct bench_line {
    TAILQ_ENTRY(bench_line) next; /* in active */
    TAILQ_ENTRY(bench_line) of_station;
    bench_station *station;
    w4_link *link;
    w4_handshake *handshake;
    w4_session *session;
    const w4_identity *identity;
    w4_buffer pending; /* a frame that the link did not take */
    w4_timer timer;
    bool up, open, active;
} bench_line;

TAILQ_HEAD(bench_lines, bench_line);

struct bench_station {
    w4_env env;
    w4_identity *identity;
    uint8_t static_secret[W4_DH_LEN], static_public[W4_DH_LEN];
    w4_session_config config;
    w4_transport *transport;
    w4_loop *loop; /* NULL: the memory transport */
    w4_memory_network *network;
    w4_loop_task turn;
    w4_loop_timer *timer;
    w4_timers timers;
    w4_buffer frame;
    struct bench_lines active, lines;
    size_t open_count; /* sessions that have said OPEN */
    char address[W4_ADDRESS_MAX + 1];
    /* The application; any may be NULL. */
    void *context;
    void (*on_message)(bench_line *line, w4_bytes message, uint64_t now_us);
    void (*on_delivered)(bench_line *line, uint64_t now_us);
    void (*on_turn)(bench_station *station, uint64_t now_us); /* before anything is emitted */
};

/* transport: "memory" (then network), "unix" or "tcp". */
void bench_station_init(bench_station *station, const char *transport, w4_memory_network *network);
void bench_station_deinit(bench_station *station); /* abrupt */
void bench_station_listen(bench_station *station, const char *address);
/* identity NULL: the station's own. */
bench_line *bench_station_dial(bench_station *station, const char *address,
                               const w4_identity *identity);
void bench_station_activate(bench_line *line); /* it may have something to emit */
/* The application has something to say: the next turn does not wait. */
void bench_station_wake(bench_station *station);
/* One turn; where there is a loop it waits for something to happen. */
void bench_station_turn(bench_station *station);
uint64_t bench_station_now(bench_station *station);
w4_identity *bench_identity(void);            /* a fresh one */
w4_session_config bench_session_config(void); /* with the queues that the daemon has by default */
const w4_transport_backend *bench_backend(const char *transport);
/* A place of its own for this transport to listen at. */
void bench_address(const char *transport, char ret_address[static W4_ADDRESS_MAX + 1]);

/* web4-transport-check: what every transport must do, as rules that any backend can be held to.
 *
 * A rule runs in a world: two transports of the backend, a and b, and the time that they live in.
 * Of the memory backend that is virtual time, so a seed is one run; of all others the daemon's
 * loop. Waiting is always for an event, with a deadline. */
#pragma once

#include "transport/memory.h"

#define TC_WHY_MAX 512
#define TC_FOLDER_MAX 64
#define TC_OPENS_MAX 64u /* transports of one world */
#define TC_WAIT_S 20u    /* for an event that must come, unless --wait says otherwise */

typedef struct tc_world tc_world;
typedef struct tc_rule tc_rule;

/* Where time and host.loop come from. */
typedef struct tc_clock {
    bool is_virtual;
    unsigned haste; /* times of the session rules are divided by it */
    bool (*begin)(tc_world *w);
    void (*end)(tc_world *w);
    uint64_t (*now)(tc_world *w);
    /* Lets the world go on until something may have happened, or until_us. */
    void (*wait)(tc_world *w, uint64_t until_us);
} tc_clock;

extern const tc_clock tc_clock_virtual; /* the memory network */
extern const tc_clock tc_clock_real;    /* the daemon's loop */

/* What is checked. */
typedef struct tc_subject {
    const w4_transport_backend *backend;
    const char *address; /* to listen on: {n} and {folder} as in w4_transport_backend */
    const tc_clock *clock;
    bool faithful;                      /* as set up here frames arrive, once and in order */
    const w4_transport_backend *second; /* a session goes over to it; may be the same */
    const char *second_address;
    uint32_t wait_s;
    /* Instead of opening the backend; for tests. May be NULL. */
    int (*open)(tc_world *w, const w4_transport_host *host, w4_transport **ret_transport);
} tc_subject;

struct tc_world {
    const tc_subject *subject;
    const tc_rule *rule;
    uint64_t seed;
    uint64_t random; /* state of the world's own chance */
    w4_env env;
    uint64_t env_random;
    void *loop;      /* host.loop */
    uint64_t now_us; /* virtual time */
    char folder[TC_FOLDER_MAX];
    unsigned addresses; /* given out so far */
    w4_transport *a;
    w4_transport *b;
    char bound[W4_ADDRESS_MAX + 1]; /* b listens there */
    char near[W4_ADDRESS_MAX + 1];  /* a too, where transports are known by what they listen on */
    unsigned wakes;                 /* of all transports, since somebody looked */
    unsigned woken[TC_OPENS_MAX];   /* of each transport; host.wake_context is its place */
    unsigned opens;
    uint32_t accepts_per_s; /* for transports opened from now on */
    bool failed;
    bool skipped;
    char why[TC_WHY_MAX]; /* what failed, or why it was skipped */
};

typedef enum tc_level { TC_LINKS, TC_FRAMES, TC_SESSIONS, TC_LEVEL_COUNT } tc_level;

typedef struct tc_weather tc_weather;

struct tc_rule {
    const char *name;
    const char *help; /* what must be so */
    void (*run)(tc_world *w);
    const tc_weather *weather; /* seeded: a run for each seed; NULL: one run */
    tc_level level;
    bool own_scene; /* a and b are not wanted */
};

/* All rules in the order they run; *ret_count of them. */
const tc_rule *const *tc_rules(size_t *ret_count);
const tc_rule *tc_rule_find(const char *name);

/* The parts of that, one for each file; a NULL name ends them. */
extern const tc_rule tc_rules_of_links[];
extern const tc_rule tc_rules_of_limits[];
extern const tc_rule tc_rules_of_frames[];
extern const tc_rule tc_rules_of_sessions[];

/* One run in this process. The world is left as it ended: what to say is in it. */
void tc_run(const tc_subject *subject, const tc_rule *rule, uint64_t seed, tc_world *ret_world);

/* ---- For rules */
#define TC_NEED(w, condition, ...) TC_NEED_ELSE(w, condition, return, __VA_ARGS__)
#define TC_NEED_ELSE(w, condition, otherwise, ...)                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            tc_fail((w), __FILE__, __LINE__, __VA_ARGS__);                                         \
            otherwise;                                                                             \
        }                                                                                          \
    } while (0)
/* Where the condition says it all. */
#define TC_EXPECT(w, condition) TC_NEED(w, condition, "%s", #condition)

/* Keeps the first failure. */
void tc_fail(tc_world *w, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void tc_skip(tc_world *w, const char *why);

uint64_t tc_now(tc_world *w);
uint64_t tc_wait_until(tc_world *w); /* now, and as long as an event may take */
uint64_t tc_draw(tc_world *w);       /* from the seed */
uint64_t tc_draw_below(tc_world *w, uint64_t bound);

/* The next address to listen on. False when it does not fit. */
bool tc_address(tc_world *w, const char *form, char ret_text[W4_ADDRESS_MAX + 1]);
/* An address of the backend where nobody listens any more. */
bool tc_nobody(tc_world *w, char ret_text[W4_ADDRESS_MAX + 1]);
w4_transport *tc_open(tc_world *w);
w4_transport *tc_open_backend(tc_world *w, const w4_transport_backend *backend);
bool tc_listen(tc_world *w, w4_transport *t, const char *form, char ret_bound[W4_ADDRESS_MAX + 1]);
w4_link *tc_dial(tc_world *w, w4_transport *t, const char *address);

/* The next event of t, letting the other side have its turns; false after a deadline. Events of
 * the other side stay where they are. */
bool tc_next(tc_world *w, w4_transport *t, w4_transport_event *ret_event);
/* The same for a while only, and silence is no failure. */
bool tc_next_until(tc_world *w, w4_transport *t, uint64_t until_us, w4_transport_event *ret_event);
/* Lets both sides go on until until_us (0: once, without waiting). Events stay. */
void tc_settle(tc_world *w, uint64_t until_us);
void tc_go_on(tc_world *w, uint64_t until_us); /* until something may have happened */
/* The next event must be of this kind; its link, NULL when it is not. */
w4_link *tc_expect(tc_world *w, w4_transport *t, w4_transport_event_kind kind);
/* A link from a to b; both ends up. */
bool tc_connect(tc_world *w, w4_link **ret_near, w4_link **ret_far);
const char *tc_kind_name(w4_transport_event_kind kind);

/* A frame that tells its own length and number (from 4 bytes on), and whether one is such. */
w4_bytes tc_frame(uint32_t number, size_t len);
bool tc_frame_is(w4_bytes frame, uint32_t number, size_t len);
bool tc_frame_whole(w4_bytes frame, uint32_t *ret_number);
int tc_send(tc_world *w, w4_link *link, uint32_t number, size_t len);

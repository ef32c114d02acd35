/* Rules of bounds: what a backend may hold, and that it gives back what it took. */
#include "web4-transport-check/check.h"

#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>

#define TAKEN_BYTES_MAX                                                                            \
    ((size_t)64 << 20) /* for a peer that does not read, the system's included */
#define FRAME_LEN 60000u

/* ---- Full */

/* Sends until the link says FULL. Returns how many frames it took. */
static uint32_t fill(tc_world *w, w4_link *link) {
    uint32_t taken = 0;
    int r;
    while ((r = tc_send(w, link, taken, FRAME_LEN)) == 0) {
        taken++;
        TC_NEED_ELSE(w, (size_t)taken * FRAME_LEN < TAKEN_BYTES_MAX, return taken,
                     "%zu bytes were taken and send still does not say FULL",
                     (size_t)taken * FRAME_LEN);
    }
    TC_NEED_ELSE(w, r == W4_TRANSPORT_E_FULL, return taken, "send says %d", r);
    return taken;
}

static void full_then_writable(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    uint32_t taken = fill(w, near);
    TC_NEED(w, taken >= W4_LINK_QUEUE_BYTES_MAX / FRAME_LEN / 2, "FULL after %u frames of %u bytes",
            taken, FRAME_LEN);
    bool writable = false;
    uint32_t heard = 0;
    uint64_t until_us = tc_wait_until(w);
    uint64_t quiet_us = W4_NEVER;
    while (!w->failed && tc_now(w) < w4_earlier(until_us, quiet_us)) {
        w4_transport_event event;
        if (w4_transport_pop(w->a, tc_now(w), &event)) {
            TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_WRITABLE && event.link == near, "%s came",
                    tc_kind_name(event.kind));
            TC_NEED(w, !writable, "WRITABLE came twice");
            writable = true;
        } else if (w4_transport_pop(w->b, tc_now(w), &event)) {
            heard += event.kind == W4_TRANSPORT_EVENT_FRAME;
        } else if (writable && (heard >= taken || !w->subject->faithful)) {
            quiet_us = quiet_us == W4_NEVER ? w4_later(tc_now(w), 20 * W4_US_PER_MS) : quiet_us;
            tc_go_on(w, quiet_us);
        } else {
            tc_go_on(w, until_us);
        }
    }
    TC_NEED(w, writable, "all was read, and WRITABLE never came");
    TC_NEED(w, heard == taken || !w->subject->faithful, "%u of %u frames arrive", heard, taken);
    TC_NEED(w, tc_send(w, near, 9, 90) == 0, "after WRITABLE a frame is not taken");
}

/* The far end is told nothing of it: its owner does not come to pop. */
static void one_who_does_not_read_is_bounded(tc_world *w) {
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    size_t taken = 0;
    uint64_t until_us = w4_later(tc_now(w), W4_US_PER_S);
    while (!w->failed && tc_now(w) < until_us) {
        taken += fill(w, near);
        TC_NEED(w, taken * FRAME_LEN < TAKEN_BYTES_MAX,
                "%zu bytes were taken for a peer that reads nothing", taken * FRAME_LEN);
        tc_go_on(w, w4_earlier(until_us, w4_later(tc_now(w), 10 * W4_US_PER_MS)));
    }
    /* And who comes late finds everything, or the end. */
    w4_transport_event event;
    size_t heard = 0;
    while (heard < taken && tc_next(w, w->b, &event) && event.kind == W4_TRANSPORT_EVENT_FRAME) {
        heard++;
    }
    TC_NEED(w, heard == taken || event.kind == W4_TRANSPORT_EVENT_GONE || !w->subject->faithful,
            "%zu of %zu frames arrive at one who reads late", heard, taken);
}

/* ---- Many, large, fast */

/* Frames of the greatest size both ways; none may starve the other direction. */
static void largest_frames_both_ways(tc_world *w) {
    enum { COUNT = 400 };
    w4_link *links[2];
    if (!tc_connect(w, &links[0], &links[1])) {
        return;
    }
    w4_transport *const to[2] = {w->b, w->a};
    uint32_t sent[2] = {0, 0};
    uint32_t heard[2] = {0, 0};
    uint64_t until_us = tc_wait_until(w);
    while (!w->failed && tc_now(w) < until_us && (heard[0] < COUNT || heard[1] < COUNT)) {
        uint32_t before = sent[0] + sent[1] + heard[0] + heard[1];
        for (unsigned d = 0; d < 2; d++) {
            while (sent[d] < COUNT && tc_send(w, links[d], sent[d], W4_FRAME_MAX) == 0) {
                sent[d]++;
            }
            w4_transport_event event;
            while (!w->failed && w4_transport_pop(to[d], tc_now(w), &event)) {
                uint32_t number;
                bool frame = event.kind == W4_TRANSPORT_EVENT_FRAME;
                TC_NEED(w, frame || event.kind == W4_TRANSPORT_EVENT_WRITABLE, "%s came",
                        tc_kind_name(event.kind));
                TC_NEED(w, !frame || tc_frame_whole(event.frame, &number),
                        "a frame of %zu bytes arrives changed", event.frame.len);
                heard[d] += frame;
            }
        }
        if (before == sent[0] + sent[1] + heard[0] + heard[1]) {
            if (!w->subject->faithful && sent[0] == COUNT && sent[1] == COUNT) {
                until_us = w4_earlier(until_us, w4_later(tc_now(w), W4_US_PER_S));
            }
            tc_go_on(w, until_us);
        }
    }
    TC_NEED(w, sent[0] == COUNT && sent[1] == COUNT, "%u and %u of %u frames were taken", sent[0],
            sent[1], COUNT);
    TC_NEED(w, !w->subject->faithful || (heard[0] == COUNT && heard[1] == COUNT),
            "%u and %u of %u frames arrive", heard[0], heard[1], COUNT);
}

static void many_links_at_once(tc_world *w) {
    enum { LINKS = 60 };
    w4_link *links[LINKS];
    for (unsigned i = 0; i < LINKS; i++) {
        links[i] = tc_dial(w, w->a, w->bound);
        TC_NEED(w, links[i] && tc_send(w, links[i], i, 500) == 0, "link %u", i);
    }
    unsigned accepted = 0;
    unsigned heard = 0;
    while (accepted < LINKS || (w->subject->faithful && heard < LINKS)) {
        w4_transport_event event;
        TC_NEED(w, tc_next(w, w->b, &event), "%u of %u links are accepted, %u frames arrive",
                accepted, LINKS, heard);
        if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            accepted++;
            continue;
        }
        uint32_t number;
        TC_NEED(w, event.kind == W4_TRANSPORT_EVENT_FRAME, "%s came", tc_kind_name(event.kind));
        TC_NEED(w, tc_frame_whole(event.frame, &number) && number < LINKS,
                "a frame arrives changed");
        heard++;
    }
    for (unsigned i = 0; i < LINKS; i++) {
        if (!tc_expect(w, w->a, W4_TRANSPORT_EVENT_UP)) {
            return;
        }
    }
    for (unsigned i = 0; i < LINKS; i++) {
        w4_link_close(links[i]);
    }
    for (unsigned gone = 0; gone < LINKS;) {
        w4_transport_event event;
        TC_NEED(w, tc_next(w, w->b, &event), "%u of %u ends are told", gone, LINKS);
        gone += event.kind == W4_TRANSPORT_EVENT_GONE;
    }
}

static void sources_are_limited(tc_world *w) {
    enum { RATE = 5, DIALS = 40 };
    w->accepts_per_s = RATE;
    w4_transport_free(w->b);
    w->b = tc_open(w);
    if (!w->b || !tc_listen(w, w->b, w->subject->address, w->bound)) {
        return;
    }
    for (unsigned i = 0; i < DIALS; i++) {
        if (!tc_dial(w, w->a, w->bound)) {
            return;
        }
    }
    unsigned gone = 0;
    uint64_t start_us = tc_now(w);
    w4_transport_event event;
    while (gone < DIALS / 2) {
        TC_NEED(w, tc_next(w, w->a, &event),
                "%u links at once from one source, %u a second are allowed: %u are GONE", DIALS,
                RATE, gone);
        gone += event.kind == W4_TRANSPORT_EVENT_GONE;
    }
    unsigned accepted = 0;
    while (w4_transport_pop(w->b, tc_now(w), &event)) {
        accepted += event.kind == W4_TRANSPORT_EVENT_ACCEPTED;
    }
    uint64_t took_s = (tc_now(w) - start_us) / W4_US_PER_S + 1;
    TC_NEED(w, accepted >= RATE && accepted <= RATE + RATE * took_s,
            "%u links are accepted, %u a second are allowed", accepted, RATE);
    TC_NEED(w, w->b->stats.refused >= DIALS / 2, "stats.refused says %llu of at least %u",
            (unsigned long long)w->b->stats.refused, DIALS / 2);
}

/* ---- Giving back */

/* Of AddressSanitizer, where that is in the program; then malloc's own counters say nothing. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));
extern int __asan_address_is_poisoned(const volatile void *address) __attribute__((weak));

static size_t bytes_held(void) {
    if (__sanitizer_get_current_allocated_bytes) {
        return __sanitizer_get_current_allocated_bytes();
    }
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* The same function of ThreadSanitizer counts what lies ready in the cache of a thread as held. */
static size_t bytes_not_sure(void) {
    bool coarse = __sanitizer_get_current_allocated_bytes && !__asan_address_is_poisoned;
    return coarse ? (size_t)64 * 1024 : 0;
}

/* So many frames to and fro, one after another. */
static void exchange(tc_world *w, w4_link *near, w4_link *far, unsigned count) {
    for (unsigned i = 0; i < count && !w->failed; i++) {
        w4_transport_event event;
        TC_NEED(w, tc_send(w, near, i, 1000) == 0, "a frame is not taken");
        TC_NEED(w, tc_send(w, far, i, 1000) == 0, "a frame is not taken");
        uint64_t until_us = w->subject->faithful ? tc_wait_until(w) : tc_now(w) + W4_US_PER_MS;
        bool came = tc_next_until(w, w->b, until_us, &event);
        bool back = tc_next_until(w, w->a, until_us, &event);
        TC_NEED(w, !w->subject->faithful || (came && back), "a frame is lost");
    }
}

/* Where frames may be late: until none comes any more. */
static void let_it_settle(tc_world *w) {
    w4_transport_event event;
    tc_settle(w, 0);
    while (!w->subject->faithful &&
           (tc_next_until(w, w->b, tc_now(w) + 20 * W4_US_PER_MS, &event) ||
            tc_next_until(w, w->a, tc_now(w) + 20 * W4_US_PER_MS, &event))) {
    }
}

static void memory_is_given_back(tc_world *w) {
    enum { WARM = 300, COUNT = 2000, LINKS = 30 };
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    exchange(w, near, far, WARM);
    size_t before = bytes_held();
    exchange(w, near, far, COUNT);
    size_t after = bytes_held();
    TC_NEED(w, after <= before + (size_t)COUNT * 20, "%d frames each way: %zu bytes more are held",
            COUNT, after - before);
    before = 0;
    for (unsigned i = 0; i < LINKS * 2 && !w->failed; i++) {
        if (i == LINKS) {
            before = bytes_held();
        }
        w4_link *more;
        w4_link *there;
        let_it_settle(w);
        if (!tc_connect(w, &more, &there)) {
            return;
        }
        exchange(w, more, there, 3);
        w4_link_close(more);
        w4_transport_event event;
        while (tc_next(w, w->b, &event) && event.kind != W4_TRANSPORT_EVENT_GONE) {
        }
        w4_link_close(there);
        let_it_settle(w);
    }
    after = bytes_held();
    TC_NEED(w, after <= before + (size_t)LINKS * 200, "%d links came and went: %zu bytes more",
            LINKS, after - before);
}

static unsigned descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;
    while (folder && readdir(folder)) {
        count++;
    }
    if (folder) {
        (void)closedir(folder);
    }
    return count;
}

/* A life of a transport, ends of links at different moments. */
static void live_once(tc_world *w) {
    w4_transport *t = tc_open(w);
    char bound[W4_ADDRESS_MAX + 1];
    if (t && tc_listen(w, t, w->subject->address, bound)) {
        w4_link *near = tc_dial(w, w->a, bound);
        w4_transport_event event;
        if (near && tc_next(w, w->a, &event)) {
            (void)tc_send(w, near, 1, 5000);
            tc_settle(w, w4_later(tc_now(w), 5 * W4_US_PER_MS));
        }
        w4_link_close(near);
        (void)tc_dial(w, t, w->bound); /* under way when it is freed */
    }
    w4_transport_free(t);
    w4_transport_event event;
    uint64_t until_us = w4_later(tc_now(w), 50 * W4_US_PER_MS);
    while (tc_next_until(w, w->b, until_us, &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            w4_link_close(event.link);
        }
    }
}

static void transports_leave_nothing(tc_world *w) {
    enum { LIVES = 12 };
    for (unsigned i = 0; i < LIVES && !w->failed; i++) {
        live_once(w);
    }
    tc_settle(w, w4_later(tc_now(w), 1500 * W4_US_PER_MS)); /* what lingers */
    size_t before = bytes_held();
    unsigned open = descriptors();
    for (unsigned i = 0; i < LIVES && !w->failed; i++) {
        live_once(w);
    }
    tc_settle(w, w4_later(tc_now(w), 1500 * W4_US_PER_MS));
    size_t after = bytes_held();
    TC_NEED(w, after <= before + (size_t)LIVES * 200 + bytes_not_sure(),
            "%d transports came and went: %zu bytes more are held", LIVES, after - before);
    TC_NEED(w, descriptors() <= open, "%d transports came and went: %u descriptors, %u before",
            LIVES, descriptors(), open);
}

static uint64_t cpu_us(void) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * W4_US_PER_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Half a second in which nobody sends anything; without deadlines nobody pops either. */
static void rest(tc_world *w, bool with_deadlines, const char *what) {
    enum { TURNS_MAX = 50 };
    uint64_t start_us = cpu_us();
    uint64_t until_us = w4_later(tc_now(w), 500 * W4_US_PER_MS);
    unsigned turns = 0;
    while (tc_now(w) < until_us && turns < TURNS_MAX * 100) {
        uint64_t next_us = until_us;
        if (with_deadlines) { /* as an owner does that has nothing to say */
            w4_transport_event event;
            while (w4_transport_pop(w->a, tc_now(w), &event) ||
                   w4_transport_pop(w->b, tc_now(w), &event)) {
            }
            w4_transport_expire(w->a, tc_now(w));
            w4_transport_expire(w->b, tc_now(w));
            next_us = w4_earlier(until_us, w4_transport_deadline(w->a));
            next_us = w4_earlier(next_us, w4_transport_deadline(w->b));
        }
        w->subject->clock->wait(w, next_us);
        turns++;
    }
    uint64_t used_us = cpu_us() - start_us;
    TC_NEED(w, used_us < 200 * W4_US_PER_MS, "%s, half a second: %llu ms of CPU", what,
            (unsigned long long)(used_us / W4_US_PER_MS));
    TC_NEED(w, turns < TURNS_MAX, "%s, half a second: the loop turns %u times", what, turns);
}

static void idle_links_cost_nothing(tc_world *w) {
    enum { LINKS = 20 };
    w4_link *near;
    w4_link *far;
    for (unsigned i = 0; i < LINKS; i++) {
        if (!tc_connect(w, &near, &far)) {
            return;
        }
    }
    rest(w, true, "idle links");
    TC_NEED(w, tc_send(w, near, 1, 100) == 0, "a frame is not taken");
    rest(w, false, "a frame that nobody pops");
}

/* Highest number of a descriptor that is open. */
static int highest_descriptor(void) {
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry;
    int highest = 2;
    while (folder && (entry = readdir(folder))) {
        int number = (int)strtol(entry->d_name, NULL, 10); /* of "." and "..": 0 */
        highest = number > highest && number != dirfd(folder) ? number : highest;
    }
    if (folder) {
        (void)closedir(folder);
    }
    return highest;
}

/* One descriptor is left: who dials takes it, and none is there for who accepts. */
static void no_descriptors(tc_world *w) {
    enum { DIALS = 4 };
    struct rlimit limit;
    struct rlimit low;
    w4_link *near;
    w4_link *far;
    TC_NEED(w, getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    low = limit;
    low.rlim_cur = (rlim_t)highest_descriptor() + 2;
    TC_NEED(w, setrlimit(RLIMIT_NOFILE, &low) == 0, "setrlimit");
    w4_link *links[DIALS] = {NULL};
    bool wrong = false;
    for (unsigned i = 0; i < DIALS; i++) {
        int error = 0;
        int r = w4_transport_dial(w->a, w->bound, tc_now(w), &links[i], &error);
        wrong = wrong || (r != 0 && (r != W4_TRANSPORT_E_FAILED || error == 0 || links[i]));
    }
    rest(w, true, "without descriptors");
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    TC_NEED(w, !wrong, "a dial without descriptors does not say so");
    TC_NEED(w, tc_send(w, near, 1, 100) == 0, "links that are up suffer from it");
    for (unsigned i = 0; i < DIALS; i++) {
        links[i] = w4_link_close(links[i]);
    }
    /* What came of the dials is past; then it is as before. */
    w4_transport_event event;
    uint64_t until_us = w4_later(tc_now(w), 300 * W4_US_PER_MS);
    while (tc_next_until(w, w->b, until_us, &event)) {
        if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            w4_link_close(event.link);
        }
    }
    (void)tc_connect(w, &near, &far);
}

/* clang-format off */
const tc_rule tc_rules_of_limits[] = {
    {.name = "full-then-writable", .run = full_then_writable,
     .help = "send says FULL, takes nothing then, and WRITABLE comes once when there is room"},
    {.name = "one-who-does-not-read", .run = one_who_does_not_read_is_bounded,
     .help = "what is taken for a peer that reads nothing is bounded; late, it finds all of it or the end"},
    {.name = "largest-frames-both-ways", .run = largest_frames_both_ways,
     .help = "400 frames of 65,535 bytes each way at full rate"},
    {.name = "many-links-at-once", .run = many_links_at_once,
     .help = "60 links at once: each its own frames, its own end"},
    {.name = "sources-are-limited", .run = sources_are_limited,
     .help = "what one source dials beyond host.accepts_per_s ends, and is counted as refused"},
    {.name = "memory-is-given-back", .run = memory_is_given_back,
     .help = "frames and links that came and went hold no memory"},
    {.name = "transports-leave-nothing", .run = transports_leave_nothing,
     .help = "a transport that is freed leaves no memory, descriptors or files"},
    {.name = "idle-costs-nothing", .run = idle_links_cost_nothing,
     .help = "idle links, and a frame that nobody pops, do not keep the loop busy"},
    {.name = "no-descriptors", .run = no_descriptors,
     .help = "without descriptors dial says so, nothing spins, links that are up stay, and it recovers"},
    {.name = NULL},
};
/* clang-format on */

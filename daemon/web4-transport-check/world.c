#include "web4-transport-check/check.h"

#include "io/loop.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VIRTUAL_START_US (1000 * W4_US_PER_S)
#define VIRTUAL_LATENCY_US 200u
#define REAL_HASTE 20u
#define WALL_OFFSET_US INT64_C(1790000000000000) /* virtual time is in 2026 */

void tc_fail(tc_world *w, const char *file, int line, const char *format, ...) {
    if (w->failed) {
        return;
    }
    w->failed = true;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(w->why, sizeof w->why, format, args);
    va_end(args);
    const char *name = strrchr(file, '/');
    if (len >= 0 && (size_t)len < sizeof w->why) {
        (void)snprintf(w->why + len, sizeof w->why - (size_t)len, " (%s:%d)",
                       name ? name + 1 : file, line);
    }
}

void tc_skip(tc_world *w, const char *why) {
    if (!w->failed) {
        w->skipped = true;
        (void)snprintf(w->why, sizeof w->why, "%s", why);
    }
}

/* ---- Chance: splitmix64 */

static uint64_t next_random(uint64_t *state) {
    uint64_t v = *state += UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
    return v ^ v >> 31;
}

uint64_t tc_draw(tc_world *w) {
    return next_random(&w->random);
}

uint64_t tc_draw_below(tc_world *w, uint64_t bound) {
    return bound > 0 ? tc_draw(w) % bound : 0;
}

static void fill_random(void *context, void *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        ((uint8_t *)ret_bytes)[i] = (uint8_t)next_random(context);
    }
}

/* ---- Time */

static bool virtual_begin(tc_world *w) {
    w4_memory_network *network;
    w4_memory_conditions latency = {.latency_us = VIRTUAL_LATENCY_US};
    if (w4_memory_network_new(w->seed, &network) < 0) {
        return false;
    }
    w->loop = network;
    w->now_us = VIRTUAL_START_US;
    w->env.wall_offset_us = WALL_OFFSET_US;
    return w4_memory_network_set(network, NULL, NULL, &latency) == 0;
}

static void virtual_end(tc_world *w) {
    w->loop = w4_memory_network_free(w->loop);
}

static uint64_t virtual_now(tc_world *w) {
    return w->now_us;
}

static void virtual_wait(tc_world *w, uint64_t until_us) {
    w->now_us = until_us > w->now_us ? until_us : w->now_us;
}

const tc_clock tc_clock_virtual = {
    .is_virtual = true,
    .haste = 1,
    .begin = virtual_begin,
    .end = virtual_end,
    .now = virtual_now,
    .wait = virtual_wait,
};

static bool real_begin(tc_world *w) {
    w4_loop *loop;
    if (w4_loop_new(&w->env, &loop) < 0) {
        return false;
    }
    w->loop = loop;
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/web4-check.XXXXXX");
    if (!mkdtemp(w->folder)) {
        w->folder[0] = 0;
        return false;
    }
    return true;
}

/* What a backend made in the folder it has removed by now. */
static void empty_folder(tc_world *w) {
    if (w->folder[0] == 0 || rmdir(w->folder) == 0) {
        return;
    }
    DIR *folder = opendir(w->folder);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] != '.') {
            tc_fail(w, __FILE__, __LINE__, "%s was left behind", entry->d_name);
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    (void)rmdir(w->folder);
}

static void real_end(tc_world *w) {
    w->loop = w4_loop_free(w->loop);
    empty_folder(w);
}

static uint64_t real_now(tc_world *w) {
    return w4_loop_now_us(w->loop);
}

static void real_wait(tc_world *w, uint64_t until_us) {
    if (w4_loop_turn(w->loop, until_us) < 0) {
        tc_fail(w, __FILE__, __LINE__, "the loop failed");
    }
}

const tc_clock tc_clock_real = {
    .is_virtual = false,
    .haste = REAL_HASTE,
    .begin = real_begin,
    .end = real_end,
    .now = real_now,
    .wait = real_wait,
};

uint64_t tc_now(tc_world *w) {
    return w->subject->clock->now(w);
}

uint64_t tc_wait_until(tc_world *w) {
    return w4_later(tc_now(w), w->subject->wait_s * W4_US_PER_S);
}

/* ---- Frames that prove themselves */

w4_bytes tc_frame(uint32_t number, size_t len) {
    static uint8_t frame[W4_FRAME_MAX + 1];
    uint32_t mark = number * UINT32_C(2654435761) ^ (uint32_t)len;
    for (size_t i = 0; i < len; i++) {
        frame[i] = (uint8_t)((mark >> i % 4 * 8) + i / 4);
    }
    if (len >= sizeof number) {
        memcpy(frame, &number, sizeof number);
    }
    return w4_bytes_of(frame, len);
}

bool tc_frame_is(w4_bytes frame, uint32_t number, size_t len) {
    return frame.len == len && w4_bytes_equal(frame, tc_frame(number, len));
}

bool tc_frame_whole(w4_bytes frame, uint32_t *ret_number) {
    if (frame.len < sizeof *ret_number) {
        return false;
    }
    memcpy(ret_number, frame.data, sizeof *ret_number);
    return tc_frame_is(frame, *ret_number, frame.len);
}

int tc_send(tc_world *w, w4_link *link, uint32_t number, size_t len) {
    return w4_link_send(link, tc_frame(number, len), tc_now(w));
}

/* ---- The two sides */

bool tc_address(tc_world *w, const char *form, char ret_text[W4_ADDRESS_MAX + 1]) {
    char number[16];
    (void)snprintf(number, sizeof number, "%u", ++w->addresses);
    size_t len = 0;
    for (const char *at = form; *at;) {
        const char *piece = at;
        size_t piece_len = 1;
        if (strncmp(at, "{n}", 3) == 0) {
            piece = number;
            piece_len = strlen(number);
            at += 3;
        } else if (strncmp(at, "{folder}", 8) == 0) {
            piece = w->folder;
            piece_len = strlen(w->folder);
            at += 8;
        } else {
            at++;
        }
        if (len + piece_len > W4_ADDRESS_MAX) {
            return false;
        }
        memcpy(ret_text + len, piece, piece_len);
        len += piece_len;
    }
    ret_text[len] = 0;
    return true;
}

/* One world at a time is in a process; the context is of the transport. */
static tc_world *current;

static void wake(void *context) {
    (*(unsigned *)context)++;
    current->wakes++;
}

static w4_transport_host host_of(tc_world *w) {
    current = w;
    unsigned place = w->opens < TC_OPENS_MAX ? w->opens++ : TC_OPENS_MAX - 1;
    return (w4_transport_host){.env = &w->env,
                               .loop = w->loop,
                               .wake = wake,
                               .wake_context = &w->woken[place],
                               .accepts_per_s = w->accepts_per_s};
}

w4_transport *tc_open_backend(tc_world *w, const w4_transport_backend *backend) {
    w4_transport_host host = host_of(w);
    w4_transport *t = NULL;
    int r = w4_transport_open(backend, &host, &t);
    TC_NEED_ELSE(w, r == 0 && t, return NULL, "open says %d", r);
    TC_NEED_ELSE(w, t->backend == backend && t->host.loop == w->loop, return NULL,
                 "open has not filled in backend and host");
    return t;
}

w4_transport *tc_open(tc_world *w) {
    if (!w->subject->open) {
        return tc_open_backend(w, w->subject->backend);
    }
    w4_transport_host host = host_of(w);
    w4_transport *t = NULL;
    int r = w->subject->open(w, &host, &t);
    TC_NEED_ELSE(w, r == 0, return NULL, "open says %d", r);
    return t;
}

bool tc_listen(tc_world *w, w4_transport *t, const char *form, char ret_bound[W4_ADDRESS_MAX + 1]) {
    char address[W4_ADDRESS_MAX + 1];
    int error = 0;
    TC_NEED_ELSE(w, tc_address(w, form, address), return false, "%s is too long", form);
    int r = w4_transport_listen(t, address, ret_bound, &error);
    TC_NEED_ELSE(w, r == 0, return false, "cannot listen on %s: %s%s%s", address,
                 r < 0 ? strerror(-r) : w4_transport_error_name(r), error ? ", " : "",
                 error ? strerror(error) : "");
    TC_NEED_ELSE(w, memchr(ret_bound, 0, W4_ADDRESS_MAX + 1) && ret_bound[0] != 0, return false,
                 "listen on %s does not tell where it listens", address);
    return true;
}

bool tc_nobody(tc_world *w, char ret_text[W4_ADDRESS_MAX + 1]) {
    w4_transport *t = tc_open(w);
    bool done = t && tc_listen(w, t, w->subject->address, ret_text);
    w4_transport_free(t);
    return done;
}

static uint64_t earliest(const tc_world *w) {
    uint64_t deadline_us = w->a ? w4_transport_deadline(w->a) : W4_NEVER;
    return w4_earlier(deadline_us, w->b ? w4_transport_deadline(w->b) : W4_NEVER);
}

void tc_go_on(tc_world *w, uint64_t until_us) {
    /* A side that leaves its events where they are must not stop the time of the other. */
    uint64_t next_us = earliest(w);
    uint64_t least_us = tc_now(w) + W4_US_PER_MS;
    w->subject->clock->wait(w, w4_earlier(until_us, next_us < least_us ? least_us : next_us));
    uint64_t now_us = tc_now(w);
    if (w->a && w4_transport_deadline(w->a) <= now_us) {
        w4_transport_expire(w->a, now_us);
    }
    if (w->b && w4_transport_deadline(w->b) <= now_us) {
        w4_transport_expire(w->b, now_us);
    }
}

bool tc_next_until(tc_world *w, w4_transport *t, uint64_t until_us, w4_transport_event *ret_event) {
    uint64_t due_us = 0;
    unsigned *woken = t->host.wake_context;
    for (;;) {
        if (w4_transport_pop(t, tc_now(w), ret_event)) {
            TC_NEED_ELSE(w, ret_event->kind < W4_TRANSPORT_EVENT_KIND_COUNT, return false,
                         "an event of unknown kind %u", ret_event->kind);
            TC_NEED_ELSE(w, ret_event->link && ret_event->link->transport == t, return false,
                         "an event without a link of its transport");
            TC_NEED_ELSE(w, *woken > 0 || due_us <= tc_now(w), return false,
                         "%s came and nobody was woken for it", tc_kind_name(ret_event->kind));
            return true;
        }
        *woken = 0;
        due_us = w4_transport_deadline(t);
        if (w->failed || tc_now(w) >= until_us) {
            return false;
        }
        tc_go_on(w, until_us);
    }
}

bool tc_next(tc_world *w, w4_transport *t, w4_transport_event *ret_event) {
    return tc_next_until(w, t, tc_wait_until(w), ret_event);
}

void tc_settle(tc_world *w, uint64_t until_us) {
    uint64_t end_us = w4_earlier(until_us, tc_wait_until(w));
    do {
        tc_go_on(w, end_us);
    } while (tc_now(w) < end_us);
}

const char *tc_kind_name(w4_transport_event_kind kind) {
    static const char *const names[W4_TRANSPORT_EVENT_KIND_COUNT] = {
        [W4_TRANSPORT_EVENT_ACCEPTED] = "ACCEPTED", [W4_TRANSPORT_EVENT_UP] = "UP",
        [W4_TRANSPORT_EVENT_FRAME] = "FRAME",       [W4_TRANSPORT_EVENT_WRITABLE] = "WRITABLE",
        [W4_TRANSPORT_EVENT_GONE] = "GONE",
    };
    return kind < W4_TRANSPORT_EVENT_KIND_COUNT ? names[kind] : "?";
}

w4_link *tc_expect(tc_world *w, w4_transport *t, w4_transport_event_kind kind) {
    w4_transport_event event = {0};
    TC_NEED_ELSE(w, tc_next(w, t, &event), return NULL, "%s must come, nothing came",
                 tc_kind_name(kind));
    TC_NEED_ELSE(w, event.kind == kind, return NULL, "%s must come, %s came%s%s",
                 tc_kind_name(kind), tc_kind_name(event.kind), event.reason ? ": " : "",
                 event.reason ? event.reason : "");
    TC_NEED_ELSE(w, kind != W4_TRANSPORT_EVENT_GONE || event.reason, return NULL,
                 "GONE came without a reason");
    return event.link;
}

w4_link *tc_dial(tc_world *w, w4_transport *t, const char *address) {
    w4_link *link = NULL;
    int error = 0;
    int r = w4_transport_dial(t, address, tc_now(w), &link, &error);
    TC_NEED_ELSE(w, r == 0, return NULL, "dial of %s says %s (errno %d)", address,
                 r < 0 ? strerror(-r) : w4_transport_error_name(r), error);
    TC_NEED_ELSE(w, link && link->transport == t && link->dialled && !link->owner, return NULL,
                 "dial has not filled in its link");
    return link;
}

bool tc_connect(tc_world *w, w4_link **ret_near, w4_link **ret_far) {
    *ret_far = NULL;
    *ret_near = tc_dial(w, w->a, w->bound);
    if (!*ret_near) {
        return false;
    }
    *ret_far = tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    return *ret_far && tc_expect(w, w->a, W4_TRANSPORT_EVENT_UP) == *ret_near;
}

/* ---- Running */

static void set_the_scene(tc_world *w) {
    w->a = tc_open(w);
    w->b = w->a ? tc_open(w) : NULL;
    if (!w->b || !tc_listen(w, w->b, w->subject->address, w->bound)) {
        return;
    }
    if (w->subject->clock->is_virtual) {
        (void)tc_listen(w, w->a, w->subject->address, w->near);
    }
}

void tc_run(const tc_subject *subject, const tc_rule *rule, uint64_t seed, tc_world *ret_world) {
    tc_world *w = ret_world;
    *w = (tc_world){.subject = subject, .rule = rule, .seed = seed};
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    w->env_random = seed + 1;
    w->env = (w4_env){.context = &w->env_random, .random = fill_random};
    if (!subject->clock->begin(w)) {
        tc_fail(w, __FILE__, __LINE__, "there is no world to run in: %s", strerror(errno));
        return;
    }
    if (!rule->own_scene) {
        set_the_scene(w);
    }
    if (!w->failed) {
        rule->run(w);
    }
    w->a = w4_transport_free(w->a);
    w->b = w4_transport_free(w->b);
    subject->clock->end(w);
}

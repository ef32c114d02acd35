/* Cases for transports over stream sockets: peers that keep no contract. */
#include "transport_cases.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static transport_raw_connect *raw_connect;

void transport_stream_cases_init(transport_raw_connect *connect) {
    raw_connect = connect;
}

static int raw(tc_world *w, w4_link **ret_link) {
    int fd = raw_connect(w, w->bound);
    TC_NEED_ELSE(w, fd >= 0, return -1, "%s", "fd >= 0");
    *ret_link = tc_expect(w, w->b, W4_TRANSPORT_EVENT_ACCEPTED);
    if (!*ret_link) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool put(int fd, const void *bytes, size_t len) {
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Expects GONE for the link and that the socket sees an end too. */
static void expect_end(tc_world *w, int fd, w4_link *link, int error) {
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link == link);
    TC_EXPECT(w, event.reason && event.error == error);
    w4_link_close(link);
    if (fd >= 0) {
        uint8_t byte;
        TC_EXPECT(w, recv(fd, &byte, 1, 0) <= 0);
    }
}

static void length_zero_ends_the_link(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    TC_EXPECT(w, put(fd, "\0\1a\0\0", 5));
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME && w4_bytes_equal_text(event.frame, "a"));
    expect_end(w, fd, link, EBADMSG);
    TC_EXPECT(w, w->b->stats.malformed == 1);
    (void)close(fd);
}

static void foreign_text_gives_no_frame(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    static const char text[] = "GET / HTTP/1.1\r\nHost: node\r\n\r\n";
    TC_EXPECT(w, fd >= 0 && put(fd, text, sizeof text - 1));
    TC_EXPECT(w, shutdown(fd, SHUT_WR) == 0);
    expect_end(w, fd, link, 0);
    (void)close(fd);
}

static void segments_of_a_byte(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    for (uint32_t i = 0; i < 3; i++) {
        w4_bytes frame = tc_frame(i, 300);
        uint8_t bytes[302] = {1, 44};
        memcpy(bytes + 2, frame.data, frame.len);
        for (size_t at = 0; at < sizeof bytes; at++) {
            TC_EXPECT(w, put(fd, bytes + at, 1));
            tc_settle(w, 0); /* one turn */
            w4_transport_event event;
            bool is = w4_transport_pop(w->b, tc_now(w), &event);
            if (at + 1 == sizeof bytes && !is) {
                TC_EXPECT(w, tc_next(w, w->b, &event));
                is = true;
            }
            TC_EXPECT(w, is == (at + 1 == sizeof bytes));
            TC_EXPECT(w, !is || tc_frame_is(event.frame, i, 300));
        }
    }
    (void)close(fd);
}

static void many_frames_in_a_segment(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    enum { FRAMES = 200, LEN = 50 };
    uint8_t bytes[FRAMES * (LEN + 2) + 1];
    size_t at = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        bytes[at++] = 0;
        bytes[at++] = LEN;
        memcpy(bytes + at, tc_frame(i, LEN).data, LEN);
        at += LEN;
    }
    bytes[at++] = 0; /* and the front of one more */
    TC_EXPECT(w, put(fd, bytes, at));
    TC_EXPECT(w, put(fd, "\1!", 2));
    w4_transport_event event;
    for (uint32_t i = 0; i < FRAMES; i++) {
        TC_EXPECT(w, tc_next(w, w->b, &event));
        TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME);
        TC_EXPECT(w, tc_frame_is(event.frame, i, LEN));
    }
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, w4_bytes_equal_text(event.frame, "!"));
    (void)close(fd);
}

static void frames_are_framed(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    uint64_t now_us = tc_now(w);
    TC_EXPECT(w, w4_link_send(link, w4_bytes_from_text("abc"), now_us) == 0);
    TC_EXPECT(w, w4_link_send(link, w4_bytes_from_text("d"), now_us) == 0);
    tc_settle(w, 0);
    uint8_t bytes[9];
    TC_EXPECT(w, recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) == 8); /* in one write */
    TC_EXPECT(w, memcmp(bytes, "\0\3abc\0\1d", 8) == 0);
    (void)close(fd);
}

static void half_a_frame_then_the_end(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0 && put(fd, "\0\1a\377\377abc", 8));
    (void)close(fd);
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_FRAME);
    expect_end(w, -1, link, 0);
}

static void closing_a_reader_is_orderly(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    /* The peer has sent more, which nobody read: the end must still not overtake the frame. */
    TC_EXPECT(w, put(fd, "\0\1a\0\1b", 6));
    w4_transport_event event;
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, w4_link_send(link, w4_bytes_from_text("bye"), tc_now(w)) == 0);
    w4_link_close(link);
    tc_settle(w, 0);
    TC_EXPECT(w, put(fd, "\0\1c", 3));
    tc_settle(w, 0);
    uint8_t bytes[8];
    TC_EXPECT(w, recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) == 5);
    TC_EXPECT(w, recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) == 0);
    (void)close(fd);
}

/* The peer reads the end and does not end itself: not for ever. */
static void a_closed_peer_is_not_waited_for(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    w4_link_close(link);
    tc_settle(w, w4_later(tc_now(w), 200 * W4_US_PER_MS));
    uint8_t byte;
    TC_EXPECT(w, recv(fd, &byte, 1, MSG_DONTWAIT) == 0);
    TC_EXPECT(w, put(fd, "x", 1)); /* still read, and dropped */
    tc_settle(w, w4_later(tc_now(w), 1200 * W4_US_PER_MS));
    (void)put(fd, "x", 1);
    TC_EXPECT(w, !put(fd, "x", 1)); /* nobody is there any more */
    (void)close(fd);
}

static void a_closed_peer_that_floods_is_cut(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    w4_link_close(link);
    tc_settle(w, 0);
    static const uint8_t zeros[65536];
    size_t taken = 0;
    uint64_t until_us = w4_later(tc_now(w), 5 * W4_US_PER_S);
    ssize_t n = 0;
    while (tc_now(w) < until_us) {
        n = send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            break;
        }
        taken += n > 0 ? (size_t)n : 0;
        tc_settle(w, 0);
    }
    TC_EXPECT(w, n < 0 && (errno == EPIPE || errno == ECONNRESET));
    TC_EXPECT(w, taken < 64 * 1024 * 1024);
    (void)close(fd);
}

static void many_closed_at_once(tc_world *w) {
    enum { COUNT = 300 };
    int fds[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        w4_link *link;
        fds[i] = raw(w, &link);
        TC_EXPECT(w, fds[i] >= 0);
        TC_EXPECT(w, w4_link_send(link, w4_bytes_from_text("bye"), tc_now(w)) == 0);
        w4_link_close(link);
    }
    tc_settle(w, 0);
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t bytes[8];
        TC_EXPECT(w, recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) == 5);
        TC_EXPECT(w, recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) == 0);
        (void)close(fds[i]);
    }
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

/* What b has of others than its link; frames of that are counted. */
static unsigned clear_away(tc_world *w, const w4_link *far, unsigned *accepted) {
    unsigned frames = 0;
    w4_transport_event event;
    while (w4_transport_pop(w->b, tc_now(w), &event)) {
        if (event.link == far) {
            frames += event.kind == W4_TRANSPORT_EVENT_FRAME;
        } else if (event.kind == W4_TRANSPORT_EVENT_ACCEPTED) {
            *accepted += 1;
            if (*accepted % 2 == 0) {
                w4_link_close(event.link); /* as one above its rate; others end by themselves */
            }
        } else if (event.kind == W4_TRANSPORT_EVENT_GONE) {
            w4_link_close(event.link);
        }
    }
    return frames;
}

/* Connections that end as soon as they are there, as fast as they can be made: a link that is up
 * goes on, and nothing of them stays. */
static void a_storm_of_connects(tc_world *w) {
    enum { ROUNDS = 100, CONNECTS = 20 };
    w4_link *near;
    w4_link *far;
    if (!tc_connect(w, &near, &far)) {
        return;
    }
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    unsigned open = descriptors();
    unsigned accepted = 0;
    unsigned heard = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < CONNECTS; i++) {
            int fd = raw_connect(w, w->bound);
            TC_EXPECT(w, fd >= 0);
            (void)put(fd, "\0\1", i % 3); /* nothing, half a header, a header */
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            (void)close(fd);
        }
        TC_EXPECT(w, tc_send(w, near, round, 200) == 0);
        tc_settle(w, 0);
        heard += clear_away(w, far, &accepted);
    }
    uint64_t until_us = tc_wait_until(w);
    while (tc_now(w) < until_us && (heard < ROUNDS || descriptors() > open)) {
        tc_go_on(w, w4_later(tc_now(w), 10 * W4_US_PER_MS));
        heard += clear_away(w, far, &accepted);
    }
    TC_EXPECT(w, heard == ROUNDS);
    TC_EXPECT(w, descriptors() <= open);
    TC_EXPECT(w, accepted + w->b->stats.refused > ROUNDS * CONNECTS / 2);
}

static void a_closed_peer_that_breaks_is_forgotten(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0);
    TC_EXPECT(w, w4_link_send(link, tc_frame(1, 60000), tc_now(w)) == 0);
    w4_link_close(link); /* and before anything is written: */
    (void)close(fd);
    tc_settle(w, w4_later(tc_now(w), 50 * W4_US_PER_MS));
    w4_transport_event event;
    TC_EXPECT(w, !w4_transport_pop(w->b, tc_now(w), &event));
}

/* Fills the link's queue and the kernel's. */
static void stuff(tc_world *w, w4_link *link) {
    unsigned full = 0;
    while (full < 50) {
        int r = w4_link_send(link, tc_frame(1, 60000), tc_now(w));
        TC_EXPECT(w, r == 0 || r == W4_TRANSPORT_E_FULL);
        full = r == W4_TRANSPORT_E_FULL ? full + 1 : 0;
        tc_settle(w, 0);
    }
}

/* These take as long as the limits are: the one thing here that only time can show. */
static void one_who_does_not_read_is_cut(tc_world *w) {
    w4_link *stalled;
    w4_link *closed;
    int stalled_fd = raw(w, &stalled);
    int closed_fd = raw(w, &closed);
    TC_EXPECT(w, stalled_fd >= 0 && closed_fd >= 0);
    stuff(w, stalled);
    stuff(w, closed);
    w4_transport_event event;
    while (w4_transport_pop(w->b, tc_now(w), &event)) {
        TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_WRITABLE);
    }
    uint64_t start_us = tc_now(w);
    w4_link_close(closed);
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, event.kind == W4_TRANSPORT_EVENT_GONE && event.link == stalled);
    TC_EXPECT(w, event.error == ETIMEDOUT);
    uint64_t took_us = tc_now(w) - start_us;
    TC_EXPECT(w, took_us > 5 * W4_US_PER_S && took_us < 18 * W4_US_PER_S);
    /* The closed one ended meanwhile. */
    struct pollfd poll_closed = {.fd = closed_fd, .events = POLLRDHUP};
    TC_EXPECT(w, poll(&poll_closed, 1, 0) == 1);
    TC_EXPECT(w, poll_closed.revents & (POLLRDHUP | POLLHUP | POLLERR));
    (void)close(stalled_fd);
    (void)close(closed_fd);
}

static uint64_t cpu_us(void) {
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * W4_US_PER_S +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void an_owner_that_does_not_pop_costs_nothing(tc_world *w) {
    w4_link *link;
    int fd = raw(w, &link);
    TC_EXPECT(w, fd >= 0 && put(fd, "\0\1a", 3));
    uint64_t before_us = cpu_us();
    tc_settle(w, w4_later(tc_now(w), 500 * W4_US_PER_MS));
    TC_EXPECT(w, cpu_us() - before_us < 250 * W4_US_PER_MS);
    w4_transport_event event;
    TC_EXPECT(w, w4_transport_pop(w->b, tc_now(w), &event));
    TC_EXPECT(w, w4_bytes_equal_text(event.frame, "a"));
    TC_EXPECT(w, put(fd, "\0\1b", 3)); /* it is read again */
    TC_EXPECT(w, tc_next(w, w->b, &event));
    TC_EXPECT(w, w4_bytes_equal_text(event.frame, "b"));
    (void)close(fd);
}

static void without_descriptors_nothing_spins(tc_world *w) {
    int clients[4] = {-1, -1, -1, -1};
    struct rlimit limit;
    struct rlimit low;
    TC_EXPECT(w, getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (unsigned i = 0; i < 4; i++) {
        clients[i] = raw_connect(w, w->bound);
        TC_EXPECT(w, clients[i] >= 0);
    }
    low = limit;
    low.rlim_cur = (rlim_t)clients[3] + 1; /* no number is left */
    TC_EXPECT(w, setrlimit(RLIMIT_NOFILE, &low) == 0);
    uint64_t before_us = cpu_us();
    tc_settle(w, w4_later(tc_now(w), 500 * W4_US_PER_MS));
    uint64_t used_us = cpu_us() - before_us;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    TC_EXPECT(w, used_us < 250 * W4_US_PER_MS);
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte;
        TC_EXPECT(w, recv(clients[i], &byte, 1, 0) <= 0); /* refused, not left hanging */
        (void)close(clients[i]);
    }
    w4_link *near;
    w4_link *far;
    TC_EXPECT(w, tc_connect(w, &near, &far)); /* recovered */
}

static void without_descriptors_dial_says_so(tc_world *w) {
    struct rlimit limit;
    struct rlimit none;
    TC_EXPECT(w, getrlimit(RLIMIT_NOFILE, &limit) == 0);
    none = limit;
    none.rlim_cur = 3;
    TC_EXPECT(w, setrlimit(RLIMIT_NOFILE, &none) == 0);
    w4_link *link = NULL;
    int error = 0;
    int r = w4_transport_dial(w->a, w->bound, tc_now(w), &link, &error);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    TC_EXPECT(w, r == W4_TRANSPORT_E_FAILED && error == EMFILE && !link);
}

const tc_rule transport_stream_cases[] = {
    {.name = "stream: length 0 ends the link", .run = length_zero_ends_the_link},
    {.name = "stream: foreign text gives no frame", .run = foreign_text_gives_no_frame},
    {.name = "stream: segments of a byte", .run = segments_of_a_byte},
    {.name = "stream: many frames in a segment", .run = many_frames_in_a_segment},
    {.name = "stream: frames are framed", .run = frames_are_framed},
    {.name = "stream: half a frame, then the end", .run = half_a_frame_then_the_end},
    {.name = "stream: closing a reader is orderly", .run = closing_a_reader_is_orderly},
    {.name = "stream: a closed peer is not waited for", .run = a_closed_peer_is_not_waited_for},
    {.name = "stream: a closed peer that floods is cut", .run = a_closed_peer_that_floods_is_cut},
    {.name = "stream: many closed at once", .run = many_closed_at_once},
    {.name = "stream: a storm of connects", .run = a_storm_of_connects},
    {.name = "stream: a closed peer that breaks is forgotten",
     .run = a_closed_peer_that_breaks_is_forgotten},
    {.name = "stream: an owner that does not pop costs nothing",
     .run = an_owner_that_does_not_pop_costs_nothing},
    {.name = "stream: without descriptors nothing spins", .run = without_descriptors_nothing_spins},
    {.name = "stream: without descriptors dial says so", .run = without_descriptors_dial_says_so},
    {.name = "stream: one who does not read is cut", .run = one_who_does_not_read_is_cut},
    {.name = NULL},
};

#include "io/lineserver.h"

#include "runner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_US (20 * W4_US_PER_S)

static w4_env env;
static w4_loop *loop;
static w4_line_server *server;
static char folder[64];
static char path[100];
static unsigned wakes;

static void wake(void *context) {
    (void)context;
    wakes++;
}

static const w4_line_server_config *config(void) {
    static w4_line_server_config c;
    c = (w4_line_server_config){.name = "test",
                                .path = path,
                                .mode = 0660,
                                .group = (gid_t)-1,
                                .inherited_fd = -1,
                                .full_line = "full\n",
                                .wake = wake};
    return &c;
}

static int open_server(const w4_line_server_config *c) {
    char text[200] = "";
    int r = w4_line_server_open(loop, c, &server, text, sizeof text);
    ck_assert((r > 0) == (text[0] != 0));
    return r;
}

static void setup(void) {
    env = (w4_env){0};
    (void)snprintf(folder, sizeof folder, "/tmp/w4lines.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/line.sock", folder);
    ck_assert_int_eq(w4_loop_new(&env, &loop), 0);
    ck_assert_int_eq(open_server(config()), 0);
}

static void teardown(void) {
    server = w4_line_server_free(server);
    ck_assert_ptr_null(w4_line_server_free(NULL));
    loop = w4_loop_free(loop);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing was left in it */
}

static int dial(void) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void put(int fd, const void *bytes, size_t len) {
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put_text(int fd, const char *text) {
    put(fd, text, strlen(text));
}

static bool pop(w4_line_event *ret_event) {
    uint64_t until_us = w4_later(w4_loop_refresh_us(loop), WAIT_US);
    while (!w4_line_server_pop(server, ret_event)) {
        wakes = 0;
        if (w4_loop_now_us(loop) >= until_us) {
            return false;
        }
        ck_assert_int_eq(w4_loop_turn(loop, until_us), 0);
    }
    ck_assert_uint_gt(wakes, 0);
    return true;
}

static w4_line_client *expect(w4_line_event_kind kind) {
    w4_line_event event = {0};
    ck_assert(pop(&event));
    ck_assert_int_eq(event.kind, kind);
    ck_assert((kind == W4_LINE_EVENT_GONE) == (event.reason != NULL));
    return event.client;
}

static w4_line_client *expect_line(const char *text) {
    w4_line_event event = {0};
    ck_assert(pop(&event));
    ck_assert_int_eq(event.kind, W4_LINE_EVENT_LINE);
    ck_assert(w4_bytes_equal_text(event.line, text));
    return event.client;
}

static void expect_gone(w4_line_client *client) {
    ck_assert_ptr_eq(expect(W4_LINE_EVENT_GONE), client);
    ck_assert_ptr_null(w4_line_client_close(client));
}

static void expect_nothing(void) {
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
        ck_assert(!w4_line_server_pop(server, &(w4_line_event){0}));
    }
}

static w4_line_client *accept_one(int *ret_fd) {
    *ret_fd = dial();
    return expect(W4_LINE_EVENT_NEW);
}

/* What the client's side can read now, as text. */
static const char *answer(int fd) {
    static char text[256];
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    ck_assert_int_ge(n, 0);
    text[n] = 0;
    return text;
}

START_TEST(clients_are_known_by_the_kernel) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    const w4_local_peer *who = w4_line_client_credentials(client);
    ck_assert_uint_eq(who->uid, getuid());
    ck_assert_uint_eq(who->gid, getgid());
    ck_assert_int_eq(who->pid, getpid());
    ck_assert(w4_local_peer_in_group(who, getgid()));
    ck_assert(!w4_local_peer_in_group(who, 4000000001u));
    gid_t groups[64];
    int count = getgroups(64, groups);
    for (int i = 0; i < count; i++) {
        ck_assert(w4_local_peer_in_group(who, groups[i]));
    }
    ck_assert_ptr_null(w4_line_client_owner(client));
    w4_line_client_set_owner(client, folder);
    ck_assert_ptr_eq(w4_line_client_owner(client), folder);
    (void)close(fd);
    expect_gone(client);
}
END_TEST

START_TEST(lines_are_cut_at_newlines_only) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "one\ntwo\n\nth");
    ck_assert_ptr_eq(expect_line("one"), client);
    expect_line("two");
    expect_line("");
    expect_nothing();
    put_text(fd, "ree\r\n");
    expect_line("three\r");
    put(fd, "a\0b\xff\n", 5);
    w4_line_event event;
    ck_assert(pop(&event));
    ck_assert(w4_bytes_equal(event.line, w4_bytes_of("a\0b\xff", 4)));
    for (const char *at = "slowly\n"; *at; at++) {
        put(fd, at, 1);
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
        if (*at != '\n') {
            expect_nothing();
        }
    }
    expect_line("slowly");
    (void)close(fd);
    expect_gone(client);
}
END_TEST

START_TEST(half_a_line_at_the_end_is_dropped) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "whole\nhalf");
    (void)close(fd);
    expect_line("whole");
    expect_gone(client);
}
END_TEST

/* Sends len bytes of 'x' while the server reads, then the text. */
static void put_long(int fd, size_t len, const char *end) {
    char *bytes = malloc(len + strlen(end) + 1);
    memset(bytes, 'x', len);
    memcpy(bytes + len, end, strlen(end) + 1);
    size_t total = len + strlen(end);
    for (size_t at = 0; at < total;) {
        ssize_t n = send(fd, bytes + at, total - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        ck_assert(n > 0 || errno == EAGAIN || errno == EPIPE);
        if (n < 0 && errno == EPIPE) {
            break;
        }
        at += n > 0 ? (size_t)n : 0;
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
        if (n < 0 && at < total && w4_line_server_pop(server, &(w4_line_event){0})) {
            break; /* it has had enough */
        }
    }
    free(bytes);
}

START_TEST(lines_are_bounded) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_long(fd, W4_LINE_MAX, "\nnext\n");
    w4_line_event event;
    ck_assert(pop(&event));
    ck_assert_int_eq(event.kind, W4_LINE_EVENT_LINE);
    ck_assert_uint_eq(event.line.len, W4_LINE_MAX);
    ck_assert_ptr_eq(expect_line("next"), client);
    put_long(fd, W4_LINE_MAX + 1, "\nnext\n");
    ck_assert(pop(&event));
    ck_assert_int_eq(event.kind, W4_LINE_EVENT_GONE);
    ck_assert_ptr_nonnull(strstr(event.reason, "1 MiB"));
    expect_nothing();
    w4_line_client_close(client);
    (void)close(fd);
}
END_TEST

START_TEST(a_line_without_end_is_cut) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_long(fd, 16 * W4_LINE_MAX, ""); /* pops GONE itself, when nothing more is taken */
    expect_nothing();
    w4_line_client_close(client);
    (void)close(fd);
}
END_TEST

START_TEST(everybody_gets_a_line_in_turn) {
    int fds[2];
    w4_line_client *clients[2];
    for (unsigned i = 0; i < 2; i++) {
        clients[i] = accept_one(&fds[i]);
        put_text(fds[i], "1\n2\n3\n");
    }
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0); /* both are read before the first is popped */
    }
    for (unsigned i = 0; i < 3; i++) {
        static const char *const texts[] = {"1", "2", "3"};
        w4_line_client *first = expect_line(texts[i]);
        w4_line_client *second = expect_line(texts[i]);
        ck_assert(first != second);
    }
    for (unsigned i = 0; i < 2; i++) {
        w4_line_client_close(clients[i]);
        (void)close(fds[i]);
    }
}
END_TEST

START_TEST(answers_go_out) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("a\nb\n")), 0);
    ck_assert_str_eq(answer(fd), "a\nb\n");
    ck_assert_uint_eq(w4_line_client_pending(client), 0);
    (void)close(fd);
    /* The peer is gone and we do not know yet: no signal, no error, GONE. */
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("c\n")), 0);
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("d\n")), 0);
    expect_gone(client);
}
END_TEST

START_TEST(one_that_has_said_all_still_hears_the_answer) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "ask\n");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
    ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
    expect_line("ask");
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("answer\n")), 0);
    expect_gone(client);
    ck_assert_str_eq(answer(fd), "answer\n");
    ck_assert_str_eq(answer(fd), "");
    (void)close(fd);
}
END_TEST

START_TEST(close_flushes_and_forgets) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "1\n2\n");
    expect_line("1");
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("bye\n")), 0);
    ck_assert_ptr_null(w4_line_client_close(client));
    ck_assert_ptr_null(w4_line_client_close(NULL));
    expect_nothing(); /* nothing of "2" */
    ck_assert_str_eq(answer(fd), "bye\n");
    (void)close(fd);
}
END_TEST

START_TEST(a_paused_client_is_not_read) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "1\n2\n");
    expect_line("1");
    w4_line_client_pause(client, true);
    put_text(fd, "3\n");
    expect_nothing();
    /* What it sends waits in the kernel, and no more of it than fits there. */
    static char many[65536];
    memset(many, '\n', sizeof many);
    size_t taken = 0;
    for (ssize_t n; (n = send(fd, many, sizeof many, MSG_DONTWAIT)) > 0; taken += (size_t)n) {
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
        ck_assert_uint_lt(taken, 4 * W4_LINE_MAX);
    }
    w4_line_client_pause(client, false);
    expect_line("2");
    expect_line("3");
    (void)close(fd);
    w4_line_client_close(client);
}
END_TEST

/* Nobody reads from it, so the end of it is looked for; what it had said before is lost. */
START_TEST(a_paused_client_that_goes_is_seen) {
    int fd, other_fd;
    w4_line_client *client = accept_one(&fd);
    w4_line_client *other = accept_one(&other_fd);
    put_text(fd, "1\n2\n");
    expect_line("1");
    w4_line_client_pause(client, true);
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_from_text("answer\n")), 0);
    ck_assert_str_eq(answer(fd), "answer\n"); /* told all the same */
    uint64_t closed_us = w4_loop_refresh_us(loop);
    (void)close(fd);
    /* Others who come and go with their pauses do not put that off. */
    w4_line_event event;
    bool gone = false;
    while (!gone) {
        ck_assert_uint_lt(w4_loop_refresh_us(loop), closed_us + WAIT_US);
        w4_line_client_pause(other, true);
        w4_line_client_pause(other, false);
        gone = w4_line_server_pop(server, &event);
        if (!gone) {
            ck_assert_int_eq(w4_loop_turn(loop, w4_loop_now_us(loop) + 20000), 0);
        }
    }
    ck_assert_int_eq(event.kind, W4_LINE_EVENT_GONE);
    ck_assert_ptr_eq(event.client, client);
    w4_line_client_close(client);
    put_text(other_fd, "3\n");
    expect_line("3");
    (void)close(other_fd);
    w4_line_client_close(other);
}
END_TEST

/* One that has shut down its own side still waits for what it asked. */
START_TEST(a_paused_client_that_has_said_all_is_heard_out) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    put_text(fd, "1\n2\n3\n");
    expect_line("1");
    w4_line_client_pause(client, true);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    expect_nothing();
    w4_line_client_pause(client, false);
    expect_line("2");
    w4_line_client_pause(client, true);
    expect_nothing();
    w4_line_client_pause(client, false);
    expect_line("3");
    ck_assert_ptr_eq(expect(W4_LINE_EVENT_GONE), client);
    w4_line_client_close(client);
    (void)close(fd);
}
END_TEST

START_TEST(clients_are_bounded) {
    w4_line_server_free(server);
    w4_line_server_config c = *config();
    c.clients_max = 3;
    ck_assert_int_eq(open_server(&c), 0);
    int fds[3];
    w4_line_client *clients[3];
    for (unsigned i = 0; i < 3; i++) {
        clients[i] = accept_one(&fds[i]);
    }
    for (unsigned i = 0; i < 50; i++) {
        int more = dial();
        expect_nothing();
        ck_assert_str_eq(answer(more), "full\n");
        ck_assert_str_eq(answer(more), "");
        (void)close(more);
    }
    w4_line_client_close(clients[1]);
    (void)close(fds[1]);
    clients[1] = accept_one(&fds[1]);
    for (unsigned i = 0; i < 3; i++) {
        (void)close(fds[i]);
        expect_gone(clients[i]);
    }
}
END_TEST

/* Until one has gone; the lazy one takes a line now and then. */
static w4_line_client *gone_meanwhile(int lazy_fd, size_t line_len) {
    w4_line_event event = {.kind = W4_LINE_EVENT_KIND_COUNT};
    char taken[1000];
    uint64_t end_us = w4_loop_refresh_us(loop) + WAIT_US;
    while (!w4_line_server_pop(server, &event)) {
        ck_assert_int_gt(recv(lazy_fd, taken, line_len, MSG_DONTWAIT), 0);
        ck_assert_int_eq(w4_loop_turn(loop, w4_loop_now_us(loop) + W4_US_PER_S / 2), 0);
        ck_assert_uint_lt(w4_loop_now_us(loop), end_us);
    }
    ck_assert_int_eq(event.kind, W4_LINE_EVENT_GONE);
    return event.client;
}

START_TEST(one_that_does_not_read_is_bounded_then_cut) {
    w4_line_server_free(server);
    w4_line_server_config c = *config();
    c.queue_bytes_max = 100000;
    ck_assert_int_eq(open_server(&c), 0);
    int fd;
    int other_fd;
    int lazy_fd;
    w4_line_client *stuck = accept_one(&fd);
    w4_line_client *other = accept_one(&other_fd);
    w4_line_client *lazy = accept_one(&lazy_fd);
    static char line[1000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    unsigned taken = 0;
    int r;
    while ((r = w4_line_client_send(stuck, w4_bytes_of(line, sizeof line))) == 0) {
        taken++;
        ck_assert_uint_lt(taken, 5000);
    }
    ck_assert_int_eq(r, 1);
    while (w4_line_client_send(lazy, w4_bytes_of(line, sizeof line)) == 0) {
    }
    ck_assert_uint_le(w4_line_client_pending(stuck), 100000);
    ck_assert_uint_gt(w4_line_client_pending(stuck), 98000);
    ck_assert_int_eq(w4_line_client_send(other, w4_bytes_from_text("fine\n")), 0);
    ck_assert_str_eq(answer(other_fd), "fine\n");
    uint64_t start_us = w4_loop_refresh_us(loop);
    ck_assert_ptr_eq(gone_meanwhile(lazy_fd, sizeof line), stuck);
    uint64_t took_us = w4_loop_now_us(loop) - start_us;
    ck_assert_uint_ge(took_us, 9 * W4_US_PER_S);
    ck_assert_uint_le(took_us, 18 * W4_US_PER_S);
    w4_line_client_close(stuck);
    w4_line_client_close(other);
    w4_line_client_close(lazy);
    (void)close(lazy_fd);
    (void)close(fd);
    (void)close(other_fd);
}
END_TEST

START_TEST(a_slow_reader_gets_everything) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    static uint8_t bytes[3 * 1024 * 1024];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    ck_assert_int_eq(w4_line_client_send(client, w4_bytes_of(bytes, sizeof bytes)), 0);
    ck_assert_uint_gt(w4_line_client_pending(client), 0);
    static uint8_t got[sizeof bytes];
    for (size_t at = 0; at < sizeof bytes;) {
        ssize_t n =
            recv(fd, got + at, sizeof bytes - at < 9999 ? sizeof bytes - at : 9999, MSG_DONTWAIT);
        at += n > 0 ? (size_t)n : 0;
        ck_assert_int_eq(w4_loop_turn(loop, 0), 0);
    }
    ck_assert_int_eq(memcmp(got, bytes, sizeof bytes), 0);
    ck_assert_uint_eq(w4_line_client_pending(client), 0);
    w4_line_client_close(client);
    (void)close(fd);
}
END_TEST

static unsigned open_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    unsigned count = 0;
    while (readdir(dir)) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

START_TEST(descriptors_that_come_along_are_closed) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    unsigned before = open_descriptors();
    for (unsigned i = 0; i < 20; i++) {
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(2 * sizeof(int))];
        } control = {0};
        struct iovec text = {.iov_base = (char[]){'f', '\n'}, .iov_len = 2};
        struct msghdr message = {.msg_iov = &text,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(2 * sizeof(int));
        memcpy(CMSG_DATA(&control.header), (int[]){fd, 1}, 2 * sizeof(int));
        ck_assert_int_eq(sendmsg(fd, &message, MSG_NOSIGNAL), 2);
        ck_assert_ptr_eq(expect_line("f"), client);
    }
    ck_assert_uint_eq(open_descriptors(), before);
    w4_line_client_close(client);
    (void)close(fd);
}
END_TEST

START_TEST(the_path_is_safe) {
    w4_line_server *first = server;
    ck_assert_int_eq(open_server(config()), W4_LINE_E_LIVE);
    struct stat info;
    ck_assert_int_eq(lstat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 07777, 0660);
    w4_line_server_stop(first);
    ck_assert_int_eq(lstat(path, &info), -1);
    w4_line_server_stop(first);
    server = first = w4_line_server_free(first);

    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    ck_assert_int_eq(open_server(config()), W4_LINE_E_FOREIGN);
    ck_assert_int_eq(lstat(path, &info), 0);
    ck_assert(S_ISREG(info.st_mode));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/dev/null", path), 0);
    ck_assert_int_eq(open_server(config()), W4_LINE_E_FOREIGN);
    ck_assert_int_eq(unlink(path), 0);

    w4_line_server_config c = *config();
    c.path = "/tmp/w4lines.no.such.folder/line.sock";
    ck_assert_int_eq(open_server(&c), W4_LINE_E_PATH);
    char longest[200];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "/tmp/", 5);
    longest[108] = 0;
    c.path = longest;
    ck_assert_int_eq(open_server(&c), W4_LINE_E_PATH);
    c.path = "relative";
    ck_assert_int_eq(open_server(&c), W4_LINE_E_PATH);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    ck_assert_int_eq(open_server(config()), W4_LINE_E_PATH);
    ck_assert_int_eq(chmod(folder, 0700), 0);

    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    (void)close(fd); /* dead */
    ck_assert_int_eq(open_server(config()), 0);
    int client_fd;
    w4_line_client_close(accept_one(&client_fd));
    (void)close(client_fd);
}
END_TEST

START_TEST(inherited_sockets_stay_where_they_are) {
    w4_line_server_free(server);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    w4_line_server_config c = *config();
    c.inherited_fd = fd;
    c.path = NULL;
    ck_assert_int_eq(open_server(&c), 0);
    int client_fd;
    w4_line_client *client = accept_one(&client_fd);
    put_text(client_fd, "hello\n");
    ck_assert_ptr_eq(expect_line("hello"), client);
    (void)close(client_fd);
    server = w4_line_server_free(server); /* with a client in it */
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(stop_leaves_clients) {
    int fd;
    w4_line_client *client = accept_one(&fd);
    w4_line_server_stop(server);
    put_text(fd, "still\n");
    ck_assert_ptr_eq(expect_line("still"), client);
    (void)close(fd);
    expect_gone(client);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("lineserver");
    TCase *tc = tcase_create("lineserver");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, clients_are_known_by_the_kernel);
    tcase_add_test(tc, lines_are_cut_at_newlines_only);
    tcase_add_test(tc, half_a_line_at_the_end_is_dropped);
    tcase_add_test(tc, lines_are_bounded);
    tcase_add_test(tc, a_line_without_end_is_cut);
    tcase_add_test(tc, everybody_gets_a_line_in_turn);
    tcase_add_test(tc, answers_go_out);
    tcase_add_test(tc, one_that_has_said_all_still_hears_the_answer);
    tcase_add_test(tc, close_flushes_and_forgets);
    tcase_add_test(tc, a_paused_client_is_not_read);
    tcase_add_test(tc, a_paused_client_that_goes_is_seen);
    tcase_add_test(tc, a_paused_client_that_has_said_all_is_heard_out);
    tcase_add_test(tc, clients_are_bounded);
    tcase_add_test(tc, one_that_does_not_read_is_bounded_then_cut);
    tcase_add_test(tc, a_slow_reader_gets_everything);
    tcase_add_test(tc, descriptors_that_come_along_are_closed);
    tcase_add_test(tc, the_path_is_safe);
    tcase_add_test(tc, inherited_sockets_stay_where_they_are);
    tcase_add_test(tc, stop_leaves_clients);
    return w4_test_run(suite);
}

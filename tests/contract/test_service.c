#include "io/service.h"

#include "runner.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static w4_env env;
static w4_loop *loop;
static w4_service *service;
static char folder[64];
static char path[100];
static int manager = -1; /* the other end of the notices */
static char logged[4096];

static bool is_missing; /* libsystemd */

void *__wrap_dlopen(const char *name, int flags);
void *__real_dlopen(const char *name, int flags);

void *__wrap_dlopen(const char *name, int flags) {
    return is_missing ? NULL : __real_dlopen(name, flags);
}

static void log_line(void *context, w4_log_level level, const char *text) {
    (void)context;
    (void)level;
    size_t len = strlen(logged);
    (void)snprintf(logged + len, sizeof logged - len, "%s\n", text);
}

static void setup(void) {
    logged[0] = 0;
    env = (w4_env){.log = log_line};
    (void)snprintf(folder, sizeof folder, "/tmp/w4service.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/notify", folder);
    ck_assert_int_eq(w4_loop_new(&env, &loop), 0);
    static const char *const names[] = {"NOTIFY_SOCKET",        "WATCHDOG_USEC", "WATCHDOG_PID",
                                        "LISTEN_FDS",           "LISTEN_PID",    "LISTEN_FDNAMES",
                                        "CREDENTIALS_DIRECTORY"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(unsetenv(names[i]), 0);
    }
}

static void teardown(void) {
    service = w4_service_free(service);
    loop = w4_loop_free(loop);
    if (manager >= 0) {
        (void)close(manager);
        manager = -1;
    }
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void start_manager(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(manager, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", path, 1), 0);
}

/* The next notice that is there, "" when none is. */
static const char *notice(void) {
    static char text[512];
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void say_everything(void) {
    (void)w4_service_ready(service);
    w4_service_status(service, "%d peers", 3);
    w4_service_status(service, "%d peers", 3);
    w4_service_status(service, "%d peers", 4);
    w4_service_reloading(service);
    w4_service_stopping(service);
}

START_TEST(notices_are_as_the_manager_knows_them) {
    start_manager();
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    say_everything();
    ck_assert_str_eq(notice(), "READY=1");
    ck_assert_str_eq(notice(), "STATUS=3 peers");
    ck_assert_str_eq(notice(), "STATUS=4 peers");
    const char *reloading = notice();
    unsigned long long usec = 0;
    ck_assert_int_eq(sscanf(reloading, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
    ck_assert_uint_gt(usec, 0);
    ck_assert_str_eq(notice(), "STOPPING=1");
    ck_assert_str_eq(notice(), "");
    ck_assert_ptr_null(w4_service_free(NULL));
}
END_TEST

START_TEST(without_a_manager_nothing_happens) {
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    say_everything();
    ck_assert_int_eq(w4_service_socket(service, "control"), -1);
    char file[200];
    ck_assert_ptr_null(w4_service_credential(service, "identity", file, sizeof file));
    ck_assert_str_eq(logged, "");
}
END_TEST

START_TEST(a_dead_manager_is_no_harm) {
    start_manager();
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    (void)close(manager);
    manager = -1;
    say_everything();
    ck_assert_int_eq(unlink(path), 0);
    say_everything();
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", "nonsense", 1), 0);
    say_everything();
}
END_TEST

START_TEST(an_abstract_socket_works_too) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)snprintf(at.sun_path + 1, sizeof at.sun_path - 1, "w4service.%d", getpid());
    socklen_t len =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(at.sun_path + 1));
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(manager, (struct sockaddr *)&at, len), 0);
    char name[120];
    (void)snprintf(name, sizeof name, "@%s", at.sun_path + 1);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    (void)w4_service_ready(service);
    ck_assert_str_eq(notice(), "READY=1");
}
END_TEST

START_TEST(the_watchdog_hears_the_loop_and_only_it) {
    start_manager();
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "60000", 1), 0);
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
    uint64_t start_us = w4_loop_refresh_us(loop);
    unsigned pings = 0;
    while (pings < 4) {
        ck_assert_int_eq(w4_loop_turn(loop, W4_NEVER), 0);
        for (const char *text; (text = notice())[0] != 0;) {
            ck_assert_str_eq(text, "WATCHDOG=1");
            pings++;
        }
        ck_assert_uint_lt(w4_loop_now_us(loop) - start_us, 10 * W4_US_PER_S);
    }
    ck_assert_uint_ge(w4_loop_now_us(loop) - start_us, 90000); /* one at once, then each 30 ms */
    /* A loop that does not turn does not ping. */
    struct pollfd heard = {.fd = manager, .events = POLLIN};
    ck_assert_int_eq(poll(&heard, 1, 120), 0);
}
END_TEST

START_TEST(no_watchdog_of_another_process) {
    start_manager();
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "60000", 1), 0);
    ck_assert_int_eq(setenv("WATCHDOG_PID", "1", 1), 0);
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    ck_assert_int_eq(w4_loop_turn(loop, w4_later(w4_loop_now_us(loop), 50000)), 0);
    ck_assert_str_eq(notice(), "");
}
END_TEST

START_TEST(credentials_have_a_path) {
    ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", "/run/credentials/web4d", 1), 0);
    ck_assert_int_eq(w4_service_new(loop, &service), 0);
    char file[200];
    ck_assert_str_eq(w4_service_credential(service, "identity", file, sizeof file),
                     "/run/credentials/web4d/identity");
    ck_assert_ptr_null(w4_service_credential(service, "identity", file, 10));
}
END_TEST

/* ---- Sockets that are handed over, in a process of its own: they begin at descriptor 3. */

enum { PASSED = 6 };

static int make_socket(int family, int type, bool listening) {
    int fd = socket(family, type, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    /* Bound to nothing, a unix socket gets an abstract name from the kernel. */
    bool bound = family == AF_INET ? bind(fd, (struct sockaddr *)&at, sizeof at) == 0
                                   : bind(fd, (struct sockaddr *)&un, sizeof(sa_family_t)) == 0;
    return bound && (!listening || listen(fd, 5) == 0) ? fd : -1;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/* 0 when all is right, else which check failed. */
static int child(bool ours) {
    int fds[PASSED] = {make_socket(AF_UNIX, SOCK_STREAM, true),
                       make_socket(AF_UNIX, SOCK_STREAM, false), /* does not listen */
                       make_socket(AF_INET, SOCK_STREAM, true),
                       make_socket(AF_UNIX, SOCK_DGRAM, false),
                       make_socket(AF_UNIX, SOCK_STREAM, true), /* of no name that is known */
                       make_socket(AF_INET, SOCK_STREAM, true)};
    for (int i = 0; i < PASSED; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD, 50); /* out of the way */
    }
    for (int i = 0; i < PASSED; i++) {
        if (dup2(fds[i], 3 + i) < 0) {
            return 1;
        }
        (void)close(fds[i]);
    }
    char number[16];
    (void)snprintf(number, sizeof number, "%d", ours ? getpid() : getpid() + 1);
    (void)setenv("LISTEN_PID", number, 1);
    (void)setenv("LISTEN_FDS", "6", 1);
    (void)setenv("LISTEN_FDNAMES", "control:agent:mesh:agent:other:control", 1);
    logged[0] = 0;
    w4_loop *own;
    w4_service *s;
    if (w4_loop_new(&env, &own) < 0 || w4_service_new(own, &s) < 0) {
        return 2;
    }
    if (!ours) {
        return w4_service_socket(s, "control") == -1 && logged[0] == 0 ? 0 : 3;
    }
    if (w4_service_socket(s, "control") != 3 || w4_service_socket(s, "control") != -1) {
        return 4; /* once; and a control socket over TCP is not one */
    }
    if (w4_service_socket(s, "agent") != -1 || w4_service_socket(s, "other") != -1) {
        return 5;
    }
    if (is_open(4) || is_open(6) || is_open(7) || is_open(8)) {
        return 6;
    }
    if (w4_service_socket(s, "mesh") != 5 || !strstr(logged, "(other)") ||
        !strstr(logged, "(agent)") || getenv("LISTEN_FDS")) {
        return 7;
    }
    w4_service_free(s);
    w4_loop_free(own);
    return 0;
}

/* In a process where nothing has opened libsystemd yet: nobody misses it who has no manager, and
 * who has one says so at once. */
static int child_without_library(bool watched) {
    is_missing = true;
    if (w4_service_new(loop, &service) != 0 || w4_service_ready(service) != 0 || logged[0] != 0) {
        return 1;
    }
    (void)setenv("NOTIFY_SOCKET", path, 1);
    if (w4_service_ready(service) != -ELIBACC || strstr(logged, "service manager") == NULL) {
        return 2;
    }
    service = w4_service_free(service);
    logged[0] = 0;
    (void)setenv(watched ? "WATCHDOG_USEC" : "LISTEN_FDS", "1000000", 1);
    return w4_service_new(loop, &service) != -ELIBACC || service != NULL ? 3
           : strstr(logged, "service manager") == NULL                   ? 4
                                                                         : 0;
}

static void in_child(int (*run)(bool), bool argument) {
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(run(argument));
    }
    int status = -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

START_TEST(sockets_are_given_out_by_name) {
    in_child(child, true);
}
END_TEST

START_TEST(sockets_of_another_process_are_not_ours) {
    in_child(child, false);
}
END_TEST

START_TEST(without_its_library_a_manager_is_not_served) {
    in_child(child_without_library, false);
    in_child(child_without_library, true);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("service");
    TCase *tc = tcase_create("service");
    suite_add_tcase(suite, tc);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, without_its_library_a_manager_is_not_served); /* before it is opened */
    tcase_add_test(tc, notices_are_as_the_manager_knows_them);
    tcase_add_test(tc, without_a_manager_nothing_happens);
    tcase_add_test(tc, a_dead_manager_is_no_harm);
    tcase_add_test(tc, an_abstract_socket_works_too);
    tcase_add_test(tc, the_watchdog_hears_the_loop_and_only_it);
    tcase_add_test(tc, no_watchdog_of_another_process);
    tcase_add_test(tc, credentials_have_a_path);
    tcase_add_test(tc, sockets_are_given_out_by_name);
    tcase_add_test(tc, sockets_of_another_process_are_not_ours);
    return w4_test_run(suite);
}

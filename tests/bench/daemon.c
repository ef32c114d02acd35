/* The service as it starts and as it rests. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MAX_NS UINT64_C(20000000000)
#define REST_NS 500000000L /* after READY, until it is looked at */
#define LOOK_NS 20000L

extern char **environ;

typedef struct service {
    char program[512], config[512], socket[512];
    pid_t pid;
    int notify;
    char notify_name[64];
} service;

/* PROGRAM,CONFIG,SOCKET */
static void parse_target(const char *target, service *s) {
    if (!target ||
        sscanf(target, "%511[^,],%511[^,],%511[^,]", s->program, s->config, s->socket) != 3) {
        bench_fail("--target WEB4D,CONFIG,CONTROL_SOCKET");
    }
}

/* Where the service says READY=1: a name in the abstract namespace. */
static void listen_for_ready(service *s) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int len = snprintf(s->notify_name, sizeof s->notify_name, "@w4bench-%ld", (long)getpid());
    memcpy(at.sun_path + 1, s->notify_name + 1, (size_t)len - 1);
    s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    BENCH_CHECK(s->notify >= 0);
    BENCH_CHECK(bind(s->notify, (const struct sockaddr *)&at,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) == 0);
    BENCH_CHECK(setenv("NOTIFY_SOCKET", s->notify_name, 1) == 0);
}

static void start(service *s) {
    char *argv[] = {s->program, (char[]){"--config"}, s->config, NULL};
    posix_spawn_file_actions_t actions;
    BENCH_CHECK(posix_spawn_file_actions_init(&actions) == 0);
    BENCH_CHECK(
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0);
    int error = posix_spawn(&s->pid, s->program, &actions, NULL, argv, environ);
    if (error != 0) {
        bench_fail("cannot start %s: %s", s->program, strerror(error));
    }
    posix_spawn_file_actions_destroy(&actions);
}

static bool accepts(const service *s) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    BENCH_CHECK(strlen(s->socket) < sizeof at.sun_path);
    memcpy(at.sun_path, s->socket, strlen(s->socket) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BENCH_CHECK(fd >= 0);
    bool accepted = connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    (void)close(fd);
    return accepted;
}

static bool is_ready(const service *s) {
    char text[1024];
    ssize_t n = recv(s->notify, text, sizeof text - 1, 0);
    if (n <= 0) {
        return false;
    }
    text[n] = '\0';
    return strstr(text, "READY=1") != NULL;
}

static void stop(service *s) {
    int status;
    BENCH_CHECK(kill(s->pid, SIGTERM) == 0);
    BENCH_CHECK(waitpid(s->pid, &status, 0) == s->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        bench_fail("%s did not end well", s->program);
    }
}

static size_t resident_of(pid_t pid) {
    char path[64], line[256];
    unsigned long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    BENCH_CHECK(file);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtoul(line + 6, NULL, 10);
        }
    }
    (void)fclose(file);
    BENCH_CHECK(kib > 0);
    return kib * 1024;
}

/* Looks often without keeping a core from the service. */
static uint64_t wait_until(const service *s, bool (*done)(const service *s), uint64_t since_ns) {
    const struct timespec pause = {.tv_nsec = LOOK_NS};
    while (!done(s)) {
        if (bench_wall_ns() - since_ns > START_MAX_NS || waitpid(s->pid, NULL, WNOHANG) != 0) {
            bench_fail("%s does not start", s->program);
        }
        (void)nanosleep(&pause, NULL);
    }
    return bench_wall_ns() - since_ns;
}

/* The first start makes key and store; it is the later ones that count. */
void bench_start(const bench_options *options) {
    service s = {0};
    bench_samples accepting, ready;
    size_t resident = 0;
    parse_target(options->target, &s);
    listen_for_ready(&s);
    bench_samples_init(&accepting, options->count);
    bench_samples_init(&ready, options->count);
    for (uint64_t i = 0; i <= options->count; i++) {
        uint64_t since_ns = bench_wall_ns();
        start(&s);
        uint64_t accepting_ns = wait_until(&s, accepts, since_ns);
        uint64_t ready_ns = wait_until(&s, is_ready, since_ns);
        if (i > 0) {
            bench_samples_add(&accepting, accepting_ns);
            bench_samples_add(&ready, ready_ns);
        }
        if (i == options->count) {
            (void)nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
            resident = resident_of(s.pid);
        }
        stop(&s);
        while (is_ready(&s)) { /* nothing of this start is taken for the next one's */
        }
    }
    bench_number("accepting_ms", (double)bench_samples_at(&accepting, 500) / 1e6);
    bench_number("ready_ms", (double)bench_samples_at(&ready, 500) / 1e6);
    bench_number("resident_bytes", (double)resident);
    bench_samples_deinit(&accepting);
    bench_samples_deinit(&ready);
    (void)close(s.notify);
}

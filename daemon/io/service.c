#include "io/service.h"

#include "io/systemd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define STATUS_MAX 256u
#define SOCKETS_MAX 16u
/* Of the journal: what an event is at most, as text; else cut. */
#define MESSAGE_MAX (33u * 1024u)
#define FIELD_MAX 256u

struct w4_service {
    w4_loop *loop;
    const w4_systemd *systemd; /* NULL: no service manager wants or gives anything */
    w4_loop_timer *timer;      /* NULL: no watchdog */
    uint64_t ping_us;
    char status[STATUS_MAX];
    int fds[SOCKETS_MAX]; /* -1: given out or refused */
    char *names[SOCKETS_MAX];
    uint32_t socket_count;
    char *credentials; /* folder, or NULL */
};

static bool is_set(const char *name) {
    return getenv(name) != NULL;
}

/* Who is not heard by the manager that waits for it would be ended by it later, without a word of
 * why: so a library that cannot be opened is told at once. */
static int find_manager(w4_service *service) {
    const char *reason = NULL;
    int r = w4_systemd_get(&service->systemd, &reason);
    if (r != 0) {
        w4_log(w4_loop_env(service->loop), W4_LOG_ERROR,
               "the service manager cannot be talked to: %s", reason);
    }
    return r;
}

/* The manager may be gone or its socket dead: that is its affair, never ours. */
static void notify(const w4_service *service, const char *state) {
    if (service->systemd != NULL) {
        (void)service->systemd->notify(0, state);
    }
}

static void on_ping(void *context) {
    w4_service *service = (w4_service *)context;
    notify(service, "WATCHDOG=1");
    w4_loop_timer_set(service->timer, w4_later(w4_loop_now_us(service->loop), service->ping_us));
}

static int start_watchdog(w4_service *service) {
    uint64_t watchdog_us = 0;
    if (service->systemd == NULL || service->systemd->watchdog_enabled(1, &watchdog_us) <= 0 ||
        watchdog_us < 2) {
        return 0;
    }
    service->ping_us = watchdog_us / 2;
    int r = w4_loop_timer_new(service->loop, "watchdog", on_ping, service, &service->timer);
    if (r == 0) {
        w4_loop_timer_always(service->timer); /* another process would have the same disk */
        w4_loop_timer_set(service->timer, w4_loop_now_us(service->loop));
    }
    return r;
}

/* The sockets that may be handed over, by name. */
static const struct {
    const char *name;
    int families[2];
} expected[] = {
    {"control", {AF_UNIX, AF_UNIX}},
    {"agent", {AF_UNIX, AF_UNIX}},
    {"mesh", {AF_INET6, AF_INET}},
};

static bool is_expected(const w4_systemd *systemd, int fd, const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof expected / sizeof expected[0]; i++) {
        if (strcmp(name, expected[i].name) == 0) {
            return systemd->is_socket(fd, expected[i].families[0], SOCK_STREAM, 1) > 0 ||
                   systemd->is_socket(fd, expected[i].families[1], SOCK_STREAM, 1) > 0;
        }
    }
    return false;
}

/* Descriptors handed over: those that are expected; everything else is closed. */
static int take_sockets(w4_service *service) {
    char **names = NULL;
    int count = service->systemd == NULL ? 0 : service->systemd->listen_fds_with_names(1, &names);
    if (count < 0) {
        return count == -ENOMEM ? count : 0;
    }
    for (int i = 0; i < count; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        char *name = names == NULL ? NULL : names[i];
        if (service->socket_count == SOCKETS_MAX || !is_expected(service->systemd, fd, name)) {
            w4_log(w4_loop_env(service->loop), W4_LOG_WARNING,
                   "descriptor %d (%s) of the service manager is no listening socket that is "
                   "expected: closed",
                   fd, name == NULL ? "without a name" : name);
            (void)close(fd);
            free(name);
            continue;
        }
        service->fds[service->socket_count] = fd;
        service->names[service->socket_count++] = name;
    }
    free((void *)names);
    return 0;
}

int w4_service_new(w4_loop *loop, w4_service **ret_service) {
    w4_service *service = (w4_service *)calloc(1, sizeof *service);
    if (service == NULL) {
        return -ENOMEM;
    }
    service->loop = loop;
    int r = is_set("LISTEN_FDS") || is_set("WATCHDOG_USEC") ? find_manager(service) : 0;
    r = r != 0 ? r : take_sockets(service);
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    if (r == 0 && folder != NULL && folder[0] == '/') {
        service->credentials = strdup(folder);
        r = service->credentials == NULL ? -ENOMEM : 0;
    }
    r = r != 0 ? r : start_watchdog(service);
    if (r != 0) {
        w4_service_free(service);
        return r;
    }
    *ret_service = service;
    return 0;
}

w4_service *w4_service_free(w4_service *service) {
    if (service == NULL) {
        return NULL;
    }
    w4_loop_timer_free(service->timer);
    for (uint32_t i = 0; i < service->socket_count; i++) {
        if (service->fds[i] >= 0) {
            (void)close(service->fds[i]);
        }
        free(service->names[i]);
    }
    free(service->credentials);
    free(service);
    return NULL;
}

int w4_service_ready(w4_service *service) {
    int r = service->systemd == NULL && is_set("NOTIFY_SOCKET") ? find_manager(service) : 0;
    if (r == 0) {
        notify(service, "READY=1");
    }
    return r;
}

void w4_service_reloading(w4_service *service) {
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    char state[96];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)now.tv_sec * 1000000u +
                       (unsigned long long)now.tv_nsec / 1000u);
    notify(service, state);
}

void w4_service_stopping(w4_service *service) {
    notify(service, "STOPPING=1");
}

void w4_service_status(w4_service *service, const char *format, ...) {
    char text[STATUS_MAX];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it was started above */
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (strcmp(text, service->status) == 0) {
        return;
    }
    memcpy(service->status, text, sizeof text);
    char state[STATUS_MAX + 16];
    (void)snprintf(state, sizeof state, "STATUS=%s", text);
    notify(service, state);
}

int w4_service_socket(w4_service *service, const char *name) {
    for (uint32_t i = 0; i < service->socket_count; i++) {
        if (service->fds[i] >= 0 && strcmp(service->names[i], name) == 0) {
            int fd = service->fds[i];
            service->fds[i] = -1;
            return fd;
        }
    }
    return -1;
}

const char *w4_service_credential(w4_service *service, const char *name, char *ret_path,
                                  size_t size) {
    if (service->credentials == NULL) {
        return NULL;
    }
    int len = snprintf(ret_path, size, "%s/%s", service->credentials, name);
    return len > 0 && (size_t)len < size ? ret_path : NULL;
}

bool w4_service_has_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[64];
    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0) {
        return false;
    }
    (void)snprintf(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    return strcmp(own, stream) == 0;
}

/* "NAME=VALUE", as the journal takes it. */
static struct iovec field_of(char *text, size_t size, const char *name, const char *value) {
    int len = snprintf(text, size, "%s=%s", name, value);
    return (struct iovec){text, len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1};
}

bool w4_service_journal(w4_log_level level, const char *text, const char *event, const char *peer) {
    static const char *const priorities[W4_LOG_LEVEL_COUNT] = {"3", "4", "6", "7"}; /* of syslog */
    const w4_systemd *systemd = NULL;
    const char *reason = NULL;
    char message[MESSAGE_MAX], priority[16], of_event[FIELD_MAX], of_peer[FIELD_MAX];
    if (w4_systemd_get(&systemd, &reason) != 0) {
        return false;
    }
    const struct iovec fields[] = {
        field_of(message, sizeof message, "MESSAGE", text),
        field_of(priority, sizeof priority, "PRIORITY", priorities[level]),
        field_of(of_event, sizeof of_event, "WEB4_EVENT", event),
        field_of(of_peer, sizeof of_peer, "WEB4_PEER", peer == NULL ? "" : peer),
    };
    return systemd->journal_sendv(fields, peer == NULL ? 3 : 4) == 0;
}

#include "io/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LIBRARY "libsystemd.so.0"

/* What is opened and not linked stands in no list of needed libraries. This note says it, in the
 * form of the UAPI group's specification "ELF dlopen metadata", to those who make packages. */
#define NOTE_OWNER "FDO"
#define NOTE_TYPE 0x407c0c0au
#define NOTE_TEXT                                                                                  \
    "[{\"feature\":\"systemd\",\"description\":\"readiness, watchdog, sockets and journal of the " \
    "service manager\",\"priority\":\"recommended\",\"soname\":[\"" LIBRARY "\"]}]"

/* clang-format off */
static const struct {
    const char *name;
    size_t place; /* in w4_systemd */
} functions[] = {
    {"sd_notify",                offsetof(w4_systemd, notify)},
    {"sd_watchdog_enabled",      offsetof(w4_systemd, watchdog_enabled)},
    {"sd_listen_fds_with_names", offsetof(w4_systemd, listen_fds_with_names)},
    {"sd_is_socket",             offsetof(w4_systemd, is_socket)},
    {"sd_journal_sendv",         offsetof(w4_systemd, journal_sendv)},
};
/* clang-format on */

static const struct {
    uint32_t owner_len, text_len, type;
    char owner[sizeof NOTE_OWNER];
    _Alignas(4) char text[sizeof NOTE_TEXT];
} note __attribute__((used, aligned(4), section(".note.dlopen"))) = {
    sizeof NOTE_OWNER, sizeof NOTE_TEXT, NOTE_TYPE, NOTE_OWNER, NOTE_TEXT,
};

static bool open_library(w4_systemd *systemd) {
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    bool whole = library != NULL;
    for (size_t i = 0; whole && i < sizeof functions / sizeof functions[0]; i++) {
        /* POSIX promises that a pointer to a function fits; C has no cast for it. */
        void *function = dlsym(library, functions[i].name);
        memcpy((char *)systemd + functions[i].place, &function, sizeof function);
        whole = function != NULL;
    }
    return whole;
}

int w4_systemd_get(const w4_systemd **ret_systemd, const char **ret_reason) {
    static w4_systemd systemd;
    static bool is_open;
    if (!is_open && !open_library(&systemd)) {
        const char *reason = dlerror();
        *ret_reason = reason == NULL ? LIBRARY " cannot be used" : reason;
        return -ELIBACC;
    }
    is_open = true;
    *ret_systemd = &systemd;
    return 0;
}

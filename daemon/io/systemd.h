/* libsystemd, in a process that a service manager started, and in no other: it brings six libraries
 * along, which cost more memory and more of the start than all of what is asked of it. So it is not
 * linked but opened when it is first needed. */
#pragma once

#define SD_JOURNAL_SUPPRESS_LOCATION /* entries are events, not lines of source */

#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

/* The functions that are used, each with the type that its header gives it. */
typedef struct w4_systemd {
    __typeof__(sd_notify) *notify;
    __typeof__(sd_watchdog_enabled) *watchdog_enabled;
    __typeof__(sd_listen_fds_with_names) *listen_fds_with_names;
    __typeof__(sd_is_socket) *is_socket;
    __typeof__(sd_journal_sendv) *journal_sendv;
} w4_systemd;

/* Opens the library when it is not open yet; it then stays open. 0, or -ELIBACC with the reason in
 * words that stay good: it is not there, or lacks a function. */
int w4_systemd_get(const w4_systemd **ret_systemd, const char **ret_reason);

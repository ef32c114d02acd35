/* What a service manager wants to hear and has to give: sd_notify, the watchdog, inherited sockets.
 * Without one, all of it does nothing. */
#pragma once

#include "io/loop.h"

typedef struct w4_service w4_service;

/* Reads the environment (WATCHDOG_USEC, LISTEN_FDS, CREDENTIALS_DIRECTORY; NOTIFY_SOCKET at each
 * notice) and clears what is for one use. 0, -ENOMEM or a negative errno. With a watchdog it pings
 * at half its time, from the loop: a loop that is stuck does not ping. For the sockets and the
 * watchdog of a service manager libsystemd is opened; -ELIBACC, and a line in the log, when it
 * cannot be. */
int w4_service_new(w4_loop *loop, w4_service **ret_service);
w4_service *w4_service_free(w4_service *service);

/* READY=1. Who only waits for that needs libsystemd from here on: 0 or -ELIBACC, as above. */
int w4_service_ready(w4_service *service);
void w4_service_reloading(w4_service *service); /* RELOADING=1 with MONOTONIC_USEC; then ready */
void w4_service_stopping(w4_service *service);  /* STOPPING=1 */
void w4_service_status(w4_service *service, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* STATUS=; sent only when it changed */

/* A listening socket of that name handed over, or -1: "control" and "agent" (unix), "mesh" (tcp).
 * Each is given out once; wrong and unknown ones are closed and logged when the service is made. */
int w4_service_socket(w4_service *service, const char *name);
/* The path of a credential (LoadCredential=), or NULL: $CREDENTIALS_DIRECTORY/name. */
const char *w4_service_credential(w4_service *service, const char *name, char *ret_path,
                                  size_t size);

/* Is stderr the journal ($JOURNAL_STREAM names the very file)? */
bool w4_service_has_journal(void);
/* One entry of the journal with fields of its own: WEB4_EVENT, WEB4_PEER (NULL: left out). False
 * when it did not take it. */
bool w4_service_journal(w4_log_level level, const char *text, const char *event, const char *peer);

/* Where log lines go: stderr, in the form that systemd reads priorities from. */
#pragma once

#include "web4d/app.h"

void w4d_log_line(void *context, w4_log_level level, const char *text); /* of w4_env.log */
void w4d_log_events(w4d_app *app); /* events of the node, from info up */

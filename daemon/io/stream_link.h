/* One connection of a stream transport (stream.h); only stream.c and stream_link.c need this. */
#pragma once

#include "io/stream.h"

void w4_stream_rest_later(w4_stream_transport *t); /* there are spares */

w4_stream_link *w4_stream_link_new(w4_stream_transport *t, const char *remote, bool dialled);
w4_stream_link *w4_stream_link_free(w4_stream_link *link); /* socket, watch, buffers, all */
/* Gives it its socket (taken over unless it fails) and watches it. 0 or -errno. */
int w4_stream_link_attach(w4_stream_link *link, int fd, bool read, bool write);
void w4_stream_link_ready(w4_stream_link *link); /* there is something to pop: wakes the owner */
void w4_stream_link_read(w4_stream_link *link);  /* a piece of what came, then frames are popped */
void w4_stream_link_flush(w4_stream_link *link); /* writes what waits, as far as it goes */
void w4_stream_link_flush_last(w4_stream_link *link); /* once, and looks no further */
void w4_stream_link_timed_out(w4_stream_link *link);
/* The connection is over: what is needed no longer is given back; GONE is to be popped, or when
 * its owner has closed it already, it is freed. */
void w4_stream_link_end(w4_stream_link *link, const char *reason, int error);

/* status.get with memory: what is held where, beside how much may be. */
#include "web4d/call.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PEERS_MAX 64u /* the largest; the table of sessions has the sum of all */

static void write_use(w4_json_writer *w, const w4_use *use) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "name", use->name);
    w4_json_member_unsigned(w, "count", use->count);
    if (use->count_max != 0) {
        w4_json_member_unsigned(w, "count_max", use->count_max);
    }
    w4_json_member_unsigned(w, "bytes", use->bytes);
    if (use->bytes_max != 0) {
        w4_json_member_unsigned(w, "bytes_max", use->bytes_max);
    }
    w4_json_end_object(w);
}

/* What waits for programs on the local sockets. */
static w4_use of_clients(const w4d_app *app, w4_surface surface) {
    w4_use use = {.name = surface == W4_SURFACE_CONTROL ? "control clients" : "agent clients",
                  .count_max = app->config->limits.clients_max};
    const w4d_client *client = NULL;
    LIST_FOREACH (client, &app->clients, next) {
        if (client->surface == surface) {
            use.count++;
            use.bytes += sizeof *client + client->held.cap + w4_line_client_pending(client->line);
        }
    }
    use.bytes_max = use.count * app->config->limits.client_queue_bytes;
    return use;
}

static void write_tables(w4d_app *app, w4_json_writer *w) {
    w4_use use;
    w4_json_name(w, "tables");
    w4_json_begin_array(w);
    for (size_t cursor = 0; w4_node_use_next(app->node, &cursor, &use);) {
        write_use(w, &use);
    }
    for (int surface = 0; surface < W4_SURFACE_COUNT; surface++) {
        use = of_clients(app, (w4_surface)surface);
        write_use(w, &use);
    }
    w4_json_end_array(w);
}

/* ---- peers */

typedef struct holding {
    w4_node_session session;
    w4_session_memory_use use;
} holding;

static int compare_holdings(const void *a, const void *b) {
    size_t x = ((const holding *)a)->use.total, y = ((const holding *)b)->use.total;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Keeps the largest. */
static size_t largest(w4d_app *app, holding *ret_holdings) {
    size_t count = 0;
    holding at;
    for (size_t cursor = 0; w4_node_session_next(app->node, &cursor, &at.session);) {
        w4_session_memory_get(at.session.session, &at.use);
        if (count < PEERS_MAX) {
            ret_holdings[count++] = at;
            continue;
        }
        size_t least = 0;
        for (size_t i = 1; i < count; i++) {
            least = ret_holdings[i].use.total < ret_holdings[least].use.total ? i : least;
        }
        if (at.use.total > ret_holdings[least].use.total) {
            ret_holdings[least] = at;
        }
    }
    qsort(ret_holdings, count, sizeof *ret_holdings, compare_holdings);
    return count;
}

static void write_who(w4_json_writer *w, const w4_node_session *session) {
    const w4_hello *hello = w4_session_peer(session->session);
    w4_member_fingerprint(w, "peer", &session->peer);
    if (hello != NULL && hello->node[0] != '\0') {
        w4_json_member_string(w, "name", hello->node);
    }
}

static void write_peers(w4_json_writer *w, const holding *holdings, size_t count) {
    w4_json_name(w, "peers");
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        const w4_session_memory_use *use = &holdings[i].use;
        w4_json_begin_object(w);
        write_who(w, &holdings[i].session);
        w4_json_member_unsigned(w, "bytes", use->total);
        w4_json_member_unsigned(w, "session", use->session);
        w4_json_member_unsigned(w, "channels", use->channels);
        w4_json_member_unsigned(w, "sending", use->sending);
        w4_json_member_unsigned(w, "receiving", use->receiving);
        w4_json_member_unsigned(w, "bytes_max", use->limit);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

static void write_channels(w4d_call *call, const holding *holdings, size_t count) {
    w4_json_writer *w = call->result;
    w4_json_name(w, "channels");
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        w4_channel_info info;
        for (unsigned cursor = 0;
             !w4d_list_full(call) &&
             w4_session_channel_next(holdings[i].session.session, &cursor, &info);) {
            w4_json_begin_object(w);
            write_who(w, &holdings[i].session);
            w4_json_member_string(w, "channel", w4_channel_kind_name(info.kind));
            w4_json_member_unsigned(w, "id", info.id);
            w4_json_member_unsigned(w, "messages",
                                    (uint64_t)info.stats->queued + info.stats->in_flight +
                                        info.stats->waiting);
            w4_json_member_unsigned(w, "messages_max", info.limits->messages_max);
            w4_json_member_unsigned(w, "bytes",
                                    info.stats->queued_bytes + info.stats->waiting_bytes);
            w4_json_member_unsigned(w, "bytes_max", info.limits->bytes_max);
            w4_json_end_object(w);
        }
    }
    w4_json_end_array(w);
}

/* ---- the rest */

static uint64_t file_bytes(const char *path, const char *suffix) {
    char name[W4_CONFIG_PATH_MAX + 8];
    struct stat st;
    int len = snprintf(name, sizeof name, "%s%s", path, suffix);
    return len > 0 && (size_t)len < sizeof name && stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
}

int w4d_write_memory(w4d_call *call) {
    w4_json_writer *w = call->result;
    holding *holdings = calloc(PEERS_MAX, sizeof *holdings);
    if (holdings == NULL) {
        return -ENOMEM;
    }
    size_t count = largest(call->app, holdings);
    struct mallinfo2 heap = mallinfo2();
    w4_json_name(w, "memory");
    w4_json_begin_object(w);
    w4_json_member_unsigned(w, "resident", w4d_resident_bytes());
    w4_json_member_unsigned(w, "heap", heap.uordblks + heap.hblkhd);
    w4_json_member_unsigned(w, "store", file_bytes(call->app->config->paths.store, ""));
    w4_json_member_unsigned(w, "store_log", file_bytes(call->app->config->paths.store, "-wal"));
    write_tables(call->app, w);
    write_peers(w, holdings, count);
    write_channels(call, holdings, count);
    w4_json_end_object(w);
    free(holdings);
    return 0;
}

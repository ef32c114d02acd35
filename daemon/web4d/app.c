#include "web4d/app.h"

#include "crypto/primitives.h"
#include "io/backends.h"
#include "io/sqlite.h"
#include "web4d/log.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRAIN_US (UINT64_C(10) * W4_US_PER_S)

static void fatal(w4d_app *app, int r, const char *what) {
    app->fatal = r;
    w4_log(&app->env, W4_LOG_ERROR, "%s: %s", what, strerror(-r));
    w4_loop_stop(app->loop);
}

/* ---- one turn: lines of clients, then the node, then what it says to the clients */

void w4d_app_wake(void *context) {
    w4d_app *app = (w4d_app *)context;
    w4_loop_defer(app->loop, &app->work);
    w4_loop_defer(app->loop, &app->turn);
    w4_loop_defer(app->loop, &app->flush);
}

static void run_work(void *context) {
    w4d_app *app = (w4d_app *)context;
    /* What it leads to is committed before anybody is answered, also where a commit held it up, and
     * the turn that it was wanted for is over. */
    w4_loop_defer(app->loop, &app->turn);
    int r = w4_node_catch_up(app->node, w4_loop_now_us(app->loop));
    if (r < 0) {
        fatal(app, r, "the node cannot go on");
        return;
    }
    w4d_clients_work(app);
}

/* Once a second at most: it walks all sessions. */
static void update_status(w4d_app *app) {
    uint64_t now_us = w4_loop_now_us(app->loop);
    if (now_us < app->status_due_us) {
        return;
    }
    app->status_due_us = w4_later(now_us, W4_US_PER_S);
    size_t sessions = 0;
    w4_node_session session;
    for (size_t cursor = 0; w4_node_session_next(app->node, &cursor, &session);) {
        sessions += w4_session_attached(session.session);
    }
    size_t agents = 0;
    w4_agent_info agent;
    for (size_t cursor = 0; w4_protocol_agent_next(w4_node_protocol(app->node), &cursor, &agent);) {
        agents += agent.attached;
    }
    w4_service_status(app->service, "%zu sessions, %zu agents, %u facts accepted%s", sessions,
                      agents, w4_protocol_fact_count(w4_node_protocol(app->node), W4_FACT_ACCEPTED),
                      w4_node_durable(app->node) ? "" : "; the store fails");
}

/* A message that came goes to its agent before its sender hears that it did, so that it is not lost
 * when this process dies between the two: whatever else waits to be written, clients come first.
 * Only where there is nothing but answers for them, what they have just asked to be sent goes
 * first: it has the longer way. */
static void flush_in_order(w4d_app *app) {
    bool answers_only = app->asked && !app->gave;
    app->asked = app->gave = false;
    w4_loop_cancel(app->loop, &app->flush);
    if (answers_only) {
        w4_loop_defer(app->loop, &app->flush);
    } else {
        w4d_clients_flush(app);
    }
}

static void run_turn(void *context) {
    w4d_app *app = (w4d_app *)context;
    /* Of now, not of before the requests of this turn: heartbeats are measured by it. */
    int r = w4_node_process(app->node, w4_loop_refresh_us(app->loop));
    if (r < 0) {
        fatal(app, r, "the node cannot go on");
        return;
    }
    if (w4_node_committing(app->node)) { /* the rest is for when it is over */
        w4_loop_timer_set(app->node_timer, w4_node_deadline(app->node));
        return;
    }
    w4d_clients_notify(app);
    w4d_log_events(app);
    w4_loop_timer_set(app->node_timer, w4_node_deadline(app->node));
    update_status(app);
    flush_in_order(app);
    w4d_rest_later(app);
    if (app->stopping && w4_node_drained(app->node)) {
        w4_loop_stop(app->loop);
    }
}

static void run_flush(void *context) {
    w4d_clients_flush((w4d_app *)context);
}

static void on_drain_over(void *context) {
    w4d_app *app = (w4d_app *)context;
    w4_log(&app->env, W4_LOG_WARNING, "%s",
           w4_node_durable(app->node) ? "sessions did not end in time"
                                      : "the store takes nothing: what waited for it is not kept");
    w4_loop_stop(app->loop);
}

void w4d_app_stop(w4d_app *app, const char *reason) {
    if (app->stopping) {
        return;
    }
    app->stopping = true;
    w4_service_stopping(app->service);
    for (int surface = 0; surface < W4_SURFACE_COUNT; surface++) {
        w4_line_server_stop(app->servers[surface]);
    }
    w4_node_drain(app->node, reason, w4_loop_now_us(app->loop));
    w4_loop_timer_set(app->drain_timer, w4_later(w4_loop_now_us(app->loop), DRAIN_US));
    w4d_app_wake(app);
}

static void on_term(void *context) {
    w4d_app_stop((w4d_app *)context, "signal");
}

static void on_hup(void *context) {
    w4d_app *app = (w4d_app *)context;
    w4d_reload reload;
    int r = w4d_reload_config(app, &reload);
    if (r < 0) {
        fatal(app, r, "reload");
    } else if (r > 0) {
        w4_log(&app->env, W4_LOG_ERROR, "the configuration is refused, the old one stays: %s",
               reload.text);
    } else {
        w4_log(&app->env, W4_LOG_INFO, "configuration reloaded: %u changes, %u need a restart",
               reload.changes.count, reload.changes.restart_count);
    }
    w4d_app_wake(app);
}

/* ---- start */

static void limits_of(const w4_config *config, const w4_config_channel *channels,
                      w4_channel_limits ret_limits[static W4_CHANNEL_KIND_COUNT]) {
    for (int kind = 0; kind < W4_CHANNEL_KIND_COUNT; kind++) {
        const w4_config_channel *channel = &channels[kind];
        ret_limits[kind] = (w4_channel_limits){
            .messages_max = channel->queue_messages,
            .bytes_max = (size_t)channel->queue_bytes,
            .credit = config->session.credit,
            .overflow = channel->overflow,
            .block_timeout_us = (uint64_t)channel->block_timeout_ms * W4_US_PER_MS,
            .sla = w4_config_contract(&channel->sla),
        };
    }
}

/* Once the node has it, the one before is of no use. */
static int peers_of(const w4_config *config, w4_node_channels **ret_peers) {
    uint32_t count = config->session.peers_count;
    w4_node_channels *peers = calloc((size_t)count + 1, sizeof *peers);
    if (peers == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        peers[i].node = config->session.peers[i].node;
        limits_of(config, config->session.peers[i].channels, peers[i].limits);
    }
    *ret_peers = peers;
    return 0;
}

static int anchors_of(const w4_config *config, w4_fingerprint **ret_anchors, uint32_t *ret_count) {
    uint32_t count = 0;
    w4_fingerprint *anchors = calloc((size_t)config->trust.anchors_count + 1, sizeof *anchors);
    if (anchors == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < config->trust.anchors_count; i++) {
        if (config->trust.anchors[i].kind == W4_CONFIG_ANCHOR_NODE) {
            anchors[count++] = config->trust.anchors[i].fingerprint;
        }
    }
    *ret_anchors = anchors;
    *ret_count = count;
    return 0;
}

int w4d_node_config(w4d_app *app, const w4_config *config, w4_node_config *ret_config) {
    w4_node_channels *peers = NULL;
    w4_fingerprint *anchors = NULL;
    uint32_t anchor_count = 0;
    int r = peers_of(config, &peers);
    r = r != 0 ? r : anchors_of(config, &anchors, &anchor_count);
    if (r != 0) {
        free(peers);
        return r;
    }
    w4_node_config c = W4_NODE_CONFIG_DEFAULT;
    c.protocol = W4_PROTOCOL_CONFIG_DEFAULT;
    c.protocol.quorum = config->cip.quorum;
    c.protocol.distinct_nodes = config->cip.distinct_nodes;
    c.protocol.hcp = (w4_hcp_limits){
        .pace_interval_us = (uint64_t)config->hcp.pace_interval_ms * W4_US_PER_MS,
        .correction_window_us = (uint64_t)config->hcp.correction_window_ms * W4_US_PER_MS};
    c.protocol.lip = (w4_lip_limits){.claims_max = config->lip.claims_max,
                                     .sources = {.raise_after = config->lip.raise_after,
                                                 .lower_after = config->lip.lower_after}};
    c.protocol.chain = (w4_chain_limits){.depth = config->chain.depth,
                                         .repeats = config->chain.repeats,
                                         .budget = config->chain.budget};
    c.protocol.handshake_timeout_us = (uint64_t)config->cip.handshake_timeout_ms * W4_US_PER_MS;
    c.protocol.limits = (w4_json_limits){config->limits.envelope_bytes, config->limits.depth,
                                         config->limits.array_items, config->limits.string_bytes};
    c.protocol.agents_max = config->limits.agents_max;
    c.protocol.facts_max = config->limits.facts_max;
    c.protocol.durable = (w4_durable_limits){
        .age_us = (uint64_t)config->durable.age_s * W4_US_PER_S,
        .receiver_messages = config->durable.receiver_messages,
        .receiver_bytes = (size_t)config->durable.receiver_bytes,
        .sender_messages = config->durable.sender_messages,
        .sender_bytes = (size_t)config->durable.sender_bytes,
        .bytes = (size_t)config->durable.bytes,
    };
    c.mesh = W4_MESH_CONFIG_DEFAULT;
    (void)snprintf(c.mesh.name, sizeof c.mesh.name, "%s", config->node.name);
    (void)snprintf(c.mesh.version, sizeof c.mesh.version, "%s", W4_VERSION);
    c.mesh.peers_max = config->mesh.max_peers;
    c.mesh.beacon_interval_us = config->mesh.beacons.interfaces_count == 0
                                    ? 0
                                    : (uint64_t)config->mesh.beacons.interval_ms * W4_US_PER_MS;
    c.session = W4_SESSION_CONFIG_DEFAULT;
    c.session.heartbeat_us = (uint64_t)config->session.heartbeat_ms * W4_US_PER_MS;
    c.session.timeout_us = (uint64_t)config->session.timeout_ms * W4_US_PER_MS;
    c.session.resume_window_us = (uint64_t)config->session.resume_window_ms * W4_US_PER_MS;
    c.session.max_message = config->session.max_message;
    c.session.channels_max = config->session.channels_max;
    c.session.bytes_max = (size_t)config->session.peer_bytes;
    c.bytes_max = (size_t)config->session.node_bytes;
    c.session.rekey_records = config->session.rekey_records;
    c.session.rekey_bytes = config->session.rekey_bytes;
    c.session.rekey_us = (uint64_t)config->session.rekey_ms * W4_US_PER_MS;
    limits_of(config, config->session.channels, c.session.channels);
    free(app->anchors);
    app->anchors = anchors;
    c.protocol.anchors = anchors;
    c.protocol.anchor_count = anchor_count;
    free(app->peer_channels); /* the node is given the new ones before it does anything more */
    app->peer_channels = peers;
    c.peers = peers;
    c.peers_count = config->session.peers_count;
    c.sessions_max = config->limits.sessions_max;
    c.half_open_max = config->limits.half_open_max;
    c.handshakes_per_s = config->limits.accepts_per_s;
    *ret_config = c;
    return 0;
}

static void random_bytes(void *context, void *ret_bytes, size_t len) {
    (void)context;
    w4_random(ret_bytes, len);
}

static int start_loop(w4d_app *app) {
    app->env = (w4_env){.context = app, .random = random_bytes, .log = w4d_log_line};
    int r = w4_loop_new(&app->env, &app->loop);
    if (r != 0) {
        (void)fprintf(stderr, "web4d: no event loop: %s\n", strerror(-r));
        return r;
    }
    w4_loop_task_init(&app->work, W4_LOOP_WORK, run_work, app);
    w4_loop_task_init(&app->turn, W4_LOOP_COMMIT, run_turn, app);
    w4_loop_task_init(&app->flush, W4_LOOP_FLUSH, run_flush, app);
    app->turn.always = true; /* the node knows what it may do during a commit (commit.c) */
    app->started_us = w4_loop_now_us(app->loop);
    r = w4_loop_timer_new(app->loop, "node", w4d_app_wake, app, &app->node_timer);
    if (r == 0) {
        w4_loop_timer_always(app->node_timer);
    }
    r = r != 0 ? r : w4_loop_timer_new(app->loop, "drain", on_drain_over, app, &app->drain_timer);
    r = r != 0 ? r : w4_loop_signal_new(app->loop, SIGTERM, on_term, app, &app->on_term);
    r = r != 0 ? r : w4_loop_signal_new(app->loop, SIGINT, on_term, app, &app->on_int);
    r = r != 0 ? r : w4_loop_signal_new(app->loop, SIGHUP, on_hup, app, &app->on_hup);
    return r != 0 ? r : w4_service_new(app->loop, &app->service);
}

static int start_store(w4d_app *app) {
    char text[512] = "";
    int r = w4_store_sqlite_open(app->config->paths.store, &app->store, text, sizeof text);
    if (r != 0) {
        const char *path = app->config->paths.store;
        size_t named = strncmp(text, path, strlen(path)) == 0 && text[strlen(path)] == ':'
                           ? strlen(path) + 2
                           : 0; /* it names the file itself */
        w4_log(&app->env, W4_LOG_ERROR, "the store %s is refused: %s", path,
               r < 0 ? strerror(-r) : text + named);
    } else {
        w4d_store_jobs_clean(app);
    }
    return r;
}

uint64_t w4d_clock_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * W4_US_PER_S + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t read_clock_us(void *node) {
    (void)node;
    return w4d_clock_us();
}

static int start_node(w4d_app *app) {
    w4_node_context context = {.env = &app->env,
                               .store = app->store,
                               .identity = app->identity,
                               .registry = &app->registry,
                               .clock_us = read_clock_us,
                               .committer = w4d_committer(app)};
    w4_node_config config;
    int r = w4d_node_config(app, app->config, &config);
    r = r != 0 ? r : w4_backends_register(&app->registry);
    r = r != 0 ? r : w4_node_new(&context, &config, w4_loop_now_us(app->loop), &app->node);
    for (uint32_t i = 0; r == 0 && i < app->registry.count; i++) {
        r = w4_node_transport_open(app->node, app->registry.backends[i], app->loop, w4d_app_wake,
                                   app);
    }
    if (r != 0) {
        w4_log(&app->env, W4_LOG_ERROR, "the node cannot start: %s",
               r < 0 ? strerror(-r) : w4_store_error(app->store));
    }
    return r;
}

/* "tcp:0.0.0.0:7474" is where it listens, not where anybody can dial it. */
static bool is_wildcard(const char *address) {
    return strncmp(address, "tcp:0.0.0.0:", 12) == 0 || strncmp(address, "tcp:[::]:", 9) == 0;
}

int w4d_app_advertise(w4d_app *app) {
    const char *addresses[W4_CONFIG_LISTEN_MAX + W4_NODE_LISTEN_MAX];
    const char *bound[W4_NODE_LISTEN_MAX];
    size_t count = 0;
    for (; count < app->config->advertise_count; count++) {
        addresses[count] = app->config->advertise[count];
    }
    size_t bound_count = count > 0 ? 0 : w4_node_addresses(app->node, bound);
    for (size_t i = 0; i < bound_count; i++) {
        if (!is_wildcard(bound[i])) {
            addresses[count++] = bound[i];
        }
    }
    return w4_mesh_set_addresses(w4_node_mesh(app->node), addresses, count,
                                 w4_loop_now_us(app->loop));
}

static int start_listening(w4d_app *app) {
    for (uint32_t i = 0; i < app->config->listen_count; i++) {
        char bound[W4_ADDRESS_MAX + 1];
        int error = 0;
        int r = w4_node_listen(app->node, app->config->listen[i], bound, &error);
        if (r != 0) {
            w4_log(&app->env, W4_LOG_ERROR, "cannot listen on %s: %s", app->config->listen[i],
                   r < 0        ? strerror(-r)
                   : error != 0 ? strerror(error)
                   : r == W4_TRANSPORT_E_ADDRESS
                       ? "that is no address of this host, and no name of one"
                       : w4_transport_error_name(r));
            return r;
        }
        w4_log(&app->env, W4_LOG_INFO, "listening on %s", bound);
    }
    return w4d_app_advertise(app);
}

static int start_server(w4d_app *app, w4_surface surface, const char *name, const char *path,
                        const char *group_name) {
    const struct group *group = group_name[0] == '\0' ? NULL : getgrnam(group_name);
    w4_line_server_config config = {
        .name = name,
        .path = path,
        .mode = 0660,
        /* Only root, or a member of the group, can give the socket to it. */
        .group = group == NULL ? (gid_t)-1 : group->gr_gid,
        .inherited_fd = w4_service_socket(app->service, name),
        .clients_max = app->config->limits.clients_max,
        .queue_bytes_max = app->config->limits.client_queue_bytes,
        .full_line =
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"too many "
            "clients on this socket\",\"data\":{\"code\":\"overloaded\"}}}\n",
        .wake = w4d_app_wake,
        .wake_context = app,
    };
    if (group == NULL && group_name[0] != '\0') {
        w4_log(&app->env, W4_LOG_WARNING,
               "there is no group %s: the %s socket admits root and the user of this node only",
               group_name, name);
    }
    char text[512] = "";
    int r = w4_line_server_open(app->loop, &config, &app->servers[surface], text, sizeof text);
    if (r != 0) {
        w4_log(&app->env, W4_LOG_ERROR, "the %s socket %s: %s", name, path,
               r < 0 ? strerror(-r) : text);
    }
    return r;
}

static int start_mesh(w4d_app *app) {
    int r = w4d_add_seeds(app);
    r = r != 0 ? r : w4d_apply_anchors(app);
    return r != 0 ? r : w4d_beacons_start(app);
}

int w4d_app_start(w4d_app *app) {
    LIST_INIT(&app->clients);
    app->log_level = app->config->log.level;
    app->to_journal = w4_service_has_journal();
    int r = start_loop(app);
    if (r != 0) {
        return r;
    }
    char text[512] = "";
    if (w4d_files_make_folders(app->config, text, sizeof text) != 0) {
        w4_log(&app->env, W4_LOG_ERROR, "%s", text);
        return 1;
    }
    r = w4d_own_identity(app);
    r = r != 0 ? r : start_store(app);
    r = r != 0 ? r : start_node(app);
    r = r != 0 ? r : w4d_own_history(app);
    r = r != 0 ? r
               : start_server(app, W4_SURFACE_CONTROL, "control", app->config->paths.control_socket,
                              app->config->access.control_group);
    r = r != 0 ? r
               : start_server(app, W4_SURFACE_AGENT, "agent", app->config->paths.agent_socket,
                              app->config->access.agent_group);
    r = r != 0 ? r : start_listening(app);
    r = r != 0 ? r : start_mesh(app);
    if (r != 0) {
        return r;
    }
    r = w4_service_ready(app->service);
    if (r != 0) {
        return r;
    }
    w4d_app_wake(app);
    return w4d_rest_start(app);
}

void w4d_app_deinit(w4d_app *app) {
    if (app->loop == NULL) {
        return;
    }
    w4d_commit_stop(app);
    w4d_store_jobs_stop(app);
    if (app->node != NULL) {
        w4d_clients_close(app);
        w4d_beacons_stop(app);
    }
    for (int surface = 0; surface < W4_SURFACE_COUNT; surface++) {
        app->servers[surface] = w4_line_server_free(app->servers[surface]);
    }
    app->node = w4_node_free(app->node);
    free(app->peer_channels);
    app->peer_channels = NULL;
    free(app->anchors);
    app->anchors = NULL;
    app->store = w4_store_free(app->store);
    app->identity = w4_identity_free(app->identity);
    app->service = w4_service_free(app->service);
    w4_loop_cancel(app->loop, &app->work);
    w4_loop_cancel(app->loop, &app->turn);
    w4_loop_cancel(app->loop, &app->flush);
    app->node_timer = w4_loop_timer_free(app->node_timer);
    app->drain_timer = w4_loop_timer_free(app->drain_timer);
    w4d_rest_stop(app);
    app->on_term = w4_loop_signal_free(app->on_term);
    app->on_int = w4_loop_signal_free(app->on_int);
    app->on_hup = w4_loop_signal_free(app->on_hup);
    app->loop = w4_loop_free(app->loop);
}

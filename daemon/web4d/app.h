/* The daemon's composition: the node core, and the loop, store, sockets and files around it. */
#pragma once

#include "base/text.h"
#include "io/lineserver.h"
#include "io/loop.h"
#include "io/service.h"
#include "io/worker.h"
#include "node/node.h"
#include "platform/config.h"
#include "rpc/message.h"
#include "rpc/method.h"
#include "rpc/shapes.h"
#include "web4d/files.h"

#include <sys/queue.h>
#include <sys/types.h>

#define W4D_REPLIES_BYTES_MAX (64u * 1024u * 1024u) /* answers that wait for the commit */
#define W4D_UNACKED_MAX 256u /* delivered messages that an agent may still acknowledge */

typedef struct w4d_app w4d_app;

enum {
    W4D_SUBSCRIBE_MESSAGE = 1u << W4_NOTIFY_AGENT_MESSAGE,
    W4D_SUBSCRIBE_DELIVERY = 1u << W4_NOTIFY_AGENT_DELIVERY,
    W4D_SUBSCRIBE_FACT = 1u << W4_NOTIFY_FACT_UPDATED,
    W4D_SUBSCRIBE_CLAIM = 1u << W4_NOTIFY_CLAIM_UPDATED,
    W4D_SUBSCRIBE_EVENT = 1u << W4_NOTIFY_NODE_EVENT,
};

/* A connection to one of the local sockets. */
typedef struct w4d_client {
    LIST_ENTRY(w4d_client) next;
    w4_line_client *line;
    w4_surface surface;
    uint64_t owner;     /* never used twice */
    uint64_t speaks_as; /* what its agent is attached under: its own owner, or that of another
                         * connection of the same user for the same agent */
    uid_t uid;
    pid_t pid;
    char agent_id[W4_AGENT_ID_MAX + 1]; /* attached as; "" none */
    bool produces;                      /* has sent something since it attached */
    bool paused;                        /* its lines wait, as something that it sent does */
    unsigned subscribed;
    uint64_t event_cursor;               /* of node.event */
    uint8_t event_types[W4_EVENT_COUNT]; /* wanted; all when none is set */
    bool event_filter;
    bool event_open;           /* it is to be told of sessions that were open before it came, */
    uint64_t event_open_up_to; /* by events up to this seq */
    uint32_t unacked_count, unacked_next;
    char (*unacked)[W4_UUID_LEN + 1]; /* ring of W4D_UNACKED_MAX, made at attach */
    w4_buffer held;                   /* lines that go out when the turn's commit has been made */
    bool promised;                    /* one of them says that something is stored */
    size_t room;                      /* that its agent was told of; SIZE_MAX: tell it anew */
} w4d_client;

LIST_HEAD(w4d_clients, w4d_client);

struct w4d_app {
    w4_env env;
    w4_loop *loop;
    w4d_files files;
    w4_config *config;
    w4_identity *identity;
    char identity_path[W4_CONFIG_PATH_MAX]; /* the file it is in */
    w4_store *store;
    w4_transport_registry registry;
    w4_node *node;
    w4_node_channels *peer_channels; /* of the configuration that the node has */
    w4_fingerprint *anchors;         /* nodes, of the same */
    w4_service *service;
    w4_line_server *servers[W4_SURFACE_COUNT];
    struct w4d_clients clients;
    uint32_t client_count[W4_SURFACE_COUNT];
    uint64_t next_owner;
    w4_loop_task work, turn, flush;
    w4_loop_timer *node_timer, *drain_timer;
    w4_loop_timer *rest_timer;
    bool rest_due;        /* rest_timer is set */
    bool asked;           /* clients asked for something in this turn */
    bool gave;            /* agents were given messages in this turn */
    w4_worker *committer; /* from the first commit on */
    w4_loop_timer *commit_timer;
    uint64_t commit_since_us;
    int commit_result;
    bool commit_over, commit_slow;
    w4_loop_signal *on_term, *on_int, *on_hup;
    uint64_t started_us;
    uint64_t status_due_us; /* of the service manager's status line */
    uint64_t event_cursor;  /* of the log */
    uint64_t waits_turn;    /* w4_protocol_waits_turn when clients were paced last */
    uint64_t withdrawn;     /* w4_node_withdrawn when they were told of room last */
    w4_log_limit log_limits[W4_EVENT_COUNT];
    w4_log_limit failure_limit; /* of lines about failed calls */
    w4_log_level log_level;
    bool to_journal; /* stderr is the journal: lines carry their priority */
    struct w4d_beacons *beacons;
    struct w4d_store_job *store_job; /* under way, or NULL */
    bool stopping;
    int fatal; /* why the loop was ended; 0: in order */
};

/* app.c */
int w4d_app_start(w4d_app *app);
void w4d_app_stop(w4d_app *app, const char *reason); /* drains, then the loop ends */
void w4d_app_deinit(w4d_app *app);
void w4d_app_wake(void *context); /* a turn is wanted */
/* Tells the mesh where others reach this node: as configured, else as bound. 0 or -ENOMEM. */
int w4d_app_advertise(w4d_app *app);
/* What the configuration means for the node; the channels of single peers are kept in the app. 0 or
 * -ENOMEM. */
int w4d_node_config(w4d_app *app, const w4_config *config, w4_node_config *ret_config);

/* own_keys.c: the key of this node, and once there is a node the keys that it follows. 0, -ENOMEM,
 * or 1, logged: also when the key is worth nothing any more. */
int w4d_own_identity(w4d_app *app);
int w4d_own_history(w4d_app *app);
/* The same for a key that is in that file: takes what lies beside it. 0, -ENOMEM, 1 with why. */
int w4d_take_history(w4d_app *app, const char *path, const w4_fingerprint *key, char *ret_text,
                     size_t size);

/* Another key is in that file by now, which nobody uses yet: 1 with it in *ret_identity; 0: none is
 * (also where the file is not there, or no good); -ENOMEM. */
int w4d_key_waits(const char *path, const w4_fingerprint *in_use, w4_identity **ret_identity);

/* commit.c */
w4_node_committer w4d_committer(w4d_app *app);
void w4d_commit_stop(w4d_app *app); /* waits until nobody writes to the store */

/* rest.c: memory that was needed for a while and is not any more goes back to the system: within
 * two seconds after a burst, whatever goes on beside it. */
int w4d_rest_start(w4d_app *app);  /* also gives back what only the start needed. 0 or -ENOMEM */
void w4d_rest_later(w4d_app *app); /* something was done, that may leave something behind */
void w4d_rest_stop(w4d_app *app);

/* reload.c: 0 or 1 with the reason; *changes is filled on success. */
typedef struct w4d_reload {
    w4_config_changes changes;
    char previous[65];
    char text[512]; /* what was wrong */
} w4d_reload;
int w4d_reload_config(w4d_app *app, w4d_reload *ret_reload);
/* Puts the anchors of the config into the trust book (those that never moved). 0 or -ENOMEM. */
int w4d_apply_anchors(w4d_app *app);
/* What the configuration names is dialled; says what cannot be. 0 or -ENOMEM. */
int w4d_add_seeds(w4d_app *app);

/* store_jobs.c: removes what a process that died left beside the store; what is under way ends
 * without an answer. */
void w4d_store_jobs_clean(w4d_app *app);
void w4d_store_jobs_stop(w4d_app *app);

/* beacons.c: LAN beacons on the interfaces of the config; none by default. */
int w4d_beacons_start(w4d_app *app);
void w4d_beacons_send(w4d_app *app, w4_bytes datagram);
void w4d_beacons_stop(w4d_app *app);

/* clients.c */
uint64_t w4d_clock_us(void);           /* of now, not of this turn: measures what is within one */
void w4d_clients_work(w4d_app *app);   /* lines that have arrived */
void w4d_clients_notify(w4d_app *app); /* what the node has for them */
void w4d_clients_flush(w4d_app *app);  /* after the commit */
void w4d_clients_close(w4d_app *app);  /* at the end: the node hears nothing of it */
/* Looks who takes the messages of the agent that is attached under that owner. */
void w4d_agent_hears(w4d_app *app, uint64_t owner, uint64_t now_us);
/* Speaks for nobody any more; the last connection of an agent detaches it. */
void w4d_client_leave_agent(w4d_app *app, w4d_client *client, uint64_t now_us);
/* Whose eyes its answers are for: the agent it speaks for; zero: none yet, who may know what was
 * said to all. NULL: an operator, who may know everything. */
const w4_who *w4d_client_listener(const w4d_app *app, const w4d_client *client, w4_who *room);
/* It is about to send: from now on it is paused while something of its agent waits for room. */
void w4d_client_produces(w4d_client *client);
/* watchers.c: what happens, to those who watch. 0 or fatal. */
int w4d_watchers_notify(w4d_app *app);
/* It wants events after that seq; open: and is told at once of sessions that are open. */
void w4d_watch_from(w4d_client *client, uint64_t seq, bool open);
int w4d_client_notify(w4d_client *client, w4_notification notification, w4_bytes params);

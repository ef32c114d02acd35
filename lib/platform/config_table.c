#include "platform/config_table.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "envelope/schema.h"
#include "transport/address.h"

#define ADDRESS_MAX 255
#define SOCKET_PATH_MAX 107 /* of a socket: sun_path less its NUL */
#define KIB 1024.0
#define MIB (1024.0 * 1024.0)
#define GIB (1024.0 * 1024.0 * 1024.0)

/* ---- forms of strings */

static const char *check_path(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    bool good = raw.len > 1 && raw.data[0] == '/' && raw.data[raw.len - 1] != '/';
    return good && w4_check_label(value) == NULL
               ? NULL
               : "an absolute path without control characters, and without a slash at its end";
}

static bool is_address(w4_json value, bool allow_zero) {
    char text[ADDRESS_MAX + 1];
    w4_tcp_address tcp;
    return w4_json_string_copy(value, text, sizeof text) &&
           (w4_tcp_address_parse(text, allow_zero, &tcp) || w4_unix_address_path(text) != NULL);
}

static const char *check_listen(w4_json value) {
    return is_address(value, true) ? NULL
                                   : "tcp:HOST:PORT with a port from 0 (any) to 65535, or "
                                     "unix:/PATH of at most 107 bytes";
}

static const char *check_address(w4_json value) {
    return is_address(value, false) ? NULL
                                    : "tcp:HOST:PORT with a port from 1 to 65535, or "
                                      "unix:/PATH of at most 107 bytes";
}

static const char *check_group(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.data[i];
        bool good =
            (c >= 'a' && c <= 'z') || c == '_' || (i > 0 && ((c >= '0' && c <= '9') || c == '-'));
        if (!good) {
            return "the name of a group, or \"\" for none";
        }
    }
    return NULL;
}

static const char *check_interface(w4_json value) {
    w4_bytes raw = w4_json_string_raw(value);
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] <= ' ' || raw.data[i] > '~' || raw.data[i] == '/') {
            return "the name of a network interface";
        }
    }
    return NULL;
}

/* ---- the table: pointer, kind, live or restart, bounds, default, help */

#define LIVE 0u
#define RESTART W4_SCHEMA_RESTART

#define PATH(NAME, HELP)                                                                           \
    {                                                                                              \
        .name = NAME, .kind = W4_SCHEMA_STRING, .flags = RESTART, .min = 2,                        \
        .max = W4_CONFIG_PATH_MAX - 1, .check = check_path, .help = HELP                           \
    }
#define SOCKET(NAME, HELP)                                                                         \
    {                                                                                              \
        .name = NAME, .kind = W4_SCHEMA_STRING, .flags = RESTART, .min = 2,                        \
        .max = SOCKET_PATH_MAX, .check = check_path, .help = HELP                                  \
    }
#define INTEGER(NAME, FLAGS, MIN, MAX, FALLBACK, HELP)                                             \
    {                                                                                              \
        .name = NAME, .kind = W4_SCHEMA_INTEGER, .flags = FLAGS, .min = MIN, .max = MAX,           \
        .fallback = FALLBACK, .help = HELP                                                         \
    }
#define BOOLEAN(NAME, FLAGS, FALLBACK, HELP)                                                       \
    { .name = NAME, .kind = W4_SCHEMA_BOOL, .flags = FLAGS, .fallback = FALLBACK, .help = HELP }
#define LIST(NAME, FLAGS, MAX, ITEM, FALLBACK, HELP)                                               \
    {                                                                                              \
        .name = NAME, .kind = W4_SCHEMA_ARRAY, .flags = FLAGS, .min = 0, .max = MAX,               \
        .items = ITEM, .fallback = FALLBACK, .help = HELP                                          \
    }
#define OBJECT(NAME, SCHEMA, HELP)                                                                 \
    { .name = NAME, .kind = W4_SCHEMA_OBJECT, .object = SCHEMA, .help = HELP }

/* clang-format off */
static const w4_schema_row node_rows[] = {
    {.name = "name", .kind = W4_SCHEMA_STRING, .flags = RESTART, .min = 1, .max = 63,
     .check = w4_check_label, .help = "what the node calls itself, for people; the host's name by default"},
    PATH("identity", "PEM file of the node's key; identity.pem in paths.state_dir by default; made at the first start"),
    W4_SCHEMA_END};
static const w4_schema node = {node_rows, true, NULL};

static const w4_schema_row paths_rows[] = {
    PATH("state_dir",        "what must outlive a restart; /var/lib/web4 for root, else $XDG_STATE_HOME/web4"),
    PATH("runtime_dir",      "sockets; /run/web4 for root, else $XDG_RUNTIME_DIR/web4"),
    PATH("agents_dir",       "keys of agents that the node holds; agents in paths.state_dir by default"),
    PATH("store",            "the database; web4.db in paths.state_dir by default"),
    SOCKET("control_socket", "where web4ctl asks; control.sock in paths.runtime_dir by default"),
    SOCKET("agent_socket",   "where agents attach; agent.sock in paths.runtime_dir by default"),
    W4_SCHEMA_END};
static const w4_schema paths = {paths_rows, true, NULL};

static const w4_schema_row access_rows[] = {
    {.name = "control_group", .kind = W4_SCHEMA_STRING, .flags = RESTART, .min = 0, .max = 32,
     .check = check_group, .help = "group that may use the control socket, beside root and the node's own user; web4-admin by default, \"\" (nobody) for a plain user"},
    {.name = "agent_group",   .kind = W4_SCHEMA_STRING, .flags = RESTART, .min = 0, .max = 32,
     .check = check_group, .help = "the same for the agent socket; web4 by default"},
    W4_SCHEMA_END};
static const w4_schema access_schema = {access_rows, true, NULL};

static const w4_schema_row listen_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = ADDRESS_MAX, .check = check_listen};
static const w4_schema_row address_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = ADDRESS_MAX, .check = check_address};
static const w4_schema_row fingerprint_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = ADDRESS_MAX, .check = w4_check_fingerprint};
static const w4_schema_row interface_item = {
    .kind = W4_SCHEMA_STRING, .min = 1, .max = 15, .check = check_interface};

static const w4_schema_row beacons_rows[] = {
    LIST("interfaces",     RESTART, W4_CONFIG_INTERFACES_MAX, &interface_item, "[]",
         "network interfaces that get a signed beacon and are listened to; none: no beacons"),
    INTEGER("interval_ms", RESTART, 100, 3600000, "5000", "milliseconds between beacons, before jitter"),
    W4_SCHEMA_END};
static const w4_schema beacons = {beacons_rows, true, NULL};

static const w4_schema_row mesh_rows[] = {
    INTEGER("max_peers", LIVE, 1, 4096, "64", "sessions wanted at most"),
    {.name = "pins", .kind = W4_SCHEMA_MAP, .flags = LIVE, .min = 0, .max = W4_CONFIG_SEEDS_MAX,
     .items = &fingerprint_item, .fallback = "{}",
     .help = "by address of a seed: the fingerprint of the only node that is good there"},
    OBJECT("beacons", &beacons, "finding nodes on the local network"),
    W4_SCHEMA_END};
static const w4_schema mesh = {mesh_rows, true, NULL};

const char *const w4_config_overflows[] = {"error",      "drop_oldest", "drop_newest", "block",
                                            "dropoldest", "dropnewest",  NULL};

/* A contract. What is left out is inherited, member by member. */
#define WEEK_MS 604800000
#define RATE(NAME, HELP) {.name = NAME, .kind = W4_SCHEMA_NUMBER, .flags = LIVE, .min = 0, .max = 1, .help = HELP}
static const w4_schema_row sla_rows[] = {
    INTEGER("window_ms", LIVE, 1000, WEEK_MS, NULL, "milliseconds of the window that is measured; 60000 where nothing is said"),
    INTEGER("p99_ms",    LIVE, 0,    WEEK_MS, NULL, "milliseconds within which 99 of 100 messages are acknowledged; 0: not promised"),
    RATE("max_drop_rate",    "share of messages that may be dropped, refused or fail; 1: not promised"),
    RATE("min_availability", "share of time with an open link at least; 0: not promised"),
    W4_SCHEMA_END};
static const w4_schema sla = {sla_rows, true, NULL};

/* Members of one channel; those that are left out are inherited. */
static const w4_schema_row channel_rows[] = {
    {.name = "overflow", .kind = W4_SCHEMA_ENUM, .flags = LIVE, .names = w4_config_overflows,
     .help = "what becomes of a message for a full queue"},
    INTEGER("queue_messages",   LIVE, 1,     1048576, NULL, "messages queued and in flight"),
    INTEGER("queue_bytes",      LIVE, 65536, GIB,     NULL, "bytes queued and in flight; at least max_message"),
    INTEGER("block_timeout_ms", LIVE, 1,     600000,  NULL, "block: milliseconds that a message waits for room"),
    OBJECT("sla", &sla, "contract of the channel, announced to the peer and measured"),
    W4_SCHEMA_END};
static const w4_schema channel = {channel_rows, true, NULL};

static const w4_schema_row channels_rows[] = {
    OBJECT("control",   &channel, "handshakes, records, decisions"),
    OBJECT("state",     &channel, "presence, intents, context"),
    OBJECT("knowledge", &channel, "facts, claims and the like"),
    W4_SCHEMA_END};
static const w4_schema channels = {channels_rows, true, NULL};
static const w4_schema_row peer_item = {.kind = W4_SCHEMA_OBJECT, .object = &channels};

static const w4_schema_row session_rows[] = {
    INTEGER("heartbeat_ms",     LIVE, 100,  3600000,    "5000",       "milliseconds between heartbeats; the slower of both ends counts"),
    INTEGER("timeout_ms",       LIVE, 200,  7200000,    "15000",      "milliseconds of silence after which a peer is timed out; at least twice heartbeat_ms"),
    INTEGER("resume_window_ms", LIVE, 0,    86400000,   "120000",     "milliseconds that a session waits for another link"),
    INTEGER("queue_messages",   LIVE, 1,    1048576,    "1024",       "messages queued and in flight on one channel"),
    INTEGER("queue_bytes",      LIVE, 65536, GIB,       "8388608",    "bytes queued and in flight on one channel; at least max_message"),
    {.name = "overflow", .kind = W4_SCHEMA_ENUM, .flags = LIVE, .names = w4_config_overflows,
     .fallback = "\"error\"", .help = "what becomes of a message for a full queue"},
    INTEGER("block_timeout_ms", LIVE, 1,    600000,     "100",        "block: milliseconds that a message waits for room"),
    OBJECT("channels", &channels, "by kind, what differs from the above"),
    {.name = "peers", .kind = W4_SCHEMA_MAP, .flags = LIVE, .min = 0, .max = W4_CONFIG_PEERS_MAX,
     .items = &peer_item, .fallback = "{}",
     .help = "by fingerprint of a node, what differs for sessions with it"},
    INTEGER("credit",           LIVE, 1,    1048576,    "1024",       "messages a peer may have outstanding with us on one channel"),
    INTEGER("max_message",      LIVE, 4096, 16 * MIB,   "1048576",    "bytes of one message we take; at least limits.envelope_bytes"),
    INTEGER("channels_max",     LIVE, 3,    64,         "64",         "channels of one session, the three that are always open included"),
    INTEGER("peer_bytes",       LIVE, 262144, 4 * GIB,  "67108864",   "bytes of messages held for one peer, both ways, on all its channels; at most three quarters of them wait to be sent; at least four times max_message"),
    INTEGER("node_bytes",       LIVE, MIB,  64 * GIB,   "268435456",  "bytes of messages held for all peers together; each may hold as much as is left for all others; at least peer_bytes"),
    INTEGER("rekey_records",    LIVE, 2,    1048576,    "1048576",    "records after which a sender changes its key"),
    INTEGER("rekey_bytes",      LIVE, 65536, GIB,       "1073741824", "bytes after which a sender changes its key"),
    INTEGER("rekey_ms",         LIVE, 1000, 86400000,   "120000",     "milliseconds after which a sender changes its key"),
    W4_SCHEMA_END};
static const w4_schema session = {session_rows, true, NULL};

static const char *const anchor_kinds[] = {"agent", "node", NULL};
static const w4_schema_row anchor_rows[] = {
    {.name = "kind", .kind = W4_SCHEMA_ENUM, .flags = W4_SCHEMA_REQUIRED, .names = anchor_kinds,
     .help = "whose fingerprint it is"},
    {.name = "fingerprint", .kind = W4_SCHEMA_STRING, .flags = W4_SCHEMA_REQUIRED, .min = 1,
     .max = ADDRESS_MAX, .check = w4_check_fingerprint, .help = "who is trusted from the start"},
    {.name = "name", .kind = W4_SCHEMA_STRING, .min = 1, .max = 255, .check = w4_check_label,
     .help = "a note for people"},
    W4_SCHEMA_END};
static const w4_schema anchor = {anchor_rows, true, NULL};
static const w4_schema_row anchor_item = {.kind = W4_SCHEMA_OBJECT, .object = &anchor};
static const w4_schema_row trust_rows[] = {
    LIST("anchors", LIVE, W4_CONFIG_ANCHORS_MAX, &anchor_item, "[]", "agents and nodes that start as trusted"),
    W4_SCHEMA_END};
static const w4_schema trust = {trust_rows, true, NULL};

static const w4_schema_row cip_rows[] = {
    INTEGER("quorum",               LIVE, 2,   64,     "2",     "distinct trusted agents, other than the proposer, that must confirm a fact"),
    BOOLEAN("distinct_nodes",       LIVE,              "true",  "whether those who confirm a fact, or reject it, must be on different nodes"),
    INTEGER("handshake_timeout_ms", LIVE, 100, 600000, "10000", "milliseconds for the handshake between two agents"),
    W4_SCHEMA_END};
static const w4_schema cip = {cip_rows, true, NULL};

static const w4_schema_row hcp_rows[] = {
    INTEGER("pace_interval_ms",     LIVE, 1000, 86400000, "30000",
            "milliseconds between messages to or from a human who is under pressure"),
    INTEGER("correction_window_ms", LIVE, 1000, 2147483647, "3600000",
            "two corrections within as many milliseconds are a misunderstanding"),
    W4_SCHEMA_END};
static const w4_schema hcp = {hcp_rows, true, NULL};

static const w4_schema_row lip_rows[] = {
    INTEGER("claims_max",  LIVE, 16, 1048576, "10000", "claims that are kept; the oldest that are settled go first"),
    INTEGER("raise_after", LIVE, 1,  1000000, "3",     "corroborated claims that raise the tier of their source"),
    INTEGER("lower_after", LIVE, 1,  1000000, "2",     "claims in conflict that lower it"),
    W4_SCHEMA_END};
static const w4_schema lip = {lip_rows, true, NULL};

static const w4_schema_row durable_rows[] = {
    INTEGER("age_s",             LIVE, 600, 31536000, "604800",
            "seconds after its time stamp that a durable message is kept"),
    INTEGER("receiver_messages", LIVE, 1, 65536, "4096", "durable messages that wait for one agent"),
    INTEGER("receiver_bytes",    LIVE, 262144, GIB, "67108864", "bytes of them"),
    INTEGER("sender_messages",   LIVE, 1, 65536, "4096", "durable messages of one agent that wait here, or for one agent here"),
    INTEGER("sender_bytes",      LIVE, 262144, GIB, "67108864", "bytes of them"),
    INTEGER("bytes",             LIVE, 262144, 64 * GIB, "268435456", "bytes of all that wait to be sent, and of all that wait for agents here"),
    W4_SCHEMA_END};
static const w4_schema durable = {durable_rows, true, NULL};

static const w4_schema_row chain_rows[] = {
    INTEGER("depth",   LIVE, 1, 1000, "16",  "answers between a message and the one that began its chain"),
    INTEGER("repeats", LIVE, 1, 16,   "3",   "how often one agent may speak in a chain"),
    INTEGER("budget",  LIVE, 1, 1000000, "64", "messages that one which began a chain may cause"),
    W4_SCHEMA_END};
static const w4_schema chain = {chain_rows, true, NULL};

static const w4_schema_row limits_rows[] = {
    INTEGER("envelope_bytes",     LIVE,    1024, 256 * KIB, "262144",  "bytes of one envelope"),
    INTEGER("depth",              LIVE,    8,    32,        "32",      "levels of nesting in an envelope"),
    INTEGER("array_items",        LIVE,    16,   1024,      "1024",    "elements of one array, members of one object"),
    INTEGER("string_bytes",       LIVE,    256,  64 * KIB,  "65536",   "bytes of one string"),
    INTEGER("agents_max",         LIVE,    1,    65536,     "1024",    "agents attached at once"),
    INTEGER("sessions_max",       LIVE,    1,    65536,     "1024",    "sessions with other nodes"),
    INTEGER("half_open_max",      LIVE,    1,    65536,     "256",     "handshakes under way; the oldest goes first"),
    INTEGER("accepts_per_s",      LIVE,    1,    100000,    "20",      "handshakes a second from one address"),
    INTEGER("clients_max",        RESTART, 1,    65536,     "256",     "connections to each local socket"),
    INTEGER("client_queue_bytes", RESTART, 65536, GIB,      "8388608", "bytes kept for a client that does not read"),
    INTEGER("facts_max",          LIVE,    16,   10000000,  "100000",  "facts kept; the oldest that are settled go first"),
    W4_SCHEMA_END};
static const w4_schema limits = {limits_rows, true, NULL};

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const w4_schema_row log_rows[] = {
    {.name = "level", .kind = W4_SCHEMA_ENUM, .flags = LIVE, .names = log_levels,
     .fallback = "\"info\"", .help = "what is logged: this and what matters more"},
    W4_SCHEMA_END};
static const w4_schema log_schema = {log_rows, true, NULL};

static const w4_schema_row table_rows[] = {
    OBJECT("node",    &node,          "the node itself"),
    OBJECT("paths",   &paths,         "where its files and sockets are"),
    OBJECT("access",  &access_schema, "who may use its sockets"),
    LIST("listen",    RESTART, W4_CONFIG_LISTEN_MAX, &listen_item,  "[\"tcp:0.0.0.0:7474\"]", "addresses for other nodes; port 0: any that is free"),
    LIST("advertise", LIVE,    W4_CONFIG_LISTEN_MAX, &address_item, "[]", "addresses told to other nodes, when they differ from those of listen"),
    LIST("seeds",     LIVE,    W4_CONFIG_SEEDS_MAX,  &address_item, "[]", "addresses of nodes to begin with"),
    OBJECT("mesh",    &mesh,          "how nodes find each other"),
    OBJECT("session", &session,       "sessions between nodes that are opened from now on"),
    OBJECT("trust",   &trust,         "whom to trust from the start"),
    OBJECT("cip",     &cip,           "facts and handshakes of agents"),
    OBJECT("hcp",     &hcp,           "people, through their agents"),
    OBJECT("lip",     &lip,           "what comes from the internet"),
    OBJECT("durable", &durable,       "messages that are kept until their agent has dealt with them"),
    OBJECT("chain",   &chain,         "messages that answer messages, of all families"),
    OBJECT("limits",  &limits,        "bounds"),
    OBJECT("log",     &log_schema,    "logging"),
    W4_SCHEMA_END};
const w4_schema w4_config_table = {table_rows, true, NULL};

const w4_config_derived w4_config_derived_rows[] = {
    {"access", "agent_group",    W4_CONFIG_BASE_GROUP,   "web4"},
    {"access", "control_group",  W4_CONFIG_BASE_GROUP,   "web4-admin"},
    {"node",   "identity",       W4_CONFIG_BASE_STATE,   "/identity.pem"},
    {"node",   "name",           W4_CONFIG_BASE_NAME,    ""},
    {"paths",  "agent_socket",   W4_CONFIG_BASE_RUNTIME, "/agent.sock"},
    {"paths",  "agents_dir",     W4_CONFIG_BASE_STATE,   "/agents"},
    {"paths",  "control_socket", W4_CONFIG_BASE_RUNTIME, "/control.sock"},
    {"paths",  "runtime_dir",    W4_CONFIG_BASE_RUNTIME, ""},
    {"paths",  "state_dir",      W4_CONFIG_BASE_STATE,   ""},
    {"paths",  "store",          W4_CONFIG_BASE_STATE,   "/web4.db"},
    {NULL, NULL, W4_CONFIG_BASE_NAME, NULL}};

#define AT(FIELD) offsetof(w4_config, FIELD)
const w4_config_binding w4_config_bindings[] = {
    {"/node/name",                W4_CONFIG_TEXT, AT(node.name),                0, 0},
    {"/node/identity",            W4_CONFIG_TEXT, AT(node.identity),            0, 0},
    {"/paths/state_dir",          W4_CONFIG_TEXT, AT(paths.state_dir),          0, 0},
    {"/paths/runtime_dir",        W4_CONFIG_TEXT, AT(paths.runtime_dir),        0, 0},
    {"/paths/agents_dir",         W4_CONFIG_TEXT, AT(paths.agents_dir),         0, 0},
    {"/paths/store",              W4_CONFIG_TEXT, AT(paths.store),              0, 0},
    {"/paths/control_socket",     W4_CONFIG_TEXT, AT(paths.control_socket),     0, 0},
    {"/paths/agent_socket",       W4_CONFIG_TEXT, AT(paths.agent_socket),       0, 0},
    {"/access/control_group",     W4_CONFIG_TEXT, AT(access.control_group),     0, 0},
    {"/access/agent_group",       W4_CONFIG_TEXT, AT(access.agent_group),       0, 0},
    {"/listen",                   W4_CONFIG_LIST, AT(listen),    AT(listen_count),    W4_CONFIG_LISTEN_MAX},
    {"/advertise",                W4_CONFIG_LIST, AT(advertise), AT(advertise_count), W4_CONFIG_LISTEN_MAX},
    {"/mesh/max_peers",           W4_CONFIG_U32,  AT(mesh.max_peers),           0, 0},
    {"/mesh/beacons/interfaces",  W4_CONFIG_LIST, AT(mesh.beacons.interfaces),
                                  AT(mesh.beacons.interfaces_count), W4_CONFIG_INTERFACES_MAX},
    {"/mesh/beacons/interval_ms", W4_CONFIG_U32,  AT(mesh.beacons.interval_ms), 0, 0},
    {"/session/heartbeat_ms",     W4_CONFIG_U32,  AT(session.heartbeat_ms),     0, 0},
    {"/session/timeout_ms",       W4_CONFIG_U32,  AT(session.timeout_ms),       0, 0},
    {"/session/resume_window_ms", W4_CONFIG_U32,  AT(session.resume_window_ms), 0, 0},
    {"/session/queue_messages",   W4_CONFIG_U32,  AT(session.every.queue_messages), 0, 0},
    {"/session/queue_bytes",      W4_CONFIG_U64,  AT(session.every.queue_bytes), 0, 0},
    {"/session/block_timeout_ms", W4_CONFIG_U32,  AT(session.every.block_timeout_ms), 0, 0},
    {"/session/credit",           W4_CONFIG_U32,  AT(session.credit),           0, 0},
    {"/session/max_message",      W4_CONFIG_U32,  AT(session.max_message),      0, 0},
    {"/session/channels_max",     W4_CONFIG_U32,  AT(session.channels_max),     0, 0},
    {"/session/peer_bytes",       W4_CONFIG_U64,  AT(session.peer_bytes),       0, 0},
    {"/session/node_bytes",       W4_CONFIG_U64,  AT(session.node_bytes),       0, 0},
    {"/session/rekey_records",    W4_CONFIG_U64,  AT(session.rekey_records),    0, 0},
    {"/session/rekey_bytes",      W4_CONFIG_U64,  AT(session.rekey_bytes),      0, 0},
    {"/session/rekey_ms",         W4_CONFIG_U32,  AT(session.rekey_ms),         0, 0},
    {"/cip/quorum",               W4_CONFIG_U32,  AT(cip.quorum),               0, 0},
    {"/cip/distinct_nodes",       W4_CONFIG_BOOL, AT(cip.distinct_nodes),       0, 0},
    {"/cip/handshake_timeout_ms", W4_CONFIG_U32,  AT(cip.handshake_timeout_ms), 0, 0},
    {"/hcp/pace_interval_ms",     W4_CONFIG_U32,  AT(hcp.pace_interval_ms),     0, 0},
    {"/hcp/correction_window_ms", W4_CONFIG_U32,  AT(hcp.correction_window_ms), 0, 0},
    {"/lip/claims_max",           W4_CONFIG_U32,  AT(lip.claims_max),           0, 0},
    {"/lip/raise_after",          W4_CONFIG_U32,  AT(lip.raise_after),          0, 0},
    {"/lip/lower_after",          W4_CONFIG_U32,  AT(lip.lower_after),          0, 0},
    {"/durable/age_s",            W4_CONFIG_U32,  AT(durable.age_s),            0, 0},
    {"/durable/receiver_messages", W4_CONFIG_U32, AT(durable.receiver_messages), 0, 0},
    {"/durable/receiver_bytes",   W4_CONFIG_U64,  AT(durable.receiver_bytes),   0, 0},
    {"/durable/sender_messages",  W4_CONFIG_U32,  AT(durable.sender_messages),  0, 0},
    {"/durable/sender_bytes",     W4_CONFIG_U64,  AT(durable.sender_bytes),     0, 0},
    {"/durable/bytes",            W4_CONFIG_U64,  AT(durable.bytes),            0, 0},
    {"/chain/depth",              W4_CONFIG_U32,  AT(chain.depth),              0, 0},
    {"/chain/repeats",            W4_CONFIG_U32,  AT(chain.repeats),            0, 0},
    {"/chain/budget",             W4_CONFIG_U32,  AT(chain.budget),             0, 0},
    {"/limits/envelope_bytes",    W4_CONFIG_U32,  AT(limits.envelope_bytes),    0, 0},
    {"/limits/depth",             W4_CONFIG_U32,  AT(limits.depth),             0, 0},
    {"/limits/array_items",       W4_CONFIG_U32,  AT(limits.array_items),       0, 0},
    {"/limits/string_bytes",      W4_CONFIG_U32,  AT(limits.string_bytes),      0, 0},
    {"/limits/agents_max",        W4_CONFIG_U32,  AT(limits.agents_max),        0, 0},
    {"/limits/sessions_max",      W4_CONFIG_U32,  AT(limits.sessions_max),      0, 0},
    {"/limits/half_open_max",     W4_CONFIG_U32,  AT(limits.half_open_max),     0, 0},
    {"/limits/accepts_per_s",     W4_CONFIG_U32,  AT(limits.accepts_per_s),     0, 0},
    {"/limits/clients_max",       W4_CONFIG_U32,  AT(limits.clients_max),       0, 0},
    {"/limits/client_queue_bytes", W4_CONFIG_U32, AT(limits.client_queue_bytes), 0, 0},
    {"/limits/facts_max",         W4_CONFIG_U32,  AT(limits.facts_max),         0, 0},
    {NULL, W4_CONFIG_U32, 0, 0, 0}};
/* seeds with mesh.pins, trust.anchors, log.level and the channels of sessions have forms of their
 * own: config_fill.c. */
/* clang-format on */

/* ---- what spans members */

static w4_json at(w4_json effective, const char *pointer) {
    return w4_json_at_pointer(effective, w4_bytes_from_text(pointer));
}

static int64_t integer_at(w4_json effective, const char *pointer) {
    int64_t value = 0;
    (void)w4_json_integer(at(effective, pointer), &value);
    return value;
}

void w4_config_blame(w4_faults *faults, const char *expected, const char *format, ...) {
    uint32_t i = faults->count++;
    if (i >= W4_FAULTS_MAX) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(faults->items[i].pointer, sizeof faults->items[i].pointer, format, args);
    va_end(args);
    snprintf(faults->items[i].expected, sizeof faults->items[i].expected, "%s", expected);
}

/* Elements are the same when their text is, anchors when kind and fingerprint are. */
static bool is_same(w4_json a, w4_json b) {
    if (w4_json_kind_of(a) != W4_JSON_OBJECT) {
        return w4_bytes_equal(w4_json_text(a), w4_json_text(b));
    }
    return w4_bytes_equal(w4_json_text(w4_json_get(a, "fingerprint")),
                          w4_json_text(w4_json_get(b, "fingerprint"))) &&
           w4_bytes_equal(w4_json_text(w4_json_get(a, "kind")),
                          w4_json_text(w4_json_get(b, "kind")));
}

static bool is_repeated(w4_json array, w4_json_iterator at) {
    for (w4_json_iterator i = w4_json_first(array); i.position < at.position; i = w4_json_next(i)) {
        if (is_same(i.value, at.value)) {
            return true;
        }
    }
    return false;
}

static void check_repeated(w4_json effective, w4_faults *faults) {
    static const char *const lists[] = {"/listen", "/advertise", "/seeds",
                                        "/mesh/beacons/interfaces", "/trust/anchors"};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        w4_json array = at(effective, lists[k]);
        for (w4_json_iterator i = w4_json_first(array); w4_json_exists(i.value);
             i = w4_json_next(i)) {
            if (is_repeated(array, i)) {
                w4_config_blame(faults, "what is not in the list already", "%s/%u", lists[k],
                                i.position);
            }
        }
    }
}

static bool contains(w4_json array, w4_json text) {
    for (w4_json_iterator i = w4_json_first(array); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (w4_bytes_equal(w4_json_text(i.value), w4_json_text(text))) {
            return true;
        }
    }
    return false;
}

static void check_pins(w4_json effective, w4_faults *faults) {
    w4_json pins = at(effective, "/mesh/pins");
    for (w4_json_iterator i = w4_json_first(pins); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!contains(at(effective, "/seeds"), i.name)) {
            char name[64]; /* shown: not an address, so it may be anything */
            w4_text_escape_cut(name, sizeof name, w4_json_string_raw(i.name));
            w4_config_blame(faults, "an address of /seeds, as it is spelled there", "/mesh/pins/%s",
                            name);
        }
    }
}

/* Two of these at one path would destroy each other. */
static void check_paths(w4_json effective, w4_faults *faults) {
    static const char *const files[] = {"/node/identity",        "/paths/store",
                                        "/paths/agents_dir",     "/paths/state_dir",
                                        "/paths/control_socket", "/paths/agent_socket"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t k = 0; k < i; k++) {
            if (w4_bytes_equal(w4_json_text(at(effective, files[i])),
                               w4_json_text(at(effective, files[k])))) {
                w4_config_blame(faults, "a path that nothing else has", "%s", files[i]);
            }
        }
    }
}

static void check_sizes(w4_json effective, w4_faults *faults) {
    static const struct {
        const char *larger, *smaller;
        int64_t factor;
        const char *expected;
    } pairs[] = {
        {"/session/timeout_ms", "/session/heartbeat_ms", 2, "at least twice /session/heartbeat_ms"},
        {"/session/max_message", "/limits/envelope_bytes", 1, "at least /limits/envelope_bytes"},
        {"/session/queue_bytes", "/session/max_message", 1, "at least /session/max_message"},
        {"/session/peer_bytes", "/session/max_message", 4,
         "at least four times /session/max_message"},
        {"/session/node_bytes", "/session/peer_bytes", 1, "at least /session/peer_bytes"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (integer_at(effective, pairs[i].larger) <
            integer_at(effective, pairs[i].smaller) * pairs[i].factor) {
            w4_config_blame(faults, pairs[i].expected, "%s", pairs[i].larger);
        }
    }
}

/* Each of a group of channels that says itself how large its queue is. */
static void check_queues(w4_json group, const char *of, int64_t least, w4_faults *faults) {
    for (w4_json_iterator i = w4_json_first(group); w4_json_exists(i.value); i = w4_json_next(i)) {
        int64_t bytes = least;
        (void)w4_json_integer(w4_json_get(i.value, "queue_bytes"), &bytes);
        if (bytes < least) {
            char kind[16] = "";
            (void)w4_json_string_copy(i.name, kind, sizeof kind);
            w4_config_blame(faults, "at least /session/max_message", "%s/%s/queue_bytes", of, kind);
        }
    }
}

static void check_channels(w4_json effective, w4_faults *faults) {
    int64_t least = integer_at(effective, "/session/max_message");
    check_queues(at(effective, "/session/channels"), "/session/channels", least, faults);
    w4_json peers = at(effective, "/session/peers");
    for (w4_json_iterator i = w4_json_first(peers); w4_json_exists(i.value); i = w4_json_next(i)) {
        char name[W4_FINGERPRINT_TEXT_LEN + 8], of[W4_FINGERPRINT_TEXT_LEN + 32];
        w4_fingerprint parsed;
        w4_text_escape_cut(name, sizeof name, w4_json_string_raw(i.name));
        snprintf(of, sizeof of, "/session/peers/%s", name);
        if (!w4_fingerprint_parse(w4_json_string_raw(i.name), &parsed)) {
            w4_config_blame(faults, "the fingerprint of a node, 64 lower-case hex digits", "%s",
                            of);
        }
        check_queues(i.value, of, least, faults);
    }
}

void w4_config_check_whole(w4_json effective, w4_faults *faults) {
    check_sizes(effective, faults);
    check_repeated(effective, faults);
    check_pins(effective, faults);
    check_channels(effective, faults);
    w4_config_check_sla(at(effective, "/session"), faults);
    check_paths(effective, faults);
}

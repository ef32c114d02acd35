/* The configuration: one table of members (bounds, defaults, live or restart, help), and the typed
 * struct made from it. Takes texts; which files they come from is the owner's affair. */
#pragma once

#include "base/env.h"
#include "crypto/fingerprint.h"
#include "session/session.h"
#include "json/schema.h"

#define W4_CONFIG_TEXTS_MAX 256u            /* the main file and its fragments */
#define W4_CONFIG_BYTES_MAX (1024u * 1024u) /* of one text */
#define W4_CONFIG_LISTEN_MAX 8u
#define W4_CONFIG_SEEDS_MAX 256u
#define W4_CONFIG_ANCHORS_MAX 1024u
#define W4_CONFIG_INTERFACES_MAX 16u
#define W4_CONFIG_PEERS_MAX 1024u /* with channels of their own */
#define W4_CONFIG_CHANGES_MAX 128u
#define W4_CONFIG_PATH_MAX 4096u

/* ---- where defaults come from: what the owner knows of its surroundings */
typedef struct w4_config_place {
    bool is_root;
    /* Of the environment; NULL where unset. Relative and empty ones count as unset. */
    const char *configuration_directory, *state_directory, *runtime_directory; /* by systemd */
    const char *xdg_config_home, *xdg_state_home, *xdg_runtime_dir, *home;
    const char *host_name; /* default of node.name; NULL: "node" */
} w4_config_place;

typedef struct w4_config_paths {
    char file[W4_CONFIG_PATH_MAX];      /* web4d.json */
    char fragments[W4_CONFIG_PATH_MAX]; /* conf.d: its *.json, in the order of their names */
    char state_dir[W4_CONFIG_PATH_MAX];
    char runtime_dir[W4_CONFIG_PATH_MAX];
} w4_config_paths;

/* systemd's directories first; then /etc/web4, /var/lib/web4 and /run/web4 for root; else the XDG
 * ones (runtime: state_dir/run when there is none). False when nothing says where (no home) or a
 * path is too long. */
bool w4_config_paths_default(const w4_config_place *place, w4_config_paths *ret_paths);

/* ---- the typed form. Texts belong to the config. */
typedef struct w4_config_seed {
    const char *address;
    bool pinned; /* only the node of this fingerprint is good there */
    w4_fingerprint fingerprint;
} w4_config_seed;

typedef enum w4_config_anchor_kind {
    W4_CONFIG_ANCHOR_AGENT,
    W4_CONFIG_ANCHOR_NODE,
    W4_CONFIG_ANCHOR_KIND_COUNT
} w4_config_anchor_kind;

typedef struct w4_config_anchor {
    w4_config_anchor_kind kind;
    w4_fingerprint fingerprint;
    const char *name; /* "" when none was given */
} w4_config_anchor;

/* What one channel of a session is held to. */
typedef struct w4_config_channel {
    w4_overflow overflow;
    uint32_t queue_messages, block_timeout_ms;
    uint64_t queue_bytes;
    w4_sla_contract sla; /* as configured: it may promise nothing */
} w4_config_channel;

typedef struct w4_config_peer {
    w4_fingerprint node;
    w4_config_channel channels[W4_CHANNEL_KIND_COUNT];
} w4_config_peer;

typedef struct w4_config {
    struct {
        const char *name, *identity; /* identity: path of the PEM file */
    } node;
    struct {
        const char *state_dir, *runtime_dir, *agents_dir, *store, *control_socket, *agent_socket;
    } paths;
    struct {
        const char *control_group, *agent_group; /* "": nobody but root and the service's user */
    } access;
    const char *listen[W4_CONFIG_LISTEN_MAX];
    uint32_t listen_count;
    const char *advertise[W4_CONFIG_LISTEN_MAX]; /* none: what it listens on */
    uint32_t advertise_count;
    const w4_config_seed *seeds;
    uint32_t seeds_count;
    struct {
        uint32_t max_peers;
        struct {
            const char *interfaces[W4_CONFIG_INTERFACES_MAX]; /* none: no beacons */
            uint32_t interfaces_count;
            uint32_t interval_ms;
        } beacons;
    } mesh;
    struct {
        uint32_t heartbeat_ms, timeout_ms, resume_window_ms;
        uint32_t queue_messages, credit, max_message;
        uint64_t queue_bytes;
        uint32_t channels_max;
        uint64_t peer_bytes, node_bytes; /* of messages */
        uint64_t rekey_records, rekey_bytes;
        uint32_t rekey_ms;
        w4_config_channel every; /* what holds where neither channels nor peers say otherwise */
        w4_config_channel channels[W4_CHANNEL_KIND_COUNT]; /* whole: with what they inherit */
        const w4_config_peer *peers; /* the same; in the order of their fingerprints */
        uint32_t peers_count;
    } session;
    struct {
        const w4_config_anchor *anchors;
        uint32_t anchors_count;
    } trust;
    struct {
        uint32_t quorum; /* confirmations that acceptance asks for; at least 2 */
        bool distinct_nodes;
        uint32_t handshake_timeout_ms;
    } cip;
    struct {
        uint32_t pace_interval_ms, correction_window_ms;
    } hcp;
    struct {
        uint32_t claims_max, raise_after, lower_after;
    } lip;
    struct {
        uint32_t age_s, receiver_messages, sender_messages;
        uint64_t receiver_bytes, sender_bytes, bytes;
    } durable;
    struct {
        uint32_t depth, repeats, budget;
    } chain;
    struct {
        uint32_t envelope_bytes, depth, array_items, string_bytes;
        uint32_t agents_max, sessions_max, half_open_max, accepts_per_s;
        uint32_t clients_max;        /* connections to each local socket */
        uint32_t client_queue_bytes; /* kept for a client that does not read */
        uint32_t facts_max;
    } limits;
    struct {
        w4_log_level level;
    } log;
} w4_config;

/* ---- loading */
typedef struct w4_config_text {
    const char *name; /* file, for faults */
    w4_bytes text;
} w4_config_text;

typedef struct w4_config_fault {
    const char *name;      /* as in w4_config_text; "" when no file is to blame */
    uint32_t line, column; /* 0: not known (the pointer says where) */
    w4_fault fault;
} w4_config_fault;

typedef struct w4_config_faults {
    uint32_t count; /* all that were found; only the first W4_FAULTS_MAX are kept */
    w4_config_fault items[W4_FAULTS_MAX];
} w4_config_faults;

/* place may be NULL when the texts say all that depends on it. Parses each text, checks each
 * against the table, merges them in their order over the defaults, checks what spans members. 0
 * with *ret_config (w4_config_free), -ENOMEM, or 1 with every fault in *ret_faults. No texts: the
 * defaults. */
int w4_config_load(const w4_config_text *texts, size_t count, const w4_config_place *place,
                   w4_config **ret_config, w4_config_faults *ret_faults);
w4_config *w4_config_free(w4_config *config);
/* The contract that is meant: W4_SLA_NO_CONTRACT when nothing is promised. */
w4_sla_contract w4_config_contract(const w4_sla_contract *configured);
/* The channels of sessions with that node: W4_CHANNEL_KIND_COUNT of them. */
const w4_config_channel *w4_config_channels(const w4_config *config, const w4_fingerprint *node);
/* Appends one printable line without newline: `FILE:LINE:COLUMN: POINTER: expected ...`, as far as
 * each is known. 0, -ENOMEM, -EMSGSIZE. */
int w4_config_fault_format(const w4_config_fault *fault, w4_buffer *out);

w4_json w4_config_effective(const w4_config *config);  /* every member, canonical */
const char *w4_config_digest(const w4_config *config); /* SHA-256 of that, 64 hex digits */
const w4_schema *w4_config_schema(void);

/* ---- reload */
typedef struct w4_config_change {
    char pointer[W4_FAULT_POINTER_MAX];
    bool restart; /* it cannot change in a running node */
} w4_config_change;

typedef struct w4_config_changes {
    uint32_t count, restart_count;
    w4_config_change items[W4_CONFIG_CHANGES_MAX];
} w4_config_changes;

/* Both must come from w4_config_load. */
void w4_config_compare(const w4_config *from, const w4_config *to, w4_config_changes *ret_changes);
/* What a running node can have at once: `to`, but with the members of `from` that need a restart.
 * 0, -ENOMEM, or 1: both together are not valid (nothing of it without a restart). */
int w4_config_carry(const w4_config *from, const w4_config *to, w4_config **ret_config);

/* ---- for people */
int w4_config_write_schema(w4_buffer *out); /* JSON Schema 2020-12, indented, with a newline */

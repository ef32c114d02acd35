/* The methods of both sockets: one row each. The daemon binds functions to these rows, web4ctl
 * makes its calls by them, and tests hold both and the man page against this table. */
#pragma once

#include "json/schema.h"

typedef enum w4_surface { W4_SURFACE_CONTROL, W4_SURFACE_AGENT, W4_SURFACE_COUNT } w4_surface;

typedef enum w4_method {
    /* control socket */
    W4_METHOD_STATUS_GET,
    W4_METHOD_PEERS_LIST,
    W4_METHOD_PEERS_SHOW,
    W4_METHOD_PEERS_ADD,
    W4_METHOD_PEERS_REMOVE,
    W4_METHOD_PEERS_BLOCK,
    W4_METHOD_SESSIONS_LIST,
    W4_METHOD_SESSIONS_SHOW,
    W4_METHOD_SESSIONS_CLOSE,
    W4_METHOD_SESSIONS_REKEY,
    W4_METHOD_CHANNELS_LIST,
    W4_METHOD_SLA_LIST,
    W4_METHOD_TRUST_LIST,
    W4_METHOD_TRUST_SHOW,
    W4_METHOD_TRUST_SET,
    W4_METHOD_TRUST_RESET,
    W4_METHOD_TRUST_WHY,
    W4_METHOD_CONSENT_LIST,
    W4_METHOD_CONSENT_SHOW,
    W4_METHOD_AGENTS_LIST,
    W4_METHOD_FACTS_LIST,
    W4_METHOD_FACTS_SHOW,
    W4_METHOD_FACTS_WHY,
    W4_METHOD_FACTS_SETTLE,
    W4_METHOD_CLAIMS_LIST,
    W4_METHOD_CLAIMS_SHOW,
    W4_METHOD_SOURCES_LIST,
    W4_METHOD_SOURCES_SET,
    W4_METHOD_SOURCES_WHY,
    W4_METHOD_GRAPH_SHOW,
    W4_METHOD_EVENTS_WATCH,
    W4_METHOD_KEYS_SHOW,
    W4_METHOD_KEYS_REVOKE,
    W4_METHOD_KEYS_TAKE,
    W4_METHOD_ENVELOPE_EXPLAIN,
    W4_METHOD_CONFIG_SHOW,
    W4_METHOD_CONFIG_RELOAD,
    W4_METHOD_NODE_STOP,
    W4_METHOD_MEMORY_QUERY,
    W4_METHOD_MEMORY_EXPORT,
    W4_METHOD_MEMORY_IMPORT,
    W4_METHOD_STORE_CHECK,
    W4_METHOD_STORE_BACKUP,
    W4_METHOD_STORE_EXPORT,
    /* agent socket */
    W4_METHOD_AGENT_ATTACH,
    W4_METHOD_AGENT_DETACH,
    W4_METHOD_AGENT_SEND,
    W4_METHOD_AGENT_SUBMIT,
    W4_METHOD_AGENT_STATE,
    W4_METHOD_AGENT_HUMAN_STATE,
    W4_METHOD_AGENT_CONSENT_GET,
    W4_METHOD_AGENT_ACK,
    W4_METHOD_AGENT_FACTS_LIST,
    W4_METHOD_AGENT_FACTS_SHOW,
    W4_METHOD_AGENT_CLAIMS_LIST,
    W4_METHOD_AGENT_CLAIMS_SHOW,
    W4_METHOD_AGENT_MEMORY_QUERY,
    W4_METHOD_AGENT_KEYS_TAKE,
    W4_METHOD_PEERS_FIND,
    W4_METHOD_AGENT_EVENTS_WATCH,
    W4_METHOD_COUNT
} w4_method;

typedef struct w4_method_row {
    w4_method method;
    w4_surface surface;
    const char *name; /* "trust.set"; unique per surface */
    const w4_schema *params;
    const w4_schema *result;
    bool changes; /* it orders something: goes to the audit table */
    const char *help;
} w4_method_row;

const w4_method_row *w4_method_row_of(w4_method method);
const w4_method_row *w4_method_find(w4_surface surface, w4_bytes name);

/* What a node sends by itself on either socket. */
typedef enum w4_notification {
    W4_NOTIFY_AGENT_MESSAGE,
    W4_NOTIFY_AGENT_DELIVERY,
    W4_NOTIFY_FACT_UPDATED,
    W4_NOTIFY_CLAIM_UPDATED,
    W4_NOTIFY_NODE_EVENT,
    W4_NOTIFICATION_COUNT
} w4_notification;

typedef struct w4_notification_row {
    w4_notification notification;
    const char *name; /* "agent.message" */
    const w4_schema *params;
    const char *help;
} w4_notification_row;

const w4_notification_row *w4_notification_row_of(w4_notification notification);
const w4_notification_row *w4_notification_find(w4_bytes name); /* NULL: no such */

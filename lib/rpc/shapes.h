/* The shapes that several methods speak of: checks of single values, and the objects a node tells
 * about (facts, peers, sessions, ...). Private to this folder; the method tables are made of them.
 */
#pragma once

#include "envelope/schema.h"

#define W4_RPC_LIST_MAX 65536 /* elements of one answer */
#define W4_RPC_NAME_MAX 255   /* agent ids, node names, references to either */
#define W4_RPC_TEXT_MAX 65536 /* statements, notes, reasons */
#define W4_RPC_INTEGER_MAX 9007199254740991.0

/* Beside the checks of envelope/schema.h: NULL when good, else what was expected. */
const char *w4_rpc_check_key(w4_json value);       /* "hosted" or a public key in base64 */
const char *w4_rpc_check_digest(w4_json value);    /* as a fingerprint, of a document */
const char *w4_rpc_check_base64(w4_json value);    /* of any length, padded */
const char *w4_rpc_check_printable(w4_json value); /* printable ASCII */

extern const char *const w4_rpc_agent_states[];
extern const char *const w4_rpc_node_states[];
extern const char *const w4_rpc_trust_states[]; /* the words of all kinds */
extern const char *const w4_rpc_trust_kinds[];
extern const char *const w4_rpc_key_kinds[];
extern const char *const w4_rpc_fact_states[];
extern const char *const w4_rpc_channels[];

extern const w4_schema w4_rpc_nothing; /* {} and nothing else */
extern const w4_schema w4_rpc_agent;
extern const w4_schema w4_rpc_fact;
extern const w4_schema w4_rpc_peer;
extern const w4_schema w4_rpc_session;
extern const w4_schema w4_rpc_contract;
extern const w4_schema w4_rpc_channel;
extern const w4_schema w4_rpc_trust_entry;
extern const w4_schema w4_rpc_key;
extern const w4_schema w4_rpc_trust_move;
extern const w4_schema w4_rpc_human;
extern const w4_schema w4_rpc_claim;
extern const w4_schema w4_rpc_memory_entry;
extern const w4_schema w4_rpc_source;
extern const w4_schema w4_rpc_event;

extern const w4_schema_row w4_rpc_address_item; /* "tcp:HOST:PORT" */
extern const w4_schema_row w4_rpc_agent_item;
extern const w4_schema_row w4_rpc_fact_item;
extern const w4_schema_row w4_rpc_count_item;
extern const w4_schema_row w4_rpc_voice_item;     /* who spoke for or against a fact or claim */
extern const w4_schema_row w4_rpc_challenge_item; /* who doubts it */

/* Shorthands of rows, so that a table of members reads as one. R: required, O: optional. */
/* clang-format off */
#define R_ W4_SCHEMA_REQUIRED
#define O_ 0u
#define RPC_FINGERPRINT(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 64, .max = 64, \
     .check = w4_check_fingerprint, .help = HELP}
#define RPC_DIGEST(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 64, .max = 64, \
     .check = w4_rpc_check_digest, .help = HELP}
#define RPC_TIME(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 20, .max = 35, \
     .check = w4_check_timestamp, .help = HELP}
#define RPC_UUID(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 36, .max = 36, \
     .check = w4_check_uuid, .help = HELP}
#define RPC_LABEL(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 1, .max = W4_RPC_NAME_MAX, \
     .check = w4_check_label, .help = HELP}
#define RPC_PUBKEY(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 44, .max = 44, \
     .check = w4_check_pubkey, .help = HELP}
#define RPC_ADDRESS(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 1, .max = W4_RPC_NAME_MAX, \
     .check = w4_rpc_check_printable, .help = HELP}
#define RPC_TEXT(NAME, FLAGS, MAX, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_STRING, .flags = FLAGS, .min = 0, .max = MAX, .help = HELP}
#define RPC_BOOL(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_BOOL, .flags = FLAGS, .help = HELP}
#define RPC_INTEGER(NAME, FLAGS, LOW, HIGH, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_INTEGER, .flags = FLAGS, .min = LOW, .max = HIGH, .help = HELP}
#define RPC_COUNT(NAME, FLAGS, HELP) RPC_INTEGER(NAME, FLAGS, 0, W4_RPC_INTEGER_MAX, HELP)
#define RPC_NUMBER(NAME, FLAGS, LOW, HIGH, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_NUMBER, .flags = FLAGS, .min = LOW, .max = HIGH, .help = HELP}
#define RPC_ENUM(NAME, FLAGS, NAMES, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_ENUM, .flags = FLAGS, .names = NAMES, .help = HELP}
#define RPC_ARRAY(NAME, FLAGS, MAX, ITEMS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_ARRAY, .flags = FLAGS, .min = 0, .max = MAX, .items = ITEMS, \
     .help = HELP}
#define RPC_MAP(NAME, FLAGS, MAX, ITEMS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_MAP, .flags = FLAGS, .min = 0, .max = MAX, .items = ITEMS, \
     .help = HELP}
#define RPC_OBJECT(NAME, FLAGS, OBJECT, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_OBJECT, .flags = FLAGS, .object = OBJECT, .help = HELP}
#define RPC_ANY(NAME, FLAGS, HELP) \
    {.name = NAME, .kind = W4_SCHEMA_ANY, .flags = FLAGS, .help = HELP}
#define RPC_ITEM(OBJECT) {.kind = W4_SCHEMA_OBJECT, .object = OBJECT}
/* clang-format on */

/* What the tables of the families share: bounds, forms, kinds of rows. One file for each family
 * (family_cip.c ...) holds its types and what their envelopes carry, schema_envelope.c the members
 * that all envelopes have. */
#pragma once

#include "envelope/type.h"

/* Bounds of members, in bytes of UTF-8 or in elements. The limits of the document (256 KiB, 32
 * levels, 1,024 elements, 64 KiB a string) hold on top of them. */
#define W4_NAME_BYTES_MAX 255         /* labels, topics, domains, capabilities */
#define W4_TEXT_BYTES_MAX (16 * 1024) /* statements, notes, rationales */
#define W4_URI_BYTES_MAX 2048
#define W4_LIST_ITEMS_MAX 1024
#define W4_CHAIN_ANCESTORS_MAX 16
#define W4_CHAIN_DEPTH_MAX 1000000  /* of the form; the guard refuses far below */
#define W4_CHAIN_BUDGET_MAX 1000000 /* the same */
#define W4_HOPS_MAX 16
#define W4_RECEIPTS_OF_ONE 128
#define W4_FACT_PARTS_OF_ALL 64
#define W4_FACTS_OF_ONE 128
#define W4_WORDS_OF_ID 9000 /* of facts and decisions under one id, as far as they are counted */
#define W4_SHARED_OF_ONE 128
#define W4_HUMAN_PARTS_OF_ALL 64
#define W4_HUMANS_OF_ONE 128
#define W4_KEY_PARTS_OF_ALL 64
#define W4_KEYS_OF_ONE 64
#define W4_LRI_MAX 100
#define W4_PERCENT_MAX 100
#define W4_SESSION_NONCE_LEN 16
#define W4_CHALLENGE_LEN 32

/* Forms of strings: NULL when good, else what was expected. */
const char *w4_check_label(w4_json value);    /* no control characters (C0, DEL, C1) */
const char *w4_check_agent_id(w4_json value); /* a label, and not "*" */
const char *w4_check_uuid(w4_json value);
const char *w4_check_timestamp(w4_json value);
const char *w4_check_fingerprint(w4_json value);
const char *w4_check_fingerprint_or_all(w4_json value); /* or "*" */
const char *w4_check_digest(w4_json value);             /* 32 lower-case hex digits */
const char *w4_check_pubkey(w4_json value);
const char *w4_check_signature(w4_json value);
const char *w4_check_nonce(w4_json value);
const char *w4_check_challenge(w4_json value);
const char *w4_check_text_or_object(w4_json value);
const char *w4_check_params(w4_json value); /* an object or an array, as in JSON-RPC */

/* Elements of lists. */
extern const w4_schema_row w4_item_name;
extern const w4_schema_row w4_item_text;
extern const w4_schema_row w4_item_uuid;
extern const w4_schema_row w4_item_fingerprint;
extern const w4_schema_row w4_item_text_or_object;
extern const w4_schema_row w4_item_object;

/* Enumerations that more than one table uses. */
extern const char *const w4_names_presence[];
extern const char *const w4_names_affect[];
extern const char *const w4_names_consent[];
extern const char *const w4_names_priority[];
extern const char *const w4_names_severity[];
extern const char *const w4_names_trust[];

extern const char *const w4_names_version[];

/* Members of all envelopes that are objects; for W4_ROWS_OF_ALL. */
extern const w4_schema w4_schema_sender;
extern const w4_schema w4_schema_receiver;
extern const w4_schema w4_schema_chain;
extern const w4_schema w4_schema_sign;

/* Rows. MUST and MAY are the flags: a member that has to be there, and one that may be missing.
 * A list that may be missing counts as an empty one. */
#define W4_MUST W4_SCHEMA_REQUIRED
#define W4_MAY 0

/* clang-format off */
#define W4_ROW_NAME(NAME, FLAGS, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_STRING, .flags = (FLAGS), .min = 1, .max = W4_NAME_BYTES_MAX, .check = w4_check_label, .help = (HELP)}
#define W4_ROW_TEXT(NAME, FLAGS, MIN, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_STRING, .flags = (FLAGS), .min = (MIN), .max = W4_TEXT_BYTES_MAX, .help = (HELP)}
#define W4_ROW_FORM(NAME, FLAGS, CHECK, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_STRING, .flags = (FLAGS), .min = 1, .max = W4_NAME_BYTES_MAX, .check = (CHECK), .help = (HELP)}
#define W4_ROW_ENUM(NAME, FLAGS, NAMES, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_ENUM, .flags = (FLAGS), .names = (NAMES), .help = (HELP)}
#define W4_ROW_INTEGER(NAME, FLAGS, MIN, MAX, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_INTEGER, .flags = (FLAGS), .min = (MIN), .max = (MAX), .help = (HELP)}
#define W4_ROW_CONFIDENCE(NAME, FLAGS, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_NUMBER, .flags = (FLAGS), .min = 0, .max = 1, .help = (HELP)}
#define W4_ROW_BOOL(NAME, FLAGS, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_BOOL, .flags = (FLAGS), .help = (HELP)}
#define W4_ROW_LIST(NAME, FLAGS, MIN, ITEM, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_ARRAY, .flags = (FLAGS), .min = (MIN), .max = W4_LIST_ITEMS_MAX, .items = (ITEM), .help = (HELP)}
#define W4_ROW_OBJECT(NAME, FLAGS, OBJECT, HELP) \
    {.name = (NAME), .kind = W4_SCHEMA_OBJECT, .flags = (FLAGS), .object = (OBJECT), .help = (HELP)}

/* sign is not marked as required: an envelope that is still to be signed has none. The readers
 * ask for it where it must be there, which is everywhere on the wire. */
#define W4_ROWS_OF_ALL \
    W4_ROW_FORM("msg_id",     W4_MUST, w4_check_uuid, "name of this message; never used again"), \
    W4_ROW_FORM("timestamp",  W4_MUST, w4_check_timestamp, "when it was signed"), \
    W4_ROW_OBJECT("sender",   W4_MUST, &w4_schema_sender, "who says it"), \
    W4_ROW_OBJECT("receiver", W4_MUST, &w4_schema_receiver, "to whom"), \
    W4_ROW_OBJECT("chain",    W4_MAY, &w4_schema_chain, "the messages that caused this one"), \
    W4_ROW_BOOL("durable",    W4_MAY, "true: to one agent, kept until it has dealt with it"), \
    W4_ROW_OBJECT("payload",  W4_MUST, NULL, "what is said, as the type has it"), \
    W4_ROW_OBJECT("sign",     W4_MAY, &w4_schema_sign, "signature; may be missing only before an envelope is signed")
/* clang-format on */

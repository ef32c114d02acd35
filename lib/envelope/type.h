/* Families and message types: one row each, with channel and schema (protocols.md 3 to 6).
 *
 * A family is a file of its own (family_cip.c ...) and a line in families.c; what it does is its
 * other half, in lib/protocol. The names of the four families of the specification and of their
 * types stand here; any other takes numbers from W4_FAMILY_COUNT and W4_TYPE_COUNT + 1 on. */
#pragma once

#include "json/schema.h"

typedef enum w4_family {
    W4_FAMILY_CIP,
    W4_FAMILY_HCP,
    W4_FAMILY_LIP,
    W4_FAMILY_MESH,
    W4_FAMILY_COUNT
} w4_family;

const char *w4_family_name(w4_family family); /* "cip": also the name of the version member */
/* Of a registered one; *ret_family untouched when there is none. */
bool w4_family_from_name(w4_bytes name, w4_family *ret_family);

typedef enum w4_channel_kind {
    W4_CHANNEL_CONTROL,
    W4_CHANNEL_STATE,
    W4_CHANNEL_KNOWLEDGE,
    W4_CHANNEL_KIND_COUNT
} w4_channel_kind;

const char *w4_channel_kind_name(w4_channel_kind kind);
bool w4_channel_kind_from_name(w4_bytes name, w4_channel_kind *ret_kind);

typedef enum w4_type {
    W4_TYPE_CIP_HELLO,
    W4_TYPE_CIP_INTENT,
    W4_TYPE_CIP_FACT_PROPOSE,
    W4_TYPE_CIP_FACT_CHALLENGE,
    W4_TYPE_CIP_FACT_CONFIRM,
    W4_TYPE_CIP_FACT_REJECT,
    W4_TYPE_CIP_DECISION_SHARE,
    W4_TYPE_CIP_STATE_UPDATE,
    W4_TYPE_HCP_HELLO,
    W4_TYPE_HCP_INTENT,
    W4_TYPE_HCP_CONTEXT,
    W4_TYPE_HCP_DECISION,
    W4_TYPE_HCP_FEEDBACK,
    W4_TYPE_HCP_STATE_UPDATE,
    W4_TYPE_LIP_FETCH,
    W4_TYPE_LIP_EVIDENCE,
    W4_TYPE_LIP_CONFLICT,
    W4_TYPE_LIP_ACCEPT,
    W4_TYPE_LIP_REJECT,
    W4_TYPE_MESH_HELLO,
    W4_TYPE_MESH_SERVICE_INVOKE,
    W4_TYPE_MESH_SERVICE_RESULT,
    W4_TYPE_MESH_RECEIPT,
    W4_TYPE_MESH_FACTS,
    W4_TYPE_MESH_VOTES,
    W4_TYPE_MESH_HUMANS,
    W4_TYPE_MESH_KEYS,
    W4_TYPE_COUNT /* also: of no type */
} w4_type;

typedef struct w4_type_row {
    w4_type type;
    w4_family family;
    const char *name; /* on the wire: "HELLO" in cip, "HCP_HELLO" in hcp */
    w4_channel_kind channel;
    const w4_schema *payload;
    const char *help;
} w4_type_row;

typedef struct w4_family_row {
    w4_family family; /* its place in w4_families */
    const char *name;
    const w4_schema *envelope; /* members around the payload */
    const w4_type_row *types;
    size_t type_count;
} w4_family_row;

extern const w4_family_row w4_family_cip, w4_family_hcp, w4_family_lip, w4_family_mesh;

/* The registration (families.c): all families, and their names; both end with NULL. */
extern const w4_family_row *const w4_families[];
extern const char *const w4_family_names[];

const w4_family_row *w4_family_row_of(w4_family family);          /* NULL: not registered */
const w4_type_row *w4_type_row_of(w4_type type);                  /* NULL: of no type */
const w4_type_row *w4_type_find(w4_family family, w4_bytes name); /* NULL: unknown type */
const w4_schema *w4_envelope_schema(w4_family family);            /* members around the payload */

/* Families and message types: one row each, with channel and schema (protocols.md 3 to 6). */
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
    W4_TYPE_COUNT
} w4_type;

typedef struct w4_type_row {
    w4_type type;
    w4_family family;
    const char *name; /* on the wire: "HELLO" in cip, "HCP_HELLO" in hcp */
    w4_channel_kind channel;
    const w4_schema *payload;
    const char *help;
} w4_type_row;

const w4_type_row *w4_type_row_of(w4_type type);
const w4_type_row *w4_type_find(w4_family family, w4_bytes name); /* NULL: unknown type */
const w4_schema *w4_envelope_schema(w4_family family);            /* members around the payload */

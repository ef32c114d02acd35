#include "envelope/type.h"

#include "envelope/schema.h"

static const char *const family_names[W4_FAMILY_COUNT] = {
    [W4_FAMILY_CIP] = "cip",
    [W4_FAMILY_HCP] = "hcp",
    [W4_FAMILY_LIP] = "lip",
    [W4_FAMILY_MESH] = "mesh",
};

static const char *const channel_names[W4_CHANNEL_KIND_COUNT] = {
    [W4_CHANNEL_CONTROL] = "control",
    [W4_CHANNEL_STATE] = "state",
    [W4_CHANNEL_KNOWLEDGE] = "knowledge",
};

static const w4_type_row types[W4_TYPE_COUNT] = {
/* clang-format off */
#define ROW(TYPE, FAMILY, NAME, CHANNEL, SCHEMA, HELP) \
    [W4_TYPE_##TYPE] = {W4_TYPE_##TYPE, W4_FAMILY_##FAMILY, NAME, W4_CHANNEL_##CHANNEL, &w4_schema_##SCHEMA, HELP}
    ROW(CIP_HELLO,           CIP,  "HELLO",            CONTROL,   cip_hello,           "greets an agent, or answers its greeting"),
    ROW(CIP_INTENT,          CIP,  "INTENT",           CONTROL,   cip_intent,          "says what the sender is after"),
    ROW(CIP_FACT_PROPOSE,    CIP,  "FACT_PROPOSE",     KNOWLEDGE, cip_fact_propose,    "proposes a fact"),
    ROW(CIP_FACT_CHALLENGE,  CIP,  "FACT_CHALLENGE",   KNOWLEDGE, cip_fact_challenge,  "challenges a proposed fact"),
    ROW(CIP_FACT_CONFIRM,    CIP,  "FACT_CONFIRM",     KNOWLEDGE, cip_fact_confirm,    "confirms a proposed fact"),
    ROW(CIP_FACT_REJECT,     CIP,  "FACT_REJECT",      KNOWLEDGE, cip_fact_reject,     "rejects a proposed fact"),
    ROW(CIP_DECISION_SHARE,  CIP,  "DECISION_SHARE",   KNOWLEDGE, cip_decision_share,  "shares a decision and what came of it"),
    ROW(CIP_STATE_UPDATE,    CIP,  "STATE_UPDATE",     STATE,     cip_state_update,    "tells presence and load of the agent"),
    ROW(HCP_HELLO,           HCP,  "HCP_HELLO",        CONTROL,   hcp_hello,           "introduces a human and what they consent to"),
    ROW(HCP_INTENT,          HCP,  "HCP_INTENT",       CONTROL,   hcp_intent,          "says what a human is after"),
    ROW(HCP_CONTEXT,         HCP,  "HCP_CONTEXT",      KNOWLEDGE, hcp_context,         "gives context, or asks for a check-in"),
    ROW(HCP_DECISION,        HCP,  "HCP_DECISION",     KNOWLEDGE, hcp_decision,        "puts a decision before a human"),
    ROW(HCP_FEEDBACK,        HCP,  "HCP_FEEDBACK",     KNOWLEDGE, hcp_feedback,        "gives a human's feedback"),
    ROW(HCP_STATE_UPDATE,    HCP,  "HCP_STATE_UPDATE", STATE,     hcp_state_update,    "tells state and consent of a human"),
    ROW(LIP_FETCH,           LIP,  "LIP_FETCH",        KNOWLEDGE, lip_fetch,           "asks for something from the internet"),
    ROW(LIP_EVIDENCE,        LIP,  "LIP_EVIDENCE",     KNOWLEDGE, lip_evidence,        "brings claims with their evidence"),
    ROW(LIP_CONFLICT,        LIP,  "LIP_CONFLICT",     KNOWLEDGE, lip_conflict,        "points at claims that contradict"),
    ROW(LIP_ACCEPT,          LIP,  "LIP_ACCEPT",       KNOWLEDGE, lip_accept,          "accepts a claim"),
    ROW(LIP_REJECT,          LIP,  "LIP_REJECT",       KNOWLEDGE, lip_reject,          "rejects a claim"),
    ROW(MESH_HELLO,          MESH, "MESH_HELLO",       CONTROL,   mesh_hello,          "exchanges node records with a neighbour"),
    ROW(MESH_SERVICE_INVOKE, MESH, "SERVICE_INVOKE",   KNOWLEDGE, mesh_service_invoke, "calls a service"),
    ROW(MESH_SERVICE_RESULT, MESH, "SERVICE_RESULT",   KNOWLEDGE, mesh_service_result, "gives the result of a call"),
#undef ROW
    /* clang-format on */
};

const char *w4_family_name(w4_family family) {
    return (unsigned)family < W4_FAMILY_COUNT ? family_names[family] : "?";
}

bool w4_family_from_name(w4_bytes name, w4_family *ret_family) {
    for (unsigned i = 0; i < W4_FAMILY_COUNT; i++) {
        if (w4_bytes_equal_text(name, family_names[i])) {
            *ret_family = (w4_family)i;
            return true;
        }
    }
    return false;
}

const char *w4_channel_kind_name(w4_channel_kind kind) {
    return (unsigned)kind < W4_CHANNEL_KIND_COUNT ? channel_names[kind] : "?";
}

bool w4_channel_kind_from_name(w4_bytes name, w4_channel_kind *ret_kind) {
    for (unsigned i = 0; i < W4_CHANNEL_KIND_COUNT; i++) {
        if (w4_bytes_equal_text(name, channel_names[i])) {
            *ret_kind = (w4_channel_kind)i;
            return true;
        }
    }
    return false;
}

const w4_type_row *w4_type_row_of(w4_type type) {
    return (unsigned)type < W4_TYPE_COUNT ? &types[type] : NULL;
}

const w4_type_row *w4_type_find(w4_family family, w4_bytes name) {
    for (unsigned i = 0; i < W4_TYPE_COUNT; i++) {
        if (types[i].family == family && w4_bytes_equal_text(name, types[i].name)) {
            return &types[i];
        }
    }
    return NULL;
}

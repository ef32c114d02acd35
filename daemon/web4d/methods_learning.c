/* What comes from the internet: claims, and the sources they are from. */
#include "web4d/call.h"

#include "base/text.h"
#include "protocol/facts/facts.h"
#include "protocol/internet/lip.h"

#include <errno.h>
#include <string.h>

#define CLAIMS_DEFAULT 1000
#define CLAIMS_BYTES (W4_RPC_LINE_MAX - 128u * 1024u) /* then no other one is begun */

/* ---- claims */

/* Those that the caller may know of. */
static uint64_t count_claims(const w4_protocol *protocol, w4_fact_state state,
                             const w4_who *listener) {
    char id[W4_UUID_LEN + 1];
    uint64_t total = 0;
    for (size_t cursor = 0; w4_lip_claim_next(protocol, state, &cursor, id);) {
        total += w4_lip_claim_is_for(protocol, id, listener);
    }
    return total;
}

int w4d_claims_list(w4d_call *call) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_fact_state state = W4_FACT_STATE_COUNT;
    w4_json wanted = w4_json_get(call->params, "state");
    int64_t limit = CLAIMS_DEFAULT, offset = 0;
    w4_who room;
    const w4_who *listener = w4d_client_listener(call->app, call->client, &room);
    if (w4_json_exists(wanted)) {
        (void)w4_fact_state_from_name(w4_json_string_raw(wanted), &state);
    }
    (void)w4_json_integer(w4_json_get(call->params, "limit"), &limit);
    (void)w4_json_integer(w4_json_get(call->params, "offset"), &offset);
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "claims");
    w4_json_begin_array(call->result);
    char id[W4_UUID_LEN + 1];
    for (size_t cursor = 0; limit > 0 && call->result->out->len < CLAIMS_BYTES &&
                            w4_lip_claim_next(protocol, state, &cursor, id);) {
        if (!w4_lip_claim_is_for(protocol, id, listener)) {
            continue;
        }
        if (offset > 0) {
            offset--;
            continue;
        }
        (void)w4_lip_claim_write_for(protocol, id, listener, call->result);
        limit--;
    }
    w4_json_end_array(call->result);
    w4_json_member_unsigned(call->result, "total", count_claims(protocol, state, listener));
    w4_json_end_object(call->result);
    return 0;
}

int w4d_claims_show(w4d_call *call) {
    const w4_protocol *protocol = w4_node_protocol(call->app->node);
    char name[W4_RPC_NAME_MAX + 1] = "", id[W4_UUID_LEN + 1];
    (void)w4d_param_text(call, "claim", name, sizeof name);
    w4_who room;
    const w4_who *listener = w4d_client_listener(call->app, call->client, &room);
    uint32_t found = w4_lip_claim_find_for(protocol, w4_bytes_from_text(name), listener, id);
    if (found != 1) {
        return w4d_refuse(
            call, W4_REFUSAL_NOT_FOUND, "/claim",
            found == 0 ? "no claim here has that id, or an id that begins so (" W4_PREFIX_WORDS ")"
                       : "that means several claims: give more of the id");
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "claim");
    (void)w4_lip_claim_write_for(protocol, id, listener, call->result);
    w4_json_end_object(call->result);
    return 0;
}

/* ---- sources */

static const w4_sources *sources_of(const w4d_call *call) {
    return w4_claims_sources(w4_lip_claims(w4_node_protocol(call->app->node)));
}

static void write_source(w4_json_writer *w, const w4_source *source) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "prefix", source->prefix);
    w4_json_member_string(w, "tier", w4_tier_name(source->tier));
    w4_json_member_bool(w, "pinned", source->pinned);
    w4_json_member_unsigned(w, "corroborated", source->corroborated);
    w4_json_member_unsigned(w, "conflicts", source->conflicts);
    w4_json_member_unsigned(w, "corroborated_total", source->corroborated_total);
    w4_json_member_unsigned(w, "conflicts_total", source->conflicts_total);
    w4_member_time_if_any(w, "since", source->since_us);
    w4_json_end_object(w);
}

int w4d_sources_list(w4d_call *call) {
    w4_json wanted = w4_json_get(call->params, "state");
    const void *cursor = NULL;
    const w4_source *source;
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "sources");
    w4_json_begin_array(call->result);
    while ((source = w4_sources_next(sources_of(call), &cursor)) != NULL && !w4d_list_full(call)) {
        if (!w4_json_exists(wanted) || w4_json_string_equal(wanted, w4_tier_name(source->tier))) {
            write_source(call->result, source);
        }
    }
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return 0;
}

/* The spelling of the URI in params. 0, or 1 refused. */
static int key_param(w4d_call *call, w4_buffer *uri, char ret_key[static W4_SOURCE_KEY_MAX + 1]) {
    int r = w4_json_string_decode(w4_json_get(call->params, "uri"), uri);
    if (r != 0 || w4_source_key(w4_buffer_bytes(uri), ret_key)) {
        return r;
    }
    return w4d_refuse_params(call, "/uri", "a URI with its scheme, such as https://example.org/");
}

int w4d_sources_set(w4d_call *call) {
    char key[W4_SOURCE_KEY_MAX + 1], actor[64], reason[W4_SOURCE_MOVE_TEXT_MAX + 1] = "";
    w4_buffer uri = W4_BUFFER_INIT(W4_RPC_TEXT_MAX);
    w4_tier tier = W4_TIER_UNKNOWN;
    bool pinned = !w4_json_is_true(w4_json_get(call->params, "unpinned"));
    (void)w4_tier_from_name(w4_json_string_raw(w4_json_get(call->params, "tier")), &tier);
    if (!w4d_param_text(call, "reason", reason, sizeof reason)) {
        memcpy(reason, "set by an operator", sizeof "set by an operator");
    }
    w4d_actor(call, actor, sizeof actor);
    int r = key_param(call, &uri, key);
    if (r == 0) {
        r = w4_lip_source_set(w4_node_protocol(call->app->node), w4_buffer_bytes(&uri), tier,
                              pinned, actor, reason, call->now_us);
        if (r == -ENOSPC) {
            r = w4d_refuse(call, W4_REFUSAL_OVERLOADED, "/uri", "too many sources are known");
        }
    }
    w4_buffer_deinit(&uri);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "source");
    write_source(call->result, w4_sources_get(sources_of(call), key));
    w4_json_end_object(call->result);
    return 0;
}

static void write_history(w4_json_writer *w, const w4_source *source) {
    w4_json_name(w, "history");
    w4_json_begin_array(w);
    for (uint32_t i = 0; source != NULL && i < source->move_count; i++) {
        const w4_source_move *move = &source->moves[i];
        w4_json_begin_object(w);
        w4_member_time_if_any(w, "time", move->wall_us);
        w4_json_member_string(w, "from", w4_tier_name(move->from));
        w4_json_member_string(w, "to", w4_tier_name(move->to));
        w4_json_member_string(w, "actor", move->actor);
        w4_json_member_string(w, "reason", move->reason);
        w4_json_member_string(w, "evidence", move->evidence);
        w4_json_end_object(w);
    }
    w4_json_end_array(w);
}

int w4d_sources_why(w4d_call *call) {
    char key[W4_SOURCE_KEY_MAX + 1];
    w4_buffer uri = W4_BUFFER_INIT(W4_RPC_TEXT_MAX);
    int r = key_param(call, &uri, key);
    w4_buffer_deinit(&uri);
    if (r != 0) {
        return r;
    }
    const w4_source *source = w4_sources_find(sources_of(call), key);
    w4_json_begin_object(call->result);
    w4_json_member_string(call->result, "key", key);
    w4_json_member_string(call->result, "tier",
                          w4_tier_name(w4_sources_tier(sources_of(call), key)));
    if (source != NULL) {
        w4_json_name(call->result, "source");
        write_source(call->result, source);
    }
    write_history(call->result, source);
    w4_json_end_object(call->result);
    return 0;
}

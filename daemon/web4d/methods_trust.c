/* trust: what the operator sees and orders. */
#include "web4d/call.h"

#include "protocol/evidence/misconduct.h"
#include "protocol/evidence/trust_history.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* kind as given, or fallback when it is absent. */
static w4_trust_kind kind_param(const w4d_call *call, w4_trust_kind fallback) {
    w4_trust_kind kind = fallback;
    w4_json member = w4_json_get(call->params, "kind");
    if (w4_json_exists(member)) {
        (void)w4_trust_kind_from_name(w4_json_string_raw(member), &kind);
    }
    return kind;
}

static int subject_param(w4d_call *call, w4_fingerprint *ret_subject, w4_trust_kind *ret_kind) {
    char name[W4_RPC_NAME_MAX + 1] = "";
    (void)w4d_param_text(call, "subject", name, sizeof name);
    return w4d_resolve_subject(call, name, kind_param(call, W4_TRUST_AGENT), ret_subject, ret_kind);
}

static bool is_asked_for(const w4_trust_entry *entry, w4_trust_kind kind, w4_json wanted) {
    w4_trust_state state = entry->state;
    return (kind == W4_TRUST_KIND_COUNT || kind == entry->kind) &&
           (!w4_json_exists(wanted) ||
            w4_trust_state_from_name(entry->kind, w4_json_string_raw(wanted), &state)) &&
           state == entry->state;
}

/* Those of whom an operator spoke first, strangers last: they may be many. */
int w4d_trust_list(w4d_call *call) {
    const w4_trust_book *book = w4_node_trust(call->app->node);
    w4_trust_kind kind = kind_param(call, W4_TRUST_KIND_COUNT);
    w4_json wanted = w4_json_get(call->params, "state");
    uint64_t total = 0;
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entries");
    w4_json_begin_array(call->result);
    for (size_t rank = W4_TRUST_RANK_COUNT; rank-- > 0;) {
        w4_trust_entry entry;
        for (size_t cursor = 0; w4_trust_book_next(book, &cursor, &entry);) {
            if (entry.rank != rank || !is_asked_for(&entry, kind, wanted)) {
                continue;
            }
            total++;
            if (!w4d_list_full(call)) {
                w4d_write_trust_entry(call->app, call->result, entry.kind, &entry.subject);
            }
        }
    }
    w4_json_end_array(call->result);
    w4_json_member_unsigned(call->result, "total", total);
    w4_json_end_object(call->result);
    return 0;
}

int w4d_trust_show(w4d_call *call) {
    w4_fingerprint subject;
    w4_trust_kind kind;
    int r = subject_param(call, &subject, &kind);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entry");
    w4d_write_trust_entry(call->app, call->result, kind, &subject);
    w4_json_end_object(call->result);
    return 0;
}

/* Who was ordered about by name goes by it when away, also without ever having said anything. */
static int keep_name(w4d_app *app, w4_trust_kind kind, const w4_fingerprint *subject) {
    char name[W4_RPC_NAME_MAX + 1];
    w4d_name_of(app, kind, subject, name, sizeof name);
    return w4_trust_history_rename(app->store, w4_node_trust(app->node), kind, subject, name);
}

/* What became of an order. */
static int ordered(w4d_call *call, int r, w4_trust_kind kind, const w4_fingerprint *subject,
                   bool moved) {
    if (r == -ENOSPC) {
        return w4d_refuse(call, W4_REFUSAL_OVERLOADED, "/subject", "the trust table is full");
    }
    r = r < 0 ? r : keep_name(call->app, kind, subject);
    if (r < 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entry");
    w4d_write_trust_entry(call->app, call->result, kind, subject);
    w4_json_member_bool(call->result, "moved", moved);
    w4_json_end_object(call->result);
    return 0;
}

/* Which ones there are, in the family's words. */
static int refuse_state(w4d_call *call, w4_trust_kind kind) {
    char states[128];
    size_t used = 0;
    for (int s = 0; s < W4_TRUST_STATE_COUNT && used < sizeof states; s++) {
        const char *comma = s == 0 ? "" : s + 1 < W4_TRUST_STATE_COUNT ? ", " : " or ";
        used += (size_t)snprintf(states + used, sizeof states - used, "%s%s", comma,
                                 w4_trust_state_name(kind, (w4_trust_state)s));
    }
    return w4d_refuse_params(call, "/state", "a state of %s: %s",
                             kind == W4_TRUST_NODE    ? "a node"
                             : kind == W4_TRUST_HUMAN ? "a human"
                                                      : "an agent",
                             states);
}

int w4d_trust_set(w4d_call *call) {
    w4_fingerprint subject;
    w4_trust_kind kind;
    int r = subject_param(call, &subject, &kind);
    if (r != 0) {
        return r;
    }
    w4_trust_state state;
    if (!w4_trust_state_from_name(kind, w4_json_string_raw(w4_json_get(call->params, "state")),
                                  &state)) {
        return refuse_state(call, kind);
    }
    char actor[64];
    char reason[W4_TRUST_TEXT_MAX + 1] = "set by an operator";
    w4d_actor(call, actor, sizeof actor);
    (void)w4d_param_text(call, "reason", reason, sizeof reason);
    bool moved = w4_trust_book_state(w4_node_trust(call->app->node), kind, &subject) != state;
    r = w4_node_trust_set(call->app->node, kind, &subject, state, actor, reason, call->now_us);
    return ordered(call, r, kind, &subject, moved);
}

int w4d_trust_reset(w4d_call *call) {
    w4_fingerprint subject;
    w4_trust_kind kind;
    int r = subject_param(call, &subject, &kind);
    if (r != 0) {
        return r;
    }
    char actor[64];
    char reason[W4_TRUST_TEXT_MAX + 1] = "reset by an operator";
    w4d_actor(call, actor, sizeof actor);
    (void)w4d_param_text(call, "reason", reason, sizeof reason);
    w4_trust_state start =
        w4d_is_anchor(call->app, kind, &subject) ? W4_TRUST_TRUSTED : W4_TRUST_UNTRUSTED;
    r = w4_node_trust_reset(call->app->node, kind, &subject, start, actor, reason, call->now_us);
    return ordered(call, r, kind, &subject, r > 0);
}

static int write_replay(w4d_call *call, w4_trust_kind kind, const w4_fingerprint *subject) {
    w4_trust_replay replay;
    int r = w4_trust_history_replay(call->app->store, w4_node_trust(call->app->node), kind, subject,
                                    &replay);
    if (r != 0) {
        return r;
    }
    char text[160], at[W4_TIMESTAMP_LEN + 1];
    const char *state = w4_trust_state_name(kind, replay.state);
    w4_timestamp_format(replay.gap_wall_us, at);
    if (replay.agrees) {
        (void)snprintf(text, sizeof text, "%u %s what stands here: %s", replay.moves,
                       replay.moves == 1 ? "move gives" : "moves give", state);
    } else if (replay.gap_wall_us != 0) {
        (void)snprintf(text, sizeof text, "the move of %s does not follow from those before it",
                       at);
    } else {
        (void)snprintf(text, sizeof text, "the moves give %s, and not what stands here", state);
    }
    w4_json_name(call->result, "replay");
    w4_json_begin_object(call->result);
    w4_json_member_bool(call->result, "agrees", replay.agrees);
    w4_json_member_string(call->result, "state", state);
    w4_json_member_unsigned(call->result, "moves", replay.moves);
    w4_json_member_string(call->result, "text", text);
    w4_json_end_object(call->result);
    return 0;
}

/* The name of who caused it, where that is an agent or a node that is known here. */
static bool actor_name(w4d_app *app, const w4_trust_move *move,
                       char ret_name[static W4_RPC_NAME_MAX + 1]) {
    w4_fingerprint actor;
    if (!w4_fingerprint_parse(w4_bytes_from_text(move->actor), &actor)) {
        return false;
    }
    w4d_name_of(app, W4_TRUST_AGENT, &actor, ret_name, W4_RPC_NAME_MAX + 1);
    if (ret_name[0] == '\0') {
        w4d_name_of(app, W4_TRUST_NODE, &actor, ret_name, W4_RPC_NAME_MAX + 1);
    }
    return ret_name[0] != '\0';
}

/* What stands for why it stands there: a key that was succeeded has moved nothing of itself. */
static bool is_reason(const w4_trust_move *move, const w4_trust_move *before) {
    bool stays = move->cause == W4_TRUST_BY_SUCCESSION && move->from == move->to;
    return move->cause != W4_TRUST_BY_COUNT && (!stays || before->cause == W4_TRUST_BY_COUNT);
}

/* Why it stands where it stands, in one sentence: what moved it last. move: cause COUNT: nothing
 * has. */
static void write_reason(w4d_call *call, const w4_trust_entry *entry, bool met,
                         const w4_trust_move *move) {
    char text[W4_TRUST_TEXT_MAX + W4_RPC_NAME_MAX + 256], name[W4_RPC_NAME_MAX + 1];
    size_t used = 0;
    bool named = actor_name(call->app, move, name);
    switch (met ? move->cause : W4_TRUST_CAUSE_COUNT) {
    case W4_TRUST_BY_EVENT:
        used = (size_t)snprintf(text, sizeof text, "%s%s%s%s%s", move->reason, named ? ", by " : "",
                                named ? name : "", move->evidence[0] != '\0' ? ", in message " : "",
                                move->evidence);
        break;
    case W4_TRUST_BY_HAND:
        used = (size_t)snprintf(
            text, sizeof text, "ordered by %s: %s",
            strcmp(move->actor, "anchor") == 0 ? "the configuration" : move->actor, move->reason);
        break;
    case W4_TRUST_BY_RESET:
        used = (size_t)snprintf(text, sizeof text, "put back to where it began by %s: %s",
                                move->actor, move->reason);
        break;
    case W4_TRUST_BY_SUM:
    case W4_TRUST_BY_SUCCESSION:
        used = (size_t)snprintf(text, sizeof text, "%s", move->reason);
        break;
    case W4_TRUST_BY_COUNT:
        used = (size_t)snprintf(text, sizeof text, "nothing has moved it yet");
        break;
    case W4_TRUST_CAUSE_COUNT:
        used = (size_t)snprintf(text, sizeof text, "it was never met here");
        break;
    }
    if (entry->counted > 0 && used < sizeof text) {
        (void)snprintf(text + used, sizeof text - used,
                       "; since then %u of its facts could not be verified, and %u move it",
                       entry->counted, W4_TRUST_UNVERIFIABLE_MAX);
    }
    w4_json_member_string(call->result, "reason", text);
}

int w4d_trust_why(w4d_call *call) {
    w4_fingerprint subject;
    w4_trust_kind kind;
    int r = subject_param(call, &subject, &kind);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entry");
    w4d_write_trust_entry(call->app, call->result, kind, &subject);
    w4_json_name(call->result, "history");
    w4_json_begin_array(call->result);
    w4_trust_move move, last = {.cause = W4_TRUST_BY_COUNT};
    uint64_t cursor = 0;
    const w4_trust_book *book = w4_node_trust(call->app->node);
    while ((r = w4_trust_history_find(call->app->store, book, kind, &subject, &cursor, &move)) ==
           0) {
        char name[W4_RPC_NAME_MAX + 1];
        w4_trust_move_write(&move, false, actor_name(call->app, &move, name) ? name : NULL,
                            call->result);
        last = is_reason(&move, &last) ? move : last;
    }
    w4_json_end_array(call->result);
    w4_trust_entry entry = {.kind = kind};
    bool met = w4_trust_book_find(book, kind, &subject, &entry);
    write_reason(call, &entry, met, &last);
    r = r == W4_STORE_E_NOT_FOUND ? write_replay(call, kind, &subject) : r;
    if (r == 0) {
        w4_json_name(call->result, "proofs");
        r = w4_misconduct_write(call->app->store, &subject, call->result);
    }
    w4_json_end_object(call->result);
    if (r > 0) {
        return w4d_refuse(call, W4_REFUSAL_INTERNAL, "", "the store does not give the history: %s",
                          w4_store_error(call->app->store));
    }
    return r;
}

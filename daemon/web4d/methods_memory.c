/* memory.*: what was accepted here, to be found again. */
#include "web4d/call.h"

#include "base/text.h"
#include "protocol/memory/archive.h"
#include "protocol/memory/memory.h"

#include <stdio.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define ANSWER_MAX (W4_RPC_LINE_MAX - 128u * 1024u)

/* What is kept of a question while it is asked. */
typedef struct asked {
    char domain[W4_RPC_NAME_MAX + 1], cause[W4_UUID_LEN + 1], effect[W4_UUID_LEN + 1];
    w4_who author, listener;
} asked;

static int read_text(w4d_call *call, w4_memory_question *q) {
    w4_json member = w4_json_get(call->params, "text");
    w4_buffer text = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    if (!w4_json_exists(member)) {
        return 0;
    }
    int r = w4_json_string_decode(member, &text);
    r = r == 0 ? w4_words_query_parse(w4_buffer_bytes(&text), &q->text) : r;
    w4_buffer_deinit(&text);
    q->by_text = r == 0;
    if (r == W4_WORDS_E_EMPTY) {
        return w4d_refuse_params(call, "/text", "a word: letters or digits are looked for");
    }
    return r == W4_WORDS_E_MANY
               ? w4d_refuse_params(call, "/text", "at most %u words or phrases", W4_WORDS_TERMS_MAX)
               : r;
}

static const char *read_name(const w4d_call *call, const char *name, char *room, size_t size) {
    return w4d_param_text(call, name, room, size) ? room : NULL;
}

static uint64_t read_time(const w4d_call *call, const char *name) {
    uint64_t wall_us = 0;
    (void)w4_timestamp_parse(w4_json_string_raw(w4_json_get(call->params, name)), &wall_us);
    return wall_us;
}

/* An author may be long gone from here: a whole fingerprint is good without anybody. */
static int read_author(w4d_call *call, asked *a, w4_memory_question *q) {
    char name[W4_RPC_NAME_MAX + 1];
    if (!w4d_param_text(call, "author", name, sizeof name)) {
        return 0;
    }
    q->author = &a->author;
    a->author.book = w4_node_trust(call->app->node);
    return w4_fingerprint_parse(w4_bytes_from_text(name), &a->author.key)
               ? 0
               : w4d_resolve_agent(call, name, "/author", &a->author.key);
}

/* A whole id is good whatever is known of it; the beginning of one has to mean one that is known to
 * who asks. */
static int read_id(w4d_call *call, const char *name, const w4_who *listener,
                   char room[static W4_UUID_LEN + 1], const char **ret_id) {
    char given[W4_RPC_NAME_MAX + 1], pointer[16];
    uint32_t found = 0;
    if (!w4d_param_text(call, name, given, sizeof given)) {
        return 0;
    }
    *ret_id = room;
    (void)snprintf(pointer, sizeof pointer, "/%s", name);
    if (w4_uuid_v4_valid(w4_bytes_from_text(given))) {
        memcpy(room, given, W4_UUID_LEN + 1);
        return 0;
    }
    if (strlen(given) >= W4_UUID_LEN) {
        return w4d_refuse_params(
            call, pointer,
            "an id (a UUID of version 4, in lower case), or a unique prefix of "
            "it (" W4_PREFIX_WORDS ")");
    }
    int r =
        w4_memory_find_prefix(call->app->store, w4_bytes_from_text(given), listener, room, &found);
    if (r != 0) {
        return r < 0 ? r : w4d_refuse_store(call);
    }
    return found == 1
               ? 0
               : w4d_refuse(call, W4_REFUSAL_NOT_FOUND, pointer,
                            found == 0 ? "nothing in the memory has that id, or one that begins so "
                                         "(" W4_PREFIX_WORDS ")"
                                       : "that means several entries: give more of the id");
}

static w4_memory_kind read_kind(const w4d_call *call) {
    w4_json member = w4_json_get(call->params, "kind");
    size_t kind = 0;
    while (kind < W4_MEMORY_KIND_COUNT && !w4_json_string_equal(member, w4_memory_kinds[kind])) {
        kind++;
    }
    return (w4_memory_kind)kind;
}

static int read_question(w4d_call *call, asked *a, w4_memory_question *q) {
    int64_t limit = LIMIT_DEFAULT, next = 0, depth = 0;
    (void)w4_json_integer(w4_json_get(call->params, "depth"), &depth);
    (void)w4_json_integer(w4_json_get(call->params, "limit"), &limit);
    (void)w4_json_integer(w4_json_get(call->params, "next"), &next);
    q->kind = read_kind(call);
    q->domain = read_name(call, "domain", a->domain, sizeof a->domain);
    q->after_us = read_time(call, "after");
    q->before_us = read_time(call, "before");
    q->retracted = w4_json_is_true(w4_json_get(call->params, "retracted"));
    q->limit = (uint32_t)limit;
    q->depth = (uint32_t)depth;
    q->next = (uint64_t)next;
    q->bytes_max = ANSWER_MAX;
    q->listener = w4d_client_listener(call->app, call->client, &a->listener);
    bool from = w4_json_exists(w4_json_get(call->params, "cause"));
    if (depth > 0 && from == w4_json_exists(w4_json_get(call->params, "effect"))) {
        return w4d_refuse_params(call, "/depth", "cause or effect beside it, and only one of them");
    }
    int r = read_text(call, q);
    r = r == 0 ? read_id(call, "cause", q->listener, a->cause, &q->cause) : r;
    r = r == 0 ? read_id(call, "effect", q->listener, a->effect, &q->effect) : r;
    return r == 0 ? read_author(call, a, q) : r;
}

int w4d_memory_query(w4d_call *call) {
    asked a;
    w4_memory_question q = {.by_text = false};
    w4_memory_answer answer = {.next = 0};
    int r = read_question(call, &a, &q);
    if (r != 0) {
        return r;
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "entries");
    w4_json_begin_array(call->result);
    r = w4_memory_ask(call->app->store, &q, call->result, &answer);
    w4_json_end_array(call->result);
    if (answer.next != 0) {
        w4_json_member_unsigned(call->result, "next", answer.next);
    }
    if (r == 0 && q.depth > 0) {
        w4_json_member_unsigned(call->result, "reached", answer.reach.steps);
        if (answer.reach.cut != W4_MEMORY_CUT_NOT) {
            w4_json_member_string(call->result, "cut", w4_memory_cuts[answer.reach.cut]);
        }
    }
    w4_json_end_object(call->result);
    return r > 0 ? w4d_refuse_store(call) : r;
}

/* ---- out and in */

#define EXPORT_BYTES (W4_RPC_LINE_MAX / 2) /* then none is begun; one has 256 KiB at most */

int w4d_memory_export(w4d_call *call) {
    int64_t next = 0;
    bool ended = true;
    (void)w4_json_integer(w4_json_get(call->params, "next"), &next);
    w4_archive_place place = (uint64_t)next;
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "envelopes");
    w4_json_begin_array(call->result);
    int r = w4_archive_give(call->app->store, &place, call->result, EXPORT_BYTES, &ended);
    w4_json_end_array(call->result);
    if (!ended) {
        w4_json_member_unsigned(call->result, "next", place);
    }
    w4_json_end_object(call->result);
    return r > 0 ? w4d_refuse_store(call) : r;
}

static void write_result(w4_json_writer *w, const w4_archive_result *result) {
    w4_json_begin_object(w);
    w4_json_member_string(w, "outcome", w4_archive_outcomes[result->outcome]);
    if (result->msg_id[0]) {
        w4_json_member_string(w, "msg_id", result->msg_id);
    }
    if (result->outcome == W4_ARCHIVE_REFUSED) {
        w4_json_member_string(w, "code", w4_refusal_name(result->code));
        w4_json_member_string(w, "text", result->text);
    }
    w4_json_end_object(w);
}

int w4d_memory_import(w4d_call *call) {
    w4_protocol *protocol = w4_node_protocol(call->app->node);
    w4_json_iterator i = w4_json_first(w4_json_get(call->params, "envelopes"));
    int r = 0;
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "results");
    w4_json_begin_array(call->result);
    for (; r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_archive_result result;
        r = w4_archive_take(protocol, w4_json_text(i.value), call->now_us, &result);
        if (r == 0) {
            write_result(call->result, &result);
        }
    }
    w4_json_end_array(call->result);
    w4_json_end_object(call->result);
    return r == 0 ? w4_archive_settle(protocol, call->now_us) : r;
}

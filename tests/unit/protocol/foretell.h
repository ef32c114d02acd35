/* Before a node is brought an envelope it is asked what it will say of it; then it must say that,
 * and asking must have changed nothing. Part of world.h. */
#pragma once

#include "protocol/pipeline/explain.h"

#define FORETELL_TEXT_MAX 65536u

typedef struct world_foretold {
    bool waiting; /* it was asked, and has not said it yet */
    bool refuses, durable;
    char msg_id[37];
    char code[64];
    char *text; /* all of what it said before */
} world_foretold;

static inline void foretell_copy(w4_json object, const char *name, char *ret_text, size_t size) {
    ret_text[0] = '\0';
    (void)w4_json_string_copy(w4_json_get(object, name), ret_text, size);
}

/* What an explanation must be, whatever it says: every gate in its place with a word for why, one
 * end and nothing asked behind it. */
static inline void foretell_check(w4_json said) {
    char verdict[32], why[2048], gate[64], ended[64], outcome[16];
    foretell_copy(said, "ended", ended, sizeof ended);
    foretell_copy(said, "outcome", outcome, sizeof outcome);
    unsigned refusals = 0;
    w4_json_iterator i = w4_json_first(w4_json_get(said, "gates"));
    for (; w4_json_exists(i.value); i = w4_json_next(i)) {
        foretell_copy(i.value, "verdict", verdict, sizeof verdict);
        foretell_copy(i.value, "why", why, sizeof why);
        foretell_copy(i.value, "gate", gate, sizeof gate);
        bool refuses = strcmp(verdict, "refuses") == 0;
        ck_assert_msg(!refuses || strcmp(gate, ended) == 0, "%s ends it, not %s", ended, gate);
        ck_assert_msg(refusals == 0 || strncmp(verdict, "not_", 4) == 0, "%s behind the end", gate);
        refusals += refuses ? 1 : 0;
    }
    ck_assert_uint_eq(refusals, strcmp(outcome, "refused") == 0 ? 1 : 0);
}

static inline void world_foretell(world_foretold *f, w4_protocol *p, w4_store *store,
                                  const w4_fingerprint *from, w4_bytes bytes, uint64_t now) {
    w4_buffer text = W4_BUFFER_INIT(FORETELL_TEXT_MAX);
    w4_json_document doc = {0};
    w4_json_writer writer;
    w4_refused refused;
    w4_explain_request request = {.bytes = bytes, .way = W4_EXPLAIN_NODE, .from = from};
    bool dirty = w4_store_dirty(store), told = w4_protocol_has_event(p);
    uint64_t deadline = w4_protocol_deadline(p);
    w4_json_writer_init(&writer, &text);
    ck_assert_int_eq(w4_protocol_explain(p, &request, now, &writer, &refused), 0);
    ck_assert_int_eq(writer.error, 0);
    ck_assert(w4_store_dirty(store) == dirty);
    ck_assert(w4_protocol_has_event(p) == told);
    ck_assert_uint_eq(w4_protocol_deadline(p), deadline);
    ck_assert_int_eq(w4_json_read(&doc, w4_buffer_bytes(&text), &W4_JSON_LIMITS_LINE, NULL), 0);
    w4_json said = w4_json_root(&doc);
    foretell_check(said);
    free(f->text);
    *f = (world_foretold){.waiting = true};
    foretell_copy(said, "msg_id", f->msg_id, sizeof f->msg_id);
    foretell_copy(said, "code", f->code, sizeof f->code);
    f->refuses = w4_json_string_equal(w4_json_get(said, "outcome"), "refused");
    f->durable = bytes.len > 0 && memmem(bytes.data, bytes.len, "\"durable\":true", 14) != NULL;
    f->text = strdup(w4_buffer_text(&text));
    ck_assert_ptr_nonnull(f->text);
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&text);
}

/* It has refused something: was it said before? */
static inline void world_foretold_refusal(world_foretold *f, const char *msg_id, w4_refusal code) {
    if (!f->waiting || (f->msg_id[0] != '\0' && strcmp(f->msg_id, msg_id) != 0)) {
        return; /* another one, that had waited */
    }
    ck_assert_msg(strstr(f->text, w4_refusal_name(code)) != NULL,
                  "refused with %s, but foretold %s", w4_refusal_name(code), f->text);
    f->waiting = f->waiting && !(f->refuses && strcmp(w4_refusal_name(code), f->code) == 0);
}

/* Its turn is over. */
static inline void world_foretold_end(world_foretold *f) {
    bool quiet = f->durable && strcmp(f->code, "replay") == 0; /* brought once more: no news */
    ck_assert_msg(!f->waiting || !f->refuses || quiet, "not refused, but foretold %s", f->text);
    f->waiting = false;
}

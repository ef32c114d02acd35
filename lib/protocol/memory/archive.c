#include "protocol/memory/archive.h"

#include "base/wire.h"
#include "protocol/blob.h"
#include "protocol/evidence/evidence.h"
#include "protocol/facts/knowledge.h"
#include "protocol/memory/memory_rows.h"
#include "protocol/router.h"

#include <stdio.h>
#include <string.h>

const char *const w4_archive_outcomes[] = {"taken", "known", "refused", NULL};

/* ---- in */

static void tell(const w4_inbound *in, int r, w4_archive_result *ret_result) {
    *ret_result = (w4_archive_result){.outcome = W4_ARCHIVE_REFUSED};
    memcpy(ret_result->msg_id, in->envelope.msg_id, sizeof ret_result->msg_id);
    if (r == 0 || in->fault.code == W4_REFUSAL_REPLAY) {
        ret_result->outcome = r == 0 && in->took_effect ? W4_ARCHIVE_TAKEN : W4_ARCHIVE_KNOWN;
        return;
    }
    ret_result->code = in->fault.code;
    (void)snprintf(ret_result->text, sizeof ret_result->text, "%s%sexpected %s",
                   in->fault.detail.pointer, in->fault.detail.pointer[0] ? ": " : "",
                   in->fault.detail.expected);
}

int w4_archive_take(w4_protocol *p, w4_bytes envelope, uint64_t now_us,
                    w4_archive_result *ret_result) {
    w4_inbound in = {.origin = W4_ORIGIN_ARCHIVE,
                     .bytes = envelope,
                     .now_us = now_us,
                     .wall_us = w4_router_wall(p, now_us),
                     .deadline_us = W4_NEVER};
    int r = w4_pipeline_run(p, &in);
    if (r >= 0) {
        tell(&in, r, ret_result);
        r = w4_knowledge_judge(p, now_us); /* as it was judged where it was said */
    }
    w4_blob_unref(in.blob);
    return r;
}

int w4_archive_settle(w4_protocol *p, uint64_t now_us) {
    return w4_knowledge_settle(p, now_us);
}

/* ---- out */

typedef struct giving {
    w4_store *store;
    w4_json_writer *w;
    size_t bytes_max;
    uint64_t number; /* the entry, and which of its envelopes comes next */
    uint32_t index;
    w4_json_document entry, envelope;
    w4_buffer text;
    uint32_t given;
    bool full;
} giving;

/* Of one envelope: index counts those of its entry. */
static int give(giving *g, uint32_t index, const char *msg_id, w4_json sender) {
    w4_fingerprint who;
    if (index < g->index || g->full || !w4_fingerprint_parse(w4_json_string_raw(sender), &who)) {
        return 0;
    }
    int r = w4_evidence_get(g->store, msg_id, &who, &g->text);
    r = r == 0 ? w4_json_read_canonical(&g->envelope, w4_buffer_bytes(&g->text),
                                        &W4_JSON_LIMITS_ENVELOPE, NULL)
               : r;
    if (r != 0) { /* gone or damaged: the others are good without it */
        return r < 0 || r == W4_STORE_E_FAILED ? r : 0;
    }
    w4_json root = w4_json_root(&g->envelope);
    w4_json to = w4_json_at_pointer(root, w4_bytes_from_text("/receiver/fingerprint"));
    if (!w4_json_string_equal(to, "*")) {
        return 0;
    }
    if (g->given > 0 && g->w->out->len + g->text.len > g->bytes_max) {
        g->full = true;
        g->index = index;
        return 0;
    }
    g->given++;
    w4_json_value(g->w, root);
    return g->w->error;
}

static int give_entry(giving *g, w4_bytes row) {
    char id[W4_UUID_LEN + 1];
    int r = w4_json_read(&g->entry, row, &W4_JSON_LIMITS_FILE, NULL);
    w4_json root = w4_json_root(&g->entry);
    if (r != 0 || !w4_memory_entry_stands(root) ||
        !w4_json_string_copy(w4_json_get(root, "id"), id, sizeof id) || strlen(id) != W4_UUID_LEN) {
        return r < 0 ? r : 0;
    }
    uint32_t index = 0;
    r = give(g, index++, id, w4_json_get(root, "author"));
    w4_json_iterator i = w4_json_first(w4_json_get(root, "confirmed_by"));
    for (; r == 0 && !g->full && w4_json_exists(i.value); i = w4_json_next(i)) {
        bool good = w4_json_string_copy(w4_json_get(i.value, "msg_id"), id, sizeof id) &&
                    strlen(id) == W4_UUID_LEN;
        r = good ? give(g, index, id, w4_json_get(i.value, "agent")) : 0;
        index++;
    }
    return r;
}

/* Entries from the place on. */
static int give_entries(giving *g, w4_store_cursor *cursor) {
    uint32_t looked_at = 0;
    int r = 0;
    while (r == 0 && !g->full) {
        r = w4_store_next(g->store, cursor);
        bool damaged = r == W4_STORE_E_CORRUPT && cursor->key.len > 0;
        if (r != 0 && !damaged) {
            break;
        }
        w4_reader reader;
        w4_reader_init(&reader, w4_buffer_bytes(&cursor->key));
        uint64_t number = w4_read_u64(&reader);
        if (number != g->number) {
            g->number = number;
            g->index = 0;
        }
        if (looked_at++ == W4_ARCHIVE_LOOKED_AT_MAX) {
            g->full = true;
            return 0;
        }
        r = damaged ? 0 : give_entry(g, w4_buffer_bytes(&cursor->value));
    }
    return r;
}

int w4_archive_give(w4_store *store, w4_archive_place *place, w4_json_writer *w, size_t bytes_max,
                    bool *ret_ended) {
    giving g = {.store = store,
                .w = w,
                .bytes_max = bytes_max,
                .number = *place / W4_ARCHIVE_ENVELOPES_MAX,
                .index = (uint32_t)(*place % W4_ARCHIVE_ENVELOPES_MAX),
                .text = W4_BUFFER_INIT((size_t)W4_STORE_VALUE_MAX)};
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, W4_STORE_MEMORY, w4_bytes_of(NULL, 0));
    if (r == 0 && g.number > 0) {
        uint8_t behind[8];
        w4_put_u64(behind, g.number - 1);
        r = w4_store_cursor_go_on(&cursor, w4_bytes_of(behind, sizeof behind));
    }
    r = r == 0 ? give_entries(&g, &cursor) : r;
    w4_store_cursor_deinit(&cursor);
    w4_buffer_deinit(&g.text);
    w4_json_document_deinit(&g.entry);
    w4_json_document_deinit(&g.envelope);
    r = r == W4_STORE_E_NOT_FOUND || r == W4_STORE_E_CORRUPT ? 0 : r;
    if (r == 0) {
        *ret_ended = !g.full;
        *place = g.number * W4_ARCHIVE_ENVELOPES_MAX + g.index;
    }
    return r;
}

#include "protocol/store_rows.h"

#include "base/text.h"
#include "crypto/fingerprint.h"
#include "crypto/primitives.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ID W4_UUID_LEN
#define WHO W4_FINGERPRINT_LEN
#define NUMBER 8u

typedef enum reference {
    REFERENCE_NONE,
    REFERENCE_ENVELOPE, /* the key, and /proposer in the value, name an envelope */
    REFERENCE_ITSELF,   /* an envelope says who and which it is */
    REFERENCE_ENTRY,    /* the last 8 bytes of the key are the number of an entry of the memory */
    REFERENCE_VALUE,    /* the value is such a number */
} reference;

static const struct {
    size_t key_len; /* 0: of any length */
    bool json;
    reference refers;
} forms[W4_STORE_TABLE_COUNT] = {
    [W4_STORE_PEER] = {WHO, true, REFERENCE_NONE},
    [W4_STORE_RECORD] = {WHO, true, REFERENCE_NONE},
    [W4_STORE_TRUST] = {NUMBER, true, REFERENCE_NONE},
    [W4_STORE_FACT] = {ID, true, REFERENCE_ENVELOPE},
    [W4_STORE_ENVELOPE] = {ID + WHO, true, REFERENCE_ITSELF},
    [W4_STORE_DECISION] = {ID, true, REFERENCE_NONE},
    [W4_STORE_SEEN] = {NUMBER + WHO + ID, false, REFERENCE_NONE},
    [W4_STORE_CONSENT] = {WHO, true, REFERENCE_NONE},
    [W4_STORE_CLAIM] = {ID, true, REFERENCE_ENVELOPE},
    [W4_STORE_AUDIT] = {NUMBER, true, REFERENCE_NONE},
    [W4_STORE_MEMORY] = {NUMBER, true, REFERENCE_NONE},
    [W4_STORE_MEMORY_ID] = {ID + 1, false, REFERENCE_VALUE},
    [W4_STORE_MEMORY_LINK] = {ID + NUMBER, false, REFERENCE_ENTRY},
    [W4_STORE_MEMORY_TEXT] = {NUMBER, false, REFERENCE_ENTRY},
};

/* ---- rows as JSON */

w4_store_table w4_store_table_named(w4_bytes name) {
    size_t table = 0;
    while (table < W4_STORE_TABLE_COUNT &&
           !w4_bytes_equal_text(name, w4_store_table_name((w4_store_table)table))) {
        table++;
    }
    return (w4_store_table)table;
}

void w4_store_rows_init(w4_store_rows *rows, w4_store *store, w4_store_table table) {
    bool all = table == W4_STORE_TABLE_COUNT;
    *rows = (w4_store_rows){
        .store = store,
        .value_max = W4_STORE_VALUE_MAX,
        .table = all ? (w4_store_table)0 : table,
        .last = all ? (w4_store_table)(W4_STORE_TABLE_COUNT - 1) : table,
    };
}

static void leave_table(w4_store_rows *rows) {
    if (rows->open) {
        w4_store_cursor_deinit(&rows->cursor);
        rows->open = false;
    }
}

void w4_store_rows_deinit(w4_store_rows *rows) {
    leave_table(rows);
}

static int enter_table(w4_store_rows *rows) {
    if (rows->open) {
        return 0;
    }
    rows->open = true;
    return w4_store_cursor_init(&rows->cursor, rows->table, w4_bytes_of(NULL, 0));
}

int w4_store_rows_go_on(w4_store_rows *rows, const char *place) {
    const char *colon = strchr(place, ':');
    if (!colon) {
        return -EINVAL;
    }
    w4_store_table table = w4_store_table_named(w4_bytes_of(place, (size_t)(colon - place)));
    size_t digits = strlen(colon + 1);
    uint8_t key[W4_STORE_KEY_MAX];
    if (table < rows->table || table > rows->last || digits % 2 != 0 || digits > 2 * sizeof key ||
        !w4_hex_parse(w4_bytes_of(colon + 1, digits), key, digits / 2)) {
        return -EINVAL;
    }
    leave_table(rows);
    rows->table = table;
    int r = enter_table(rows);
    return r == 0 && digits > 0 ? w4_store_cursor_go_on(&rows->cursor, w4_bytes_of(key, digits / 2))
                                : r;
}

void w4_store_rows_place(const w4_store_rows *rows, char ret_place[static W4_STORE_PLACE_MAX + 1]) {
    size_t at = (size_t)snprintf(ret_place, W4_STORE_PLACE_MAX + 1,
                                 "%s:", w4_store_table_name(rows->table));
    const w4_buffer *key = &rows->cursor.key;
    for (size_t i = 0; rows->open && rows->cursor.started && i < key->len; i++) {
        at += (size_t)snprintf(ret_place + at, W4_STORE_PLACE_MAX + 1 - at, "%02x", key->data[i]);
    }
}

static bool is_printable(w4_bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e) {
            return false;
        }
    }
    return bytes.len > 0;
}

static int write_coded(w4_json_writer *w, const char *name, w4_bytes bytes,
                       int (*append)(w4_buffer *out, w4_bytes bytes)) {
    w4_buffer text = W4_BUFFER_INIT(2 * (size_t)W4_STORE_VALUE_MAX);
    int r = append(&text, bytes);
    if (r == 0) {
        w4_json_member_bytes(w, name, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

static int write_value(w4_json_writer *w, w4_store_table table, w4_bytes value) {
    w4_json_document doc = {0};
    int r = forms[table].json ? w4_json_read(&doc, value, &W4_JSON_LIMITS_FILE, NULL) : 1;
    if (r == 0) {
        w4_json_name(w, "value");
        w4_json_value(w, w4_json_root(&doc));
    } else if (r > 0) {
        r = write_coded(w, "value_base64", value, w4_base64_append);
    }
    w4_json_document_deinit(&doc);
    return r;
}

static int write_row(w4_store_rows *rows, bool damaged, w4_buffer *out) {
    w4_bytes key = w4_buffer_bytes(&rows->cursor.key), value = w4_buffer_bytes(&rows->cursor.value);
    w4_json_writer w;
    w4_buffer_clear(out);
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "table", w4_store_table_name(rows->table));
    int r = 0;
    if (is_printable(key)) {
        w4_json_member_bytes(&w, "key", key);
    } else if (key.len > 0) {
        r = write_coded(&w, "key_hex", key, w4_hex_append);
    }
    if (damaged) {
        w4_json_member_bool(&w, "damaged", true);
    } else if (value.len > rows->value_max) {
        w4_json_member_unsigned(&w, "bytes", value.len);
    } else if (r == 0) {
        r = write_value(&w, rows->table, value);
    }
    w4_json_end_object(&w);
    rows->rows++;
    rows->missing += damaged || value.len > rows->value_max;
    return r != 0 ? r : w.error;
}

int w4_store_rows_next(w4_store_rows *rows, w4_buffer *ret_row) {
    while (rows->table <= rows->last) {
        int r = enter_table(rows);
        r = r == 0 ? w4_store_next(rows->store, &rows->cursor) : r;
        if (r == 0) {
            return write_row(rows, false, ret_row);
        }
        if (r == W4_STORE_E_CORRUPT) {
            return write_row(rows, true, ret_row);
        }
        if (r != W4_STORE_E_NOT_FOUND) {
            return r;
        }
        leave_table(rows);
        rows->table = (w4_store_table)(rows->table + 1);
    }
    return W4_STORE_E_NOT_FOUND;
}

/* ---- examining */

typedef struct examination {
    w4_store *store;
    w4_buffer *report;
    w4_store_findings found;
    w4_json_document doc;
    bool (*is_over)(void *context);
    void *context;
    int error; /* -ENOMEM */
} examination;

static void tell(examination *x, w4_store_table table, w4_bytes key, const char *what) {
    if (++x->found.faults > W4_STORE_FAULTS_TOLD || x->error != 0) {
        return;
    }
    w4_buffer line = W4_BUFFER_INIT(4096);
    int r = w4_buffer_printf(&line, "table %s, key ", w4_store_table_name(table));
    if (r == 0) {
        r = is_printable(key) ? w4_buffer_append(&line, key) : w4_hex_append(&line, key);
    }
    r = r == 0 ? w4_buffer_printf(&line, ": %s\n", what) : r;
    r = r == 0 ? w4_buffer_append(x->report, w4_buffer_bytes(&line)) : r;
    w4_buffer_deinit(&line);
    x->error = r == -EMSGSIZE ? 0 : r; /* a full report stays as it is */
}

/* Is the row there? Damaged ones are: they were told. */
static bool is_there(examination *x, w4_store_table table, w4_bytes key) {
    w4_buffer value = W4_BUFFER_INIT(W4_STORE_VALUE_MAX);
    int r = w4_store_get(x->store, table, key, &value);
    w4_buffer_deinit(&value);
    x->error = r < 0 ? r : x->error;
    return r != W4_STORE_E_NOT_FOUND;
}

static bool envelope_is_there(examination *x, w4_bytes id) {
    uint8_t key[ID + WHO];
    memcpy(key, id.data, ID);
    w4_bytes who = w4_json_string_raw(w4_json_get(w4_json_root(&x->doc), "proposer"));
    return w4_hex_parse(who, key + ID, WHO) &&
           is_there(x, W4_STORE_ENVELOPE, w4_bytes_of(key, sizeof key));
}

static bool says_its_key(examination *x, w4_bytes key) {
    uint8_t sender[WHO];
    w4_json root = w4_json_root(&x->doc);
    w4_bytes id = w4_json_string_raw(w4_json_get(root, "msg_id"));
    w4_bytes who = w4_json_string_raw(w4_json_get(w4_json_get(root, "sender"), "fingerprint"));
    return w4_bytes_equal(id, w4_bytes_of(key.data, ID)) && w4_hex_parse(who, sender, WHO) &&
           memcmp(sender, key.data + ID, WHO) == 0;
}

static void examine_reference(examination *x, w4_store_table table, w4_bytes key, w4_bytes value) {
    switch (forms[table].refers) {
    case REFERENCE_NONE:
        return;
    case REFERENCE_ENVELOPE:
        if (!envelope_is_there(x, key)) {
            tell(x, table, key, "the envelope it was made of is not there");
        }
        return;
    case REFERENCE_ITSELF:
        if (!says_its_key(x, key)) {
            tell(x, table, key, "is an envelope of another id or sender");
        }
        return;
    case REFERENCE_ENTRY:
        if (!is_there(x, W4_STORE_MEMORY, w4_bytes_of(key.data + key.len - NUMBER, NUMBER))) {
            tell(x, table, key, "belongs to an entry of the memory that is not there");
        }
        return;
    case REFERENCE_VALUE:
        if (value.len != NUMBER || !is_there(x, W4_STORE_MEMORY, value)) {
            tell(x, table, key, "names an entry of the memory that is not there");
        }
        return;
    }
}

static void examine_row(examination *x, w4_store_table table, w4_bytes key, w4_bytes value) {
    x->found.records++;
    if (forms[table].key_len != 0 && key.len != forms[table].key_len) {
        tell(x, table, key, "the key has another length");
        return;
    }
    if (forms[table].json) {
        int r = w4_json_read(&x->doc, value, &W4_JSON_LIMITS_FILE, NULL);
        if (r != 0) {
            x->error = r < 0 ? r : x->error;
            tell(x, table, key, "is not JSON");
            return;
        }
    }
    examine_reference(x, table, key, value);
}

static int examine_table(examination *x, w4_store_table table) {
    w4_store_cursor cursor;
    int r = w4_store_cursor_init(&cursor, table, w4_bytes_of(NULL, 0));
    while (r == 0 && x->error == 0) {
        r = x->is_over && x->is_over(x->context) ? W4_STORE_E_FAILED
                                                 : w4_store_next(x->store, &cursor);
        if (r == 0) {
            examine_row(x, table, w4_buffer_bytes(&cursor.key), w4_buffer_bytes(&cursor.value));
        } else if (r == W4_STORE_E_CORRUPT) { /* was told */
            x->found.records += cursor.key.len > 0;
            r = 0;
        }
    }
    w4_store_cursor_deinit(&cursor);
    return x->error != 0 ? x->error : r == W4_STORE_E_NOT_FOUND ? 0 : r;
}

/* The store's own report: its last line is a summary. */
static uint64_t take_over(w4_buffer *report) {
    uint64_t lines = 0;
    size_t last = 0;
    for (size_t i = 0; i < report->len; i++) {
        if (report->data[i] == '\n') {
            lines++;
            last = i + 1 < report->len ? i + 1 : last;
        }
    }
    report->len = last;
    return lines > 0 ? lines - 1 : 0;
}

int w4_store_examine(w4_store *store, bool (*is_over)(void *context), void *context,
                     w4_buffer *ret_report, w4_store_findings *ret_findings) {
    examination x = {.store = store, .report = ret_report, .is_over = is_over, .context = context};
    int r = w4_store_check(store, ret_report);
    if (r != 0 && r != W4_STORE_E_CORRUPT) {
        return r;
    }
    x.found.faults = take_over(ret_report);
    r = 0;
    for (size_t table = 0; r == 0 && table < W4_STORE_TABLE_COUNT; table++) {
        r = examine_table(&x, (w4_store_table)table);
    }
    w4_json_document_deinit(&x.doc);
    if (r == 0) {
        *ret_findings = x.found;
    }
    return r;
}

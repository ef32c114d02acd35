#include "protocol/store_rows.h"

#include "base/text.h"
#include "crypto/fingerprint.h"
#include "crypto/primitives.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Values that are JSON. */
static const bool holds_json[W4_STORE_TABLE_COUNT] = {
    [W4_STORE_PEER] = true,    [W4_STORE_RECORD] = true,   [W4_STORE_TRUST] = true,
    [W4_STORE_FACT] = true,    [W4_STORE_ENVELOPE] = true, [W4_STORE_DECISION] = true,
    [W4_STORE_CONSENT] = true, [W4_STORE_CLAIM] = true,    [W4_STORE_AUDIT] = true,
    [W4_STORE_MEMORY] = true,  [W4_STORE_KEY] = true,
};

bool w4_store_table_holds_json(w4_store_table table) {
    return holds_json[table];
}

bool w4_store_key_is_text(w4_bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] < 0x20 || bytes.data[i] > 0x7e) {
            return false;
        }
    }
    return bytes.len > 0;
}

/* ---- rows as JSON: members in the order of their names, as in all JSON of the node */

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
    int r = holds_json[table] ? w4_json_read(&doc, value, &W4_JSON_LIMITS_FILE, NULL) : 1;
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
    bool long_value = !damaged && value.len > rows->value_max;
    w4_json_begin_object(&w);
    if (long_value) {
        w4_json_member_unsigned(&w, "bytes", value.len);
    }
    if (damaged) {
        w4_json_member_bool(&w, "damaged", true);
    }
    int r = 0;
    if (w4_store_key_is_text(key)) {
        w4_json_member_bytes(&w, "key", key);
    } else if (key.len > 0) {
        r = write_coded(&w, "key_hex", key, w4_hex_append);
    }
    w4_json_member_string(&w, "table", w4_store_table_name(rows->table));
    if (r == 0 && !damaged && !long_value) {
        r = write_value(&w, rows->table, value);
    }
    w4_json_end_object(&w);
    rows->rows++;
    rows->missing += damaged || long_value;
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

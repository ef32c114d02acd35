/* The rows of a store as people and programs outside get them: each one as a JSON object, in the
 * order of tables and keys. And what rows must have to do with one another.
 *
 * A row: {"table", "key" | "key_hex", "value" | "value_base64"}: keys that are printable text as
 * text, values that are JSON as they are. A row that cannot be read has "damaged": true in place of
 * its value (and no key: the rest of the table cannot be reached), one whose value is longer than
 * was asked for has its length in "bytes". */
#pragma once

#include "store/store.h"
#include "json/writer.h"

#define W4_STORE_PLACE_MAX (32u + 2u * W4_STORE_KEY_MAX)

typedef struct w4_store_rows {
    w4_store *store;
    size_t value_max; /* longer values are left out */
    w4_store_table table, last;
    bool open; /* the cursor stands in the table */
    w4_store_cursor cursor;
    uint64_t rows, missing; /* given so far; of them: without their value */
} w4_store_rows;

/* table: W4_STORE_TABLE_COUNT for all of them. */
void w4_store_rows_init(w4_store_rows *rows, w4_store *store, w4_store_table table);
void w4_store_rows_deinit(w4_store_rows *rows);
/* Goes on behind a place, as w4_store_rows_place told it. 0, -ENOMEM, or -EINVAL: no such place. */
int w4_store_rows_go_on(w4_store_rows *rows, const char *place);
void w4_store_rows_place(const w4_store_rows *rows, char ret_place[static W4_STORE_PLACE_MAX + 1]);
/* Replaces *ret_row by the next one. 0, W4_STORE_E_NOT_FOUND at the end, or a failure. */
int w4_store_rows_next(w4_store_rows *rows, w4_buffer *ret_row);

w4_store_table w4_store_table_named(w4_bytes name); /* W4_STORE_TABLE_COUNT: no such */

bool w4_store_table_holds_json(w4_store_table table);
bool w4_store_key_is_text(w4_bytes key); /* of what a terminal shows, and not empty */

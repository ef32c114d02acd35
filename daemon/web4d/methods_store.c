/* store.export: what the node keeps, as JSON. */
#include "web4d/call.h"

#include "protocol/store_rows.h"

#include <errno.h>

#define ROWS_BYTES_MAX (W4_RPC_LINE_MAX / 2) /* of one answer; the last row may pass it */
#define VALUE_MAX (W4_RPC_LINE_MAX / 3)      /* in base64 beside it: within a line */

/* Rows until the answer is full. 0 with more to come, W4_STORE_E_NOT_FOUND: that was all. */
static int write_rows(w4d_call *call, w4_store_rows *rows) {
    w4_buffer row = W4_BUFFER_INIT(2 * W4_RPC_LINE_MAX);
    int r = 0;
    while (r == 0 && call->result->out->len < ROWS_BYTES_MAX && rows->rows < W4_RPC_LIST_MAX) {
        r = w4_store_rows_next(rows, &row);
        if (r == 0) {
            w4_json_raw(call->result, w4_buffer_bytes(&row));
        }
    }
    w4_buffer_deinit(&row);
    return r;
}

int w4d_store_export(w4d_call *call) {
    char name[64], place[W4_STORE_PLACE_MAX + 1];
    w4_store_table table = W4_STORE_TABLE_COUNT;
    if (w4d_param_text(call, "table", name, sizeof name)) {
        table = w4_store_table_named(w4_bytes_from_text(name));
        if (table == W4_STORE_TABLE_COUNT) {
            return w4d_refuse_params(call, "/table", "a table of the store, not %s", name);
        }
    }
    w4_store_rows rows;
    w4_store_rows_init(&rows, call->app->store, table);
    rows.value_max = VALUE_MAX;
    int r = w4_json_exists(w4_json_get(call->params, "from"))
                ? w4d_param_text(call, "from", place, sizeof place)
                      ? w4_store_rows_go_on(&rows, place)
                      : -EINVAL
                : 0;
    if (r == -EINVAL) {
        w4_store_rows_deinit(&rows);
        return w4d_refuse_params(call, "/from", "next of the answer before, of the same table");
    }
    w4_json_begin_object(call->result);
    w4_json_name(call->result, "rows");
    w4_json_begin_array(call->result);
    r = r == 0 ? write_rows(call, &rows) : r;
    w4_json_end_array(call->result);
    w4_json_member_unsigned(call->result, "missing", rows.missing);
    if (r == 0) {
        w4_store_rows_place(&rows, place);
        w4_json_member_string(call->result, "next", place);
    }
    w4_json_end_object(call->result);
    w4_store_rows_deinit(&rows);
    return r == W4_STORE_E_NOT_FOUND ? 0 : r > 0 ? w4d_refuse_store(call) : r;
}

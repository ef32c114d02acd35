/* store check, backup, export: of the store of a running node, or of a file that no node has open.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/sqlite.h"
#include "protocol/store_examine.h"
#include "protocol/store_rows.h"
#include "web4ctl/ctl.h"

#define REPORT_MAX (1024u * 1024u)
#define ANSWER_MAX (4u * 1024u * 1024u)
#define PARAMS_MAX (64u * 1024u)

/* Opens what is there as it is: neither made, nor led to another version. */
static ctl_status open_file(const ctl_context *ctl, const char *path, w4_store **ret_store) {
    char why[W4_STORE_SQLITE_TEXT_MAX] = "";
    uint32_t version = 0;
    int r = w4_store_sqlite_look(path, &version, why, sizeof why);
    if (r == 0 && version < W4_STORE_SQLITE_VERSION) {
        ctl_error(ctl,
                  "%s: has store version %u, this program knows %d; web4d leads it there when "
                  "it starts on it",
                  path, version, W4_STORE_SQLITE_VERSION);
        return CTL_REFUSED;
    }
    r = r == 0 ? w4_store_sqlite_open(path, ret_store, why, sizeof why) : r;
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    if (r > 0) {
        ctl_error(ctl, "%s%s", why,
                  r == W4_STORE_E_BUSY ? "; without FILE, the node is asked" : "");
    }
    return r == 0 ? CTL_DONE : CTL_REFUSED;
}

static ctl_status store_failed(const ctl_context *ctl, const w4_store *store, int r) {
    if (r < 0) {
        return ctl_fatal(ctl, r);
    }
    ctl_error(ctl, "%s", w4_store_error(store));
    return CTL_REFUSED;
}

/* ---- check */

static ctl_status check_file(ctl_context *ctl, const char *path) {
    w4_store *store = NULL;
    ctl_status status = open_file(ctl, path, &store);
    if (status != CTL_DONE) {
        return status;
    }
    w4_buffer report = W4_BUFFER_INIT(REPORT_MAX), answer = W4_BUFFER_INIT(ANSWER_MAX);
    w4_store_findings found;
    int r = w4_store_examine(store, NULL, NULL, &report, &found);
    if (r != 0) {
        status = store_failed(ctl, store, r);
    } else {
        w4_json_writer w;
        w4_json_writer_init(&w, &answer);
        w4_store_findings_write(&found, w4_buffer_bytes(&report), path, &w);
        status =
            w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_answer_text(ctl, w4_buffer_bytes(&answer));
        status = status == CTL_DONE && found.faults > 0 ? CTL_REFUSED : status;
    }
    w4_buffer_deinit(&report);
    w4_buffer_deinit(&answer);
    w4_store_free(store);
    return status;
}

ctl_status ctl_run_store_check(ctl_context *ctl) {
    if (ctl->line.arguments_count > 0) {
        return check_file(ctl, ctl->line.arguments[0]);
    }
    w4_json result = {0};
    ctl_status status = ctl_ask(ctl, &result);
    if (status != CTL_DONE) {
        return status;
    }
    bool sound = w4_json_is_true(w4_json_get(result, "sound"));
    status = ctl_answer(ctl, result);
    return status == CTL_DONE && !sound ? CTL_REFUSED : status;
}

/* ---- backup */

static ctl_status backup_file(ctl_context *ctl, const char *path, const char *file,
                              w4_buffer *answer) {
    w4_store *store = NULL;
    struct stat st;
    ctl_status status = open_file(ctl, file, &store);
    if (status != CTL_DONE) {
        return status;
    }
    int r = w4_store_backup(store, path);
    if (r != 0) {
        status = store_failed(ctl, store, r);
    } else {
        w4_json_writer w;
        w4_json_writer_init(&w, answer);
        w4_json_begin_object(&w);
        w4_json_member_string(&w, "path", path);
        w4_json_member_unsigned(&w, "bytes", stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
        w4_json_end_object(&w);
        status =
            w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_answer_text(ctl, w4_buffer_bytes(answer));
    }
    w4_store_free(store);
    return status;
}

static ctl_status backup_node(ctl_context *ctl, const char *path, w4_buffer *params) {
    w4_json_writer w;
    w4_json result = {0};
    w4_json_writer_init(&w, params);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "path", path);
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_connect(ctl, W4_SURFACE_CONTROL);
    if (status == CTL_DONE) {
        status = ctl_call(ctl, W4_METHOD_STORE_BACKUP, w4_buffer_bytes(params), &result);
    }
    return status == CTL_DONE ? ctl_answer(ctl, result) : status;
}

ctl_status ctl_run_store_backup(ctl_context *ctl) {
    char path[W4_CONFIG_PATH_MAX], folder[W4_CONFIG_PATH_MAX];
    const char *name = ctl->line.arguments[0];
    if (name[0] == '/') {
        folder[0] = '\0';
    } else if (!getcwd(folder, sizeof folder - 1)) {
        return ctl_fatal(ctl, -errno);
    }
    int len = snprintf(path, sizeof path, "%s%s%s", folder, folder[0] ? "/" : "", name);
    if (len < 0 || (size_t)len >= sizeof path) {
        return ctl_fatal(ctl, -ENAMETOOLONG);
    }
    w4_buffer text = W4_BUFFER_INIT(PARAMS_MAX);
    ctl_status status = ctl->line.arguments_count > 1
                            ? backup_file(ctl, path, ctl->line.arguments[1], &text)
                            : backup_node(ctl, path, &text);
    w4_buffer_deinit(&text);
    return status;
}

/* ---- export */

static ctl_status put_line(const ctl_context *ctl, w4_bytes json) {
    w4_buffer line = W4_BUFFER_INIT(ANSWER_MAX * 2);
    int r = ctl_format_json(&line, json);
    r = r == 0 ? w4_buffer_append_byte(&line, '\n') : r;
    if (r == 0) {
        (void)fwrite(line.data, 1, line.len, ctl->output.file);
    }
    w4_buffer_deinit(&line);
    return r < 0 ? ctl_fatal(ctl, r) : ferror(ctl->output.file) ? ctl_flush(ctl) : CTL_DONE;
}

static ctl_status tell_missing(const ctl_context *ctl, uint64_t missing) {
    ctl_status status = ctl_flush(ctl);
    if (status == CTL_DONE && missing > 0) {
        ctl_error(ctl, "%llu rows are without their value", (unsigned long long)missing);
        return CTL_REFUSED;
    }
    return status;
}

static ctl_status export_file(ctl_context *ctl, const char *path, w4_store_table table,
                              const char *from) {
    w4_store *store = NULL;
    ctl_status status = open_file(ctl, path, &store);
    if (status != CTL_DONE) {
        return status;
    }
    w4_store_rows rows;
    w4_buffer row = W4_BUFFER_INIT(ANSWER_MAX);
    w4_store_rows_init(&rows, store, table);
    int r = from ? w4_store_rows_go_on(&rows, from) : 0;
    if (r == -EINVAL) {
        ctl_error(ctl, "--behind: expected TABLE:KEY, the key in hexadecimal");
        status = CTL_USAGE;
    }
    while (r == 0 && status == CTL_DONE) {
        r = w4_store_rows_next(&rows, &row);
        status = r == 0 ? put_line(ctl, w4_buffer_bytes(&row)) : status;
    }
    if (status == CTL_DONE && r != W4_STORE_E_NOT_FOUND) {
        status = store_failed(ctl, store, r);
    }
    uint64_t missing = rows.missing;
    w4_store_rows_deinit(&rows);
    w4_buffer_deinit(&row);
    w4_store_free(store);
    return status == CTL_DONE ? tell_missing(ctl, missing) : status;
}

/* One part; *ret_next is empty behind the last one. */
static ctl_status export_part(ctl_context *ctl, const char *table, char *next, size_t size,
                              uint64_t *missing) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json_writer w;
    w4_json result = {0};
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    if (table) {
        w4_json_member_string(&w, "table", table);
    }
    if (next[0]) {
        w4_json_member_string(&w, "from", next);
    }
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error)
                    : ctl_call(ctl, W4_METHOD_STORE_EXPORT, w4_buffer_bytes(&params), &result);
    if (status == CTL_DONE) {
        int64_t without = 0;
        w4_json_iterator i = w4_json_first(w4_json_get(result, "rows"));
        for (; status == CTL_DONE && w4_json_exists(i.value); i = w4_json_next(i)) {
            status = put_line(ctl, w4_json_text(i.value));
        }
        (void)w4_json_integer(w4_json_get(result, "missing"), &without);
        *missing += (uint64_t)without;
        if (!w4_json_string_copy(w4_json_get(result, "next"), next, size)) {
            next[0] = '\0';
        }
    }
    w4_buffer_deinit(&params);
    return status;
}

static ctl_status export_node(ctl_context *ctl, const char *table, const char *from) {
    char next[W4_STORE_PLACE_MAX + 1] = "";
    if (from && strlen(from) < sizeof next) {
        memcpy(next, from, strlen(from) + 1);
    }
    uint64_t missing = 0;
    ctl_status status = ctl_connect(ctl, W4_SURFACE_CONTROL);
    if (status != CTL_DONE) {
        return status;
    }
    do {
        status = export_part(ctl, table, next, sizeof next, &missing);
    } while (status == CTL_DONE && next[0]);
    return status == CTL_DONE ? tell_missing(ctl, missing) : status;
}

static ctl_status tell_tables(const ctl_context *ctl, const char *name) {
    char names[512];
    size_t used = 0;
    for (int t = 0; t < W4_STORE_TABLE_COUNT && used < sizeof names; t++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", t > 0 ? ", " : "",
                                 w4_store_table_name((w4_store_table)t));
    }
    ctl_error(ctl, "--table: the store has no table %s; there are: %s", name, names);
    return CTL_USAGE;
}

ctl_status ctl_run_store_export(ctl_context *ctl) {
    const char *name = ctl_value(&ctl->line, CTL_OPTION_TABLE);
    const char *from = ctl_value(&ctl->line, CTL_OPTION_BEHIND);
    w4_store_table table = W4_STORE_TABLE_COUNT;
    if (name) {
        table = w4_store_table_named(w4_bytes_from_text(name));
        if (table == W4_STORE_TABLE_COUNT) {
            return tell_tables(ctl, name);
        }
    }
    return ctl->line.arguments_count > 0 ? export_file(ctl, ctl->line.arguments[0], table, from)
                                         : export_node(ctl, name, from);
}

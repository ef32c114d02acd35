#include "json/writer.h"

#include "json/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define INTEGER_MAX UINT64_C(9007199254740991) /* 2^53 - 1 */

void w4_json_writer_init(w4_json_writer *w, w4_buffer *out) {
    *w = (w4_json_writer){.out = out};
}

static uint64_t level_bit(const w4_json_writer *w) {
    return UINT64_C(1) << (w->depth - 1);
}

static void fail(w4_json_writer *w, int error) {
    if (w->error == 0 && error < 0)
        w->error = error;
}

static void append(w4_json_writer *w, const char *text) {
    if (w->error == 0)
        fail(w, w4_buffer_append_text(w->out, text));
}

/* The comma before an element or name. */
static void separate(w4_json_writer *w) {
    if (w->has_items & level_bit(w))
        append(w, ",");
    w->has_items |= level_bit(w);
}

/* Whether a value may stand here; writes what must stand before it. */
static bool begin_value(w4_json_writer *w) {
    if (w->error != 0)
        return false;
    if (w->depth == 0) {
        if (w->has_root)
            fail(w, -EINVAL);
        w->has_root = true;
    } else if (w->objects & level_bit(w)) {
        if (!w->after_name)
            fail(w, -EINVAL);
        w->after_name = false;
    } else {
        separate(w);
    }
    return w->error == 0;
}

static void begin(w4_json_writer *w, bool object) {
    if (!begin_value(w))
        return;
    if (w->depth == W4_JSON_WRITER_DEPTH_MAX) {
        fail(w, -EINVAL);
        return;
    }
    append(w, object ? "{" : "[");
    w->depth++;
    w->has_items &= ~level_bit(w);
    w->objects = object ? w->objects | level_bit(w) : w->objects & ~level_bit(w);
}

static void end(w4_json_writer *w, bool object) {
    if (w->error != 0)
        return;
    if (w->depth == 0 || ((w->objects & level_bit(w)) != 0) != object || w->after_name) {
        fail(w, -EINVAL);
        return;
    }
    append(w, object ? "}" : "]");
    w->depth--;
}

void w4_json_begin_object(w4_json_writer *w) {
    begin(w, true);
}

void w4_json_end_object(w4_json_writer *w) {
    end(w, true);
}

void w4_json_begin_array(w4_json_writer *w) {
    begin(w, false);
}

void w4_json_end_array(w4_json_writer *w) {
    end(w, false);
}

void w4_json_name(w4_json_writer *w, const char *name) {
    w4_json_name_bytes(w, w4_bytes_from_text(name));
}

void w4_json_name_bytes(w4_json_writer *w, w4_bytes name) {
    if (w->error != 0)
        return;
    if (w->depth == 0 || !(w->objects & level_bit(w)) || w->after_name) {
        fail(w, -EINVAL);
        return;
    }
    separate(w);
    if (w->error == 0)
        fail(w, w4_json_escape(w->out, name));
    append(w, ":");
    w->after_name = true;
}

void w4_json_string(w4_json_writer *w, w4_bytes utf8) {
    if (begin_value(w))
        fail(w, w4_json_escape(w->out, utf8));
}

void w4_json_string_text(w4_json_writer *w, const char *text) {
    w4_json_string(w, w4_bytes_from_text(text));
}

void w4_json_number_value(w4_json_writer *w, double value) {
    char text[W4_JSON_NUMBER_MAX];
    if (!begin_value(w))
        return;
    if (w4_json_number_format(value, text) == 0)
        fail(w, -EINVAL);
    append(w, text);
}

void w4_json_unsigned_value(w4_json_writer *w, uint64_t value) {
    if (value > INTEGER_MAX) {
        w4_json_number_value(w, (double)value);
        return;
    }
    if (!begin_value(w))
        return;
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    append(w, text);
}

void w4_json_integer_value(w4_json_writer *w, int64_t value) {
    if (value >= 0) {
        w4_json_unsigned_value(w, (uint64_t)value);
        return;
    }
    if (value < -(int64_t)INTEGER_MAX) {
        w4_json_number_value(w, (double)value);
        return;
    }
    if (!begin_value(w))
        return;
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    append(w, text);
}

void w4_json_bool(w4_json_writer *w, bool value) {
    if (begin_value(w))
        append(w, value ? "true" : "false");
}

void w4_json_null(w4_json_writer *w) {
    if (begin_value(w))
        append(w, "null");
}

void w4_json_raw(w4_json_writer *w, w4_bytes json) {
    if (!begin_value(w))
        return;
    fail(w, json.len == 0 ? -EINVAL : w4_buffer_append(w->out, json));
}

void w4_json_value(w4_json_writer *w, w4_json v) {
    if (w4_json_kind_of(v) == W4_JSON_NONE)
        w4_json_null(w);
    else
        w4_json_raw(w, w4_json_text(v));
}

void w4_json_member_string(w4_json_writer *w, const char *name, const char *text) {
    w4_json_name(w, name);
    w4_json_string_text(w, text);
}

void w4_json_member_bytes(w4_json_writer *w, const char *name, w4_bytes utf8) {
    w4_json_name(w, name);
    w4_json_string(w, utf8);
}

void w4_json_member_integer(w4_json_writer *w, const char *name, int64_t value) {
    w4_json_name(w, name);
    w4_json_integer_value(w, value);
}

void w4_json_member_unsigned(w4_json_writer *w, const char *name, uint64_t value) {
    w4_json_name(w, name);
    w4_json_unsigned_value(w, value);
}

void w4_json_member_bool(w4_json_writer *w, const char *name, bool value) {
    w4_json_name(w, name);
    w4_json_bool(w, value);
}

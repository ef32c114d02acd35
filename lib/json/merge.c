#include "json/merge.h"

#include "json/escape.h"

static int merge_value(w4_buffer *out, w4_json base, w4_json over);

static int append_member(w4_buffer *out, w4_json name, w4_json base, w4_json over, bool *first) {
    int r = *first ? 0 : w4_buffer_append_byte(out, ',');
    *first = false;
    if (r == 0)
        r = w4_buffer_append(out, w4_json_text(name));
    if (r == 0)
        r = w4_buffer_append_byte(out, ':');
    return r == 0 ? merge_value(out, base, over) : r;
}

/* Both are sorted, so one walk along the two keeps the result sorted. */
static int merge_objects(w4_buffer *out, w4_json base, w4_json over) {
    const w4_json none = {NULL, 0};
    w4_json_iterator b = w4_json_first(base), o = w4_json_first(over);
    bool first = true;
    int r = w4_buffer_append_byte(out, '{');
    while (r == 0 && (w4_json_exists(b.value) || w4_json_exists(o.value))) {
        int order = !w4_json_exists(b.value)   ? 1
                    : !w4_json_exists(o.value) ? -1
                                               : w4_json_order_escaped(w4_json_string_raw(b.name),
                                                                       w4_json_string_raw(o.name));
        r = append_member(out, order <= 0 ? b.name : o.name, order <= 0 ? b.value : none,
                          order >= 0 ? o.value : none, &first);
        if (order <= 0)
            b = w4_json_next(b);
        if (order >= 0)
            o = w4_json_next(o);
    }
    return r == 0 ? w4_buffer_append_byte(out, '}') : r;
}

static int merge_value(w4_buffer *out, w4_json base, w4_json over) {
    if (w4_json_kind_of(base) == W4_JSON_OBJECT && w4_json_kind_of(over) == W4_JSON_OBJECT)
        return merge_objects(out, base, over);
    w4_json winner = w4_json_exists(over) ? over : base;
    if (!w4_json_exists(winner))
        return w4_buffer_append_text(out, "null");
    return w4_buffer_append(out, w4_json_text(winner));
}

int w4_json_merge(w4_buffer *out, w4_json base, w4_json over) {
    size_t before = out->len;
    int r = merge_value(out, base, over);
    if (r < 0)
        out->len = before;
    return r;
}

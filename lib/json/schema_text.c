#include "json/schema_text.h"

#include "json/writer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void cut(char text[static W4_FAULT_EXPECTED_MAX], int wanted) {
    if (wanted >= W4_FAULT_EXPECTED_MAX)
        memcpy(text + W4_FAULT_EXPECTED_MAX - 4, "...", 4);
}

/* "<what> of at least 3 <unit>"; between: the word before a range (" from", " of"). */
static int describe_range(const w4_schema_row *row, const char *what, const char *between,
                          const char *unit, char *ret_text) {
    const size_t size = W4_FAULT_EXPECTED_MAX;
    char low[W4_JSON_NUMBER_MAX], high[W4_JSON_NUMBER_MAX];
    w4_json_number_format(row->min, low);
    w4_json_number_format(row->max, high);
    bool counted = unit[0] != '\0';
    bool no_low = !isfinite(row->min) || (counted && row->min == 0);
    if ((row->min == 0 && row->max == 0) || (no_low && !isfinite(row->max)))
        return snprintf(ret_text, size, "%s", what);
    if (row->min == row->max)
        return snprintf(ret_text, size, "%s%s %s%s", what, counted ? between : "", low, unit);
    if (!isfinite(row->max))
        return snprintf(ret_text, size, "%s of at least %s%s", what, low, unit);
    if (no_low)
        return snprintf(ret_text, size, "%s of at most %s%s", what, high, unit);
    return snprintf(ret_text, size, "%s%s %s to %s%s", what, between, low, high, unit);
}

static int describe_names(const w4_schema_row *row, char *ret_text) {
    const size_t size = W4_FAULT_EXPECTED_MAX;
    const char *const *names = row->names;
    if (!names || !names[0])
        return snprintf(ret_text, size, "nothing");
    if (!names[1])
        return snprintf(ret_text, size, "\"%s\"", names[0]);
    size_t len = (size_t)snprintf(ret_text, size, "one of %s", names[0]);
    for (size_t i = 1; names[i] && len < size; i++)
        len += (size_t)snprintf(ret_text + len, size - len, ", %s", names[i]);
    return (int)len;
}

static int describe_kind(const w4_schema_row *row, char *ret_text) {
    switch (row->kind) {
    case W4_SCHEMA_ANY:
        return snprintf(ret_text, W4_FAULT_EXPECTED_MAX, "a value");
    case W4_SCHEMA_BOOL:
        return snprintf(ret_text, W4_FAULT_EXPECTED_MAX, "true or false");
    case W4_SCHEMA_INTEGER:
        return describe_range(row, "an integer", " from", "", ret_text);
    case W4_SCHEMA_NUMBER:
        return describe_range(row, "a number", " from", "", ret_text);
    case W4_SCHEMA_STRING:
        return describe_range(row, "a string", " of", row->max == 1 ? " byte" : " bytes", ret_text);
    case W4_SCHEMA_ENUM:
        return describe_names(row, ret_text);
    case W4_SCHEMA_ARRAY:
        return describe_range(row, "an array", " of", row->max == 1 ? " element" : " elements",
                              ret_text);
    case W4_SCHEMA_OBJECT:
        return snprintf(ret_text, W4_FAULT_EXPECTED_MAX, "an object");
    case W4_SCHEMA_MAP:
        return describe_range(row, "an object", " of", row->max == 1 ? " member" : " members",
                              ret_text);
    case W4_SCHEMA_KIND_COUNT:
        break;
    }
    return snprintf(ret_text, W4_FAULT_EXPECTED_MAX, "nothing");
}

void w4_schema_describe(const w4_schema_row *row, char ret_text[static W4_FAULT_EXPECTED_MAX]) {
    int len = describe_kind(row, ret_text);
    if ((row->flags & W4_SCHEMA_NULLABLE) && row->kind != W4_SCHEMA_ANY &&
        len < W4_FAULT_EXPECTED_MAX)
        len += snprintf(ret_text + len, (size_t)(W4_FAULT_EXPECTED_MAX - len), " or null");
    cut(ret_text, len);
}

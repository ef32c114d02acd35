#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/text.h"
#include "crypto/fingerprint.h"
#include "web4ctl/view.h"
#include "json/writer.h"

#define SHORT_LEN 12
#define STRING_MAX (1024u * 1024u)

size_t ctl_width(const char *text) {
    mbstate_t state = {0};
    size_t width = 0;
    size_t left = strlen(text);
    while (left > 0) {
        wchar_t wide;
        size_t len = mbrtowc(&wide, text, left, &state);
        if (len == 0 || len > left) {
            return width + left; /* no UTF-8 here: bytes */
        }
        int columns = wcwidth(wide);
        width += columns >= 0 ? (size_t)columns : 1u;
        text += len;
        left -= len;
    }
    return width;
}

static int append_string(w4_buffer *out, w4_json value) {
    w4_buffer decoded = W4_BUFFER_INIT(STRING_MAX);
    int r = w4_json_string_decode(value, &decoded);
    if (r == 0) {
        r = w4_text_escape(out, w4_buffer_bytes(&decoded));
    }
    w4_buffer_deinit(&decoded);
    return r;
}

static int append_text(w4_buffer *out, w4_json value) {
    return w4_json_kind_of(value) == W4_JSON_STRING ? append_string(out, value)
                                                    : w4_text_escape(out, w4_json_text(value));
}

static int append_short(w4_buffer *out, w4_json value) {
    size_t before = out->len;
    int r = append_text(out, value);
    if (r == 0 && out->len > before + SHORT_LEN) {
        out->len = before + SHORT_LEN;
    }
    return r;
}

static int append_time(w4_buffer *out, w4_json value) {
    uint64_t wall_us;
    char text[W4_TIMESTAMP_LEN + 1];
    if (!w4_timestamp_parse(w4_json_string_raw(value), &wall_us)) {
        return append_text(out, value);
    }
    w4_timestamp_format(wall_us, text);
    text[10] = ' ';
    return w4_buffer_append(out, w4_bytes_of(text, 19));
}

static int append_seconds(w4_buffer *out, w4_json value) {
    int64_t seconds;
    if (!w4_json_integer(value, &seconds) || seconds < 0) {
        return append_text(out, value);
    }
    if (seconds >= 86400) {
        return w4_buffer_printf(out, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
                                seconds / 3600 % 24);
    }
    if (seconds >= 3600) {
        return w4_buffer_printf(out, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
                                seconds / 60 % 60);
    }
    if (seconds >= 60) {
        return w4_buffer_printf(out, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
    }
    return w4_buffer_printf(out, "%" PRId64 " s", seconds);
}

/* With one decimal, in the largest unit that leaves at least 1. */
static int append_scaled(w4_buffer *out, w4_json value, double step, const char *const *units) {
    double number;
    if (!w4_json_number(value, &number)) {
        return append_text(out, value);
    }
    if (number < step) {
        return w4_buffer_printf(out, "%.0f %s", number, units[0]);
    }
    size_t unit = 0;
    while (number >= step && units[unit + 1] != NULL) {
        number /= step;
        unit++;
    }
    return w4_buffer_printf(out, "%.1f %s", number, units[unit]);
}

static int append_decimal(w4_buffer *out, w4_json value) {
    double number;
    return w4_json_number(value, &number) ? w4_buffer_printf(out, "%.6g", number)
                                          : append_text(out, value);
}

/* Never 100 % where a little is missing, never 0 % where a little is left. */
static int append_percent(w4_buffer *out, w4_json value) {
    double share;
    if (!w4_json_number(value, &share)) {
        return append_text(out, value);
    }
    double shown = share < 1 && share > 0.999   ? 99.9
                   : share > 0 && share < 0.001 ? 0.1
                                                : share * 100;
    return w4_buffer_printf(out, "%.1f %%", shown);
}

static int append_list(w4_buffer *out, w4_json value, bool is_short) {
    int r = 0;
    for (w4_json_iterator i = w4_json_first(value); w4_json_exists(i.value) && r == 0;
         i = w4_json_next(i)) {
        r = i.position == 0 ? 0 : w4_buffer_append_text(out, ", ");
        if (r == 0) {
            r = is_short ? append_short(out, i.value) : append_text(out, i.value);
        }
    }
    return r;
}

static bool is_fingerprint(w4_json value) {
    w4_fingerprint ignored;
    return w4_json_string_plain(value) && w4_fingerprint_parse(w4_json_string_raw(value), &ignored);
}

/* Empty texts say nothing and are left out; fingerprints are short. */
static int append_pairs(w4_buffer *out, w4_json value) {
    bool first = true;
    int r = 0;
    for (w4_json_iterator i = w4_json_first(value); w4_json_exists(i.value) && r == 0;
         i = w4_json_next(i)) {
        if (w4_json_string_equal(i.value, "")) {
            continue;
        }
        r = first ? 0 : w4_buffer_append_text(out, ", ");
        first = false;
        r = r == 0 ? append_text(out, i.name) : r;
        r = r == 0 ? w4_buffer_append_byte(out, ' ') : r;
        if (r == 0) {
            r = is_fingerprint(i.value) ? append_short(out, i.value) : append_text(out, i.value);
        }
    }
    return r;
}

/* Length of the UTF-8 sequence that begins with that byte. */
static size_t sequence_len(uint8_t first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static int append_unit(w4_buffer *out, uint32_t unit) {
    return w4_buffer_printf(out, "\\u%04x", unit);
}

/* A character that a terminal would act on, as JSON escapes it. */
static int append_escaped(w4_buffer *out, w4_bytes sequence) {
    static const uint8_t masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = sequence.data[0] & masks[sequence.len];
    for (size_t i = 1; i < sequence.len; i++) {
        code = code << 6 | (sequence.data[i] & 0x3Fu);
    }
    if (code < 0x10000) {
        return append_unit(out, code);
    }
    int r = append_unit(out, 0xD800 + ((code - 0x10000) >> 10));
    return r < 0 ? r : append_unit(out, 0xDC00 + ((code - 0x10000) & 0x3FF));
}

int ctl_format_json(w4_buffer *out, w4_bytes json) {
    int r = 0;
    for (size_t at = 0; at < json.len && r == 0;) {
        uint8_t first = json.data[at];
        size_t len = sequence_len(first);
        len = len > json.len - at ? json.len - at : len;
        w4_bytes sequence = w4_bytes_of(json.data + at, len);
        char shown[16];
        at += len;
        bool is_plain = first < 0x7F; /* controls stand as escapes in JSON already */
        if (!is_plain) {
            w4_text_escape_cut(shown, sizeof shown, sequence);
            is_plain = w4_bytes_equal_text(sequence, shown);
        }
        r = is_plain ? w4_buffer_append(out, sequence) : append_escaped(out, sequence);
    }
    return r;
}

/* A voice that does not count is there to be seen, not to be counted. */
static uint32_t number_of(w4_json array) {
    uint32_t number = 0;
    for (w4_json_iterator i = w4_json_first(array); w4_json_exists(i.value); i = w4_json_next(i)) {
        number += w4_json_kind_of(w4_json_get(i.value, "counted")) == W4_JSON_FALSE ? 0 : 1;
    }
    return number;
}

int ctl_format_value(w4_buffer *out, ctl_format format, w4_json value) {
    static const char *const times[] = {"us", "ms", "s", NULL};
    static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", "TiB", NULL};
    if (!w4_json_exists(value) || w4_json_kind_of(value) == W4_JSON_NULL) {
        return 0;
    }
    switch (format) {
    case CTL_TEXT:
    case CTL_STATE:
    case CTL_CUT:
        return w4_json_kind_of(value) == W4_JSON_ARRAY ? append_list(out, value, false)
                                                       : append_text(out, value);
    case CTL_SHORT:
        return append_short(out, value);
    case CTL_TIME:
        return append_time(out, value);
    case CTL_SECONDS:
        return append_seconds(out, value);
    case CTL_MICROS:
        return append_scaled(out, value, 1000, times);
    case CTL_BYTES:
        return append_scaled(out, value, 1024, sizes);
    case CTL_YES:
        return w4_buffer_append_text(out, w4_json_is_true(value) ? "yes" : "no");
    case CTL_LIST:
        return append_list(out, value, false);
    case CTL_SHORTS:
        return append_list(out, value, true);
    case CTL_NUMBER:
        return w4_buffer_printf(out, "%u", number_of(value));
    case CTL_DECIMAL:
        return append_decimal(out, value);
    case CTL_PERCENT:
        return append_percent(out, value);
    case CTL_PAIRS:
        return append_pairs(out, value);
    case CTL_FORMAT_COUNT:
        break;
    }
    return 0;
}

#include "base/text.h"

#include <string.h>

#define ESCAPED_MAX 12      /* \u{10FFFF} and room */
#define NEAREST_NAME_MAX 64 /* longer texts are near nothing */

/* Length of the well-formed sequence at the start of text (RFC 3629, table 3-7 of Unicode: the
 * bounds of the second byte keep overlong forms, surrogates and > U+10FFFF out); 0: none. */
static size_t utf8_next(w4_bytes text, uint32_t *ret_code) {
    static const struct {
        uint8_t first_low, first_high, second_low, second_high, len, mask;
    } forms[] = {
        /* clang-format off */
        {0x00, 0x7F, 0x00, 0x00, 1, 0x7F},
        {0xC2, 0xDF, 0x80, 0xBF, 2, 0x1F},
        {0xE0, 0xE0, 0xA0, 0xBF, 3, 0x0F},
        {0xE1, 0xEC, 0x80, 0xBF, 3, 0x0F},
        {0xED, 0xED, 0x80, 0x9F, 3, 0x0F},
        {0xEE, 0xEF, 0x80, 0xBF, 3, 0x0F},
        {0xF0, 0xF0, 0x90, 0xBF, 4, 0x07},
        {0xF1, 0xF3, 0x80, 0xBF, 4, 0x07},
        {0xF4, 0xF4, 0x80, 0x8F, 4, 0x07},
        /* clang-format on */
    };
    if (text.len == 0) {
        return 0;
    }
    uint8_t first = text.data[0];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (first < forms[i].first_low || first > forms[i].first_high) {
            continue;
        }
        size_t len = forms[i].len;
        if (text.len < len) {
            return 0;
        }
        uint32_t code = first & forms[i].mask;
        for (size_t k = 1; k < len; k++) {
            uint8_t low = k == 1 ? forms[i].second_low : 0x80;
            uint8_t high = k == 1 ? forms[i].second_high : 0xBF;
            if (text.data[k] < low || text.data[k] > high) {
                return 0;
            }
            code = code << 6 | (text.data[k] & 0x3F);
        }
        *ret_code = code;
        return len;
    }
    return 0;
}

static w4_bytes skip(w4_bytes text, size_t len) {
    return w4_bytes_of(text.data + len, text.len - len);
}

bool w4_utf8_valid(w4_bytes text) {
    while (text.len > 0) {
        uint32_t code;
        size_t len = text.data[0] < 0x80 ? 1 : utf8_next(text, &code);
        if (len == 0) {
            return false;
        }
        text = skip(text, len);
    }
    return true;
}

bool w4_text_has_control(w4_bytes text) {
    bool has = false;
    for (size_t i = 0; !has && i < text.len; i++) {
        uint8_t c = text.data[i];
        bool c1 = c == 0xC2 && i + 1 < text.len && text.data[i + 1] < 0xA0;
        has = c < 0x20 || c == 0x7F || c1;
    }
    return has;
}

bool w4_text_is_label(w4_bytes text, size_t max) {
    return text.len > 0 && text.len <= max && w4_utf8_valid(text) && !w4_text_has_control(text);
}

/* What a terminal or a reader of logs would act on rather than show. */
static bool is_acted_on(uint32_t code) {
    static const struct {
        uint32_t low, high;
    } ranges[] = {
        {0x0000, 0x001F},   /* C0 controls */
        {0x007F, 0x009F},   /* DEL, C1 controls */
        {0x00AD, 0x00AD},   /* soft hyphen */
        {0x061C, 0x061C},   /* Arabic letter mark */
        {0x180E, 0x180E},   /* Mongolian vowel separator */
        {0x200B, 0x200F},   /* zero width, left-to-right and right-to-left marks */
        {0x2028, 0x202E},   /* line and paragraph separators, embeddings and overrides */
        {0x2060, 0x206F},   /* word joiner, isolates, deprecated format controls */
        {0xFEFF, 0xFEFF},   /* byte order mark */
        {0xFFF9, 0xFFFB},   /* interlinear annotation */
        {0xE0000, 0xE007F}, /* tags */
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (code >= ranges[i].low && code <= ranges[i].high) {
            return true;
        }
    }
    return false;
}

static size_t put_hex(char *at, uint32_t value, unsigned digits_min) {
    static const char hex[] = "0123456789abcdef";
    unsigned digits = digits_min;
    while (digits < 8 && value >> (4 * digits) != 0) {
        digits++;
    }
    for (unsigned i = 0; i < digits; i++) {
        at[i] = hex[value >> (4 * (digits - 1 - i)) & 0xF];
    }
    return digits;
}

/* Takes one character off text and says how it is shown. Returns the length of the form. */
static size_t escape_next(w4_bytes *text, char ret_form[static ESCAPED_MAX]) {
    uint32_t code = 0;
    size_t len = utf8_next(*text, &code);
    size_t form;
    if (len == 0) {
        ret_form[0] = '\\';
        ret_form[1] = 'x';
        form = 2 + put_hex(ret_form + 2, text->data[0], 2);
        len = 1;
    } else if (code == '\\' || code == '\n' || code == '\t') {
        ret_form[0] = '\\';
        ret_form[1] = (char)(code == '\n' ? 'n' : code == '\t' ? 't' : '\\');
        form = 2;
    } else if (is_acted_on(code) && code < 0x80) {
        ret_form[0] = '\\';
        ret_form[1] = 'x';
        form = 2 + put_hex(ret_form + 2, code, 2);
    } else if (is_acted_on(code)) {
        ret_form[0] = '\\';
        ret_form[1] = 'u';
        ret_form[2] = '{';
        form = 3 + put_hex(ret_form + 3, code, 4);
        ret_form[form++] = '}';
    } else {
        memcpy(ret_form, text->data, len);
        form = len;
    }
    *text = skip(*text, len);
    return form;
}

int w4_text_escape(w4_buffer *out, w4_bytes text) {
    size_t before = out->len;
    while (text.len > 0) {
        char form[ESCAPED_MAX];
        size_t len = escape_next(&text, form);
        int r = w4_buffer_append(out, w4_bytes_of(form, len));
        if (r < 0) {
            out->len = before;
            return r;
        }
    }
    return 0;
}

void w4_text_escape_cut(char *ret_text, size_t size, w4_bytes text) {
    size_t used = 0;
    while (text.len > 0) {
        char form[ESCAPED_MAX];
        size_t len = escape_next(&text, form);
        if (used + len >= size) {
            break;
        }
        memcpy(ret_text + used, form, len);
        used += len;
    }
    if (size > 0) {
        ret_text[used] = 0;
    }
}

void w4_text_copy(char *ret_text, size_t size, w4_bytes text) {
    if (size == 0) {
        return;
    }
    size_t len = text.len;
    if (len >= size) {
        /* Cut in front of the character that does not fit: step back over its continuation
         * bytes, at most three of them (what is not UTF-8 is cut where it stands). */
        len = size - 1;
        size_t back = len;
        while (back > 0 && len - back < 3 && (text.data[back] & 0xC0) == 0x80) {
            back--;
        }
        uint32_t code;
        if (utf8_next(skip(text, back), &code) > len - back) {
            len = back;
        }
    }
    if (len > 0) {
        memcpy(ret_text, text.data, len);
    }
    ret_text[len] = 0;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment: insert, delete, replace, swap of neighbours cost one each. */
static size_t edit_distance(w4_bytes a, w4_bytes b) {
    size_t rows[3][NEAREST_NAME_MAX + 1];
    for (size_t k = 0; k <= b.len; k++) {
        rows[0][k] = k;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t replace = last[k - 1] + (a.data[i - 1] != b.data[k - 1] ? 1 : 0);
            row[k] = smaller(replace, smaller(last[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && a.data[i - 1] == b.data[k - 2] &&
                a.data[i - 2] == b.data[k - 1]) {
                row[k] = smaller(row[k], rows[(i - 2) % 3][k - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

const char *w4_text_nearest(w4_bytes text, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    if (text.len == 0 || text.len > NEAREST_NAME_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        w4_bytes name = w4_bytes_from_text(names[i]);
        if (name.len == 0 || name.len > NEAREST_NAME_MAX) {
            continue;
        }
        size_t distance = edit_distance(text, name);
        size_t longer = text.len > name.len ? text.len : name.len;
        if (distance * 3 <= longer && distance < nearest_distance) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

static bool is_uuid_dash(size_t at) {
    return at == 8 || at == 13 || at == 18 || at == 23;
}

void w4_uuid_v4(const w4_env *env, char ret_text[static W4_UUID_LEN + 1]) {
    static const char hex[] = "0123456789abcdef";
    uint8_t raw[16];
    env->random(env->context, raw, sizeof raw);
    raw[6] = (uint8_t)(0x40 | (raw[6] & 0x0F));
    raw[8] = (uint8_t)(0x80 | (raw[8] & 0x3F));
    size_t digit = 0;
    for (size_t at = 0; at < W4_UUID_LEN; at++) {
        if (is_uuid_dash(at)) {
            ret_text[at] = '-';
            continue;
        }
        uint8_t byte = raw[digit / 2];
        ret_text[at] = hex[digit % 2 == 0 ? byte >> 4 : byte & 0xF];
        digit++;
    }
    ret_text[W4_UUID_LEN] = 0;
}

bool w4_uuid_v4_valid(w4_bytes text) {
    if (text.len != W4_UUID_LEN) {
        return false;
    }
    for (size_t at = 0; at < W4_UUID_LEN; at++) {
        uint8_t c = text.data[at];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_uuid_dash(at) ? c != '-' : !is_hex) {
            return false;
        }
    }
    uint8_t variant = text.data[19];
    return text.data[14] == '4' &&
           (variant == '8' || variant == '9' || variant == 'a' || variant == 'b');
}

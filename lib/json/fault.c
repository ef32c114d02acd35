#include "json/fault.h"

#include "json/escape.h"

#include <stdarg.h>
#include <stdio.h>

int w4_json_fault(w4_json_error *ret_error, int condition, w4_bytes text, size_t offset,
                  const char *format, ...) {
    if (!ret_error)
        return condition;
    uint32_t line = 1, column = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            line++;
            column = 1;
        } else if ((text.data[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    ret_error->offset = offset;
    ret_error->line = line;
    ret_error->column = column;
    va_list args;
    va_start(args, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, args);
    va_end(args);
    return condition;
}

const char *w4_json_found(w4_bytes text, size_t offset, char ret_text[static W4_JSON_FOUND_MAX]) {
    if (offset >= text.len) {
        snprintf(ret_text, W4_JSON_FOUND_MAX, "the end of the text");
        return ret_text;
    }
    const uint8_t *at = text.data + offset;
    size_t len = w4_json_utf8_len(at, text.data + text.len);
    if (*at > ' ' && *at < 0x7f)
        snprintf(ret_text, W4_JSON_FOUND_MAX, *at == '\'' ? "\"%c\"" : "'%c'", *at);
    else if (*at == ' ')
        snprintf(ret_text, W4_JSON_FOUND_MAX, "a space");
    else if (len == 0)
        snprintf(ret_text, W4_JSON_FOUND_MAX, "byte 0x%02X (not UTF-8)", *at);
    else
        snprintf(ret_text, W4_JSON_FOUND_MAX, "U+%04X", w4_json_code_point(at, len));
    return ret_text;
}

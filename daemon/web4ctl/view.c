#include "web4ctl/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json/writer.h"

#define CELLS_BYTES_MAX (64u * 1024u * 1024u)

static w4_json at(w4_json value, const char *pointer) {
    return w4_json_at_pointer(value, w4_bytes_from_text(pointer));
}

/* ---- colours */

static const char *colour_of(const char *word) {
    static const struct {
        const char *word, *colour;
    } words[] = {
        /* clang-format off */
        {"trusted", "\x1b[32m"},     {"accepted", "\x1b[32m"},  {"running", "\x1b[32m"},
        {"open", "\x1b[32m"},        {"ok", "\x1b[32m"},        {"delivered", "\x1b[32m"},
        {"yes", "\x1b[32m"},         {"probing", "\x1b[33m"},   {"pending", "\x1b[33m"},
        {"unknown", "\x1b[33m"},     {"untrusted", "\x1b[33m"}, {"waiting", "\x1b[33m"},
        {"kept", "\x1b[32m"},        {"violated", "\x1b[31m"},  {"announced", "\x1b[33m"},
        {"starting", "\x1b[33m"},    {"stopping", "\x1b[33m"},  {"closing", "\x1b[33m"},
        {"warning", "\x1b[33m"},     {"blocked", "\x1b[31m"},   {"blacklisted", "\x1b[31m"},
        {"restricted", "\x1b[31m"},  {"disputed", "\x1b[31m"},  {"rejected", "\x1b[31m"},
        {"refuted", "\x1b[31m"},     {"failed", "\x1b[31m"},    {"full", "\x1b[31m"},
        {"error", "\x1b[31m"},       {"passes", "\x1b[32m"},    {"refuses", "\x1b[31m"},
        {"refused", "\x1b[31m"},     {"waits", "\x1b[33m"},
        /* clang-format on */
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) == 0) {
            return words[i].colour;
        }
    }
    return NULL;
}

static void put_spaces(FILE *file, size_t count) {
    for (; count > 0; count--) {
        fputc(' ', file);
    }
}

void ctl_put_cell(const ctl_output *output, ctl_format format, const char *text) {
    const char *colour =
        output->colour && (format == CTL_STATE || format == CTL_YES) ? colour_of(text) : NULL;
    if (colour != NULL) {
        fprintf(output->file, "%s%s\x1b[0m", colour, text);
    } else {
        fputs(text, output->file);
    }
}

static void put_title(const ctl_output *output, const char *title) {
    fprintf(output->file, output->colour ? "\n\x1b[1m%s\x1b[0m\n" : "\n%s\n", title);
}

/* ---- records */

static int show_record(const ctl_output *output, const ctl_view *view, w4_json value) {
    size_t widest = 0;
    for (const ctl_column *c = view->columns; c->title != NULL; c++) {
        size_t width = strlen(c->title);
        widest = width > widest ? width : widest;
    }
    w4_buffer cell = W4_BUFFER_INIT(CELLS_BYTES_MAX);
    int r = 0;
    for (const ctl_column *c = view->columns; c->title != NULL && r == 0; c++) {
        w4_json member = at(value, c->pointer);
        if (!w4_json_exists(member)) {
            continue;
        }
        w4_buffer_clear(&cell);
        r = ctl_format_value(&cell, c->format, member);
        const char *text = r == 0 ? w4_buffer_text(&cell) : NULL;
        if (text == NULL) {
            r = r == 0 ? -ENOMEM : r;
            continue;
        }
        fprintf(output->file, "%s:", c->title);
        put_spaces(output->file, widest - strlen(c->title) + 2);
        ctl_put_cell(output, c->format, text[0] == 0 ? "-" : text);
        fputc('\n', output->file);
    }
    w4_buffer_deinit(&cell);
    return r;
}

/* ---- steps */

/* One cell of a step. *place: how many are in its line already. */
static int show_cell(const ctl_output *output, const ctl_column *c, w4_json value, size_t widest,
                     unsigned *place) {
    w4_buffer cell = W4_BUFFER_INIT(CELLS_BYTES_MAX);
    int r = ctl_format_value(&cell, c->format, value);
    const char *text = r == 0 ? w4_buffer_text(&cell) : NULL;
    if (text == NULL) {
        r = r == 0 ? -ENOMEM : r;
    } else if (c->rank == 0) {
        fprintf(output->file, "%s%s%s", *place > 0 ? "  " : "", c->title,
                c->title[0] != 0 ? " " : "");
        ctl_put_cell(output, c->format, text);
        (*place)++;
    } else {
        fprintf(output->file, "\n    %s:", c->title);
        put_spaces(output->file, widest - strlen(c->title) + 2);
        ctl_put_cell(output, c->format, text[0] == 0 ? "-" : text);
    }
    w4_buffer_deinit(&cell);
    return r;
}

static int show_steps(const ctl_output *output, const ctl_view *view, w4_json array) {
    size_t widest = 0;
    for (const ctl_column *c = view->columns; c->title != NULL; c++) {
        size_t width = c->rank > 0 ? strlen(c->title) : 0;
        widest = width > widest ? width : widest;
    }
    if (w4_json_count(array) == 0) {
        fprintf(output->file, "%s\n", view->empty);
    }
    int r = 0;
    for (w4_json_iterator i = w4_json_first(array); r == 0 && w4_json_exists(i.value);
         i = w4_json_next(i)) {
        unsigned place = 0;
        for (const ctl_column *c = view->columns; r == 0 && c->title != NULL; c++) {
            w4_json member = at(i.value, c->pointer);
            r = w4_json_exists(member) ? show_cell(output, c, member, widest, &place) : 0;
        }
        fputc('\n', output->file);
    }
    return r;
}

static int put_json(const ctl_output *output, w4_bytes json) {
    w4_buffer text = W4_BUFFER_INIT(3u * CELLS_BYTES_MAX);
    int r = ctl_format_json(&text, json);
    if (r == 0) {
        r = w4_buffer_append_text(&text,
                                  text.len > 0 && text.data[text.len - 1] == '\n' ? "" : "\n");
    }
    if (r == 0) {
        fwrite(text.data, 1, text.len, output->file);
    }
    w4_buffer_deinit(&text);
    return r;
}

static int show_json(const ctl_output *output, w4_json value) {
    w4_buffer pretty = W4_BUFFER_INIT(CELLS_BYTES_MAX);
    int r = w4_json_pretty(&pretty, value);
    if (r == 0) {
        r = put_json(output, w4_buffer_bytes(&pretty));
    }
    w4_buffer_deinit(&pretty);
    return r;
}

static int show(const ctl_output *output, const ctl_view *view, w4_json value) {
    int r = 0;
    for (; view != NULL && r == 0; view = view->next) {
        w4_json part = at(value, view->pointer);
        bool nothing = !w4_json_exists(part) || (view->layout == CTL_LAYOUT_TABLE &&
                                                 w4_json_count(part) == 0 && view->empty == NULL);
        if (nothing) {
            continue;
        }
        if (view->title != NULL) {
            put_title(output, view->title);
        }
        switch (view->layout) {
        case CTL_LAYOUT_RECORD:
            r = show_record(output, view, part);
            break;
        case CTL_LAYOUT_TABLE:
            r = ctl_show_table(output, view, part);
            break;
        case CTL_LAYOUT_STEPS:
            r = show_steps(output, view, part);
            break;
        case CTL_LAYOUT_JSON:
            r = show_json(output, part);
            break;
        case CTL_LAYOUT_COUNT:
            break;
        }
    }
    return r;
}

static int json_line(const ctl_output *output, const ctl_view *view, w4_json value) {
    (void)view;
    return put_json(output, w4_json_text(value));
}

/* One line, its cells with two spaces between them; cells without a value are left out. */
static int show_line(const ctl_output *output, const ctl_view *view, w4_json value) {
    if (view->layout == CTL_LAYOUT_JSON) {
        return json_line(output, view, value);
    }
    w4_buffer cell = W4_BUFFER_INIT(CELLS_BYTES_MAX);
    bool first = true;
    int r = 0;
    for (const ctl_column *c = view->columns; c->title != NULL && r == 0; c++) {
        w4_buffer_clear(&cell);
        r = ctl_format_value(&cell, c->format, at(value, c->pointer));
        const char *text = r == 0 ? w4_buffer_text(&cell) : NULL;
        if (r == 0 && text == NULL) {
            r = -ENOMEM;
        }
        if (r == 0 && text[0] != 0) {
            fputs(first ? "" : "  ", output->file);
            ctl_put_cell(output, c->format, text);
            first = false;
        }
    }
    fputc('\n', output->file);
    w4_buffer_deinit(&cell);
    return r;
}

const ctl_output_ops ctl_output_people = {"people", show, show_line};
const ctl_output_ops ctl_output_json = {"json", json_line, json_line};

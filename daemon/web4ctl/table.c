/* Tables for people, and how they fit a terminal: texts that may be cut are cut, then columns of
 * less weight are left out, and what is left out is named below. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web4ctl/view.h"

#define COLUMNS_MAX 16
#define CELLS_BYTES_MAX (64u * 1024u * 1024u)
#define GAP 2u /* between columns */
#define TEXT_WIDTH                                                                                 \
    56u               /* of a column of texts; elsewhere than on a terminal longer ones stand out */
#define CUT_FIRST 24u /* cut texts to this before a column is left out */
#define CUT_LAST 8u   /* and to this when nothing more can be left out */
#define DOTS "..."

typedef struct grid {
    const ctl_view *view;
    w4_buffer cells; /* texts, each with its NUL, line by line */
    size_t columns;
    size_t lines;
    size_t widest[COLUMNS_MAX]; /* as it is shown */
    bool hidden[COLUMNS_MAX];
    bool any[COLUMNS_MAX]; /* some line has a value */
} grid;

static w4_json at(w4_json value, const char *pointer) {
    return w4_json_at_pointer(value, w4_bytes_from_text(pointer));
}

static int add_cell(grid *g, size_t column, ctl_format format, w4_json value) {
    size_t before = g->cells.len;
    int r = ctl_format_value(&g->cells, format, value);
    g->any[column] = g->any[column] || g->cells.len > before;
    if (r == 0 && g->cells.len == before) {
        r = w4_buffer_append_byte(&g->cells, '-');
    }
    if (r == 0) {
        r = w4_buffer_append_byte(&g->cells, 0);
    }
    if (r == 0) {
        size_t width = ctl_width((const char *)g->cells.data + before);
        width = format == CTL_CUT && width > TEXT_WIDTH ? TEXT_WIDTH : width;
        g->widest[column] = width > g->widest[column] ? width : g->widest[column];
    }
    return r;
}

/* Such a column is there for answers that have it alone: no word of it else. */
static bool is_absent(const grid *g, size_t column) {
    return (g->view->columns[column].rank & CTL_IF_ANY) != 0 && !g->any[column];
}

static int fill(grid *g, w4_json array) {
    int r = 0;
    for (const ctl_column *c = g->view->columns; c->title != NULL && g->columns < COLUMNS_MAX;
         c++) {
        g->widest[g->columns++] = strlen(c->title);
    }
    for (w4_json_iterator i = w4_json_first(array); w4_json_exists(i.value) && r == 0;
         i = w4_json_next(i)) {
        for (size_t c = 0; c < g->columns && r == 0; c++) {
            const ctl_column *column = &g->view->columns[c];
            r = add_cell(g, c, column->format, at(i.value, column->pointer));
        }
        g->lines++;
    }
    for (size_t c = 0; c < g->columns; c++) {
        g->hidden[c] = is_absent(g, c);
    }
    return r;
}

/* ---- fitting */

static size_t width_of(const grid *g) {
    size_t width = 0;
    for (size_t c = 0; c < g->columns; c++) {
        width += g->hidden[c] ? 0 : g->widest[c] + (width > 0 ? GAP : 0);
    }
    return width;
}

static bool may_be_cut(ctl_format format) {
    return format == CTL_CUT || format == CTL_LIST || format == CTL_PAIRS;
}

/* Cuts the widest of the texts that may be, to no less than that. False: none is wider. */
static bool cut_widest(grid *g, size_t excess, size_t least) {
    size_t widest = g->columns;
    for (size_t c = 0; c < g->columns; c++) {
        size_t title = strlen(g->view->columns[c].title);
        bool may = !g->hidden[c] && may_be_cut(g->view->columns[c].format) &&
                   g->widest[c] > least && g->widest[c] > title;
        if (may && (widest == g->columns || g->widest[c] > g->widest[widest])) {
            widest = c;
        }
    }
    if (widest == g->columns) {
        return false;
    }
    size_t title = strlen(g->view->columns[widest].title);
    least = title > least ? title : least;
    size_t wanted = g->widest[widest] > excess ? g->widest[widest] - excess : 0;
    g->widest[widest] = wanted > least ? wanted : least;
    return true;
}

static bool hide_least(grid *g) {
    size_t least = g->columns;
    for (size_t c = 0; c < g->columns; c++) {
        unsigned rank = g->view->columns[c].rank & ~CTL_IF_ANY;
        if (!g->hidden[c] && rank > 0 &&
            (least == g->columns || rank >= (g->view->columns[least].rank & ~CTL_IF_ANY))) {
            least = c;
        }
    }
    if (least == g->columns) {
        return false;
    }
    g->hidden[least] = true;
    return true;
}

static void fit(grid *g, size_t width) {
    bool more = width > 0;
    while (more && width_of(g) > width) {
        size_t excess = width_of(g) - width;
        more = cut_widest(g, excess, CUT_FIRST) || hide_least(g) || cut_widest(g, excess, CUT_LAST);
    }
}

/* ---- putting */

static void put_spaces(FILE *file, size_t count) {
    for (; count > 0; count--) {
        fputc(' ', file);
    }
}

/* The text, or its beginning with dots behind it: how many of its bytes go before those. */
static size_t cut_at(const char *text, size_t width) {
    size_t len = strlen(text);
    char *copy = strdup(text);
    if (copy == NULL || width < sizeof DOTS - 1) {
        free(copy);
        return 0;
    }
    while (len > 0 && ctl_width(copy) > width - (sizeof DOTS - 1)) {
        do {
            copy[--len] = 0;
        } while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80);
    }
    free(copy);
    return len;
}

static size_t put_cell(const ctl_output *output, const grid *g, size_t column, const char *text) {
    size_t width = ctl_width(text);
    if (width <= g->widest[column] || output->width == 0) {
        ctl_put_cell(output, g->view->columns[column].format, text);
        return width;
    }
    fprintf(output->file, "%.*s%s", (int)cut_at(text, g->widest[column]), text, DOTS);
    return g->widest[column];
}

/* One line: titles when cells is NULL. Returns the text behind it. */
static const char *put_line(const ctl_output *output, const grid *g, const char *cells) {
    size_t before = 0; /* spaces that the next column wants */
    for (size_t c = 0; c < g->columns; c++) {
        const char *text = cells != NULL ? cells : g->view->columns[c].title;
        if (!g->hidden[c]) {
            put_spaces(output->file, before);
            size_t width = strlen(text);
            if (cells != NULL) {
                width = put_cell(output, g, c, text);
            } else {
                fputs(text, output->file);
            }
            before = (g->widest[c] > width ? g->widest[c] - width : 0) + GAP;
        }
        cells = cells != NULL ? cells + strlen(cells) + 1 : NULL;
    }
    fputc('\n', output->file);
    return cells;
}

static void put_hidden(const ctl_output *output, const grid *g) {
    static const char intro[] = "(not shown: ", end[] = ")", more[] = ", ...)";
    size_t width = sizeof intro - 1, left = 0, told = 0;
    for (size_t c = 0; c < g->columns; c++) {
        left += g->hidden[c] && !is_absent(g, c);
    }
    for (size_t c = 0; c < g->columns && left > 0; c++) {
        const char *title = g->view->columns[c].title;
        if (!g->hidden[c] || is_absent(g, c)) {
            continue;
        }
        width += strlen(title) + (told > 0 ? 2 : 0);
        if (width + (left > 1 ? sizeof more : sizeof end) - 1 > output->width) {
            break;
        }
        fprintf(output->file, "%s%s", told > 0 ? ", " : intro, title);
        told++;
        left--;
    }
    if (told > 0) {
        fprintf(output->file, "%s\n", left > 0 ? more : end);
    }
}

int ctl_show_table(const ctl_output *output, const ctl_view *view, w4_json array) {
    if (w4_json_count(array) == 0) {
        if (view->empty != NULL) {
            fprintf(output->file, "%s\n", view->empty);
        }
        return 0;
    }
    grid g = {.view = view, .cells = W4_BUFFER_INIT(CELLS_BYTES_MAX)};
    int r = fill(&g, array);
    if (r == 0) {
        fit(&g, output->width);
        (void)put_line(output, &g, NULL);
        const char *text = (const char *)g.cells.data;
        for (size_t line = 0; line < g.lines; line++) {
            text = put_line(output, &g, text);
        }
        put_hidden(output, &g);
    }
    w4_buffer_deinit(&g.cells);
    return r;
}

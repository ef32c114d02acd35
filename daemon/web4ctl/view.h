/* How answers are shown: views are rows that say which members of an answer stand where. Two ways
 * to show them: for people (aligned, everything from outside escaped) and as JSON. */
#pragma once

#include <stdio.h>

#include "json/document.h"

typedef enum ctl_format {
    CTL_TEXT,    /* strings as they are, arrays with commas, all else as JSON has it */
    CTL_SHORT,   /* the first digits of a fingerprint or an id */
    CTL_CUT,     /* a text, cut where a table on a terminal would grow too wide */
    CTL_STATE,   /* a word with a colour */
    CTL_TIME,    /* RFC 3339 as people write it, to the second */
    CTL_SECONDS, /* a number of them as days, hours, ... */
    CTL_MICROS,  /* a number of microseconds as us, ms or s */
    CTL_BYTES,   /* a number of them as KiB, MiB, ... */
    CTL_YES,     /* true: yes, false: no */
    CTL_LIST,    /* an array of texts, with commas */
    CTL_SHORTS,  /* an array of fingerprints, with commas */
    CTL_NUMBER,  /* how many elements an array has; of voices, how many count */
    CTL_DECIMAL, /* a number with a few digits */
    CTL_PERCENT, /* a share */
    CTL_PAIRS,   /* an object's members: name value, name value */
    CTL_FORMAT_COUNT
} ctl_format;

#define CTL_IF_ANY 0x100u /* with a rank: of a table, where no line has a value it is not there */
typedef struct ctl_column {
    const char *title; /* NULL ends the columns */
    const char *pointer;
    ctl_format format;
    /* Of a table too wide for the terminal the highest go first, 0 never. Of steps: 0 stands in the
     * line, with its title before it; others have a line of their own, where they have a value. */
    unsigned rank;
} ctl_column;

typedef enum ctl_layout {
    CTL_LAYOUT_RECORD, /* a line for each member that is there */
    CTL_LAYOUT_TABLE,  /* a line for each element of an array */
    CTL_LAYOUT_STEPS,  /* of each element of an array a line, and lines below it that say more */
    CTL_LAYOUT_JSON,   /* the value itself, indented */
    CTL_LAYOUT_COUNT
} ctl_layout;

typedef struct ctl_view {
    ctl_layout layout;
    const char *title; /* over it; NULL: none */
    const char *pointer;
    const ctl_column *columns;
    const char *empty; /* what a table without lines says; NULL: neither title nor table then */
    const struct ctl_view *next;
} ctl_view;

typedef struct ctl_output {
    FILE *file;
    bool colour;
    size_t width; /* columns of the terminal; 0: no end of them */
} ctl_output;

typedef struct ctl_output_ops {
    const char *name;
    /* An answer as a whole. 0 or negative. */
    int (*answer)(const ctl_output *output, const ctl_view *view, w4_json value);
    /* One of a stream: a line. 0 or negative. */
    int (*line)(const ctl_output *output, const ctl_view *view, w4_json value);
} ctl_output_ops;

extern const ctl_output_ops ctl_output_people;
extern const ctl_output_ops ctl_output_json;

/* Appends a value as people read it, on one line and escaped. 0, -ENOMEM, -EMSGSIZE. */
int ctl_format_value(w4_buffer *out, ctl_format format, w4_json value);
/* Appends JSON text as the same JSON, with all that a terminal would act on as \u escapes. */
int ctl_format_json(w4_buffer *out, w4_bytes json);
/* A text that is shown, in the colour of its word. */
void ctl_put_cell(const ctl_output *output, ctl_format format, const char *text);
/* The elements of an array as lines, fitted to output->width. 0 or negative. */
int ctl_show_table(const ctl_output *output, const ctl_view *view, w4_json array);
/* Columns of a terminal that a text takes. */
size_t ctl_width(const char *text);

/* Tables that say what a JSON value must look like: envelopes, RPC parameters and the config are
 * checked by the same engine. A table is rows; a row is one member of an object. */
#pragma once

#include "json/document.h"

#include <math.h> /* INFINITY: a row with one bound only */

typedef enum w4_schema_kind {
    W4_SCHEMA_ANY,
    W4_SCHEMA_BOOL,
    W4_SCHEMA_INTEGER, /* min..max are values */
    W4_SCHEMA_NUMBER,  /* min..max are values */
    W4_SCHEMA_STRING,  /* min..max are bytes of UTF-8, decoded */
    W4_SCHEMA_ENUM,    /* a string out of names */
    W4_SCHEMA_ARRAY,   /* min..max are elements, each as items says */
    W4_SCHEMA_OBJECT,  /* members as object says; NULL: any object */
    W4_SCHEMA_MAP,     /* object with free names; every value as items says; min..max members */
    W4_SCHEMA_KIND_COUNT
} w4_schema_kind;

enum {
    W4_SCHEMA_REQUIRED = 1u << 0,
    W4_SCHEMA_NULLABLE = 1u << 1,
    W4_SCHEMA_RESTART = 1u << 2, /* config: a change needs a restart */
};

typedef struct w4_schema w4_schema;

typedef struct w4_schema_row {
    const char *name; /* member name; NULL in a row that describes elements (items) */
    w4_schema_kind kind;
    unsigned flags;
    double min, max;                   /* both 0: unbounded */
    const char *const *names;          /* W4_SCHEMA_ENUM: NULL-terminated */
    const struct w4_schema_row *items; /* ARRAY, MAP */
    const w4_schema *object;           /* OBJECT */
    /* A further check of a value of the right kind and bounds: NULL when it is good, else what
     * was expected ("64 lower-case hex digits"). */
    const char *(*check)(w4_json value);
    const char *fallback; /* config: the default, as JSON text; NULL: none */
    const char *help;
} w4_schema_row;

struct w4_schema {
    const w4_schema_row *rows; /* ends with a row whose name is NULL and kind is ANY */
    bool closed;               /* unknown members are faults (config, RPC), else ignored */
    /* A check over the whole object, run when all its members are good. May add a fault by
     * returning the expectation and writing the member it blames (NULL: the object). */
    const char *(*check)(w4_json object, const char **ret_member);
};

#define W4_SCHEMA_END                                                                              \
    { .name = NULL }

#define W4_FAULT_POINTER_MAX 192
#define W4_FAULT_EXPECTED_MAX 160
#define W4_FAULTS_MAX 64

typedef struct w4_fault {
    char pointer[W4_FAULT_POINTER_MAX];   /* RFC 6901, escaped for printing, cut with "..." */
    char expected[W4_FAULT_EXPECTED_MAX]; /* "an integer from 1 to 65535", "no such member; did you
                                             mean ...?" */
} w4_fault;

typedef struct w4_faults {
    uint32_t count; /* all that were found; only the first W4_FAULTS_MAX are kept */
    uint32_t limit; /* stop after this many (1: first only); 0: W4_FAULTS_MAX */
    w4_fault items[W4_FAULTS_MAX];
} w4_faults;

/* True when value is an object as the schema says. Adds to faults (may be NULL). Missing members
 * are blamed on the pointer of the member. Allocates nothing. */
bool w4_schema_check(const w4_schema *schema, w4_json value, w4_faults *faults);

/* JSON Schema 2020-12 of the table, written as one value (title may be NULL). */
struct w4_json_writer;
void w4_schema_export(const w4_schema *schema, const char *title, struct w4_json_writer *w);

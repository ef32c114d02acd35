/* The grammar of web4ctl: options, arguments and commands as rows, from which parsing, help and
 * completion are made. */
#pragma once

#include <stdio.h>

#include "rpc/method.h"

#define CTL_WORDS_MAX 2u      /* of a command's name */
#define CTL_ARGUMENTS_MAX 64u /* positional, behind the name */
#define CTL_REPEATS_MAX 64u   /* of one option */
#define CTL_ARGUMENT_BYTES_MAX (1024u * 1024u)

/* Exit status (operations.md 4). */
typedef enum ctl_status {
    CTL_DONE,
    CTL_REFUSED, /* the node, or the file, said no */
    CTL_USAGE,
    CTL_NO_NODE,
    CTL_NEEDS_RESTART, /* config check only */
} ctl_status;

typedef enum ctl_option {
    CTL_OPTION_SOCKET,
    CTL_OPTION_AGENT_SOCKET,
    CTL_OPTION_JSON,
    CTL_OPTION_WATCH,
    CTL_OPTION_HELP,
    CTL_OPTION_VERSION,
    CTL_OPTION_AS,
    CTL_OPTION_TO,
    CTL_OPTION_FAMILY,
    CTL_OPTION_CAPABILITY,
    CTL_OPTION_WITH_STATE,
    CTL_OPTION_SOURCE,
    CTL_OPTION_CHANNEL,
    CTL_OPTION_CAUSED_BY,
    CTL_OPTION_DURABLE,
    CTL_OPTION_DEADLINE,
    CTL_OPTION_TIMEOUT,
    CTL_OPTION_NUMBER,
    CTL_OPTION_FULL,
    CTL_OPTION_TYPE,
    CTL_OPTION_SINCE,
    CTL_OPTION_OPEN,
    CTL_OPTION_MEMORY,
    CTL_OPTION_KEY,
    CTL_OPTION_BY,
    CTL_OPTION_FROM,
    CTL_OPTION_ALL,
    CTL_OPTION_KIND,
    CTL_OPTION_REASON,
    CTL_OPTION_STATE,
    CTL_OPTION_LIMIT,
    CTL_OPTION_OFFSET,
    CTL_OPTION_UNPINNED,
    CTL_OPTION_LOCAL,
    CTL_OPTION_PIN,
    CTL_OPTION_TABLE,
    CTL_OPTION_ENTRY,
    CTL_OPTION_DOMAIN,
    CTL_OPTION_AUTHOR,
    CTL_OPTION_AFTER,
    CTL_OPTION_BEFORE,
    CTL_OPTION_CAUSE,
    CTL_OPTION_EFFECT,
    CTL_OPTION_DEPTH,
    CTL_OPTION_RETRACTED,
    CTL_OPTION_MOST,
    CTL_OPTION_NEXT,
    CTL_OPTION_BEHIND,
    CTL_OPTION_COUNT
} ctl_option;

/* What a value becomes in the params of a method. */
typedef enum ctl_form {
    CTL_FORM_TEXT,
    CTL_FORM_INTEGER,
    CTL_FORM_FLAG, /* takes no value */
    CTL_FORM_LIST, /* given more than once: an array of texts */
    CTL_FORM_JSON, /* one JSON value; the only one that may hold control characters */
    CTL_FORM_COUNT
} ctl_form;

typedef struct ctl_option_row {
    ctl_option option;
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    ctl_form form;
    const char *value;        /* as help shows it; NULL: takes none */
    const char *param;        /* member of the params it becomes; NULL: none */
    int64_t min, max;         /* INTEGER */
    const char *const *words; /* that complete it; NULL: none */
    bool files;               /* files complete it */
    const char *help;
} ctl_option_row;

typedef struct ctl_argument_row {
    const char *name; /* as help shows it; NULL ends the rows */
    ctl_form form;
    bool optional;
    bool repeats; /* the last one only */
    const char *param;
    const char *const *words;
    bool files;
    const char *help;
} ctl_argument_row;

struct ctl_context;
struct ctl_view;

typedef struct ctl_command {
    const char *words; /* "trust set"; NULL ends the rows */
    const ctl_argument_row *arguments;
    const ctl_option *options; /* beside the global ones; ends with CTL_OPTION_COUNT */
    ctl_status (*run)(struct ctl_context *ctl);
    w4_method method; /* that it calls; W4_METHOD_COUNT: none, or not just one */
    const struct ctl_view *view;
    bool shorthand; /* the first word alone means this one */
    const char *help;
} ctl_command;

extern const ctl_command ctl_commands[];
extern const ctl_option ctl_global_options[]; /* ends with CTL_OPTION_COUNT */
const ctl_option_row *ctl_option_row_of(ctl_option option);

/* What was given. Texts are those of argv. */
typedef struct ctl_line {
    const ctl_command *command; /* NULL: none was named */
    const char *noun;           /* with command NULL: its commands are asked for (help only) */
    const char *arguments[CTL_ARGUMENTS_MAX];
    size_t arguments_count;
    const char *values[CTL_OPTION_COUNT][CTL_REPEATS_MAX]; /* of a flag: "" */
    size_t values_count[CTL_OPTION_COUNT];
} ctl_line;

/* CTL_DONE, or CTL_USAGE with a line for people. */
ctl_status ctl_line_parse(int argc, char *const argv[], ctl_line *ret_line, char *ret_error,
                          size_t size);
bool ctl_has(const ctl_line *line, ctl_option option);
const char *ctl_value(const ctl_line *line, ctl_option option); /* the last one; NULL: none */
int64_t ctl_integer(const ctl_line *line, ctl_option option, int64_t fallback);

/* Params of the command's method out of arguments and options that have a param. 0 or negative
 * (-EINVAL: a JSON value that is none, *ret_what names it). */
int ctl_line_params(const ctl_line *line, w4_buffer *out, const char **ret_what);
/* The argument or option behind a member of the params ("TO", "--kind"); NULL: none. */
const char *ctl_line_origin(const ctl_line *line, const char *param);
/* It is an option, and was not given. */
bool ctl_line_lacks(const ctl_line *line, const char *param);

/* help.c, completion.c: out of the same rows. */
/* false: it asks for help on a type that there is not. */
bool ctl_write_help(const ctl_line *line, FILE *out);
bool ctl_write_completion(const char *shell, FILE *out); /* false: no such shell */

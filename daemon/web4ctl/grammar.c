#include "web4ctl/grammar.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "json/writer.h"

#define NAMES_MAX 128

typedef struct parser {
    ctl_line *line;
    const char *positional[CTL_ARGUMENTS_MAX + CTL_WORDS_MAX];
    size_t positional_count;
    char *error;
    size_t error_size;
} parser;

static ctl_status fail(parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static ctl_status fail(parser *p, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(p->error, p->error_size, format, args);
    va_end(args);
    return CTL_USAGE;
}

/* ---- options */

static const ctl_option_row *find_option(const char *name, size_t len) {
    for (int o = 0; o < CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of((ctl_option)o);
        if (strlen(row->name) == len && memcmp(row->name, name, len) == 0) {
            return row;
        }
    }
    return NULL;
}

static const ctl_option_row *find_letter(char letter) {
    for (int o = 0; o < CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of((ctl_option)o);
        if (row->letter != 0 && row->letter == letter) {
            return row;
        }
    }
    return NULL;
}

static const char *nearest_option(const char *name, size_t len) {
    const char *names[NAMES_MAX];
    size_t count = 0;
    for (int o = 0; o < CTL_OPTION_COUNT && count < NAMES_MAX; o++) {
        names[count++] = ctl_option_row_of((ctl_option)o)->name;
    }
    return w4_text_nearest(w4_bytes_of(name, len), names, count);
}

static bool is_clean(const char *text, ctl_form form) {
    w4_bytes bytes = w4_bytes_from_text(text);
    return bytes.len <= CTL_ARGUMENT_BYTES_MAX && w4_utf8_valid(bytes) &&
           (form == CTL_FORM_JSON || !w4_text_has_control(bytes));
}

static bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *ret_value) {
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool good = (isdigit((unsigned char)text[0]) || text[0] == '-') && *end == 0 && errno == 0;
    if (!good || value < min || value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

static ctl_status take_value(parser *p, const ctl_option_row *row, const char *value) {
    int64_t integer;
    size_t *count = &p->line->values_count[row->option];
    if (!is_clean(value, row->form)) {
        return fail(p, "--%s: the value is no text that may stand here", row->name);
    }
    if (row->form == CTL_FORM_INTEGER && !parse_integer(value, row->min, row->max, &integer)) {
        return fail(p, "--%s: expected an integer from %lld to %lld", row->name,
                    (long long)row->min, (long long)row->max);
    }
    if (*count > 0 && row->form != CTL_FORM_LIST && row->form != CTL_FORM_FLAG) {
        return fail(p, "--%s is there twice", row->name);
    }
    if (*count == CTL_REPEATS_MAX) {
        return fail(p, "--%s is there more than %u times", row->name, CTL_REPEATS_MAX);
    }
    p->line->values[row->option][(*count)++] = value;
    return CTL_DONE;
}

/* "--name", "--name=value", "--name value". *at moves behind what was taken. */
static ctl_status take_long(parser *p, char *const argv[], int argc, int *at) {
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const ctl_option_row *row = find_option(name, len);
    if (row == NULL) {
        const char *near = nearest_option(name, len);
        return near != NULL ? fail(p, "no option --%.*s; did you mean --%s?", (int)len, name, near)
                            : fail(p, "no option --%.*s; see web4ctl --help", (int)len, name);
    }
    (*at)++;
    if (row->value == NULL) {
        return name[len] == 0 ? take_value(p, row, "") : fail(p, "--%s takes no value", row->name);
    }
    if (name[len] == '=') {
        return take_value(p, row, name + len + 1);
    }
    if (*at == argc) {
        return fail(p, "--%s wants a value: %s", row->name, row->value);
    }
    return take_value(p, row, argv[(*at)++]);
}

/* "-j", "-s value", "-svalue", "-jh". */
static ctl_status take_short(parser *p, char *const argv[], int argc, int *at) {
    ctl_status status = CTL_DONE;
    const char *letters = argv[(*at)++] + 1;
    while (status == CTL_DONE && *letters != 0) {
        const ctl_option_row *row = find_letter(*letters++);
        if (row == NULL) {
            return fail(p, "no option -%c; see web4ctl --help", letters[-1]);
        }
        if (row->value == NULL) {
            status = take_value(p, row, "");
            continue;
        }
        if (*letters != 0) {
            return take_value(p, row, letters);
        }
        if (*at == argc) {
            return fail(p, "-%c wants a value: %s", row->letter, row->value);
        }
        return take_value(p, row, argv[(*at)++]);
    }
    return status;
}

static ctl_status take_all(parser *p, int argc, char *const argv[]) {
    bool options_end = false;
    ctl_status status = CTL_DONE;
    for (int at = 1; at < argc && status == CTL_DONE;) {
        const char *text = argv[at];
        if (!options_end && strcmp(text, "--") == 0) {
            options_end = true;
            at++;
        } else if (!options_end && strncmp(text, "--", 2) == 0) {
            status = take_long(p, argv, argc, &at);
        } else if (!options_end && text[0] == '-' && text[1] != 0) {
            status = take_short(p, argv, argc, &at);
        } else if (p->positional_count == sizeof p->positional / sizeof p->positional[0]) {
            status = fail(p, "too many arguments");
        } else {
            p->positional[p->positional_count++] = text;
            at++;
        }
    }
    return status;
}

/* ---- commands */

static size_t first_word(const char *words) {
    return strcspn(words, " ");
}

static bool is_noun(const ctl_command *command, const char *word) {
    size_t len = first_word(command->words);
    return strlen(word) == len && memcmp(command->words, word, len) == 0;
}

static const char *second_word(const ctl_command *command) {
    const char *space = strchr(command->words, ' ');
    return space == NULL ? NULL : space + 1;
}

/* Nobody who typed less than the name of an order (top) is led to it (stop). */
static bool may_be_meant(const ctl_command *c, const char *word) {
    size_t len = first_word(c->words);
    bool orders = c->words[len] == 0 && (unsigned)c->method < W4_METHOD_COUNT &&
                  w4_method_row_of(c->method)->changes;
    return !orders || strlen(word) >= len;
}

static ctl_status fail_noun(parser *p) {
    const char *names[NAMES_MAX];
    char nouns[NAMES_MAX][32];
    size_t count = 0;
    const char *word = p->positional[0];
    for (const ctl_command *c = ctl_commands; c->words != NULL && count < NAMES_MAX; c++) {
        if (!may_be_meant(c, word)) {
            continue;
        }
        snprintf(nouns[count], sizeof nouns[count], "%.*s", (int)first_word(c->words), c->words);
        names[count] = nouns[count];
        count++;
    }
    const char *near = w4_text_nearest(w4_bytes_from_text(word), names, count);
    return near != NULL ? fail(p, "no command %.64s; did you mean %s?", word, near)
                        : fail(p, "no command %.64s; see web4ctl --help", word);
}

static ctl_status fail_verb(parser *p, const char *noun) {
    char verbs[256] = "";
    size_t len = 0;
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (is_noun(c, noun) && second_word(c) != NULL && len < sizeof verbs) {
            len += (size_t)snprintf(verbs + len, sizeof verbs - len, "%s%s", len > 0 ? ", " : "",
                                    second_word(c));
        }
    }
    if (p->positional_count < 2) {
        return fail(p, "%s wants one of: %s", noun, verbs);
    }
    return fail(p, "no command %s %.64s; there are: %s", noun, p->positional[1], verbs);
}

/* Finds the command and how many words were its name. Asked for help, the noun is enough. */
static ctl_status find_command(parser *p, size_t *ret_used) {
    const char *noun = NULL;
    const ctl_command *shorthand = NULL;
    *ret_used = 1;
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (!is_noun(c, p->positional[0])) {
            continue;
        }
        const char *verb = second_word(c);
        noun = p->positional[0];
        if (verb == NULL || (p->positional_count > 1 && strcmp(p->positional[1], verb) == 0)) {
            p->line->command = c;
            *ret_used = verb == NULL ? 1 : 2;
            return CTL_DONE;
        }
        shorthand = c->shorthand ? c : shorthand;
    }
    if (noun == NULL) {
        return fail_noun(p);
    }
    if (p->positional_count == 1 && ctl_has(p->line, CTL_OPTION_HELP)) {
        p->line->noun = noun;
        return CTL_DONE;
    }
    if (shorthand == NULL || p->positional_count > 1) {
        return fail_verb(p, noun);
    }
    p->line->command = shorthand;
    return CTL_DONE;
}

static ctl_status take_arguments(parser *p, size_t used) {
    const ctl_argument_row *row = p->line->command->arguments;
    for (size_t i = used; i < p->positional_count; i++) {
        const char *text = p->positional[i];
        if (row == NULL || row->name == NULL) {
            return fail(p, "%s: what is \"%.64s\"?", p->line->command->words, text);
        }
        if (p->line->arguments_count == CTL_ARGUMENTS_MAX) {
            return fail(p, "too many arguments");
        }
        if (!is_clean(text, row->form)) {
            return fail(p, "%s: not a text that may stand here", row->name);
        }
        p->line->arguments[p->line->arguments_count++] = text;
        row += row->repeats ? 0 : 1;
    }
    bool missing = row != NULL && row->name != NULL && !row->optional;
    if (missing && row->repeats) {
        missing = p->line->arguments_count == 0;
    }
    return missing ? fail(p, "%s wants %s: %s", p->line->command->words, row->name, row->help)
                   : CTL_DONE;
}

static bool takes_option(const ctl_option *options, ctl_option option) {
    for (; options != NULL && *options != CTL_OPTION_COUNT; options++) {
        if (*options == option) {
            return true;
        }
    }
    return false;
}

static ctl_status check_options(parser *p) {
    const ctl_command *command = p->line->command;
    for (int o = 0; o < CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of((ctl_option)o);
        if (p->line->values_count[o] == 0 || takes_option(ctl_global_options, (ctl_option)o) ||
            takes_option(command->options, (ctl_option)o)) {
            continue;
        }
        return fail(p, "%s takes no --%s; see web4ctl %s --help", command->words, row->name,
                    command->words);
    }
    return CTL_DONE;
}

ctl_status ctl_line_parse(int argc, char *const argv[], ctl_line *ret_line, char *ret_error,
                          size_t size) {
    parser p = {.line = ret_line, .error = ret_error, .error_size = size};
    *ret_line = (ctl_line){0};
    ctl_status status = take_all(&p, argc, argv);
    if (status != CTL_DONE) {
        return status;
    }
    if (p.positional_count == 0) {
        bool enough = ctl_has(ret_line, CTL_OPTION_HELP) || ctl_has(ret_line, CTL_OPTION_VERSION);
        return enough ? CTL_DONE : fail(&p, "what is to be done? See web4ctl --help");
    }
    size_t used;
    status = find_command(&p, &used);
    if (status != CTL_DONE || ret_line->command == NULL) {
        return status;
    }
    if (ctl_has(ret_line, CTL_OPTION_HELP)) { /* of what is named, whatever else is missing */
        bool named = used < p.positional_count;
        ret_line->arguments[0] = named ? p.positional[used] : NULL;
        ret_line->arguments_count = named ? 1 : 0;
        return CTL_DONE;
    }
    status = check_options(&p);
    return status != CTL_DONE ? status : take_arguments(&p, used);
}

bool ctl_has(const ctl_line *line, ctl_option option) {
    return line->values_count[option] > 0;
}

const char *ctl_value(const ctl_line *line, ctl_option option) {
    size_t count = line->values_count[option];
    return count == 0 ? NULL : line->values[option][count - 1];
}

int64_t ctl_integer(const ctl_line *line, ctl_option option, int64_t fallback) {
    const char *value = ctl_value(line, option);
    return value == NULL ? fallback : strtoll(value, NULL, 10);
}

/* ---- params */

static int write_value(w4_json_writer *w, ctl_form form, const char *text, const char *name,
                       const char **ret_what) {
    w4_buffer canonical = W4_BUFFER_INIT(4 * CTL_ARGUMENT_BYTES_MAX);
    int r = 0;
    switch (form) {
    case CTL_FORM_TEXT:
        w4_json_string_text(w, text);
        break;
    case CTL_FORM_INTEGER:
        w4_json_integer_value(w, strtoll(text, NULL, 10));
        break;
    case CTL_FORM_FLAG:
        w4_json_bool(w, true);
        break;
    case CTL_FORM_JSON:
        r = w4_json_canonical(&canonical, w4_bytes_from_text(text), &W4_JSON_LIMITS_LINE, NULL);
        if (r == 0) {
            w4_json_raw(w, w4_buffer_bytes(&canonical));
        } else if (r > 0) {
            *ret_what = name;
            r = -EINVAL;
        }
        break;
    case CTL_FORM_LIST:
    case CTL_FORM_COUNT:
        break;
    }
    w4_buffer_deinit(&canonical);
    return r;
}

static int write_option(const ctl_line *line, const ctl_option_row *row, w4_json_writer *w,
                        const char **ret_what) {
    size_t count = line->values_count[row->option];
    if (row->param == NULL || count == 0) {
        return 0;
    }
    w4_json_name(w, row->param);
    if (row->form != CTL_FORM_LIST) {
        return write_value(w, row->form, line->values[row->option][count - 1], row->name, ret_what);
    }
    w4_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        w4_json_string_text(w, line->values[row->option][i]);
    }
    w4_json_end_array(w);
    return 0;
}

int ctl_line_params(const ctl_line *line, w4_buffer *out, const char **ret_what) {
    w4_json_writer w;
    int r = 0;
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    const ctl_argument_row *row = line->command->arguments;
    for (size_t i = 0; row != NULL && row[i].name != NULL && i < line->arguments_count && r == 0;
         i++) {
        if (row[i].param != NULL) {
            w4_json_name(&w, row[i].param);
            r = write_value(&w, row[i].form, line->arguments[i], row[i].name, ret_what);
        }
    }
    for (int o = 0; o < CTL_OPTION_COUNT && r == 0; o++) {
        r = write_option(line, ctl_option_row_of((ctl_option)o), &w, ret_what);
    }
    w4_json_end_object(&w);
    return r == 0 ? w.error : r;
}

static const ctl_option_row *option_of(const ctl_line *line, const char *param) {
    const ctl_option *o = line->command->options;
    for (; o != NULL && *o != CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of(*o);
        if (row->param != NULL && strcmp(row->param, param) == 0) {
            return row;
        }
    }
    return NULL;
}

const char *ctl_line_origin(const ctl_line *line, const char *param) {
    for (const ctl_argument_row *a = line->command->arguments; a != NULL && a->name != NULL; a++) {
        if (a->param != NULL && strcmp(a->param, param) == 0) {
            return a->name;
        }
    }
    const ctl_option_row *row = option_of(line, param);
    return row != NULL ? row->name : NULL;
}

bool ctl_line_lacks(const ctl_line *line, const char *param) {
    const ctl_option_row *row = option_of(line, param);
    return row != NULL && line->values_count[row->option] == 0;
}

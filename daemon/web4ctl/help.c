#include <string.h>

#include "web4ctl/grammar.h"
#include "web4ctl/help_type.h"

#define COLUMN 18

static const char exit_status[] =
    "\nExit status: 0 done, 1 the node said no, 2 wrong usage, 3 no node to talk to"
    "\n(config check: 4 valid, but the node needs a restart for it).\n"
    "\nMore: web4ctl COMMAND --help, web4ctl(1), web4-protocols(7), web4-rpc(7)\n";

static void put_row(FILE *out, const char *name, const char *help) {
    size_t len = strlen(name);
    fprintf(out, "  %s", name);
    if (len + 1 > COLUMN) {
        fprintf(out, "\n  %*s%s\n", COLUMN, "", help);
    } else {
        fprintf(out, "%*s%s\n", (int)(COLUMN - len), "", help);
    }
}

static void put_option(FILE *out, const ctl_option_row *row) {
    char name[64];
    char letter[8] = "";
    if (row->letter != 0) {
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    }
    snprintf(name, sizeof name, "%s--%s%s%s", letter, row->name, row->value != NULL ? " " : "",
             row->value != NULL ? row->value : "");
    put_row(out, name, row->help);
}

static void put_options(FILE *out, const ctl_option *options, const char *title) {
    if (options == NULL) {
        return;
    }
    fprintf(out, "\n%s:\n", title);
    for (; *options != CTL_OPTION_COUNT; options++) {
        put_option(out, ctl_option_row_of(*options));
    }
}

static bool is_of(const ctl_command *command, const char *noun) {
    size_t len = strlen(noun);
    return strncmp(command->words, noun, len) == 0 &&
           (command->words[len] == 0 || command->words[len] == ' ');
}

static void put_commands(FILE *out, const char *noun) {
    fprintf(out, "Usage: web4ctl [OPTION...] %s [ARGUMENT...]\n\nCommands:\n",
            noun == NULL ? "COMMAND" : noun);
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (noun == NULL || is_of(c, noun)) {
            put_row(out, c->words, c->help);
        }
    }
    put_options(out, ctl_global_options, "Options");
    fputs(exit_status, out);
}

static bool names_type(const ctl_command *command) {
    return command->arguments != NULL && command->arguments[0].name != NULL &&
           strcmp(command->arguments[0].name, "TYPE") == 0;
}

static void put_command(FILE *out, const ctl_command *command) {
    fprintf(out, "Usage: web4ctl %s", command->words);
    for (const ctl_option *o = command->options; o != NULL && *o != CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of(*o);
        fprintf(out, " [--%s%s%s]", row->name, row->value != NULL ? " " : "",
                row->value != NULL ? row->value : "");
    }
    for (const ctl_argument_row *a = command->arguments; a != NULL && a->name != NULL; a++) {
        fprintf(out, " %s%s%s%s", a->optional ? "[" : "", a->name, a->repeats ? "..." : "",
                a->optional ? "]" : "");
    }
    fprintf(out, "\n\n%s: %s.\n", command->words, command->help);
    if (command->arguments != NULL) {
        fputs("\nArguments:\n", out);
        for (const ctl_argument_row *a = command->arguments; a->name != NULL; a++) {
            put_row(out, a->name, a->help);
        }
    }
    if (names_type(command)) {
        fprintf(out, "\nHelp on the payload of a type: web4ctl %s TYPE --help\n", command->words);
    }
    put_options(out, command->options, "Options");
    put_options(out, ctl_global_options, "Options of all commands");
    fputs(exit_status, out);
}

bool ctl_write_help(const ctl_line *line, FILE *out) {
    bool typed = line->command != NULL && names_type(line->command) && line->arguments_count > 0;
    const w4_type_row *type = typed ? ctl_type_find(line->arguments[0]) : NULL;
    if (typed && type == NULL) {
        return false;
    }
    if (type != NULL) {
        ctl_write_type_help(type, out);
    } else if (line->command != NULL) {
        put_command(out, line->command);
    } else {
        put_commands(out, line->noun);
    }
    return true;
}

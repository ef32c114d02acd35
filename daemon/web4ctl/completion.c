/* Completion scripts. Each is a function around one table: the words so far -> what may follow. */
#include <string.h>

#include "web4ctl/grammar.h"

typedef void (*visit)(FILE *out, const char *words, const char *candidates, bool files);

#define CANDIDATES_MAX 4096

static void add(char text[static CANDIDATES_MAX], const char *prefix, const char *word) {
    size_t len = strlen(text);
    snprintf(text + len, CANDIDATES_MAX - len, "%s%s%s", len > 0 ? " " : "", prefix, word);
}

static void add_options(char text[static CANDIDATES_MAX], const ctl_option *options) {
    for (; options != NULL && *options != CTL_OPTION_COUNT; options++) {
        add(text, "--", ctl_option_row_of(*options)->name);
    }
}

static size_t noun_len(const ctl_command *command) {
    return strcspn(command->words, " ");
}

static bool is_first_of_noun(const ctl_command *command) {
    return command == ctl_commands || noun_len(command) != noun_len(command - 1) ||
           strncmp(command->words, command[-1].words, noun_len(command)) != 0;
}

/* Nouns behind nothing, verbs behind a noun. */
static void visit_names(FILE *out, visit each) {
    char nouns[CANDIDATES_MAX] = "";
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        char noun[64];
        snprintf(noun, sizeof noun, "%.*s", (int)noun_len(c), c->words);
        if (!is_first_of_noun(c)) {
            continue;
        }
        add(nouns, "", noun);
        char verbs[CANDIDATES_MAX] = "";
        for (const ctl_command *v = c; v->words != NULL; v++) {
            if (strchr(v->words, ' ') != NULL && noun_len(v) == strlen(noun) &&
                strncmp(v->words, noun, strlen(noun)) == 0) {
                add(verbs, "", v->words + noun_len(v) + 1);
            }
        }
        if (verbs[0] != 0) {
            each(out, noun, verbs, false);
        }
    }
    add_options(nouns, ctl_global_options);
    each(out, "", nouns, false);
}

/* Options and words of arguments behind a whole command. */
static void visit_commands(FILE *out, visit each) {
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        char candidates[CANDIDATES_MAX] = "";
        bool files = false;
        for (const ctl_argument_row *a = c->arguments; a != NULL && a->name != NULL; a++) {
            files = files || a->files;
            for (size_t i = 0; a->words != NULL && a->words[i] != NULL; i++) {
                add(candidates, "", a->words[i]);
            }
        }
        add_options(candidates, c->options);
        add_options(candidates, ctl_global_options);
        each(out, c->words, candidates, files);
    }
}

/* Words of values, by "--name". Options without words or files are left alone. */
static void visit_values(FILE *out, visit each) {
    for (int o = 0; o < CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of((ctl_option)o);
        char candidates[CANDIDATES_MAX] = "";
        char name[64];
        if (row->value == NULL) {
            continue;
        }
        for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++) {
            add(candidates, "", row->words[i]);
        }
        snprintf(name, sizeof name, "--%s", row->name);
        each(out, name, candidates, row->files);
        if (row->letter != 0) {
            snprintf(name, sizeof name, "-%c", row->letter);
            each(out, name, candidates, row->files);
        }
    }
}

/* "--as|--to|-s": options that are followed by a value. */
static void put_value_pattern(FILE *out) {
    bool first = true;
    for (int o = 0; o < CTL_OPTION_COUNT; o++) {
        const ctl_option_row *row = ctl_option_row_of((ctl_option)o);
        if (row->value == NULL) {
            continue;
        }
        fprintf(out, "%s--%s", first ? "" : "|", row->name);
        first = false;
        if (row->letter != 0) {
            fprintf(out, "|-%c", row->letter);
        }
    }
}

/* ---- bash and zsh: a case over the words */

static void bash_case(FILE *out, const char *words, const char *candidates, bool files) {
    fprintf(out, "    '%s') candidates='%s'; files=%s ;;\n", words, candidates, files ? "yes" : "");
}

static void bash_words(FILE *out) {
    /* Words that are neither options nor their values, at most the two of a command. */
    fputs("  local said='' count=0 i candidates='' files=''\n"
          "  for ((i = first; i < current; i++)); do\n"
          "    case \"${line[i]}\" in\n      ",
          out);
    put_value_pattern(out);
    fputs(") ((i++)) ;;\n"
          "      -*) ;;\n"
          "      *) if ((count < 2)); then said=\"${said:+$said }${line[i]}\"; ((count++)); fi "
          ";;\n"
          "    esac\n"
          "  done\n",
          out);
}

static void put_cases(FILE *out) {
    fputs("  case \"$previous\" in\n    ", out);
    put_value_pattern(out);
    fputs(") said=\"$previous\" ;;\n  esac\n  case \"$said\" in\n", out);
    visit_names(out, bash_case);
    visit_commands(out, bash_case);
    visit_values(out, bash_case);
    /* A one-word command with an argument behind it, or a wrong word: the first word decides. */
    fputs("    *) case \"${said%% *}\" in\n", out);
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        if (strchr(c->words, ' ') == NULL) {
            fprintf(out, "      '%s') candidates='", c->words);
            char options[CANDIDATES_MAX] = "";
            add_options(options, c->options);
            add_options(options, ctl_global_options);
            fprintf(out, "%s' ;;\n", options);
        }
    }
    fputs("      esac ;;\n  esac\n", out);
}

static void write_bash(FILE *out) {
    fputs("# bash completion for web4ctl\n"
          "_web4ctl() {\n"
          "  local line=(\"${COMP_WORDS[@]}\") first=1 current=$COMP_CWORD\n"
          "  local word=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD - 1]}\"\n",
          out);
    bash_words(out);
    put_cases(out);
    fputs("  COMPREPLY=($(compgen -W \"$candidates\" -- \"$word\"))\n"
          "  if [[ -n $files ]]; then\n"
          "    compopt -o filenames 2>/dev/null\n"
          "    while IFS= read -r i; do COMPREPLY+=(\"$i\"); done < <(compgen -f -- \"$word\")\n"
          "  fi\n"
          "}\n"
          "complete -F _web4ctl web4ctl\n",
          out);
}

static void write_zsh(FILE *out) {
    fputs("#compdef web4ctl\n"
          "# zsh completion for web4ctl\n"
          "_web4ctl_complete() {\n"
          "  emulate -L zsh\n"
          "  local -a line; line=(\"${(@)words}\")\n"
          "  local first=2 current=$CURRENT previous=\"${line[CURRENT-1]}\"\n"
          "  _web4ctl_table\n"
          "}\n"
          "_web4ctl_table() {\n",
          out);
    bash_words(out);
    put_cases(out);
    fputs("  [[ -n $candidates ]] && compadd -- ${=candidates}\n"
          "  [[ -n $files ]] && _files\n"
          "  return 0\n"
          "}\n"
          "if [[ \"$funcstack[1]\" = _web4ctl ]]; then\n"
          "  _web4ctl_complete\n"
          "else\n"
          "  compdef _web4ctl_complete web4ctl\n"
          "fi\n",
          out);
}

/* ---- fish: a line for each word */

static void put_fish_text(FILE *out, const char *text) {
    fputc('\'', out);
    for (; *text != 0; text++) {
        if (*text == '\'' || *text == '\\') {
            fputc('\\', out);
        }
        fputc(*text, out);
    }
    fputc('\'', out);
}

static void put_fish_option(FILE *out, const ctl_option_row *row, const char *condition) {
    fprintf(out, "complete -c web4ctl -n '%s' -l %s", condition, row->name);
    if (row->letter != 0) {
        fprintf(out, " -s %c", row->letter);
    }
    if (row->value != NULL) {
        fputs(row->files ? " -r -F" : " -x", out);
    }
    if (row->words != NULL) {
        fputs(" -a '", out);
        for (size_t i = 0; row->words[i] != NULL; i++) {
            fprintf(out, "%s%s", i > 0 ? " " : "", row->words[i]);
        }
        fputc('\'', out);
    }
    fputs(" -d ", out);
    put_fish_text(out, row->help);
    fputc('\n', out);
}

static void put_fish_command(FILE *out, const ctl_command *c) {
    char condition[128];
    const char *verb = strchr(c->words, ' ');
    if (verb == NULL) {
        fprintf(out, "complete -c web4ctl -n __fish_use_subcommand -a %s -d ", c->words);
        snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", c->words);
    } else {
        if (is_first_of_noun(c)) {
            fprintf(out, "complete -c web4ctl -n __fish_use_subcommand -a %.*s\n", (int)noun_len(c),
                    c->words);
        }
        fprintf(out, "complete -c web4ctl -n '__web4ctl_noun %.*s' -a %s -d ", (int)noun_len(c),
                c->words, verb + 1);
        snprintf(condition, sizeof condition, "__web4ctl_is %s", c->words);
    }
    put_fish_text(out, c->help);
    fputc('\n', out);
    for (const ctl_option *o = c->options; o != NULL && *o != CTL_OPTION_COUNT; o++) {
        put_fish_option(out, ctl_option_row_of(*o), condition);
    }
    for (const ctl_argument_row *a = c->arguments; a != NULL && a->name != NULL; a++) {
        for (size_t i = 0; a->words != NULL && a->words[i] != NULL; i++) {
            fprintf(out, "complete -c web4ctl -n '%s' -a %s\n", condition, a->words[i]);
        }
        if (a->files) {
            fprintf(out, "complete -c web4ctl -n '%s' -F\n", condition);
        }
    }
}

static void write_fish(FILE *out) {
    fputs("# fish completion for web4ctl\n"
          "function __web4ctl_words\n"
          "  commandline -opc | string match -v -- '-*'\n"
          "end\n"
          "function __web4ctl_noun\n"
          "  set -l words (__web4ctl_words)\n"
          "  test (count $words) -eq 2; and test \"$words[2]\" = $argv[1]\n"
          "end\n"
          "function __web4ctl_is\n"
          "  set -l words (__web4ctl_words)\n"
          "  test (count $words) -ge 3; and test \"$words[2] $words[3]\" = \"$argv\"\n"
          "end\n"
          "complete -c web4ctl -f\n",
          out);
    for (const ctl_option *o = ctl_global_options; *o != CTL_OPTION_COUNT; o++) {
        put_fish_option(out, ctl_option_row_of(*o), "true");
    }
    for (const ctl_command *c = ctl_commands; c->words != NULL; c++) {
        put_fish_command(out, c);
    }
}

bool ctl_write_completion(const char *shell, FILE *out) {
    static const struct {
        const char *shell;
        void (*write)(FILE *out);
    } shells[] = {{"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].shell, shell) == 0) {
            shells[i].write(out);
            return true;
        }
    }
    return false;
}

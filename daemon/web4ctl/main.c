#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/sign.h"
#include "web4ctl/ctl.h"

#define LINE_MAX_BYTES 2048

static bool wants_colour(void) {
    const char *no_colour = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == 0) &&
           terminal != NULL && strcmp(terminal, "dumb") != 0;
}

/* Tables are fitted to a terminal; who reads them through a pipe has all of them. */
static size_t table_width(void) {
    size_t columns = 0, lines;
    if (isatty(STDOUT_FILENO) == 1) {
        ctl_terminal_size(&columns, &lines);
    }
    return columns;
}

static ctl_status run(ctl_context *ctl) {
    if (ctl_has(&ctl->line, CTL_OPTION_VERSION)) {
        fprintf(ctl->output.file, "web4ctl %s\n", W4_VERSION);
        return CTL_DONE;
    }
    if (ctl_has(&ctl->line, CTL_OPTION_HELP)) {
        if (!ctl_write_help(&ctl->line, ctl->output.file)) {
            ctl_no_type(ctl, ctl->line.arguments[0]);
            return CTL_USAGE;
        }
        return CTL_DONE;
    }
    if (w4_crypto_init() < 0) {
        ctl_error(ctl, "this system gives no randomness");
        return CTL_REFUSED;
    }
    return ctl_has(&ctl->line, CTL_OPTION_WATCH) ? ctl_run_again_and_again(ctl)
                                                 : ctl->line.command->run(ctl);
}

int main(int argc, char *argv[]) {
    static ctl_context ctl;
    char error[LINE_MAX_BYTES] = "";
    setlocale(LC_CTYPE, "C.UTF-8"); /* for the width of characters; without it bytes count */
    ctl.output.file = stdout;
    ctl.output.colour = false;
    ctl.output.width = table_width();
    ctl.err = stderr;
    ctl.fd = -1;
    ctl_status status = ctl_line_parse(argc, argv, &ctl.line, error, sizeof error);
    bool json = ctl_has(&ctl.line, CTL_OPTION_JSON);
    ctl.ops = json ? &ctl_output_json : &ctl_output_people;
    ctl.output.colour = !json && wants_colour();
    if (status != CTL_DONE) {
        ctl_error(&ctl, "%s", error);
        return (int)status;
    }
    status = run(&ctl);
    ctl_disconnect(&ctl);
    ctl_status flushed = ctl_flush(&ctl);
    return (int)(status != CTL_DONE ? status : flushed);
}

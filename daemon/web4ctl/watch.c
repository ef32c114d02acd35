/* --watch: the same question again and again, until Ctrl-C or until the node is gone. On a terminal
 * the answer is drawn in place, as top does. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "web4ctl/ctl.h"

#define HIDE_CURSOR "\x1b[?25l"
#define SHOW_CURSOR "\x1b[?25h"
#define HOME "\x1b[H"
#define REST_OF_LINE "\x1b[K"
#define REST_OF_SCREEN "\x1b[J"

/* Shared with the handlers. */
static volatile sig_atomic_t wants_end, wants_redraw, asking, drawing;

static void put_cursor_back(void) {
    static const char text[] = SHOW_CURSOR;
    if (drawing) {
        ssize_t n = write(STDOUT_FILENO, text, sizeof text - 1);
        (void)n; /* a terminal that is gone has no cursor */
    }
}

/* While a node that may be stuck is asked, there is nothing half-written: it may end at once. */
static void on_end(int number) {
    (void)number;
    wants_end = 1;
    if (asking) {
        put_cursor_back();
        _exit(CTL_DONE);
    }
}

static void on_resize(int number) {
    (void)number;
    wants_redraw = 1;
}

static void catch_signals(sigset_t *ret_while_waiting) {
    struct sigaction end = {.sa_handler = on_end}, resize = {.sa_handler = on_resize};
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGWINCH);
    sigprocmask(SIG_BLOCK, &ours, ret_while_waiting);
    sigaction(SIGINT, &end, NULL);
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGHUP, &end, NULL);
    sigaction(SIGWINCH, &resize, NULL);
}

void ctl_terminal_size(size_t *ret_columns, size_t *ret_lines) {
    struct winsize size = {0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *ret_columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *ret_lines = known && size.ws_row > 0 ? size.ws_row : 24;
}

/* ---- drawing */

/* The head of the frame tells what is seen, and that it is not what was. */
static void put_head(const ctl_context *ctl, FILE *file, size_t columns) {
    char line[160], at[32] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL) {
        (void)strftime(at, sizeof at, "%H:%M:%S", &local);
    }
    (void)snprintf(line, sizeof line, "%s  every %lld s  %s  (Ctrl-C ends)",
                   ctl->line.command->words,
                   (long long)ctl_integer(&ctl->line, CTL_OPTION_WATCH, 1), at);
    fprintf(file, ctl->output.colour ? "\x1b[7m%.*s\x1b[0m" : "%.*s", (int)columns, line);
    fputs(REST_OF_LINE "\n", file);
}

/* Bytes of an escape that sets a colour; 0: none begins here. */
static size_t escape_len(const char *text) {
    return text[0] == '\x1b' && text[1] == '[' ? 2 + strcspn(text + 2, "m\n") + 1 : 0;
}

static size_t character_len(const char *text) {
    size_t len = 1;
    while (((unsigned char)text[len] & 0xC0) == 0x80) {
        len++;
    }
    return len;
}

/* What fits, so that no line of the frame becomes two of the terminal. */
static void put_line(const char *text, size_t len, size_t columns, FILE *file) {
    size_t width = 0;
    bool coloured = false;
    for (size_t i = 0; i < len;) {
        size_t step = escape_len(text + i);
        if (step > 0) {
            coloured = true;
        } else {
            char character[8] = "";
            step = character_len(text + i);
            memcpy(character, text + i, step < sizeof character ? step : sizeof character - 1);
            width += ctl_width(character);
            if (width > columns) {
                break;
            }
        }
        fwrite(text + i, 1, step, file);
        i += step;
    }
    fputs(coloured ? "\x1b[0m" : "", file);
    fputs(width < columns ? REST_OF_LINE : "", file); /* at its end it would take the last one */
}

/* As much as the terminal has lines for; each line replaces the one that was there. */
static void put_frame(const ctl_context *ctl, const char *text, FILE *file) {
    size_t columns, lines;
    ctl_terminal_size(&columns, &lines);
    fputs(HOME, file);
    put_head(ctl, file, columns);
    for (size_t line = 2; text[0] != 0 && line <= lines; line++) {
        size_t len = strcspn(text, "\n");
        put_line(text, len, columns, file);
        fputs(line < lines ? "\n" : "", file);
        text += len + (text[len] == '\n');
    }
    fputs(REST_OF_SCREEN, file);
}

static ctl_status draw(ctl_context *ctl, w4_json answer) {
    char *text = NULL;
    size_t size = 0, lines;
    FILE *terminal = ctl->output.file;
    ctl->output.file = open_memstream(&text, &size);
    if (ctl->output.file == NULL) {
        ctl->output.file = terminal;
        return ctl_fatal(ctl, -ENOMEM);
    }
    ctl_terminal_size(&ctl->output.width, &lines);
    ctl_status status = ctl_answer(ctl, answer);
    int closed = fclose(ctl->output.file);
    ctl->output.file = terminal;
    if (status == CTL_DONE && closed == 0) {
        put_frame(ctl, text, terminal);
        status = ctl_flush(ctl);
    }
    free(text);
    return closed == 0 ? status : ctl_fatal(ctl, -ENOMEM);
}

/* ---- waiting */

static uint64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * W4_US_PER_S + (uint64_t)now.tv_nsec / 1000u;
}

static bool is_closed(int fd) {
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Until that time, a signal, or the end of the node. */
static ctl_status wait_until(const ctl_context *ctl, uint64_t until_us, const sigset_t *mask) {
    struct pollfd fd = {.fd = ctl->fd, .events = POLLIN};
    while (!wants_end && !wants_redraw) {
        uint64_t now_us = clock_us();
        uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
        struct timespec left = {.tv_sec = (time_t)(left_us / W4_US_PER_S),
                                .tv_nsec = (long)(left_us % W4_US_PER_S * 1000u)};
        if (left_us == 0) {
            return CTL_DONE;
        }
        int r = ppoll(&fd, 1, &left, mask);
        if (r > 0 && is_closed(ctl->fd)) {
            return ctl_client_failed(ctl, -ECONNRESET);
        }
        if (r > 0) {
            fd.fd = -1; /* it says something nobody asked for: the next call reads it */
        }
    }
    return CTL_DONE;
}

/* ---- the loop */

/* Only the asking itself may be broken off anywhere; what is shown is shown whole. */
static ctl_status ask_and_show(ctl_context *ctl, const sigset_t *mask) {
    w4_json answer;
    sigset_t ours;
    asking = 1;
    sigprocmask(SIG_SETMASK, mask, &ours);
    ctl_status status = ctl_ask(ctl, &answer);
    sigprocmask(SIG_SETMASK, &ours, NULL);
    asking = 0;
    if (status != CTL_DONE) {
        return status;
    }
    return drawing ? draw(ctl, answer) : ctl_answer(ctl, answer);
}

ctl_status ctl_run_again_and_again(ctl_context *ctl) {
    uint64_t pause_us = (uint64_t)ctl_integer(&ctl->line, CTL_OPTION_WATCH, 1) * W4_US_PER_S;
    w4_method method = ctl->line.command->method;
    if (ctl->line.command->run != ctl_run_method || w4_method_row_of(method)->changes) {
        ctl_error(ctl, "%s cannot be watched", ctl->line.command->words);
        return CTL_USAGE;
    }
    sigset_t mask;
    ctl_status status = CTL_DONE;
    catch_signals(&mask);
    drawing = isatty(STDOUT_FILENO) == 1 && ctl->ops == &ctl_output_people;
    fputs(drawing ? HIDE_CURSOR HOME REST_OF_SCREEN : "", ctl->output.file);
    fflush(ctl->output.file);
    while (status == CTL_DONE && !wants_end) {
        uint64_t began_us = clock_us();
        wants_redraw = 0;
        status = ask_and_show(ctl, &mask);
        if (status == CTL_DONE && !wants_end) {
            status = wait_until(ctl, w4_later(began_us, pause_us), &mask);
        }
    }
    fflush(ctl->output.file);
    put_cursor_back();
    if (drawing && status == CTL_DONE) {
        fputc('\n', ctl->output.file);
    }
    return status;
}

/* What web4ctl says: answers on stdout, one line a fault on stderr. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "web4ctl/ctl.h"

#define LINE_MAX_BYTES 2048

void ctl_error(const ctl_context *ctl, const char *format, ...) {
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    w4_text_escape_cut(line, sizeof line, w4_bytes_from_text(text));
    fflush(ctl->output.file); /* so that both come in their order on a terminal */
    fprintf(ctl->err, "web4ctl: %s\n", line);
}

ctl_status ctl_fatal(const ctl_context *ctl, int error) {
    ctl_error(ctl, "%s", error == -ENOMEM ? "no memory" : strerror(-error));
    return CTL_REFUSED;
}

ctl_status ctl_flush(const ctl_context *ctl) {
    if (fflush(ctl->output.file) != 0 || ferror(ctl->output.file)) {
        fprintf(ctl->err, "web4ctl: cannot write: %s\n", strerror(errno));
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

ctl_status ctl_answer_as(const ctl_context *ctl, const ctl_view *view, w4_json value) {
    int r = ctl->ops->answer(&ctl->output, view, value);
    return r < 0 ? ctl_fatal(ctl, r) : ctl_flush(ctl);
}

ctl_status ctl_answer(const ctl_context *ctl, w4_json value) {
    return ctl_answer_as(ctl, ctl->line.command->view, value);
}

ctl_status ctl_stream(const ctl_context *ctl, w4_json value) {
    int r = ctl->ops->line(&ctl->output, ctl->line.command->view, value);
    return r < 0 ? ctl_fatal(ctl, r) : ctl_flush(ctl);
}

ctl_status ctl_answer_text(const ctl_context *ctl, w4_bytes text) {
    w4_json_document doc = {0};
    int r = w4_json_read(&doc, text, &W4_JSON_LIMITS_FILE, NULL);
    ctl_status status =
        r == 0 ? ctl_answer(ctl, w4_json_root(&doc)) : ctl_fatal(ctl, r < 0 ? r : -EMSGSIZE);
    w4_json_document_deinit(&doc);
    return status;
}

ctl_status ctl_run_completion(ctl_context *ctl) {
    if (ctl_write_completion(ctl->line.arguments[0], ctl->output.file)) {
        return CTL_DONE;
    }
    ctl_error(ctl, "SHELL: expected bash, zsh or fish");
    return CTL_USAGE;
}

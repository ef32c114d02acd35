/* Words of a command line, one a line: what web4ctl takes of them becomes the params of a method,
 * which are JSON within their bounds, or the fault is told. */
#include "target.h"
#include "web4ctl/grammar.h"
#include "json/document.h"

#include <errno.h>
#include <string.h>

#define WORDS_MAX 200
#define ERROR_MAX 256u
#define PARAMS_MAX ((size_t)2 * 1024 * 1024)

static void make_params(const ctl_line *line) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json_document doc = {0};
    const char *what = NULL;
    int r = ctl_line_params(line, &params, &what);
    FUZZ_REQUIRE(r == 0 || r == -EINVAL || r == -EMSGSIZE);
    FUZZ_REQUIRE(r != -EINVAL || what != NULL);
    if (r == 0 && params.len > 0) {
        FUZZ_REQUIRE(w4_json_read(&doc, w4_buffer_bytes(&params), &W4_JSON_LIMITS_LINE, NULL) == 0);
    }
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&params);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static ctl_line line;
    char *text = malloc(size + 1), *argv[WORDS_MAX + 2] = {(char[]){"web4ctl"}};
    char error[ERROR_MAX];
    int argc = 1;
    FUZZ_REQUIRE(text != NULL);
    for (size_t i = 0; i < size; i++) { /* no word holds a NUL */
        text[i] = (char)(data[i] == '\n' ? '\0' : data[i]);
    }
    text[size] = '\0';
    for (size_t at = 0; at < size && argc <= WORDS_MAX; at += strlen(text + at) + 1) {
        argv[argc++] = text + at;
    }
    memset(error, 'x', sizeof error);
    ctl_status status = ctl_line_parse(argc, argv, &line, error, sizeof error);
    FUZZ_REQUIRE(status == CTL_DONE || status == CTL_USAGE);
    if (status == CTL_USAGE) {
        FUZZ_REQUIRE(memchr(error, '\0', sizeof error) != NULL && error[0] != '\0');
    } else if (line.command && line.command->method != W4_METHOD_COUNT) {
        make_params(&line);
    }
    free(text);
    return 0;
}

/* What libweb4 reads: lines of a node on a handle with hooks, members by their pointers, error
 * objects, and envelopes that are answered. Seen from outside, as its users see it. */
#include <errno.h>
#include <string.h>

#include "target.h"
#include "web4.h"

static int on_change(void *context, const web4_hook_call *call) {
    unsigned *calls = context;
    FUZZ_REQUIRE(strlen(call->session) == 32 && strlen(call->peer) == WEB4_FINGERPRINT_LEN);
    (*calls)++;
    return 0;
}

static void check_json(const char *json, size_t len) {
    static const char *const pointers[] = {"", "/envelope", "/data/code", "/a/0", "/"};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        char *text = NULL;
        size_t text_len = 0;
        int r = web4_json_get(json, len, pointers[i], &text, &text_len);
        FUZZ_REQUIRE((r == 0) == (text != NULL));
        FUZZ_REQUIRE(r != 0 || strlen(text) <= text_len);
        web4_free(text);
    }
}

static void check_event(const web4_event *event) {
    web4_error error;
    FUZZ_REQUIRE(strlen(event->json) == event->json_len); /* canonical: no NUL stands in it */
    FUZZ_REQUIRE(event->kind == WEB4_RESULT || event->kind == WEB4_ERROR ||
                 event->kind == WEB4_NOTIFICATION);
    web4_event_error(event, &error);
    FUZZ_REQUIRE(strlen(error.text) < sizeof error.text);
    check_json(event->json, event->json_len);
}

static void feed(const uint8_t *data, size_t size) {
    static const web4_hook hooks[] = {WEB4_HOOK_SESSION_OPEN, WEB4_HOOK_SESSION_CLOSE,
                                      WEB4_HOOK_HEARTBEAT_TIMEOUT};
    web4_agent *agent;
    web4_event event;
    uint64_t id;
    unsigned calls = 0;
    FUZZ_REQUIRE(web4_agent_new(&agent) == 0);
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        FUZZ_REQUIRE(web4_agent_hook_register(agent, hooks[i], on_change, &calls, &id) == 0);
    }
    FUZZ_REQUIRE(web4_agent_call(agent, "facts.list", NULL, &id) == 0);
    int r = web4_agent_read(agent, data, size / 2);
    if (r == 0) {
        r = web4_agent_read(agent, data + size / 2, size - size / 2);
    }
    unsigned events = 0;
    while (web4_agent_next(agent, &event) == 1) {
        check_event(&event);
        events++;
    }
    FUZZ_REQUIRE(calls <= events);
    web4_agent_free(agent);
}

/* Whatever is answered: the answer is an envelope of ours that verifies, or it is refused. */
static void answer(const char *text, size_t len) {
    static web4_identity *identity;
    web4_draft draft = {.type = "INTENT",
                        .timestamp_ms = 1767225600000,
                        .sender_id = "ada",
                        .payload = "{\"goal\":\"ask\",\"topic\":\"t\",\"priority\":\"low\"}",
                        .durable = len % 2 == 0,
                        .answers = text};
    char *built = NULL;
    size_t built_len = 0;
    web4_error error = {0};
    if (identity == NULL) {
        FUZZ_REQUIRE(web4_identity_generate(&identity) == 0);
    }
    int r = web4_envelope_build(&draft, identity, &built, &built_len, &error);
    FUZZ_REQUIRE(r == 0 || (r == WEB4_REFUSED && error.code[0] != 0));
    FUZZ_REQUIRE(r != 0 || strstr(built, "\"chain\":{") != NULL);
    web4_free(built);
    built = NULL;
    r = web4_handshake_answer(text, len, identity, "ada", 1767225600000, &built, &built_len,
                              &error);
    FUZZ_REQUIRE(r == 0 || r == -ENOMSG || r == WEB4_REFUSED);
    FUZZ_REQUIRE(r != 0 || web4_envelope_verify(built, built_len, NULL, NULL, &error) == 0);
    web4_free(built);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    feed(data, size);
    char *text = malloc(size + 1);
    FUZZ_REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    check_json(text, size);
    answer(text, size);
    free(text);
    return 0;
}

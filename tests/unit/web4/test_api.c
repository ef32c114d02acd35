/* What a program sees that has nothing but the shared library and its header. */
#include "runner.h"
#include "web4.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FACT_REF "123e4567-e89b-42d3-a456-426614174000"

static char folder[] = "/tmp/web4-api-XXXXXX";
static web4_identity *ada;
static web4_error error;

static const char *in_folder(const char *name) {
    static char path[80];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void setup(void) {
    ck_assert_int_eq(web4_identity_generate(&ada), 0);
}

static void teardown(void) {
    ada = web4_identity_free(ada);
    ck_assert_ptr_null(ada);
}

START_TEST(keeps_identities) {
    web4_identity *same = NULL;
    ck_assert_int_eq((int)strlen(web4_identity_fingerprint(ada)), WEB4_FINGERPRINT_LEN);
    ck_assert_int_eq((int)strlen(web4_identity_pubkey(ada)), 44);
    ck_assert_int_eq(web4_identity_save(ada, in_folder("ada.pem"), &error), 0);
    ck_assert_int_eq(web4_identity_save(ada, in_folder("ada.pem"), &error), WEB4_REFUSED);
    ck_assert_int_gt((int)strlen(error.text), 0);
    ck_assert_int_eq(web4_identity_load(in_folder("ada.pem"), &same, NULL), 0);
    ck_assert_str_eq(web4_identity_fingerprint(same), web4_identity_fingerprint(ada));
    ck_assert_str_eq(web4_identity_pubkey(same), web4_identity_pubkey(ada));
    ck_assert_ptr_null(web4_identity_free(same));
    ck_assert_ptr_null(web4_identity_free(NULL));
    same = NULL;
    ck_assert_int_eq(web4_identity_load(in_folder("none.pem"), &same, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.text, "No such file or directory");
    ck_assert_int_eq(chmod(in_folder("ada.pem"), 0644), 0);
    ck_assert_int_eq(web4_identity_load(in_folder("ada.pem"), &same, &error), WEB4_REFUSED);
    ck_assert_ptr_null(same);
    unlink(in_folder("ada.pem"));
}
END_TEST

START_TEST(canonicalises) {
    static const char json[] = "{ \"b\": 1.0, \"a\": [\"\\u00e9\"] }";
    char *text = NULL;
    size_t len = 0;
    ck_assert_int_eq(web4_canonicalise(json, strlen(json), &text, &len, &error), 0);
    ck_assert_str_eq(text, "{\"a\":[\"\xc3\xa9\"],\"b\":1}");
    ck_assert_uint_eq(len, strlen(text));
    web4_free(text);
    text = NULL;
    ck_assert_int_eq(web4_canonicalise("{]", 2, &text, &len, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "bad_json");
    ck_assert_int_eq(web4_canonicalise("[1,2]", 3, &text, &len, NULL), WEB4_REFUSED);
    ck_assert_ptr_null(text);
    web4_free(NULL);
}
END_TEST

static web4_draft confirmation(void) {
    return (web4_draft){.type = "FACT_CONFIRM",
                        .timestamp_ms = 1767225600000,
                        .sender_id = "ada",
                        .payload = "{\"fact_ref\":\"" FACT_REF
                                   "\",\"decision\":\"confirm\",\"confidence\":1.0}"};
}

START_TEST(builds_and_verifies) {
    web4_draft draft = confirmation();
    char *text = NULL, *again = NULL, *resigned = NULL;
    size_t len = 0, again_len = 0, resigned_len = 0;
    int r = web4_envelope_build(&draft, ada, &text, &len, &error);
    ck_assert_msg(r == 0, "%s %s %s", error.code, error.pointer, error.text);
    ck_assert_uint_eq(len, strlen(text));
    ck_assert_ptr_nonnull(strstr(text, "\"timestamp\":\"2026-01-01T00:00:00.000Z\""));
    ck_assert_ptr_nonnull(strstr(text, web4_identity_fingerprint(ada)));
    ck_assert_int_eq(web4_envelope_verify(text, len, &again, &again_len, &error), 0);
    ck_assert_str_eq(again, text);
    ck_assert_int_eq(web4_envelope_verify(text, len, NULL, NULL, NULL), 0);
    /* Signed again, what was changed in between is covered. */
    char *place = strstr(text, "\"confidence\":1");
    ck_assert_ptr_nonnull(place);
    place[strlen("\"confidence\":")] = '0';
    ck_assert_int_eq(web4_envelope_verify(text, len, &resigned, NULL, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "bad_signature");
    ck_assert_int_eq(web4_envelope_sign(text, len, ada, &resigned, &resigned_len, &error), 0);
    ck_assert_int_eq(web4_envelope_verify(resigned, resigned_len, NULL, NULL, &error), 0);
    web4_identity *ben = NULL;
    ck_assert_int_eq(web4_identity_generate(&ben), 0);
    char *stolen = NULL;
    ck_assert_int_eq(web4_envelope_sign(text, len, ben, &stolen, &len, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "bad_fingerprint");
    ck_assert_ptr_null(stolen);
    web4_identity_free(ben);
    web4_free(text);
    web4_free(again);
    web4_free(resigned);
}
END_TEST

#define OTHER_REF "123e4567-e89b-42d3-a456-426614174001"

/* Who signs himself writes the chain himself: from the envelope that he answers. */
START_TEST(answers_name_their_cause) {
    static const char *const skills[] = {"weather", "tides", NULL};
    web4_draft draft = confirmation();
    char *texts[3] = {NULL}, *value = NULL;
    size_t len = 0;
    draft.msg_id = OTHER_REF;
    for (size_t i = 0; i < 3; i++) {
        int r = web4_envelope_build(&draft, ada, &texts[i], &len, &error);
        ck_assert_msg(r == 0, "%s %s %s", error.code, error.pointer, error.text);
        draft.msg_id = NULL;
        draft.answers = texts[i];
        draft.capabilities = skills;
    }
    ck_assert_int_eq(web4_json_get(texts[0], strlen(texts[0]), "/chain", &value, &len), -ENOENT);
    ck_assert_int_eq(web4_json_get(texts[0], strlen(texts[0]), "/durable", &value, &len), -ENOENT);
    for (size_t i = 1; i < 3; i++) {
        char expected[512], one[80];
        snprintf(one, sizeof one, "\"%s\"", web4_identity_fingerprint(ada));
        snprintf(expected, sizeof expected,
                 "{\"ancestors\":[%s%s%s],\"budget\":%zu,\"depth\":%zu,\"root\":\"" OTHER_REF "\"}",
                 one, i == 2 ? "," : "", i == 2 ? one : "", 64 - i, i);
        ck_assert_int_eq(web4_json_get(texts[i], strlen(texts[i]), "/chain", &value, &len), 0);
        ck_assert_str_eq(value, expected);
        web4_free(value);
    }
    ck_assert_ptr_nonnull(strstr(texts[1], "\"capabilities\":[\"weather\",\"tides\"]"));
    char *spent = strstr(texts[1], "\"budget\":63");
    ck_assert_ptr_nonnull(spent);
    memcpy(spent, "\"budget\":0 ", strlen("\"budget\":63"));
    draft.answers = texts[1];
    char *none = NULL;
    ck_assert_int_eq(web4_envelope_build(&draft, ada, &none, &len, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "chain_budget");
    draft.answers = "{}";
    ck_assert_int_eq(web4_envelope_build(&draft, ada, &none, &len, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "bad_envelope");
    ck_assert_ptr_null(none);
    for (size_t i = 0; i < 3; i++) {
        web4_free(texts[i]);
    }
}
END_TEST

START_TEST(drafts_can_be_durable) {
    web4_draft draft = confirmation();
    char *text = NULL, *value = NULL;
    size_t len = 0;
    draft.durable = true;
    draft.receiver_id = "ben";
    draft.receiver_fingerprint = web4_identity_fingerprint(ada);
    ck_assert_int_eq(web4_envelope_build(&draft, ada, &text, &len, &error), 0);
    ck_assert_int_eq(web4_json_get(text, len, "/durable", &value, &len), 0);
    ck_assert_str_eq(value, "true");
    web4_free(value);
    web4_free(text);
}
END_TEST

/* ben greets ada, who answers; then he proves to be there, and she answers that. */
START_TEST(answers_handshakes) {
    static const char theirs[] = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    web4_identity *ben = NULL;
    char payload[512], *greeting = NULL, *answers[2] = {NULL}, *ours[2] = {NULL}, *value = NULL;
    size_t len = 0;
    ck_assert_int_eq(web4_identity_generate(&ben), 0);
    snprintf(payload, sizeof payload,
             "{\"protocols\":[\"cip/1.0\"],\"session_nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\","
             "\"challenge\":\"%s\"}",
             theirs);
    web4_draft draft = {.type = "HELLO",
                        .timestamp_ms = 1767225600000,
                        .sender_id = "ben",
                        .receiver_id = "ada",
                        .receiver_fingerprint = web4_identity_fingerprint(ada),
                        .payload = payload};
    ck_assert_int_eq(web4_envelope_build(&draft, ben, &greeting, &len, &error), 0);
    for (size_t i = 0; i < 2; i++) { /* each greeting of one challenge under the same of hers */
        ck_assert_int_eq(web4_handshake_answer(greeting, strlen(greeting), ada, "ada",
                                               1767225600001, &answers[i], &len, &error),
                         0);
        ck_assert_int_eq(web4_envelope_verify(answers[i], len, NULL, NULL, &error), 0);
        ck_assert_int_eq(
            web4_json_get(answers[i], len, "/payload/challenge_response", &value, &len), 0);
        ck_assert_str_eq(value, theirs);
        web4_free(value);
        ck_assert_int_eq(
            web4_json_get(answers[i], strlen(answers[i]), "/payload/challenge", &ours[i], &len), 0);
    }
    ck_assert_str_eq(ours[0], ours[1]);
    ck_assert_str_ne(ours[0], theirs);
    ck_assert_str_ne(answers[0], answers[1]); /* msg_id and nonce are new */
    ck_assert_ptr_nonnull(strstr(answers[0], web4_identity_fingerprint(ben)));
    /* An answer is not answered: neither hers, nor his state when it proves nothing. */
    char *none = NULL;
    ck_assert_int_eq(
        web4_handshake_answer(answers[0], strlen(answers[0]), ben, "ben", 1, &none, &len, &error),
        -ENOMSG);
    draft.type = "STATE_UPDATE";
    draft.payload = "{\"presence\":\"focused\",\"lri\":1}";
    web4_free(greeting);
    ck_assert_int_eq(web4_envelope_build(&draft, ben, &greeting, &len, &error), 0);
    ck_assert_int_eq(
        web4_handshake_answer(greeting, strlen(greeting), ada, "ada", 1, &none, &len, &error),
        -ENOMSG);
    snprintf(payload, sizeof payload,
             "{\"presence\":\"focused\",\"lri\":1,\"in_reply_to\":\"" FACT_REF
             "\",\"challenge_response\":\"%s\"}",
             ours[0]);
    draft.payload = payload;
    web4_free(greeting);
    ck_assert_int_eq(web4_envelope_build(&draft, ben, &greeting, &len, &error), 0);
    ck_assert_int_eq(web4_handshake_answer(greeting, strlen(greeting), ada, "ada", 1767225600001,
                                           &none, &len, &error),
                     0);
    ck_assert_ptr_nonnull(strstr(none, "\"type\":\"STATE_UPDATE\""));
    ck_assert_ptr_null(strstr(none, "challenge_response"));
    web4_free(none);
    none = NULL;
    ck_assert_int_eq(web4_handshake_answer("{}", 2, ada, "ada", 1, &none, &len, &error),
                     WEB4_REFUSED);
    ck_assert_ptr_null(none);
    for (size_t i = 0; i < 2; i++) {
        web4_free(answers[i]);
        web4_free(ours[i]);
    }
    web4_free(greeting);
    web4_identity_free(ben);
}
END_TEST

START_TEST(refuses_bad_drafts) {
    char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    web4_draft drafts[9];
    static const char *const codes[] = {
        "bad_envelope", "unknown_type", "bad_envelope", "bad_json",     "bad_envelope",
        "bad_envelope", "bad_envelope", "bad_envelope", "bad_envelope",
    };
    static const char *const pointers[] = {
        "/payload/confidence", "/type", "/receiver", "/payload", "/receiver", "/msg_id", "", "",
        "/sender/agent_id",
    };
    for (size_t i = 0; i < 9; i++) {
        drafts[i] = confirmation();
    }
    drafts[0].payload = "{\"fact_ref\":\"" FACT_REF "\",\"decision\":\"confirm\","
                        "\"confidence\":2}";
    drafts[1].type = "HCP_HELLO";
    drafts[2].receiver_id = "ben";
    drafts[3].payload = "{\"a\":}";
    drafts[4].receiver_id = long_name;
    drafts[4].receiver_fingerprint = web4_identity_fingerprint(ada);
    drafts[5].msg_id = "1";
    drafts[6].family = "dip";
    drafts[7].payload = NULL;
    drafts[8].sender_id = "a\nb";
    for (size_t i = 0; i < 9; i++) {
        char *text = NULL;
        size_t len;
        ck_assert_int_eq(web4_envelope_build(&drafts[i], ada, &text, &len, &error), WEB4_REFUSED);
        ck_assert_msg(strcmp(error.code, codes[i]) == 0, "%zu: %s %s %s", i, error.code,
                      error.pointer, error.text);
        ck_assert_msg(strcmp(error.pointer, pointers[i]) == 0, "%zu: %s", i, error.pointer);
        ck_assert_int_gt((int)strlen(error.text), 0);
        ck_assert_ptr_null(text);
    }
}
END_TEST

/* ---- the agent's handle, without I/O and with it */

START_TEST(moves_bytes_only) {
    static const char answer[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"agent.message\",\"params\":{\"a\":1}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"attached\":true}}\n";
    web4_agent *agent = NULL;
    web4_event event;
    uint64_t id = 0;
    size_t len = 0;
    ck_assert_int_eq(web4_agent_new(&agent), 0);
    ck_assert_int_eq(web4_agent_fd(agent), -1);
    ck_assert_int_eq(web4_agent_call(agent, "agent.attach", "{\n \"agent_id\": \"ada\" }", &id), 0);
    const char *out = web4_agent_output(agent, &len);
    static const char expected[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"agent.attach\","
                                   "\"params\":{\"agent_id\":\"ada\"}}\n";
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_mem_eq(out, expected, len);
    web4_agent_wrote(agent, len + 100);
    (void)web4_agent_output(agent, &len);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(web4_agent_next(agent, &event), 0);
    ck_assert_int_eq(web4_agent_read(agent, answer, strlen(answer)), 0);
    ck_assert_int_eq(web4_agent_next(agent, &event), 1);
    ck_assert_int_eq(event.kind, WEB4_NOTIFICATION);
    ck_assert_str_eq(event.name, "agent.message");
    ck_assert_str_eq(event.json, "{\"a\":1}");
    ck_assert_int_eq(web4_agent_next(agent, &event), 1);
    ck_assert_int_eq(event.kind, WEB4_RESULT);
    ck_assert_uint_eq(event.id, id);
    ck_assert_uint_eq(event.json_len, strlen(event.json));
    ck_assert_int_eq(web4_agent_call(agent, "a", "[]", &id), -EINVAL);
    ck_assert_int_eq(web4_agent_call(agent, "a", "{", &id), -EINVAL);
    ck_assert_int_eq(web4_agent_wait(agent, 1, &event), -ENOTCONN);
    ck_assert_int_eq(web4_agent_attach(agent, "ada", NULL, 1, &error), -ENOTCONN);
    ck_assert_int_eq(web4_agent_read(agent, "nonsense\n", 9), 0);
    ck_assert_int_eq(web4_agent_next(agent, &event), -EBADMSG);
    ck_assert_ptr_null(web4_agent_free(agent));
    ck_assert_ptr_null(web4_agent_free(NULL));
}
END_TEST

/* Answers the first two lines of the first client. */
static void *run_node(void *argument) {
    static const char refused[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no\\nroom\","
        "\"data\":{\"code\":\"backpressure\",\"pointer\":\"/agent_id\"}}}\n";
    static const char done[] = "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}\n"
                               "{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":{}}\n";
    int listener = *(int *)argument;
    int fd = accept(listener, NULL, NULL);
    const char *const answers[] = {refused, done};
    for (size_t i = 0; i < 2; i++) {
        char c = 0;
        while (c != '\n' && read(fd, &c, 1) == 1) {
        }
        if (write(fd, answers[i], strlen(answers[i])) < 0) {
            break;
        }
    }
    close(fd);
    return NULL;
}

START_TEST(talks_to_a_node) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    web4_agent *agent = NULL;
    web4_event event;
    pthread_t thread;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", in_folder("s"));
    ck_assert_int_eq(web4_agent_connect(address.sun_path, &agent), -ENOENT);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_node, &listener), 0);
    ck_assert_int_eq(web4_agent_connect(address.sun_path, &agent), 0);
    ck_assert_int_ge(web4_agent_fd(agent), 0);
    ck_assert_int_eq(web4_agent_attach(agent, "ada", NULL, 0, &error), WEB4_REFUSED);
    ck_assert_str_eq(error.code, "backpressure");
    ck_assert_str_eq(error.pointer, "/agent_id");
    ck_assert_str_eq(error.text, "no\\nroom");
    ck_assert_int_eq(web4_agent_attach(agent, "ada", web4_identity_pubkey(ada), 0, &error), 0);
    ck_assert_int_eq(web4_agent_wait(agent, 0, &event), 0);
    ck_assert_str_eq(event.name, "node.event");
    ck_assert_int_eq(web4_agent_call_wait(agent, "facts.list", NULL, 0, &event, &error),
                     -ECONNRESET);
    web4_agent_free(agent);
    pthread_join(thread, NULL);
    close(listener);
    unlink(address.sun_path);
}
END_TEST

/* ---- lifecycle hooks */

#define SESSION_1 "00112233445566778899aabbccddee01"
#define SESSION_2 "00112233445566778899aabbccddee02"
#define PEER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static web4_agent *hooked;
static char calls[256];
static uint64_t hook_ids[3];

static void tell(const char *name, const char *session, const char *reason, int reconnects) {
    char line[1024];
    web4_event event;
    snprintf(
        line, sizeof line,
        "{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":{\"data\":{\"reason\":\"%s\","
        "\"reconnects\":%d},\"event\":\"%s\",\"peer\":\"" PEER "\",\"session\":\"%s\","
        "\"transport\":\"tcp\"}}\n",
        reason, reconnects, name, session);
    ck_assert_int_eq(web4_agent_read(hooked, line, strlen(line)), 0);
    ck_assert_int_eq(web4_agent_next(hooked, &event), 1);
    ck_assert_str_eq(event.name, "node.event"); /* handed out all the same */
    ck_assert_ptr_nonnull(strstr(event.json, session));
}

static int on_change(void *context, const web4_hook_call *call) {
    size_t len = strlen(calls);
    ck_assert_str_eq(call->peer, PEER);
    ck_assert_str_eq(call->transport, "tcp");
    ck_assert_uint_eq(strlen(call->session), 32);
    snprintf(calls + len, sizeof calls - len, "%s%c%d%c %s %llu", len > 0 ? ", " : "",
             *(const char *)context, (int)call->hook, call->session[31], call->reason,
             (unsigned long long)call->reconnects);
    return -1; /* it fails, always: nobody minds */
}

static int once(void *context, const web4_hook_call *call) {
    (void)on_change(context, call);
    ck_assert_int_eq(web4_agent_hook_unregister(hooked, hook_ids[2]), 0);
    return 0;
}

static void calls_are(const char *expected) {
    ck_assert_str_eq(calls, expected);
    calls[0] = 0;
}

START_TEST(calls_hooks) {
    static char a = 'a', b = 'b', c = 'c';
    uint64_t id;
    calls[0] = 0;
    ck_assert_int_eq(web4_agent_new(&hooked), 0);
    ck_assert_int_eq(web4_agent_hook_unregister(hooked, 1), -ENOENT);
    web4_agent_hook_clear(hooked);
    tell("session_open", SESSION_1, "opened", 0);
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_OPEN, on_change, &a, &hook_ids[0]), 0);
    calls_are("a01 opened 0"); /* at once */
    tell("session_open", SESSION_1, "opened", 0);
    calls_are(""); /* told twice, is one */
    tell("session_open", SESSION_2, "resumed", 3);
    calls_are("a02 resumed 3");
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_CLOSE, on_change, &b, &hook_ids[1]), 0);
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_HEARTBEAT_TIMEOUT, on_change, &b, &id), 0);
    tell("heartbeat_timeout", SESSION_1, "silent", 0);
    tell("session_close", SESSION_1, "heartbeat_timeout", 0);
    tell("session_close", SESSION_1, "manual", 0); /* of one that is not open */
    tell("trust_updated", SESSION_2, "x", 0);
    calls_are("b21 silent 0, b11 heartbeat_timeout 0");
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_OPEN, once, &c, &hook_ids[2]), 0);
    calls_are("c02 resumed 3");
    ck_assert_int_eq(web4_agent_hook_unregister(hooked, hook_ids[2]), -ENOENT);
    ck_assert_int_eq(web4_agent_hook_unregister(hooked, hook_ids[0]), 0);
    tell("session_open", SESSION_1, "resumed", 1);
    calls_are("");
    web4_agent_hook_clear(hooked);
    tell("session_close", SESSION_1, "manual", 1);
    calls_are("");
    for (int i = 0; i < 64; i++) {
        ck_assert_int_eq(
            web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_CLOSE, on_change, &a, &id), 0);
    }
    ck_assert_int_eq(web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_CLOSE, on_change, &a, &id),
                     -ENOSPC);
    ck_assert_int_eq(web4_agent_hook_register(hooked, (web4_hook)3, on_change, &a, &id), -EINVAL);
    ck_assert_int_eq(web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_OPEN, NULL, &a, &id),
                     -EINVAL);
    ck_assert_int_eq(web4_agent_watch(hooked, 1, &error), -ENOTCONN);
    hooked = web4_agent_free(hooked);
}
END_TEST

static int count_call(void *context, const web4_hook_call *call) {
    (void)call;
    ++*(unsigned *)context;
    return 0;
}

/* A node that tells of more sessions than a node has: those are passed over, and the agent goes on
 * as before. */
START_TEST(counts_open_sessions) {
    enum { OPEN_MAX = 65536 };
    unsigned opened = 0, closed = 0;
    uint64_t id;
    ck_assert_int_eq(web4_agent_new(&hooked), 0);
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_OPEN, count_call, &opened, &id), 0);
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_CLOSE, count_call, &closed, &id), 0);
    for (unsigned i = 0; i < OPEN_MAX + 2; i++) {
        char line[512];
        web4_event event;
        int len = snprintf(line, sizeof line,
                           "{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":{\"data\":{"
                           "\"reason\":\"opened\",\"reconnects\":0},\"event\":\"session_open\","
                           "\"peer\":\"" PEER "\",\"session\":\"%032x\"}}\n",
                           i);
        ck_assert_int_eq(web4_agent_read(hooked, line, (size_t)len), 0);
        ck_assert_int_eq(web4_agent_next(hooked, &event), 1);
    }
    ck_assert_uint_eq(opened, OPEN_MAX);
    tell("session_close", "00000000000000000000000000010001", "manual", 0);
    ck_assert_uint_eq(closed, 0); /* nobody was told that it is open */
    tell("session_close", "00000000000000000000000000000007", "manual", 0);
    ck_assert_uint_eq(closed, 1);
    tell("session_open", "00000000000000000000000000010001", "opened", 0);
    ck_assert_uint_eq(opened, OPEN_MAX + 1);
    hooked = web4_agent_free(hooked);
}
END_TEST

/* What a node may say and no node of ours does: none of it calls anybody. */
START_TEST(passes_over_odd_events) {
    static char letter = 'a';
    static const char *const odd[] = {
        "{}",
        "[]",
        "7",
        "{\"event\":\"session_open\"}",
        "{\"data\":{\"reason\":\"opened\",\"reconnects\":0},\"event\":\"session_open\","
        "\"peer\":\"" PEER "\",\"session\":\"00\"}",
        "{\"data\":{\"reason\":\"opened\",\"reconnects\":-1},\"event\":\"session_open\","
        "\"peer\":\"" PEER "\",\"session\":\"" SESSION_1 "\"}",
        "{\"data\":{\"reason\":\"opened\",\"reconnects\":0},\"event\":\"session_open\","
        "\"peer\":\"x\",\"session\":\"" SESSION_1 "\"}",
        "{\"data\":{\"reason\":\"a reason that is much longer than reasons are\","
        "\"reconnects\":0},\"event\":\"session_open\",\"peer\":\"" PEER "\","
        "\"session\":\"" SESSION_1 "\"}",
    };
    uint64_t id;
    calls[0] = 0;
    ck_assert_int_eq(web4_agent_new(&hooked), 0);
    ck_assert_int_eq(
        web4_agent_hook_register(hooked, WEB4_HOOK_SESSION_OPEN, on_change, &letter, &id), 0);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char line[512];
        web4_event event;
        snprintf(line, sizeof line,
                 "{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":%s}\n", odd[i]);
        ck_assert_int_eq(web4_agent_read(hooked, line, strlen(line)), 0);
        int r = web4_agent_next(hooked, &event);
        ck_assert(r == 1 || r == -EBADMSG);
    }
    calls_are("");
    hooked = web4_agent_free(hooked);
}
END_TEST

START_TEST(keys_follow_and_are_revoked) {
    web4_identity *next = NULL;
    char *text = NULL, *value = NULL;
    size_t len = 0, value_len;
    ck_assert_int_eq(web4_identity_generate(&next), 0);
    ck_assert_int_eq(web4_identity_succeed(ada, next, 1767225600000, &text, &len), 0);
    ck_assert_uint_eq(strlen(text), len);
    const char *members[][2] = {{"/old", web4_identity_pubkey(ada)},
                                {"/new", web4_identity_pubkey(next)},
                                {"/kind", "agent"},
                                {"/made_at", "2026-01-01T00:00:00.000Z"}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        ck_assert_int_eq(web4_json_get(text, len, members[i][0], &value, &value_len), 0);
        ck_assert_str_eq(value, members[i][1]);
        web4_free(value);
    }
    web4_free(text);
    text = NULL;
    ck_assert_int_eq(web4_identity_succeed(ada, ada, 1, &text, &len), -EINVAL);
    ck_assert_int_eq(web4_identity_succeed(ada, next, UINT64_MAX, &text, &len), -EINVAL);
    ck_assert_ptr_null(text);
    for (int own = 0; own < 2; own++) {
        const web4_identity *of = own ? next : ada;
        ck_assert_int_eq(web4_identity_revoke(next, own ? NULL : web4_identity_fingerprint(ada),
                                              "lost", 1767225600000, &text, &len),
                         0);
        ck_assert_int_eq(web4_json_get(text, len, "/revoked", &value, &value_len), 0);
        ck_assert_str_eq(value, web4_identity_fingerprint(of));
        web4_free(value);
        web4_free(text);
        text = NULL;
    }
    ck_assert_int_eq(web4_identity_revoke(next, "abc", "lost", 1, &text, &len), -EINVAL);
    ck_assert_int_eq(web4_identity_revoke(next, NULL, "", 1, &text, &len), -EINVAL);
    ck_assert_ptr_null(text);
    web4_identity_free(next);
}
END_TEST

int main(void) {
    if (mkdtemp(folder) == NULL || web4_version()[0] == 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("web4/api");
    TCase *tcase = tcase_create("api");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, keeps_identities);
    tcase_add_test(tcase, canonicalises);
    tcase_add_test(tcase, builds_and_verifies);
    tcase_add_test(tcase, answers_name_their_cause);
    tcase_add_test(tcase, drafts_can_be_durable);
    tcase_add_test(tcase, answers_handshakes);
    tcase_add_test(tcase, refuses_bad_drafts);
    tcase_add_test(tcase, moves_bytes_only);
    tcase_add_test(tcase, talks_to_a_node);
    tcase_add_test(tcase, calls_hooks);
    tcase_add_test(tcase, passes_over_odd_events);
    tcase_add_test(tcase, counts_open_sessions);
    tcase_add_test(tcase, keys_follow_and_are_revoked);
    suite_add_tcase(suite, tcase);
    int result = w4_test_run(suite);
    rmdir(folder);
    return result;
}

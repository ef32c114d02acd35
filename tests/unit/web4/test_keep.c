/* Handles that are kept up, in a loop of the caller's and with the functions that wait; and the
 * calls that every agent makes. The node is a socket that this test answers for. */
#include "runner.h"
#include "web4.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PEER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SESSION "00112233445566778899aabbccddee01"

static char folder[] = "/tmp/web4-keep-XXXXXX";
static char path[64];
static int listener = -1, client = -1;
static web4_agent *agent;
static web4_event event;
static web4_error error;

/* ---- the node */

static void node_up(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
}

static void hang_up(void) {
    close(client);
    client = -1;
}

static void node_down(void) {
    hang_up();
    close(listener);
    listener = -1;
    unlink(path);
}

static void node_says(const char *line) {
    ck_assert_int_eq((int)write(client, line, strlen(line)), (int)strlen(line));
    ck_assert_int_eq((int)write(client, "\n", 1), 1);
}

static void node_answers(unsigned long long id, const char *result) {
    char line[512];
    snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"result\":%s}", id, result);
    node_says(line);
}

static void node_refuses(unsigned long long id, const char *code) {
    char line[512];
    snprintf(line, sizeof line,
             "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"error\":{\"code\":-32000,\"message\":\"so\","
             "\"data\":{\"code\":\"%s\",\"pointer\":\"/key\"}}}",
             id, code);
    node_says(line);
}

/* The next line of the client, and the id in it. */
static unsigned long long node_hears(char *line, size_t size) {
    size_t len = 0;
    char c = 0;
    while (c != '\n') {
        ck_assert_int_eq((int)read(client, &c, 1), 1);
        ck_assert_uint_lt(len + 1, size);
        line[len++] = c;
    }
    line[len - 1] = 0;
    const char *id = strstr(line, "\"id\":");
    ck_assert_ptr_nonnull(id);
    return strtoull(id + strlen("\"id\":"), NULL, 10);
}

/* ---- the loop of the caller */

/* Turns until there is an event. Each wait is for what the handle asks for. */
static void turn_until_event(void) {
    for (unsigned turns = 0; turns < 100000; turns++) {
        int r = web4_agent_next(agent, &event);
        ck_assert_int_ge(r, 0);
        if (r == 1) {
            return;
        }
        unsigned wants = web4_agent_wants(agent);
        struct pollfd wait = {.fd = web4_agent_fd(agent),
                              .events = (short)((wants & WEB4_WANTS_READ ? POLLIN : 0) |
                                                (wants & WEB4_WANTS_WRITE ? POLLOUT : 0))};
        ck_assert_int_ge(poll(&wait, 1, web4_agent_timeout(agent)), 0);
        ck_assert_int_eq(web4_agent_process(agent), 0);
    }
    ck_abort_msg("nothing happens");
}

/* Until the node has a client, or a line of it to read. */
static void turn_until_heard(int fd) {
    for (unsigned turns = 0; turns < 100000; turns++) {
        ck_assert_int_eq(web4_agent_process(agent), 0);
        struct pollfd heard = {.fd = fd, .events = POLLIN};
        if (poll(&heard, 1, 1) == 1) {
            return;
        }
    }
    ck_abort_msg("the node hears nothing");
}

static void node_accepts(void) {
    turn_until_heard(listener);
    client = accept(listener, NULL, NULL);
    ck_assert_int_ge(client, 0);
}

static void expect_event(web4_event_kind kind, const char *json) {
    turn_until_event();
    ck_assert_int_eq(event.kind, kind);
    ck_assert_msg(strstr(event.json, json) != NULL, "%s", event.json);
    ck_assert_uint_eq(event.json_len, strlen(event.json));
}

static void expect_away(const char *code) {
    turn_until_event();
    ck_assert_int_eq(event.kind, WEB4_DISCONNECTED);
    web4_event_error(&event, &error);
    ck_assert_str_eq(error.code, code);
    ck_assert_int_gt((int)strlen(error.text), 0);
    ck_assert_int_eq(web4_agent_fd(agent), -1);
    ck_assert_int_ge(web4_agent_timeout(agent), 0);
}

static void node_takes_agent(const char *expected) {
    char line[512];
    node_accepts();
    unsigned long long id = node_hears(line, sizeof line);
    ck_assert_msg(strstr(line, expected) != NULL, "%s", line);
    node_answers(id, "{\"agent_id\":\"ada\",\"waiting\":1}");
}

static void keep(const web4_keep *wanted) {
    ck_assert_int_eq(web4_agent_keep(wanted, &agent), 0);
    ck_assert_int_eq(web4_agent_fd(agent), -1);
    ck_assert_int_eq(web4_agent_timeout(agent), 0);
}

static void setup(void) {
    snprintf(path, sizeof path, "%s/s", folder);
}

static void teardown(void) {
    agent = web4_agent_free(agent);
    if (listener >= 0) {
        node_down();
    }
}

#define ATTACH                                                                                     \
    ("\"method\":\"agent.attach\",\"params\":{\"agent_id\":\"ada\",\"capabilities\":[\"x\"],"      \
     "\"key\":\"hosted\",\"subscribe\":[\"agent.message\"]}}")

START_TEST(comes_back) {
    const web4_keep wanted = {.path = path,
                              .agent_id = "ada",
                              .capabilities = "[ \"x\" ]",
                              .subscribe = "[\"agent.message\"]"};
    char line[512];
    uint64_t first, second, third;
    keep(&wanted);
    ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &first), -ENOTCONN);
    expect_away("disconnected"); /* there is no node */
    node_up();
    node_takes_agent(ATTACH);
    node_says("{\"jsonrpc\":\"2.0\",\"method\":\"agent.message\",\"params\":{\"n\":1}}");
    expect_event(WEB4_CONNECTED, "\"waiting\":1"); /* before what follows it */
    ck_assert_str_eq(event.name, "");
    expect_event(WEB4_NOTIFICATION, "\"n\":1");
    ck_assert_int_eq(web4_agent_timeout(agent), -1);
    ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &first), 0);
    ck_assert_uint_eq(web4_agent_wants(agent), WEB4_WANTS_READ | WEB4_WANTS_WRITE);
    ck_assert_int_eq(web4_agent_call(agent, "claims.list", NULL, &second), 0);
    turn_until_heard(client);
    ck_assert_uint_eq(node_hears(line, sizeof line), first);
    node_answers(first, "{\"facts\":[]}");
    /* It goes before the second answer, with half a line said. */
    ck_assert_int_eq((int)write(client, "{\"jsonrpc\"", 10), 10);
    hang_up();
    expect_event(WEB4_RESULT, "\"facts\":[]");
    ck_assert_uint_eq(event.id, first);
    expect_event(WEB4_ERROR, "disconnected");
    ck_assert_uint_eq(event.id, second);
    expect_away("disconnected");
    ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &third), -ENOTCONN);
    node_takes_agent(ATTACH);
    expect_event(WEB4_CONNECTED, "\"ada\"");
    ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &third), 0);
    ck_assert_uint_gt(third, second); /* no id is used twice */
    turn_until_heard(client);
    node_answers(node_hears(line, sizeof line), "{\"facts\":[7]}");
    expect_event(WEB4_RESULT, "[7]");
}
END_TEST

/* A node that says no is asked again; the program hears of it once, and why. */
START_TEST(is_refused) {
    const web4_keep wanted = {.path = path, .agent_id = "ada", .pubkey = "AAAA"};
    char line[512];
    node_up();
    keep(&wanted);
    for (unsigned i = 0; i < 2; i++) {
        node_accepts();
        unsigned long long id = node_hears(line, sizeof line);
        ck_assert_ptr_nonnull(strstr(line, "\"key\":\"AAAA\""));
        node_refuses(id, "unauthorized");
        if (i == 0) {
            expect_away("unauthorized");
            ck_assert_str_eq(error.pointer, "");
            ck_assert_str_eq(error.text, "so");
        }
        struct pollfd gone = {.fd = client, .events = POLLIN};
        for (unsigned n = 0; poll(&gone, 1, 1) == 0 && n < 100000; n++) {
            ck_assert_int_eq(web4_agent_process(agent), 0);
        }
        ck_assert_int_eq((int)read(client, line, 1), 0); /* it has hung up */
        hang_up();
    }
    node_accepts();
    (void)node_hears(line, sizeof line);
    node_refuses(0, "unauthorized"); /* an id that it did not give */
    expect_away("bad_json");
    hang_up();
    node_accepts();
    (void)node_hears(line, sizeof line);
    node_says("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"out\","
              "\"data\":{\"code\":\"backpressure\"}}}");
    expect_away("backpressure");
}
END_TEST

/* What is no message ends a connection, not the handle; what came before it counts. */
START_TEST(outlives_nonsense) {
    static const char *const nonsense[] = {
        "nonsense",
        "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{}}",
        "{\"jsonrpc\":\"1.0\",\"method\":\"node.event\"}",
        "[]",
        "",
    };
    const web4_keep wanted = {.path = path, .agent_id = "ada"};
    uint64_t id;
    char line[512];
    node_up();
    keep(&wanted);
    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++) {
        node_takes_agent("agent.attach");
        expect_event(WEB4_CONNECTED, "ada");
        ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &id), 0);
        turn_until_heard(client);
        (void)node_hears(line, sizeof line);
        node_says("{\"jsonrpc\":\"2.0\",\"method\":\"claim.updated\",\"params\":{}}");
        node_says(nonsense[i]);
        node_says("{\"jsonrpc\":\"2.0\",\"method\":\"fact.updated\",\"params\":{}}");
        expect_event(WEB4_NOTIFICATION, "{}");
        ck_assert_str_eq(event.name, "claim.updated");
        turn_until_event();
        if (event.kind == WEB4_NOTIFICATION) { /* a whole message, though nobody asked for it */
            turn_until_event();
        }
        ck_assert_int_eq(event.kind, WEB4_ERROR);
        ck_assert_uint_eq(event.id, id);
        expect_away("bad_json");
        hang_up();
    }
    /* The names of the handle's own events are no names of a node's. */
    node_takes_agent("agent.attach");
    expect_event(WEB4_CONNECTED, "ada");
    node_says("{\"jsonrpc\":\"2.0\",\"method\":\"web4.disconnected\",\"params\":{}}");
    expect_event(WEB4_NOTIFICATION, "{}");
    ck_assert_str_eq(event.name, "web4.disconnected");
}
END_TEST

/* A node that sends more than the program takes out is not read; nothing is lost. */
START_TEST(is_bounded) {
    const web4_keep wanted = {.path = path, .agent_id = "ada"};
    static char block[512 * 1024];
    node_up();
    keep(&wanted);
    node_takes_agent("agent.attach");
    expect_event(WEB4_CONNECTED, "ada");
    ck_assert_int_eq(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    static const char head[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":{\"a\":\"";
    memset(block, 'x', sizeof block);
    memcpy(block, head, strlen(head));
    memcpy(block + sizeof block - 4, "\"}}\n", 4);
    size_t at = 0;
    unsigned sent = 0, taken = 0;
    int r = 0;
    for (unsigned turns = 0; turns < 1000000 && r != -ENOBUFS; turns++) {
        ssize_t n = write(client, block + at, sizeof block - at);
        at += n > 0 ? (size_t)n : 0;
        sent += at == sizeof block ? 1 : 0;
        at = at == sizeof block ? 0 : at;
        r = web4_agent_process(agent);
        ck_assert(r == 0 || r == -ENOBUFS);
    }
    ck_assert_int_eq(r, -ENOBUFS);
    ck_assert_uint_eq(web4_agent_wants(agent), 0);
    ck_assert_uint_le(sent, 20);
    uint64_t id;
    ck_assert_int_eq(web4_agent_call_wait(agent, "facts.list", NULL, 1000, &event, &error),
                     -ENOBUFS);
    ck_assert_int_eq(web4_agent_call(agent, "facts.list", NULL, &id), 0);
    hang_up();
    for (;;) {
        turn_until_event();
        if (event.kind != WEB4_NOTIFICATION) {
            break;
        }
        taken++;
    }
    ck_assert_uint_eq(taken, sent);
    ck_assert_int_eq(event.kind, WEB4_ERROR);
}
END_TEST

static int closed_count;

static int on_close(void *context, const web4_hook_call *call) {
    (void)context;
    ck_assert_str_eq(call->reason, "disconnected");
    ck_assert_str_eq(call->session, SESSION);
    closed_count++;
    return 0;
}

START_TEST(hooks_hear_of_the_end) {
    const web4_keep wanted = {.path = path, .agent_id = "ada", .watch = true};
    uint64_t id;
    char line[512];
    closed_count = 0;
    node_up();
    keep(&wanted);
    ck_assert_int_eq(web4_agent_hook_register(agent, WEB4_HOOK_SESSION_CLOSE, on_close, NULL, &id),
                     0);
    for (int i = 1; i <= 2; i++) {
        node_takes_agent("agent.attach");
        expect_event(WEB4_CONNECTED, "ada");
        turn_until_heard(client);
        unsigned long long watch = node_hears(line, sizeof line);
        ck_assert_ptr_nonnull(strstr(line, "\"events.watch\",\"params\":{\"open\":true"));
        node_answers(watch, "{\"seq\":1,\"replayed\":1}"); /* nobody is told of this answer */
        node_says("{\"jsonrpc\":\"2.0\",\"method\":\"node.event\",\"params\":{\"data\":{\"reason\":"
                  "\"opened\",\"reconnects\":0},\"event\":\"session_open\",\"peer\":\"" PEER "\","
                  "\"session\":\"" SESSION "\",\"transport\":\"tcp\"}}");
        expect_event(WEB4_NOTIFICATION, SESSION);
        ck_assert_int_eq(closed_count, i - 1);
        hang_up();
        expect_away("disconnected");
        ck_assert_int_eq(closed_count, i);
    }
    node_takes_agent("agent.attach");
    expect_event(WEB4_CONNECTED, "ada");
    turn_until_heard(client);
    node_refuses(node_hears(line, sizeof line), "internal");
    expect_away("unauthorized");
}
END_TEST

/* ---- with the functions that wait */

static void *play_node(void *argument) {
    char line[1024];
    (void)argument;
    client = accept(listener, NULL, NULL);
    node_answers(node_hears(line, sizeof line), "{\"agent_id\":\"ada\"}");
    (void)node_hears(line, sizeof line);
    hang_up(); /* in the middle of a call */
    client = accept(listener, NULL, NULL);
    node_answers(node_hears(line, sizeof line), "{\"agent_id\":\"ada\"}");
    unsigned long long id = node_hears(line, sizeof line);
    node_says("{\"jsonrpc\":\"2.0\",\"method\":\"agent.message\",\"params\":{}}");
    node_answers(id, "{\"facts\":[1]}");
    (void)node_hears(line, sizeof line);
    return NULL;
}

START_TEST(waits_and_comes_back) {
    const web4_keep wanted = {.path = path, .agent_id = "ada"};
    pthread_t thread;
    keep(&wanted);
    ck_assert_int_eq(web4_agent_call_wait(agent, "facts.list", NULL, 30, &event, &error),
                     -ETIMEDOUT);
    ck_assert_int_eq(web4_agent_wait(agent, 1000, &event), 0);
    ck_assert_int_eq(event.kind, WEB4_DISCONNECTED);
    ck_assert_int_eq(web4_agent_wait(agent, 30, &event), -ETIMEDOUT);
    node_up();
    ck_assert_int_eq(pthread_create(&thread, NULL, play_node, NULL), 0);
    ck_assert_int_eq(web4_agent_call_wait(agent, "facts.list", NULL, 0, &event, &error),
                     WEB4_REFUSED);
    ck_assert_str_eq(error.code, "disconnected");
    ck_assert_int_eq(web4_agent_call_wait(agent, "facts.list", NULL, 0, &event, &error), 0);
    ck_assert_str_eq(event.json, "{\"facts\":[1]}");
    static const web4_event_kind kinds[] = {WEB4_CONNECTED, WEB4_DISCONNECTED, WEB4_CONNECTED,
                                            WEB4_NOTIFICATION};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        ck_assert_int_eq(web4_agent_wait(agent, 0, &event), 0);
        ck_assert_int_eq(event.kind, kinds[i]);
    }
    uint64_t id;
    ck_assert_int_eq(web4_agent_reply_wait(agent, 0, 10, &event, &error), -EINVAL);
    ck_assert_int_eq(web4_agent_ack(agent, "x", &id), 0);
    ck_assert_int_eq(web4_agent_reply_wait(agent, id, 20, &event, &error), -ETIMEDOUT);
    pthread_join(thread, NULL);
}
END_TEST

/* ---- calls of every agent, and what comes back */

static void expect_call(uint64_t id, const char *expected) {
    char line[1024];
    size_t len = 0;
    const char *out = web4_agent_output(agent, &len);
    int head = snprintf(line, sizeof line, "{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"",
                        (unsigned long long)id);
    ck_assert_mem_eq(out, line, (size_t)head);
    snprintf(line, sizeof line, "%.*s", (int)len - head, out + head);
    ck_assert_str_eq(line, expected);
    web4_agent_wrote(agent, len);
}

START_TEST(writes_calls) {
    uint64_t id;
    ck_assert_int_eq(web4_agent_new(&agent), 0);
    web4_message message = {.type = "INTENT", .to = "ben"};
    ck_assert_int_eq(web4_agent_send(agent, &message, &id), 0);
    expect_call(id,
                "agent.send\",\"params\":{\"payload\":{},\"to\":\"ben\",\"type\":\"INTENT\"}}\n");
    message = (web4_message){.protocol = "hcp",
                             .type = "HCP_INTENT",
                             .to = "*",
                             .payload = "{ \"a\": 1.0 }",
                             .state = "{\"b\":2}",
                             .source = "{\"c\":3}",
                             .channel = "state",
                             .caused_by = "m",
                             .durable = true,
                             .deadline_ms = 5};
    ck_assert_int_eq(web4_agent_send(agent, &message, &id), 0);
    expect_call(id, "agent.send\",\"params\":{\"caused_by\":\"m\",\"channel\":\"state\","
                    "\"deadline_ms\":5,\"durable\":true,\"payload\":{\"a\":1},\"protocol\":\"hcp\","
                    "\"source\":{\"c\":3},\"state\":{\"b\":2},\"to\":\"*\",\"type\":\"HCP_INTENT\""
                    "}}\n");
    message.payload = "[]";
    ck_assert_int_eq(web4_agent_send(agent, &message, &id), -EINVAL);
    message.payload = "{";
    ck_assert_int_eq(web4_agent_send(agent, &message, &id), -EINVAL);
    message.to = NULL;
    ck_assert_int_eq(web4_agent_send(agent, &message, &id), -EINVAL);
    ck_assert_int_eq(web4_agent_submit(agent, "{ }", 3, &id), 0);
    expect_call(id, "agent.submit\",\"params\":{\"envelope\":{}}}\n");
    ck_assert_int_eq(web4_agent_submit(agent, "}", 1, &id), -EINVAL);
    ck_assert_int_eq(web4_agent_ack(agent, "u", &id), 0);
    expect_call(id, "agent.ack\",\"params\":{\"msg_id\":\"u\"}}\n");
    ck_assert_int_eq(web4_agent_process(agent), -ENOTCONN);
    ck_assert_uint_eq(web4_agent_wants(agent), 0);
    ck_assert_int_eq(web4_agent_timeout(agent), -1);
}
END_TEST

START_TEST(reads_members) {
    static const char json[] = "{\"a\":{\"b\":[1.0,\"x\\u0041\"]},\"c/d\":null}";
    static const struct {
        const char *pointer, *text;
    } rows[] = {
        {"/a/b/0", "1"},
        {"/a/b/1", "xA"},
        {"/c~1d", "null"},
        {"/a", "{\"b\":[1,\"xA\"]}"},
        {"", "{\"a\":{\"b\":[1,\"xA\"]},\"c/d\":null}"},
    };
    char *text = NULL;
    size_t len;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(web4_json_get(json, strlen(json), rows[i].pointer, &text, &len), 0);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_uint_eq(len, strlen(text));
        web4_free(text);
        text = NULL;
    }
    ck_assert_int_eq(web4_json_get(json, strlen(json), "/z", &text, &len), -ENOENT);
    ck_assert_int_eq(web4_json_get(json, strlen(json), "a", &text, &len), -ENOENT);
    ck_assert_int_eq(web4_json_get("{", 1, "", &text, &len), -EINVAL);
    ck_assert_ptr_null(text);
    const web4_event odd = {.kind = WEB4_ERROR, .json = "", .json_len = 0};
    web4_event_error(&odd, &error);
    ck_assert_str_eq(error.code, "");
    static const char said[] = "{\"code\":-32602,\"data\":{\"pointer\":\"/to\"},\"message\":\"m\"}";
    const web4_event wrong = {.kind = WEB4_ERROR, .json = said, .json_len = strlen(said)};
    web4_event_error(&wrong, &error);
    ck_assert_str_eq(error.code, "");
    ck_assert_str_eq(error.pointer, "/to");
    ck_assert_str_eq(error.text, "m");
}
END_TEST

START_TEST(refuses_what_cannot_be_kept) {
    const web4_keep bad[] = {
        {.path = path},
        {.agent_id = "ada"},
        {.path = "", .agent_id = "ada"},
        {.path = path, .agent_id = ""},
        {.path = path, .agent_id = "ada", .capabilities = "{}"},
        {.path = path, .agent_id = "ada", .subscribe = "["},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(web4_agent_keep(&bad[i], &agent), -EINVAL);
        ck_assert_ptr_null(agent);
    }
}
END_TEST

int main(void) {
    if (mkdtemp(folder) == NULL) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("web4/keep");
    TCase *tcase = tcase_create("keep");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, comes_back);
    tcase_add_test(tcase, is_refused);
    tcase_add_test(tcase, outlives_nonsense);
    tcase_add_test(tcase, is_bounded);
    tcase_add_test(tcase, hooks_hear_of_the_end);
    tcase_add_test(tcase, waits_and_comes_back);
    tcase_add_test(tcase, writes_calls);
    tcase_add_test(tcase, reads_members);
    tcase_add_test(tcase, refuses_what_cannot_be_kept);
    suite_add_tcase(suite, tcase);
    int result = w4_test_run(suite);
    rmdir(folder);
    return result;
}

#include "rpc/client.h"
#include "runner.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static w4_rpc_client *client;

static void setup(void) {
    ck_assert_int_eq(w4_rpc_client_new(&client), 0);
}

static void teardown(void) {
    client = w4_rpc_client_free(client);
    ck_assert_ptr_null(client);
}

static int feed(const char *text) {
    return w4_rpc_client_recv(client, w4_bytes_from_text(text));
}

static uint64_t call(void) {
    uint64_t id;
    ck_assert_int_eq(w4_rpc_client_call(client, "status.get", (w4_bytes){0}, &id), 0);
    return id;
}

START_TEST(matches_replies) {
    w4_rpc_client_event event;
    uint64_t first = call();
    uint64_t second = call();
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 2);
    w4_bytes out = w4_rpc_client_output(client);
    static const char expected[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status.get\"}\n"
                                   "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"status.get\"}\n";
    ck_assert(w4_bytes_equal_text(out, expected));
    w4_rpc_client_wrote(client, 10);
    ck_assert(w4_bytes_equal_text(w4_rpc_client_output(client), expected + 10));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 0);

    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"a\":5}}\n{\"jsonrpc\":"), 0);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert_int_eq(event.kind, W4_RPC_RESULT);
    ck_assert_uint_eq(event.id, 2);
    ck_assert(w4_bytes_equal_text(w4_json_text(event.value), "{\"a\":5}"));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 0);
    ck_assert_int_eq(feed("\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no\"}}\n"), 0);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert_int_eq(event.kind, W4_RPC_ERROR);
    ck_assert_uint_eq(event.id, 1);
    ck_assert(w4_json_string_equal(w4_json_get(event.value, "message"), "no"));
}
END_TEST

START_TEST(takes_one_byte_at_a_time) {
    static const char text[] = "{\"jsonrpc\":\"2.0\",\"method\":\"node\\u002eevent\","
                               "\"params\":{\"v\":1}}\n";
    w4_rpc_client_event event;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        ck_assert_int_eq(w4_rpc_client_pop(client, &event), 0);
        ck_assert_int_eq(w4_rpc_client_recv(client, w4_bytes_of(text + i, 1)), 0);
    }
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert_int_eq(event.kind, W4_RPC_NOTIFICATION);
    ck_assert(w4_bytes_equal_text(event.method, "node.event"));
}
END_TEST

START_TEST(finds_a_reply_behind_notifications) {
    w4_rpc_client_event event;
    uint64_t id = call();
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{}}\n"), 0);
    ck_assert_int_eq(w4_rpc_client_pop_reply(client, id, &event), 0);
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"method\":\"b\",\"params\":{}}\n"
                          "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}\n"),
                     0);
    ck_assert_int_eq(w4_rpc_client_pop_reply(client, id, &event), 1);
    ck_assert(w4_json_is_true(event.value));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(w4_bytes_equal_text(event.method, "a"));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(w4_bytes_equal_text(event.method, "b"));
    /* What the node could not read it answers with null: that ends the call. */
    id = call();
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"
                          "\"message\":\"not JSON\"}}\n"),
                     0);
    ck_assert_int_eq(w4_rpc_client_pop_reply(client, id, &event), 1);
    ck_assert_int_eq(event.kind, W4_RPC_ERROR);
}
END_TEST

/* The connection ends: what came counts, what was asked and not answered is over, and it goes on.
 */
START_TEST(outlives_a_connection) {
    w4_rpc_client_event event;
    w4_rpc_kind kind;
    uint64_t first = call(), second = call(), third = call(), silent = call();
    ck_assert_int_eq(w4_rpc_client_turn(client, first, "up", &kind), 0);
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}\n"
                          "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":3}\n"
                          "{\"jsonrpc\":\"2.0\",\"id\":4,\"result\":4}\n"
                          "garbage\n"
                          "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":2}\n{\"json"),
                     0);
    ck_assert_int_eq(w4_rpc_client_turn(client, first, "up", &kind), 1);
    ck_assert_int_eq(kind, W4_RPC_RESULT);
    ck_assert_int_eq(w4_rpc_client_end(client, W4_REFUSAL_DISCONNECTED, "gone", silent), 0);
    ck_assert_uint_eq(w4_rpc_client_output(client).len, 0);
    ck_assert_int_eq(w4_rpc_client_tell(client, "down", w4_bytes_from_text("{}")), 0);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(event.own && w4_bytes_equal_text(event.method, "up"));
    ck_assert(w4_bytes_equal_text(w4_json_text(event.value), "{\"a\":1}"));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(!event.own && event.id == third && event.kind == W4_RPC_RESULT);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1); /* what followed the garbage is none */
    ck_assert(event.own && event.id == second && event.kind == W4_RPC_ERROR);
    ck_assert(w4_json_string_equal(w4_json_get(w4_json_get(event.value, "data"), "code"),
                                   "disconnected"));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(event.own && w4_bytes_equal_text(event.method, "down"));
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 0);
    ck_assert_uint_eq(call(), 5);
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"id\":5,\"error\":{\"code\":-32000,"
                          "\"message\":\"no\"}}\n"),
                     0);
    ck_assert_int_eq(w4_rpc_client_turn(client, 5, "up", &kind), 1);
    ck_assert_int_eq(kind, W4_RPC_ERROR);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert(!event.own && event.kind == W4_RPC_ERROR && event.id == 5);
    ck_assert(w4_rpc_client_has_room(client));
}
END_TEST

START_TEST(refuses_what_no_node_sends) {
    static const char *const bad[] = {
        "\n",
        "garbage\n",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\"}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":1}\n", /* no such call */
        "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":1}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":-1,\"result\":1}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":1}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":1}\n",
        "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[]}\n",
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}]\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        w4_rpc_client_event event;
        call();
        ck_assert_int_eq(feed(bad[i]), 0);
        ck_assert_msg(w4_rpc_client_pop(client, &event) == -EBADMSG, "%s", bad[i]);
        teardown();
        setup();
    }
    /* An answer comes once. */
    w4_rpc_client_event event;
    call();
    ck_assert_int_eq(feed("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}\n"
                          "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1}\n"),
                     0);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), 1);
    ck_assert_int_eq(w4_rpc_client_pop(client, &event), -EBADMSG);
}
END_TEST

START_TEST(is_bounded) {
    uint64_t id;
    for (unsigned i = 0; i < W4_RPC_CLIENT_PENDING_MAX; i++) {
        call();
    }
    ck_assert_int_eq(w4_rpc_client_call(client, "a", (w4_bytes){0}, &id), -EAGAIN);

    static uint8_t block[65536];
    memset(block, ' ', sizeof block);
    int r = 0;
    for (size_t sent = 0; sent <= W4_RPC_LINE_MAX && r == 0; sent += sizeof block) {
        r = w4_rpc_client_recv(client, w4_bytes_of(block, sizeof block));
    }
    ck_assert_int_eq(r, -EBADMSG); /* no newline in sight */
    teardown();
    setup();
    block[sizeof block - 1] = '\n';
    r = 0;
    for (size_t sent = 0; sent <= W4_RPC_CLIENT_INPUT_MAX + sizeof block * 32 && r == 0;
         sent += sizeof block) {
        r = w4_rpc_client_recv(client, w4_bytes_of(block, sizeof block));
    }
    ck_assert_int_eq(r, -ENOBUFS); /* nobody pops */
}
END_TEST

/* ---- the blocking help, against a peer in another thread */

struct peer {
    int fd;
    const char *answer; /* sent when a whole line has come; NULL: closes instead */
};

static void *run_peer(void *argument) {
    struct peer *peer = argument;
    char line[4096];
    size_t len = 0;
    while (len < sizeof line && memchr(line, '\n', len) == NULL) {
        ssize_t n = read(peer->fd, line + len, sizeof line - len);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    if (peer->answer != NULL) {
        size_t left = strlen(peer->answer);
        const char *at = peer->answer;
        while (left > 0) {
            size_t part = left > 7 ? 7 : left; /* in many pieces */
            ssize_t n = write(peer->fd, at, part);
            if (n <= 0) {
                break;
            }
            at += n;
            left -= (size_t)n;
        }
    }
    close(peer->fd);
    return NULL;
}

static int converse(const char *answer, unsigned timeout_ms, w4_rpc_client_event *ret_event,
                    w4_rpc_client_event *ret_next) {
    int fds[2];
    pthread_t thread;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    struct peer peer = {fds[1], answer};
    ck_assert_int_eq(pthread_create(&thread, NULL, run_peer, &peer), 0);
    int r =
        w4_rpc_client_call_wait(client, fds[0], "status.get", (w4_bytes){0}, timeout_ms, ret_event);
    if (r == 0 && ret_next != NULL) {
        r = w4_rpc_client_wait(client, fds[0], timeout_ms, ret_next);
    }
    pthread_join(thread, NULL);
    close(fds[0]);
    return r;
}

START_TEST(waits_for_a_reply) {
    w4_rpc_client_event event, next;
    ck_assert_int_eq(converse("{\"jsonrpc\":\"2.0\",\"method\":\"n\",\"params\":{}}\n"
                              "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[]}\n",
                              0, &event, &next),
                     0);
    ck_assert_int_eq(next.kind, W4_RPC_NOTIFICATION);
    ck_assert_int_eq(converse(NULL, 0, &event, NULL), -ECONNRESET);
    ck_assert_int_eq(converse("{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":[]}\n", 0, &event, NULL),
                     -ECONNRESET); /* not ours, and then the end */
    teardown();
    setup();
    ck_assert_int_eq(converse("TLS?\n", 0, &event, NULL), -EBADMSG);
}
END_TEST

START_TEST(gives_up_in_time) {
    int fds[2];
    w4_rpc_client_event event;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    ck_assert_int_eq(
        w4_rpc_client_call_wait(client, fds[0], "status.get", (w4_bytes){0}, 20, &event),
        -ETIMEDOUT);
    ck_assert_int_eq(w4_rpc_client_wait(client, fds[0], 20, &event), -ETIMEDOUT);
    close(fds[0]);
    close(fds[1]);
    ck_assert_int_eq(w4_rpc_client_wait(client, fds[0], 20, &event), -EIO);
}
END_TEST

START_TEST(says_why_it_cannot_connect) {
    char path[200];
    int error = 0;
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    ck_assert_int_eq(w4_rpc_connect(path, &error), -1);
    ck_assert_int_eq(error, ENAMETOOLONG);
    path[sizeof(((struct sockaddr_un *)0)->sun_path)] = 0; /* one too many for its NUL */
    ck_assert_int_eq(w4_rpc_connect(path, &error), -1);
    ck_assert_int_eq(error, ENAMETOOLONG);
    ck_assert_int_eq(w4_rpc_connect("/nonexistent/web4.sock", &error), -1);
    ck_assert_int_eq(error, ENOENT);
    ck_assert_int_eq(w4_rpc_connect("", &error), -1);
    ck_assert_int_eq(error, ENOENT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rpc/client");
    TCase *tcase = tcase_create("client");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, matches_replies);
    tcase_add_test(tcase, takes_one_byte_at_a_time);
    tcase_add_test(tcase, finds_a_reply_behind_notifications);
    tcase_add_test(tcase, outlives_a_connection);
    tcase_add_test(tcase, refuses_what_no_node_sends);
    tcase_add_test(tcase, is_bounded);
    tcase_add_test(tcase, waits_for_a_reply);
    tcase_add_test(tcase, gives_up_in_time);
    tcase_add_test(tcase, says_why_it_cannot_connect);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* What a turn writes, in which order, and what while its disk is slow: two daemons in one process
 * over a unix socket, whose calls of send(2) are watched, and whose fdatasync(2) may be held up. */
#include "runner.h"

#include "crypto/primitives.h"
#include "web4d/app.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_S 60
#define WRITES_MAX 64u
#define QUIET ",\"session\":{\"heartbeat_ms\":60000,\"timeout_ms\":180000}"

/* ---- what is written */

typedef enum wrote_to {
    TO_OTHERS,
    TO_NEIGHBOUR, /* from the one that listens */
    TO_LISTENER,
    TO_CLIENTS, /* of the one that listens */
} wrote_to;

static struct {
    wrote_to to;
    bool message; /* a notification that an agent is given one */
    bool answer;  /* of a call */
} writes[WRITES_MAX];
static unsigned write_count;
static char mesh_path[128], client_path[160];

static bool is_at(int (*name_of)(int, struct sockaddr *, socklen_t *), int fd, const char *path) {
    struct sockaddr_un name = {0};
    socklen_t len = sizeof name;
    return name_of(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_family == AF_UNIX &&
           strcmp(name.sun_path, path) == 0;
}

static int own_name(int fd, struct sockaddr *name, socklen_t *len) {
    return getsockname(fd, name, len);
}

static int peer_name(int fd, struct sockaddr *name, socklen_t *len) {
    return getpeername(fd, name, len);
}

/* In the place of the one of the C library. */
ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    ssize_t put = sendto(fd, bytes, len, flags, NULL, 0);
    if (bytes != NULL && put > 0 && write_count < WRITES_MAX) {
        size_t n = (size_t)put;
        writes[write_count].to = is_at(own_name, fd, mesh_path)     ? TO_NEIGHBOUR
                                 : is_at(peer_name, fd, mesh_path)  ? TO_LISTENER
                                 : is_at(own_name, fd, client_path) ? TO_CLIENTS
                                                                    : TO_OTHERS;
        writes[write_count].message = memmem(bytes, n, "\"agent.message\"", 15) != NULL;
        writes[write_count].answer = memmem(bytes, n, "\"result\":", 9) != NULL;
        write_count++;
    }
    return put;
}

/* ---- the disk */

static atomic_bool is_slow;
static atomic_uint syncs_waiting;

__attribute__((visibility("default"))) int fdatasync(int fd) {
    (void)fd; /* nothing here outlives the test */
    atomic_fetch_add(&syncs_waiting, 1);
    while (atomic_load(&is_slow)) {
        (void)poll(NULL, 0, 1);
    }
    atomic_fetch_sub(&syncs_waiting, 1);
    return 0;
}

/* Of keys: the loop's. */
static unsigned key_syncs, key_sync_ms;

__attribute__((visibility("default"))) int fsync(int fd) {
    (void)fd;
    if (gettid() == getpid()) {
        key_syncs++;
        (void)poll(NULL, 0, (int)key_sync_ms);
    }
    return 0;
}

/* Where the first such write is; write_count: there was none. */
static unsigned first_write(wrote_to to, bool message) {
    unsigned i = 0;
    while (i < write_count && (writes[i].to != to || (message && !writes[i].message))) {
        i++;
    }
    return i;
}

/* ---- two daemons, an agent and an operator of each */

typedef struct voice {
    int fd;
    unsigned calls;
    size_t len;
    char text[256u * 1024u]; /* what it was told since its last call */
} voice;

typedef struct host {
    w4d_app app;
    char folder[96];
    voice agent, operator;
    char fingerprint[W4_FINGERPRINT_TEXT_LEN + 1]; /* of its agent */
} host;

static host ada, ben; /* ben listens */
static char scratch[64];

static void write_config(const host *h, const char *name, const char *more) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/web4d.json", h->folder);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(fprintf(file,
                             "{\"node\":{\"name\":\"%s\"},\"paths\":{\"state_dir\":\"%s/state\","
                             "\"runtime_dir\":\"%s/run\"},\"log\":{\"level\":\"error\"},"
                             "%s}\n",
                             name, h->folder, h->folder, more),
                     0);
    ck_assert_int_eq(fclose(file), 0);
}

static void join(const host *h, const char *name, voice *v) {
    v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int n = snprintf(path.sun_path, sizeof path.sun_path, "%s/run/%s.sock", h->folder, name);
    ck_assert(n > 0 && (size_t)n < sizeof path.sun_path);
    ck_assert_int_eq(connect(v->fd, (struct sockaddr *)&path, sizeof path), 0);
}

static void start(host *h, const char *name, const char *more) {
    char text[512] = "";
    char path[128];
    memset(h, 0, sizeof *h);
    (void)snprintf(h->folder, sizeof h->folder, "%s/%s", scratch, name);
    (void)snprintf(path, sizeof path, "%s/web4d.json", h->folder);
    ck_assert_int_eq(mkdir(h->folder, 0700), 0);
    write_config(h, name, more);
    w4_buffer report = W4_BUFFER_INIT(65536);
    ck_assert_int_eq(w4d_files_init(&h->app.files, path, text, sizeof text), 0);
    int r = w4d_files_load(&h->app.files, &h->app.config, &report);
    ck_assert_msg(r == 0, "%.*s", (int)report.len, (const char *)report.data);
    w4_buffer_deinit(&report);
    ck_assert_int_eq(w4d_app_start(&h->app), 0);
    join(h, "agent", &h->agent);
    join(h, "control", &h->operator);
}

static void stop(host *h) {
    (void)close(h->agent.fd);
    (void)close(h->operator.fd);
    w4d_app_deinit(&h->app);
    w4_config_free(h->app.config);
    w4d_files_deinit(&h->app.files);
}

static void hear(voice *v) {
    ssize_t got;
    while ((got = recv(v->fd, v->text + v->len, sizeof v->text - 1 - v->len, 0)) > 0) {
        v->len += (size_t)got;
        v->text[v->len] = '\0';
    }
    ck_assert_uint_lt(v->len, sizeof v->text - 1);
}

static void turn(host *h) {
    ck_assert_int_eq(w4_loop_turn(h->app.loop, w4_loop_refresh_us(h->app.loop) + W4_US_PER_MS), 0);
    ck_assert_int_eq(h->app.fatal, 0);
    hear(&h->agent);
    hear(&h->operator);
}

static time_t seconds(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* So long this may go on. */
static void keep_patience(time_t from, const char *text) {
    ck_assert_msg(seconds() - from < DEADLINE_S, "%s", text);
}

/* Both go on until it was told that. */
static const char *await(const voice *v, const char *words) {
    time_t from = seconds();
    const char *found;
    while ((found = strstr(v->text, words)) == NULL) {
        turn(&ada);
        turn(&ben);
        ck_assert_msg(seconds() - from < DEADLINE_S, "no %s in %s", words, v->text);
    }
    return found;
}

/* Writes the line of a call; the daemon does not know of it yet. */
static void ask(voice *v, const char *method, const char *params) {
    char line[2048];
    v->len = 0;
    v->text[0] = '\0';
    int n = snprintf(line, sizeof line,
                     "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\",\"params\":%s}\n",
                     ++v->calls, method, params);
    ck_assert(n > 0 && (size_t)n < sizeof line);
    ck_assert_int_eq(write(v->fd, line, (size_t)n), n);
}

static const char *call(voice *v, const char *method, const char *params) {
    char words[32];
    ask(v, method, params);
    (void)snprintf(words, sizeof words, "\"id\":%u,", v->calls);
    (void)await(v, words);
    return v->text;
}

static void attach(host *h, const char *name) {
    char params[256];
    (void)snprintf(params, sizeof params,
                   "{\"agent_id\":\"%s\",\"key\":\"hosted\",\"subscribe\":[\"agent.message\","
                   "\"agent.delivery\"]}",
                   name);
    const char *text = call(&h->agent, "agent.attach", params);
    const char *at = strstr(text, "\"fingerprint\":\"");
    ck_assert_msg(at != NULL, "%s", text);
    memcpy(h->fingerprint, at + 15, W4_FINGERPRINT_TEXT_LEN);
}

static void trust(host *h, const host *other) {
    char params[256];
    (void)snprintf(params, sizeof params,
                   "{\"subject\":\"%s\",\"state\":\"trusted\",\"reason\":\"test\"}",
                   other->fingerprint);
    time_t from = seconds();
    while (strstr(call(&h->operator, "trust.set", params), "\"result\"") == NULL) {
        ck_assert_msg(seconds() - from < DEADLINE_S, "%s", h->operator.text);
    }
}

/* Ben's agent is met: it may be sent to. */
static void meet(const char *session) {
    char more[512];
    (void)snprintf(scratch, sizeof scratch, "/tmp/web4-order-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    (void)snprintf(mesh_path, sizeof mesh_path, "%s/mesh.sock", scratch);
    (void)snprintf(client_path, sizeof client_path, "%s/ben/run/agent.sock", scratch);
    (void)snprintf(more, sizeof more, "\"listen\":[\"unix:%s\"]%s", mesh_path, session);
    start(&ben, "ben", more);
    (void)snprintf(more, sizeof more, "\"listen\":[],\"seeds\":[\"unix:%s\"]%s", mesh_path,
                   session);
    start(&ada, "ada", more);
    attach(&ada, "ada");
    attach(&ben, "ben");
    trust(&ada, &ben);
    trust(&ben, &ada);
}

static void part(void) {
    char command[128];
    stop(&ada);
    stop(&ben);
    (void)snprintf(command, sizeof command, "rm -rf %s", scratch);
    ck_assert_int_eq(system(command), 0);
}

static void ask_to_send(host *from, const host *to) {
    char params[512];
    (void)snprintf(params, sizeof params,
                   "{\"type\":\"INTENT\",\"to\":\"%s\",\"payload\":{\"goal\":\"ask\",\"topic\":"
                   "\"tides\",\"priority\":\"normal\",\"context\":\"\"}}",
                   to->fingerprint);
    ask(&from->agent, "agent.send", params);
}

/* One message each way, to its end: nothing has to be found out any more. */
static void talk(host *from, const host *to) {
    time_t since = seconds();
    do {
        ck_assert_msg(seconds() - since < DEADLINE_S, "%s", from->agent.text);
        ask_to_send(from, to);
        char words[32];
        (void)snprintf(words, sizeof words, "\"id\":%u,", from->agent.calls);
        (void)await(&from->agent, words);
    } while (strstr(from->agent.text, "\"result\"") == NULL);
    (void)await(&from->agent, "\"agent.delivery\"");
}

START_TEST(messages_are_given_before_they_are_acknowledged) {
    meet(QUIET);
    talk(&ada, &ben);
    for (int asked = 0; asked < 2; asked++) {
        write_count = 0;
        ben.operator.text[0] = '\0';
        ask_to_send(&ada, &ben);
        for (time_t since = seconds(); first_write(TO_LISTENER, false) == write_count ||
                                       strstr(ada.agent.text, "\"id\":") == NULL;) {
            turn(&ada);
            keep_patience(since, ada.agent.text);
        }
        if (asked) { /* an answer is due in the same turn */
            ask(&ben.operator, "status.get", "{}");
        }
        write_count = 0;
        for (time_t since = seconds(); first_write(TO_CLIENTS, true) == write_count;) {
            turn(&ben);
            keep_patience(since, ben.agent.text);
        }
        ck_assert_int_eq(strstr(ben.operator.text, "\"result\"") != NULL, asked);
        unsigned given = first_write(TO_CLIENTS, true);
        unsigned acknowledged = first_write(TO_NEIGHBOUR, false);
        ck_assert_uint_lt(given, acknowledged);
        ck_assert_uint_lt(acknowledged, write_count);
        (void)await(&ada.agent, "\"agent.delivery\"");
    }
    part();
}
END_TEST

START_TEST(requests_go_on_before_they_are_answered) {
    meet(QUIET);
    talk(&ada, &ben);
    talk(&ben, &ada);
    write_count = 0;
    ask_to_send(&ben, &ada);
    for (time_t since = seconds(); first_write(TO_CLIENTS, false) == write_count;) {
        turn(&ben);
        keep_patience(since, ben.agent.text);
    }
    unsigned sent = first_write(TO_NEIGHBOUR, false);
    unsigned answered = first_write(TO_CLIENTS, false);
    ck_assert_uint_lt(sent, answered);
    ck_assert_uint_lt(answered, write_count);
    ck_assert_ptr_nonnull(strstr(ben.agent.text, "\"result\""));
    part();
}
END_TEST

static w4_session_stats session_of(const host *h) {
    w4_session_stats stats = {0};
    w4_node_session session;
    size_t cursor = 0;
    ck_assert(w4_node_session_next(h->app.node, &cursor, &session));
    w4_session_stats_get(session.session, &stats);
    return stats;
}

/* Ben's disk does not answer. */
static void begin_commit(void) {
    atomic_store(&is_slow, true);
    ask(&ben.operator, "trust.set",
        "{\"subject\":\"0000000000000000000000000000000000000000000000000000000000000001\","
        "\"state\":\"trusted\",\"reason\":\"to be kept\"}");
    for (time_t since = seconds(); atomic_load(&syncs_waiting) == 0;) {
        turn(&ben);
        keep_patience(since, ben.operator.text);
    }
    ck_assert(w4_node_committing(ben.app.node));
}

/* Ben has a word for his agent, and his disk does not answer: his neighbour and he hear each other
 * all the same, and nobody hears of the word. */
START_TEST(a_slow_disk_holds_up_no_heartbeat) {
    meet(",\"session\":{\"heartbeat_ms\":100,\"timeout_ms\":60000}");
    talk(&ada, &ben);
    begin_commit();
    ben.agent.text[0] = '\0';
    write_count = 0;
    ask(&ben.agent, "agent.status", "{}");
    w4_session_stats before = session_of(&ada);
    for (time_t since = seconds(); session_of(&ada).records_in < before.records_in + 5;) {
        turn(&ben); /* ada's disk is as good as hers */
        if (!w4_node_committing(ada.app.node)) {
            turn(&ada);
        }
        keep_patience(since, "no heartbeats");
    }
    ck_assert_uint_eq(session_of(&ada).reconnects, before.reconnects);
    ck_assert_ptr_null(strstr(ben.operator.text, "\"result\""));
    ck_assert_ptr_null(strstr(ben.agent.text, "\"id\":"));
    ck_assert(w4_node_committing(ben.app.node));
    atomic_store(&is_slow, false);
    (void)await(&ben.operator, "\"result\"");
    (void)await(&ben.agent, "\"id\":");
    part();
}
END_TEST

/* Each asks for a key of its own, and the disk takes its time for it: others have their turn in
 * between. */
START_TEST(who_waits_for_the_disk_has_a_turn_of_his_own) {
    static voice newcomers[4];
    meet(QUIET);
    key_syncs = 0;
    for (unsigned i = 0; i < 4; i++) {
        char params[64];
        memset(&newcomers[i], 0, sizeof newcomers[i]);
        join(&ben, "agent", &newcomers[i]);
        (void)snprintf(params, sizeof params, "{\"agent_id\":\"n%u\",\"key\":\"hosted\"}", i);
        ask(&newcomers[i], "agent.attach", params);
    }
    key_sync_ms = 60;
    unsigned most = 0;
    for (time_t since = seconds(); key_syncs < 8;) {
        unsigned before = key_syncs;
        turn(&ben);
        most = key_syncs - before > most ? key_syncs - before : most;
        keep_patience(since, "no keys");
    }
    key_sync_ms = 0;
    ck_assert_uint_eq(most, 2); /* of the file, and of its folder */
    for (unsigned i = 0; i < 4; i++) {
        (void)close(newcomers[i].fd);
    }
    part();
}
END_TEST

/* His patience with a drain may be over in the turn that began a commit. */
START_TEST(the_end_may_come_during_a_commit) {
    meet(QUIET);
    talk(&ada, &ben);
    begin_commit();
    atomic_store(&is_slow, false);
    ck_assert(w4_node_committing(ben.app.node));
    part();
}
END_TEST

int main(void) {
    if (w4_crypto_init() < 0) {
        return EXIT_FAILURE;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    Suite *suite = suite_create("web4d-order");
    TCase *tcase = tcase_create("order");
    tcase_set_timeout(tcase, 2 * DEADLINE_S);
    tcase_add_test(tcase, messages_are_given_before_they_are_acknowledged);
    tcase_add_test(tcase, requests_go_on_before_they_are_answered);
    tcase_add_test(tcase, a_slow_disk_holds_up_no_heartbeat);
    tcase_add_test(tcase, who_waits_for_the_disk_has_a_turn_of_his_own);
    tcase_add_test(tcase, the_end_may_come_during_a_commit);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

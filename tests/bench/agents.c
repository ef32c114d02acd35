/* Two agents on the sockets of two real nodes: how many messages a second get from one to the
 * other, and how long a question and its answer take. */
#include "rows.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)4 * 1024 * 1024)
#define LINE_MAX_LEN 8192u
#define MEETING_TRIES 2000u
#define MEETING_PAUSE_MS 5
#define FLYING_MAX 256u /* sent and not yet delivered */
#define LOST_AFTER_MS 10000

typedef struct agent {
    int fd;
    const char *name, *other;
    char *input;
    size_t input_len, input_at;
    char *request; /* the whole line of agent.send */
    size_t request_len;
    uint64_t replies, messages, deliveries; /* that came */
} agent;

static void write_all(int fd, const char *text, size_t len) {
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        BENCH_CHECK(n > 0);
        text += n;
        len -= (size_t)n;
    }
}

/* Reads what is there, waiting for at most timeout_ms. False: nothing came. */
static bool read_more(agent *a, int timeout_ms) {
    struct pollfd ready = {.fd = a->fd, .events = POLLIN};
    if (a->input_at > 0) {
        memmove(a->input, a->input + a->input_at, a->input_len - a->input_at);
        a->input_len -= a->input_at;
        a->input_at = 0;
    }
    if (poll(&ready, 1, timeout_ms) <= 0) {
        return false;
    }
    BENCH_CHECK(a->input_len < INPUT_MAX);
    ssize_t n = recv(a->fd, a->input + a->input_len, INPUT_MAX - a->input_len, 0);
    BENCH_CHECK(n > 0);
    a->input_len += (size_t)n;
    return true;
}

/* The next whole line that has come, ended by a NUL in place of its newline; or NULL. */
static char *next_line(agent *a) {
    char *start = a->input + a->input_at;
    char *end = memchr(start, '\n', a->input_len - a->input_at);
    if (!end) {
        return NULL;
    }
    *end = '\0';
    a->input_at = (size_t)(end + 1 - a->input);
    return start;
}

/* What is looked for stands near the beginning or the end of a line, whatever the payload is. */
static void count_line(agent *a, const char *line) {
    if (strstr(line, "\"method\":\"agent.message\"")) {
        a->messages++;
    } else if (strstr(line, "\"method\":\"agent.delivery\"")) {
        a->deliveries++;
        if (!strstr(line, "\"outcome\":\"delivered\"")) {
            bench_fail("a message was not delivered: %s", line);
        }
    } else if (strstr(line, "\"result\"")) {
        a->replies++;
    } else {
        bench_fail("a node said: %s", line);
    }
}

/* Sends one line, returns the line that answers it; notifications meanwhile are passed over. */
static const char *ask(agent *a, const char *text, size_t len) {
    write_all(a->fd, text, len);
    for (;;) {
        const char *line = next_line(a);
        if (line && strstr(line, "\"id\":")) {
            return line;
        }
        if (!line && !read_more(a, LOST_AFTER_MS)) {
            bench_fail("a node does not answer");
        }
    }
}

static void agent_init(agent *a, const char *path, size_t path_len, const char *name,
                       const char *other, const char *subscribe, size_t size) {
    *a = (agent){.name = name, .other = other, .input = malloc(INPUT_MAX)};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    BENCH_CHECK(a->input && path_len < sizeof at.sun_path);
    memcpy(at.sun_path, path, path_len);
    a->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (a->fd < 0 || connect(a->fd, (const struct sockaddr *)&at, sizeof at) < 0) {
        bench_fail("cannot connect to %s: %s", at.sun_path, strerror(errno));
    }
    char line[LINE_MAX_LEN];
    int len = snprintf(line, sizeof line,
                       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"agent.attach\",\"params\":{"
                       "\"agent_id\":\"%s\",\"key\":\"hosted\",\"subscribe\":[%s]}}\n",
                       name, subscribe);
    BENCH_CHECK(len > 0 && (size_t)len < sizeof line);
    const char *said = ask(a, line, (size_t)len);
    BENCH_CHECK(strstr(said, "\"result\""));
    a->request = malloc(size + LINE_MAX_LEN);
    char *filler = malloc(size + 1);
    BENCH_CHECK(a->request && filler);
    memset(filler, 'x', size);
    filler[size] = '\0';
    len = snprintf(a->request, size + LINE_MAX_LEN,
                   "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"agent.send\",\"params\":{\"type\":"
                   "\"INTENT\",\"to\":\"%s\",\"payload\":{\"goal\":\"ask\",\"topic\":\"bench\","
                   "\"priority\":\"low\",\"context\":\"%s\"}}}\n",
                   other, filler);
    BENCH_CHECK(len > 0);
    a->request_len = (size_t)len;
    free(filler);
}

static void agent_deinit(agent *a) {
    (void)close(a->fd);
    free(a->input);
    free(a->request);
}

/* options->target: PATH,PATH of two agent sockets. size is that of the envelope: what stands in it
 * beside the filler is about so long. */
#define AROUND_FILLER 660u

static void both_init(const bench_options *options, agent *a, agent *b, const char *subscribe) {
    const char *comma = options->target ? strchr(options->target, ',') : NULL;
    if (!comma) {
        bench_fail("--target PATH,PATH: the agent sockets of two nodes");
    }
    size_t filler = options->size > AROUND_FILLER ? options->size - AROUND_FILLER : 1;
    size_t len = (size_t)(comma - options->target);
    agent_init(a, options->target, len, "bench-a", "bench-b", subscribe, filler);
    agent_init(b, comma + 1, strlen(comma + 1), "bench-b", "bench-a", subscribe, filler);
}

/* Until the directory knows the other one, and both have greeted: one message each way. */
static void meet(agent *a, agent *b) {
    agent *from = a;
    agent *to = b;
    for (unsigned way = 0; way < 2; way++) {
        unsigned tries = 0;
        while (!strstr(ask(from, from->request, from->request_len), "\"result\"")) {
            if (++tries > MEETING_TRIES) {
                bench_fail("the agents do not find each other");
            }
            (void)poll(NULL, 0, MEETING_PAUSE_MS);
        }
        to->messages = 0;
        while (to->messages == 0) {
            char *line = next_line(to);
            if (line) {
                to->messages += strstr(line, "\"method\":\"agent.message\"") != NULL;
            } else if (!read_more(to, LOST_AFTER_MS)) {
                bench_fail("the first message does not arrive");
            }
        }
        from = b;
        to = a;
    }
    a->messages = b->messages = a->replies = b->replies = a->deliveries = b->deliveries = 0;
}

static void wait_message(agent *a) {
    uint64_t before = a->messages;
    while (a->messages == before) {
        char *line = next_line(a);
        if (line) {
            count_line(a, line);
        } else if (!read_more(a, LOST_AFTER_MS)) {
            bench_fail("a message did not arrive");
        }
    }
}

/* A question, and the answer to it. */
void bench_agents_ping(const bench_options *options) {
    agent a, b;
    bench_samples samples;
    both_init(options, &a, &b, "\"agent.message\"");
    meet(&a, &b);
    bench_samples_init(&samples, options->count);
    uint64_t before = options->count / 10;
    for (uint64_t i = 0; i < before + options->count; i++) {
        uint64_t at_ns = bench_wall_ns();
        write_all(a.fd, a.request, a.request_len);
        wait_message(&b);
        write_all(b.fd, b.request, b.request_len);
        wait_message(&a);
        if (i >= before) {
            bench_samples_add(&samples, bench_wall_ns() - at_ns);
        }
    }
    bench_number("p50_us", (double)bench_samples_at(&samples, 500) / 1e3);
    bench_number("p99_us", (double)bench_samples_at(&samples, 990) / 1e3);
    bench_number("p999_us", (double)bench_samples_at(&samples, 999) / 1e3);
    bench_samples_deinit(&samples);
    agent_deinit(&a);
    agent_deinit(&b);
}

/* One way, as many as fit. */
void bench_agents_stream(const bench_options *options) {
    agent a, b;
    both_init(options, &a, &b, "\"agent.message\"");
    meet(&a, &b);
    uint64_t warm = options->count / 10;
    uint64_t total = warm + options->count;
    uint64_t sent = 0;
    uint64_t started_ns = 0;
    while (b.messages < total) {
        for (; sent < total && sent - b.messages < FLYING_MAX; sent++) {
            write_all(a.fd, a.request, a.request_len);
        }
        struct pollfd ready[2] = {{.fd = a.fd, .events = POLLIN}, {.fd = b.fd, .events = POLLIN}};
        if (poll(ready, 2, LOST_AFTER_MS) <= 0) {
            bench_fail("%llu of %llu messages did not arrive",
                       (unsigned long long)(sent - b.messages), (unsigned long long)total);
        }
        agent *both[2] = {&a, &b};
        for (unsigned i = 0; i < 2; i++) {
            if ((ready[i].revents & POLLIN) != 0) {
                (void)read_more(both[i], 0);
            }
            char *line;
            while ((line = next_line(both[i]))) {
                count_line(both[i], line);
            }
        }
        if (started_ns == 0 && b.messages >= warm) {
            started_ns = bench_wall_ns();
            warm = b.messages;
        }
    }
    bench_number("messages_per_s",
                 (double)(total - warm) * 1e9 / (double)(bench_wall_ns() - started_ns));
    agent_deinit(&a);
    agent_deinit(&b);
}

/* An agent in C that signs for itself, over libweb4 and nothing else of the project.
 *
 *     cc agent.c $(pkg-config --cflags --libs libweb4) -o agent
 *     ./agent SOCKET NAME KEY.pem
 *
 * It makes its key when there is none, attaches to the node behind SOCKET and comes back whenever
 * that was away. Whoever asks it something (an INTENT to it) gets an answer that names what it
 * answers, so that two agents that answer each other come to an end. It prints a line for all that
 * happens, and ends on SIGTERM or SIGINT. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <web4.h>

#define SEEN_MAX 256

typedef struct agent {
    const char *name;
    web4_identity *identity;
    web4_agent *node;
    char seen[SEEN_MAX][WEB4_MSG_ID_LEN + 1]; /* dealt with lately; the oldest gives way */
    size_t seen_count;
} agent;

static volatile sig_atomic_t stopping;

static void stop(int signal_number) {
    (void)signal_number;
    stopping = 1;
}

/* A line at once, also into a file. */
#define SAY(AGENT, ...)                                                                            \
    do {                                                                                           \
        printf("%s: ", (AGENT)->name);                                                             \
        printf(__VA_ARGS__);                                                                       \
        putchar('\n');                                                                             \
        fflush(stdout);                                                                            \
    } while (0)

/* A member of what came, or "" where there is none. To be freed with web4_free. */
static char *member(const web4_event *event, const char *pointer) {
    char *text = NULL;
    size_t len;
    int r = web4_json_get(event->json, event->json_len, pointer, &text, &len);
    if (r == -ENOENT) {
        r = web4_json_get("\"\"", 2, "", &text, &len);
    }
    if (r < 0) {
        fprintf(stderr, "agent: %s: %s\n", pointer, strerror(-r));
        exit(1);
    }
    return text;
}

static bool was_seen(const agent *self, const char *msg_id) {
    size_t known = self->seen_count < SEEN_MAX ? self->seen_count : SEEN_MAX;
    for (size_t i = 0; i < known; i++) {
        if (strcmp(self->seen[i], msg_id) == 0) {
            return true;
        }
    }
    return false;
}

static void remember(agent *self, const char *msg_id) {
    snprintf(self->seen[self->seen_count++ % SEEN_MAX], sizeof self->seen[0], "%s", msg_id);
}

static uint64_t wall_clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* Who wants to send to it greets it first. Its node answers that for agents whose key it holds;
 * this one holds its own. 1: it was such a word, and is answered. */
static int greet(agent *self, const web4_event *event) {
    char *envelope = member(event, "/envelope"), *text = NULL;
    web4_error error;
    size_t len;
    uint64_t id;
    int r = web4_handshake_answer(envelope, strlen(envelope), self->identity, self->name,
                                  wall_clock_ms(), &text, &len, &error);
    if (r == 0) {
        r = web4_agent_submit(self->node, text, len, &id);
        r = r < 0 ? r : 1;
    }
    web4_free(text);
    web4_free(envelope);
    return r == -ENOMSG ? 0 : r;
}

/* Signs an answer to the sender of an envelope and queues it. */
static int answer(agent *self, const web4_event *event) {
    char *envelope = member(event, "/envelope"), *topic = member(event, "/envelope/payload/topic");
    char *to = member(event, "/envelope/sender/agent_id");
    char *fingerprint = member(event, "/envelope/sender/fingerprint");
    const web4_draft draft = {
        .type = "INTENT",
        .timestamp_ms = wall_clock_ms(),
        .sender_id = self->name,
        .receiver_id = to,
        .receiver_fingerprint = fingerprint,
        .payload =
            "{\"goal\":\"propose_solution\",\"topic\":\"an answer\",\"priority\":\"normal\"}",
        .answers = envelope,
    };
    web4_error error;
    char *text = NULL;
    size_t len;
    uint64_t id;
    int r = web4_envelope_build(&draft, self->identity, &text, &len, &error);
    if (r == WEB4_REFUSED) {
        SAY(self, "no answer to %s: %s %s", to, error.code, error.text);
        r = 0;
    } else if (r == 0) {
        SAY(self, "%s asks about %s; answering", to, topic);
        r = web4_agent_submit(self->node, text, len, &id);
    }
    web4_free(text);
    web4_free(envelope);
    web4_free(topic);
    web4_free(to);
    web4_free(fingerprint);
    return r;
}

/* A durable message may come twice. It is acknowledged once it was dealt with. */
static int on_message(agent *self, const web4_event *event) {
    char *type = member(event, "/envelope/type"), *msg_id = member(event, "/envelope/msg_id");
    char *receiver = member(event, "/envelope/receiver/fingerprint");
    bool to_me = strcmp(receiver, web4_identity_fingerprint(self->identity)) == 0;
    uint64_t id;
    int r = greet(self, event);
    if (r != 0) {
        r = r < 0 ? r : 0;
    } else if (was_seen(self, msg_id)) {
        SAY(self, "%s has come again", type);
    } else if (strcmp(type, "INTENT") == 0 && to_me) {
        r = answer(self, event);
    } else {
        SAY(self, "%s has come", type);
    }
    remember(self, msg_id);
    r = r < 0 ? r : web4_agent_ack(self->node, msg_id, &id);
    web4_free(type);
    web4_free(msg_id);
    web4_free(receiver);
    return r;
}

static void on_delivery(const agent *self, const web4_event *event) {
    char *outcome = member(event, "/outcome"), *code = member(event, "/code");
    SAY(self, "my answer is %s%s%s", outcome, code[0] != 0 ? ": " : "", code);
    web4_free(outcome);
    web4_free(code);
}

static int handle(agent *self, const web4_event *event) {
    web4_error error;
    switch (event->kind) {
    case WEB4_CONNECTED:
        SAY(self, "attached as %.12s", web4_identity_fingerprint(self->identity));
        break;
    case WEB4_DISCONNECTED:
        web4_event_error(event, &error);
        SAY(self, "away: %s (%s); trying again", error.text, error.code);
        break;
    case WEB4_ERROR: /* one of the calls that it makes: an answer, or an acknowledgement */
        web4_event_error(event, &error);
        SAY(self, "refused: %s (%s)", error.code, error.text);
        break;
    case WEB4_RESULT:
        break;
    case WEB4_NOTIFICATION:
        if (strcmp(event->name, "agent.message") == 0) {
            return on_message(self, event);
        }
        if (strcmp(event->name, "agent.delivery") == 0) {
            on_delivery(self, event);
        }
        break;
    }
    return 0;
}

/* One turn of the loop: a program with other descriptors has them in the same poll. */
static int turn(agent *self) {
    unsigned wants = web4_agent_wants(self->node);
    struct pollfd node = {.fd = web4_agent_fd(self->node),
                          .events = (short)((wants & WEB4_WANTS_READ ? POLLIN : 0) |
                                            (wants & WEB4_WANTS_WRITE ? POLLOUT : 0))};
    if (poll(&node, 1, web4_agent_timeout(self->node)) < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    int r = web4_agent_process(self->node);
    web4_event event;
    while (r >= 0 && (r = web4_agent_next(self->node, &event)) == 1) {
        r = handle(self, &event);
        r = r == -ENOTCONN || r == -EAGAIN ? 0 : r; /* unanswered, it is asked again or forgotten */
    }
    return r;
}

static int get_identity(const char *path, web4_identity **ret_identity) {
    web4_error error;
    if (web4_identity_load(path, ret_identity, &error) == 0) {
        return 0;
    }
    int r = web4_identity_generate(ret_identity);
    r = r != 0 ? r : web4_identity_save(*ret_identity, path, &error);
    if (r == WEB4_REFUSED) {
        fprintf(stderr, "agent: %s: %s\n", path, error.text);
    }
    return r;
}

int main(int argc, char **argv) {
    static agent self;
    if (argc != 4) {
        fprintf(stderr, "usage: agent SOCKET NAME KEY.pem\n");
        return 2;
    }
    const struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    self.name = argv[2];
    if (get_identity(argv[3], &self.identity) != 0) {
        return 1;
    }
    const web4_keep keep = {.path = argv[1],
                            .agent_id = self.name,
                            .pubkey = web4_identity_pubkey(self.identity),
                            .capabilities = "[\"answers\"]"};
    int r = web4_agent_keep(&keep, &self.node);
    while (r >= 0 && !stopping) {
        r = turn(&self);
    }
    if (r < 0) {
        fprintf(stderr, "agent: %s\n", strerror(-r));
    }
    web4_agent_free(self.node);
    web4_identity_free(self.identity);
    return r < 0 ? 1 : 0;
}

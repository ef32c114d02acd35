/* Every allocation of two protocol routers that agree on something fails, once and for good. Each
 * call then says -ENOMEM, which is the end of its process, or goes on; nothing is left behind, and
 * a process that begins again with the same store goes on where its last commit was. The linker
 * puts these functions in the way of our allocations (meson.build). */
#include "protocol/protocol.h"
#include "store/memory.h"

#include "allocations.h"
#include "runner.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NODES 2
#define FRAMES_MAX 64
#define FRAME_MAX 4096
#define WALL_US (INT64_C(1790000000) * 1000000)

/* ---- two nodes and a wire */

typedef struct node {
    w4_env env;
    uint64_t random;
    w4_store *store;
    w4_trust_book *trust;
    w4_graph *graph;
    w4_identity *identity;
    w4_protocol *protocol;
} node;

typedef struct frame {
    unsigned from;
    uint64_t ticket;
    size_t len;
    uint8_t bytes[FRAME_MAX];
} frame;

static node nodes[NODES];
static frame frames[FRAMES_MAX];
static unsigned frame_first, frame_last;
static uint64_t now_us;
static const char *const names[NODES] = {"ada", "ben"};

static void fill(void *context, void *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        *(uint64_t *)context += UINT64_C(0x9E3779B97F4A7C15);
        ((uint8_t *)ret_bytes)[i] = (uint8_t)(*(uint64_t *)context >> 32);
    }
}

static w4_identity *make_key(unsigned number) {
    const uint8_t seed[W4_SEED_LEN] = {(uint8_t)number, 3};
    w4_identity *identity;
    ck_assert_int_eq(w4_identity_from_seed(seed, &identity), 0);
    return identity;
}

static int begin(unsigned k) {
    node *n = &nodes[k];
    w4_protocol_context context = {.env = &n->env,
                                   .store = n->store,
                                   .trust = n->trust,
                                   .graph = n->graph,
                                   .node = n->identity};
    return w4_protocol_new(&context, &W4_PROTOCOL_CONFIG_DEFAULT, now_us, &n->protocol);
}

static void publish(unsigned of, unsigned to) {
    w4_identity *key = make_key(10 + of);
    w4_record_agent agent = {.fingerprint = *w4_identity_fingerprint(key),
                             .pubkey = *w4_identity_pubkey(key)};
    memcpy(agent.agent_id, names[of], strlen(names[of]) + 1);
    w4_record record = {.seq = 1,
                        .issued_wall_us = (uint64_t)WALL_US,
                        .ttl_s = W4_RECORD_TTL_S,
                        .agents = &agent,
                        .agent_count = 1};
    w4_buffer text = W4_BUFFER_INIT(W4_RECORD_BYTES_MAX);
    w4_graph_change change;
    w4_fingerprint author;
    w4_record_fault fault;
    ck_assert_int_eq(w4_record_write(&record, nodes[of].identity, &text), 0);
    ck_assert_int_eq(w4_graph_put(nodes[to].graph, w4_buffer_bytes(&text), (uint64_t)WALL_US,
                                  &change, &author, &fault),
                     0);
    w4_buffer_deinit(&text);
    w4_identity_free(key);
}

static void open_nodes(void) {
    now_us = W4_US_PER_S;
    frame_first = frame_last = 0;
    for (unsigned k = 0; k < NODES; k++) {
        node *n = &nodes[k];
        *n = (node){.random = k + 1, .identity = make_key(k)};
        n->env = (w4_env){.context = &n->random, .random = fill, .wall_offset_us = WALL_US};
        ck_assert_int_eq(w4_store_memory_new(&n->store), 0);
        ck_assert_int_eq(w4_trust_book_new(&n->trust), 0);
        ck_assert_int_eq(w4_graph_new(&n->graph), 0);
    }
    publish(0, 1);
    publish(1, 0);
}

static void close_nodes(void) {
    for (unsigned k = 0; k < NODES; k++) {
        w4_protocol_free(nodes[k].protocol);
        w4_graph_free(nodes[k].graph);
        w4_trust_book_free(nodes[k].trust);
        w4_store_free(nodes[k].store);
        w4_identity_free(nodes[k].identity);
    }
}

/* Puts what a node wants sent on the wire, after a commit. */
static int turn(unsigned k) {
    int r = w4_store_commit(nodes[k].store);
    r = r == 0 ? w4_protocol_committed(nodes[k].protocol, now_us) : r;
    w4_protocol_event event;
    while (r == 0 && w4_protocol_pop_event(nodes[k].protocol, &event)) {
        if (event.kind == W4_PROTOCOL_EVENT_TRANSMIT && event.envelope.len <= FRAME_MAX) {
            frame *f = &frames[frame_last++ % FRAMES_MAX];
            *f = (frame){.from = k, .ticket = event.ticket, .len = event.envelope.len};
            memcpy(f->bytes, event.envelope.data, event.envelope.len);
        }
    }
    return r;
}

static int carry(void) {
    int r = turn(0);
    r = r == 0 ? turn(1) : r;
    while (r == 0 && frame_first != frame_last) {
        frame f = frames[frame_first++ % FRAMES_MAX];
        unsigned to = 1 - f.from;
        r = w4_protocol_receive(nodes[to].protocol, w4_identity_fingerprint(nodes[f.from].identity),
                                w4_bytes_of(f.bytes, f.len), now_us);
        r = r == 0 ? turn(to) : r;
        r = r == 0
                ? w4_protocol_transmitted(nodes[f.from].protocol, f.ticket, W4_REFUSAL_NONE, now_us)
                : r;
        r = r == 0 ? turn(f.from) : r;
    }
    return r;
}

/* ---- the story. The first thing that fails ends it. */

static int attach(unsigned k) {
    bool was = counting;
    counting = false;
    w4_agent_attach request = {.agent_id = names[k], .owner = 1, .identity = make_key(10 + k)};
    counting = was;
    w4_refused refused;
    int r = w4_protocol_agent_attach(nodes[k].protocol, &request, now_us, &refused);
    if (r != 0) {
        w4_identity_free(request.identity);
    }
    return r;
}

static int say_to(unsigned k, const char *to, const char *type, const char *payload,
                  w4_send_receipt *ret_receipt) {
    w4_json_document doc = {0};
    bool was = counting;
    counting = false;
    ck_assert_int_eq(w4_json_read(&doc, w4_bytes_from_text(payload), &W4_JSON_LIMITS_LINE, NULL),
                     0);
    counting = was;
    w4_send_request request = {.owner = 1,
                               .family = W4_FAMILY_CIP,
                               .type = w4_bytes_from_text(type),
                               .to = w4_bytes_from_text(to),
                               .durable = strcmp(to, "*") != 0,
                               .payload = w4_json_root(&doc)};
    w4_refused refused;
    int r = w4_protocol_send(nodes[k].protocol, &request, now_us, ret_receipt, &refused);
    counting = false;
    w4_json_document_deinit(&doc);
    counting = was;
    return r;
}

static int say(unsigned k, const char *type, const char *payload, w4_send_receipt *ret_receipt) {
    return say_to(k, "*", type, payload, ret_receipt);
}

/* A durable message: sent, given, not dealt with, given again, dealt with. */
static int tell_durably(void) {
    static const char ask[] = "{\"goal\":\"ask\",\"topic\":\"rain\",\"priority\":\"low\"}";
    w4_send_receipt receipt = {0};
    w4_refused refused;
    bool known = false;
    int r = say_to(0, "ben", "INTENT", ask, &receipt);
    r = r == 0 ? carry() : r;
    if (r == 0) {
        w4_protocol_agent_detach(nodes[1].protocol, 1, NULL, now_us);
        r = say_to(0, "ben", "INTENT", ask, &receipt);
    }
    r = r == 0 ? carry() : r;
    r = r == 0 ? attach(1) : r;
    r = r == 0 ? carry() : r;
    r = r == 0 ? w4_protocol_agent_ack(nodes[1].protocol, 1, NULL, receipt.msg_id, now_us, &known,
                                       &refused)
               : r;
    r = r == 0 ? carry() : r;
    return r == 0 && !known ? 1 : r;
}

static int tell(void) {
    w4_send_receipt receipt = {0};
    int r = begin(0);
    r = r == 0 ? begin(1) : r;
    for (unsigned k = 0; r == 0 && k < NODES; k++) {
        r = attach(k);
        if (r == 0) {
            w4_protocol_peer_speaks(nodes[k].protocol,
                                    w4_identity_fingerprint(nodes[1 - k].identity), true);
            w4_protocol_peer_up(nodes[k].protocol, w4_identity_fingerprint(nodes[1 - k].identity),
                                now_us);
        }
    }
    r = r == 0 ? say(0, "FACT_PROPOSE",
                     "{\"fact\":{\"statement\":\"a\",\"domain\":\"d\",\"confidence\":1},"
                     "\"dmp_trace\":{\"decision_id\":\"d\",\"steps\":[\"s\"]},\"causal_links\":"
                     "[\"11111111-1111-4111-8111-111111111111\"]}",
                     &receipt)
               : r;
    r = r == 0 ? carry() : r;
    char vote[256];
    snprintf(vote, sizeof vote, "{\"fact_ref\":\"%s\",\"decision\":\"confirm\",\"confidence\":1}",
             receipt.msg_id);
    r = r == 0 ? say(1, "FACT_CONFIRM", vote, &receipt) : r;
    r = r == 0 ? carry() : r;
    r = r == 0 ? tell_durably() : r;
    for (unsigned step = 0; r == 0 && step < 3; step++) {
        now_us += 4 * W4_US_PER_S;
        r = w4_protocol_expire(nodes[0].protocol, now_us);
        r = r == 0 ? w4_protocol_expire(nodes[1].protocol, now_us) : r;
        r = r == 0 ? carry() : r;
    }
    return r;
}

static int run(long from, long to) {
    open_nodes();
    fail_calls(from, to);
    counting = true;
    int r = tell();
    counting = false;
    return r;
}

START_TEST(nothing_fails) {
    ck_assert_int_eq(run(0, 0), 0);
    ck_assert_int_gt(calls, 100);
    for (unsigned k = 0; k < NODES; k++) {
        ck_assert_uint_eq(w4_protocol_fact_count(nodes[k].protocol, W4_FACT_PENDING), 1);
    }
    close_nodes();
}
END_TEST

/* After the end of the process there is another, with what was committed. */
static void expect_new_beginning(long n) {
    for (unsigned k = 0; k < NODES; k++) {
        nodes[k].protocol = w4_protocol_free(nodes[k].protocol);
        w4_store_memory_crash(nodes[k].store);
        ck_assert_msg(begin(k) == 0, "node %u does not begin again after allocation %ld", k, n);
        ck_assert_uint_le(w4_protocol_fact_count(nodes[k].protocol, W4_FACT_STATE_COUNT), 1);
    }
}

START_TEST(one_fails) {
    ck_assert_int_eq(run(0, 0), 0);
    close_nodes();
    long all = calls;
    for (long n = 1; n <= all; n++) {
        int r = run(n, n);
        ck_assert_msg(r == 0 || r == -ENOMEM, "%d from allocation %ld", r, n);
        expect_new_beginning(n);
        close_nodes();
    }
}
END_TEST

START_TEST(all_fail) {
    ck_assert_int_eq(run(0, 0), 0);
    close_nodes();
    long all = calls;
    for (long n = 1; n <= all; n++) {
        int r = run(n, LONG_MAX);
        ck_assert_msg(r == -ENOMEM || (r == 0 && n > all - 20), "%d from allocation %ld on", r, n);
        expect_new_beginning(n);
        close_nodes();
    }
}
END_TEST

int main(void) {
    if (w4_crypto_init() != 0) {
        return EXIT_FAILURE;
    }
    Suite *suite = suite_create("protocol allocations");
    TCase *tcase = tcase_create("protocol allocations");
    tcase_set_timeout(tcase, 0);
    tcase_add_test(tcase, nothing_fails);
    tcase_add_test(tcase, one_fails);
    tcase_add_test(tcase, all_fail);
    suite_add_tcase(suite, tcase);
    return w4_test_run(suite);
}

/* Lines of both sockets: reading, the params of every method, and a client fed in two pieces. */
#include "rpc/client.h"
#include "rpc/method.h"
#include "target.h"

#include <errno.h>

static void check_request(const w4_rpc_message *message) {
    static w4_faults faults;
    for (unsigned surface = 0; surface < W4_SURFACE_COUNT; surface++) {
        w4_bytes name = w4_json_string_raw(message->method);
        const w4_method_row *row = w4_method_find((w4_surface)surface, name);
        if (row == NULL || !w4_json_exists(message->params)) {
            continue;
        }
        faults = (w4_faults){0};
        bool good = w4_schema_check(row->params, message->params, &faults);
        FUZZ_REQUIRE(good == (faults.count == 0));
    }
}

/* What was read is answered with a line that reads again and has the same id. */
static void check_answer(w4_json id) {
    w4_buffer out = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_document doc = {0};
    w4_rpc_message message;
    w4_rpc_fault fault;
    w4_bytes text = w4_json_exists(id) ? w4_json_text(id) : w4_bytes_from_text("null");
    FUZZ_REQUIRE(w4_rpc_write_error(&out, text, W4_RPC_REFUSED, W4_REFUSAL_NOT_FOUND, "", "no") ==
                 0);
    FUZZ_REQUIRE(w4_rpc_parse(&doc, w4_buffer_bytes(&out), &message, &fault) == 0);
    FUZZ_REQUIRE(message.kind == W4_RPC_ERROR);
    FUZZ_REQUIRE(w4_bytes_equal(w4_json_text(message.id), text));
    w4_json_document_deinit(&doc);
    w4_buffer_deinit(&out);
}

static void feed_client(w4_bytes first, w4_bytes second) {
    w4_rpc_client *client;
    w4_rpc_client_event event;
    uint64_t id;
    FUZZ_REQUIRE(w4_rpc_client_new(&client) == 0);
    FUZZ_REQUIRE(w4_rpc_client_call(client, "status.get", (w4_bytes){0}, &id) == 0);
    int r = w4_rpc_client_recv(client, first);
    if (r == 0) {
        r = w4_rpc_client_recv(client, second);
    }
    if (r == 0) {
        r = w4_rpc_client_pop_reply(client, id, &event);
    }
    do {
        r = w4_rpc_client_pop(client, &event);
        FUZZ_REQUIRE(r <= 1);
    } while (r == 1);
    w4_rpc_client_free(client);
}

/* A connection ends behind whatever was said: each call has exactly one answer then, the one that
 * is not to be answered has none, and the client goes on. */
static void end_client(w4_bytes said) {
    w4_rpc_client *client;
    w4_rpc_client_event event;
    w4_rpc_kind kind;
    uint64_t ids[3];
    unsigned answers[3] = {0};
    FUZZ_REQUIRE(w4_rpc_client_new(&client) == 0);
    for (size_t i = 0; i < 3; i++) {
        FUZZ_REQUIRE(w4_rpc_client_call(client, "status.get", (w4_bytes){0}, &ids[i]) == 0);
    }
    w4_rpc_client_recv(client, said);
    int r = w4_rpc_client_turn(client, ids[1], "turned", &kind);
    bool turned = r == 1 && kind == W4_RPC_RESULT;
    FUZZ_REQUIRE(w4_rpc_client_end(client, W4_REFUSAL_DISCONNECTED, "gone", ids[2]) == 0);
    FUZZ_REQUIRE(w4_rpc_client_output(client).len == 0);
    while ((r = w4_rpc_client_pop(client, &event)) != 0) {
        FUZZ_REQUIRE(r == 1 || r == -EBADMSG); /* the answer to a call that nobody made */
        for (size_t i = 0; r == 1 && event.kind != W4_RPC_NOTIFICATION && i < 3; i++) {
            answers[i] += event.id == ids[i] ? 1 : 0;
        }
    }
    FUZZ_REQUIRE(answers[0] == 1 && answers[1] == (turned ? 0 : 1) && answers[2] == 0);
    FUZZ_REQUIRE(w4_rpc_client_call(client, "status.get", (w4_bytes){0}, &ids[0]) == 0);
    w4_rpc_client_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    w4_json_document doc = {0};
    w4_rpc_message message;
    w4_rpc_fault fault;
    int r = w4_rpc_parse(&doc, w4_bytes_of(data, size), &message, &fault);
    FUZZ_REQUIRE(r == 0 || r == 1);
    if (r == 1) {
        FUZZ_REQUIRE(fault.code < 0 && fault.text[0] != 0);
        check_answer(fault.id);
    } else {
        FUZZ_REQUIRE(w4_json_kind_of(w4_json_root(&doc)) == W4_JSON_OBJECT);
        check_answer(message.id);
        if (message.kind == W4_RPC_REQUEST || message.kind == W4_RPC_NOTIFICATION) {
            check_request(&message);
        }
    }
    w4_json_document_deinit(&doc);
    feed_client(w4_bytes_of(data, size / 2), w4_bytes_of(data + size / 2, size - size / 2));
    end_client(w4_bytes_of(data, size));
    return 0;
}

/* envelope.explain: what this node would say of an envelope, without taking it. */
#include "web4d/call.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "protocol/pipeline/explain.h"
#include "rpc/shapes.h"

#include <errno.h>
#include <stdlib.h>

/* 0 with *ret_bytes, to be freed; 1 refused; or -ENOMEM. */
static int decode(w4d_call *call, w4_json value, uint8_t **ret_bytes, size_t *ret_len) {
    w4_bytes text = w4_json_string_raw(value);
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=') {
        padding++;
    }
    *ret_len = text.len >= 4 ? text.len / 4 * 3 - padding : 0;
    uint8_t *bytes = malloc(*ret_len + 1);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    if (!w4_base64_parse(text, bytes, *ret_len)) {
        free(bytes);
        return w4d_refuse_params(call, "/bytes", "base64");
    }
    *ret_bytes = bytes;
    return 0;
}

int w4d_envelope_explain(w4d_call *call) {
    w4_explain_request request = {.all = w4_json_is_true(w4_json_get(call->params, "all"))};
    w4_json as = w4_json_get(call->params, "as");
    for (int way = W4_EXPLAIN_AGENT; way < W4_EXPLAIN_WAY_COUNT; way++) {
        if (w4_json_string_equal(as, w4_explain_way_name((w4_explain_way)way))) {
            request.way = (w4_explain_way)way;
        }
    }
    w4_fingerprint from;
    char name[W4_RPC_NAME_MAX + 1];
    if (w4d_param_text(call, "from", name, sizeof name)) {
        if (w4d_resolve_node(call, name, &from) != 0) {
            w4_text_copy(call->refused.pointer, sizeof call->refused.pointer,
                         w4_bytes_from_text("/from"));
            return 1;
        }
        request.from = &from;
        request.way = request.way == W4_EXPLAIN_USUAL ? W4_EXPLAIN_NODE : request.way;
    }
    size_t len = 0;
    uint8_t *bytes = NULL;
    int r = decode(call, w4_json_get(call->params, "bytes"), &bytes, &len);
    if (r != 0) {
        return r;
    }
    request.bytes = w4_bytes_of(bytes, len);
    r = w4_protocol_explain(w4_node_protocol(call->app->node), &request, call->now_us, call->result,
                            &call->refused);
    free(bytes);
    return r;
}

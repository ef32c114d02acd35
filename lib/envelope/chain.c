#include "envelope/chain.h"

#include <string.h>

static uint32_t read_count(w4_json object, const char *name) {
    int64_t value = 0;
    w4_json_integer(w4_json_get(object, name), &value);
    return (uint32_t)value;
}

bool w4_chain_of(const w4_envelope *envelope, w4_chain *ret_chain) {
    w4_json object = w4_json_get(envelope->root, "chain");
    if (!w4_json_exists(object)) {
        return false;
    }
    *ret_chain =
        (w4_chain){.depth = read_count(object, "depth"), .budget = read_count(object, "budget")};
    w4_json_string_copy(w4_json_get(object, "root"), ret_chain->root, sizeof ret_chain->root);
    w4_json ancestors = w4_json_get(object, "ancestors");
    for (w4_json_iterator i = w4_json_first(ancestors);
         w4_json_exists(i.value) && ret_chain->ancestor_count < W4_CHAIN_ANCESTORS_MAX;
         i = w4_json_next(i)) {
        w4_fingerprint_parse(w4_json_string_raw(i.value),
                             &ret_chain->ancestors[ret_chain->ancestor_count++]);
    }
    return true;
}

void w4_chain_answer(const w4_chain *chain, const char *msg_id, const w4_fingerprint *sender,
                     w4_chain *ret_chain) {
    w4_chain answer = {.depth = 1};
    if (chain) {
        answer = *chain;
        answer.depth++;
    } else {
        memcpy(answer.root, msg_id, sizeof answer.root);
    }
    if (answer.ancestor_count == W4_CHAIN_ANCESTORS_MAX) {
        answer.ancestor_count--;
        memmove(&answer.ancestors[0], &answer.ancestors[1],
                answer.ancestor_count * sizeof answer.ancestors[0]);
    }
    answer.ancestors[answer.ancestor_count++] = *sender;
    *ret_chain = answer;
}

void w4_chain_write(const w4_chain *chain, w4_json_writer *w) {
    w4_json_begin_object(w);
    w4_json_name(w, "ancestors");
    w4_json_begin_array(w);
    for (uint32_t i = 0; i < chain->ancestor_count; i++) {
        char text[W4_FINGERPRINT_TEXT_LEN + 1];
        w4_fingerprint_format(&chain->ancestors[i], text);
        w4_json_string_text(w, text);
    }
    w4_json_end_array(w);
    w4_json_member_integer(w, "budget", chain->budget);
    w4_json_member_integer(w, "depth", chain->depth);
    w4_json_member_string(w, "root", chain->root);
    w4_json_end_object(w);
}

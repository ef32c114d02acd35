/* Calls that every agent makes, and what comes back, without a JSON library of the caller's. */
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "web4/error.h"
#include "web4/handle.h"

void web4_event_error(const web4_event *event, web4_error *ret_error) {
    w4_json_document doc = {0};
    *ret_error = (web4_error){0};
    w4_bytes text = w4_bytes_of(event->json, event->json_len);
    if (w4_json_read(&doc, text, &W4_JSON_LIMITS_LINE, NULL) == 0) {
        w4_web4_refuse_as(w4_json_root(&doc), ret_error);
    }
    w4_json_document_deinit(&doc);
}

int web4_json_get(const char *json, size_t len, const char *pointer, char **ret_text,
                  size_t *ret_len) {
    w4_json_document doc = {0};
    w4_buffer out = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    int r = w4_json_read(&doc, w4_bytes_of(json, len), &W4_JSON_LIMITS_FILE, NULL);
    if (r == 0) {
        w4_json value = w4_json_at_pointer(w4_json_root(&doc), w4_bytes_from_text(pointer));
        r = !w4_json_exists(value) ? -ENOENT
            : w4_json_kind_of(value) == W4_JSON_STRING
                ? w4_json_string_decode(value, &out)
                : w4_buffer_append(&out, w4_json_text(value));
        r = r < 0 ? r : w4_web4_hand_out(&out, ret_text, ret_len);
    }
    w4_buffer_deinit(&out);
    w4_json_document_deinit(&doc);
    return r > 0 ? -EINVAL : r;
}

/* ---- calls */

static void add_text(w4_json_writer *w, const char *name, const char *text) {
    if (text != NULL) {
        w4_json_member_string(w, name, text);
    }
}

/* A member that is an object of the caller's. 0, -EINVAL, -ENOMEM. */
static int add_object(w4_json_writer *w, const char *name, const char *json) {
    if (json == NULL) {
        return 0;
    }
    w4_buffer text = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    int r = w4_web4_read_params(json, &text);
    if (r == 0) {
        w4_json_name(w, name);
        w4_json_raw(w, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

/* Ends the object and makes it the params of a call. r: what went wrong before. */
static int call_with(web4_agent *agent, const char *method, w4_json_writer *w, int r,
                     uint64_t *ret_id) {
    w4_json_end_object(w);
    r = r < 0 ? r : w->error;
    const char *text = r == 0 ? w4_buffer_text(w->out) : NULL;
    if (r == 0) {
        r = text == NULL ? -ENOMEM : web4_agent_call(agent, method, text, ret_id);
    }
    w4_buffer_deinit(w->out);
    return r;
}

int web4_agent_send(web4_agent *agent, const web4_message *message, uint64_t *ret_id) {
    w4_buffer params = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    w4_json_writer w;
    if (message->type == NULL || message->to == NULL) {
        return -EINVAL;
    }
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    add_text(&w, "protocol", message->protocol);
    add_text(&w, "type", message->type);
    add_text(&w, "to", message->to);
    int r = add_object(&w, "payload", message->payload == NULL ? "{}" : message->payload);
    r = r < 0 ? r : add_object(&w, "state", message->state);
    r = r < 0 ? r : add_object(&w, "source", message->source);
    add_text(&w, "channel", message->channel);
    add_text(&w, "caused_by", message->caused_by);
    if (message->durable) {
        w4_json_member_bool(&w, "durable", true);
    }
    if (message->deadline_ms > 0) {
        w4_json_member_unsigned(&w, "deadline_ms", message->deadline_ms);
    }
    return call_with(agent, "agent.send", &w, r, ret_id);
}

int web4_agent_submit(web4_agent *agent, const char *envelope, size_t len, uint64_t *ret_id) {
    w4_buffer params = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    w4_buffer text = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    int r = w4_json_canonical(&text, w4_bytes_of(envelope, len), &W4_JSON_LIMITS_LINE, NULL);
    if (r == 0) {
        w4_json_name(&w, "envelope");
        w4_json_raw(&w, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return call_with(agent, "agent.submit", &w, r > 0 ? -EINVAL : r, ret_id);
}

int web4_agent_ack(web4_agent *agent, const char *msg_id, uint64_t *ret_id) {
    w4_buffer params = W4_BUFFER_INIT(W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "msg_id", msg_id);
    return call_with(agent, "agent.ack", &w, 0, ret_id);
}

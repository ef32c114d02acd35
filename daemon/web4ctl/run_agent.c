/* listen, send, watch: commands that stay for what the node has to tell. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "web4ctl/ctl.h"
#include "web4ctl/help_type.h"
#include "json/writer.h"

#define PARAMS_MAX W4_RPC_LINE_MAX
#define SEND_TIMEOUT_S 10
#define DELIVERIES_MAX 4096u

static uint64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * W4_US_PER_S + (uint64_t)now.tv_nsec / 1000u;
}

static bool is_notification(const w4_rpc_client_event *event, w4_notification notification) {
    return event->kind == W4_RPC_NOTIFICATION &&
           w4_bytes_equal_text(event->method, w4_notification_row_of(notification)->name);
}

/* Attaches under the name of --as; the node holds the key. */
static ctl_status attach(ctl_context *ctl, bool listens, w4_json *ret_result) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json_writer w;
    const char *name = ctl_value(&ctl->line, CTL_OPTION_AS);
    if (name == NULL) {
        ctl_error(ctl, "%s wants --as NAME", ctl->line.command->words);
        return CTL_USAGE;
    }
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_member_string(&w, "agent_id", name);
    w4_json_member_string(&w, "key", "hosted");
    w4_json_name(&w, "capabilities");
    w4_json_begin_array(&w);
    for (size_t i = 0; i < ctl->line.values_count[CTL_OPTION_CAPABILITY]; i++) {
        w4_json_string_text(&w, ctl->line.values[CTL_OPTION_CAPABILITY][i]);
    }
    w4_json_end_array(&w);
    w4_json_name(&w, "subscribe");
    w4_json_begin_array(&w);
    if (listens) {
        w4_json_string_text(&w, w4_notification_row_of(W4_NOTIFY_AGENT_MESSAGE)->name);
    }
    w4_json_string_text(&w, w4_notification_row_of(W4_NOTIFY_AGENT_DELIVERY)->name);
    w4_json_end_array(&w);
    w4_json_end_object(&w);
    ctl_status status = w.error < 0 ? ctl_fatal(ctl, w.error) : CTL_DONE;
    if (status == CTL_DONE) {
        status = ctl_connect(ctl, W4_SURFACE_AGENT);
    }
    if (status == CTL_DONE) {
        status = ctl_call(ctl, W4_METHOD_AGENT_ATTACH, w4_buffer_bytes(&params), ret_result);
    }
    w4_buffer_deinit(&params);
    return status;
}

/* ---- listen */

static ctl_status acknowledge(ctl_context *ctl, w4_bytes msg_id) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json_writer w;
    w4_json result;
    w4_json_writer_init(&w, &params);
    w4_json_begin_object(&w);
    w4_json_name(&w, "msg_id");
    w4_json_raw(&w, msg_id);
    w4_json_end_object(&w);
    ctl_status status = w.error < 0
                            ? ctl_fatal(ctl, w.error)
                            : ctl_call(ctl, W4_METHOD_AGENT_ACK, w4_buffer_bytes(&params), &result);
    w4_buffer_deinit(&params);
    return status;
}

/* Shown first, then acknowledged: what was not shown comes again. */
static ctl_status take_message(ctl_context *ctl, w4_json params) {
    w4_json envelope = w4_json_get(params, "envelope");
    bool full = ctl_has(&ctl->line, CTL_OPTION_FULL);
    w4_buffer msg_id = W4_BUFFER_INIT(1024);
    int r = w4_buffer_append(&msg_id, w4_json_text(w4_json_get(envelope, "msg_id")));
    ctl_status status = r < 0 ? ctl_fatal(ctl, r) : ctl_stream(ctl, full ? params : envelope);
    if (status == CTL_DONE) {
        status = acknowledge(ctl, w4_buffer_bytes(&msg_id));
    }
    w4_buffer_deinit(&msg_id);
    return status;
}

/* Who sent a message may be long gone when its end comes: it is told beside the messages. */
static void tell_delivery(const ctl_context *ctl, w4_json params) {
    static const char *const members[] = {"msg_id", "to", "outcome", "code", "text"};
    char texts[5][256];
    for (size_t i = 0; i < 5; i++) {
        texts[i][0] = 0;
        (void)w4_json_string_copy(w4_json_get(params, members[i]), texts[i], sizeof texts[i]);
    }
    bool why = texts[3][0] != 0;
    ctl_error(ctl, "%s to %.12s: %s%s%s%s%s%s", texts[0], texts[1], texts[2], why ? " (" : "",
              texts[3], texts[4][0] != 0 ? ": " : "", texts[4], why ? ")" : "");
}

ctl_status ctl_run_listen(ctl_context *ctl) {
    w4_json result;
    int64_t wanted = ctl_integer(&ctl->line, CTL_OPTION_NUMBER, 0);
    ctl_status status = attach(ctl, true, &result);
    if (status != CTL_DONE) {
        return status;
    }
    w4_bytes fingerprint = w4_json_string_raw(w4_json_get(result, "fingerprint"));
    ctl_error(ctl, "listening as %s (%.*s)", ctl_value(&ctl->line, CTL_OPTION_AS),
              (int)(fingerprint.len > 64 ? 64 : fingerprint.len), (const char *)fingerprint.data);
    for (int64_t count = 0; status == CTL_DONE && (wanted == 0 || count < wanted);) {
        w4_rpc_client_event event;
        int r = w4_rpc_client_wait(ctl->client, ctl->fd, 0, &event);
        if (r < 0) {
            return ctl_client_failed(ctl, r);
        }
        if (is_notification(&event, W4_NOTIFY_AGENT_MESSAGE)) {
            status = take_message(ctl, event.value);
            count++;
        } else if (is_notification(&event, W4_NOTIFY_AGENT_DELIVERY)) {
            tell_delivery(ctl, event.value);
        }
    }
    return status;
}

/* ---- send */

typedef struct sending {
    char msg_id[W4_UUID_LEN + 1];
    bool stored;
    int64_t recipients;
    uint32_t seen, delivered;
    char code[64]; /* of the first that was not delivered */
    w4_buffer deliveries;
    w4_json_writer w;
} sending;

/* One end of the message for one recipient, if it is one of this message. */
static void take_delivery(sending *s, w4_json params) {
    if (!w4_json_string_equal(w4_json_get(params, "msg_id"), s->msg_id) ||
        s->seen >= DELIVERIES_MAX) {
        return;
    }
    w4_json_value(&s->w, params);
    s->seen++;
    w4_json outcome = w4_json_get(params, "outcome"); /* held: its node has it, and more is later */
    if (w4_json_string_equal(outcome, "delivered") || w4_json_string_equal(outcome, "held")) {
        s->delivered++;
        return;
    }
    w4_json code = w4_json_get(params, "code");
    if (s->code[0] == 0 && !w4_json_string_copy(code, s->code, sizeof s->code)) {
        (void)w4_json_string_copy(w4_json_get(params, "outcome"), s->code, sizeof s->code);
    }
}

static int wait_for_deliveries(ctl_context *ctl, sending *s) {
    int64_t timeout_s = ctl_integer(&ctl->line, CTL_OPTION_TIMEOUT, SEND_TIMEOUT_S);
    uint64_t end_us = w4_later(clock_us(), (uint64_t)timeout_s * W4_US_PER_S);
    while (s->seen < s->recipients && s->seen < DELIVERIES_MAX) {
        w4_rpc_client_event event;
        uint64_t now_us = clock_us();
        unsigned left_ms = now_us >= end_us ? 0 : (unsigned)((end_us - now_us) / W4_US_PER_MS);
        if (left_ms == 0) {
            return -ETIMEDOUT;
        }
        int r = w4_rpc_client_wait(ctl->client, ctl->fd, left_ms, &event);
        if (r < 0) {
            return r;
        }
        if (is_notification(&event, W4_NOTIFY_AGENT_DELIVERY)) {
            take_delivery(s, event.value);
        }
    }
    return 0;
}

static ctl_status show_sent(const ctl_context *ctl, sending *s) {
    w4_buffer text = W4_BUFFER_INIT(16u * W4_RPC_LINE_MAX);
    w4_json_writer w;
    w4_json_end_array(&s->w);
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_name(&w, "deliveries");
    w4_json_raw(&w, w4_buffer_bytes(&s->deliveries));
    w4_json_member_string(&w, "msg_id", s->msg_id);
    w4_json_member_integer(&w, "recipients", s->recipients);
    w4_json_member_bool(&w, "stored", s->stored);
    w4_json_end_object(&w);
    int r = s->w.error < 0 ? s->w.error : w.error;
    ctl_status status = r < 0 ? ctl_fatal(ctl, r) : ctl_answer_text(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return status;
}

static ctl_status follow(ctl_context *ctl, sending *s) {
    int r = wait_for_deliveries(ctl, s);
    ctl_status status = r < 0 && r != -ETIMEDOUT ? ctl_client_failed(ctl, r) : CTL_DONE;
    ctl_status shown = show_sent(ctl, s);
    if (status != CTL_DONE || shown != CTL_DONE) {
        return status != CTL_DONE ? status : shown;
    }
    if (r == -ETIMEDOUT) {
        ctl_error(ctl, "%" PRId64 " of %" PRId64 " deliveries are still open",
                  s->recipients - (int64_t)s->seen, s->recipients);
    }
    if (s->code[0] != 0 && s->delivered == 0) {
        ctl_error(ctl, "%s: nobody got the message", s->code);
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

static ctl_status send_message(ctl_context *ctl, w4_bytes params) {
    w4_json result;
    sending s = {.deliveries = W4_BUFFER_INIT(8u * W4_RPC_LINE_MAX)};
    w4_json_writer_init(&s.w, &s.deliveries);
    w4_json_begin_array(&s.w);
    ctl_status status = ctl_call(ctl, W4_METHOD_AGENT_SEND, params, &result);
    if (status == CTL_DONE) {
        s.stored = w4_json_is_true(w4_json_get(result, "stored"));
        (void)w4_json_integer(w4_json_get(result, "recipients"), &s.recipients);
        if (!w4_json_string_copy(w4_json_get(result, "msg_id"), s.msg_id, sizeof s.msg_id)) {
            status = ctl_client_failed(ctl, -EBADMSG);
        }
    }
    if (status == CTL_DONE) {
        status = follow(ctl, &s);
    }
    w4_buffer_deinit(&s.deliveries);
    return status;
}

/* A payload of "-" is read from stdin. */
static ctl_status read_payload(ctl_context *ctl, w4_buffer *payload) {
    if (strcmp(ctl->line.arguments[1], "-") != 0) {
        return CTL_DONE;
    }
    int r = ctl_read_all(0, CTL_ARGUMENT_BYTES_MAX, payload);
    const char *text = r < 0 ? NULL : w4_buffer_text(payload);
    if (text == NULL || payload->len > CTL_ARGUMENT_BYTES_MAX || strlen(text) != payload->len) {
        ctl_error(ctl, "the payload cannot be read: %s",
                  r < 0 ? strerror(-r) : "it is too large, or no text");
        return CTL_REFUSED;
    }
    ctl->line.arguments[1] = text;
    return CTL_DONE;
}

/* A type says itself of which family it is. One that is not known here is the node's to judge, when
 * its family is named. */
static ctl_status fill_family(ctl_context *ctl) {
    const w4_type_row *type = ctl_type_find(ctl->line.arguments[0]);
    if (ctl_has(&ctl->line, CTL_OPTION_FAMILY)) {
        return CTL_DONE;
    }
    if (type == NULL) {
        ctl_no_type(ctl, ctl->line.arguments[0]);
        return CTL_USAGE;
    }
    ctl->line.values[CTL_OPTION_FAMILY][0] = w4_family_name(type->family);
    ctl->line.values_count[CTL_OPTION_FAMILY] = 1;
    return CTL_DONE;
}

ctl_status ctl_run_send(ctl_context *ctl) {
    w4_buffer payload = W4_BUFFER_INIT(CTL_ARGUMENT_BYTES_MAX + 2);
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json attached;
    ctl_status status = read_payload(ctl, &payload);
    status = status == CTL_DONE ? fill_family(ctl) : status;
    if (status == CTL_DONE) {
        status = ctl_params(ctl, W4_METHOD_AGENT_SEND, &params);
    }
    if (status == CTL_DONE) {
        status = attach(ctl, false, &attached);
    }
    if (status == CTL_DONE) {
        status = send_message(ctl, w4_buffer_bytes(&params));
    }
    w4_buffer_deinit(&params);
    w4_buffer_deinit(&payload);
    return status;
}

/* ---- watch */

ctl_status ctl_run_watch(ctl_context *ctl) {
    w4_buffer params = W4_BUFFER_INIT(PARAMS_MAX);
    w4_json result;
    int64_t wanted = ctl_integer(&ctl->line, CTL_OPTION_NUMBER, 0);
    ctl_status status = ctl_params(ctl, W4_METHOD_EVENTS_WATCH, &params);
    if (status == CTL_DONE) {
        status = ctl_connect(ctl, W4_SURFACE_CONTROL);
    }
    if (status == CTL_DONE) {
        status = ctl_call(ctl, W4_METHOD_EVENTS_WATCH, w4_buffer_bytes(&params), &result);
    }
    w4_buffer_deinit(&params);
    for (int64_t count = 0; status == CTL_DONE && (wanted == 0 || count < wanted);) {
        w4_rpc_client_event event;
        int r = w4_rpc_client_wait(ctl->client, ctl->fd, 0, &event);
        if (r < 0) {
            return ctl_client_failed(ctl, r);
        }
        if (is_notification(&event, W4_NOTIFY_NODE_EVENT)) {
            status = ctl_stream(ctl, event.value);
            count++;
        }
    }
    return status;
}

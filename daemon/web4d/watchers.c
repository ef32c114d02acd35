/* Who is told of events: operators who watch, agents that subscribed. An agent is told of what
 * happens to sessions, facts and the node, and of no address. */
#include "web4d/call.h"

#include "protocol/internet/lip.h"

#include <errno.h>
#include <string.h>

static bool wants(const w4d_client *client, w4_event event) {
    return (client->subscribed & W4D_SUBSCRIBE_EVENT) != 0 &&
           (client->surface == W4_SURFACE_CONTROL || w4_event_for_agents(event)) &&
           (!client->event_filter || client->event_types[event] != 0);
}

/* An agent learns nothing of what was said to others only, and is gone by now. */
static bool may_know(const w4d_app *app, const w4d_client *client, const w4_event_view *view) {
    w4_who room;
    const w4_who *listener = w4d_client_listener(app, client, &room);
    bool fact = view->event == W4_EVENT_FACT_UPDATED;
    if (!listener || (!fact && view->event != W4_EVENT_CLAIM_UPDATED)) {
        return true;
    }
    w4_json_document doc = {0};
    char id[W4_UUID_LEN + 1] = "";
    if (w4_json_read(&doc, view->json, &W4_JSON_LIMITS_LINE, NULL) == 0) {
        w4_json data = w4_json_get(w4_json_root(&doc), "data");
        (void)w4_json_string_copy(w4_json_get(data, "id"), id, sizeof id);
    }
    w4_json_document_deinit(&doc);
    const w4_protocol *p = w4_node_protocol(app->node);
    return fact ? w4_protocol_fact_is_for(p, id, listener) : w4_lip_claim_is_for(p, id, listener);
}

/* ---- subscribing */

/* The events that the caller names; all when it names none. */
static int watch_types(w4d_call *call) {
    w4d_client *client = call->client;
    uint8_t wanted[W4_EVENT_COUNT] = {0};
    bool any = false;
    w4_json types = w4_json_get(call->params, "types");
    for (w4_json_iterator i = w4_json_first(types); w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_event event;
        char name[64] = "";
        if (!w4_json_string_copy(i.value, name, sizeof name) ||
            !w4_event_from_name(w4_bytes_from_text(name), &event)) {
            return w4d_refuse_params(call, "/types", "names of events; web4-rpc(7) lists them");
        }
        if (client->surface == W4_SURFACE_AGENT && !w4_event_for_agents(event)) {
            return w4d_refuse(call, W4_REFUSAL_UNAUTHORIZED, "/types",
                              "agents are told of some events only; web4-rpc(7) lists them");
        }
        wanted[event] = 1;
        any = true;
    }
    memcpy(client->event_types, wanted, sizeof wanted);
    client->event_filter = any;
    return 0;
}

void w4d_watch_from(w4d_client *client, uint64_t seq, bool open) {
    client->event_cursor = seq;
    client->event_open = open;
    client->event_open_up_to = seq;
    client->subscribed |= W4D_SUBSCRIBE_EVENT;
}

int w4d_events_watch(w4d_call *call) {
    w4d_client *client = call->client;
    const w4_events *events = w4_node_events(call->app->node);
    int r = watch_types(call);
    if (r != 0) {
        return r;
    }
    uint64_t last = w4_events_last(events);
    int64_t since = (int64_t)last;
    (void)w4_json_integer(w4_json_get(call->params, "since"), &since);
    w4d_watch_from(client, (uint64_t)since > last ? last : (uint64_t)since,
                   w4_json_is_true(w4_json_get(call->params, "open")));

    uint64_t replayed = 0;
    uint64_t cursor = client->event_cursor;
    uint64_t first = 0;
    w4_event_view view;
    while (w4_events_next(events, &cursor, &view)) {
        first = first == 0 ? view.seq : first;
        replayed += wants(client, view.event) && may_know(call->app, client, &view);
    }
    w4_json_begin_object(call->result);
    w4_json_member_unsigned(call->result, "seq", last);
    w4_json_member_unsigned(call->result, "replayed", replayed);
    w4_json_member_unsigned(call->result, "lost",
                            first == 0 ? 0 : first - client->event_cursor - 1);
    w4_json_end_object(call->result);
    return 0;
}

/* ---- what agents are told */

static void write_without_address(w4_json_writer *w, w4_json data) {
    w4_json_begin_object(w);
    for (w4_json_iterator i = w4_json_first(data); w4_json_exists(i.value); i = w4_json_next(i)) {
        if (!w4_json_string_equal(i.name, "address")) {
            w4_json_name_bytes(w, w4_json_string_raw(i.name));
            w4_json_value(w, i.value);
        }
    }
    w4_json_end_object(w);
}

/* The event as an agent may see it. 0 or fatal. */
static int for_agents(w4_bytes event, w4_buffer *out) {
    w4_json_document doc = {0};
    w4_json_writer w;
    int r = w4_json_read(&doc, event, &W4_JSON_LIMITS_LINE, NULL);
    if (r != 0) {
        return r < 0 ? r : -EBADMSG;
    }
    w4_json_writer_init(&w, out);
    w4_json_begin_object(&w);
    for (w4_json_iterator i = w4_json_first(w4_json_root(&doc)); w4_json_exists(i.value);
         i = w4_json_next(i)) {
        w4_json_name_bytes(&w, w4_json_string_raw(i.name));
        if (w4_json_string_equal(i.name, "data")) {
            write_without_address(&w, i.value);
        } else {
            w4_json_value(&w, i.value);
        }
    }
    w4_json_end_object(&w);
    w4_json_document_deinit(&doc);
    return w.error;
}

static int tell(w4d_client *client, w4_bytes event) {
    if (client->surface == W4_SURFACE_CONTROL) {
        return w4d_client_notify(client, W4_NOTIFY_NODE_EVENT, event);
    }
    w4_buffer text = W4_BUFFER_INIT(2 * W4_EVENT_BYTES_MAX);
    int r = for_agents(event, &text);
    if (r == 0) {
        r = w4d_client_notify(client, W4_NOTIFY_NODE_EVENT, w4_buffer_bytes(&text));
    }
    w4_buffer_deinit(&text);
    return r;
}

/* ---- telling */

/* Sessions that were open before it came; once, before anything else. */
static int tell_open(w4d_app *app, w4d_client *client) {
    w4_buffer text = W4_BUFFER_INIT(W4_EVENT_BYTES_MAX);
    int r = 0;
    uint64_t seq = 0;
    size_t cursor = 0;
    for (bool more = wants(client, W4_EVENT_SESSION_OPEN); more && r == 0;) {
        w4_json_writer w;
        w4_buffer_clear(&text);
        w4_json_writer_init(&w, &text);
        more = w4_node_session_told(app->node, &cursor, &w, &seq);
        if (more && seq <= client->event_open_up_to) { /* later ones come by themselves */
            r = w.error != 0 ? w.error : tell(client, w4_buffer_bytes(&text));
        }
    }
    w4_buffer_deinit(&text);
    client->event_open = false;
    return r;
}

static int tell_client(w4d_app *app, w4d_client *client) {
    w4_event_view view;
    int r = client->event_open ? tell_open(app, client) : 0;
    while (r == 0 && (client->subscribed & W4D_SUBSCRIBE_EVENT) != 0 &&
           w4_events_next(w4_node_events(app->node), &client->event_cursor, &view)) {
        bool told = wants(client, view.event) && may_know(app, client, &view);
        r = told ? tell(client, view.json) : 0;
    }
    return r;
}

int w4d_watchers_notify(w4d_app *app) {
    w4d_client *client = NULL;
    LIST_FOREACH (client, &app->clients, next) {
        int r = tell_client(app, client);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

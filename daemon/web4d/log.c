#include "web4d/log.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* Of one kind: what a peer can cause as often as it likes hides nothing else. */
#define EVENTS_PER_S 50u

void w4d_log_line(void *context, w4_log_level level, const char *text) {
    static const char *const prefixes[W4_LOG_LEVEL_COUNT] = {"<3>", "<4>", "<6>", "<7>"};
    const w4d_app *app = (const w4d_app *)context;
    if (level > app->log_level) {
        return;
    }
    (void)fprintf(stderr, "%s%s%s\n", app->to_journal ? prefixes[level] : "",
                  app->to_journal ? "" : "web4d: ", text);
}

/* The event as a line for people: its name, then the members of its data. */
static int write_line(w4_buffer *out, w4_json event) {
    w4_json name = w4_json_get(event, "event");
    int r = w4_json_string_decode(name, out);
    static const char *const around[] = {"peer", "transport"};
    for (size_t i = 0; r == 0 && i < sizeof around / sizeof *around; i++) {
        w4_json value = w4_json_get(event, around[i]);
        if (w4_json_exists(value)) {
            w4_bytes raw = w4_json_string_raw(value);
            r = w4_buffer_printf(out, " %s=%.*s", around[i], (int)(raw.len < 16 ? raw.len : 16),
                                 (const char *)raw.data);
        }
    }
    for (w4_json_iterator i = w4_json_first(w4_json_get(event, "data"));
         r == 0 && w4_json_exists(i.value); i = w4_json_next(i)) {
        w4_bytes member = w4_json_string_raw(i.name);
        w4_bytes text = w4_json_text(i.value);
        r = w4_buffer_printf(out, " %.*s=", (int)member.len, (const char *)member.data);
        r = r != 0 ? r : w4_text_escape(out, text);
    }
    return r;
}

/* To the journal with its fields, where stderr is the journal; else a line as any other. */
static void log_event(w4d_app *app, const w4_event_view *view, w4_json event, const char *text) {
    char peer[W4_FINGERPRINT_TEXT_LEN + 1] = "";
    bool with_peer = w4_json_string_copy(w4_json_get(event, "peer"), peer, sizeof peer);
    if (!app->to_journal || !w4_service_journal(view->severity, text, w4_event_name(view->event),
                                                with_peer ? peer : NULL)) {
        w4d_log_line(app, view->severity, text);
    }
}

void w4d_log_events(w4d_app *app) {
    const w4_events *events = w4_node_events(app->node);
    w4_event_view view;
    while (w4_events_next(events, &app->event_cursor, &view)) {
        uint64_t suppressed = 0;
        if (view.severity > app->log_level ||
            !w4_log_limit_allow(&app->log_limits[view.event], EVENTS_PER_S,
                                w4_loop_now_us(app->loop), &suppressed)) {
            continue;
        }
        if (suppressed > 0) {
            w4_log(&app->env, W4_LOG_WARNING, "%lu of %s were not logged: too many a second",
                   (unsigned long)suppressed, w4_event_name(view.event));
        }
        w4_json_document doc = {0};
        w4_buffer line = W4_BUFFER_INIT(W4_EVENT_BYTES_MAX * 4);
        if (w4_json_read(&doc, view.json, &W4_JSON_LIMITS_LINE, NULL) == 0 &&
            write_line(&line, w4_json_root(&doc)) == 0) {
            const char *text = w4_buffer_text(&line);
            if (text != NULL) {
                log_event(app, &view, w4_json_root(&doc), text);
            }
        }
        w4_buffer_deinit(&line);
        w4_json_document_deinit(&doc);
    }
}

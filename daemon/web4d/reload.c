#include "web4d/app.h"

#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int w4d_apply_anchors(w4d_app *app) {
    w4_trust_book *book = w4_node_trust(app->node);
    for (uint32_t i = 0; i < app->config->trust.anchors_count; i++) {
        const w4_config_anchor *anchor = &app->config->trust.anchors[i];
        w4_trust_kind kind =
            anchor->kind == W4_CONFIG_ANCHOR_AGENT ? W4_TRUST_AGENT : W4_TRUST_NODE;
        /* What has moved since stands: an anchor is where trust starts, not where it stays. */
        w4_trust_entry entry;
        if (w4_trust_book_find(book, kind, &anchor->fingerprint, &entry)) {
            continue;
        }
        int r = w4_node_trust_set(app->node, kind, &anchor->fingerprint, W4_TRUST_TRUSTED, "anchor",
                                  "named in the configuration", w4_loop_now_us(app->loop));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void event_reloaded(w4d_app *app, bool ok, const w4d_reload *reload) {
    w4_event_about about = {.event = W4_EVENT_CONFIG_RELOADED,
                            .severity = ok ? W4_LOG_INFO : W4_LOG_ERROR};
    w4_json_writer *w =
        w4_events_begin(w4_node_events(app->node), &about, w4_loop_now_us(app->loop));
    w4_json_member_bool(w, "ok", ok);
    w4_json_member_string(w, "digest", w4_config_digest(app->config));
    w4_json_member_string(w, "previous", reload->previous);
    w4_json_member_string(w, "text", reload->text);
    w4_events_end(w4_node_events(app->node));
}

int w4d_add_seeds(w4d_app *app) {
    for (uint32_t i = 0; i < app->config->seeds_count; i++) {
        const w4_config_seed *seed = &app->config->seeds[i];
        int r = w4_mesh_add_address(w4_node_mesh(app->node), seed->address, W4_ADDRESS_SEED,
                                    seed->pinned ? &seed->fingerprint : NULL,
                                    w4_loop_now_us(app->loop));
        if (r == -ENOMEM) {
            return r;
        }
        if (r == -ENOSPC || r == 2) {
            w4_log(&app->env, W4_LOG_WARNING, "the seed %s is not dialled: %s", seed->address,
                   r == 2 ? "the key that is expected there was revoked"
                          : "the table of peers is full");
        }
    }
    return 0;
}

static int swap(w4d_app *app, w4_config *next) {
    w4_node_config config;
    int r = w4d_node_config(app, next, &config);
    if (r != 0) {
        w4_config_free(next);
        return r;
    }
    w4_config_free(app->config);
    app->config = next;
    app->log_level = next->log.level;
    w4_node_configure(app->node, &config, w4_loop_now_us(app->loop));
    r = w4d_app_advertise(app);
    r = r != 0 ? r : w4d_add_seeds(app);
    return r != 0 ? r : w4d_apply_anchors(app);
}

/* The report has a line for each fault; the text of an answer and of an event is one line. */
static void keep_report(const w4_buffer *report, w4d_reload *reload) {
    size_t used = 0;
    for (size_t i = 0; i < report->len && used + 3 < sizeof reload->text; i++) {
        if (report->data[i] != '\n') {
            reload->text[used++] = (char)report->data[i];
        } else if (i + 1 < report->len) {
            reload->text[used++] = ';';
            reload->text[used++] = ' ';
        }
    }
    reload->text[used] = '\0';
}

static int load_next(w4d_app *app, w4_config **ret_next, w4d_reload *reload) {
    w4_buffer report = W4_BUFFER_INIT(64u * 1024u);
    w4_config *loaded = NULL;
    int r = w4d_files_load(&app->files, &loaded, &report);
    if (r > 0) {
        keep_report(&report, reload);
    }
    w4_buffer_deinit(&report);
    if (r != 0) {
        return r;
    }
    w4_config_compare(app->config, loaded, &reload->changes);
    r = w4_config_carry(app->config, loaded, ret_next);
    if (r > 0) {
        (void)snprintf(reload->text, sizeof reload->text,
                       "valid, but nothing of it can change without a restart");
    }
    w4_config_free(loaded);
    return r;
}

static void needs_restart(w4_config_changes *changes, const char *pointer) {
    for (uint32_t i = 0; i < changes->count && i < W4_CONFIG_CHANGES_MAX; i++) {
        if (strcmp(changes->items[i].pointer, pointer) == 0) {
            return;
        }
    }
    if (changes->count < W4_CONFIG_CHANGES_MAX) {
        w4_config_change *change = &changes->items[changes->count++];
        change->restart = true;
        (void)snprintf(change->pointer, sizeof change->pointer, "%s", pointer);
        changes->restart_count++;
    }
}

/* The key of this node is in all that it has said and agreed upon: it changes with a start. */
static int look_at_key(w4d_app *app, w4d_reload *reload) {
    char text[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_identity *identity = NULL;
    int r = w4d_key_waits(app->identity_path, w4_identity_fingerprint(app->identity), &identity);
    if (r > 0) {
        w4_fingerprint_format(w4_identity_fingerprint(identity), text);
        w4_log(&app->env, W4_LOG_INFO,
               "the key in %s is another one by now, %s: restart to have it", app->identity_path,
               text);
        needs_restart(&reload->changes, "/node/identity");
    }
    w4_identity_free(identity);
    return r < 0 ? r : 0;
}

int w4d_reload_config(w4d_app *app, w4d_reload *ret_reload) {
    memset(ret_reload, 0, sizeof *ret_reload);
    (void)snprintf(ret_reload->previous, sizeof ret_reload->previous, "%s",
                   w4_config_digest(app->config));
    w4_service_reloading(app->service);
    w4_config *next = NULL;
    int r = load_next(app, &next, ret_reload);
    r = r != 0 ? r : swap(app, next);
    r = r != 0 ? r : look_at_key(app, ret_reload);
    event_reloaded(app, r == 0, ret_reload);
    (void)w4_service_ready(app->service); /* it was found before */
    return r;
}

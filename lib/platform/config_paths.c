#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "platform/config.h"

#define NAMES_ROOM 64 /* for what is put behind a folder: "/conf.d", "/control.sock", ... */

/* The first of the folders that systemd or the environment names, when it is one to be used. */
static bool usable(const char *path, w4_bytes *ret_path) {
    if (path == NULL || path[0] != '/') {
        return false;
    }
    w4_bytes first = w4_bytes_of(path, strcspn(path, ":"));
    while (first.len > 1 && first.data[first.len - 1] == '/') {
        first.len--;
    }
    bool good = first.len > 1 && first.len < W4_CONFIG_PATH_MAX - NAMES_ROOM;
    for (size_t i = 0; good && i < first.len; i++) {
        good = first.data[i] > 0x1F && first.data[i] != 0x7F;
    }
    *ret_path = first;
    return good && w4_utf8_valid(first);
}

static void join(char ret_path[static W4_CONFIG_PATH_MAX], w4_bytes folder, const char *name) {
    snprintf(ret_path, W4_CONFIG_PATH_MAX, "%.*s%s", (int)folder.len, (const char *)folder.data,
             name);
}

/* systemd's folder, root's, the XDG one, or the one under home; false: none of them is known. */
static bool choose(char ret_path[static W4_CONFIG_PATH_MAX], const w4_config_place *place,
                   const char *by_systemd, const char *of_root, const char *by_xdg,
                   const char *under_home, const char *name) {
    w4_bytes folder;
    if (usable(by_systemd, &folder)) {
        join(ret_path, folder, name);
    } else if (place->is_root) {
        join(ret_path, w4_bytes_from_text(of_root), name);
    } else if (usable(by_xdg, &folder)) {
        char tail[NAMES_ROOM];
        snprintf(tail, sizeof tail, "/web4%s", name);
        join(ret_path, folder, tail);
    } else if (under_home != NULL && usable(place->home, &folder)) {
        char tail[NAMES_ROOM];
        snprintf(tail, sizeof tail, "%s/web4%s", under_home, name);
        join(ret_path, folder, tail);
    } else {
        return false;
    }
    return true;
}

bool w4_config_paths_default(const w4_config_place *place, w4_config_paths *ret_paths) {
    w4_config_paths paths;
    if (!choose(paths.file, place, place->configuration_directory, "/etc/web4",
                place->xdg_config_home, "/.config", "/web4d.json") ||
        !choose(paths.fragments, place, place->configuration_directory, "/etc/web4",
                place->xdg_config_home, "/.config", "/conf.d") ||
        !choose(paths.state_dir, place, place->state_directory, "/var/lib/web4",
                place->xdg_state_home, "/.local/state", "")) {
        return false;
    }
    if (!choose(paths.runtime_dir, place, place->runtime_directory, "/run/web4",
                place->xdg_runtime_dir, NULL, "")) {
        join(paths.runtime_dir, w4_bytes_from_text(paths.state_dir), "/run");
    }
    *ret_paths = paths;
    return true;
}

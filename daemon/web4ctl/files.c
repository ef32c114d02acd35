#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "web4ctl/ctl.h"

#define READ_BYTES 65536u

int ctl_read_all(int fd, size_t max, w4_buffer *out) {
    while (out->len <= max) {
        size_t want = max + 1 - out->len < READ_BYTES ? max + 1 - out->len : READ_BYTES;
        int r = w4_buffer_reserve(out, want);
        if (r < 0) {
            return r;
        }
        ssize_t n = read(fd, out->data + out->len, want);
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        out->len += (size_t)n;
    }
    return 0;
}

/* Nothing that could keep us waiting. */
int ctl_read_file(const char *path, size_t max, w4_buffer *out) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISREG(st.st_mode)) {
        r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    }
    if (r == 0) {
        r = ctl_read_all(fd, max, out);
    }
    close(fd);
    return r;
}

static const char *variable(const char *name) {
    return getenv(name);
}

void ctl_place(w4_config_place *ret_place, char *ret_host_name, size_t size) {
    if (gethostname(ret_host_name, size) < 0) {
        ret_host_name[0] = 0;
    }
    ret_host_name[size - 1] = 0;
    *ret_place = (w4_config_place){
        .is_root = geteuid() == 0,
        .configuration_directory = variable("CONFIGURATION_DIRECTORY"),
        .state_directory = variable("STATE_DIRECTORY"),
        .runtime_directory = variable("RUNTIME_DIRECTORY"),
        .xdg_config_home = variable("XDG_CONFIG_HOME"),
        .xdg_state_home = variable("XDG_STATE_HOME"),
        .xdg_runtime_dir = variable("XDG_RUNTIME_DIR"),
        .home = variable("HOME"),
        .host_name = ret_host_name,
    };
}

/* ---- the configuration */

static ctl_status add_text(const ctl_context *ctl, ctl_config *c, const char *path, bool quiet) {
    if (c->count == W4_CONFIG_TEXTS_MAX) {
        if (!quiet) {
            ctl_error(ctl, "%s: more than %u files", path, W4_CONFIG_TEXTS_MAX);
        }
        return CTL_REFUSED;
    }
    w4_buffer *content = &c->contents[c->count];
    *content = W4_BUFFER_INIT(W4_CONFIG_BYTES_MAX + 1);
    c->names[c->count] = strdup(path);
    size_t i = c->count++;
    int r = c->names[i] == NULL ? -ENOMEM : ctl_read_file(path, W4_CONFIG_BYTES_MAX, content);
    if (r < 0) {
        if (!quiet) {
            ctl_error(ctl, "%s: %s", path, r == -EINVAL ? "not a regular file" : strerror(-r));
        }
        return CTL_REFUSED;
    }
    c->texts[i] = (w4_config_text){c->names[i], w4_buffer_bytes(content)};
    return CTL_DONE;
}

static int is_fragment(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static ctl_status add_fragments(const ctl_context *ctl, ctl_config *c, const char *folder,
                                bool quiet) {
    struct dirent **entries = NULL;
    ctl_status status = CTL_DONE;
    int count = scandir(folder, &entries, is_fragment, by_name);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR && !quiet) {
        ctl_error(ctl, "%s: %s", folder, strerror(errno));
        return CTL_REFUSED;
    }
    for (int i = 0; i < count; i++) {
        char path[W4_CONFIG_PATH_MAX + 300];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (status == CTL_DONE) {
            status = add_text(ctl, c, path, quiet);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* The files that web4d reads when none is named: the main one may be missing. */
static ctl_status add_default_texts(const ctl_context *ctl, ctl_config *c,
                                    const w4_config_paths *paths, bool quiet) {
    ctl_status status = CTL_DONE;
    if (access(paths->file, F_OK) == 0 || errno != ENOENT) {
        status = add_text(ctl, c, paths->file, quiet);
    }
    return status == CTL_DONE ? add_fragments(ctl, c, paths->fragments, quiet) : status;
}

/* As web4d --config reads them: the file, conf.d beside it; then what else was named. */
static ctl_status add_named_texts(const ctl_context *ctl, ctl_config *c, const char *const *files,
                                  size_t count, bool quiet) {
    char folder[W4_CONFIG_PATH_MAX];
    const char *slash = strrchr(files[0], '/');
    int len = slash == NULL ? 1 : (int)(slash - files[0]);
    ctl_status status = add_text(ctl, c, files[0], quiet);
    if (status == CTL_DONE && (size_t)len < W4_CONFIG_PATH_MAX - 16) {
        snprintf(folder, sizeof folder, "%.*s/conf.d", len, slash == NULL ? "." : files[0]);
        status = add_fragments(ctl, c, folder, quiet);
    }
    for (size_t i = 1; i < count && status == CTL_DONE; i++) {
        status = add_text(ctl, c, files[i], quiet);
    }
    return status;
}

static void tell_faults(const ctl_context *ctl, const w4_config_faults *faults) {
    for (uint32_t i = 0; i < faults->count && i < W4_FAULTS_MAX; i++) {
        w4_buffer line = W4_BUFFER_INIT(8192);
        const char *text = NULL;
        if (w4_config_fault_format(&faults->items[i], &line) == 0) {
            text = w4_buffer_text(&line);
        }
        fprintf(ctl->err, "web4ctl: %s\n", text == NULL ? "no memory" : text);
        w4_buffer_deinit(&line);
    }
    if (faults->count > W4_FAULTS_MAX) {
        ctl_error(ctl, "and %u more", faults->count - W4_FAULTS_MAX);
    }
}

static ctl_status load(const ctl_context *ctl, ctl_config *c, const w4_config_place *place,
                       bool quiet) {
    w4_config_faults *faults = malloc(sizeof *faults);
    int r =
        faults == NULL ? -ENOMEM : w4_config_load(c->texts, c->count, place, &c->config, faults);
    ctl_status status = CTL_DONE;
    if (r < 0) {
        status = ctl_fatal(ctl, r);
    } else if (r > 0) {
        status = CTL_REFUSED;
        if (!quiet) {
            tell_faults(ctl, faults);
        }
    }
    free(faults);
    return status;
}

ctl_status ctl_config_load(const ctl_context *ctl, const char *const *files, size_t count,
                           bool quiet, ctl_config *ret_config) {
    w4_config_place place;
    w4_config_paths paths;
    char host_name[256];
    ctl_status status = CTL_DONE;
    memset(ret_config, 0, sizeof *ret_config);
    ctl_place(&place, host_name, sizeof host_name);
    if (count > 0) {
        status = add_named_texts(ctl, ret_config, files, count, quiet);
    } else if (w4_config_paths_default(&place, &paths)) {
        status = add_default_texts(ctl, ret_config, &paths, quiet);
    }
    return status == CTL_DONE ? load(ctl, ret_config, &place, quiet) : status;
}

void ctl_config_deinit(ctl_config *config) {
    config->config = w4_config_free(config->config);
    for (size_t i = 0; i < config->count; i++) {
        w4_buffer_deinit(&config->contents[i]);
        free(config->names[i]);
    }
    config->count = 0;
}

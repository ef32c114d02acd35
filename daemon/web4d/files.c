#include "web4d/files.h"

#include "base/text.h"
#include "crypto/primitives.h"
#include "trust/key_history.h"
#include "json/document.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void say(char *ret_text, size_t size, const char *what, const char *path, int error) {
    (void)snprintf(ret_text, size, "%s %s: %s", what, path, strerror(error));
}

int w4d_files_init(w4d_files *files, const char *explicit_file, char *ret_text, size_t size) {
    memset(files, 0, sizeof *files);
    if (gethostname(files->host_name, sizeof files->host_name - 1) != 0 ||
        files->host_name[0] == '\0') {
        (void)snprintf(files->host_name, sizeof files->host_name, "node");
    }
    char *dot = strchr(files->host_name, '.');
    if (dot != NULL) {
        *dot = '\0';
    }
    files->place = (w4_config_place){
        .is_root = geteuid() == 0,
        .configuration_directory = getenv("CONFIGURATION_DIRECTORY"),
        .state_directory = getenv("STATE_DIRECTORY"),
        .runtime_directory = getenv("RUNTIME_DIRECTORY"),
        .xdg_config_home = getenv("XDG_CONFIG_HOME"),
        .xdg_state_home = getenv("XDG_STATE_HOME"),
        .xdg_runtime_dir = getenv("XDG_RUNTIME_DIR"),
        .home = getenv("HOME"),
        .host_name = files->host_name,
    };
    if (!w4_config_paths_default(&files->place, &files->paths)) {
        (void)snprintf(ret_text, size,
                       "nothing says where files go: set HOME, or the XDG_ variables");
        return 1;
    }
    if (explicit_file != NULL) {
        files->explicit_file = strdup(explicit_file);
        if (files->explicit_file == NULL) {
            return -ENOMEM;
        }
    }
    return 0;
}

static void forget_texts(w4d_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        w4_buffer_deinit(&files->contents[i]);
        free(files->names[i]);
        files->names[i] = NULL;
    }
    files->count = 0;
}

void w4d_files_deinit(w4d_files *files) {
    forget_texts(files);
    free(files->explicit_file);
    files->explicit_file = NULL;
}

/* Reads a regular file of bounded size. 0, or errno (ENOENT: there is none; EFBIG; EISDIR;
 * EINVAL: not a regular file). O_NONBLOCK: a FIFO must not hold the start up. */
static int read_file(const char *path, w4_buffer *ret_text) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return errno;
    }
    struct stat st;
    int error = fstat(fd, &st) != 0 ? errno : 0;
    if (error == 0 && S_ISDIR(st.st_mode)) {
        error = EISDIR;
    } else if (error == 0 && !S_ISREG(st.st_mode)) {
        error = EINVAL;
    }
    while (error == 0) {
        uint8_t chunk[16384];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            error = got < 0 ? errno : 0;
            break;
        }
        int r = w4_buffer_append(ret_text, w4_bytes_of(chunk, (size_t)got));
        error = r == 0 ? 0 : r == -ENOMEM ? ENOMEM : EFBIG;
    }
    (void)close(fd);
    return error;
}

/* Adds one file to the texts. 0, -ENOMEM, or 1 with a line in the report. */
static int add_file(w4d_files *files, const char *path, bool may_miss, w4_buffer *report) {
    if (files->count == W4_CONFIG_TEXTS_MAX) {
        int r = w4_buffer_printf(report, "%s: too many configuration files\n", path);
        return r < 0 ? r : 1;
    }
    w4_buffer text = W4_BUFFER_INIT(W4_JSON_LIMITS_FILE.bytes);
    int error = read_file(path, &text);
    if (error == ENOENT && may_miss) {
        w4_buffer_deinit(&text);
        return 0;
    }
    if (error != 0) {
        w4_buffer_deinit(&text);
        const char *why = error == EINVAL ? "not a regular file" : strerror(error);
        int r = w4_buffer_printf(report, "%s: cannot be read: %s\n", path, why);
        return r < 0 ? r : 1;
    }
    char *name = strdup(path);
    if (name == NULL) {
        w4_buffer_deinit(&text);
        return -ENOMEM;
    }
    size_t i = files->count++;
    files->contents[i] = text;
    files->names[i] = name;
    files->texts[i] = (w4_config_text){name, w4_buffer_bytes(&files->contents[i])};
    return 0;
}

static int is_fragment(const struct dirent *entry) {
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* conf.d: beside the main file, in the order of names. */
static int add_fragments(w4d_files *files, const char *folder, w4_buffer *report) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_fragment, by_name);
    if (count < 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return 0;
        }
        int r = w4_buffer_printf(report, "%s: cannot be read: %s\n", folder, strerror(errno));
        return r < 0 ? r : 1;
    }
    int result = 0;
    for (int i = 0; i < count; i++) {
        char path[W4_CONFIG_PATH_MAX + 512];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        int r = result < 0 ? 0 : add_file(files, path, false, report);
        result = r != 0 ? r : result;
        free(entries[i]);
    }
    free((void *)entries);
    return result;
}

static void fragments_folder(const w4d_files *files, char *ret_folder, size_t size) {
    if (files->explicit_file == NULL) {
        (void)snprintf(ret_folder, size, "%s", files->paths.fragments);
        return;
    }
    const char *slash = strrchr(files->explicit_file, '/');
    int len = slash == NULL ? 1 : (int)(slash - files->explicit_file);
    const char *folder = slash == NULL ? "." : files->explicit_file;
    (void)snprintf(ret_folder, size, "%.*s/conf.d", len, folder);
}

static int report_faults(const w4_config_faults *faults, w4_buffer *report) {
    for (uint32_t i = 0; i < faults->count && i < W4_FAULTS_MAX; i++) {
        int r = w4_config_fault_format(&faults->items[i], report);
        r = r != 0 ? r : w4_buffer_append_text(report, "\n");
        if (r != 0) {
            return r;
        }
    }
    if (faults->count > W4_FAULTS_MAX) {
        return w4_buffer_printf(report, "and %u more\n", faults->count - W4_FAULTS_MAX);
    }
    return 0;
}

int w4d_files_load(w4d_files *files, w4_config **ret_config, w4_buffer *ret_report) {
    w4d_files next = *files;
    next.count = 0;
    memset(next.names, 0, sizeof next.names);
    char folder[W4_CONFIG_PATH_MAX + 16];
    fragments_folder(files, folder, sizeof folder);
    int r = files->explicit_file != NULL ? add_file(&next, files->explicit_file, false, ret_report)
                                         : add_file(&next, files->paths.file, true, ret_report);
    int fragments = r < 0 ? r : add_fragments(&next, folder, ret_report);
    r = fragments < 0 ? fragments : (r != 0 ? r : fragments);
    if (r == 0) {
        w4_config_faults *faults = (w4_config_faults *)calloc(1, sizeof *faults);
        r = faults == NULL
                ? -ENOMEM
                : w4_config_load(next.texts, next.count, &files->place, ret_config, faults);
        if (r > 0) {
            int reported = report_faults(faults, ret_report);
            r = reported < 0 ? reported : r;
        }
        free(faults);
    }
    if (r != 0) {
        forget_texts(&next);
        return r;
    }
    forget_texts(files);
    char *explicit_file = files->explicit_file;
    *files = next;
    files->explicit_file = explicit_file;
    return 0;
}

/* mkdir -p; what is made is for its owner alone. */
static int make_folder(const char *path, mode_t mode, char *ret_text, size_t size) {
    char part[W4_CONFIG_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        (void)snprintf(ret_text, size, "a path in the configuration is empty or too long");
        return 1;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, i == len ? mode : 0755) != 0 && errno != EEXIST) {
            say(ret_text, size, "cannot make the folder", part, errno);
            return 1;
        }
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        say(ret_text, size, "not a folder:", path, ENOTDIR);
        return 1;
    }
    if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
        (void)snprintf(ret_text, size, "the folder %s can be written by everybody", path);
        return 1;
    }
    return 0;
}

static int make_parent(const char *path, mode_t mode, char *ret_text, size_t size) {
    char folder[W4_CONFIG_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return 0;
    }
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return make_folder(folder, mode, ret_text, size);
}

int w4d_files_make_folders(const w4_config *config, char *ret_text, size_t size) {
    int r = make_folder(config->paths.state_dir, 0700, ret_text, size);
    r = r != 0 ? r : make_folder(config->paths.runtime_dir, 0755, ret_text, size);
    r = r != 0 ? r : make_folder(config->paths.agents_dir, 0700, ret_text, size);
    r = r != 0 ? r : make_parent(config->node.identity, 0700, ret_text, size);
    r = r != 0 ? r : make_parent(config->paths.store, 0700, ret_text, size);
    r = r != 0 ? r : make_parent(config->paths.control_socket, 0755, ret_text, size);
    return r != 0 ? r : make_parent(config->paths.agent_socket, 0755, ret_text, size);
}

static int make_identity(const char *path, w4_identity **ret_identity, char *ret_text,
                         size_t size) {
    uint8_t seed[W4_SEED_LEN];
    w4_random(seed, sizeof seed);
    w4_identity *identity = NULL;
    int r = w4_identity_from_seed(seed, &identity);
    w4_wipe(seed, sizeof seed);
    if (r < 0) {
        return r;
    }
    int error = 0;
    r = w4_identity_save(identity, path, &error);
    if (r != 0) {
        w4_identity_free(identity);
        say(ret_text, size, "cannot write the key file", path, error == 0 ? EIO : error);
        return r < 0 ? r : 1;
    }
    *ret_identity = identity;
    return 0;
}

bool w4d_files_exists(const char *path) {
    return access(path, F_OK) == 0;
}

int w4d_files_key(const char *path, bool make, w4_identity **ret_identity, char *ret_text,
                  size_t size) {
    int error = 0;
    int r = w4_identity_load(path, ret_identity, &error);
    if (r == W4_KEY_E_FILE && error == ENOENT && make) {
        return make_identity(path, ret_identity, ret_text, size);
    }
    if (r > 0) {
        (void)snprintf(ret_text, size, "%s %s: %s",
                       r == W4_KEY_E_FILE ? "cannot read the key file" : "cannot use the key file",
                       path, w4_key_file_error(r, error));
    }
    return r > 0 ? 1 : r;
}

int w4d_files_history(const char *key_path, w4_buffer *ret_lines, char *ret_text, size_t size) {
    char path[W4D_KEY_PATH_MAX + sizeof W4_KEY_HISTORY_SUFFIX];
    (void)snprintf(path, sizeof path, "%s%s", key_path, W4_KEY_HISTORY_SUFFIX);
    int error = read_file(path, ret_lines);
    if (error == 0 || error == ENOENT) {
        return 0;
    }
    say(ret_text, size, "cannot read", path, error);
    return error == ENOMEM ? -ENOMEM : 1;
}

void w4d_files_agent_path(const w4_config *config, const char *agent_id,
                          char ret_path[static W4D_KEY_PATH_MAX]) {
    static const char harmless[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(agent_id);
    char name[2 * W4_HASH_LEN + 8];
    if (len > 0 && len <= 64 && agent_id[0] != '.' && strspn(agent_id, harmless) == len) {
        (void)snprintf(name, sizeof name, "%s", agent_id);
    } else {
        uint8_t hash[W4_HASH_LEN];
        w4_hash(w4_bytes_from_text(agent_id), w4_bytes_of(NULL, 0), hash);
        /* '+' is not harmless, so no agent_id is spelled like this. */
        name[0] = '+';
        for (size_t i = 0; i < sizeof hash; i++) {
            (void)snprintf(name + 1 + 2 * i, 3, "%02x", hash[i]);
        }
    }
    (void)snprintf(ret_path, W4D_KEY_PATH_MAX, "%s/%s.pem", config->paths.agents_dir, name);
}

/* The files a daemon reads and keeps: configuration, key files, folders. */
#pragma once

#include "crypto/sign.h"
#include "platform/config.h"

typedef struct w4d_files {
    w4_config_place place;
    w4_config_paths paths;
    char *explicit_file; /* --config; NULL: the default one, which may be missing */
    char host_name[256];
    w4_config_text texts[W4_CONFIG_TEXTS_MAX]; /* what the config in force was made of */
    size_t count;
    w4_buffer contents[W4_CONFIG_TEXTS_MAX];
    char *names[W4_CONFIG_TEXTS_MAX];
} w4d_files;

/* Looks at the environment. explicit_file may be NULL. 0, or 1 with the reason. */
int w4d_files_init(w4d_files *files, const char *explicit_file, char *ret_text, size_t size);
void w4d_files_deinit(w4d_files *files);

/* Reads the main file and conf.d, then loads the configuration. 0, -ENOMEM, or 1: every fault as a
 * line in *ret_report. */
int w4d_files_load(w4d_files *files, w4_config **ret_config, w4_buffer *ret_report);
/* Makes the folders of the config that are missing, for their owner alone. 0, or 1 with why. */
int w4d_files_make_folders(const w4_config *config, char *ret_text, size_t size);

/* Where the key of a hosted agent is. The name never becomes a path: the file is named by the
 * agent_id where that is harmless, else by a hash of it. */
#define W4D_KEY_PATH_MAX (W4_CONFIG_PATH_MAX + 128u)
void w4d_files_agent_path(const w4_config *config, const char *agent_id,
                          char ret_path[static W4D_KEY_PATH_MAX]);
bool w4d_files_exists(const char *path);
/* Reads the key file of the node, or of a hosted agent; make: where there is none, it is made. 0,
 * -ENOMEM, or 1 with why. */
int w4d_files_key(const char *path, bool make, w4_identity **ret_identity, char *ret_text,
                  size_t size);
/* Appends what is in KEYFILE.succession (trust/key_history.h); nothing where there is none. 0,
 * -ENOMEM, or 1 with why. */
int w4d_files_history(const char *key_path, w4_buffer *ret_lines, char *ret_text, size_t size);

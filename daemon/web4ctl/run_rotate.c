/* keys rotate: another key takes the place of the one in a key file.
 *
 *   KEYFILE.new          the new key, until it is in its place
 *   KEYFILE.succession   what both keys have signed, a line for each rotation
 *   KEYFILE.old          the key that was in KEYFILE before
 *
 * Each step is on the disk before the next begins, and KEYFILE is there at any time, with one key
 * or the other: what was cut short is gone on with by running it again. Until the last step the
 * line leads to a key that is not in KEYFILE, and is passed over by who reads it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/primitives.h"
#include "envelope/members.h"
#include "trust/key_history.h"
#include "web4ctl/ctl.h"
#include "json/writer.h"

#define SUFFIX_MAX 24u

typedef struct rotation {
    char path[W4_CONFIG_PATH_MAX], next[W4_CONFIG_PATH_MAX + SUFFIX_MAX],
        former[W4_CONFIG_PATH_MAX + SUFFIX_MAX], history[W4_CONFIG_PATH_MAX + SUFFIX_MAX],
        history_next[W4_CONFIG_PATH_MAX + SUFFIX_MAX];
    w4_key_kind of;
    struct stat owner; /* of the key file */
    w4_identity *old, *fresh;
    w4_buffer lines;         /* of the history */
    w4_key_history followed; /* those of them that led to the old key */
    w4_buffer document;      /* the line that was added */
} rotation;

static ctl_status failed(const ctl_context *ctl, const char *path, int error) {
    ctl_error(ctl, "%s: %s", path, strerror(error));
    return CTL_REFUSED;
}

static ctl_status load(const ctl_context *ctl, const char *path, w4_identity **ret_identity) {
    int error = 0;
    int r = w4_identity_load(path, ret_identity, &error);
    if (r > 0) {
        ctl_error(ctl, "%s: %s", path, w4_key_file_error(r, error));
    }
    return r < 0 ? ctl_fatal(ctl, r) : r > 0 ? CTL_REFUSED : CTL_DONE;
}

/* What belongs to the key file belongs to who owns that: root may do this for the node. */
static ctl_status give(const ctl_context *ctl, const rotation *r, const char *path) {
    bool other = r->owner.st_uid != geteuid() || r->owner.st_gid != getegid();
    return other && geteuid() == 0 && lchown(path, r->owner.st_uid, r->owner.st_gid) < 0
               ? failed(ctl, path, errno)
               : CTL_DONE;
}

/* The key that follows: one that is there already was made by a rotation that was cut short. */
static ctl_status make_key(const ctl_context *ctl, rotation *r) {
    struct stat st;
    if (lstat(r->next, &st) == 0) {
        ctl_status loaded = load(ctl, r->next, &r->fresh);
        return loaded == CTL_DONE ? give(ctl, r, r->next)
                                  : loaded; /* it may not have come so far */
    }
    uint8_t seed[W4_SEED_LEN];
    int error = 0;
    w4_random(seed, sizeof seed);
    int made = w4_identity_from_seed(seed, &r->fresh);
    w4_wipe(seed, sizeof seed);
    made = made == 0 ? w4_identity_save(r->fresh, r->next, &error) : made;
    if (made != 0) {
        return made < 0 ? ctl_fatal(ctl, made) : failed(ctl, r->next, error == 0 ? EEXIST : error);
    }
    return give(ctl, r, r->next);
}

static ctl_status read_history(const ctl_context *ctl, rotation *r) {
    int read = ctl_read_file(r->history, W4_KEY_HISTORY_BYTES_MAX, &r->lines);
    if (read == -ENOMEM) {
        return ctl_fatal(ctl, read);
    }
    if (read < 0 && read != -ENOENT) {
        return failed(ctl, r->history, -read);
    }
    if (r->lines.len > W4_KEY_HISTORY_BYTES_MAX) {
        return failed(ctl, r->history, EFBIG);
    }
    return CTL_DONE;
}

/* What was renamed is on the disk. */
static ctl_status sync_folder(const ctl_context *ctl, const rotation *r) {
    int error = w4_key_file_sync_folder(r->path);
    return error == 0 ? CTL_DONE : failed(ctl, r->path, error);
}

/* The file as it shall be, in one step. */
static ctl_status write_history(const ctl_context *ctl, rotation *r) {
    int error = unlink(r->history_next) < 0 && errno != ENOENT ? errno : 0;
    if (error == 0 &&
        w4_key_file_save(w4_buffer_bytes(&r->lines), r->history_next, &error) == W4_KEY_E_EXISTS) {
        error = EEXIST;
    }
    if (error != 0) {
        return failed(ctl, r->history_next, error);
    }
    ctl_status status = give(ctl, r, r->history_next);
    if (status == CTL_DONE && rename(r->history_next, r->history) < 0) {
        status = failed(ctl, r->history, errno);
    }
    return status == CTL_DONE ? sync_folder(ctl, r) : status;
}

static uint64_t now_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * W4_US_PER_S + (uint64_t)now.tv_nsec / 1000u;
}

static int add_line(w4_buffer *lines, w4_bytes document) {
    int e = w4_buffer_append(lines, document);
    return e == 0 ? w4_buffer_append_text(lines, "\n") : e;
}

/* The lines that lead to the old key, and one more: what a rotation that was cut short had added is
 * left out. */
static int write_lines(rotation *r, const w4_key_history *history) {
    w4_buffer lines = W4_BUFFER_INIT(W4_KEY_HISTORY_BYTES_MAX);
    int e = w4_key_succession_write(r->old, r->fresh, r->of, now_us(), &r->document);
    for (uint32_t i = 0; e == 0 && i < history->count; i++) {
        e = add_line(&lines, history->documents[i]);
    }
    e = e == 0 ? add_line(&lines, w4_buffer_bytes(&r->document)) : e;
    w4_buffer_deinit(&r->lines);
    r->lines = lines;
    return e;
}

/* All keys of one identity are of one kind, for ever: it is not guessed. 0, -ENOMEM, or -EINVAL:
 * another one was asked for. */
static int find_kind(rotation *r, const w4_key_history *history, bool asked) {
    w4_json_document scratch = {0};
    w4_key_document document;
    w4_key_fault fault;
    int e = history->count == 0
                ? 1
                : w4_key_document_read(&scratch, history->documents[0], &document, &fault);
    if (e == 0 && asked && document.of != r->of) {
        e = -EINVAL;
    } else if (e == 0) {
        r->of = document.of;
    }
    w4_json_document_deinit(&scratch);
    return e < 0 ? e : 0;
}

/* Nobody can take back what both keys have signed, so it is not guessed of whom a file is. */
static ctl_status check_kind(const ctl_context *ctl, const rotation *r, bool asked) {
    bool named = ctl->line.arguments_count > 0;
    if (!named && r->of != W4_KEY_OF_NODE) {
        ctl_error(ctl, "--kind %s: %s is the key of the node", w4_key_kind_name(r->of), r->path);
        return CTL_USAGE;
    }
    if (named && !asked && r->followed.count == 0) {
        ctl_error(ctl, "%s: whose key is that? Say --kind agent, or --kind node", r->path);
        return CTL_USAGE;
    }
    return CTL_DONE;
}

/* What is there, and whether one more can follow: before anything is made. */
static ctl_status look_at_history(const ctl_context *ctl, rotation *r) {
    ctl_status status = read_history(ctl, r);
    if (status != CTL_DONE) {
        return status;
    }
    int e = w4_key_history_read(w4_buffer_bytes(&r->lines), w4_identity_fingerprint(r->old),
                                &r->followed);
    if (e == 0 && r->followed.count >= W4_KEYRING_CHAIN_MAX - 1) {
        ctl_error(ctl, "%s: that is key %u of its identity, and no node takes more of one", r->path,
                  W4_KEYRING_CHAIN_MAX);
        return CTL_REFUSED;
    }
    bool asked = ctl_has(&ctl->line, CTL_OPTION_KIND);
    e = e == 0 ? find_kind(r, &r->followed, asked) : e;
    if (e == -EINVAL) {
        ctl_error(ctl, "%s: the keys of that identity are of another kind", r->path);
        return CTL_REFUSED;
    }
    return e < 0 ? ctl_fatal(ctl, e) : check_kind(ctl, r, asked);
}

static ctl_status add_succession(const ctl_context *ctl, rotation *r) {
    int e = write_lines(r, &r->followed);
    return e < 0 ? ctl_fatal(ctl, e) : write_history(ctl, r);
}

static ctl_status put_in_place(const ctl_context *ctl, const rotation *r) {
    if (unlink(r->former) < 0 && errno != ENOENT) {
        return failed(ctl, r->former, errno);
    }
    if (link(r->path, r->former) < 0) {
        return failed(ctl, r->former, errno);
    }
    if (rename(r->next, r->path) < 0) {
        return failed(ctl, r->path, errno);
    }
    return sync_folder(ctl, r);
}

static ctl_status show(const ctl_context *ctl, const rotation *r) {
    char fresh[W4_FINGERPRINT_TEXT_LEN + 1], old[W4_FINGERPRINT_TEXT_LEN + 1];
    w4_buffer text = W4_BUFFER_INIT(65536);
    w4_json_writer w;
    w4_fingerprint_format(w4_identity_fingerprint(r->fresh), fresh);
    w4_fingerprint_format(w4_identity_fingerprint(r->old), old);
    w4_json_writer_init(&w, &text);
    w4_json_begin_object(&w);
    w4_json_name(&w, "document");
    w4_json_raw(&w, w4_buffer_bytes(&r->document));
    w4_json_member_string(&w, "fingerprint", fresh);
    w4_json_member_string(&w, "in_use",
                          r->of == W4_KEY_OF_NODE ? "when web4d is restarted"
                                                  : "when the agent attaches next");
    w4_json_member_string(&w, "kind", w4_key_kind_name(r->of));
    w4_json_member_string(&w, "path", r->path);
    w4_json_member_string(&w, "predecessor", old);
    w4_member_pubkey(&w, "pubkey", w4_identity_pubkey(r->fresh));
    w4_json_member_string(&w, "succession", r->history);
    w4_json_end_object(&w);
    ctl_status status =
        w.error < 0 ? ctl_fatal(ctl, w.error) : ctl_answer_text(ctl, w4_buffer_bytes(&text));
    w4_buffer_deinit(&text);
    return status;
}

/* The file that is named, or that of the node. */
static ctl_status find_file(ctl_context *ctl, rotation *r) {
    const char *named = ctl->line.arguments_count > 0 ? ctl->line.arguments[0] : NULL;
    if (named != NULL && strlen(named) >= sizeof r->path) {
        return failed(ctl, named, ENAMETOOLONG);
    }
    if (named != NULL) {
        snprintf(r->path, sizeof r->path, "%s", named);
        return CTL_DONE;
    }
    w4_json shown = {0};
    ctl_status status = ctl_connect(ctl, W4_SURFACE_CONTROL);
    status = status == CTL_DONE
                 ? ctl_call(ctl, W4_METHOD_KEYS_SHOW, w4_bytes_from_text("{}"), &shown)
                 : status;
    if (status == CTL_DONE &&
        !w4_json_string_copy(w4_json_get(shown, "path"), r->path, sizeof r->path)) {
        ctl_error(ctl, "the node does not say where its key file is");
        status = CTL_REFUSED;
    }
    return status;
}

static ctl_status name_files(const ctl_context *ctl, rotation *r) {
    snprintf(r->next, sizeof r->next, "%s.new", r->path);
    snprintf(r->former, sizeof r->former, "%s.old", r->path);
    snprintf(r->history, sizeof r->history, "%s" W4_KEY_HISTORY_SUFFIX, r->path);
    snprintf(r->history_next, sizeof r->history_next, "%s" W4_KEY_HISTORY_SUFFIX ".new", r->path);
    if (lstat(r->path, &r->owner) < 0) {
        return failed(ctl, r->path, errno);
    }
    if (S_ISLNK(r->owner.st_mode)) { /* what lies beside it would lie in another folder */
        char real[PATH_MAX];
        ctl_error(ctl, "%s is a symbolic link: name the file that it leads to%s%s", r->path,
                  realpath(r->path, real) != NULL ? ", " : "",
                  realpath(r->path, real) != NULL ? real : "");
        return CTL_REFUSED;
    }
    return CTL_DONE;
}

static ctl_status rotate(ctl_context *ctl, rotation *r) {
    const char *kind = ctl_value(&ctl->line, CTL_OPTION_KIND);
    if (kind != NULL && !w4_key_kind_from_name(w4_bytes_from_text(kind), &r->of)) {
        ctl_error(ctl, "--kind %s: a key is that of an agent or of a node", kind);
        return CTL_USAGE;
    }
    ctl_status status = find_file(ctl, r);
    status = status == CTL_DONE ? name_files(ctl, r) : status;
    status = status == CTL_DONE ? load(ctl, r->path, &r->old) : status;
    status = status == CTL_DONE ? look_at_history(ctl, r) : status;
    status = status == CTL_DONE ? make_key(ctl, r) : status;
    status = status == CTL_DONE ? add_succession(ctl, r) : status;
    status = status == CTL_DONE ? put_in_place(ctl, r) : status;
    return status == CTL_DONE ? show(ctl, r) : status;
}

ctl_status ctl_run_keys_rotate(ctl_context *ctl) {
    rotation *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return ctl_fatal(ctl, -ENOMEM);
    }
    r->of = W4_KEY_OF_NODE;
    r->lines = W4_BUFFER_INIT(W4_KEY_HISTORY_BYTES_MAX + 1);
    r->document = W4_BUFFER_INIT(W4_KEY_DOCUMENT_MAX);
    ctl_status status = rotate(ctl, r);
    w4_identity_free(r->old);
    w4_identity_free(r->fresh);
    w4_buffer_deinit(&r->lines);
    w4_buffer_deinit(&r->document);
    free(r);
    return status;
}

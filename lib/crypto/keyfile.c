/* The only file of this layer that asks the system for anything but randomness. */
#include "crypto/sign.h"

#include "crypto/primitives.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MODE 0600

static int fail(int error, int *ret_errno) {
    *ret_errno = error;
    return W4_KEY_E_FILE;
}

/* Reads up to size bytes or to the end of the file. 0 or an errno. */
static int read_all(int fd, uint8_t *ret_data, size_t size, size_t *ret_len) {
    size_t len = 0;
    while (len < size) {
        ssize_t n = read(fd, ret_data + len, size - len);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    *ret_len = len;
    return 0;
}

/* 0 or an errno. */
static int write_all(int fd, w4_bytes bytes) {
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return n == 0 ? EIO : errno;
        }
        if (n > 0) {
            bytes = w4_bytes_of(bytes.data + n, bytes.len - (size_t)n);
        }
    }
    return 0;
}

static int load_fd(int fd, w4_identity **ret_identity, int *ret_errno) {
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return fail(errno, ret_errno);
    }
    if (!S_ISREG(st.st_mode)) {
        return fail(S_ISDIR(st.st_mode) ? EISDIR : EINVAL, ret_errno);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return W4_KEY_E_MODE;
    }
    if (st.st_size > W4_KEY_FILE_MAX) {
        return fail(EFBIG, ret_errno);
    }
    uint8_t text[W4_KEY_FILE_MAX + 1]; /* one more: it may have grown since */
    size_t len = 0;
    int error = read_all(fd, text, sizeof text, &len);
    int r;
    if (error != 0) {
        r = fail(error, ret_errno);
    } else if (len > W4_KEY_FILE_MAX) {
        r = fail(EFBIG, ret_errno);
    } else {
        r = w4_identity_parse(w4_bytes_of(text, len), ret_identity);
    }
    w4_wipe(text, sizeof text);
    return r;
}

int w4_identity_load(const char *path, w4_identity **ret_identity, int *ret_errno) {
    /* Not blocking: a pipe in the place of the file must not hold us up. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return fail(errno, ret_errno);
    }
    int r = load_fd(fd, ret_identity, ret_errno);
    (void)close(fd);
    return r;
}

/* Opens the folder of path and says where its last name begins. The descriptor or -errno. */
static int open_folder(const char *path, const char **ret_name) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (name[0] == 0) {
        return slash ? -EISDIR : -ENOENT;
    }
    size_t len = (size_t)(name - path);
    if (len >= sizeof folder) {
        return -ENAMETOOLONG;
    }
    memcpy(folder, path, len);
    folder[len] = 0;
    int fd = open(len > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    *ret_name = name;
    return fd;
}

/* Content and mode are on the disk when this says 0; else an errno. Closes fd. */
static int fill(int fd, w4_bytes text) {
    int error = fchmod(fd, KEY_FILE_MODE) < 0 ? errno : 0; /* whatever the umask took away */
    if (error == 0) {
        error = write_all(fd, text);
    }
    if (error == 0 && fsync(fd) < 0) {
        error = errno;
    }
    if (close(fd) < 0 && error == 0) {
        error = errno;
    }
    return error;
}

const char *w4_key_file_error(int condition, int error) {
    return condition != W4_KEY_E_FILE ? w4_key_error_name(condition)
           : error == ELOOP           ? "a symbolic link: name the file that it leads to"
           : error == EINVAL          ? "not a regular file"
           : error == EFBIG           ? "longer than a key file is"
                                      : strerror(error);
}

int w4_key_file_sync_folder(const char *path) {
    const char *name;
    int folder = open_folder(path, &name);
    if (folder < 0) {
        return -folder;
    }
    int error = fsync(folder) < 0 ? errno : 0;
    (void)close(folder);
    return error;
}

int w4_key_file_save(w4_bytes text, const char *path, int *ret_errno) {
    const char *name = NULL;
    int folder = open_folder(path, &name);
    if (folder < 0) {
        return fail(-folder, ret_errno);
    }
    int r = 0;
    int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, KEY_FILE_MODE);
    if (fd < 0) {
        r = errno == EEXIST ? W4_KEY_E_EXISTS : fail(errno, ret_errno);
    } else {
        int error = fill(fd, text);
        if (error == 0 && fsync(folder) < 0) {
            error = errno;
        }
        if (error != 0) { /* a key that may be lost with the power is not kept at all */
            (void)unlinkat(folder, name, 0);
            r = fail(error, ret_errno);
        }
    }
    (void)close(folder);
    return r;
}

int w4_identity_save(const w4_identity *identity, const char *path, int *ret_errno) {
    w4_buffer text = W4_BUFFER_INIT(W4_KEY_FILE_MAX);
    int r = w4_identity_encode(identity, &text);
    if (r == 0) {
        r = w4_key_file_save(w4_buffer_bytes(&text), path, ret_errno);
    }
    if (text.data) {
        w4_wipe(text.data, text.cap);
    }
    w4_buffer_deinit(&text);
    return r;
}

#include "io/local_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(W4_LOCAL_PATH_MAX + 1 == sizeof((struct sockaddr_un *)0)->sun_path,
               "the limit is the kernel's");

static int address_of(const char *path, struct sockaddr_un *ret_address) {
    size_t len = strlen(path);
    if (len < 2 || len > W4_LOCAL_PATH_MAX || path[0] != '/') {
        return -ENAMETOOLONG;
    }
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path, path, len + 1);
    return 0;
}

/* The folder of path, checked; its descriptor is also the lock under which a name is replaced. */
static int open_folder(const char *path, int *ret_fd) {
    char folder[W4_LOCAL_PATH_MAX + 1];
    size_t len = (size_t)(strrchr(path, '/') - path);
    memcpy(folder, path, len);
    folder[len] = 0;
    int fd = open(len > 0 ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct stat info;
    if (fstat(fd, &info) < 0) {
        int error = errno;
        (void)close(fd);
        return -error;
    }
    if ((info.st_mode & S_IWOTH) && !(info.st_mode & S_ISVTX)) {
        (void)close(fd);
        return -EPERM;
    }
    /* Two that start at once must not both find the same dead socket. Who cannot get the lock
     * goes on without: somebody who only may read the folder must not be able to stop us. */
    (void)flock(fd, LOCK_EX | LOCK_NB);
    *ret_fd = fd;
    return 0;
}

/* 0: the name is free (now). */
static int clear_name(const struct sockaddr_un *address) {
    struct stat info;
    if (lstat(address->sun_path, &info) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (!S_ISSOCK(info.st_mode)) {
        return -EEXIST;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int error = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? errno : 0;
    (void)close(fd);
    if (error == ENOENT) {
        return 0;
    }
    if (error != ECONNREFUSED) {
        /* It answers, its backlog is full, or it is of another kind: alive. */
        return error == EACCES ? -EACCES : -EADDRINUSE;
    }
    return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Nobody can connect before listen, and then owner and mode are right. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, mode_t mode, gid_t group,
                           w4_local_socket *ret_socket) {
    (void)fchmod(fd, mode & S_IRWXU); /* so that the name begins tight whatever the umask is */
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
        return -errno;
    }
    struct stat info = {0};
    int r = 0;
    if (group != W4_LOCAL_NO_GROUP && lchown(address->sun_path, (uid_t)-1, group) < 0) {
        r = -errno;
    }
    if (r == 0 && (chmod(address->sun_path, mode) < 0 || lstat(address->sun_path, &info) < 0 ||
                   listen(fd, SOMAXCONN) < 0)) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(address->sun_path);
        return r;
    }
    memcpy(ret_socket->path, address->sun_path, sizeof ret_socket->path);
    ret_socket->device = info.st_dev;
    ret_socket->inode = info.st_ino;
    return 0;
}

int w4_local_listen(const char *path, mode_t mode, gid_t group, int *ret_fd,
                    w4_local_socket *ret_socket) {
    struct sockaddr_un address;
    int folder = -1;
    int r = address_of(path, &address);
    if (r == 0) {
        r = open_folder(path, &folder);
    }
    if (r < 0) {
        return r;
    }
    r = clear_name(&address);
    int fd = -1;
    if (r == 0) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        r = fd < 0 ? -errno : bind_and_listen(fd, &address, mode, group, ret_socket);
    }
    (void)close(folder);
    if (r < 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return r;
    }
    *ret_fd = fd;
    return 0;
}

void w4_local_remove(w4_local_socket *socket) {
    struct stat info;
    if (socket->path[0] != 0 && lstat(socket->path, &info) == 0 && info.st_dev == socket->device &&
        info.st_ino == socket->inode) {
        (void)unlink(socket->path);
    }
    socket->path[0] = 0;
}

const char *w4_local_error_text(int error) {
    switch (-error) {
    case ENAMETOOLONG:
        return "the path must be absolute and at most 107 bytes";
    case EADDRINUSE:
        return "another process listens there";
    case EEXIST:
        return "something that is not a socket is there";
    case EPERM:
        return "everybody may write to its folder, or the group cannot be set";
    case ENOENT:
        return "its folder is missing";
    default:
        return strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error";
    }
}

int w4_local_peer_get(int fd, w4_local_peer *ret_peer) {
    struct ucred who;
    socklen_t len = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
        return -errno;
    }
    w4_local_peer peer = {.uid = who.uid, .gid = who.gid, .pid = who.pid};
    /* A peer in more groups than fit is taken for a member of none of them: fails closed. */
    len = sizeof peer.groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups, &len) == 0) {
        peer.group_count = (uint32_t)(len / sizeof peer.groups[0]);
    }
    *ret_peer = peer;
    return 0;
}

bool w4_local_peer_in_group(const w4_local_peer *peer, gid_t group) {
    bool is = peer->gid == group;
    for (uint32_t i = 0; i < peer->group_count; i++) {
        is |= peer->groups[i] == group;
    }
    return is;
}

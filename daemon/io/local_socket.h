/* Unix sockets with a name in the file system: made with the right owner and mode from the first
 * moment, never over a file that is not a dead socket, and removed again. */
#pragma once

#include "base/bytes.h"

#include <sys/types.h>

#define W4_LOCAL_PATH_MAX 107u
#define W4_LOCAL_GROUPS_MAX 64u
#define W4_LOCAL_NO_GROUP ((gid_t)-1)

typedef struct w4_local_socket {
    char path[W4_LOCAL_PATH_MAX + 1]; /* empty: not ours to remove */
    dev_t device;
    ino_t inode;
} w4_local_socket;

/* Listens on path. group: W4_LOCAL_NO_GROUP leaves it. 0 with *ret_fd (non-blocking) and
 * *ret_socket, or -errno; among them
 *   -ENAMETOOLONG   over 107 bytes, empty or not absolute
 *   -EADDRINUSE     a live socket: another process listens there
 *   -EEXIST         something that is not a socket is there (also a symbolic link); untouched
 *   -EPERM          everybody may write to its folder
 * A socket that nobody listens on any more is replaced. */
int w4_local_listen(const char *path, mode_t mode, gid_t group, int *ret_fd,
                    w4_local_socket *ret_socket);
/* Removes the name when it is still this socket's; may run twice. */
void w4_local_remove(w4_local_socket *socket);
/* What an error of w4_local_listen means, for people; static text. */
const char *w4_local_error_text(int error);

/* Who connected, as the kernel saw it at that moment. */
typedef struct w4_local_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    uint32_t group_count;
    gid_t groups[W4_LOCAL_GROUPS_MAX]; /* the supplementary ones, the first of them at most */
} w4_local_peer;

int w4_local_peer_get(int fd, w4_local_peer *ret_peer); /* 0 or -errno */
bool w4_local_peer_in_group(const w4_local_peer *peer, gid_t group);

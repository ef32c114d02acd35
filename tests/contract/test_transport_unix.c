#include "loop_world.h"

#include "io/unix.h"
#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int open_unix(w4_contract_world *w, const w4_transport_host *host,
                     w4_transport **ret_transport) {
    (void)w;
    return w4_transport_open(&w4_transport_unix, host, ret_transport);
}

static void address(w4_contract_world *w, unsigned number, char ret_text[W4_ADDRESS_MAX + 1]) {
    (void)w;
    (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "unix:%s/%u.sock", loop_folder, number);
}

static void nobody(w4_contract_world *w, char ret_text[W4_ADDRESS_MAX + 1]) {
    (void)w;
    (void)snprintf(ret_text, W4_ADDRESS_MAX + 1, "unix:%s/nobody", loop_folder);
}

static struct sockaddr_un at_path(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    return at;
}

static int raw_connect(w4_contract_world *w, const char *text) {
    (void)w;
    struct sockaddr_un to = at_path(w4_unix_address_path(text));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int listen_at(w4_contract_world *w, const char *path) {
    char text[W4_ADDRESS_MAX + 1];
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    (void)snprintf(text, sizeof text, "unix:%s", path);
    int r = w4_transport_listen(w->a, text, bound, &error);
    return r == W4_TRANSPORT_E_FAILED ? error : r;
}

static void foreign_files_stay(w4_contract_world *w) {
    char path[100];
    char target[100];
    (void)snprintf(path, sizeof path, "%s/thing", loop_folder);
    (void)snprintf(target, sizeof target, "%s/target", loop_folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    W4_EXPECT(w, fd >= 0 && write(fd, "mine", 4) == 4);
    (void)close(fd);
    W4_EXPECT(w, listen_at(w, path) == EEXIST);
    struct stat info;
    W4_EXPECT(w, stat(path, &info) == 0 && info.st_size == 4);
    W4_EXPECT(w, rename(path, target) == 0 && symlink(target, path) == 0);
    W4_EXPECT(w, listen_at(w, path) == EEXIST);
    W4_EXPECT(w, unlink(target) == 0);
    W4_EXPECT(w, listen_at(w, path) == EEXIST); /* a link into nothing, too */
    W4_EXPECT(w, unlink(path) == 0 && mkdir(path, 0700) == 0);
    W4_EXPECT(w, listen_at(w, path) == EEXIST);
    W4_EXPECT(w, rmdir(path) == 0 && mkfifo(path, 0600) == 0);
    W4_EXPECT(w, listen_at(w, path) == EEXIST);
    W4_EXPECT(w, unlink(path) == 0 && listen_at(w, path) == 0);
}

static void dead_sockets_are_replaced(w4_contract_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/dead", loop_folder);
    struct sockaddr_un at = at_path(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    W4_EXPECT(w, fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    W4_EXPECT(w, listen(fd, 1) == 0);
    W4_EXPECT(w, listen_at(w, path) == EADDRINUSE); /* alive */
    (void)close(fd);
    W4_EXPECT(w, listen_at(w, path) == 0);
}

static void sockets_are_tight(w4_contract_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/tight", loop_folder);
    mode_t before = umask(0);
    int r = listen_at(w, path);
    (void)umask(before);
    struct stat info;
    W4_EXPECT(w, r == 0 && lstat(path, &info) == 0);
    W4_EXPECT(w, (info.st_mode & 07777) == 0660);
    (void)snprintf(path, sizeof path, "%s/tight2", loop_folder);
    before = umask(0777);
    r = listen_at(w, path);
    (void)umask(before);
    W4_EXPECT(w, r == 0 && lstat(path, &info) == 0);
    W4_EXPECT(w, (info.st_mode & 07777) == 0660);
    W4_EXPECT(w, chmod(loop_folder, 0777) == 0);
    (void)snprintf(path, sizeof path, "%s/open", loop_folder);
    r = listen_at(w, path);
    (void)chmod(loop_folder, 0700);
    W4_EXPECT(w, r == EPERM);
}

static void paths_are_bounded(w4_contract_world *w) {
    char path[120];
    int len = snprintf(path, sizeof path, "%s/", loop_folder);
    memset(path + len, 'x', sizeof path - (size_t)len);
    path[107] = 0;
    W4_EXPECT(w, listen_at(w, path) == 0);
    path[107] = 'x';
    path[108] = 0;
    W4_EXPECT(w, listen_at(w, path) == W4_TRANSPORT_E_ADDRESS);
    (void)snprintf(path, sizeof path, "%s/no/folder", loop_folder);
    W4_EXPECT(w, listen_at(w, path) == ENOENT);
}

static void only_its_own_name_is_removed(w4_contract_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/swapped", loop_folder);
    W4_EXPECT(w, listen_at(w, path) == 0);
    W4_EXPECT(w, unlink(path) == 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    W4_EXPECT(w, fd >= 0);
    (void)close(fd);
    w4_transport_unlisten(w->a);
    W4_EXPECT(w, unlink(path) == 0); /* still there */
}

static void peers_are_named(w4_contract_world *w) {
    w4_link *near;
    w4_link *far;
    W4_EXPECT(w, w4_contract_connect(w, &near, &far));
    char want[W4_ADDRESS_MAX + 1];
    (void)snprintf(want, sizeof want, "unix:uid=%u,gid=%u,pid=%d", getuid(), getgid(), getpid());
    W4_EXPECT(w, strcmp(far->remote, want) == 0);
}

int main(void) {
    static const char *const bad_addresses[] = {"unix:", "unix:relative", "unix:/",
                                                "tcp:127.0.0.1:1", NULL};
    static const w4_contract_case more[] = {
        {"unix: foreign files stay", foreign_files_stay},
        {"unix: dead sockets are replaced", dead_sockets_are_replaced},
        {"unix: sockets are tight", sockets_are_tight},
        {"unix: paths are bounded", paths_are_bounded},
        {"unix: only its own name is removed", only_its_own_name_is_removed},
        {"unix: peers are named", peers_are_named},
        {NULL, NULL},
    };
    static const w4_transport_contract contract = {
        .name = "unix",
        .backend = &w4_transport_unix,
        .lossless = true,
        .ordered = true,
        .begin = loop_begin,
        .end = loop_end,
        .open = open_unix,
        .now = loop_now,
        .wait = loop_wait,
        .address = address,
        .nobody = nobody,
        .bad_addresses = bad_addresses,
        .raw_connect = raw_connect,
    };
    return w4_transport_contract_main(&contract, more);
}

#include "transport_cases.h"

#include "io/unix.h"
#include "transport/address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un at_path(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    return at;
}

static int raw_connect(tc_world *w, const char *text) {
    (void)w;
    struct sockaddr_un to = at_path(w4_unix_address_path(text));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int listen_at(tc_world *w, const char *path) {
    char text[W4_ADDRESS_MAX + 1];
    char bound[W4_ADDRESS_MAX + 1];
    int error = 0;
    (void)snprintf(text, sizeof text, "unix:%s", path);
    int r = w4_transport_listen(w->a, text, bound, &error);
    return r == W4_TRANSPORT_E_FAILED ? error : r;
}

static void foreign_files_stay(tc_world *w) {
    char path[100];
    char target[100];
    (void)snprintf(path, sizeof path, "%s/thing", w->folder);
    (void)snprintf(target, sizeof target, "%s/target", w->folder);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    TC_EXPECT(w, fd >= 0 && write(fd, "mine", 4) == 4);
    (void)close(fd);
    TC_EXPECT(w, listen_at(w, path) == EEXIST);
    struct stat info;
    TC_EXPECT(w, stat(path, &info) == 0 && info.st_size == 4);
    TC_EXPECT(w, rename(path, target) == 0 && symlink(target, path) == 0);
    TC_EXPECT(w, listen_at(w, path) == EEXIST);
    TC_EXPECT(w, unlink(target) == 0);
    TC_EXPECT(w, listen_at(w, path) == EEXIST); /* a link into nothing, too */
    TC_EXPECT(w, unlink(path) == 0 && mkdir(path, 0700) == 0);
    TC_EXPECT(w, listen_at(w, path) == EEXIST);
    TC_EXPECT(w, rmdir(path) == 0 && mkfifo(path, 0600) == 0);
    TC_EXPECT(w, listen_at(w, path) == EEXIST);
    TC_EXPECT(w, unlink(path) == 0 && listen_at(w, path) == 0);
}

static void dead_sockets_are_replaced(tc_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/dead", w->folder);
    struct sockaddr_un at = at_path(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TC_EXPECT(w, fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    TC_EXPECT(w, listen(fd, 1) == 0);
    TC_EXPECT(w, listen_at(w, path) == EADDRINUSE); /* alive */
    (void)close(fd);
    TC_EXPECT(w, listen_at(w, path) == 0);
}

static void sockets_are_tight(tc_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/tight", w->folder);
    mode_t before = umask(0);
    int r = listen_at(w, path);
    (void)umask(before);
    struct stat info;
    TC_EXPECT(w, r == 0 && lstat(path, &info) == 0);
    TC_EXPECT(w, (info.st_mode & 07777) == 0660);
    (void)snprintf(path, sizeof path, "%s/tight2", w->folder);
    before = umask(0777);
    r = listen_at(w, path);
    (void)umask(before);
    TC_EXPECT(w, r == 0 && lstat(path, &info) == 0);
    TC_EXPECT(w, (info.st_mode & 07777) == 0660);
    TC_EXPECT(w, chmod(w->folder, 0777) == 0);
    (void)snprintf(path, sizeof path, "%s/open", w->folder);
    r = listen_at(w, path);
    (void)chmod(w->folder, 0700);
    TC_EXPECT(w, r == EPERM);
}

static void paths_are_bounded(tc_world *w) {
    char path[120];
    int len = snprintf(path, sizeof path, "%s/", w->folder);
    memset(path + len, 'x', sizeof path - (size_t)len);
    path[107] = 0;
    TC_EXPECT(w, listen_at(w, path) == 0);
    path[107] = 'x';
    path[108] = 0;
    TC_EXPECT(w, listen_at(w, path) == W4_TRANSPORT_E_ADDRESS);
    (void)snprintf(path, sizeof path, "%s/no/folder", w->folder);
    TC_EXPECT(w, listen_at(w, path) == ENOENT);
}

static void only_its_own_name_is_removed(tc_world *w) {
    char path[100];
    (void)snprintf(path, sizeof path, "%s/swapped", w->folder);
    TC_EXPECT(w, listen_at(w, path) == 0);
    TC_EXPECT(w, unlink(path) == 0);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    TC_EXPECT(w, fd >= 0);
    (void)close(fd);
    w4_transport_unlisten(w->a);
    TC_EXPECT(w, unlink(path) == 0); /* still there */
}

static void peers_are_named(tc_world *w) {
    w4_link *near;
    w4_link *far;
    TC_EXPECT(w, tc_connect(w, &near, &far));
    char want[W4_ADDRESS_MAX + 1];
    (void)snprintf(want, sizeof want, "unix:uid=%u,gid=%u,pid=%d", getuid(), getgid(), getpid());
    TC_EXPECT(w, strcmp(far->remote, want) == 0);
}

static void bad_addresses_are_refused(tc_world *w) {
    static const char *const bad[] = {"unix:relative", "unix:/", "tcp:127.0.0.1:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bound[W4_ADDRESS_MAX + 1];
        w4_link *link;
        int error = 0;
        int listened = w4_transport_listen(w->a, bad[i], bound, &error);
        int dialled = w4_transport_dial(w->a, bad[i], tc_now(w), &link, &error);
        TC_NEED(w, listened == W4_TRANSPORT_E_ADDRESS && dialled == W4_TRANSPORT_E_ADDRESS, "%s",
                bad[i]);
    }
}

int main(void) {
    static const tc_rule cases[] = {
        {.name = "bad addresses are refused", .run = bad_addresses_are_refused},
        {.name = "foreign files stay", .run = foreign_files_stay},
        {.name = "dead sockets are replaced", .run = dead_sockets_are_replaced},
        {.name = "sockets are tight", .run = sockets_are_tight},
        {.name = "paths are bounded", .run = paths_are_bounded},
        {.name = "only its own name is removed", .run = only_its_own_name_is_removed},
        {.name = "peers are named", .run = peers_are_named},
        {.name = NULL},
    };
    static const tc_subject subject = {
        .backend = &w4_transport_unix,
        .address = "unix:{folder}/{n}.sock",
        .clock = &tc_clock_real,
        .faithful = true,
        .wait_s = TC_WAIT_S,
    };
    transport_stream_cases_init(raw_connect);
    const tc_rule *const lists[] = {transport_stream_cases, cases, NULL};
    return transport_cases_main(&subject, lists);
}

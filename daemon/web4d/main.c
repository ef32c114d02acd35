#include "crypto/sign.h"
#include "web4d/app.h"
#include "json/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct arguments {
    const char *config;
    bool check;
    bool version;
    bool help;
    bool foreground;
} arguments;

static const char usage[] =
    "usage: web4d [--config FILE] [--check-config] [--foreground] [--version] [--help]\n"
    "\n"
    "  --config FILE     read this configuration (and conf.d beside it) instead of the default\n"
    "  --check-config    check it, print it with its defaults filled in, and end\n"
    "  --foreground      stay in the foreground (it always does: a service manager looks after "
    "it)\n"
    "  --version         print the version and end\n"
    "\n"
    "Without --config: /etc/web4/web4d.json for root, $XDG_CONFIG_HOME/web4/web4d.json for "
    "anybody\n"
    "else; a default file that is missing means the defaults. See web4d(8) and web4d.json(5).\n";

static int parse_argv(int argc, char **argv, arguments *ret_arguments) {
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
        {"foreground", no_argument, NULL, 'f'},   {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int option = 0;
    while ((option = getopt_long(argc, argv, "c:kfVh", options, NULL)) != -1) {
        if (option == 'c') {
            ret_arguments->config = optarg;
        } else if (option == 'k') {
            ret_arguments->check = true;
        } else if (option == 'f') {
            ret_arguments->foreground = true;
        } else if (option == 'V') {
            ret_arguments->version = true;
        } else if (option == 'h') {
            ret_arguments->help = true;
        } else {
            return 2;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "web4d: no argument is expected, but there is one\n");
        return 2;
    }
    return 0;
}

/* No socket or file of ours may land on descriptors 0 to 2. */
static int hold_standard_descriptors(void) {
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0) {
        return -errno;
    }
    return close(fd) == 0 ? 0 : -errno;
}

static int print_config(const w4_config *config) {
    w4_buffer text = W4_BUFFER_INIT(W4_JSON_LIMITS_FILE.bytes);
    int r = w4_json_pretty(&text, w4_config_effective(config));
    if (r == 0) {
        (void)fwrite(text.data, 1, text.len, stdout);
        if (text.len == 0 || text.data[text.len - 1] != '\n') {
            (void)fputc('\n', stdout);
        }
    }
    w4_buffer_deinit(&text);
    return r == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int load_config(w4d_app *app, const char *file) {
    char text[512] = "";
    int r = w4d_files_init(&app->files, file, text, sizeof text);
    if (r != 0) {
        (void)fprintf(stderr, "web4d: %s\n", r < 0 ? strerror(-r) : text);
        return r;
    }
    w4_buffer report = W4_BUFFER_INIT(256u * 1024u);
    r = w4d_files_load(&app->files, &app->config, &report);
    if (r < 0) {
        (void)fprintf(stderr, "web4d: %s\n", strerror(-r));
    } else if (r > 0) {
        (void)fwrite(report.data, 1, report.len, stderr);
        (void)fprintf(stderr, "web4d: the configuration is refused\n");
    }
    w4_buffer_deinit(&report);
    return r;
}

static int serve(w4d_app *app) {
    int r = w4d_app_start(app);
    if (r == 0) {
        r = w4_loop_run(app->loop);
        r = r != 0 ? r : app->fatal;
    }
    w4d_app_deinit(app);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Large blocks go back to the system when they are freed. Left alone, glibc keeps ever larger ones
 * once a single one was freed, and memory stays at the height of the worst minute. */
static void tame_malloc(void) {
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    (void)mallopt(M_ARENA_MAX, 1); /* one thread works at a time, nearly always */
#endif
}

int main(int argc, char **argv) {
    arguments args = {0};
    tame_malloc();
    if (hold_standard_descriptors() < 0) {
        return EXIT_FAILURE;
    }
    int r = argc < 1 ? 0 : parse_argv(argc, argv, &args);
    if (r != 0) {
        (void)fputs(usage, stderr);
        return r;
    }
    if (args.help) {
        (void)fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (args.version) {
        (void)puts("web4d " W4_VERSION);
        return EXIT_SUCCESS;
    }
    (void)umask(0077);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file size (LimitFSIZE=) is a disk that is full */
    r = w4_crypto_init();
    if (r < 0) {
        (void)fprintf(stderr, "web4d: no randomness on this system\n");
        return EXIT_FAILURE;
    }
    static w4d_app app;
    int status = EXIT_FAILURE;
    if (load_config(&app, args.config) == 0) {
        status = args.check ? print_config(app.config) : serve(&app);
    }
    w4_config_free(app.config);
    w4d_files_deinit(&app.files);
    return status;
}

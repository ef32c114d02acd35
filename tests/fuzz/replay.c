/* Runs the files of the folders given as arguments through one fuzz target, each once. */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096
#define FILE_BYTES_MAX (64l << 20)

/* True when it was a file and went through. */
static int replay_file(const char *path) {
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
        return 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 0;
    }
    /* Exactly as large as the input, so that a sanitizer sees one byte too many. */
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int whole = data && fread(data, 1, size, file) == size;
    fclose(file);
    if (whole)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    return whole;
}

static long replay_folder(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    long files = 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char name[PATH_BYTES];
        int len = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && len > 0 && (size_t)len < sizeof name)
            files += replay_file(name);
    }
    closedir(dir);
    return files;
}

int main(int argc, char **argv) {
    long files = 0;
    for (int i = 1; i < argc; i++) {
        long n = replay_folder(argv[i]);
        if (n < 0)
            return EXIT_FAILURE;
        files += n;
    }
    printf("%ld inputs\n", files);
    return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A burst, as when a thousand nodes come at once, leaves its traces in the heap: pages of the
 * store, and room between what stays. Left alone they stay resident for good. */
#include "web4d/app.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#define REST_US W4_US_PER_S
#define FREE_MIN ((size_t)512 * 1024) /* where less is free, the next message needs it soon */

static void give_back_heap(void) {
#ifdef __GLIBC__
    struct mallinfo2 heap = mallinfo2();
    if (heap.fordblks >= FREE_MIN) {
        (void)malloc_trim(0);
    }
#endif
}

/* Was its code changed where it lies, so that the file has not what it is now? */
static bool is_patched(const struct dl_phdr_info *info) {
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) {
            continue;
        }
        uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        for (const ElfW(Dyn) *dyn = (const ElfW(Dyn) *)at; dyn->d_tag != DT_NULL; dyn++) {
            if (dyn->d_tag == DT_TEXTREL ||
                (dyn->d_tag == DT_FLAGS && (dyn->d_un.d_val & DF_TEXTREL) != 0)) {
                return true;
            }
        }
    }
    return false;
}

/* The read-only pages of one library. The program's own stay, and so do breakpoints in it. */
static int forget_pages(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    uintptr_t page = *(const uintptr_t *)context;
    if (info->dlpi_name[0] != '/' || is_patched(info)) {
        return 0;
    }
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t start = (info->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + part->p_vaddr + part->p_filesz) & ~(page - 1);
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W) == 0 && start < end) {
            (void)madvise((void *)start, end - start, MADV_DONTNEED); /* NOLINT: an address it is */
        }
    }
    return 0;
}

/* Much of what the start ran and read of the libraries is never needed again, but stays mapped.
 * Their files have it all: what is needed comes back from there, out of the system's cache. */
static void forget_start(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)dl_iterate_phdr(forget_pages, &page);
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

static void on_rest(void *context) {
    w4d_app *app = (w4d_app *)context;
    app->rest_due = false;
    w4_node_rest(app->node);
    give_back_heap();
}

int w4d_rest_start(w4d_app *app) {
    int r = w4_loop_timer_new(app->loop, "rest", on_rest, app, &app->rest_timer);
    if (r == 0) {
        w4_node_rest(app->node); /* what asked of it until now was the start */
        w4_node_rest(app->node);
        forget_start();
    }
    return r;
}

void w4d_rest_later(w4d_app *app) {
    if (!app->rest_due) {
        app->rest_due = true;
        w4_loop_timer_set(app->rest_timer, w4_later(w4_loop_now_us(app->loop), REST_US));
    }
}

void w4d_rest_stop(w4d_app *app) {
    app->rest_timer = w4_loop_timer_free(app->rest_timer);
}

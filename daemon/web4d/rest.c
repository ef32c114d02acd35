/* A burst, as when a thousand nodes come at once, leaves its traces in the heap: pages of the
 * store, and room between what stays. Left alone they stay resident for good. */
#include "web4d/app.h"

#include <malloc.h>

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
#ifdef __GLIBC__
        (void)malloc_trim(0);
#endif
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

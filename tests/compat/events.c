/* SPDX-License-Identifier: MIT */
/*
 * A program in the style of libmtev's own, C and C++ alike: events, jobs and coroutines by the
 * names that such programs use.  Each part counts what it did; once all have, the program tells
 * itself to end.  It ends with status 0 and prints nothing if all is well.
 */
#include <mtev_defines.h>

#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define APPNAME "events"
#define PARTS   5 /* timer, socket, coroutine, jobs, and the job that has another one */
#define JOBS    5

static const char *config_file;
static eventer_jobq_t *queue;
static int parts_done, works, cleanups, completes;

static void part_done(void)
{
    if (__atomic_add_fetch(&parts_done, 1, __ATOMIC_ACQ_REL) == PARTS)
        kill(getpid(), SIGTERM);
}

/* ---- jobs ------------------------------------------------------------------------ */

static int job(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)closure, (void)now;
    if (mask == EVENTER_ASYNCH_WORK) {
        mtevAssert(eventer_get_thread_name() != NULL);
        __atomic_add_fetch(&works, 1, __ATOMIC_ACQ_REL);
    } else if (mask == EVENTER_ASYNCH_CLEANUP) {
        __atomic_add_fetch(&cleanups, 1, __ATOMIC_ACQ_REL);
    } else {
        mtevAssert(mask == EVENTER_ASYNCH && mask == EVENTER_ASYNCH_COMPLETE);
        if (++completes == JOBS)
            part_done();
    }
    return 0;
}

static int child_of_job(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)now;
    if (mask == EVENTER_ASYNCH_WORK)
        __atomic_store_n((int *)closure, 1, __ATOMIC_RELEASE);
    return 0;
}

static int job_with_child(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)now;
    if (mask == EVENTER_ASYNCH_WORK)
        eventer_add_asynch_dep(queue, eventer_alloc_asynch(child_of_job, closure));
    if (mask == EVENTER_ASYNCH_COMPLETE) {
        mtevAssert(__atomic_load_n((int *)closure, __ATOMIC_ACQUIRE) == 1);
        part_done();
    }
    return 0;
}

static void begin_jobs(void)
{
    static int has_run;
    struct timeval deadline;
    queue = eventer_jobq_create_ms(APPNAME, EVENTER_JOBQ_MS_GC);
    mtevAssert(queue != NULL);
    eventer_jobq_set_concurrency(queue, 2);
    mtev_gettimeofday(&deadline, NULL);
    deadline.tv_sec += 60;
    eventer_add(eventer_alloc_asynch(job, NULL));
    eventer_add_asynch(queue, eventer_alloc_asynch(job, NULL));
    eventer_add_asynch(queue, eventer_alloc_asynch_timeout(job, NULL, &deadline));
    eventer_add_asynch_subqueue(queue, eventer_alloc_asynch(job, NULL), 7);
    eventer_add_asynch(NULL, eventer_alloc_asynch(job, NULL));
    eventer_add_asynch(queue, eventer_alloc_asynch(job_with_child, &has_run));
}

/* ---- a timer and a socket -------------------------------------------------------- */

static int on_time(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)closure, (void)now;
    mtevAssert(mask == EVENTER_TIMER);
    part_done();
    return 0;
}

static int on_socket(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char byte;
    int wanted, *peer = (int *)closure;
    (void)now;
    if (mask == EVENTER_WRITE) { /* triggered */
        mtevAssert(write(*peer, "x", 1) == 1);
        return EVENTER_READ | EVENTER_EXCEPTION;
    }
    mtevAssert(mask & EVENTER_READ);
    mtevAssert(eventer_read(e, &byte, 1, &wanted) == 1 && byte == 'x');
    eventer_remove_fde(e);
    eventer_close(e, &wanted);
    close(*peer);
    part_done();
    return 0;
}

/* ---- a coroutine ----------------------------------------------------------------- */

static void add_one(void *closure)
{
    __atomic_add_fetch((int *)closure, 1, __ATOMIC_ACQ_REL);
}

static int gated_job(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)now;
    if (mask == EVENTER_ASYNCH_WORK)
        add_one(closure);
    return 0;
}

static void coroutine(void)
{
    int *count = (int *)eventer_aco_arg(), fds[2];
    char text[8];
    struct timeval a_moment = {0, 1000};
    mtevAssert(aco_gtls_co != NULL);
    eventer_aco_sleep(&a_moment);
    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_run_asynch_gated(gate, eventer_alloc_asynch(gated_job, count));
    eventer_aco_simple_asynch_gated(gate, add_one, count);
    eventer_aco_gate_wait(gate);
    mtevAssert(*count == 2);
    eventer_aco_simple_asynch(add_one, count);
    mtevAssert(*count == 3);

    mtevAssert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    eventer_aco_t near = eventer_set_eventer_aco(
        eventer_alloc_fd(on_socket, NULL, fds[0], EVENTER_READ | EVENTER_WRITE));
    eventer_aco_t far = eventer_set_eventer_aco(
        eventer_alloc_fd(on_socket, NULL, fds[1], EVENTER_READ | EVENTER_WRITE));
    mtevAssert(eventer_aco_read(near, text, sizeof(text), &a_moment) == -1 && errno == ETIME);
    mtevAssert(eventer_aco_write(far, "text", 4, NULL) == 4);
    mtevAssert(eventer_aco_read(near, text, sizeof(text), NULL) == 4);
    mtevAssert(memcmp(text, "text", 4) == 0);
    eventer_aco_close(far);
    eventer_aco_free(far);
    mtevAssert(eventer_aco_read(near, text, sizeof(text), NULL) == 0);
    eventer_aco_close(near);
    eventer_aco_free(near);
    part_done();
    aco_exit();
}

/* ---- the program ----------------------------------------------------------------- */

static int child_main(void)
{
    static int count, fds[2];
    if (mtev_conf_load(NULL) == -1)
        return 1;
    eventer_init();
    eventer_pool_t *pool = eventer_pool("default");
    mtevAssert(pool != NULL && strcmp(eventer_pool_name(pool), "default") == 0);
    mtevAssert(N_L_S_ON(mtev_debug) && !N_L_S_ON(mtev_notice));
    eventer_name_callback("on_socket", on_socket);
    begin_jobs();
    mtevAssert(eventer_add_in_s_us(on_time, NULL, 0, 1000) != NULL);

    mtevAssert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    eventer_t e = eventer_alloc_fd(on_socket, &fds[1], fds[0], EVENTER_READ | EVENTER_EXCEPTION);
    eventer_add(e);
    eventer_trigger(e, EVENTER_WRITE);
    eventer_aco_start(coroutine, &count);
    eventer_loop();
    mtevAssert(parts_done == PARTS && works == JOBS && cleanups == JOBS);
    mtev_memory_maintenance_ex(MTEV_MM_BARRIER_ASYNCH);
    return 0;
}

int main(int argc, char **argv)
{
    pid_t pid;
    if (argc != 2)
        return 2;
    config_file = argv[1];
    mtev_memory_init();
    mtevAssert(mtev_main_status(APPNAME, config_file, 0, &pid, NULL) == -1 && errno == ESRCH);
    mtevAssert(mtev_main_terminate(APPNAME, config_file, 0) == 0);
    mtev_main_enable_log("debug");
    mtev_main_disable_log("notice");
    if (mtev_stderr == NULL)
        mtevStartupTerminate(mtev_error, "there is no stderr\n");
    return mtev_main(APPNAME, config_file, 0, 1, MTEV_LOCK_OP_LOCK, NULL, NULL, NULL, child_main);
}

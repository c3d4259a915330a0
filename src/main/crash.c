/* SPDX-License-Identifier: MIT */
#include "main/crash.h"

#include "base/clock.h"
#include "base/list.h"
#include "conf/conf.h"
#include "coro/report.h"
#include "log/log.h"
#include "main/channel.h"
#include "main/child.h"
#include "main/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MS      200   /* for another thread to say what it does */
#define MONITOR_MS     90000 /* for the monitor to answer */
#define FDS_MAX        64
#define ENTRIES_SIZE   1024 /* of a piece of /proc/self/task */
#define STACK_SIZE_MAX ((size_t)64 * 1024 * 1024)

static struct handled {
    int number;
    struct sigaction before;
} handled[] = {{.number = SIGSEGV}, {.number = SIGBUS},  {.number = SIGILL},
               {.number = SIGFPE},  {.number = SIGABRT}, {.number = 0 /* the monitor's */}};

#define HANDLED_COUNT (sizeof(handled) / sizeof(handled[0]))

static _Atomic pid_t reporter;   /* the thread that reports; 0: nothing has happened */
static _Atomic pid_t asked;      /* the other thread whose turn it is to say what it does */
static _Atomic uint32_t answers; /* other threads that have said what they do */
static char trace_path[WATCH_PATH_MAX + 128];  /* "": none */
static char diagnose_path[WATCH_PATH_MAX + 1]; /* the glider of a process without a monitor */
static _Atomic int fds_to_close[FDS_MAX];      /* fd + 1; 0: free */
static void *own_stack;                        /* of the thread that began, for the handler */

/* ---- who says something ---------------------------------------------------------- */

/*
 * Another thread than the one that reports: stop here, and say it when it is our turn.  One that is
 * here because of a fault of its own has its turn, too.
 */
static void answer(const ucontext_t *context)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&asked) != gettid()) /* pairs with ask() */
        nanosleep(&moment, NULL);
    mtev_log_enter_sighandler();
    report_thread(context);
    atomic_fetch_add(&answers, 1); /* pairs with wait_for_answer() */
    for (;;)
        pause();
}

static void wait_for_answer(uint32_t before)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < ANSWER_MS && atomic_load(&answers) == before; i++)
        nanosleep(&moment, NULL);
}

static void ask(pid_t tid)
{
    const uint32_t before = atomic_load(&answers);
    atomic_store(&asked, tid);
    if (syscall(SYS_tgkill, getpid(), tid, CRASH_STALL_SIGNAL) != 0)
        return; /* it has just ended */
    wait_for_answer(before);
    if (atomic_load(&answers) != before)
        return;
    report_text("thread ");
    report_number((uint64_t)tid, 10);
    report_text(" does not answer\n");
}

/* An entry of a folder, as getdents64(2) gives it. */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Ask every thread but this one; readdir(3) would want the heap. */
static void ask_all(void)
{
    union {
        struct entry first;
        char bytes[ENTRIES_SIZE];
    } entries;
    long len;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && (len = syscall(SYS_getdents64, fd, &entries, sizeof(entries))) > 0) {
        for (long at = 0; at < len;) {
            const struct entry *entry = (const struct entry *)(const void *)(entries.bytes + at);
            pid_t tid = 0;
            for (const char *c = entry->name; *c >= '0' && *c <= '9'; c++)
                tid = tid * 10 + (*c - '0');
            if (tid != 0 && tid != gettid())
                ask(tid);
            at += entry->size;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* ---- the report ------------------------------------------------------------------ */

static void open_trace(void)
{
    int fd = trace_path[0] == '\0'
                 ? -1
                 : open(trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd >= 0)
        report_also_to(fd);
}

static void say_cause(int number, const siginfo_t *info)
{
    const char *name = number == CRASH_STALL_SIGNAL ? NULL : sigdescr_np(number);
    report_text(conf_app_name());
    report_text("[");
    report_number((uint64_t)getpid(), 10);
    report_text("]: ");
    report_text(name != NULL ? name : "a thread stalls");
    if (info->si_code > 0 && number != SIGABRT) {
        report_text(", at address 0x");
        report_number((uintptr_t)info->si_addr, 16);
    }
    report_text("\n");
}

/* Tell the monitor, and wait for its answer. */
static void tell_monitor(int number)
{
    struct pollfd answered = {.fd = child_self.channel, .events = POLLIN};
    if (child_self.monitor == 0 ||
        channel_send(child_self.channel, CHANNEL_CRASHED, number, -1) != 0)
        return;
    alarm(0); /* the monitor has its own patience */
    (void)poll(&answered, 1, MONITOR_MS);
}

/* Without a monitor: have the program that the environment names look at this process. */
static void diagnose(void)
{
    char id[16] = "";
    size_t at = sizeof(id) - 1;
    if (diagnose_path[0] == '\0' || child_self.monitor != 0)
        return;
    for (pid_t rest = getpid(); rest > 0; rest /= 10)
        id[--at] = (char)('0' + rest % 10);
    pid_t pid = _Fork(); /* fork(3) would want the heap's locks, which may be held */
    if (pid == 0) {
        execl(diagnose_path, diagnose_path, id + at, "crash", (char *)NULL);
        _exit(127);
    }
    alarm(0);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

static void report(int number, const siginfo_t *info, const ucontext_t *context)
{
    mtev_log_enter_sighandler();
    open_trace();
    say_cause(number, info);
    report_fault(info, context);
    report_thread(context);
    ask_all();
    report_coroutines();
    for (size_t i = 0; i < FDS_MAX; i++)
        if (atomic_load(&fds_to_close[i]) != 0)
            close(atomic_load(&fds_to_close[i]) - 1);
    log_emergency_flush();
    diagnose();
    tell_monitor(number);
}

/* The default action, by this signal or another. */
static void end_by(int number)
{
    sigset_t only;
    signal(number, SIG_DFL);
    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    pid_t nobody = 0;
    if (!atomic_compare_exchange_strong(&reporter, &nobody, gettid()))
        answer(context); /* for good */
    signal(SIGALRM, SIG_DFL);
    alarm(CRASH_SECONDS_MAX); /* a lock may be held that is needed here */
    report(number, info, context);
    if (number == CRASH_STALL_SIGNAL)
        end_by(SIGABRT);
    else if (info->si_code <= 0 || number == SIGABRT)
        end_by(number); /* somebody sent it: nothing faults again on return */
    else
        signal(number, SIG_DFL);
}

/* ---- who handles it -------------------------------------------------------------- */

static bool is_switched_off(void)
{
    const char *text = secure_getenv("MTEV_DIAGNOSE_CRASH");
    if (text != NULL && text[0] == '/' && strlen(text) <= WATCH_PATH_MAX)
        memcpy(diagnose_path, text, strlen(text) + 1);
    return text != NULL && strcmp(text, "0") == 0;
}

/* A stack for the handler in the calling thread; loops have their own. */
static void give_stack(void)
{
    const char *text = secure_getenv("MTEV_ALTSTACK_SIZE");
    unsigned long long wanted = text == NULL ? 0 : strtoull(text, NULL, 10);
    const size_t size = (size_t)MIN(MAX(wanted, THREAD_SIGNAL_STACK_SIZE), STACK_SIZE_MAX);
    own_stack = thread_add_signal_stack(size);
}

static bool is_default(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL;
}

int crash_begin(void)
{
    const struct watch_settings *settings = watch_settings();
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (is_switched_off())
        return 0;
    give_stack();
    if (settings->trace_folder[0] != '\0' && settings->has_traces)
        snprintf(trace_path, sizeof(trace_path), "%s/%s.%d.trace", settings->trace_folder,
                 conf_app_name(), (int)getpid());
    if (pulse_own() == NULL)
        report_to_log();
    else
        report_into(pulse_own()->words, PULSE_WORDS_MAX, &pulse_own()->words_len);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGALRM);
    handled[HANDLED_COUNT - 1].number = CRASH_STALL_SIGNAL;
    for (size_t i = 0; i < HANDLED_COUNT; i++)
        if (sigaction(handled[i].number, NULL, &handled[i].before) != 0)
            return -errno;
        else if (is_default(&handled[i].before)) /* a sanitizer's stays in place */
            sigaction(handled[i].number, &action, NULL);
    return 0;
}

void crash_end(void)
{
    for (size_t i = 0; i < HANDLED_COUNT && handled[HANDLED_COUNT - 1].number != 0; i++)
        sigaction(handled[i].number, &handled[i].before, NULL);
    handled[HANDLED_COUNT - 1].number = 0;
    thread_drop_signal_stack(own_stack);
    own_stack = NULL;
}

void crash_allow_core(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_CORE, &limit);
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* a change of the user had taken that away */
}

/* ---- fds ------------------------------------------------------------------------- */

static int replace_fd(int from, int to)
{
    for (size_t i = 0; i < FDS_MAX; i++) {
        int expected = from;
        if (atomic_compare_exchange_strong(&fds_to_close[i], &expected, to))
            return 0;
    }
    return from == 0 ? -ENOSPC : -ENOENT;
}

int crash_add_fd(int fd)
{
    return fd < 0 ? -EINVAL : replace_fd(0, fd + 1);
}

int crash_remove_fd(int fd)
{
    return fd < 0 ? -EINVAL : replace_fd(fd + 1, 0);
}

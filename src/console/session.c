/* SPDX-License-Identifier: MIT */
#include "console/session.h"

#include "base/alloc.h"
#include "conf/conf.h"
#include "console/access.h"
#include "console/past_impl.h"
#include "console/session_impl.h"
#include "eventer/loop.h"

#include <assert.h>
#include <errno.h>
#include <mtev_listener.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define LINE_THREADS 8     /* lines that run at once; others wait */
#define ROOM_WAIT_US 10000 /* between two looks whether there is room in the output */

static _Atomic uint32_t slots_in_use; /* a bit for each session */
static_assert(MTEV_CONSOLE_SESSIONS_MAX == 32, "a session is a bit");

/* Who is to be told when the process ends. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static mtev_console_closure_t sessions[MTEV_CONSOLE_SESSIONS_MAX]; /* by slot */
static atomic_bool is_ending;

/* ---- what is said ---------------------------------------------------------------- */

static int put(mtev_console_closure_t s, const char *bytes, size_t len, enum output_form form)
{
    enum output_wait wait = eventer_in_loop() ? OUTPUT_DROP : OUTPUT_WAIT;
    int64_t count = output_put(&s->output, bytes, len, form, wait);
    if (count >= 0)
        return (int)len;
    errno = (int)-count;
    return -1;
}

int nc_write(mtev_console_closure_t s, const void *bytes, int len)
{
    if (len >= 0)
        return put(s, bytes, (size_t)len, OUTPUT_TEXT);
    errno = EINVAL;
    return -1;
}

int session_write_foreign(mtev_console_closure_t s, const char *text, size_t len)
{
    return put(s, text, len, OUTPUT_FOREIGN);
}

int nc_vprintf(mtev_console_closure_t s, const char *format, va_list args)
{
    struct buf text;
    buf_init(&text, INT32_MAX);
    int err = buf_vappendf(&text, format, args);
    int count = err == 0 ? nc_write(s, text.bytes, (int)text.len) : -1;
    buf_free(&text);
    if (err != 0)
        errno = -err;
    return count;
}

int nc_printf(mtev_console_closure_t s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int count = nc_vprintf(s, format, args);
    va_end(args);
    return count;
}

/* Put from into the output, waiting for room, and empty it.  Yields. */
static void pass_on(mtev_console_closure_t s, struct buf *from, enum output_form form)
{
    size_t done = 0;
    while (done < from->len) {
        int64_t count =
            output_put(&s->output, from->bytes + done, from->len - done, form, OUTPUT_PART);
        if (count < 0)
            break;
        done += (size_t)count;
        if (done < from->len)
            eventer_aco_sleep(&(struct timeval){.tv_usec = ROOM_WAIT_US});
    }
    from->len = 0;
}

static void show(mtev_console_closure_t s)
{
    pass_on(s, &s->answers, OUTPUT_RAW);
    pass_on(s, &s->shown, OUTPUT_TEXT);
}

/* ---- the data of a session ------------------------------------------------------- */

struct userdata {
    void *data;
    state_userdata_free_func_t free_data;
};

static void end_userdata(void *closure)
{
    struct userdata *kept = closure;
    if (kept->free_data != NULL)
        kept->free_data(kept->data);
    alloc_free(kept);
}

int mtev_console_userdata_set(mtev_console_closure_t s, const char *name, void *data,
                              state_userdata_free_func_t free_data)
{
    int len = (int)strnlen(name, INT32_MAX);
    if (data == NULL) {
        (void)mtev_hash_delete(&s->userdata, name, len, alloc_free, end_userdata);
        return 0;
    }
    struct userdata *kept = alloc_bytes(sizeof(*kept));
    char *key = alloc_text(name);
    if (kept == NULL || key == NULL)
        goto fail;
    *kept = (struct userdata){data, free_data};
    if (mtev_hash_replace(&s->userdata, key, len, kept, alloc_free, end_userdata) != 0)
        return 0;

fail:
    alloc_free(kept);
    alloc_free(key);
    errno = ENOMEM;
    return -1;
}

void *mtev_console_userdata_get(mtev_console_closure_t s, const char *name)
{
    const struct userdata *kept = mtev_hash_get(&s->userdata, name, (int)strnlen(name, INT32_MAX));
    return kept == NULL ? NULL : kept->data;
}

/* ---- a line ---------------------------------------------------------------------- */

static void run_line(void *closure)
{
    mtev_console_closure_t s = closure;
    state_run(s, s->edit.line);
}

static eventer_jobq_t *line_queue(void)
{
    eventer_jobq_t *queue = eventer_jobq_retrieve("console");
    if (queue != NULL)
        return queue;
    queue = eventer_jobq_create("console");
    if (queue != NULL)
        eventer_jobq_set_concurrency(queue, LINE_THREADS);
    return queue; /* NULL: the default queue will do */
}

static bool is_blank(const char *line)
{
    return line[strspn(line, " \t")] == '\0';
}

/* Begin the next line. */
static void prompt(mtev_console_closure_t s)
{
    const char *text = state_prompt(s);
    if (s->is_telnet) {
        s->edit.width = s->telnet.width;
        edit_begin(&s->edit, text, &s->shown);
    } else {
        s->edit.len = 0;
        (void)buf_append(&s->shown, text, strlen(text));
    }
}

/*
 * True if line begins a request of HTTP.  Any web page can have a browser on this machine send one
 * here, and commands in its body.
 */
static bool is_request(const char *line)
{
    size_t len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len > 0 && line[len] == ' ' && line[len + 1] == '/';
}

/* The line is complete: run it, in a job.  Yields. */
static void end_line(mtev_console_closure_t s)
{
    bool is_first = s->is_guarded;
    show(s);
    s->edit.line[s->edit.len] = '\0';
    s->is_guarded = false;
    if (is_first && is_request(s->edit.line)) {
        mtevL(mtev_error, "console: a request of HTTP was refused\n");
        nc_printf(s, "no HTTP is spoken here\n");
        s->must_end = true;
    } else if (s->is_too_long) {
        nc_printf(s, "that line is too long\n");
    } else if (!is_blank(s->edit.line)) {
        if (s->past != NULL)
            past_add(s->past, s->edit.line);
        eventer_aco_simple_asynch_queue(run_line, s, line_queue());
        if (eventer_aco_asynch_result() == EVENTER_JOB_REFUSED)
            nc_printf(s, "out of memory\n");
    }
    s->is_too_long = false;
    if (!s->must_end)
        prompt(s);
}

static void show_past(mtev_console_closure_t s, const char *line)
{
    if (line != NULL)
        edit_replace(&s->edit, line, &s->shown);
}

static void take_key(mtev_console_closure_t s, unsigned char byte)
{
    switch (edit_take(&s->edit, byte, &s->shown)) {
    case EDIT_LINE:
        end_line(s);
        break;
    case EDIT_INTERRUPT:
        prompt(s);
        break;
    case EDIT_END:
        s->must_end = true;
        break;
    case EDIT_COMPLETE:
        complete(s);
        break;
    case EDIT_OLDER:
        show_past(s, s->past == NULL ? NULL : past_older(s->past));
        break;
    case EDIT_NEWER:
        show_past(s, s->past == NULL ? NULL : past_newer(s->past));
        break;
    case EDIT_NOTHING:
    default:
        break;
    }
}

/* A byte of a line that is edited elsewhere, or not at all but for what commands of telnet mean. */
static void take_plain(mtev_console_closure_t s, char byte)
{
    if (byte == '\n')
        end_line(s);
    else if (s->is_telnet && (byte == TELNET_INTERRUPT || byte == TELNET_ERASE_LINE))
        s->edit.len = 0, s->is_too_long = false;
    else if (s->is_telnet && byte == TELNET_ERASE)
        s->edit.len -= s->edit.len > 0;
    else if (s->edit.len == EDIT_LINE_MAX)
        s->is_too_long = true;
    else if (byte != '\r' && byte != '\0')
        s->edit.line[s->edit.len++] = byte;
}

static void take_byte(mtev_console_closure_t s, char byte)
{
    if (!s->is_telnet) {
        take_plain(s, byte);
        return;
    }
    int data = telnet_take(&s->telnet, (uint8_t)byte, &s->answers);
    if (data >= 0 && s->telnet.echoes)
        take_key(s, (unsigned char)data);
    else if (data >= 0)
        take_plain(s, (char)data);
}

/* ---- the two coroutines ---------------------------------------------------------- */

static void reader(void)
{
    mtev_console_closure_t s = eventer_aco_arg();
    if (s->is_telnet)
        (void)telnet_begin(&s->telnet, &s->answers);
    prompt(s);
    show(s);
    while (!s->must_end) {
        int len = eventer_aco_read(s->e, s->input, sizeof(s->input), NULL);
        if (len <= 0)
            break;
        for (int i = 0; i < len && !s->must_end; i++)
            take_byte(s, s->input[i]);
        show(s);
    }
    s->is_reader_done = true;
    output_wake(&s->output);
}

static bool send_all(mtev_console_closure_t s)
{
    struct timeval patience = {.tv_sec = OUTPUT_PATIENCE_S};
    for (size_t done = 0; done < s->sending.len;) {
        int count =
            eventer_aco_write(s->e, s->sending.bytes + done, s->sending.len - done, &patience);
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

/* Say goodbye, once the process is to end. */
static void take_leave(mtev_console_closure_t s)
{
    static const char words[] = "\nthe program ends\n";
    if (s->has_taken_leave || !atomic_load(&is_ending))
        return;
    s->has_taken_leave = true;
    (void)output_put(&s->output, words, sizeof(words) - 1, OUTPUT_TEXT, OUTPUT_DROP);
}

/* The reader shall read no more. */
static void hang_up(mtev_console_closure_t s)
{
    output_close(&s->output);
    eventer_aco_close(s->e);
    s->has_hung_up = true;
}

/* Send until the reader is at its end, and all is sent. */
static void writer(mtev_console_closure_t s, eventer_aco_t wake)
{
    uint64_t count;
    for (;;) {
        take_leave(s);
        output_take(&s->output, &s->sending);
        if (s->sending.len > 0) {
            if (!send_all(s))
                hang_up(s);
            s->sending.len = 0;
        } else if (s->is_reader_done) {
            break;
        } else if (s->has_taken_leave && !s->has_hung_up) {
            hang_up(s);
        } else {
            (void)eventer_aco_read(wake, &count, sizeof(count), NULL);
        }
    }
}

void session_end_all(void)
{
    atomic_store(&is_ending, true);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MTEV_CONSOLE_SESSIONS_MAX; i++)
        if (sessions[i] != NULL)
            output_wake(&sessions[i]->output);
    pthread_mutex_unlock(&lock);
}

/* Session s (NULL: none) has the slot from now on. */
static void enter_session(int slot, mtev_console_closure_t s)
{
    pthread_mutex_lock(&lock);
    sessions[slot] = s;
    pthread_mutex_unlock(&lock);
}

/* ---- beginning and end ----------------------------------------------------------- */

static void session_free(mtev_console_closure_t s)
{
    state_end(s);
    mtev_hash_destroy(&s->userdata, alloc_free, end_userdata);
    past_free(s->past);
    buf_free(&s->shown);
    buf_free(&s->answers);
    buf_free(&s->sending);
    output_end(&s->output);
    alloc_free(s);
}

static int session_new(eventer_aco_t e, bool is_telnet, mtev_console_closure_t *out)
{
    mtev_console_closure_t s = alloc_zeroed(1, sizeof(*s));
    if (s == NULL)
        return -ENOMEM;
    int err = output_begin(&s->output);
    if (err != 0) {
        alloc_free(s);
        return err;
    }
    s->e = e;
    s->is_telnet = s->output.is_telnet = is_telnet;
    mtev_hash_init_size(&s->userdata, 8);
    buf_init(&s->shown, OUTPUT_BYTES_MAX);
    buf_init(&s->answers, OUTPUT_BYTES_MAX);
    buf_init(&s->sending, OUTPUT_BYTES_MAX);
    s->past = past_new();
    err = state_begin(s);
    if (err != 0) {
        close(s->output.wake_fd);
        session_free(s);
        return err;
    }
    *out = s;
    return 0;
}

/* The callback of an event that only coroutines use. */
static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

/* Make the eventfd of s an event of this coroutine, which owns both then.  NULL: no memory. */
static eventer_aco_t convert_wake(mtev_console_closure_t s)
{
    eventer_t e = eventer_alloc_fd(never_called, NULL, s->output.wake_fd,
                                   EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION);
    return e == NULL ? NULL : eventer_set_eventer_aco(e);
}

static void end_log(void *closure)
{
    session_log_end(closure);
}

/* Serve the operator until the end.  Returns 0 or -ENOMEM.  Yields. */
static int serve(mtev_console_closure_t s)
{
    eventer_aco_t wake = convert_wake(s);
    if (wake == NULL) {
        close(s->output.wake_fd);
        return -ENOMEM;
    }
    enter_session(s->slot, s);
    int err = eventer_aco_try_start(reader, s) == 0 ? 0 : -ENOMEM;
    if (err == 0)
        writer(s, wake);
    enter_session(s->slot, NULL);
    if (s->log != NULL) { /* then nobody writes to the eventfd any more */
        eventer_aco_simple_asynch_queue(end_log, s, line_queue());
        if (eventer_aco_asynch_result() == EVENTER_JOB_REFUSED)
            session_log_end(s); /* without memory, the loop has to wait itself */
    }
    eventer_aco_close(wake);
    eventer_aco_free(wake);
    return err;
}

/* Why whoever is at the other end may have no session, or NULL. */
static const char *refusal_of(mtev_acceptor_closure_t *ac, const char *acl)
{
    bool is_faulty;
    char text[128];
    struct sockaddr *remote = mtev_acceptor_closure_remote(ac);
    if (!access_is_allowed(remote, acl, &is_faulty)) {
        mtev_convert_sockaddr_to_buff(text, sizeof(text), remote);
        mtevL(mtev_error, "console: %s is not admitted%s\n", text,
              is_faulty ? ": the acl of the listener has a fault" : "");
        return "you are not admitted to this console\n";
    }
    return NULL;
}

/* Take a slot for a session; -1: all are in use. */
static int take_slot(void)
{
    uint32_t in_use = atomic_load_explicit(&slots_in_use, memory_order_relaxed);
    while (in_use != UINT32_MAX) {
        int slot = __builtin_ctz(~in_use);
        if (atomic_compare_exchange_weak_explicit(&slots_in_use, &in_use, in_use | 1u << slot,
                                                  memory_order_relaxed, memory_order_relaxed))
            return slot;
    }
    return -1;
}

static void give_slot(int slot)
{
    atomic_fetch_and_explicit(&slots_in_use, ~(1u << slot), memory_order_relaxed);
}

/* If there is an error: say so, and use the file no more: it may be somebody else's. */
static void end_past_file(mtev_console_closure_t s, int err)
{
    if (err == 0)
        return;
    mtevL(mtev_error, "console: %s: no lines are kept: %s\n", s->past_file,
          err == -EINVAL ? "it is no file of such lines" : strerrordesc_np(-err));
    s->past_file = NULL;
}

static void load_past(void *closure)
{
    mtev_console_closure_t s = closure;
    end_past_file(s, past_load(s->past, s->past_file));
}

static void save_past(void *closure)
{
    mtev_console_closure_t s = closure;
    end_past_file(s, past_save(s->past, s->past_file));
}

/* Do something with the file of the lines of before, in a job.  Yields. */
static void with_past_file(mtev_console_closure_t s, void (*func)(void *closure))
{
    if (s->past != NULL && s->past_file != NULL)
        eventer_aco_simple_asynch_queue(func, s, line_queue());
}

void session_serve(void)
{
    eventer_aco_t e = eventer_aco_arg();
    struct timeval patience = {.tv_sec = 1};
    mtev_acceptor_closure_t *ac = eventer_aco_get_closure(e);
    mtev_hash_table *config = mtev_acceptor_closure_config(ac);
    mtev_console_closure_t s = NULL;
    const char *refusal = refusal_of(ac, mtev_hash_dict_get(config, CONF_KEY("acl")));
    int slot = refusal == NULL ? take_slot() : -1; /* who is refused takes nobody's place */
    if (refusal == NULL && slot < 0)
        refusal = "there are too many sessions\n";
    const char *protocol = mtev_hash_dict_get(config, CONF_KEY("line_protocol"));
    bool is_telnet = protocol != NULL && strcmp(protocol, "telnet") == 0;
    if (refusal == NULL && session_new(e, is_telnet, &s) != 0)
        refusal = "out of memory\n";
    if (refusal == NULL) {
        s->slot = slot;
        s->is_guarded = mtev_acceptor_closure_remote(ac)->sa_family != AF_UNIX;
        s->past_file = mtev_hash_dict_get(config, CONF_KEY("history_file"));
        with_past_file(s, load_past);
        if (serve(s) != 0)
            refusal = "out of memory\n";
        with_past_file(s, save_past);
    }
    if (s != NULL)
        session_free(s);
    if (refusal != NULL)
        (void)eventer_aco_write(e, refusal, strlen(refusal), &patience);
    eventer_aco_close(e);
    eventer_aco_free(e);
    if (slot >= 0)
        give_slot(slot);
}

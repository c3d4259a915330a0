/* SPDX-License-Identifier: MIT */
/*
 * mtev_log.h - log streams: named places to say something, and the outlets that what is said
 * reaches.
 *
 * A stream is on or off and may have outlets: other streams, of which some are material (a file, or
 * standard error).  A line goes to every material stream that can be reached over streams that are
 * on.  Everything here may be called from any thread, before any initialisation, and keeps errno.
 * A log call never yields, and does not wait for a disk or a reader: lines wait instead, for a
 * writer of the file, up to a bound.  Streams live as long as the process.
 *
 * At the start error writes to stderr, notice to error, and debug, which is off, to stderr.
 */
#ifndef MTEV_LOG_H
#define MTEV_LOG_H

#ifdef NDEBUG
#error "mtevAssert is always active: compile without NDEBUG"
#endif

#include <mtev_defines.h>
#include <stdarg.h>

#include <sys/uio.h>

MTEV_BEGIN_DECLS

typedef void *mtev_log_stream_t; /* its first word is an unsigned of the flags below */

struct mtev_hash_table;

#define MTEV_LOG_STREAM_ENABLED    0x01u
#define MTEV_LOG_STREAM_DEBUG      0x02u /* put thread, file and line before each line */
#define MTEV_LOG_STREAM_TIMESTAMPS 0x04u /* put [YYYY-MM-DD HH:MM:SS.uuuuuu] before each line */
#define MTEV_LOG_STREAM_FACILITY   0x08u /* put the name of the stream before each line */
#define MTEV_LOG_STREAM_MATERIAL   0x10u /* has a reachable outlet; kept by the library */

API_EXPORT(mtev_log_stream_t) mtev_stderr;
API_EXPORT(mtev_log_stream_t) mtev_error;
API_EXPORT(mtev_log_stream_t) mtev_notice;
API_EXPORT(mtev_log_stream_t) mtev_debug;
API_EXPORT(mtev_log_stream_t) mtev_error_stacktrace; /* for stacks; its outlet is error */

/* Not 0 if a line said on ls (NULL: none) would reach an outlet.  Cost: one load. */
static inline int mtev_log_stream_is_on(mtev_log_stream_t ls)
{
    const unsigned both = MTEV_LOG_STREAM_ENABLED | MTEV_LOG_STREAM_MATERIAL;
    return ls != NULL && (__atomic_load_n((const unsigned *)ls, __ATOMIC_RELAXED) & both) == both;
}

#define N_L_S_ON(ls) mtev_log_stream_is_on(ls)

/*
 * Say something on ls, as printf(3): mtevL(ls, format, ...).  While ls is off nothing behind it is
 * evaluated.  No newline is added.  A message longer than 3840 bytes is cut there, and says so.
 */
#define mtevL(ls, ...) mtevLT(ls, NULL, __VA_ARGS__)

/* As mtevL() with the time to print (const struct timeval *; NULL: now). */
#define mtevLT(ls, when, ...)                                                                      \
    do {                                                                                           \
        mtev_log_stream_t mtev_log_to_ = (ls);                                                     \
        if (N_L_S_ON(mtev_log_to_))                                                                \
            mtev_log(mtev_log_to_, when, __FILE__, __LINE__, __VA_ARGS__);                         \
    } while (0)

/*
 * As mtevL() with key-values, mtevEL(ls, MLKV(MLKV_STR("user", name), MLKV_NUM("ms", 7),
 * MLKV_END), format, ...): JSON has them beside the message, a plain line behind it as key=value.
 * What they point to is borrowed for the call.
 */
#define mtevEL(ls, kvs, ...) mtevELT(ls, NULL, kvs, __VA_ARGS__)

/* As mtevEL() with the time to print. */
#define mtevELT(ls, when, kvs, ...)                                                                \
    do {                                                                                           \
        mtev_log_stream_t mtev_log_to_ = (ls);                                                     \
        if (N_L_S_ON(mtev_log_to_))                                                                \
            mtev_ex_log(mtev_log_to_, when, __FILE__, __LINE__, kvs, __VA_ARGS__);                 \
    } while (0)

typedef enum {
    MTEV_LOG_KV_TYPE_NONE = 0, /* the end */
    MTEV_LOG_KV_TYPE_STRING,
    MTEV_LOG_KV_TYPE_INT64,
    MTEV_LOG_KV_TYPE_UINT64,
    MTEV_LOG_KV_TYPE_DOUBLE,
    MTEV_LOG_KV_TYPE_BOOLEAN
} mtev_log_kv_type_t;

typedef struct mtev_log_kv { /* made by the macros below */
    const char *key;         /* NULL: the end */
    mtev_log_kv_type_t value_type;
    size_t len; /* of a string; SIZE_MAX: up to its NUL */
    union {
        const char *v_string;
        int64_t v_int64; /* also a boolean */
        uint64_t v_uint64;
        double v_double;
    } value;
} mtev_log_kv_t;

/* clang-format off */
#define MLKV_END             mtev_log_kv_string_(NULL, NULL, 0)
#define MLKV_STR(key, text)  mtev_log_kv_string_((key), (text), SIZE_MAX)
#define MLKV_STRN(key, bytes, len) mtev_log_kv_string_((key), (bytes), (len))
#define MLKV_INT32(key, n)   mtev_log_kv_int64_((key), (n))
#define MLKV_INT64(key, n)   mtev_log_kv_int64_((key), (n))
#define MLKV_UINT32(key, n)  mtev_log_kv_uint64_((key), (n))
#define MLKV_UINT64(key, n)  mtev_log_kv_uint64_((key), (n))
#define MLKV_DOUBLE(key, n)  mtev_log_kv_double_((key), (n))
#define MLKV_BOOL(key, b)    mtev_log_kv_boolean_((key), (b))
/* clang-format on */

/* For the macros above: a key-value. */
static inline mtev_log_kv_t mtev_log_kv_string_(const char *key, const char *text, size_t len)
{
    mtev_log_kv_t kv;
    kv.key = key;
    kv.value_type = key == NULL ? MTEV_LOG_KV_TYPE_NONE : MTEV_LOG_KV_TYPE_STRING;
    kv.len = len;
    kv.value.v_string = text;
    return kv;
}

static inline mtev_log_kv_t mtev_log_kv_int64_(const char *key, int64_t number)
{
    mtev_log_kv_t kv = mtev_log_kv_string_(key, NULL, 0);
    kv.value_type = MTEV_LOG_KV_TYPE_INT64;
    kv.value.v_int64 = number;
    return kv;
}

static inline mtev_log_kv_t mtev_log_kv_uint64_(const char *key, uint64_t number)
{
    mtev_log_kv_t kv = mtev_log_kv_string_(key, NULL, 0);
    kv.value_type = MTEV_LOG_KV_TYPE_UINT64;
    kv.value.v_uint64 = number;
    return kv;
}

static inline mtev_log_kv_t mtev_log_kv_double_(const char *key, double number)
{
    mtev_log_kv_t kv = mtev_log_kv_string_(key, NULL, 0);
    kv.value_type = MTEV_LOG_KV_TYPE_DOUBLE;
    kv.value.v_double = number;
    return kv;
}

static inline mtev_log_kv_t mtev_log_kv_boolean_(const char *key, int is_true)
{
    mtev_log_kv_t kv = mtev_log_kv_int64_(key, is_true != 0);
    kv.value_type = MTEV_LOG_KV_TYPE_BOOLEAN;
    return kv;
}

/* MLKV(...) is a const mtev_log_kv_t * that lasts as long as the statement; MLKV_END comes last. */
#ifndef __cplusplus
#define MLKV(...) ((const mtev_log_kv_t[]){__VA_ARGS__})

/* A number of any type. */
#define MLKV_NUM(key, n)                                                                           \
    _Generic((n), float                                                                            \
             : mtev_log_kv_double_, double                                                         \
             : mtev_log_kv_double_, unsigned char                                                  \
             : mtev_log_kv_uint64_, unsigned short                                                 \
             : mtev_log_kv_uint64_, unsigned                                                       \
             : mtev_log_kv_uint64_, unsigned long                                                  \
             : mtev_log_kv_uint64_, unsigned long long                                             \
             : mtev_log_kv_uint64_, default                                                        \
             : mtev_log_kv_int64_)((key), (n))
#endif

/* Say "[FATAL][file:line] ..." on ls, or on stderr should ls be off, and abort(3). */
#define mtevFatal(ls, ...) mtev_log_fatal(ls, __FILE__, __LINE__, __VA_ARGS__)

/* Say "[TERMINATE][file:line] ..." on ls, or on stderr should ls be off, and exit(2). */
#define mtevTerminate(ls, ...) mtev_log_terminate(ls, __FILE__, __LINE__, __VA_ARGS__)

/*
 * For what goes wrong while the program starts: as mtevTerminate(), but as mtevFatal() in a process
 * that a monitor has started in place of another one, so that it is started again.
 */
#define mtevStartupTerminate(ls, ...)                                                              \
    mtev_log_startup_terminate(ls, __FILE__, __LINE__, __VA_ARGS__)

/* Abort with a line that says which condition did not hold.  Always active. */
#define mtevAssert(condition) mtev_log_assert_(condition, #condition)

/* As mtevAssert(), for an expression that must be evaluated for what it does. */
#define mtevEvalAssert(expression) mtev_log_assert_(expression, #expression)

#define mtev_log_assert_(condition, text)                                                          \
    ((condition) ? (void)0                                                                         \
                 : mtev_log_fatal(mtev_error, __FILE__, __LINE__, "assertion failed: %s\n", text))

/*
 * What mtevL() calls.  when may be NULL (now); file is shown without its folder.
 * Returns 0, or -1 if an outlet lost the line or a part of it (the outlet counts that, and its next
 * line is preceded by one that tells how many were lost, and why).  A stream that is off: 0.
 */
API_EXPORT(int)
mtev_log(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
         const char *format, ...) __attribute__((format(printf, 5, 6)));
API_EXPORT(int)
mtev_vlog(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
          const char *format, va_list args) __attribute__((format(printf, 5, 0)));
API_EXPORT(void)
mtev_log_fatal(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5), noreturn));
API_EXPORT(void)
mtev_log_terminate(mtev_log_stream_t ls, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5), noreturn));
API_EXPORT(void)
mtev_log_startup_terminate(mtev_log_stream_t ls, const char *file, int line, const char *format,
                           ...) __attribute__((format(printf, 4, 5), noreturn));

API_EXPORT(int)
mtev_ex_log(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
            const mtev_log_kv_t *kvs, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
API_EXPORT(int)
mtev_ex_vlog(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
             const mtev_log_kv_t *kvs, const char *format, va_list args)
    __attribute__((format(printf, 6, 0)));

/*
 * Around a signal handler that says something: what its thread says then takes no lock that the
 * interrupted code may hold (a line that would have to wait goes to standard error), no memory, and
 * no local time.  May be nested.
 */
API_EXPORT(void) mtev_log_enter_sighandler(void);
API_EXPORT(void) mtev_log_leave_sighandler(void);

/*
 * Have every line written by who says it, after all that waits; and let writers do it again, which
 * is so at the start.
 */
API_EXPORT(void) mtev_log_go_synch(void);
API_EXPORT(void) mtev_log_go_asynch(void);

/* Begin logging; debug_on not 0 switches the stream debug on.  May be called again. */
API_EXPORT(void) mtev_log_init(int debug_on);

/* Make the four streams above usable.  They are from the start: this is for older programs. */
API_EXPORT(void) mtev_log_init_globals(void);

/*
 * Return the stream of that name, never NULL.  One that does not exist is made: it is on, and its
 * outlet is its parent (debug/a for debug/a/b), which is made likewise; a name without a slash gets
 * no outlet.  When it cannot be made (no memory, 1024 streams, a name longer than 511 bytes) the
 * nearest parent that exists is returned, or mtev_error.
 */
API_EXPORT(mtev_log_stream_t) mtev_log_stream_find(const char *name);
API_EXPORT(mtev_log_stream_t)
mtev_log_stream_findf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* mtev_true if there is a stream of that name. */
API_EXPORT(mtev_boolean) mtev_log_stream_exists(const char *name);

/*
 * Make the stream name, or make the one that exists anew: on, without outlets, and material if type
 * is not NULL:
 *   file        appends to the file path, by a writer of its own
 *   file_synch  the same before the call returns
 *   memory      keeps the newest lines; path is "LINES,BYTES"
 *   syslog      the syslog daemon; path is "FACILITY[.SEVERITY][,rfc5424][@SOCKET]" (NULL: daemon)
 *   journald    systemd-journald, with key-values as fields; path is its socket (NULL: the usual)
 *   others      as mtev_register_logops() says
 * One that has that type and path already goes on, as after mtev_log_stream_reopen().  closure is
 * mtev_log_stream_get_ctx()'s; options (NULL: none), a dictionary, are properties.
 * Returns the stream; or NULL with errno EINVAL (type or path), ENAMETOOLONG, ENOSPC (1024 streams,
 * 64 of them material), ENOMEM or as open(2).  Then an existing stream is as it was.
 */
API_EXPORT(mtev_log_stream_t)
mtev_log_stream_new(const char *name, const char *type, const char *path, void *closure,
                    struct mtev_hash_table *options);

/* As mtev_log_stream_new() for the file path; the stream is called path. */
API_EXPORT(mtev_log_stream_t)
mtev_log_stream_new_on_file(const char *path, struct mtev_hash_table *options);

/* As mtev_log_stream_new() for the open descriptor fd, which stays the caller's. */
API_EXPORT(mtev_log_stream_t)
mtev_log_stream_new_on_fd(const char *name, int fd, struct mtev_hash_table *options);

/*
 * Add outlet to the outlets of ls; one that it has already is not added again.
 * Returns 0, or -1 with errno EINVAL (NULL) or ENOSPC (16 outlets).
 */
API_EXPORT(int) mtev_log_stream_add_stream(mtev_log_stream_t ls, mtev_log_stream_t outlet);

/* Take the outlet of that name away from ls.  Returns it, or NULL if ls has none such. */
API_EXPORT(mtev_log_stream_t)
mtev_log_stream_remove_stream(mtev_log_stream_t ls, const char *name);

/*
 * As mtev_log_stream_add_stream() for the lines that pass filter (NULL: all): tests of message,
 * facility, level (debug, info, notice, error), file, line, thread and the keys of key-values by
 * == != < <= > >= and, for expressions of pcre2pattern(3), =~ !~; joined by and, or, not and
 * parentheses: level >= notice and not message =~ "^GET /health".  mtev_log(3) has all of it.  An
 * outlet that ls has already gets the filter.
 * Returns mtev_true; or mtev_false with errno EINVAL, after a line on mtev_error for a filter that
 * is none, ENOSPC or ENOMEM.
 */
API_EXPORT(mtev_boolean)
mtev_log_stream_add_stream_filtered(mtev_log_stream_t ls, mtev_log_stream_t outlet,
                                    const char *filter);

/* Take all outlets away from ls. */
API_EXPORT(void) mtev_log_stream_removeall_streams(mtev_log_stream_t ls);

/*
 * Close the stream of that name, and take it and its outlets away: nobody finds it until it is made
 * again.  What was found before may still be used: it says nothing.  The streams of the start stay.
 */
API_EXPORT(void) mtev_log_stream_remove(const char *name);

/*
 * Put all streams into loggers, an array of nsize.  Returns how many there are; if they are more
 * than nsize, that number negative, and nsize of them are there.
 */
API_EXPORT(int) mtev_log_list(mtev_log_stream_t *loggers, int nsize);

/* The name of ls, what makes it material (NULL: nothing), and its path; borrowed. */
API_EXPORT(const char *) mtev_log_stream_get_name(mtev_log_stream_t ls);
API_EXPORT(const char *) mtev_log_stream_get_type(mtev_log_stream_t ls);
API_EXPORT(const char *) mtev_log_stream_get_path(mtev_log_stream_t ls);

/* The pointer that is the program's own: mtev_log_stream_new()'s closure, at first. */
API_EXPORT(void) mtev_log_stream_set_ctx(mtev_log_stream_t ls, void *ctx);
API_EXPORT(void *) mtev_log_stream_get_ctx(mtev_log_stream_t ls);

/*
 * A text (copied; NULL: none) of ls under a name.  Those called rotate_seconds (600 or more),
 * rotate_bytes (102400 or more), retain_seconds, retain_bytes, dedup_seconds (up to 86400) and
 * queue_bytes (65536 to 1073741824) are numbers that apply to what ls is, as in eventer.conf(5); 0
 * is off, or the default.  A value that is not possible is refused with a line on mtev_error.  What
 * is got is borrowed until it is set again.
 */
API_EXPORT(void)
mtev_log_stream_set_property(mtev_log_stream_t ls, const char *name, const char *value);
API_EXPORT(const char *)
mtev_log_stream_get_property(mtev_log_stream_t ls, const char *name);

typedef enum {
    MTEV_LOG_FORMAT_PLAIN = 0,
    MTEV_LOG_FORMAT_JSON /* one object a line */
} mtev_log_format_t;

/*
 * What lines on ls look like.  Returns 0, or -1 with errno EINVAL: ls is not material, or what it
 * is has a format of its own.
 */
API_EXPORT(int) mtev_log_stream_set_format(mtev_log_stream_t ls, mtev_log_format_t format);

/*
 * Return what ls is and has as a JSON object, NUL-terminated, which the caller ends with free(3);
 * NULL with ENOMEM, ENOSPC (longer than 64 KiB) or EINVAL.
 */
API_EXPORT(char *) mtev_log_stream_to_json(mtev_log_stream_t ls);

/* The size of the file that ls is; and the bytes that were written since it was made.  0: none. */
API_EXPORT(size_t) mtev_log_stream_size(mtev_log_stream_t ls);
API_EXPORT(size_t) mtev_log_stream_written(mtev_log_stream_t ls);

/*
 * Rename the file that ls is; lines go there until it is opened anew.  AUTOTIME: to PATH.SECOND,
 * with the seconds since 1970.  Returns 0, or -1 with errno EINVAL (ls is no file) or as rename(2).
 */
#define MTEV_LOG_RENAME_AUTOTIME ((const char *)-1)
API_EXPORT(int) mtev_log_stream_rename(mtev_log_stream_t ls, const char *newname);

/*
 * Remove files PATH.SECOND of ls: those from age seconds ago or longer, and the oldest until the
 * rest has bytes at most; negative: no bound.  Returns 0, or -1 with errno EINVAL (ls is no file)
 * or as unlink(2).
 */
API_EXPORT(int) mtev_log_stream_cull(mtev_log_stream_t ls, int age, ssize_t bytes);

/*
 * Call visit for the newest log_lines lines (0: all) that ls, of the type memory, has, oldest
 * first; or for all behind the one whose index is afterwhich.  text (len bytes, no NUL) is for the
 * call only; a result that is not 0 ends it.  visit may say lines.
 * Returns how many calls there were, or -1 with errno EINVAL (ls is not of that type) or ENOMEM.
 */
API_EXPORT(int)
mtev_log_memory_lines(mtev_log_stream_t ls, int log_lines,
                      int (*visit)(uint64_t index, const struct timeval *when, const char *text,
                                   size_t len, void *closure),
                      void *closure);
API_EXPORT(int)
mtev_log_memory_lines_since(mtev_log_stream_t ls, uint64_t afterwhich,
                            int (*visit)(uint64_t index, const struct timeval *when,
                                         const char *text, size_t len, void *closure),
                            void *closure);

/*
 * Return a stream that keeps what is said on it, the newest nlogs lines and nbytes bytes of them;
 * NULL with errno EINVAL or ENOMEM.  mtev_log_speculate_finish() says it on target, with the times,
 * places and key-values that it had, or forgets it (ROLLBACK); then speculation is no more.
 */
#define MTEV_LOG_SPECULATE_ROLLBACK ((mtev_log_stream_t)-1)
API_EXPORT(mtev_log_stream_t) mtev_log_speculate(int nlogs, int nbytes);
API_EXPORT(void)
mtev_log_speculate_finish(mtev_log_stream_t target, mtev_log_stream_t speculation);

/* Say the len bytes at addr, 64 KiB at most, as hexadecimal digits and text, behind a label. */
API_EXPORT(void)
mtev_log_hexdump(mtev_log_stream_t ls, const void *addr, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
API_EXPORT(void)
mtev_log_hexdump_ex(mtev_log_stream_t ls, const struct timeval *when, const char *file, int line,
                    const void *addr, size_t len, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/*
 * A type of material streams of the program's own.  Functions return 0, or -1 and errno; those that
 * are NULL are not there.  writeop (or writevop, with one piece) gets a line as it is to be
 * written; it is called by who says it, one line at a time, must not wait, and must not change
 * streams; what it says itself does not come back to it.  openop is called by
 * mtev_log_stream_new(), when the pointer and the name of the stream are there, and again for each;
 * closeop at its end.
 */
typedef struct {
    mtev_boolean supports_async; /* not used */
    int (*openop)(mtev_log_stream_t ls);
    int (*reopenop)(mtev_log_stream_t ls);
    int (*writeop)(mtev_log_stream_t ls, const struct timeval *when, const void *bytes, size_t len);
    int (*writevop)(mtev_log_stream_t ls, const struct timeval *when, const struct iovec *pieces,
                    int count);
    int (*closeop)(mtev_log_stream_t ls);
    size_t (*sizeop)(mtev_log_stream_t ls);
    int (*renameop)(mtev_log_stream_t ls, const char *newname);
    int (*cullop)(mtev_log_stream_t ls, int age, ssize_t bytes);
} logops_t;

/* Make ops (borrowed for good) the type called name, unless there is one of that name. */
API_EXPORT(void) mtev_register_logops(const char *name, logops_t *ops);

/*
 * Have func called for each line that is said on a stream that is on, before its outlets have it,
 * by who says it.  MTEV_HOOK_ABORT keeps it from them.  What func says itself is not shown to it.
 */
API_EXPORT(mtev_hook_return_t)
mtev_log_plain_hook_register(const char *name,
                             mtev_hook_return_t (*func)(void *closure, mtev_log_stream_t ls,
                                                        const struct timeval *when,
                                                        const char *text, size_t len),
                             void *closure);
API_EXPORT(mtev_hook_return_t)
mtev_log_line_hook_register(const char *name,
                            mtev_hook_return_t (*func)(void *closure, mtev_log_stream_t ls,
                                                       const struct timeval *when, const char *file,
                                                       int line, const char *text, size_t len),
                            void *closure);

/*
 * Open the files that ls writes to anew (after they were renamed).
 * Returns 0, or -1 with errno as open(2) if one could not be: it goes on with the old file.
 */
API_EXPORT(int) mtev_log_stream_reopen(mtev_log_stream_t ls);

/* mtev_log_stream_reopen() for every stream. */
API_EXPORT(int) mtev_log_reopen_all(void);

/* mtev_log_reopen_all() for the streams of a type.  EINVAL: there is none such. */
API_EXPORT(int) mtev_log_reopen_type(const char *type);

/* End what makes ls itself material; it keeps its outlets. */
API_EXPORT(void) mtev_log_stream_close(mtev_log_stream_t ls);

/* Return the flags of ls. */
API_EXPORT(unsigned) mtev_log_stream_get_flags(mtev_log_stream_t ls);

/* Set the flags of ls (MATERIAL is ignored).  Returns those it had. */
API_EXPORT(unsigned) mtev_log_stream_set_flags(mtev_log_stream_t ls, unsigned flags);

MTEV_END_DECLS

#ifdef __cplusplus
/* The same in C++: an array of them that is as long as it has to be. */
template <size_t count> struct mtev_log_kvs_ {
    mtev_log_kv_t kvs[count];
    operator const mtev_log_kv_t *() const
    {
        return kvs;
    }
};
template <typename... T> static inline mtev_log_kvs_<sizeof...(T)> mtev_log_kvs_of_(T... kv)
{
    return mtev_log_kvs_<sizeof...(T)>{{kv...}};
}
#define MLKV(...) mtev_log_kvs_of_(__VA_ARGS__)

template <bool is_float, bool is_unsigned> struct mtev_log_kv_num_ {
    static mtev_log_kv_t of(const char *key, int64_t number)
    {
        return mtev_log_kv_int64_(key, number);
    }
};
template <> struct mtev_log_kv_num_<false, true> {
    static mtev_log_kv_t of(const char *key, uint64_t number)
    {
        return mtev_log_kv_uint64_(key, number);
    }
};
template <> struct mtev_log_kv_num_<true, false> {
    static mtev_log_kv_t of(const char *key, double number)
    {
        return mtev_log_kv_double_(key, number);
    }
};
template <typename T> static inline mtev_log_kv_t mtev_log_kv_of_(const char *key, T number)
{
    return mtev_log_kv_num_<T(1) / 2 != 0, (T(0) < T(-1))>::of(key, number);
}
#define MLKV_NUM(key, n) mtev_log_kv_of_((key), (n))
#endif

#endif

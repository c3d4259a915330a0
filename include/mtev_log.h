/* SPDX-License-Identifier: MIT */
/*
 * mtev_log.h - log streams: named places to say something, and the outlets that what is said
 * reaches.
 *
 * A stream is on or off and may have outlets: other streams, of which some are material (a file, or
 * standard error).  A line goes to every material stream that can be reached over streams that are
 * on.  Everything here may be called from any thread, before any initialisation, and keeps errno.
 * A log call never yields.  Streams live as long as the process.
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

/* Say "[FATAL][file:line] ..." on ls, or on stderr should ls be off, and abort(3). */
#define mtevFatal(ls, ...) mtev_log_fatal(ls, __FILE__, __LINE__, __VA_ARGS__)

/* Say "[TERMINATE][file:line] ..." on ls, or on stderr should ls be off, and exit(2). */
#define mtevTerminate(ls, ...) mtev_log_terminate(ls, __FILE__, __LINE__, __VA_ARGS__)

/* As mtevTerminate(), for what goes wrong while the program starts. */
#define mtevStartupTerminate(ls, ...) mtev_log_terminate(ls, __FILE__, __LINE__, __VA_ARGS__)

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
 * is not NULL: "file" (or "file_synch") appends to the file path.  closure and options are not used
 * by these types.
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
 * Open the files that ls writes to anew (after they were renamed).
 * Returns 0, or -1 with errno as open(2) if one could not be: it goes on with the old file.
 */
API_EXPORT(int) mtev_log_stream_reopen(mtev_log_stream_t ls);

/* mtev_log_stream_reopen() for every stream. */
API_EXPORT(int) mtev_log_reopen_all(void);

/* End what makes ls itself material; it keeps its outlets. */
API_EXPORT(void) mtev_log_stream_close(mtev_log_stream_t ls);

/* Return the flags of ls. */
API_EXPORT(unsigned) mtev_log_stream_get_flags(mtev_log_stream_t ls);

/* Set the flags of ls (MATERIAL is ignored).  Returns those it had. */
API_EXPORT(unsigned) mtev_log_stream_set_flags(mtev_log_stream_t ls, unsigned flags);

MTEV_END_DECLS

#endif

/* SPDX-License-Identifier: MIT */
/*
 * outlet.h - where log lines become material: a file, a descriptor that somebody else opened, a
 * socket of another daemon, memory, or functions of the program's own.
 *
 * Layer: log, for this layer alone.  A line takes one of three ways:
 *
 *   direct   memory and the program's own functions take it at once
 *   queued   a file and a socket: it is put into the ring, and the outlet's writer, a thread of its
 *            own, writes what has gathered there.  Nothing is waited for
 *   at once  a descriptor and a file_synch: written by who says it, unless the reader of a pipe is
 *            slow: then what is left goes the second way until the writer has caught up
 *
 * What is about to be written is in the batch, in order, before it what has to be told (lines that
 * were lost, lines that were folded).  Nothing enters the batch before all of it is written, so a
 * write that was short, or failed, goes on in the middle of a line and tears none.
 *
 * Who may touch what: the ring's putters and the atomics, everybody; all else, the holder of lock.
 * A loop takes the lock only on the third way, where it writes itself.  outlet_say() may be called
 * from any thread; the calls that say so need that no other thread uses the outlet meanwhile, which
 * the lock of the streams sees to.
 */
#ifndef EVENTER_LOG_OUTLET_H
#define EVENTER_LOG_OUTLET_H

#include "log/line_impl.h"
#include "log/ring.h"

#include "base/thread.h"

#include <pthread.h>

#define OUTLET_BATCH_MAX    32768
#define OUTLET_NOTICE_MAX   (4 * LOG_PREFIX_MAX) /* bytes of one thing that has to be told */
#define OUTLET_EXIT_MS_MAX  1000 /* that the end of a process, or of an outlet, waits for a file */
#define OUTLET_DYING_MS_MAX 100  /* that a dying process waits for each, twice at most */
#define OUTLET_RETRY_MS     100  /* after a write that failed */
#define OUTLET_NAP_MS       10   /* that a line may wait for others to be written with it */

struct outlet;

struct outlet_ops { /* a kind of outlet */
    const char *type;
    const char *default_path; /* NULL: there is none */
    bool is_queued;
    bool is_datagram; /* each line is a message of its own */
    bool has_file;    /* which is the outlet's own, and may be opened anew and rotated */
    /* What log_check_path() says; NULL: any path will do. */
    int (*check)(const char *path);
    /* Open what path (or fd) says, anew if it is open.  Gives in *ret_fd; 0 or -errno. */
    int (*open)(struct outlet *o, int *ret_fd);
    /* Write up to len bytes without waiting.  Returns how many, or -errno (-EAGAIN: later). */
    ssize_t (*write)(struct outlet *o, const char *bytes, size_t len);
    /* Not NULL: the first way.  text is the rendered line. */
    int (*say)(struct outlet *o, const struct log_line *line, const char *text, size_t len);
    void (*close)(struct outlet *o); /* NULL: nothing but the fd */
};

struct outlet_settings { /* 0: off, or the default */
    uint64_t rotate_ns;  /* of the wall clock */
    uint64_t rotate_bytes;
    uint64_t retain_ns;
    uint64_t retain_bytes;
    uint64_t fold_ns;
    size_t queue_bytes;
};

enum outlet_writer { /* what the writer does */
    OUTLET_WRITER_NONE = 0,
    OUTLET_WRITER_AWAKE,
    OUTLET_WRITER_NAPS,  /* for OUTLET_NAP_MS, so that nobody has to wake it for every line */
    OUTLET_WRITER_SLEEPS /* until somebody wakes it */
};

enum outlet_end { /* of an outlet with a writer */
    OUTLET_END_OPEN = 0,
    OUTLET_END_WRITTEN,  /* the writer has ended */
    OUTLET_END_ABANDONED /* nobody waits for the writer any more */
};

struct outlet {
    const struct outlet_ops *ops;
    char *path;              /* owned; NULL for a descriptor */
    void *target;            /* of the kind: a memory ring, a stream with functions */
    _Atomic uint32_t format; /* enum line_format */
    _Atomic bool is_folding; /* settings.fold_ns is not 0 */
    struct line_address address;

    struct ring ring;           /* made at the first line that waits */
    _Atomic uint64_t lost;      /* lines lost since the beginning, whole or in part */
    _Atomic uint32_t untold;    /* of these, how many no line in the log has told of */
    _Atomic int reason;         /* errno of the last loss */
    _Atomic uint64_t written;   /* bytes */
    _Atomic int next_fd;        /* opened anew, to go on with; -1: none */
    _Atomic uint64_t next_from; /* the place in the ring from which on */
    _Atomic bool is_ending;
    _Atomic bool is_stuck;   /* a signal handler waited for lock in vain, and nobody had it since */
    _Atomic uint32_t writer; /* enum outlet_writer; what it sleeps on */
    _Atomic uint32_t end;    /* enum outlet_end: who comes last frees */

    pthread_mutex_t lock; /* guards all below */
    struct outlet_settings settings;
    bool is_static; /* not to be freed */
    bool is_held;   /* by the thread that forks */
    int fd;
    unsigned file_type;         /* S_IFMT of the fd */
    bool is_torn;               /* the last line has no end: the next begins with a newline */
    uint64_t begun_ns;          /* when the file was: wall clock */
    uint64_t size;              /* of the file */
    uint64_t rotation_retry_ns; /* monotonic: not before */
    uint64_t fold_key;
    uint64_t fold_since_ns; /* monotonic */
    uint64_t fold_count;    /* lines that were not written because they say the same */
    char complaint[160];    /* "" or what goes wrong, to be told next */
    size_t batch_len, batch_done;
    size_t batch_told;     /* where what has to be told ends */
    uint32_t batch_untold; /* how many losses that tells of */
    char batch[OUTLET_BATCH_MAX];
};

#define OUTLET_STDERR                                                                              \
    {                                                                                              \
        .ops = &outlet_descriptor, .fd = 2, .next_fd = -1, .is_static = true,                      \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

extern const struct outlet_ops outlet_file;       /* queued: opens path to append */
extern const struct outlet_ops outlet_file_synch; /* at once */
extern const struct outlet_ops
    outlet_descriptor;                         /* at once: borrows fd for as long as it is used */
extern const struct outlet_ops outlet_syslog;  /* queued: path says "FACILITY[.SEVERITY]..." */
extern const struct outlet_ops outlet_journal; /* queued: path is that of the socket */
extern const struct outlet_ops outlet_memory;  /* direct: path says "LINES,BYTES" */

/*
 * Make an outlet of that kind in *out, which the caller owns: path (copied; NULL for a descriptor),
 * or fd, or target, the stream, for functions of the program's own.  settings are copied.  Returns
 * 0, -ENOMEM, -EINVAL (path) or what open(2), connect(2) say.
 */
int outlet_new(const struct outlet_ops *ops, const char *path, int fd, void *target,
               const struct outlet_settings *settings, struct outlet **out);

/*
 * End o, which nobody else uses any more (NULL: nothing): what waits is written first, for
 * OUTLET_EXIT_MS_MAX at most.
 */
void outlet_end(struct outlet *o);

/*
 * Open the file anew; nothing to do for others.  0, or -errno and it goes on with the old
 * one.  Never waits for a write.
 */
int outlet_reopen(struct outlet *o);

/*
 * Let o have line, with look before it; scratch is room for it.  The ways above.
 * Returns 0, or -errno if the line is lost, which is counted, and told before the next one that
 * gets through.
 */
int outlet_say(struct outlet *o, const struct log_line *line, unsigned look,
               char scratch[static LINE_MAX_BYTES]);

/*
 * The same from a signal handler, which may have interrupted anything: waits for the lock for a
 * moment, once, and then leaves the line in the queue, or writes it without.  Direct outlets are
 * left out: -EBUSY.
 */
int outlet_say_in_handler(struct outlet *o, const struct log_line *line, unsigned look,
                          char scratch[static LINE_MAX_BYTES]);

/* Change the settings of o; one call at a time. */
void outlet_set(struct outlet *o, const struct outlet_settings *settings);

/*
 * Give o the queue that its settings ask for, if it has another one that was never used.  Nobody
 * else may use o.
 */
void outlet_resize(struct outlet *o);

/*
 * Write what waits, until deadline_ns (monotonic) at most.  Returns 0, or -EAGAIN: it still waits,
 * for the reader of a pipe, or because a write failed, which is not waited for.
 */
int outlet_flush(struct outlet *o, uint64_t deadline_ns);

/*
 * The same in a process that dies, from a signal handler: other threads stand still, or may never
 * let go of what they hold.
 */
void outlet_flush_dying(struct outlet *o);

/* Around fork(2): hold o still; let go of it; and in the child, forget what is the parent's. */
void outlet_before_fork(struct outlet *o);
void outlet_after_fork(struct outlet *o);
void outlet_after_fork_in_child(struct outlet *o);

/* Every line is written by who says it, also those of queued outlets, until this is taken back. */
void outlet_all_at_once(bool at_once);

/* ---- for writer.c and outlet.c only ---------------------------------------------- */

/*
 * Write what is in the batch and then in the ring, and rotate the file if that is due and the
 * caller may take the time; lock is held.  0, -EAGAIN or -errno.
 */
int outlet_drain(struct outlet *o, bool may_rotate);

/* Take the lock, but only until deadline_ns (monotonic).  Returns whether it did. */
bool outlet_lock_until(struct outlet *o, uint64_t deadline_ns);

/* Have the writer look, if there is one or can be one.  -EAGAIN: there is none. */
int outlet_wake_writer(struct outlet *o);

/* Let a writer that naps or sleeps go on, because of a line that was put. */
static inline bool outlet_must_wake(struct outlet *o)
{
    /* seq_cst: pairs with the writer's last look at the ring before it sleeps */
    uint32_t writer = atomic_load_explicit(&o->writer, memory_order_seq_cst);
    return writer == OUTLET_WRITER_SLEEPS || writer == OUTLET_WRITER_NONE ||
           (writer == OUTLET_WRITER_NAPS && ring_used(&o->ring) > o->ring.size / 4);
}

/* Free o, which nobody else knows any more. */
void outlet_free(struct outlet *o);

/* Have a line of the log's own say what went wrong; lock is held. */
void outlet_complain(struct outlet *o, const char *what, int err);

/* Find out what the fd is, now that it is another; lock is held.  (outlet.c) */
void outlet_learn_fd(struct outlet *o);

/* Rotate the file of o if that is due; lock is held and the batch is empty.  (rotate.c) */
void outlet_rotate(struct outlet *o);

/* When the file of fd was made, on the wall clock; now, if that is not known.  (rotate.c) */
uint64_t outlet_birth_ns(int fd);

/* When outlet_rotate() will have something to do at the latest, in ns from now; UINT64_MAX: never.
 */
uint64_t outlet_rotation_due_ns(const struct outlet *o);

#endif

/* SPDX-License-Identifier: MIT */
#include "conf/document_impl.h"

#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static struct xml_doc *current; /* NULL until something is loaded; guarded by current_lock */

static pthread_mutex_t write_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct xml_doc *draft; /* these four are guarded by write_lock */
static unsigned depth;
static bool is_changed;
static void (*at_change)(void);

/* Who has a draft.  Only whether it is oneself is asked, which no other thread can change. */
static _Atomic(pthread_t) writer;
static _Atomic bool has_writer;

static bool is_writer(void)
{
    return atomic_load_explicit(&has_writer, memory_order_relaxed) &&
           pthread_equal(atomic_load_explicit(&writer, memory_order_relaxed), pthread_self());
}

struct xml_doc *document_draft(void)
{
    return is_writer() ? draft : NULL;
}

struct xml_doc *document_share(void)
{
    if (is_writer())
        return xml_share(draft);
    pthread_mutex_lock(&current_lock);
    struct xml_doc *doc = current == NULL ? NULL : xml_share(current);
    pthread_mutex_unlock(&current_lock);
    return doc;
}

void document_lock(void)
{
    pthread_mutex_lock(&write_lock);
}

void document_unlock(void)
{
    pthread_mutex_unlock(&write_lock);
}

void document_publish(struct xml_doc *doc)
{
    pthread_mutex_lock(&current_lock);
    struct xml_doc *old = current;
    current = doc;
    pthread_mutex_unlock(&current_lock);
    xml_release(old);
}

/* Copy what is current for the calling thread. */
static int make_draft(void)
{
    struct xml_doc *doc = document_share();
    if (doc == NULL)
        return -ENOENT;
    int err = xml_copy(doc, &draft);
    xml_release(doc);
    if (err != 0)
        return err;
    is_changed = false;
    atomic_store_explicit(&writer, pthread_self(), memory_order_relaxed);
    atomic_store_explicit(&has_writer, true, memory_order_relaxed);
    return 0;
}

int document_begin(void)
{
    document_lock();
    int err = depth == 0 ? make_draft() : 0;
    if (err != 0) {
        document_unlock();
        return err;
    }
    depth++;
    return 0;
}

void document_end(void)
{
    assert(is_writer() && depth > 0);
    struct xml_doc *doc = draft;
    void (*tell)(void) = NULL;
    if (--depth == 0) {
        atomic_store_explicit(&has_writer, false, memory_order_relaxed);
        draft = NULL;
        if (is_changed)
            document_publish(doc);
        else
            xml_release(doc);
        tell = is_changed ? at_change : NULL;
    }
    document_unlock();
    if (tell != NULL)
        tell();
}

void document_changed(struct xml_node *node)
{
    const struct xml_node *include = xml_include_of(node);
    struct xml_origin *origin = xml_origin(include == NULL ? draft : xml_part(include));
    origin->is_changed = true;
    origin->is_kept = false;
    is_changed = true;
}

void conf_at_change(void (*fn)(void))
{
    document_lock();
    at_change = fn;
    document_unlock();
}

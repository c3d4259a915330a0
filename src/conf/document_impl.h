/* SPDX-License-Identifier: MIT */
/*
 * document_impl.h - the document that is current, and the draft of the next one; for this layer
 * alone.
 *
 * What is current never changes, so readers need no lock.  A writer has a draft, a copy that only
 * its own thread sees, and which becomes current as a whole when the thread is done with it:
 *
 *     document_begin() ... document_begin() ... document_end() ... document_end(): published
 *
 * One lock, that of writers, is held from the first to the last of these, and by a load; a thread
 * that has it takes it again.  Nobody yields with it.
 */
#ifndef EVENTER_CONF_DOCUMENT_IMPL_H
#define EVENTER_CONF_DOCUMENT_IMPL_H

#include "conf/xml.h"

/* Return a share of the draft, for the thread that writes it, or else of what is current, or NULL.
 */
struct xml_doc *document_share(void);

/* Take and give back the lock of writers without a draft. */
void document_lock(void);
void document_unlock(void);

/* Make doc (taken; NULL: nothing) current.  The lock is held, and there is no draft. */
void document_publish(struct xml_doc *doc);

/* Begin to write: 0, -ENOENT (nothing is loaded) or -ENOMEM.  Only a 0 has to be ended. */
int document_begin(void);
void document_end(void);

/* Return the draft of the calling thread (borrowed until it ends), or NULL. */
struct xml_doc *document_draft(void);

/* Note that the draft differs from the file that node is from. */
void document_changed(struct xml_node *node);

#endif

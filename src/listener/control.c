/* SPDX-License-Identifier: MIT */
/*
 * control.c - several protocols on one port, told apart by the first four bytes of a connection.
 */
#include "listener/acceptor.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

struct commands { /* of one listener's callback */
    eventer_func_t dispatch;
    mtev_hash_table delegates;
};

struct command {
    uint32_t cmd;
    eventer_func_t delegate;
};

/* From the bytes of a callback to its delegates; nothing is ever taken out. */
static mtev_hash_table commands;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of who writes */

/* lock is held */
static struct commands *commands_of(eventer_func_t dispatch)
{
    struct commands *found = NULL;
    mtev_hash_table *delegates =
        mtev_hash_get(&commands, (const char *)&dispatch, sizeof(dispatch));
    if (delegates != NULL)
        return list_entry(delegates, struct commands, delegates);
    found = alloc_zeroed(1, sizeof(*found));
    if (found == NULL)
        return NULL;
    found->dispatch = dispatch;
    if (mtev_hash_store(&commands, (const char *)&found->dispatch, sizeof(found->dispatch),
                        &found->delegates) == 0) {
        alloc_free(found);
        return NULL;
    }
    return found;
}

/* lock is held.  0 or -ENOMEM. */
static int add(eventer_func_t dispatch, uint32_t cmd, eventer_func_t delegate)
{
    struct commands *of = commands_of(dispatch);
    struct command *command = of == NULL ? NULL : alloc_bytes(sizeof(*command));
    void *before = NULL;
    if (command == NULL)
        return -ENOMEM;
    *command = (struct command){cmd, delegate};
    if (mtev_hash_set(&of->delegates, (const char *)&command->cmd, sizeof(command->cmd),
                      (void *)(uintptr_t)delegate, (char **)&before, NULL) == 0) {
        alloc_free(command);
        return -ENOMEM;
    }
    if (before != NULL) /* of the key that was replaced; nobody reads beside the first loop */
        alloc_free(list_entry(before, struct command, cmd));
    return 0;
}

void mtev_control_dispatch_delegate(eventer_func_t listener_dispatch, uint32_t cmd,
                                    eventer_func_t delegate_dispatch)
{
    int err = -EINVAL;
    if (listener_dispatch != NULL && delegate_dispatch != NULL) {
        pthread_mutex_lock(&lock);
        err = add(listener_dispatch, cmd, delegate_dispatch);
        pthread_mutex_unlock(&lock);
    }
    if (err != 0)
        mtevL(mtev_error, "mtev_control_dispatch_delegate: 0x%08x: %s\n", cmd, strerror(-err));
}

mtev_hash_table *mtev_listener_commands(void)
{
    return &commands;
}

/* ---- a connection ---------------------------------------------------------------- */

static int end_connection(eventer_t e)
{
    int mask;
    eventer_remove_fde(e);
    eventer_close(e, &mask);
    return 0;
}

static eventer_func_t find(const mtev_acceptor_closure_t *ac, eventer_func_t dispatch)
{
    mtev_hash_table *delegates =
        mtev_hash_get(&commands, (const char *)&dispatch, sizeof(dispatch));
    if (delegates == NULL)
        return NULL;
    return (eventer_func_t)(uintptr_t)mtev_hash_get(delegates, (const char *)&ac->cmd,
                                                    sizeof(ac->cmd));
}

int mtev_control_dispatch(eventer_t e, int mask, void *closure, struct timeval *now)
{
    mtev_acceptor_closure_t *ac = closure;
    if (mask & EVENTER_EXCEPTION)
        return end_connection(e);
    while (ac->word_len < sizeof(ac->word)) {
        int count =
            eventer_read(e, ac->word + ac->word_len, sizeof(ac->word) - ac->word_len, &mask);
        if (count < 0 && errno == EAGAIN)
            return mask | EVENTER_EXCEPTION;
        if (count <= 0)
            return end_connection(e);
        ac->word_len = (uint8_t)(ac->word_len + count);
    }
    memcpy(&ac->cmd, ac->word, sizeof(ac->cmd));
    ac->cmd = ntohl(ac->cmd);
    eventer_func_t dispatch = mtev_acceptor_closure_dispatch(ac);
    eventer_func_t delegate = find(ac, dispatch != NULL ? dispatch : mtev_control_dispatch);
    if (delegate == NULL) {
        mtevL(mtev_debug, "mtev_control_dispatch: nobody answers to 0x%08x\n", ac->cmd);
        return end_connection(e);
    }
    eventer_set_callback(e, delegate);
    return delegate(e, EVENTER_READ | EVENTER_WRITE, closure, now);
}

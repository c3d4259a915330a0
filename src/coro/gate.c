/* SPDX-License-Identifier: MIT */
#include "coro/gate_impl.h"

#include "base/alloc.h"

#include <assert.h>

eventer_aco_gate_t eventer_aco_gate(void)
{
    struct coro *self = coro_self();
    if (self == NULL) {
        mtevL(eventer_err, "eventer_aco_gate: called outside a coroutine\n");
        errno = EINVAL;
        return NULL;
    }
    if (self->own_gates == CORO_GATES_MAX) {
        mtevL(eventer_err, "eventer_aco_gate: %d gates of one coroutine are open\n",
              CORO_GATES_MAX);
        errno = EMFILE;
        return NULL;
    }
    struct eventer_aco_gate *gate = alloc_zeroed(1, sizeof(*gate));
    if (gate == NULL)
        return NULL;
    gate->loop = loop_self;
    gate->owner = self;
    ring_add_tail(&coro_home_of(self)->gates, &gate->all);
    self->own_gates++;
    return gate;
}

static void gate_free(struct eventer_aco_gate *gate)
{
    ring_remove(&gate->all);
    alloc_free(gate);
}

void gates_orphan(struct coro_home *home, const struct coro *owner)
{
    for (struct ring *link = home->gates.next, *next; link != &home->gates; link = next) {
        struct eventer_aco_gate *gate = list_entry(link, struct eventer_aco_gate, all);
        next = link->next;
        if (gate->owner != owner)
            continue;
        gate->owner = NULL;
        if (gate->outstanding == 0)
            gate_free(gate);
    }
}

void gate_enter(struct eventer_aco_gate *gate)
{
    gate->outstanding++;
}

void gate_note(struct eventer_aco_gate *gate, eventer_job_result_t result)
{
    if (result > gate->result)
        gate->result = result;
}

void gate_leave(struct eventer_aco_gate *gate, eventer_job_result_t result)
{
    assert(gate->outstanding > 0);
    gate_note(gate, result);
    gate->outstanding--;
    if (gate->outstanding > 0)
        return;
    if (gate->waiter != NULL)
        coro_wake(gate->waiter, gate->generation, 0);
    else if (gate->owner == NULL)
        gate_free(gate);
}

void eventer_aco_gate_wait(eventer_aco_gate_t gate)
{
    struct coro *self = coro_self();
    if (self == NULL || gate == NULL || gate->owner != self) {
        mtevL(eventer_err, "eventer_aco_gate_wait: %s\n",
              self == NULL   ? "called outside a coroutine"
              : gate == NULL ? "no gate"
                             : "the gate belongs to another coroutine");
        errno = EINVAL;
        return;
    }
    while (gate->outstanding > 0) { /* a job may go in between the wake and the run */
        gate->waiter = self;
        gate->generation = self->co.generation_;
        coro_park(self, CORO_WAITS_FOR_GATE);
    }
    self->own_gates--;
    coro_set_job_result(self, gate->result);
    gate_free(gate);
}

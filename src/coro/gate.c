/* SPDX-License-Identifier: MIT */
#include "coro/gate_impl.h"

#include "base/alloc.h"

#include <assert.h>

eventer_aco_gate_t eventer_aco_gate(void)
{
    struct coro *self = coro_self();
    if (self == NULL) {
        mtevL(mtev_error, "eventer_aco_gate: called outside a coroutine\n");
        errno = EINVAL;
        return NULL;
    }
    struct eventer_aco_gate *gate = alloc_zeroed(1, sizeof(*gate));
    if (gate == NULL)
        return NULL;
    gate->loop = loop_self;
    gate->owner = self;
    gate->next = self->gates;
    self->gates = gate;
    return gate;
}

void gates_orphan(struct eventer_aco_gate *first)
{
    while (first != NULL) {
        struct eventer_aco_gate *gate = first;
        first = gate->next;
        gate->owner = NULL;
        if (gate->outstanding == 0)
            alloc_free(gate);
    }
}

void gate_enter(struct eventer_aco_gate *gate)
{
    gate->outstanding++;
}

void gate_leave(struct eventer_aco_gate *gate)
{
    assert(gate->outstanding > 0);
    gate->outstanding--;
    if (gate->outstanding > 0)
        return;
    if (gate->waiter != NULL)
        coro_wake(gate->waiter, gate->generation, 0);
    else if (gate->owner == NULL)
        alloc_free(gate);
}

void eventer_aco_gate_wait(eventer_aco_gate_t gate)
{
    struct coro *self = coro_self();
    if (self == NULL || gate == NULL || gate->owner != self) {
        mtevL(mtev_error, "eventer_aco_gate_wait: %s\n",
              self == NULL   ? "called outside a coroutine"
              : gate == NULL ? "no gate"
                             : "the gate belongs to another coroutine");
        errno = EINVAL;
        return;
    }
    struct eventer_aco_gate **link = &self->gates;
    while (*link != gate)
        link = &(*link)->next;
    *link = gate->next;
    while (gate->outstanding > 0) { /* a job may go in between the wake and the run */
        gate->waiter = self;
        gate->generation = self->generation;
        coro_park(self, CORO_WAITS_FOR_GATE);
    }
    alloc_free(gate);
}

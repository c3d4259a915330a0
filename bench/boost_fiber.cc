// SPDX-License-Identifier: MIT
//
// boost_fiber.cc - a coroutine as a program in C++ has it: boost::context::fiber on a pooled stack.
//
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>

#include <cstdint>
#include <memory>

namespace context = boost::context;

extern "C" {
extern volatile uint64_t ended_count; // of bench/create.c
void boost_fiber_life(void);
}

/* Create one, run its function and end it. */
void boost_fiber_life(void)
{
    static context::pooled_fixedsize_stack stacks(64 * 1024);
    context::fiber fiber(std::allocator_arg, stacks, [](context::fiber &&caller) {
        ended_count = ended_count + 1;
        return std::move(caller);
    });
    fiber = std::move(fiber).resume();
}

/* SPDX-License-Identifier: MIT */
/*
 * Goal: no mail is lost or doubled, and what one thread puts is taken in the order it put it.
 * Method: one thread by hand; then four senders against one receiver, which counts each sender's
 * letters.  Under TSan it also shows that what was written before the put is seen after the take.
 */
#include "harness.h"

#include "base/mailbox.h"

#include <pthread.h>
#include <sched.h>

#define SENDER_COUNT 4
#define LETTER_COUNT 20000

struct letter {
    struct queue_node link;
    size_t sender;
    size_t number; /* plain, not atomic: the mailbox alone must order it */
};

struct sender {
    struct mailbox *box;
    size_t id;
    struct letter letters[LETTER_COUNT];
};

static struct sender senders[SENDER_COUNT];

static void an_empty_mailbox_gives_an_empty_queue(void **state)
{
    struct mailbox box = {NULL};
    struct queue mail = mailbox_take_all(&box);
    assert_true(queue_is_empty(&mail));
    assert_false(mailbox_has_mail(&box));
}

static void mail_is_taken_in_the_order_it_was_put(void **state)
{
    struct mailbox box = {NULL};
    struct queue_node nodes[5];
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < 5; i++)
            mailbox_put(&box, &nodes[i]);
        assert_true(mailbox_has_mail(&box));
        struct queue mail = mailbox_take_all(&box);
        assert_false(mailbox_has_mail(&box));
        for (size_t i = 0; i < 5; i++)
            assert_ptr_equal(queue_take(&mail), &nodes[i]);
        assert_null(queue_take(&mail));
    }
}

static void what_is_taken_may_be_put_behind(void **state)
{
    struct mailbox box = {NULL};
    struct queue_node nodes[3];
    mailbox_put(&box, &nodes[0]);
    mailbox_put(&box, &nodes[1]);
    struct queue mail = mailbox_take_all(&box);
    queue_put(&mail, &nodes[2]);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(queue_take(&mail), &nodes[i]);
}

static void *send_letters(void *closure)
{
    struct sender *self = closure;
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        self->letters[i].sender = self->id;
        self->letters[i].number = i;
        mailbox_put(self->box, &self->letters[i].link);
    }
    return NULL;
}

static void every_letter_of_many_senders_arrives_once_and_in_order(void **state)
{
    struct mailbox box = {NULL};
    pthread_t threads[SENDER_COUNT];
    size_t expected[SENDER_COUNT] = {0};
    size_t arrived = 0;

    for (size_t i = 0; i < SENDER_COUNT; i++) {
        senders[i].box = &box;
        senders[i].id = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    while (arrived < (size_t)SENDER_COUNT * LETTER_COUNT) {
        struct queue mail = mailbox_take_all(&box);
        struct queue_node *node;
        while ((node = queue_take(&mail)) != NULL) {
            const struct letter *letter = list_entry(node, struct letter, link);
            assert_int_equal(letter->number, expected[letter->sender]);
            expected[letter->sender]++;
            arrived++;
        }
        sched_yield();
    }
    for (size_t i = 0; i < SENDER_COUNT; i++)
        pthread_join(threads[i], NULL);
    assert_false(mailbox_has_mail(&box));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_empty_mailbox_gives_an_empty_queue),
    cmocka_unit_test(mail_is_taken_in_the_order_it_was_put),
    cmocka_unit_test(what_is_taken_may_be_put_behind),
    cmocka_unit_test(every_letter_of_many_senders_arrives_once_and_in_order),
};
HARNESS_MAIN(tests)

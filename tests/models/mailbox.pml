/* SPDX-License-Identifier: MIT */
/*
 * mailbox.pml - mail from threads to a loop that falls asleep: a Promela model of base/mailbox.h,
 * and of how eventer/loop.c sleeps, wakes and stops.
 *
 * Each step that other threads can see is one statement here, and its comment quotes the line of C
 * that it stands for (a test looks that each is still there).  Every order of these steps is tried.
 *
 * Shown: no wake-up is lost and nobody hangs (no invalid end state), no mail is lost or runs twice,
 * mail of one thread runs in its order, a loop that is asleep is woken once however many send, mail
 * that the loop sends itself needs no wake, and a loop that is told to stop does.  A node is used again as
 * soon as it has run, so the compare-and-exchange meets the same pointer with another list below.
 *
 * Spin's memory is sequentially consistent.  So are the four accesses that matter in C (put, look,
 * flag set, flag read); LOOK_FIRST and SENDER_LOOKS_FIRST are what weaker ones would allow.
 *
 * Mutations, each of which must be found: NO_SECOND_LOOK, LOOK_FIRST, SENDER_LOOKS_FIRST,
 * WAKE_ENDS_A_PRESENT_WAIT_ONLY, TAKEN_IN_TWO_STEPS, NEWEST_FIRST, FLAG_IS_NOT_EXCHANGED
 */
#define SENDERS 2
#define LETTERS 2 /* of each sender, under way at once */
#define ROUNDS  2
#define OWN     (SENDERS * LETTERS) /* the letter that the loop sends itself */
#define NODES   (OWN + 1)
#define NONE    255

/* struct mailbox and the nodes in it */
byte newest = NONE;
byte next[NODES];

/* struct loop */
bool is_asleep = false;
bool must_stop = false;

/* the poller: an eventfd, edge-triggered and never read; and fds that become ready now and then */
bool wake_edge = false;
bool is_waiting = false;
byte fd_reports = 1;

/* what the properties are about */
bool is_posted[NODES];     /* put, and not taken */
byte ran[NODES];           /* times */
byte expected[SENDERS];    /* the letter of a sender whose turn it is */
bool is_claimed = false;   /* somebody wakes the loop from this sleep */
byte senders_left = SENDERS;

inline put(node, seen) /* mailbox_put() */
{
    seen = newest; /* mailbox.h: atomic_load_explicit(&box->newest, memory_order_relaxed); */
    do
    :: next[node] = seen; /* mailbox.h: node->next = newest; */
       atomic { /* mailbox.h: while (!atomic_compare_exchange_weak_explicit(&box->newest, &newest, node, */
           if
           :: newest == seen ->
              newest = node;
              is_posted[node] = true;
              seen = NONE; /* here and below: what is not needed again makes no new states */
              break
           :: else -> seen = newest
           fi
       }
    od
}

inline claim(flag) /* one of those that saw the flag wakes the loop */
{
    assert(!is_claimed);
    is_claimed = true;
    flag = true
}

inline wake(was_asleep) /* loop_wake() */
{
    if
    :: is_asleep -> /* loop.c: if (atomic_load(&loop->is_asleep) && atomic_exchange(&loop->is_asleep, false)) */
#ifdef FLAG_IS_NOT_EXCHANGED
       atomic { is_asleep = false; claim(was_asleep) };
#else
       atomic {
           if
           :: is_asleep ->
              is_asleep = false;
              claim(was_asleep)
           :: else
           fi
       };
#endif
       if
       :: was_asleep ->
          atomic { /* loop.c: loop->poller->ops->wake(loop->poller); */
              was_asleep = false;
#ifdef WAKE_ENDS_A_PRESENT_WAIT_ONLY
              wake_edge = is_waiting
#else
              wake_edge = true
#endif
          }
       :: else
       fi
    :: else
    fi
}

proctype sender(byte me)
{
    byte round, letter, seen;
    bool was_asleep;
    for (round : 1 .. ROUNDS) {
        for (letter : 0 .. LETTERS - 1) {
#ifdef SENDER_LOOKS_FIRST
            wake(was_asleep);
            put(me * LETTERS + letter, seen);
#else
            put(me * LETTERS + letter, seen); /* loop.c: mailbox_put(&loop->mail, &mail->node); */
            wake(was_asleep);                 /* loop.c: loop_wake(loop); */
#endif
        }
        for (letter : 0 .. LETTERS - 1) {
            ran[me * LETTERS + letter] == round; /* only then is the node its own again */
        }
    }
    atomic {
        senders_left--;
        if
        :: senders_left == 0 -> run stopper()
        :: else
        fi
    }
}

proctype stopper() /* loop_stop() */
{
    bool was_asleep;
    ran[OWN] == 1; /* the loop's own letter came, too: it looks before it sleeps */
    must_stop = true; /* loop.c: atomic_store(&loop->must_stop, true); */
    wake(was_asleep);
}

inline run_letter(node, seen)
{
    atomic {
        assert(is_posted[node]); /* neither twice nor without having been sent */
        is_posted[node] = false;
        ran[node]++;
        if
        :: node < OWN ->
           assert(node % LETTERS == expected[node / LETTERS]); /* in the order of its sender */
           expected[node / LETTERS] = (expected[node / LETTERS] + 1) % LETTERS
        :: else
        fi
    };
    if
    :: node == 0 && ran[0] == ROUNDS -> put(OWN, seen) /* loop.c: if (loop != loop_self) */
    :: else
    fi
}

active proctype loop()
{
    byte node, older, first, seen;
    bool at_once;
    do
    :: must_stop -> break /* loop.c: while (!atomic_load_explicit(&loop->must_stop, memory_order_relaxed)) */
    :: !must_stop ->
       /* wait_for_readiness() */
       at_once = must_stop; /* loop.c: if (loop->has_more || atomic_load_explicit(&loop->must_stop, memory_order_relaxed)) */
       if
       :: !at_once ->
#ifdef LOOK_FIRST
          if
          :: newest != NONE || must_stop -> at_once = true
          :: else
          fi;
#endif
          atomic { /* loop.c: atomic_store(&loop->is_asleep, true); */
              is_asleep = true;
              is_claimed = false
          };
#if !defined(LOOK_FIRST) && !defined(NO_SECOND_LOOK)
          if /* loop.c: if (mailbox_has_mail(&loop->mail) || atomic_load(&loop->must_stop)) */
          :: newest != NONE -> at_once = true
          :: else ->
             if
             :: must_stop -> at_once = true
             :: else
             fi
          fi
#endif
       :: else
       fi;
       /* loop.c: int count = loop->poller->ops->wait(loop->poller, loop->ready, LOOP_BATCH_MAX, deadline_ns); */
       if
       :: at_once -> wake_edge = false
       :: else ->
          is_waiting = true;
          if
          :: atomic { wake_edge -> wake_edge = false }
          :: atomic { fd_reports > 0 -> fd_reports-- }
          fi;
          is_waiting = false
       fi;
       is_asleep = false; /* loop.c: atomic_store_explicit(&loop->is_asleep, false, memory_order_relaxed); */

       /* run_mail(), with mailbox_take_all() */
       node = NONE;
       if
       :: newest == NONE /* mailbox.h: if (atomic_load_explicit(&box->newest, memory_order_relaxed) == NULL) */
       :: else ->
#ifdef TAKEN_IN_TWO_STEPS
          node = newest;
          newest = NONE
#else
          atomic { /* mailbox.h: struct queue_node *node = atomic_exchange_explicit(&box->newest, NULL, memory_order_acq_rel); */
              node = newest;
              newest = NONE
          }
#endif
       fi;
#ifdef NEWEST_FIRST
       first = node;
#else
       first = NONE;
       do /* the nodes taken are the loop's alone */
       :: node == NONE -> break
       :: else ->
          d_step {
              older = next[node]; /* mailbox.h: struct queue_node *older = node->next; */
              next[node] = first; /* mailbox.h: queue_put_first(&mail, node); */
              first = node;
              node = older
          }
       od;
#endif
       do
       :: first == NONE -> break
       :: else ->
          node = first; /* loop.c: while ((node = queue_take(&mail)) != NULL) { */
          first = next[first];
          next[node] = NONE;
          run_letter(node, seen); /* loop.c: message->run(message, loop); */
          node = NONE
       od
    od;
    assert(newest == NONE)
}

init
{
    byte i;
    for (i : 0 .. SENDERS - 1) {
        run sender(i)
    }
}

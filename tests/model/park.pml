/* A model of csrc/core/park.c, the one way to wait; csrc/core/park.h draws it.

What is modelled
  An object has a condition (items > 0), a lock, and a list of waiters.
    consumer  waits until there is an item, takes it and goes; or gives up
    producer  brings an item, takes the first waiter off the list, unparks him
    interrupter  posts INTERRUPT into the parker of an interruptible consumer
  There are two consumers, and one or two producers (PRODUCERS).  What the
  consumers are, PAIR says: each pair of
    interruptible  its parker is its worker's, and outlives the wait
    hasty          it has a deadline, which may pass whenever it sleeps; a
                   signal is the same to the code
    patient        neither
  The parkers of the last two live on their stacks: gone when they leave.
  Everybody may be woken for no reason, once.

  One step of the model is one atomic instruction of the code.  All steps on a
  parker's word are read-modify-write of one word, or one load that such a step
  follows, so sequential consistency is no stronger than the code's acquire and
  release.  The lock is taken as right.  That the futex compares and sleeps in
  one step is what the kernel promises.

The claims
  1  No wake-up is lost: when nothing can move any more, nobody sleeps while
     there is an item.
  2  Nobody touches a parker after its owner has left.  (To wake by the address
     alone, as FUTEX_WAKE does, is allowed.)
  3  An interrupt ends the wait.
  4  Each item has exactly one taker, and who has left stands on no list.
  Each is an assertion below, with its number.

Where it is in the code
  take_notice, park (from the label sleep_on, sleep_on), post, enlist, delist and
  pop are the functions of park.c of these names, without the prefix; the body of
  consumer from enlist to "again" is cot_wait_locked, with await_notice.  What
  stands in a line without parking (core/choice.h) is in choice.pml.  Around
  that, consumer is cot_queue_get and producer cot_queue_put (core/queue.c).
  Spinning is one more look, or none: any number of them is the same.

Mutations, by -D; with each of them a claim must fail:
  LOOK_FIRST       park looks, and then announces ASLEEP; whatever is in the
                   word then is what the futex expects
  SLEEP_UNCHECKED  the futex does not compare
  POST_STORES      post writes its bit, instead of or-ing it
  POST_SILENTLY    post never wakes
  NO_AWAIT         a waiter taken off the list goes without the notice it is owed
  NO_SECOND_LOOK   the same waiter, its time being up, goes without looking at
                   the condition
  LATE_LISTING     it stands on the list after the lock was released only
  STAYS_LISTED     pop leaves it on the list
  NO_DELIST        who gives up stays on the list
*/

#define NOTIFIED 1
#define INTERRUPT 2
#define ASLEEP 4

#define OK 0
#define TIMED_OUT 1
#define INTERRUPTED 2

#define PATIENT 0
#define HASTY 1
#define INTERRUPTIBLE 2

#if PAIR == 1
#define FIRST INTERRUPTIBLE
#define SECOND PATIENT
#elif PAIR == 2
#define FIRST HASTY
#define SECOND PATIENT
#elif PAIR == 3
#define FIRST INTERRUPTIBLE
#define SECOND HASTY
#else
#define FIRST PATIENT
#define SECOND PATIENT
#endif

#define CONSUMERS 2
#ifndef PRODUCERS
#define PRODUCERS 2
#endif

byte word[CONSUMERS];   /* the parkers */
bool alive[CONSUMERS];  /* the memory of each is there */
bool sleeps[CONSUMERS]; /* in the kernel, on its word */

/* The object. */
bool locked;
byte items;
byte line[CONSUMERS]; /* the list */
byte line_len;
bool is_listed[CONSUMERS];

/* What the claims speak of. */
byte taken;
byte produced;
bool has_left[CONSUMERS];

inline lock()
{
    atomic { !locked -> locked = true }
}

inline unlock()
{
    locked = false
}

inline enlist(who)
{
    d_step {
        assert(!is_listed[who] && line_len < CONSUMERS);
        line[line_len] = who;
        line_len++;
        is_listed[who] = true
    }
}

inline delist(who)
{
    d_step {
        i = 0;
        do
        :: i < line_len && line[i] != who -> i++
        :: else -> break
        od;
        assert(i < line_len); /* 4 */
        line_len--;
        do
        :: i < line_len -> line[i] = line[i + 1]; i++
        :: else -> break
        od;
        line[line_len] = 0;
        is_listed[who] = false;
        i = 0
    }
}

/* The or-ing and the system call are two steps. */
inline post(whose, mark)
{
    atomic {
        assert(alive[whose]); /* 2 */
        old = word[whose];
#ifdef POST_STORES
        word[whose] = mark
#else
        word[whose] = word[whose] | mark
#endif
    }
#ifndef POST_SILENTLY
    if
    :: old & ASLEEP -> sleeps[whose] = false
    :: else
    fi;
#endif
    old = 0
}

inline take_notice()
{
    seen = word[me];
    noticed = true;
    if
    :: seen & NOTIFIED ->
        word[me] = word[me] & ~NOTIFIED;
        status = OK
    :: !(seen & NOTIFIED) && (seen & INTERRUPT) -> status = INTERRUPTED
    :: else -> noticed = false
    fi;
    seen = 0
}

inline futex_wait()
{
    atomic {
        if
#if defined(LOOK_FIRST) || defined(SLEEP_UNCHECKED)
        :: sleeps[me] = true
#else
        :: word[me] == ASLEEP -> sleeps[me] = true
        :: else
#endif
        fi
    }
    if
    :: !sleeps[me] -> slept = OK
    :: may_wake -> sleeps[me] = false; may_wake = false; slept = OK
    :: kind == HASTY -> sleeps[me] = false; slept = TIMED_OUT
    fi
}

inline park()
{
    take_notice();
    if
    :: noticed -> goto parked
    :: !noticed
    :: !noticed -> /* spins */
        take_notice();
        if
        :: noticed -> goto parked
        :: else
        fi
    fi;
    slept = OK;
sleep_on:
#ifdef LOOK_FIRST
    seen = word[me];
    word[me] = word[me] | ASLEEP;
#else
    atomic { seen = word[me]; word[me] = word[me] | ASLEEP };
#endif
    if
    :: (seen & (NOTIFIED | INTERRUPT)) == 0 && slept == OK ->
        seen = 0;
        futex_wait()
    :: else -> seen = 0
    fi;
    word[me] = word[me] & ~ASLEEP;
    take_notice();
    if
    :: noticed
    :: !noticed && slept != OK -> status = slept
    :: else -> goto sleep_on
    fi;
parked:
    skip
}

proctype consumer(byte me; byte kind)
{
    byte seen, i;
    byte status = OK, slept = OK, waited = OK;
    bool noticed;
    bool may_wake = true;

    lock();
look:
    if
    :: items > 0 ->
        items--;
        taken++;
        goto leave
    :: items == 0 && waited != OK -> goto leave
    :: else
    fi;

#ifndef LATE_LISTING
    enlist(me);
#endif
    unlock();
#ifdef LATE_LISTING
    enlist(me);
#endif
    park();
    lock();
    if
    :: is_listed[me] ->
#ifndef NO_DELIST
        delist(me);
#endif
        waited = status
    :: !is_listed[me] && status != OK ->
#ifndef NO_AWAIT
        unlock();
        atomic { word[me] & NOTIFIED -> word[me] = word[me] & ~NOTIFIED };
        lock();
#endif
#ifdef NO_SECOND_LOOK
        goto leave
#else
        waited = OK
#endif
    :: else -> waited = OK
    fi;
    goto look; /* again */

leave:
    unlock();
    d_step {
        assert(!is_listed[me]); /* 4 */
        has_left[me] = true;
        alive[me] = (kind == INTERRUPTIBLE)
    }
}

inline pop()
{
    has_one = line_len > 0;
    if
    :: has_one ->
        whom = line[0];
#ifndef STAYS_LISTED
        delist(whom)
#endif
    :: else
    fi
}

proctype producer()
{
    byte i, old, whom;
    bool has_one;

    lock();
    items++;
    pop();
    if
    :: unlock();
       if
       :: has_one -> post(whom, NOTIFIED)
       :: else
       fi
    :: has_one -> /* as cot_waitlist_wake_all: with the lock held */
       post(whom, NOTIFIED);
       unlock()
    fi;
    produced++
}

proctype interrupter()
{
    byte old;
    post(0, INTERRUPT)
}

inline judge_one(who, kind)
{
    assert(kind != INTERRUPTIBLE || has_left[who]); /* 3 */
    assert(kind != HASTY || has_left[who]);
    /* 1: who still waits sleeps, and has nothing to wait for. */
    assert(has_left[who] || (sleeps[who] && is_listed[who] && items == 0))
}

/* When nothing can move any more. */
proctype judge()
{
    timeout;
    assert(!locked);
    assert(produced == PRODUCERS);
    assert(items + taken == PRODUCERS); /* 4 */
    judge_one(0, FIRST);
    judge_one(1, SECOND)
}

init
{
    byte i;
    atomic {
        alive[0] = true;
        alive[1] = true;
        run consumer(0, FIRST);
        run consumer(1, SECOND);
        do
        :: i < PRODUCERS -> run producer(); i++
        :: else -> break
        od;
#if FIRST == INTERRUPTIBLE
        run interrupter();
#endif
        run judge()
    }
}

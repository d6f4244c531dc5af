/* A model of csrc/core/choice.c, waiting for the first of several things; and of
what of csrc/core/channel.c has to do with it.  csrc/core/choice.h draws it.

What is modelled
  Parking is taken as right: park.pml looks at it.  So is the lock; where a step
  of the code with the lock held touches only what that lock guards, it is one
  step here.  Sequential consistency is no stronger than the code: what is
  shared without a lock is is_claimed, exchanged, and is_told, released and
  acquired.

  Without MEET: two queues.
    choice    gets from the first queue that has an item.  There are two, or one
              (CHOICES); whose time may be up, or that may be cancelled, whenever
              it sleeps, if HASTY
    thread    waits for one of the queues, alone (none, if CHOICES is 2)
    producer  brings an item to one of them.  There are PRODUCERS

  With MEET: two channels of capacity 0, and who meets there, each sending or
  receiving at either:
    choice    two, of two cases each
    third     a choice too, or a thread with one case; MEET says which cases
  Who stands in the line of a channel is found in any order: it does not matter.

The claims
  1  No wake-up is lost: when nothing can move any more, nobody sleeps while
     there is an item for him, or somebody to meet who sleeps too.
  2  Nobody touches a stand after its choice has left all lines; and whose parker
     it uses has no notice left over.
  3  Exactly one case is done, or none if it gives up.
  4  Each item has exactly one taker.
  5  Who has left stands in no line; who stands in a line of a channel also
     stands on the list of his party.

Where it is in the code
  get is cot_queue_get with COT_NOW, get_or_stand with a stand's parker; put is
  cot_queue_put; notify is cot_unpark with cot_stand_notify.  leave_line, pass_on,
  pass_on_others, try, stand and leave_lines (cot_choice_leave) are those of
  choice.c; the body of choice is cot_choice_wait, and from "cancelled" on, what
  cancel of types/async_wait.c calls.
  act is send_now_locked with hand_over_locked, and recv_now_locked with
  take_first_locked; claim is claim with cot_parker_claim; meet_or_stand is
  stand_to_send_locked and stand_to_recv_locked; withdraw is
  cot_channel_withdraw_send and cot_channel_withdraw_recv; third, if it is a
  thread, is cot_channel_send and cot_channel_recv.

Mutations, by -D; with each of them a claim must fail:
  NO_PASS_ON       what woke it for another case is not passed on
  NO_GIVING_UP     who is cancelled keeps what woke him
  NO_LAST_TRY      who was woken as his time was up does not try again
  NOT_TOLD         it leaves a line without waiting for is_told
  TOLD_FIRST       is_told is set before the choice is notified
  BLIND_STAND      it stands in a line without trying there once more
  NO_LEAVING       one case being done as it stands, it stays in the other line
  NO_FORGET        the notices that came besides the first are not forgotten
Mutations of MEET:
  NO_CLAIM         who meets a choice does not claim it
  ACTS_STANDING    one that stands meets, instead of leaving first
  SLEEPS_AGAIN     COT_AGAIN does not make it leave and try
  BLIND_MEETING    it stands without looking whom it could meet
  LATE_WITHDRAWAL  it is withdrawn after its waiter has left
  UNHEEDED         it does not ask what has become of it before it tries again
*/

#define NOBODY 15

#define who(p) ((p) / 2)

#ifndef CHOICES
#define CHOICES 1
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif

#ifndef MEET
#define is_choice(one) (one < CHOICES)
#elif MEET == 3
#define is_choice(one) (one < 2)
#else
#define is_choice(one) true
#endif

bool notified[3]; /* the parkers */
bool stands[3];   /* a choice: in some line, until it has left all */
bool has_left[3];
byte done[3]; /* how many cases were */
bool told[6];
bool standing[6];
bool listed[6]; /* its waiter is on its list */

/* The two steps of a choice's waker, and the one of a thread's. */
inline notify(p)
{
    if
    :: is_choice(who(p)) ->
#ifdef TOLD_FIRST
        told[p] = true;
#endif
        atomic {
            assert(stands[who(p)]); /* 2 */
            notified[who(p)] = true
        }
#ifndef TOLD_FIRST
        atomic {
            assert(stands[who(p)]); /* 2 */
            told[p] = true
        }
#endif
    :: else -> notified[who(p)] = true
    fi
}

inline await_told(p)
{
#ifndef NOT_TOLD
    told[p]
#else
    skip
#endif
}

inline go()
{
    d_step {
        assert(!notified[me]);                          /* 2 */
        assert(!listed[2 * me] && !listed[2 * me + 1]); /* 5 */
        assert(done[me] <= 1 && (done[me] == 1 || gives_up)); /* 3 */
        has_left[me] = true
    }
}

#ifndef MEET

byte items[2];  /* of each queue */
byte line[6];   /* three places of each */
byte line_len[2];
byte wanted;    /* by the thread */
byte produced;

inline enlist(p, q)
{
    assert(!listed[p] && line_len[q] < 3);
    line[q * 3 + line_len[q]] = p;
    line_len[q]++;
    listed[p] = true
}

/* The i-th. */
inline take_out(i, q)
{
    listed[line[q * 3 + i]] = false;
    line_len[q]--;
    do
    :: i < line_len[q] -> line[q * 3 + i] = line[q * 3 + i + 1]; i++
    :: else -> break
    od;
    line[q * 3 + i] = 0;
    i = 0
}

inline pop(q)
{
    whom = NOBODY;
    if
    :: line_len[q] > 0 -> whom = line[q * 3]; i = 0; take_out(i, q)
    :: else
    fi
}

inline notify_whom()
{
    if
    :: whom != NOBODY -> notify(whom)
    :: else
    fi;
    whom = NOBODY
}

inline get(q)
{
    d_step {
        if
        :: items[q] > 0 -> items[q]--; done[me]++; chosen = q
        :: else
        fi
    }
}

inline get_or_stand(q)
{
    d_step {
        if
#ifndef BLIND_STAND
        :: items[q] > 0 -> items[q]--; done[me]++; chosen = q
#endif
        :: else ->
            standing[2 * me + q] = true;
            stands[me] = true;
            told[2 * me + q] = false;
            enlist(2 * me + q, q)
        fi
    }
}

inline leave_line(q)
{
    d_step {
        standing[2 * me + q] = false;
        woken[q] = !listed[2 * me + q];
        if
        :: !woken[q] ->
            i = 0;
            do
            :: line[q * 3 + i] != 2 * me + q -> i++
            :: else -> break
            od;
            take_out(i, q)
        :: else
        fi
    }
    if
    :: woken[q] -> await_told(2 * me + q)
    :: else
    fi
}

inline leave_lines()
{
    if
    :: standing[2 * me] -> leave_line(0)
    :: else
    fi;
    if
    :: standing[2 * me + 1] -> leave_line(1)
    :: else
    fi;
    stands[me] = false
}

inline pass_on(q)
{
    if
    :: woken[q] && chosen != q ->
        d_step { pop(q) };
        notify_whom()
    :: else
    fi;
    woken[q] = false
}

inline pass_on_others()
{
    pass_on(0);
    pass_on(1)
}

inline decide()
{
#ifndef NO_PASS_ON
    pass_on_others()
#else
    skip
#endif
}

proctype choice(byte me)
{
    byte chosen = NOBODY, whom = NOBODY, i, first;
    bool woken[2];
    bool gives_up;

again:
    /* try */
    if
    :: first = 0
    :: first = 1
    fi;
    get(first);
    if
    :: chosen == NOBODY -> get(1 - first)
    :: else
    fi;
    first = 0;
    if
    :: chosen != NOBODY -> decide(); goto leave
    :: else -> woken[0] = false; woken[1] = false
    fi;
    if
    :: gives_up -> goto leave
    :: else
    fi;

    /* stand */
    get_or_stand(0);
    if
    :: chosen == NOBODY -> get_or_stand(1)
    :: else
    fi;
    if
    :: chosen != NOBODY ->
#ifndef NO_LEAVING
        leave_lines();
#endif
        decide();
        goto forget
    :: else
    fi;

    /* cot_park */
    if
    :: notified[me] -> notified[me] = false
#ifdef HASTY
    :: gives_up = true
    :: gives_up = true; goto cancelled
#endif
    fi;
    leave_lines();
#ifndef NO_FORGET
    notified[me] = false;
#endif
    if
#ifdef NO_LAST_TRY
    :: gives_up -> goto leave
#else
    :: gives_up && !woken[0] && !woken[1] -> goto leave
#endif
    :: else -> goto again
    fi;

cancelled:
    leave_lines();
#ifndef NO_GIVING_UP
    pass_on_others();
#endif
forget: /* as the inbox does; a thread's next wait does it */
    notified[me] = false;
leave:
    go()
}

/* cot_queue_get; its stand is where its waiter is. */
proctype thread(byte me)
{
    byte chosen = NOBODY;
    bool gives_up;

    do
    :: atomic {
           get(wanted);
           if
           :: chosen != NOBODY -> break
           :: else -> enlist(2 * me + wanted, wanted)
           fi
       }
       atomic { notified[me] -> notified[me] = false }
    od;
    go()
}

proctype producer()
{
    byte i, q, whom = NOBODY;

    if
    :: q = 0
    :: q = 1
    fi;
    d_step { items[q]++; pop(q) };
    notify_whom();
    produced++
}

/* When nothing can move any more. */
proctype judge()
{
    timeout;
    d_step {
        assert(produced == PRODUCERS);
        assert(items[0] + items[1] + done[0] + done[1] + done[2]
               == PRODUCERS); /* 4 */
        /* 1 */
        assert(has_left[0] || items[0] + items[1] == 0);
#if CHOICES == 2
        assert(has_left[1] || items[0] + items[1] == 0)
#else
        assert(has_left[1] || items[wanted] == 0)
#endif
    }
#ifdef HASTY
    assert(has_left[0]) /* 1 */
#endif
}

init
{
    byte i;
    atomic {
        run choice(0);
#if CHOICES == 2
        run choice(1);
#else
        if
        :: wanted = 0
        :: wanted = 1
        fi;
        run thread(1);
#endif
        do
        :: i < PRODUCERS -> run producer(); i++
        :: else -> break
        od;
        run judge()
    }
}

#else

/* The cases: three of whoever meets, each two.  Where, and whether it sends. */
byte place[6];
bool sends[6];
bool is_case[6];

#define can_meet(p, q)                                                         \
    (is_case[p] && is_case[q] && who(p) != who(q) && place[p] == place[q]      \
     && sends[p] != sends[q])

bool locked[2];   /* of each channel */
bool in_line[6];  /* who waits at his place: his party's state is WAITING */
bool met[6];      /* his party's state is MET */
byte payload[6];  /* whose item, of a receiver that was met */
bool claimed[3];  /* is_claimed */
byte sent[3];     /* by the sender's own account */
byte received[3]; /* by the receiver's */

inline lock(ch)
{
    atomic { !locked[ch] -> locked[ch] = true }
}

inline unlock(ch)
{
    locked[ch] = false
}

/* By the account of who has done that case. */
inline account(p, item)
{
    d_step {
        done[who(p)]++;
        if
        :: sends[p] -> sent[who(p)]++
        :: else -> received[item]++
        fi
    }
}

/* The next in line for case p, or NOBODY. */
inline find(p)
{
    d_step {
        other = 0;
        do
        :: other < 6 && !(in_line[other] && can_meet(p, other)) -> other++
        :: else -> break
        od;
        if
        :: other == 6 -> other = NOBODY
        :: else
        fi
    }
}

/* One that has just left its line, and its party. */
inline claim(p)
{
    assert(listed[p]); /* 5 */
    is_mine = true;
#ifndef NO_CLAIM
    if
    :: is_choice(who(p)) -> is_mine = !claimed[who(p)]; claimed[who(p)] = true
    :: else
    fi
#endif
}

/* With the lock held: other is whom it has met, or NOBODY. */
inline act(p)
{
    do
    :: find(p);
       atomic {
           if
           :: other == NOBODY -> break
           :: else
           fi;
           in_line[other] = false;
           claim(other)
       }
       if
       :: is_mine ->
           d_step {
               /* settle */
               met[other] = true;
               listed[other] = false;
               payload[other] = who(p);
           }
           account(p, other / 2);
           break
       :: else
       fi
    od;
    is_mine = false
}

inline notify_other()
{
    if
    :: other != NOBODY -> notify(other)
    :: else
    fi
}

/* COT_NOW. */
inline attempt(p)
{
    lock(place[p]);
    act(p);
    unlock(place[p]);
    notify_other()
}

inline meet_or_stand(p)
{
    lock(place[p]);
#ifdef ACTS_STANDING
    act(p);
#elif !defined(BLIND_MEETING)
    find(p);
#endif
    if
    :: other == NOBODY ->
        d_step {
            in_line[p] = true;
            standing[p] = true;
            stands[me] = true;
            told[p] = false;
            listed[p] = true
        }
    :: else
    fi;
    unlock(place[p]);
#ifdef ACTS_STANDING
    notify_other()
#endif
}

inline withdraw(p)
{
    lock(place[p]);
    in_line[p] = false;
    unlock(place[p]);
    if
    :: met[p] ->
        met[p] = false;
#ifndef UNHEEDED
        is_decided = true;
        account(p, payload[p])
#endif
    :: else
    fi
}

inline leave_line(p)
{
    lock(place[p]);
    standing[p] = false;
    was_woken = !listed[p];
    listed[p] = false;
    unlock(place[p]);
    if
    :: was_woken -> was_woken = false; await_told(p)
    :: else
    fi
}

inline leave_case(p)
{
    if
    :: standing[p] ->
#ifdef LATE_WITHDRAWAL
        leave_line(p);
        withdraw(p)
#else
        withdraw(p);
        leave_line(p)
#endif
    :: else
    fi
}

inline leave_lines()
{
    leave_case(2 * me);
    leave_case(2 * me + 1);
    stands[me] = false
}

proctype choice(byte me)
{
    byte other = NOBODY, first;
    bool is_mine, is_decided, was_woken, gives_up;

again:
    /* try */
    if
    :: first = 0
    :: first = 1
    fi;
    attempt(2 * me + first);
    if
    :: other == NOBODY -> attempt(2 * me + 1 - first)
    :: else
    fi;
    first = 0;
    if
    :: other != NOBODY -> goto leave
    :: else
    fi;

    /* stand */
    claimed[me] = false;
    meet_or_stand(2 * me);
    if
    :: other == NOBODY -> meet_or_stand(2 * me + 1)
    :: else
    fi;
    if
#ifndef SLEEPS_AGAIN
    :: other != NOBODY ->
        leave_lines();
        other = NOBODY;
        if
        :: is_decided -> goto leave
        :: else -> goto again
        fi
#endif
    :: else -> other = NOBODY
    fi;

    /* cot_park */
    if
    :: notified[me] -> notified[me] = false
#ifdef HASTY
    :: me == 0 -> gives_up = true
#endif
    fi;
    leave_lines();
    notified[me] = false;
    if
    :: is_decided || gives_up
    :: else -> goto again
    fi;

leave:
    notified[me] = false;
    go()
}

proctype thread(byte me)
{
    byte other = NOBODY;
    bool is_mine, gives_up;

    lock(place[2 * me]);
    act(2 * me);
    if
    :: other != NOBODY ->
        unlock(place[2 * me]);
        notify_other()
    :: else ->
        in_line[2 * me] = true;
        listed[2 * me] = true;
        unlock(place[2 * me]);
        atomic { notified[me] -> notified[me] = false }
        account(2 * me, payload[2 * me])
    fi;
    go()
}

inline judge_pair(a, b)
{
    assert(has_left[a] || has_left[b]
           || !(can_meet(2 * a, 2 * b) || can_meet(2 * a, 2 * b + 1)
                || can_meet(2 * a + 1, 2 * b)
                || can_meet(2 * a + 1, 2 * b + 1))) /* 1 */
}

/* When nothing can move any more. */
proctype judge()
{
    byte i;
    timeout;
    d_step {
        assert(!locked[0] && !locked[1]);
        judge_pair(0, 1);
        judge_pair(0, 2);
        judge_pair(1, 2);
        do
        :: i < 3 -> assert(sent[i] == received[i]); i++ /* 4 */
        :: else -> break
        od
    }
#ifdef HASTY
    assert(has_left[0]) /* 1 */
#endif
}

inline set(p, where, is_sender)
{
    is_case[p] = true;
    place[p] = where;
    sends[p] = is_sender
}

init
{
    atomic {
        set(0, 0, true);
#if MEET == 1
        /* Crosswise: each sends where the other receives. */
        set(1, 1, false);
        set(2, 0, false);
        set(3, 1, true);
#else
        set(1, 1, true);
        set(2, 0, false);
        set(3, 1, false);
#endif
        run choice(0);
        run choice(1);
#if MEET == 3
        if
        :: set(4, 0, true)
        :: set(4, 1, false)
        fi;
        run thread(2);
#elif MEET == 4
        set(4, 1, true);
        set(5, 0, false);
        run choice(2);
#endif
        run judge()
    }
}

#endif

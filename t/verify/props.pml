/* What has to hold, seen from outside: the world keeps books of its own (who was started, what was called, which codes were asked
 * for), and compares. Nothing here is read by the model of the core. */

byte up[SERVERS];          /* in the world: 0 gone, 1 told to start, 2 has answered that */
byte asked;          /* told to stop, or cut */
byte reached;        /* has told that it is started: its pre_stop hooks are owed */
int called;          /* pre_stop hooks that were called since */
byte want_code;      /* the highest code that anything asked for */
bool end_wanted;     /* a stopping decision has been made … */
byte since;          /* … on a trigger that was raised so many ticks ago */
byte cut_off;        /* told to end at once */
byte lone;           /* its stop hooks had begun before the stop of all */
bool heir_stood;     /* since the reload the new server has started, or failed to */
hidden byte i, j;
hidden int owes;

#define LIMITED_STATE(s) (st[s] == S_PRE_START || st[s] == S_STARTING || st[s] == S_POST_START || st[s] == S_BACKOFF || \
			  st[s] == S_STOPPING || st[s] == S_CUTTING)

/* S4.1: none that depends on it is still to be stopped. */
inline last_of_its_line(s_)
{
	j = 0;
	do
	:: j < SERVERS -> assert(!(BIT(DEPS(j), s_) && ACTIVE(j))); j++
	:: else -> break
	od
}

inline saw_begin(set_)
{
	assert(!(called & set_)); /* S4.12: at most once */
	assert(!killed);          /* S4.14 */
	called = called | ((set_) & PRE_STOPS);
	if
	:: (set_) & STOP_HOOKS && SHORT -> assert(!((set_) & ~PRE_STOPS)) /* S4.2: no post_stop */
	:: (set_) & STOP_HOOKS && !SHORT ->
		i = 0;
		do
		:: i < SERVERS ->
			if
			:: (set_) & (PRE_STOP(i) | POST_STOP(i)) -> last_of_its_line(i);
				if
				:: !stopping -> ON(lone, i)
				:: else -> assert(BIT(lone, i) || !(GLOBAL_PRE & (~called | running))) /* S4.1: the global ones come first */
				fi
			:: else
			fi;
			i++
		:: else -> break
		od
	:: else
	fi
}

inline saw_new_life(s_)
{
	assert(!stopping);                /* S3.3, S4.13: what waits or backs off is not begun any more */
	j = 0;
	do
	:: j < SERVERS -> assert(!BIT(DEPS(s_), j) || STATE(j, STARTED)); j++ /* S3.1 */
	:: else -> break
	od;
	assert(!(called & PRE_STOP(s_)))  /* S4.12: what was called belongs to a life that is over */
}

inline saw_start(s_)
{
	assert(!(stopping && aborting) && up[s_] == 0);
	up[s_] = 1;
	OFF(asked, s_);
	OFF(cut_off, s_);
	assert(!HEIR || s_ != NEW || when != RETIRE_FIRST || !up[OLD]) /* S7.2 */
}

inline saw_stop(s_)
{
	assert(up[s_] != 0);
	assert(!SHORT); /* S4.2: no drain */
	assert(!HEIR || s_ != OLD || stopping || when != RETIRE_AFTER || !BIT(retired & ~unwind, OLD) || heir_stood || SETTLED(NEW)); /* S7.2 */
	if
	:: !BIT(unwind, s_) -> last_of_its_line(s_)
	:: else
	fi;
	ON(asked, s_)
}

inline saw_cut(s_)
{
	assert(up[s_] != 0);
	ON(cut_off, s_);
	ON(asked, s_)
}

/* After a cut that nobody answers the core may take it for gone. */
inline saw_gone(s_)
{
	if
	:: e == SE_TIME -> assert(BIT(asked, s_)); up[s_] = 0; OFF(asked, s_)
	:: else
	fi
}

inline saw_down(s_)
{
	if
	:: !stopping ->
		assert(!BIT(reached, s_) || !(PRE_STOP(s_) & ~called)); /* S4.12, in a stop of its own */
		OFF(reached, s_);
		OFF(lone, s_);
		called = called & ~PRE_STOP(s_)
	:: else
	fi
}

inline want(code_)
{
	want_code = (code_ > want_code -> code_ : want_code)
}

inline saw_decision(code_, age_)
{
	want(code_);
	if
	:: !end_wanted -> end_wanted = true; since = age_
	:: else
	fi
}

/* S4.11: what a limit that passes makes of the code. */
inline saw_limit()
{
	if
	:: stopping && STATE(s, STOPPING) -> want(1)
	:: else
	fi
}

inline saw_hook_limit()
{
	if
	:: stopping -> want(1)
	:: else
	fi
}

inline saw_margin()
{
	if
	:: !aborting || (running & STOP_HOOKS & ~PRE_STOPS) -> want(255)
	:: else
	fi
}

inline saw_timeout()
{
	want(255)
}

/* The same, for what the world does: before it is told. */
inline saw_world()
{
	if
	:: ev == E_READY && STATE(es, STARTING) -> ON(reached, es)
	:: ev == E_CLOSED && stopping && (STATE(es, HELD) || STATE(es, PRE_STOP) || STATE(es, STOPPING)) -> want(1)
	:: ev == E_HOOK && stopping && BIT(STOP_HOOKS, es) && ex == FAILED -> want(1)
	:: ev == E_HOOK && stopping && BIT(STOP_HOOKS, es) && ex == EXITED -> want(7)
	:: ev == E_TICK && end_wanted -> since++
	:: else
	fi
}

/* After each feed. */
inline check()
{
	assert(code == want_code);                                   /* S4.3, S4.11 */
	assert(!(end_wanted && since >= EXIT_TIMEOUT) || ended);      /* S4.8 */
	assert(end_wanted == stopping);
	heir_stood = heir_stood || (HEIR && BIT(retired, OLD) && SETTLED(NEW));
	some = 0;
	owes = GLOBAL_PRE & ~called;
	i = 0;
	do
	:: i < SERVERS ->
		some = some | STARTING(i);
		owes = owes | (BIT(reached, i) -> PRE_STOP(i) & ~called : 0);
		assert(BIT(alive, i) == (up[i] != 0));                                        /* it knows who lives */
		assert(!ended || !up[i] || BIT(cut_off, i));                                  /* none is left behind */
		assert(!(ended || SHORT) || killed || !BIT(reached, i) || !(PRE_STOP(i) & ~called)); /* S4.12, S4.2, S4.7: at once */
		assert(!margin || aborting || !up[i] || BIT(cut_off, i));                     /* S4.7 */
		assert(stopping || !LIMITED_STATE(i) || due[i]);                              /* nobody waits without an end */
		assert(!ended || code || !up[i]);                                             /* S4.11 */
		i++
	:: else -> break
	od;
	if
	:: !stopping -> assert(life == L_NEW || life == L_STARTING || life == L_STARTED); assert(start_run == (life == L_STARTING))
	:: killed -> assert(life == L_ERRORED)
	:: ended ->
		assert(!(GLOBAL_PRE & ~called)); /* S4.12 */
		assert(!qn || since >= EXIT_TIMEOUT); /* S4.10 */
		assert(!some); /* S3.3: none waits to start */
		assert(life == (cut -> L_TIMEOUT : (errored -> L_ERRORED : L_STOPPED)));
		assert(!cut || want_code == 255)
	:: else ->
		assert(life == L_START_ABORTED || life == L_STOPPING || life == L_PRESTOPPED);
		assert(some || life != L_START_ABORTED);
		assert(life != L_PRESTOPPED || !(running & PRE_STOPS));
		assert(life == L_PRESTOPPED || some || (running & PRE_STOPS) || owes)
	fi
}

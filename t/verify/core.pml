/* The core as a model: its tables are printed by tables.c, what a cell does is here, a label for each of the functions that up.c and
 * down.c have. What the core counts (who blocks whom, who is active, what is owed) is asked for afresh each time. One feed is one
 * step: an event, what follows for servers through a short list, what is due, until nothing is left to do. All of
 * it is a d_step: where two guards hold the first is taken. */

#define BIT(m, i) (((m) >> (i)) & 1)
#define ON(m, i)  m = m | (1 << (i))
#define OFF(m, i) m = m & ~(1 << (i))

#define A_SERVER      5
#define SERVER_HOOKS  (A_SERVER * SERVERS)
#define PRE_START(s)  pre_start[s]
#define POST_START(s) post_start[s]
#define PRE_STOP(s)   pre_stop[s]
#define POST_STOP(s)  post_stop[s]
#define ALL_OF(s)     all_hooks[s]
#define DEPS(s)       deps[s]
#define UPS(s)        ups[s]
#define DOWNS(s)      downs[s]
#define GLOBALS       (GLOBAL_PRE | GLOBAL_POST)
#define PHASE(h)       ((h) % A_SERVER == 0 -> 0 : ((h) % A_SERVER == 1 -> 1 : ((h) % A_SERVER == 4 -> 3 : 2)))

byte st[SERVERS], after[SERVERS], due[SERVERS], tries[SERVERS];       /* due: ticks left + 1; 1 is now; 0 no limit */
byte alive, owed, wanted, retry, unwind, released;        /* a bit a server */
byte staged = STAGED, retired, leaving, when;
int begun, running;                                       /* a bit a hook */
byte hdue[SERVER_HOOKS];
byte life = L_NEW, code;
bool start_run;
bool stopping, aborting, margin, cut, errored, waited, give_up, ended, killed;
byte stage, age, cut_left;                                /* age: ticks since the trigger */
byte qn, qkind[QUESTIONS], qof[QUESTIONS];

/* What one feed has still to do. */
hidden byte todo_n, todo_i, todo_e[40], todo_s[40], todo_x[40];
hidden byte e, s, x, d, k, h, what, fuel, qdue;
hidden int some, novel;
hidden byte again, failed, more;

#define STATE(s, x)      (st[s] == S_##x)
#define STARTING(s)      (st[s] >= S_WAITING && st[s] <= S_POST_START)
#define SHORT            (stopping && (aborting || margin))
#define ACTIVE(s)        (!STATE(s, DOWN) && !((STATE(s, FAILED) || STATE(s, WAITING)) && !BIT(alive, s) && !BIT(owed, s)))
#define SETTLED(s)       ((STATE(s, DOWN) || STATE(s, STARTED) || STATE(s, BACKOFF) || STATE(s, CLOSED) || STATE(s, FAILED)) && \
			  !(running & ALL_OF(s)))
#define GIVEN_UP(s)      (BIT(wanted, s) && (!stopping || give_up))
#define MAY_RETRY(s)     (tries[s] < RESTART_MAX)

inline do_later(ev_, of_, ex_)
{
	todo_e[todo_n] = ev_;
	todo_s[todo_n] = of_;
	todo_x[todo_n] = ex_;
	todo_n++
}

inline to_all(ev_)
{
	d = 0;
	do
	:: d < SERVERS -> do_later(ev_, d, 0); d++
	:: else -> break
	od
}

/* To each server of a set. */
inline to_some(set_, ev_)
{
	d = 0;
	do
	:: d < SERVERS ->
		if
		:: BIT(set_, d) -> do_later(ev_, d, 0)
		:: else
		fi;
		d++
	:: else -> break
	od
}

inline any(found_, condition_)
{
	d = 0;
	found_ = false;
	do
	:: d < SERVERS -> found_ = found_ || (condition_); d++
	:: else -> break
	od
}

inline life_event(ev_)
{
	saw_life(ev_);
	life = life_after[life * LE_COUNT + ev_]
}

inline code_raise(c_)
{
	code = (c_ > code -> c_ : code)
}

inline flaw()
{
	if
	:: stopping -> errored = true; code_raise(1)
	:: else
	fi
}

inline raise(kind_, of_)
{
	assert(qn < QUESTIONS);
	qkind[qn] = kind_;
	qof[qn] = of_;
	qn++
}

/* The question i is closed. */
inline take_question(i_)
{
	d = i_;
	qn--;
	do
	:: d < qn -> qkind[d] = qkind[d + 1]; qof[d] = qof[d + 1]; d++
	:: else -> break
	od;
	qkind[qn] = 0;
	qof[qn] = 0
}

inline asked_about(found_, s_)
{
	d = 0;
	found_ = false;
	do
	:: d < qn -> found_ = found_ || (qof[d] == s_ && (qkind[d] == T_CLOSED || qkind[d] == T_FAILED)); d++
	:: else -> break
	od
}

/* ---- hooks ---- */

/* They begin; the rest is done by hooks_note, before anything else happens. */
inline hooks_begin(set_)
{
	novel = novel | (set_);
	begun = begun | (set_);
	running = running | (set_)
}

/* Limits of the hooks that have begun, and of those that have ended. */
inline hooks_note()
{
	if
	:: novel -> saw_begin(novel)
	:: else
	fi;
	d = 0;
	do
	:: d < SERVER_HOOKS ->
		if
		:: !BIT(running, d) -> hdue[d] = 0
		:: BIT(novel & STOP_HOOKS, d) && HOOK_LIMIT -> hdue[d] = HOOK_LIMIT + 1
		:: BIT(novel & STOP_HOOKS, d) && !stopping -> hdue[d] = EXIT_TIMEOUT + 1
		:: else
		fi;
		d++
	:: else -> break
	od;
	novel = 0
}

/* The first of a set that has not begun begins; some: which, 0 for none. */
inline hooks_next(set_)
{
	some = (set_) & ~begun;
	some = some & -some;
	hooks_begin(some)
}

inline hooks_all_pre_stop(set_)
{
	some = (set_) & ~begun;
	hooks_begin(some)
}

inline hooks_end(set_)
{
	running = running & ~(set_);
	novel = novel & ~(set_ & ~PRE_STOPS)
}

inline hooks_cut(set_, outcome_)
{
	some = running & (set_) & ~PRE_STOPS;
	hooks_end(some);
	if
	:: (some & STOP_HOOKS) && stopping && outcome_ == CUT_IT -> cut = true; code_raise(255)
	:: (some & STOP_HOOKS) && stopping && outcome_ == FAILED -> flaw()
	:: else
	fi
}

/* ---- servers ---- */

inline forget_plans()
{
	after[s] = AFTER_DOWN;
	OFF(wanted, s);
	OFF(retry, s);
	OFF(unwind, s)
}

inline record_death()
{
	OFF(alive, s);
	flaw()
}

inline cut_server(s_)
{
	st[s_] = S_CUTTING;
	saw_cut(s_)
}

inline cut_what_lives()
{
	k = 0;
	do
	:: k < SERVERS ->
		if
		:: BIT(alive, k) && !STATE(k, CUTTING) -> cut_server(k)
		:: else
		fi;
		k++
	:: else -> break
	od
}

/* What a cell of the table does. A label is a function of the core, a goto its last call. */
inline dispatch()
{
	if
	:: e == UNWIND -> after[s] = AFTER_FAILED; goto do_unwind
	:: e == TURN && BIT(wanted, s) -> after[s] = AFTER_START; goto done
	:: e == TURN -> e = SE_WANT
	:: else
	fi;
	what = cell[st[s] * SE_COUNT + e];
	saw_cell();
	if
	:: e == SE_WANT && BIT(staged | retired, s) -> goto done
	:: what == DO_NOTHING -> goto done
	:: what == DO_LATE -> goto done
	:: what == DO_WAIT ->
		if
		:: e == SE_TIME -> ON(retry, s)
		:: else
		fi;
		goto do_wait
	:: what == DO_GO ->
		saw_new_life(s);
		begun = begun & ~ALL_OF(s);
		due[s] = START_LIMIT + 1;
		if
		:: PRE_START(s) == 0 -> goto do_launch
		:: else -> st[s] = S_PRE_START; hooks_next(PRE_START(s))
		fi
	:: what == DO_LAUNCH ->
do_launch:	if
		:: GIVEN_UP(s) -> goto do_hold
		:: else -> ON(alive, s); st[s] = S_STARTING; saw_start(s)
		fi
	:: what == DO_READY ->
		ON(owed, s);
		if
		:: stopping && aborting -> goto do_abort
		:: GIVEN_UP(s) -> goto do_hold
		:: POST_START(s) -> st[s] = S_POST_START; hooks_next(POST_START(s))
		:: else -> goto do_up
		fi
	:: what == DO_UP ->
do_up:		due[s] = 0;
		if
		:: BIT(wanted, s) -> goto do_hold
		:: else -> OFF(retry, s); st[s] = S_STARTED
		fi
	:: what == DO_FAIL || what == DO_FAIL_GONE || what == DO_FAIL_LATE ->
		if
		:: what == DO_FAIL_GONE -> OFF(alive, s)
		:: else
		fi;
		due[s] = 0;
		hooks_cut(ALL_OF(s), FAILED);
		if
		:: !stopping && BIT(retry, s) && !BIT(wanted, s) ->
			after[s] = (MAY_RETRY(s) -> AFTER_BACKOFF : AFTER_CLOSED);
			goto do_unwind
		:: else
		fi;
		OFF(retry, s);
		st[s] = S_FAILED;
		raise(T_FAILED, s);
		if
		:: stopping && aborting -> goto do_abort
		:: BIT(wanted, s) -> goto do_hold
		:: else
		fi
	:: what == DO_CLOSED ->
		OFF(alive, s);
		if
		:: BIT(retired, s) -> goto do_hold
		:: BIT(RESTARTS, s) && MAY_RETRY(s) -> goto do_back_off
		:: else -> goto do_close
		fi
	:: what == DO_RETRY ->
		if
		:: BIT(alive, s) -> after[s] = AFTER_START; goto do_unwind
		:: else -> goto do_wait
		fi
	:: what == DO_AGAIN ->
		if
		:: !BIT(unwind, s) -> after[s] = AFTER_START
		:: else
		fi
	:: what == DO_OVERRIDE -> forget_plans()
	:: what == DO_STOP_LATER -> ON(wanted, s); after[s] = AFTER_DOWN
	:: what == DO_HOLD || what == DO_GIVE_UP -> goto do_hold
	:: what == DO_RELEASE ->
		ON(released, s);
		if
		:: !BIT(owed, s) || !(PRE_STOP(s) & ~begun) -> goto do_pre_stopped
		:: else -> st[s] = S_PRE_STOP; hooks_next(PRE_STOP(s))
		fi
	:: what == DO_PRE_STOPPED ->
do_pre_stopped:	if
		:: SHORT && !BIT(alive, s) -> goto do_finish
		:: SHORT -> skip
		:: BIT(alive, s) -> goto do_drain
		:: else -> goto do_post_stop
		fi
	:: what == DO_GONE ->
do_gone:	due[s] = 0;
		OFF(alive, s);
		saw_gone(s);
		if
		:: BIT(unwind, s) -> goto do_unwound
		:: SHORT && (running & ALL_OF(s)) -> st[s] = S_PRE_STOP
		:: SHORT -> goto do_finish
		:: BIT(owed, s) && !BIT(released, s) -> st[s] = S_HELD
		:: else -> goto do_post_stop
		fi
	:: what == DO_DIED && !BIT(alive, s) -> goto done /* late */
	:: what == DO_DIED ->
		record_death();
		if
		:: STATE(s, PRE_STOP) && SHORT && !(running & ALL_OF(s)) -> goto do_finish
		:: else
		fi
	:: what == DO_FAILED_GONE -> OFF(alive, s)
	:: what == DO_DIED_STOPPING -> record_death(); goto do_gone
	:: what == DO_OWN_CUT -> flaw(); cut_server(s); due[s] = OWN_CUT_WAIT + 1
	:: what == DO_ABORT ->
do_abort:	again = STATE(s, STOPPING) || STATE(s, CUTTING); /* it drains */
		if
		:: !again -> due[s] = 0
		:: else
		fi;
		hooks_cut(ALL_OF(s), FAILED);
		forget_plans();
		if
		:: BIT(owed, s) -> hooks_all_pre_stop(PRE_STOP(s))
		:: else
		fi;
		if
		:: again || (!BIT(owed, s) && BIT(alive, s)) -> skip
		:: (running & ALL_OF(s)) || BIT(alive, s) -> st[s] = S_PRE_STOP
		:: else ->
			if
			:: !STATE(s, FAILED) || BIT(owed, s) -> goto do_finish
			:: else
			fi
		fi
	:: what == DO_CUT ->
		due[s] = 0;
		hooks_cut(ALL_OF(s), CUT_IT);
		forget_plans();
		if
		:: BIT(owed, s) -> hooks_all_pre_stop(PRE_STOP(s))
		:: else
		fi;
		if
		:: BIT(alive, s) && !STATE(s, CUTTING) -> cut_server(s)
		:: BIT(alive, s) -> skip
		:: (running & ALL_OF(s)) -> st[s] = S_PRE_STOP
		:: else ->
			if
			:: !STATE(s, FAILED) || BIT(owed, s) -> goto do_finish
			:: else
			fi
		fi
	:: what == DO_FINISH -> goto do_finish
	:: else -> assert(false) /* DO_BUG, or one that this model does not know */
	fi;
	goto done;

do_wait:
	due[s] = 0;
	OFF(wanted, s);
	after[s] = AFTER_DOWN;
	st[s] = S_WAITING;
	goto done;
do_unwind: /* after[s] says what comes then */
	ON(unwind, s);
	if
	:: BIT(alive, s) -> goto do_drain
	:: else
	fi;
do_unwound:
	what = after[s];
	OFF(unwind, s);
	after[s] = AFTER_DOWN;
	if
	:: what == AFTER_BACKOFF -> goto do_back_off
	:: what == AFTER_CLOSED -> goto do_close
	:: what == AFTER_START -> goto do_wait
	:: else -> st[s] = S_FAILED
	fi;
	goto done;
do_back_off:
	due[s] = (1 << tries[s]) + 1;
	tries[s]++;
	ON(retry, s);
	st[s] = S_BACKOFF;
	goto done;
do_close:
	st[s] = S_CLOSED;
	OFF(retry, s);
	raise(T_CLOSED, s);
	goto done;
do_hold:
	failed = STATE(s, FAILED);
	again = BIT(wanted, s) && after[s] == AFTER_START && !stopping;
	due[s] = 0;
	forget_plans();
	if
	:: again -> after[s] = AFTER_START
	:: else
	fi;
	if
	:: BIT(alive | owed, s) -> st[s] = S_HELD; goto done
	:: failed -> goto done
	:: else
	fi;
do_finish:
	again = after[s] == AFTER_START && !stopping;
	due[s] = 0;
	OFF(owed, s);
	OFF(alive, s);
	OFF(released, s);
	forget_plans();
	st[s] = S_DOWN;
	saw_down(s);
	if
	:: again -> goto do_wait
	:: else
	fi;
	goto done;
do_drain:
	due[s] = (STOP_LIMIT -> STOP_LIMIT + 1 : (stopping -> 0 : EXIT_TIMEOUT + 1));
	st[s] = S_STOPPING;
	saw_stop(s);
	goto done;
do_post_stop:
	if
	:: !BIT(owed, s) || !(POST_STOP(s) & ~begun) -> goto do_finish
	:: else
	fi;
	st[s] = S_POST_STOP;
	hooks_next(POST_STOP(s));
done:	skip
}

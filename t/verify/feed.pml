/* What follows from one event, until nothing is left to do (core.c, start.c, retire.c, hooks.c and due.c of the core). */

/* Who may go on now that others have? One at a time. */
inline look_round()
{
	k = 0;
	do
	:: k < SERVERS ->
		any(failed, BIT(DEPS(k), d) && !STATE(d, STARTED));
		any(again, BIT(DEPS(d), k) && ACTIVE(d));
		if
		:: STATE(k, WAITING) && !failed && !(HEIR && k == NEW && when == RETIRE_FIRST && BIT(retired, OLD) && ACTIVE(OLD)) ->
			do_later(SE_GO, k, 0);
			break
		:: STATE(k, HELD) && !again && (!stopping || stage == G_SERVERS) ->
			do_later(SE_RELEASE, k, 0);
			break
		:: HEIR && BIT(retired & ~leaving, k) && !stopping && (when != RETIRE_AFTER || SETTLED(NEW)) ->
			ON(leaving, k);
			do_later(SE_STOP, k, 0);
			break
		:: else
		fi;
		k++
	:: else -> break
	od
}

inline start_check()
{
	any(some, STARTING(d));
	k = 0;
	failed = false;
	do
	:: k < qn -> failed = failed || qkind[k] == T_FAILED; k++
	:: else -> break
	od;
	if
	:: start_run && !stopping && !some && !failed && !unwind -> life_event(LE_READY); start_run = false
	:: else
	fi
}

inline hook_goes_on()
{
	what = x / 2; /* its phase */
	if
	:: what == 0 -> k = S_PRE_START; some = PRE_START(s)
	:: what == 1 -> k = S_POST_START; some = POST_START(s)
	:: what == 2 -> k = S_PRE_STOP; some = PRE_STOP(s)
	:: else -> k = S_POST_STOP; some = POST_STOP(s)
	fi;
	if
	:: st[s] != k || (running & ALL_OF(s)) -> skip
	:: what < 2 && (x & 1) -> do_later(SE_BAD, s, 0)
	:: (what < 2 && GIVEN_UP(s)) || (what == 3 && SHORT) -> do_later(SE_HOOKS, s, 0)
	:: else ->
		hooks_next(some);
		if
		:: !some -> do_later(SE_HOOKS, s, 0)
		:: else
		fi
	fi
}

/* All that follows from what was put on the list. */
inline settle()
{
	do
	:: true ->
		hooks_note();
		fuel++;
		assert(fuel < 200); /* a feed ends */
		if
		:: todo_i < todo_n ->
			e = todo_e[todo_i];
			s = todo_s[todo_i];
			x = todo_x[todo_i];
			todo_i++;
			if
			:: e == GO_ON -> hook_goes_on()
			:: e == DECIDED -> carry_out()
			:: else -> dispatch()
			fi
		:: else ->
			if
			:: ended -> break
			:: else
			fi;
			todo_i = 0;
			todo_n = 0;
			more = false;
			look_round();
			if
			:: !todo_n -> start_check()
			:: else
			fi;
			if
			:: !todo_n && stopping -> stop_advance()
			:: else
			fi;
			if
			:: !todo_n && !more && !ended ->
				more = true;
				pass_limit();
				if
				:: !more && !novel -> break
				:: else
				fi
			:: else
			fi
		fi
	od
}

/* A server as a model: what a cell of its table does, a label for each of the functions that up.c and down.c have. */

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

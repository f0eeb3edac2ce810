/* The manager as a model: decisions, the stages of a stop, its deadlines (ask.c and stop.c of the core). */

inline turn_into_abort()
{
	stage = G_HOOKS;
	hooks_all_pre_stop(GLOBAL_PRE);
	to_all(SE_ABORT)
}

inline stop_begin(kind_, aborts_, age_)
{
	stopping = true;
	aborting = aborts_;
	stage = G_START;
	age = age_;
	give_up = kind_ == T_FAILED;
	life_event(LE_STOP);
	start_run = false;
	if
	:: aborting -> turn_into_abort()
	:: else -> to_all(SE_STOP)
	fi
}

inline stop_abort(code_)
{
	code_raise(code_);
	if
	:: !aborting ->
		aborting = true;
		if
		:: !margin -> turn_into_abort()
		:: else
		fi
	:: else
	fi
}

inline stop_decided(kind_, aborts_, code_, age_)
{
	code_raise(code_);
	saw_decision(code_, age_);
	if
	:: !stopping -> stop_begin(kind_, aborts_, age_)
	:: aborts_ -> stop_abort(code_)
	:: else
	fi
}

inline kill_all()
{
	code_raise(9);
	saw_decision(9, 0);
	if
	:: !stopping -> stopping = true; aborting = true
	:: else
	fi;
	cut_what_lives();
	life_event(LE_KILL);
	stage = G_NONE;
	ended = true;
	killed = true
}

/* restart, or ignore, of a server that has closed or failed to start. */
inline settle_server(kind_, decision_)
{
	if
	:: stopping || st[s] != (kind_ == T_CLOSED -> S_CLOSED : S_FAILED) -> skip
	:: decision_ == D_RESTART -> do_later(SE_WANT, s, 0)
	:: else ->
		give_up_dependants();
		if
		:: STATE(s, FAILED) -> do_later(UNWIND, s, 0)
		:: else
		fi
	fi
}

/* Those that wait for it, and those that wait for them. */
inline give_up_dependants()
{
	what = 1 << s;
	k = 0;
	do
	:: k < SERVERS * SERVERS ->
		if
		:: STATE(k % SERVERS, WAITING) && (DEPS(k % SERVERS) & what) -> ON(what, k % SERVERS)
		:: else
		fi;
		k++
	:: else -> break
	od;
	to_some(what & ~(1 << s), SE_STOP)
}

inline carry_out()
{
	k = x & 7;
	d = (x >> 3) & 7;
	if
	:: k == T_KILL && !(x >> 6) -> kill_all()
	:: d == D_SOFT -> stop_decided(k, 0, 7, x >> 6)
	:: d == D_RESTART || d == D_IGNORE -> settle_server(k, d)
	:: else -> stop_decided(k, DEFAULT_ABORTS(k), DEFAULT_CODE(k), x >> 6)
	fi
}

inline decide(i_, decision_, age_)
{
	do_later(DECIDED, qof[i_], qkind[i_] | (decision_ << 3) | (age_ << 6));
	take_question(i_)
}

inline cut_servers()
{
	stage = G_CUT;
	cut_left = (age + CUT_WAIT < EXIT_TIMEOUT -> CUT_WAIT : EXIT_TIMEOUT - age) + 1;
	to_all(SE_CUT)
}

inline finish()
{
	if
	:: cut -> life_event(LE_END_CUT)
	:: errored -> life_event(LE_END_FLAWED)
	:: else -> life_event(LE_END)
	fi;
	stage = G_NONE;
	ended = true
}

inline stop_advance()
{
	any(some, STARTING(d));
	any(again, BIT(owed, d) && (PRE_STOP(d) & (~begun | running)));
	if
	:: !some && life == L_START_ABORTED -> life_event(LE_SETTLED)
	:: else
	fi;
	if
	:: !some && !again && !(GLOBAL_PRE & (~begun | running)) -> life_event(LE_PRESTOPPED)
	:: else
	fi;
	if
	:: stage == G_START && (!some || give_up) -> stage = G_PRE
	:: else
	fi;
	if
	:: stage == G_PRE && !(running & GLOBALS) ->
		hooks_next(GLOBAL_PRE);
		if
		:: !some -> stage = G_SERVERS; more = true
		:: else
		fi
	:: else
	fi;
	any(again, ACTIVE(d));
	if
	:: stage == G_SERVERS && !more && !again -> stage = G_POST
	:: else
	fi;
	failed = false; /* it is over */
	if
	:: stage == G_POST && !(running & GLOBALS) ->
		hooks_next(GLOBAL_POST);
		failed = !some
	:: stage == G_HOOKS && !running -> cut_servers()
	:: stage == G_CUT && !running -> failed = !again || waited
	:: else
	fi;
	if
	:: failed && !qn -> finish()
	:: else
	fi
}

inline pass_margin()
{
	margin = true;
	hooks_cut(GLOBALS, CUT_IT);
	if
	:: aborting ->
		k = 0;
		do
		:: k < SERVERS ->
			if
			:: STATE(k, POST_STOP) -> do_later(SE_CUT, k, 0)
			:: else
			fi;
			k++
		:: else -> break
		od
	:: else ->
		cut = true;
		code_raise(255);
		hooks_all_pre_stop(GLOBAL_PRE);
		cut_servers()
	fi
}

/* The first limit that has passed; more: there was one. */
inline pass_limit()
{
	s = 0;
	do
	:: s < SERVERS && due[s] != 1 -> s++
	:: else -> break
	od;
	h = 0;
	do
	:: h < SERVER_HOOKS && hdue[h] != 1 -> h++
	:: else -> break
	od;
	if
	:: s < SERVERS -> saw_limit(); due[s] = 0; do_later(SE_TIME, s, 0)
	:: h < SERVER_HOOKS ->
		saw_hook_limit();
		hooks_end(1 << h);
		if
		:: stopping -> flaw()
		:: else
		fi;
		do_later(GO_ON, h / A_SERVER, 2 * PHASE(h) + 1)
	:: qdue > 0 ->
		qdue--;
		decide(0, D_NONE, 1)
	:: else ->
		if
		:: stopping && !margin && age >= EXIT_TIMEOUT - MARGIN -> saw_margin(); pass_margin()
		:: stopping && age >= EXIT_TIMEOUT ->
			saw_timeout();
			cut = true;
			code_raise(255);
			cut_what_lives();
			finish()
		:: stopping && stage == G_CUT && cut_left == 1 && !waited -> waited = true
		:: else -> more = false
		fi
	fi
}

/* The world: whatever servers, hooks, policy, time and people do, in any order, within the budgets of the configuration. */

byte ev, es, ex;
byte starts = STARTS, trigs = TRIGGERS, fails = FAILS, deaths = DEATHS, bads = BADS, exits = EXITS, ops = OPS, swaps = SWAPS, retries = RETRIES;

#define PROMPT (qn == 0 || SLOW)
/* A time that passes has to make a difference. With PATIENT it passes only when there is nobody left to wait for, and never in a
 * stop: there everybody answers, so that a stop has to come to its end by itself. */
#define WAITED_FOR(s) (up[s] == 1 || (up[s] && BIT(asked, s)))
#if SERVERS == 1
#define SOME(what) (what(0))
#elif SERVERS == 2
#define SOME(what) (what(0) || what(1))
#elif SERVERS == 3
#define SOME(what) (what(0) || what(1) || what(2))
#else
#define SOME(what) (what(0) || what(1) || what(2) || what(3))
#endif
#define LIMITED(s)  (due[s] > 1)
#define TIME_RUNS   (stopping || qn || SOME(LIMITED) || (running & STOP_HOOKS))
#define TIME_PASSES (PROMPT && TIME_RUNS && !(PATIENT && (stopping || qn || running || SOME(WAITED_FOR))))
#define UNSETTLED(s) (!BIT(staged | retired, s) && !SETTLED(s))
#define SWAPPABLE   (!stopping && !start_run && !SOME(UNSETTLED) && life == L_STARTED)

inline feed()
{
	todo_n = 0;
	todo_i = 0;
	fuel = 0;
	novel = 0;
	qdue = 0;
	saw_world();
	if
	:: ev == E_START ->
		if
		:: !start_run ->
			start_run = true;
			if
			:: life != L_STARTED -> begun = begun & ~GLOBALS
			:: else
			fi;
			life_event(LE_START)
		:: else
		fi;
		k = 0;
		do
		:: k < SERVERS ->
			asked_about(failed, k);
			if
			:: !failed && !STATE(k, BACKOFF) -> do_later(SE_WANT, k, 0)
			:: else
			fi;
			k++
		:: else -> break
		od
	:: ev == E_TRIGGER -> raise(es, 0)
	:: ev == E_ANSWER -> decide(es, ex, 0)
	:: ev == E_READY -> up[es] = 2; do_later(SE_READY, es, 0)
	:: ev == E_FAIL -> up[es] = 2; do_later(SE_FAIL, es, 0)
	:: ev == E_CLOSED -> up[es] = 0; OFF(asked, es); do_later(SE_CLOSED, es, 0)
	:: ev == E_GONE -> up[es] = 0; OFF(asked, es); do_later(SE_GONE, es, 0)
	:: ev == E_HOOK ->
		hooks_end(1 << es);
		if
		:: ex == FAILED && BIT(STOP_HOOKS, es) && stopping -> flaw()
		:: ex == EXITED && BIT(STOP_HOOKS, es) && stopping -> stop_abort(7)
		:: ex == EXITED -> raise(T_EXIT, 0)
		:: else
		fi;
		if
		:: es < SERVER_HOOKS -> do_later(GO_ON, es / A_SERVER, 2 * PHASE(es) + (ex == FAILED))
		:: else
		fi
	:: ev == E_TICK ->
		k = 0;
		do
		:: k < SERVERS -> due[k] = (due[k] > 1 -> due[k] - 1 : due[k]); k++
		:: else -> break
		od;
		k = 0;
		do
		:: k < SERVER_HOOKS -> hdue[k] = (hdue[k] > 1 -> hdue[k] - 1 : hdue[k]); k++
		:: else -> break
		od;
		if
		:: stopping -> age++
		:: else
		fi;
		if
		:: cut_left > 1 -> cut_left--
		:: else
		fi;
		qdue = qn
	:: ev == E_UP ->
		if
		:: !STATE(es, STARTED) -> want_with_deps()
		:: else
		fi
	:: ev == E_DOWN -> to_some(UPS(es), SE_STOP)
	:: ev == E_AGAIN ->
		k = 0;
		do
		:: k < SERVERS ->
			if
			:: BIT(UPS(es), k) ->
				do_later(SE_STOP, k, 0);
				if
				:: k == es || !(STATE(k, DOWN) || STATE(k, CLOSED) || STATE(k, FAILED)) -> do_later(TURN, k, 0)
				:: else
				fi
			:: else
			fi;
			k++
		:: else -> break
		od;
		want_with_deps()
	:: ev == E_SWAP ->
		ON(retired, OLD);
		when = ex;
		if
		:: ex != RETIRE_NOW ->
			OFF(staged, NEW);
			do_later(SE_WANT, NEW, 0)
		:: else
		fi
	fi;
	settle();
	check();
	ev = 0;
	es = 0;
	ex = 0
}

inline want_with_deps()
{
	k = 0;
	do
	:: k < SERVERS ->
		asked_about(failed, k);
		if
		:: BIT(DOWNS(es), k) && !failed -> do_later(SE_WANT, k, 0)
		:: else
		fi;
		k++
	:: else -> break
	od
}

/* What server s may do next. A mute one never answers what it is told. */
#define SERVER(s) \
	:: PROMPT && up[s] == 1 && !BIT(MUTE, s) -> ev = E_READY; es = s \
	:: PROMPT && up[s] == 1 && fails -> fails--; ev = E_FAIL; es = s \
	:: PROMPT && up[s] && deaths -> deaths--; ev = E_CLOSED; es = s \
	:: PROMPT && up[s] && BIT(asked, s) && !BIT(MUTE, s) -> ev = E_GONE; es = s \
	:: PROMPT && ops && !stopping && !BIT(staged | retired, s) -> ops--; es = s; \
		if \
		:: ev = E_UP \
		:: ev = E_DOWN \
		:: ev = E_AGAIN \
		fi

/* What hook h may do next. One that hangs never ends. */
#define HOOKED(h) \
	:: PROMPT && BIT(running, h) && !BIT(HANG, h) -> ev = E_HOOK; es = h \
	:: PROMPT && BIT(running, h) && bads -> bads--; ev = E_HOOK; es = h; ex = FAILED \
	:: PROMPT && BIT(running, h) && exits -> exits--; ev = E_HOOK; es = h; ex = EXITED
#define HOOKS(s) HOOKED(A_SERVER * (s)) HOOKED(A_SERVER * (s) + 1) HOOKED(A_SERVER * (s) + 2) HOOKED(A_SERVER * (s) + 3) HOOKED(A_SERVER * (s) + 4)

/* What becomes of question q. */
#define ANSWER(q) \
	:: q < qn && (q == 0 || SLOW) -> ev = E_ANSWER; es = q; ex = D_NONE \
	:: q < qn && (q == 0 || SLOW) && qkind[q] == T_TERM && SOFT -> ev = E_ANSWER; es = q; ex = D_SOFT \
	:: q < qn && (q == 0 || SLOW) && (qkind[q] == T_CLOSED || qkind[q] == T_FAILED) -> ev = E_ANSWER; es = q; \
		if \
		:: ex = D_IGNORE \
		:: retries -> retries--; ex = D_RESTART \
		fi

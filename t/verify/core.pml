/* The state of the core as a model, and what its hooks do. What the core counts (who blocks whom, who is active, what is owed) is asked for
 * afresh each time. One feed is one d_step, in which of two guards that hold the first is taken: an event, what follows for servers
 * through a short list, what is due, until nothing is left to do. */

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

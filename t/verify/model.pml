/* One process: the world does something, the core is fed it, all is checked. */
#include "tables.pml"
#include "config.pml"
#include "words.pml"
#ifdef CONFORM
#include "conform.pml"
#else
#define record() skip
#define compare() skip
#define saw_cell() skip
#define saw_life(ev_) skip
#endif
#include "core.pml"
#include "server.pml"
#include "props.pml"
#include "stop.pml"
#include "feed.pml"
#include "world.pml"

active proctype world()
{
	do
	:: ended -> break
	:: atomic {
		!ended ->
		if
		:: PROMPT && starts && !stopping -> starts--; ev = E_START
		:: PROMPT && trigs && qn < TRIGGERS_AT_ONCE -> trigs--; ev = E_TRIGGER;
			if
			:: es = T_TERM
			:: es = T_ERROR
			:: KILLS -> es = T_KILL
			fi
		:: PROMPT && !trigs && !stopping && !qn -> ev = E_TRIGGER; es = T_TERM
		:: TIME_PASSES -> ev = E_TICK
		:: PROMPT && swaps && SWAPPABLE -> swaps--; ev = E_SWAP;
			if
			:: ex = RETIRE_NOW
			:: ex = RETIRE_FIRST
			:: ex = RETIRE_AFTER
			fi
		SERVER(0) HOOKS(0)
#if SERVERS > 1
		SERVER(1) HOOKS(1)
#endif
#if SERVERS > 2
		SERVER(2) HOOKS(2)
#endif
#if SERVERS > 3
		SERVER(3) HOOKS(3)
#endif
		HOOKED(SERVER_HOOKS) HOOKED(SERVER_HOOKS + 1)
		ANSWER(0)
#if SLOW
		ANSWER(1) ANSWER(2)
#endif
		fi;
		record();
		d_step { feed() };
		compare()
	}
	od
}

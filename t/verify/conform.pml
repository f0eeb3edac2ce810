/* After each step of the model the real core, put back to where it was before that step, is fed the same, and has to stand where the model stands. */
c_decl {
\#include "conform.h"
struct conform_path path;
}
c_track "&path" "sizeof(struct conform_path)" "UnMatched"

bool differs;

inline record()
{
	c_code { conform_record(&path, now.ev, now.es, now.ex); }
}

inline saw_cell()
{
	c_code { conform_saw_cell(now.st[s], e); }
}

inline saw_life(ev_)
{
	d = ev_;
	c_code { conform_saw_life(now.life, d); }
}

inline compare()
{
	c_code {
		struct conform_picture p = {0};
		int c_i;
		for (c_i = 0; c_i < SERVERS; c_i++) {
			struct conform_server *c_s = &p.server[c_i];
			c_s->state = now.st[c_i];
			c_s->due = now.due[c_i];
			c_s->after = now.after[c_i];
			c_s->tries = now.tries[c_i];
			c_s->alive = now.alive >> c_i & 1;
			c_s->owed = now.owed >> c_i & 1;
			c_s->wanted = now.wanted >> c_i & 1;
			c_s->retry = now.retry >> c_i & 1;
			c_s->unwind = now.unwind >> c_i & 1;
			c_s->released = now.released >> c_i & 1;
			c_s->staged = now.staged >> c_i & 1;
			c_s->retired = now.retired >> c_i & 1;
			c_s->leaving = now.leaving >> c_i & 1;
		}
		for (c_i = 0; c_i < 5 * SERVERS; c_i++)
			p.hook_due[c_i] = now.hdue[c_i];
		p.begun = now.begun;
		p.running = now.running;
		p.life = now.life;
		p.code = now.code;
		p.starts = now.start_run;
		p.stops = now.stopping;
		p.aborts = now.aborting;
		p.margin = now.margin;
		p.cut = now.cut;
		p.errored = now.errored;
		p.waited = now.waited;
		p.give_up = now.give_up;
		p.ended = now.ended;
		p.killed = now.killed;
		p.stage = now.stage;
		p.age = now.age;
		p.cut_left = now.cut_left;
		p.questions = now.qn;
		now.differs = !conform(&path, &p);
	};
	assert(!differs)
}

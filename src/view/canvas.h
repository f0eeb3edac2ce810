/* canvas.h: where the timeline is drawn: a column of labels, a column of cells over time, a column of durations. */
#ifndef CFW_VIEW_CANVAS_H
#define CFW_VIEW_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfw_buf;
struct timeline;

enum glyph { G_BLANK, G_MARGIN, G_WAITS, G_STARTS, G_HOOK, G_STOPS, G_CUT, G_FLAW, GLYPHS };
enum { CFW_CANVAS_TOOK = 8 }; /* columns of a duration */

struct canvas {
	const struct timeline *t;
	struct cfw_buf *out;
	bool color, ascii;
	size_t label, bar, right; /* columns */
	uint64_t end_ns;          /* of the axis; it begins with the stop */
	bool used[GLYPHS];
};

void cfw_canvas_paint(const struct canvas *c, const char *color); /* the digits of SGR; "" for none */
void cfw_canvas_unpaint(const struct canvas *c, const char *color);
/* The cell of a moment. The last cell is the end of the axis. */
size_t cfw_canvas_cell(const struct canvas *c, uint64_t at_ns);
void cfw_canvas_axis(const struct canvas *c);
/* Triggers, margin and end over the bars; how many lines it took. */
int cfw_canvas_marks(const struct canvas *c);

#endif

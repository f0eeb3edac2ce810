/* The words that the parts of the model, and conform.c, share. */

/* What happens. */
#define E_START   1
#define E_TRIGGER 2  /* es: kind */
#define E_ANSWER  3  /* es: which question; ex: decision */
#define E_READY   4  /* es: server */
#define E_FAIL    5
#define E_CLOSED  6
#define E_GONE    7
#define E_HOOK    8  /* es: hook; ex: outcome */
#define E_TICK    9
#define E_UP      10 /* start, stop, restart one server */
#define E_DOWN    11
#define E_AGAIN   12
#define E_SWAP    13 /* a reload: OLD retires; ex: enum cfw_retire */

#define OK     0
#define FAILED 1
#define EXITED 2
#define CUT_IT 3

/* What the list of a feed has beside the events of the table: the second half of something whose first half it has before. */
#define TURN    (SE_COUNT + 0) /* it was told to stop, and is to start again */
#define UNWIND  (SE_COUNT + 1)
#define GO_ON   (SE_COUNT + 2) /* a hook has ended: x: its phase * 2 + it failed */
#define DECIDED (SE_COUNT + 3) /* x: kind + 8 * decision + 64 * age */

/* Triggers and decisions. Soft and hard ask for code 7. */
#define T_TERM   1
#define T_ERROR  2
#define T_EXIT   3
#define T_CLOSED 4
#define T_FAILED 5
#define T_KILL   6 /* SIGQUIT, which policy answers with kill(9), where it answers */
#define D_NONE    0
#define D_SOFT    1
#define D_RESTART 2
#define D_IGNORE  3

#define DEFAULT_ABORTS(kind) (kind == T_TERM || kind == T_KILL -> TERM_ABORTS : (kind == T_ERROR -> ERROR_ABORTS : (kind == T_EXIT -> EXIT_ABORTS : \
			      (kind == T_CLOSED -> CLOSED_ABORTS : FAILED_ABORTS))))
#define DEFAULT_CODE(kind)   (kind == T_TERM || kind == T_KILL -> TERM_CODE : (kind == T_ERROR -> ERROR_CODE : (kind == T_EXIT -> EXIT_CODE : \
			      (kind == T_CLOSED -> CLOSED_CODE : FAILED_CODE))))


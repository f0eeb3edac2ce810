/* value.h: plain data between the rooms: definitions of servers, arguments and answers of services, statistics.
 *
 * A tree of nil, booleans, integers, numbers, byte strings, lists, maps and references. It knows nothing of Lua or JSON: the
 * policy makes it from tables, the host reads it, and two definitions are the same when their values are equal (S7.2).
 * A reference is a number that only the policy can interpret (a handler function). Maps keep the order of insertion. */
#ifndef CFW_BASE_VALUE_H
#define CFW_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cfw_value_type { CFW_V_NIL, CFW_V_BOOL, CFW_V_INT, CFW_V_NUM, CFW_V_STR, CFW_V_LIST, CFW_V_MAP, CFW_V_REF };

struct cfw_value; /* heap, owned by whoever made it or by the tree it was put in */

/* Constructors: NULL when out of memory. */
struct cfw_value *cfw_value_bool(bool b);
struct cfw_value *cfw_value_int(int64_t i);
struct cfw_value *cfw_value_num(double d);
struct cfw_value *cfw_value_str(const char *s);
struct cfw_value *cfw_value_strn(const char *s, size_t n);
struct cfw_value *cfw_value_list(void);
struct cfw_value *cfw_value_map(void);
struct cfw_value *cfw_value_ref(int64_t ref);
struct cfw_value *cfw_value_copy(const struct cfw_value *v);
void cfw_value_free(struct cfw_value *v); /* NULL is fine */

/* Takes v, also on failure (and when v is NULL, which is a failure): 0 or CURFEW_ENOMEM. So constructors nest. */
int cfw_value_push(struct cfw_value *list, struct cfw_value *v);
int cfw_value_set(struct cfw_value *map, const char *key, struct cfw_value *v);

/* Readers take NULL as nil. */
enum cfw_value_type cfw_value_type(const struct cfw_value *v);
size_t cfw_value_len(const struct cfw_value *v);                           /* items, pairs or bytes */
const struct cfw_value *cfw_value_at(const struct cfw_value *v, size_t i); /* item or pair's value; NULL past the end */
const char *cfw_value_key(const struct cfw_value *v, size_t i);            /* key of the i-th pair */
const struct cfw_value *cfw_value_get(const struct cfw_value *map, const char *key); /* NULL when absent */
const char *cfw_value_bytes(const struct cfw_value *v, size_t *n);                   /* NULL unless a string; NUL-terminated */
bool cfw_value_to_bool(const struct cfw_value *v);                                   /* nil and false are false */
int64_t cfw_value_to_int(const struct cfw_value *v, int64_t otherwise);
double cfw_value_to_num(const struct cfw_value *v, double otherwise);
const char *cfw_value_to_str(const struct cfw_value *v, const char *otherwise);

/* Shorthand for cfw_value_to_…(cfw_value_get(map, key), otherwise). */
bool cfw_value_get_bool(const struct cfw_value *map, const char *key, bool otherwise);
int64_t cfw_value_get_int(const struct cfw_value *map, const char *key, int64_t otherwise);
const char *cfw_value_get_str(const struct cfw_value *map, const char *key, const char *otherwise);
/* A duration stored as integer nanoseconds (the policy's schema converts "5s" and 0.25 before). */
uint64_t cfw_value_get_ns(const struct cfw_value *map, const char *key, uint64_t otherwise);

bool cfw_value_equal(const struct cfw_value *a, const struct cfw_value *b);
/* The same, but that any reference is like any other. */
bool cfw_value_alike(const struct cfw_value *a, const struct cfw_value *b);

#endif

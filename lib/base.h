/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - what every file starts from: cleanup attributes, ownership, memory that never fails
 *
 * Small allocations abort when memory is out: state is in the store, systemd starts us again.
 * Sizes that come from outside are capped by their reader before they get here. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#define cleanup_(f) __attribute__((cleanup(f)))
#define printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define unused_ __attribute__((unused))
#define must_check_ __attribute__((warn_unused_result))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds *PTR as its member MEMBER. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Hands ownership on: yields the pointer and forgets it here. */
#define take_ptr(p)                                                                                \
        ({                                                                                         \
                typeof(p) taken_ = (p);                                                            \
                (p) = NULL;                                                                        \
                taken_;                                                                            \
        })

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* Zeroed memory for one struct, or for N of them. Never NULL. */
#define mem_new(type) ((type *)mem_alloc(sizeof(type)))
#define mem_array(type, n) ((type *)mem_alloc_array((n), sizeof(type)))

void *mem_alloc(size_t size);
void *mem_alloc_array(size_t n, size_t size);
/* Room for at least N items of SIZE, doubling; *ROOM is what there is now. */
void *mem_grow(void *p, size_t *room, size_t n, size_t size);
void *mem_dup(const void *p, size_t size);

char *str_dup(const char *s);              /* NULL stays NULL */
char *str_ndup(const char *s, size_t n);
char *str_format(const char *fmt, ...) printf_(1, 2);
char *str_vformat(const char *fmt, va_list ap) printf_(1, 0);
/* Sets *P to a copy of S and frees what was there; S may be NULL or point into *P. */
void str_set(char **p, const char *s);
bool str_eq(const char *a, const char *b);  /* two NULLs are equal */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* strlcpy as BSD has it: always ends in NUL, returns strlen(SRC). */
size_t str_copy(char *dst, size_t size, const char *src);
/* Makes S UTF-8, in place: a letter that a limit cut at its end goes, and any other byte that is
 * of no letter becomes "?". Texts that are shown pass through JSON, which takes nothing else. */
char *str_make_utf8(char *s);
/* Whole text as a signed number in base 10; false when it is not one or does not fit. */
bool str_to_int(const char *s, int64_t *ret);

/* Cleanup attributes: `cleanup_(freep) char *x = NULL;` */
void freep(void *p);   /* p points at the pointer */
void wipep(void *p);   /* freep of a text that is a secret: it is overwritten first */
void closep(int *fd);  /* closes an fd that is >= 0 */
void fclosep(FILE **f);

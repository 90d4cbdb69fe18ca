/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - the intrusive doubly linked ring; an entry that is not linked points at itself */
#pragma once

#include "base.h"

struct list {
        struct list *next;
        struct list *prev;
};

#define LIST_INIT(l) { &(l), &(l) }
#define list_entry(ptr, type, member) container_of(ptr, type, member)
/* Safe against unlinking of the current entry. */
#define list_each(pos, head)                                                                       \
        for (struct list *pos = (head)->next, *pos##_next = pos->next; pos != (head);              \
             pos = pos##_next, pos##_next = pos->next)

static inline void list_init(struct list *l) {
        l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l) {
        return l->next == l;
}

static inline bool list_linked(const struct list *l) {
        return l->next && l->next != l;
}

static inline void list_append(struct list *head, struct list *entry) {
        entry->prev = head->prev;
        entry->next = head;
        head->prev->next = entry;
        head->prev = entry;
}

static inline void list_prepend(struct list *head, struct list *entry) {
        list_append(head->next, entry);
}

static inline void list_unlink(struct list *entry) {
        if (!entry->next)
                return;
        entry->prev->next = entry->next;
        entry->next->prev = entry->prev;
        list_init(entry);
}

/* The first entry, unlinked, or NULL. */
static inline struct list *list_pop(struct list *head) {
        struct list *first = head->next;

        if (first == head)
                return NULL;
        list_unlink(first);
        return first;
}

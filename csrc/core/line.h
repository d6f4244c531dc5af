// The tasks that wait for a worker: the highest priority first, equal ones
// first in, first out.
//
// Nearly all have none, which is priority 0: they stand in a list.  The others
// stand in a heap, so that any number of priorities costs a logarithm.  The
// pool's lock guards it.

#ifndef COT_CORE_LINE_H
#define COT_CORE_LINE_H

#include "core/task.h"

// Zeroed memory is an empty line.
typedef struct {
    cot_task *first;  // owned: one reference each, linked by task->next
    cot_task *last;
    struct cot_line_place {
        cot_task *task;  // owned: likewise
        uint64_t turn;
    } *heap;  // owned
    size_t heap_len;
    size_t heap_size;
    uint64_t turn;
    size_t len;  // of all
} cot_line;

// Adds the task, with a reference for the line.
COT_MUST_CHECK cot_status cot_line_add(cot_line *line, cot_task *task);

// Takes the next one out, with its reference; NULL: there is none.
cot_task *cot_line_take(cot_line *line);

// Frees its memory: it is empty.
void cot_line_fini(cot_line *line);

#endif

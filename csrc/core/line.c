#include "core/line.h"

#include "port/memory.h"

enum { FIRST_SIZE = 16 };

static int64_t
priority_of(const cot_task *task)
{
    return task->terms ? task->terms->priority : 0;
}

static bool
is_before(const struct cot_line_place *a, const struct cot_line_place *b)
{
    int64_t first = priority_of(a->task), second = priority_of(b->task);
    return first != second ? first > second : a->turn < b->turn;
}

static cot_status
make_room(cot_line *line)
{
    if (line->heap_len < line->heap_size) {
        return COT_OK;
    }
    size_t size = line->heap_size ? line->heap_size * 2 : FIRST_SIZE;
    void *heap = cot_realloc(line->heap, size * sizeof(*line->heap));
    if (heap == NULL) {
        return COT_NO_MEMORY;
    }
    line->heap = heap;
    line->heap_size = size;
    return COT_OK;
}

static void
push(cot_line *line, cot_task *task)
{
    struct cot_line_place place = {task, line->turn++};
    size_t idx = line->heap_len++;
    while (idx > 0 && is_before(&place, &line->heap[(idx - 1) / 2])) {
        line->heap[idx] = line->heap[(idx - 1) / 2];
        idx = (idx - 1) / 2;
    }
    line->heap[idx] = place;
}

static cot_task *
pop(cot_line *line)
{
    struct cot_line_place *heap = line->heap;
    cot_task *task = heap[0].task;
    size_t len = --line->heap_len;
    size_t idx = 0, child;
    while ((child = 2 * idx + 1) < len) {
        if (child + 1 < len && is_before(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!is_before(&heap[child], &heap[len])) {
            break;
        }
        heap[idx] = heap[child];
        idx = child;
    }
    heap[idx] = heap[len];
    return task;
}

cot_status
cot_line_add(cot_line *line, cot_task *task)
{
    if (priority_of(task) != 0) {
        if (make_room(line) != COT_OK) {
            return COT_NO_MEMORY;
        }
        push(line, task);
    }
    else {
        task->next = NULL;
        *(line->last ? &line->last->next : &line->first) = task;
        line->last = task;
    }
    cot_task_ref(task);
    line->len++;
    return COT_OK;
}

static cot_task *
shift(cot_line *line)
{
    cot_task *task = line->first;
    line->first = task->next;
    if (line->first == NULL) {
        line->last = NULL;
    }
    task->next = NULL;
    return task;
}

cot_task *
cot_line_take(cot_line *line)
{
    if (line->len == 0) {
        return NULL;
    }
    line->len--;
    bool is_of_heap = line->heap_len > 0
                      && (line->first == NULL
                          || priority_of(line->heap[0].task) > 0);
    return is_of_heap ? pop(line) : shift(line);
}

void
cot_line_fini(cot_line *line)
{
    cot_free(line->heap);
    *line = (cot_line){0};
}

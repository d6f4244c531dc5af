#include "core/ledger.h"

#include "port/environment.h"
#include "port/memory.h"

#include <stdbool.h>
#include <string.h>

static bool
copy_value(const char *value, char **copy)
{
    *copy = NULL;
    if (value == NULL) {
        return true;
    }
    size_t size = strlen(value) + 1;
    *copy = cot_alloc(size);
    if (*copy != NULL) {
        memcpy(*copy, value, size);
    }
    return *copy != NULL;
}

static void
destroy_entry(cot_ledger_entry *entry)
{
    cot_free(entry->original);
    cot_free(entry->written);
    cot_free(entry);
}

// NULL: no memory.
static cot_ledger_entry *
create_entry(const char *name)
{
    size_t size = strlen(name) + 1;
    cot_ledger_entry *entry = cot_alloc_zeroed(sizeof(*entry) + size);
    if (entry == NULL) {
        return NULL;
    }
    memcpy(entry->name, name, size);
    if (!copy_value(cot_environment_get(name), &entry->original)) {
        destroy_entry(entry);
        return NULL;
    }
    return entry;
}

// Where it is, or would come.
static cot_ledger_entry **
find_locked(cot_ledger *ledger, const char *name)
{
    cot_ledger_entry **place = &ledger->first;
    while (*place != NULL && strcmp((*place)->name, name) != 0) {
        place = &(*place)->next;
    }
    return place;
}

static void
remove_locked(cot_ledger_entry **place)
{
    cot_ledger_entry *entry = *place;
    *place = entry->next;
    destroy_entry(entry);
}

void
cot_ledger_write(cot_ledger *ledger, const char *name, const char *value,
                 int64_t writer)
{
    cot_lock_acquire(&ledger->lock);
    cot_ledger_entry **place = find_locked(ledger, name);
    if (*place == NULL) {
        *place = create_entry(name);
    }
    if (*place != NULL) {
        cot_free((*place)->written);
        (*place)->writer = writer;
        if (!copy_value(value, &(*place)->written)) {
            remove_locked(place);
        }
    }
    cot_lock_release(&ledger->lock);
}

void
cot_ledger_forget(cot_ledger *ledger, const char *name)
{
    cot_lock_acquire(&ledger->lock);
    cot_ledger_entry **place = find_locked(ledger, name);
    if (*place != NULL) {
        remove_locked(place);
    }
    cot_lock_release(&ledger->lock);
}

static void
put_back(const cot_ledger_entry *entry)
{
    const char *current = cot_environment_get(entry->name);
    bool is_as_written = current == NULL || entry->written == NULL
                             ? current == entry->written
                             : strcmp(current, entry->written) == 0;
    if (is_as_written) {
        cot_environment_set(entry->name, entry->original);
    }
}

void
cot_ledger_undo(cot_ledger *ledger, int64_t writer)
{
    cot_lock_acquire(&ledger->lock);
    cot_ledger_entry **place = &ledger->first;
    while (*place != NULL) {
        if ((*place)->writer == writer) {
            put_back(*place);
            remove_locked(place);
        }
        else {
            place = &(*place)->next;
        }
    }
    cot_lock_release(&ledger->lock);
}

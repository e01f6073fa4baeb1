/* fuzz_action.c - actions of custom roles: whatever text they are, matching ends, and what is published matches itself. */
#include <stdlib.h>
#include <string.h>
#include "access/operations.h"
#include "access/roles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char pattern[ROLE_ACTION_MAX + 1];
    size_t len = 0, stars = 0;
    for (size_t i = 0; i < size && len < ROLE_ACTION_MAX && data[i]; i++) {
        stars += data[i] == '*';
        if (data[i] != '*' || stars == 1)               /* role_in.c lets no second star through */
            pattern[len++] = (char)data[i];
    }
    pattern[len] = '\0';
    for (int is_data = 0; is_data < 2; is_data++) {
        bool matches = false;
        const Operation *operation;
        for (size_t i = 0; (operation = operation_at(i)); i++)
            matches = matches || (operation->is_data == is_data && action_matches(pattern, str_from(operation->name)));
        if (matches != (operation_match(pattern, is_data) == ACTION_PUBLISHED) && strchr(pattern, '/') == NULL)
            abort();
        if (matches && operation_match(pattern, is_data) != ACTION_PUBLISHED)
            abort();
    }
    if (!stars && !action_matches(pattern, (Str){ pattern, len }))
        abort();
    return 0;
}

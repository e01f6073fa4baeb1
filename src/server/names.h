/* names.h - what the parts of a site are called: its domain, and other names for single parts (init --name, --public-names).
 *
 * With the public names, programs that have the hosts of the public cloud built in run against the site unchanged, in a network
 * whose name service says where they are (docs/names.md). */
#pragma once
#include "base/arena.h"
#include "http/server.h"
#include "json/read.h"
#include "json/write.h"

enum { NAMES_MAX = 6 };

bool name_is_sound(Str name);                              /* a lower-case host name of at most 180 characters: the longest that we put before it has 70 */

/* One "PART=HOST" of a command line, added to names[*count]. ERR_BAD_INPUT: no such part, given twice, no host name, or a name that is
 * `domain`, another part's, or below or above one of them. */
bool names_add(Arena *arena, Str text, Str domain, HttpAlias names[NAMES_MAX], size_t *count, Err *err) MUST_CHECK;
/* login.microsoftonline.com, management.azure.com, graph.microsoft.com, vault.azure.net, batch.azure.com. */
bool names_add_public(Arena *arena, Str domain, HttpAlias names[NAMES_MAX], size_t *count, Err *err) MUST_CHECK;

/* The member "names" of instance.json: {"vault": "vault.azure.net"}; absent when there are none. */
void names_write(JsonWriter *w, const HttpAlias *names, size_t count);
bool names_read(Arena *arena, const JsonVal *object, Str domain, const HttpAlias **out, size_t *count, Err *err) MUST_CHECK;     /* NULL: none */

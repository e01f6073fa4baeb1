/* grants.c - what a principal was assigned: read once and kept until any assignment or custom role changes, so that a decision costs a few compares. */
#include "access/parts.h"
#include <stdlib.h>
#include "crypto/hash.h"

enum { GRANTS_ARENA_BYTES = 16 * 1024 * 1024 };

void access_forget_grants(void *access, int64_t number)
{
    (void)number;
    cache_flush(((Access *)access)->grants);
}

typedef struct Collected { Grant *items; size_t count, room; const Role **customs; size_t custom_count, custom_room; Arena *arena; } Collected;
typedef struct Load { Access *access; Txn *txn; Str object_id; Collected found; } Load;

static bool too_many(Err *err) { return err_set(err, ERR_INTERNAL, "a principal has more role assignments than memory holds"); }

/* Room for one more element in an array of the arena. */
static bool grow(Arena *arena, void **items, size_t count, size_t *room, size_t size, Err *err)
{
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 16;
    void *grown = arena_array(arena, more, size);
    if (!grown)
        return too_many(err);
    if (count)
        memcpy(grown, *items, count * size);
    *items = grown;
    *room = more;
    return true;
}

/* NULL: a role that this server does not know, which grants nothing. */
static bool role_of(Load *load, Str guid, const Role **out, Err *err)
{
    Collected *c = &load->found;
    CustomRole custom;
    bool found;
    *out = role_find(guid);
    for (size_t i = 0; !*out && i < c->custom_count; i++)
        if (str_eq(guid, str_from(c->customs[i]->guid)))
            *out = c->customs[i];
    if (*out)
        return true;
    if (!custom_role_find(load->access, load->txn, c->arena, guid, &custom, &found, err))
        return false;
    if (!found)
        return true;
    Role *role = ARENA_NEW(c->arena, Role);
    void *customs = c->customs;
    if (!role || !grow(c->arena, &customs, c->custom_count, &c->custom_room, sizeof *c->customs, err))
        return too_many(err);
    c->customs = customs;
    *role = custom.role;
    c->customs[c->custom_count++] = role;
    *out = role;
    return true;
}

static bool collect_grant(void *ctx, const Assignment *a, Err *err)
{
    Load *load = ctx;
    Collected *c = &load->found;
    const Role *role;
    if (!role_of(load, a->role_id, &role, err))
        return false;
    if (!role)
        return true;
    void *items = c->items;
    if (!grow(c->arena, &items, c->count, &c->room, sizeof *c->items, err))
        return false;
    c->items = items;
    Grant grant = { role, scope_normal(c->arena, a->scope), str_dup(c->arena, a->name) };
    if (!arena_ok(c->arena))
        return too_many(err);
    c->items[c->count++] = grant;
    return true;
}

static bool load_grants(Txn *txn, void *ctx, Err *err)
{
    Load *load = ctx;
    Str id = str_lower(load->found.arena, load->object_id);
    load->txn = txn;
    return assignment_each(load->access, txn, load->found.arena, id, collect_grant, load, err);
}

/* ---- one block ----
 *
 * Behind the grants lie the custom roles, their permissions, the lists of these and at the end all texts; first it is counted, then placed. */

typedef struct Block { Role *roles; RolePermission *permissions; const char **names; char *text; size_t role_count, permission_count, name_count, text_bytes; } Block;

/* With block->text NULL it only counts. */
static Str place_text(Block *block, Str text)
{
    Str placed = { block->text, text.len };
    block->text_bytes += text.len + 1;
    if (block->text) {
        memcpy(block->text, text.ptr, text.len);
        block->text[text.len] = '\0';
        block->text += text.len + 1;
    }
    return placed;
}

static const char *const *place_names(Block *block, const char *const *list)
{
    const char **placed = block->names;
    for (size_t i = 0;; i++) {
        block->name_count++;
        const char *name = list && list[i] ? place_text(block, str_from(list[i])).ptr : NULL;
        if (placed)
            *block->names++ = name;
        if (!list || !list[i])
            return placed;
    }
}

static const Role *place_role(Block *block, const Role *role)
{
    Role *placed = block->roles;
    RolePermission *permissions = block->permissions;
    Role copy = { .guid = place_text(block, str_from(role->guid)).ptr, .name = place_text(block, str_from(role->name)).ptr,
                  .description = "", .permissions = permissions, .permission_count = role->permission_count };
    block->role_count++;
    for (size_t i = 0; i < role->permission_count; i++) {
        const RolePermission *from = &role->permissions[i];
        RolePermission to = { place_names(block, from->actions), place_names(block, from->not_actions), place_names(block, from->data_actions),
                              place_names(block, from->not_data_actions) };
        block->permission_count++;
        if (permissions)
            *block->permissions++ = to;
    }
    if (placed)
        *block->roles++ = copy;
    return placed;
}

static void place_all(Block *block, const Collected *found, Grants *grants)
{
    const Role *first = block->roles;
    for (size_t i = 0; i < found->custom_count; i++)
        (void)place_role(block, found->customs[i]);
    for (size_t i = 0; i < found->count; i++) {
        Grant grant = { found->items[i].role, place_text(block, found->items[i].scope), place_text(block, found->items[i].name) };
        for (size_t k = 0; first && k < found->custom_count; k++)
            if (grant.role == found->customs[k])
                grant.role = &first[k];
        if (grants)
            grants->items[i] = grant;
    }
}

/* One malloc block, as the cache takes it. */
static Grants *pack(const Collected *found)
{
    Block need = { 0 };
    place_all(&need, found, NULL);
    Grants *grants = malloc(sizeof *grants + found->count * sizeof(Grant) + need.role_count * sizeof(Role) + need.permission_count * sizeof(RolePermission) +
                            need.name_count * sizeof(char *) + need.text_bytes);
    if (!grants)
        return NULL;
    Block block = { .roles = (Role *)&grants->items[found->count] };
    block.permissions = (RolePermission *)&block.roles[need.role_count];
    block.names = (const char **)&block.permissions[need.permission_count];
    block.text = (char *)&block.names[need.name_count];
    grants->count = found->count;
    place_all(&block, found, grants);
    return grants;
}

bool access_look_at_grants(Access *access, Str object_id, void (*look)(const void *grants, void *ctx), void *ctx, Err *err)
{
    AUTO(arena_free_auto) Arena *arena = arena_new(GRANTS_ARENA_BYTES);
    if (!arena)
        return err_set(err, ERR_INTERNAL, "no memory to read role assignments");
    uint8_t key[SHA256_SIZE];
    sha256(bytes_of(str_lower(arena, object_id)), key);
    if (cache_look(access->grants, key, look, ctx))
        return true;

    uint64_t generation = cache_generation(access->grants);
    Load load = { .access = access, .object_id = object_id, .found.arena = arena };
    if (!store_read(access->site->store, load_grants, &load, err))
        return false;
    Grants *grants = pack(&load.found);
    if (!grants)
        return err_set(err, ERR_INTERNAL, "no memory to keep role assignments");
    look(grants, ctx);
    cache_put(access->grants, key, generation, grants);
    return true;
}

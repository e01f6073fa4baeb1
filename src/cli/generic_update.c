/* generic_update.c - changes by path. The tree as it was read never changes: each change writes another and reads that. */
#include "cli/generic_update.h"
#include <stdio.h>

enum { PARTS_MAX = 16, TREE_MAX = 8 << 20 };

typedef enum ChangeKind { CHANGE_SET = 1, CHANGE_ADD, CHANGE_REMOVE } ChangeKind;
typedef struct Change {
    Cli        *cli;
    Err        *err;
    ChangeKind  kind;
    const char *option;
    Str         parts[PARTS_MAX];                         /* of the path: names, and [..] with the brackets */
    size_t      count;
    Str         json;                                     /* of CHANGE_SET: what it becomes */
    const char *const *values;                            /* of CHANGE_ADD */
    size_t      value_count;
    bool        has_index;                                /* of CHANGE_REMOVE: the item of the list at the path's end */
    int64_t     index;
} Change;

static bool is_item(Str part) { return part.len > 0 && part.ptr[0] == '['; }

/* ---- paths ---- */

static bool path_read(Change *c, Str path)
{
    size_t at = 0;
    while (at < path.len) {
        size_t end = at;
        if (path.ptr[at] == '.') {
            at++;
            continue;
        }
        if (path.ptr[at] == '[') {
            while (end < path.len && path.ptr[end] != ']')
                end++;
            if (end++ == path.len)
                return cli_usage(c->cli, c->err, "%s: '[' without ']' in '" STR_FMT "'", c->option, STR_ARG(path));
        } else {
            while (end < path.len && path.ptr[end] != '.' && path.ptr[end] != '[')
                end++;
        }
        if (c->count == PARTS_MAX)
            return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' has more than %d parts", c->option, STR_ARG(path), PARTS_MAX);
        c->parts[c->count++] = str_slice(path, at, end);
        at = end;
    }
    return c->count > 0 || cli_usage(c->cli, c->err, "%s: the path is empty; write it like properties.enablePurgeProtection", c->option);
}

/* "a_name" may be "aName" to the service. */
static bool same_name(Str member, Str part)
{
    size_t m = 0;
    if (str_eq(member, part))
        return true;
    for (size_t i = 0; i < part.len; i++, m++) {
        char c = part.ptr[i];
        if (c == '_' && i > 0 && i + 1 < part.len && part.ptr[i + 1] >= 'a' && part.ptr[i + 1] <= 'z')
            c = (char)(part.ptr[++i] - 'a' + 'A');
        if (m == member.len || member.ptr[m] != c)
            return false;
    }
    return m == member.len;
}

static bool is_equal(Cli *cli, const JsonVal *value, Str text)
{
    return json_kind(value) == JSON_STR ? str_eq(json_str(value), text) : value && str_eq(json_text(cli->arena, value), text);
}

/* Which item of a list [index] or [name=value] means. */
static bool item_find(Change *c, const JsonVal *list, Str part, size_t *which)
{
    Str inner = str_slice(part, 1, part.len - 1), value = inner, name;
    int64_t index;
    size_t found = 0;
    if (!is_item(part))
        return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' is looked for in a list, whose items are picked with [index] or [name=value]", c->option, STR_ARG(part));
    if (str_to_int64(inner, 0, INT32_MAX, &index, &(Err){ 0 })) {
        *which = (size_t)index;
        return *which < json_count(list) || cli_usage(c->cli, c->err, "%s: index %lld doesn't exist; the list has %zu items", c->option, (long long)index, json_count(list));
    }
    name = str_cut(&value, '=');
    char *key = value.ptr ? str_to_cstr(c->cli->arena, name, c->err) : NULL;
    if (!key)
        return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' is neither [index] nor [name=value]", c->option, STR_ARG(part));
    for (size_t i = 0; i < json_count(list); i++)
        if (is_equal(c->cli, json_get(json_at(list, i), key), value)) {
            *which = i;
            found++;
        }
    if (found == 1)
        return true;
    return cli_usage(c->cli, c->err, "%s: %s item of the list has " STR_FMT " '" STR_FMT "'", c->option, found ? "more than one" : "no", STR_ARG(name), STR_ARG(value));
}

/* ---- values ---- */

/* JSON, or Python's words for it, which az takes; anything else is text. */
static bool put_value_text(Change *c, JsonWriter *w, Str text)
{
    static const struct { const char *word, *json; } words[] = { { "True", "true" }, { "False", "false" }, { "None", "null" } };
    const JsonVal *value;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq(text, str_from(words[i].word)) && !arg_flag(c->cli, "--force-string")) {
            json_put_raw(w, NULL, str_from(words[i].json));
            return true;
        }
    if (!arg_flag(c->cli, "--force-string") && json_parse(c->cli->arena, text, JSON_STRICT, &value, &(Err){ 0 }))
        json_put_value(w, NULL, value);
    else
        json_put_str(w, NULL, text);
    return true;
}

static bool value_json(Change *c, Str text, Str *json)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, TREE_MAX);
    json_begin(&w, &buf);
    if (!put_value_text(c, &w, text) || !json_end(&w, c->err))
        return false;
    *json = str_dup(c->cli->arena, buf_str(&buf));
    return json->ptr || err_too_big(c->err);
}

/* name=value pairs that follow each other are one object; what is none ends it, and is an item itself. */
static void put_added(Change *c, JsonWriter *w)
{
    bool is_open = false;
    for (size_t i = 0; i < c->value_count; i++) {
        Str rest = str_from(c->values[i]), name = str_cut(&rest, '=');
        if (is_open && !rest.ptr)
            json_close(w);
        if (!rest.ptr) {
            is_open = false;
            (void)put_value_text(c, w, str_from(c->values[i]));
            continue;
        }
        if (!is_open)
            json_open(w, NULL);
        is_open = true;
        json_put_str_named(w, name, rest);
    }
    if (is_open)
        json_close(w);
}

/* ---- the tree again, with the change; in an array and at the top a value has no name ---- */

static bool put_end(Change *c, JsonWriter *w, Str name, const JsonVal *now)
{
    const JsonVal *value;
    if (c->kind == CHANGE_SET) {
        if (!json_parse(c->cli->arena, c->json, JSON_STRICT, &value, c->err))
            return false;
        json_put_value_named(w, name, value);
        return true;
    }
    if (json_kind(now) != JSON_ARRAY && (c->kind == CHANGE_REMOVE || (now && json_kind(now) != JSON_NULL)))
        return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' is %s, not a list", c->option, STR_ARG(c->parts[c->count - 1]), json_kind_name(json_kind(now)));
    if (c->kind == CHANGE_REMOVE && (uint64_t)c->index >= json_count(now))
        return cli_usage(c->cli, c->err, "%s: index %lld doesn't exist on " STR_FMT, c->option, (long long)c->index, STR_ARG(c->parts[c->count - 1]));
    json_open_array_named(w, name);
    for (size_t i = 0; i < json_count(now); i++)
        if (c->kind != CHANGE_REMOVE || i != (size_t)c->index)
            json_put_value(w, NULL, json_at(now, i));
    if (c->kind == CHANGE_ADD)
        put_added(c, w);
    json_close_array(w);
    return true;
}

static bool not_there(Change *c, const JsonVal *object, Str part)
{
    char known[120] = "";
    size_t used = 0;
    JsonWalk walk = { .object = object };
    Str name;
    const JsonVal *value;
    while (json_walk(&walk, &name, &value) && used < sizeof known)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s" STR_FMT, used ? ", " : "", STR_ARG(name));
    return cli_usage(c->cli, c->err, "%s: couldn't find '" STR_FMT "'. Available options: %s", c->option, STR_ARG(part), known);
}

static bool put_changed(Change *c, JsonWriter *w, Str name, const JsonVal *now, size_t at);

static bool put_list(Change *c, JsonWriter *w, Str name, const JsonVal *now, size_t at, bool removes)
{
    size_t which = 0;
    if (!item_find(c, now, c->parts[at], &which))
        return false;
    json_open_array_named(w, name);
    for (size_t i = 0; i < json_count(now); i++) {
        if (i != which)
            json_put_value(w, NULL, json_at(now, i));
        else if (!removes && !put_changed(c, w, STR_NONE, json_at(now, i), at + 1))
            return false;
    }
    json_close_array(w);
    return true;
}

static bool put_object(Change *c, JsonWriter *w, Str name, const JsonVal *now, size_t at, bool removes)
{
    Str part = c->parts[at], member;
    const JsonVal *value;
    bool found = false;
    JsonWalk walk = { .object = now };
    if (is_item(part))
        return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' is looked for in an object; only lists have items", c->option, STR_ARG(part));
    json_open_named(w, name);
    while (now && json_kind(now) == JSON_OBJECT && json_walk(&walk, &member, &value)) {
        if (found || !same_name(member, part)) {
            json_put_value_named(w, member, value);
            continue;
        }
        found = true;
        if (!removes && !put_changed(c, w, member, value, at + 1))
            return false;
        if (removes && json_kind(value) == JSON_ARRAY) {  /* a list that is removed is an empty one, as with az */
            json_open_array_named(w, member);
            json_close_array(w);
        }
    }
    if (!found && c->kind == CHANGE_REMOVE)
        return not_there(c, now, part);
    if (!found && !put_changed(c, w, part, NULL, at + 1))
        return false;
    json_close(w);
    return true;
}

static bool put_changed(Change *c, JsonWriter *w, Str name, const JsonVal *now, size_t at)
{
    JsonKind kind = json_kind(now);
    if (at == c->count)
        return put_end(c, w, name, now);
    bool removes = c->kind == CHANGE_REMOVE && !c->has_index && at + 1 == c->count;
    if (kind == JSON_ARRAY)
        return put_list(c, w, name, now, at, removes);
    if (kind != JSON_OBJECT && kind != JSON_NULL && kind != JSON_ABSENT)
        return cli_usage(c->cli, c->err, "%s: '" STR_FMT "' is looked for in %s", c->option, STR_ARG(c->parts[at]), json_kind_name(kind));
    return put_object(c, w, name, now, at, removes);
}

static bool apply(Change *c, const JsonVal **tree)
{
    AUTO(buf_done_auto) Buf buf = { 0 };
    JsonWriter w;
    buf_init(&buf, TREE_MAX);
    json_begin(&w, &buf);
    if (!put_changed(c, &w, STR_NONE, *tree, 0) || !json_end(&w, c->err))
        return false;
    Str text = str_dup(c->cli->arena, buf_str(&buf));
    return text.ptr ? json_parse(c->cli->arena, text, JSON_STRICT, tree, c->err) : err_too_big(c->err);
}

/* ---- the options ---- */

/* The first '=' that is not within brackets. */
static bool split_pair(Str text, Str *path, Str *value)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        depth += text.ptr[i] == '[';
        depth -= text.ptr[i] == ']' && depth > 0;
        if (text.ptr[i] == '=' && depth == 0) {
            *path = str_slice(text, 0, i);
            *value = str_slice(text, i + 1, text.len);
            return i > 0;
        }
    }
    return false;
}

static bool set_all(Cli *cli, const Given *given, const JsonVal **tree, Err *err)
{
    for (size_t i = 0; i < given->count; i++) {
        Change c = { .cli = cli, .err = err, .kind = CHANGE_SET, .option = "--set" };
        Str path, value;
        if (!split_pair(str_from(given->values[i]), &path, &value))
            return cli_usage(cli, err, "--set: '%s' is not of the form PATH=VALUE", given->values[i]);
        if (!path_read(&c, path) || !value_json(&c, value, &c.json) || !apply(&c, tree))
            return false;
    }
    return true;
}

static bool add(Cli *cli, const Given *given, const JsonVal **tree, Err *err)
{
    Change c = { .cli = cli, .err = err, .kind = CHANGE_ADD, .option = "--add", .values = given->values + 1, .value_count = given->count - 1 };
    if (given->count < 2)
        return cli_usage(cli, err, "--add: give a list's path and what to add to it: --add PATH VALUE, or --add PATH NAME=VALUE ...");
    return path_read(&c, str_from(given->values[0])) && apply(&c, tree);
}

static bool remove_one(Cli *cli, const Given *given, const JsonVal **tree, Err *err)
{
    Change c = { .cli = cli, .err = err, .kind = CHANGE_REMOVE, .option = "--remove", .has_index = given->count == 2 };
    if (given->count > 2 || (c.has_index && !str_to_int64(str_from(given->values[1]), 0, INT32_MAX, &c.index, &(Err){ 0 })))
        return cli_usage(cli, err, "--remove: give a property's path, or a list's path and an index");
    return path_read(&c, str_from(given->values[0])) && apply(&c, tree);
}

static const struct { const char *name; bool (*fn)(Cli *, const Given *, const JsonVal **, Err *); } options[] = { { "--set", set_all }, { "--add", add }, { "--remove", remove_one } };

bool generic_update_is_given(const Cli *cli)
{
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (arg_given(cli, options[i].name))
            return true;
    return false;
}

bool generic_update(Cli *cli, const JsonVal **tree, Err *err)
{
    for (size_t g = 0; g < cli->args.given_count; g++)
        for (size_t i = 0; i < COUNT_OF(options); i++)
            if (strcmp(cli->args.given[g].option->names, options[i].name) == 0 && !options[i].fn(cli, &cli->args.given[g], tree, err))
                return false;
    return true;
}

bool generic_update_set(Cli *cli, const JsonVal **tree, const char *path, Str json, Err *err)
{
    Change c = { .cli = cli, .err = err, .kind = CHANGE_SET, .option = "--set", .json = json };
    return path_read(&c, str_from(path)) && apply(&c, tree);
}

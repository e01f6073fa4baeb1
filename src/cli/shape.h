/* shape.h - results in the shapes that az prints, so that scripts written for it read ours. */
#pragma once
#include "cli/call.h"

/* A resource of Resource Manager with its group beside its id. `flat`: the members of properties stand at the top. */
void shape_resource(Cli *cli, JsonWriter *w, const JsonVal *item);
void shape_flat(Cli *cli, JsonWriter *w, const JsonVal *item);
Str  shape_group_of_id(Cli *cli, Str id);                                /* absent if it names none */

/* Objects of a vault: attributes with readable times, names beside ids. */
void shape_secret(Cli *cli, JsonWriter *w, const JsonVal *item);
void shape_certificate(Cli *cli, JsonWriter *w, const JsonVal *item);
void shape_operation(Cli *cli, JsonWriter *w, const JsonVal *item);      /* a certificate's pending operation */
void shape_key(Cli *cli, JsonWriter *w, const JsonVal *item);
void shape_rotation_policy(Cli *cli, JsonWriter *w, const JsonVal *item);
Str  shape_time(Arena *arena, int64_t seconds);                           /* as Python writes it: +00:00 instead of Z */
void shape_role_definition(Cli *cli, JsonWriter *w, const JsonVal *item);

/* A certificate policy as az writes it or as the service does, to the service's names; members that are null are left out. */
void policy_to_wire(JsonWriter *w, const char *name, const JsonVal *policy);
void policy_from_wire(JsonWriter *w, const char *name, const JsonVal *policy);

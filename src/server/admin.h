/* admin.h - the administrator's profile: DIR/admin.json, what `vy` and scripts need to reach the site and sign in. */
#pragma once
#include "server/datadir.h"

typedef struct Admin { Str subscription_id, client_id, client_secret; } Admin;

bool admin_write(const DataDir *data, const Admin *admin, Err *err) MUST_CHECK;       /* 0600; URLs carry data->port */
/* The port changed: writes the profile again with its secret. Nothing to do if there is none (it may have been moved to a safe place). */
bool admin_move_port(const DataDir *data, Err *err) MUST_CHECK;

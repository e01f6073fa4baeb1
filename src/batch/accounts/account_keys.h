/* account_keys.h - handlers of an account's keys, of names that are free, and of quotas (account_keys.c); rows are in account_arm.c. */
#pragma once
#include "http/route.h"

Handler account_list_keys, account_regenerate_keys, account_check_name, account_location_quotas;

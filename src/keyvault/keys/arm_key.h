/* arm_key.h - keys as resources of their vault, by which templates make them. PUT makes the first version of a key that is not there and changes
 * none that is. Source: Key Vault management REST documentation 2023-07-01, "Keys". */
#pragma once
#include "site/site.h"

Handler arm_key_put, arm_key_get, arm_key_list, arm_key_get_version, arm_key_list_versions;

/* data_routes.h - the operations of the data plane. */
#pragma once
#include "http/route.h"

extern const Route data_routes[];
extern const size_t data_route_count;

/* inside.h - what tail.c needs of an open Audit. Private to audit/. */
#pragma once
#include "audit/audit.h"

Store *audit_store(const Audit *audit);
const char *audit_dir(const Audit *audit);

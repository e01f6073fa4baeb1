/* outcome.h - how a run ended, as it is reported (docs/node-protocol.md, "Tasks"). */
#pragma once
#include "json/write.h"

enum { FAILURE_DETAILS_MAX = 4 };

typedef struct RunFailure {
    bool is_service;                    /* category servererror, else usererror */
    Str code;                           /* absent: no failure */
    Str message;
    struct { const char *name; Str value; } details[FAILURE_DETAILS_MAX];
    size_t detail_count;
} RunFailure;

typedef struct RunOutcome {
    bool is_lost;
    int64_t start_ms, end_ms;
    bool has_exit;                      /* the program ran: exit_code is 128 + signal when a signal ended it */
    int exit_code, signal;
    RunFailure failure;
} RunOutcome;

void failure_detail(RunFailure *failure, const char *name, Str value);
Str  outcome_text(Arena *arena, const RunOutcome *outcome);                         /* the report's body; absent when the arena is full */

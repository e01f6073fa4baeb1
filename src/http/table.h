/* table.h - the compiled route table; for match.c, mount.c and host.c only. */
#pragma once
#include "http/match.h"

enum { TEMPLATE_SEGMENTS_MAX = 24, PATH_SEGMENTS_MAX = 64 };

typedef enum SegmentKind {
    SEGMENT_LITERAL,                    /* secrets: compared without case */
    SEGMENT_CAPTURE,                    /* {name} */
    SEGMENT_OPTIONAL,                   /* {version?} */
    SEGMENT_REST,                       /* {scope...} */
    SEGMENT_MIXED                       /* certificates(thumbprintAlgorithm={alg},thumbprint={tp}) */
} SegmentKind;

typedef struct Segment { SegmentKind kind; Str text; } Segment;

typedef struct Row {
    const Route *route;
    void *ctx;
    Segment segments[TEMPLATE_SEGMENTS_MAX];
    size_t count;
} Row;

/* The rows of one plane, in the order they were mounted. */
typedef struct PlaneRows { Row *rows; size_t count; } PlaneRows;

struct RouteTable {
    Str base_domain;
    char *base_domain_text;
    const HttpAlias *aliases;
    size_t alias_count;
    const Plane **planes;
    PlaneRows *rows;                    /* beside planes */
    size_t plane_count;
};

/* A path cut at its slashes. Segments are decoded before they are compared, so that an encoded parenthesis is one;
 * what {scope...} takes is cut out of the raw path. */
typedef struct PathParts { Str raw[PATH_SEGMENTS_MAX], decoded[PATH_SEGMENTS_MAX]; size_t count; } PathParts;
bool path_split(Arena *arena, Str path, PathParts *out, Err *err) MUST_CHECK;

/* Does this row take the path? Fills params on success; needs ROUTE_PARAMS_MAX places. */
bool row_takes(const Row *row, const PathParts *path, Str *params, size_t *param_count);
size_t row_segment_params(const Segment *segment);      /* how many params it fills */
const PlaneRows *route_table_rows(const RouteTable *table, const Plane *plane);     /* NULL: not mounted */

/* Date at the front of an api-version; a version without one comes before every date. */
Str version_date(Str version);

/* vectors.h - reads the test vectors in vectors/: records of "Name = value" lines, parted by blank lines; '#' comments. */
#pragma once
#include "base/arena.h"

enum { VECTOR_FIELDS_MAX = 8 };
typedef struct Vector { size_t count; Str names[VECTOR_FIELDS_MAX], values[VECTOR_FIELDS_MAX]; } Vector;
typedef struct Vectors { Str rest; } Vectors;

/* Fails the test when the file is missing: vectors never skip silently. */
Vectors vectors_open(Arena *arena, const char *file);
bool    vectors_next(Vectors *vectors, Vector *out);

Str     vector_text(const Vector *vector, const char *name);                 /* absent if not there */
Bytes   vector_hex(Arena *arena, const Vector *vector, const char *name);    /* fails the test if not there or no hex */
Bytes   vector_base64url(Arena *arena, const Vector *vector, const char *name);

/* secret.h - memory for keys and passwords: locked, left out of core dumps, wiped when freed.
 *
 * A Secret cannot reach the log, the JSON writer or an arena, because none of them takes one. */
#pragma once
#include "base/str.h"

typedef struct Secret Secret;

Secret *secret_new(size_t len_bytes);                     /* zeroed; NULL: could not allocate */
Secret *secret_copy(Bytes bytes);                         /* NULL: could not allocate */
void    secret_free(Secret *secret);                      /* wipes first; NULL is fine */
DEFINE_AUTO_FREE(Secret, secret_free)
uint8_t *secret_ptr(Secret *secret);
Bytes   secret_bytes(const Secret *secret);
void    secret_truncate(Secret *secret, size_t len_bytes); /* wipes the tail; never grows */

bool    secret_equal(Bytes a, Bytes b);                   /* constant time for equal lengths; never memcmp on a tag, token or password */
void    secret_wipe(void *bytes, size_t len_bytes);       /* for locals and borrowed buffers */
void    process_harden(void);                             /* no core dumps, not ptraceable by the same user; called first in each server's main */

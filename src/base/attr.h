/* attr.h - the compiler attributes we rely on (gcc 12 and clang), and cleanup by scope. */
#pragma once

#define MUST_CHECK         __attribute__((warn_unused_result))
#define FORMAT(fmt, first) __attribute__((format(printf, fmt, first)))
#define COUNT_OF(array)    (sizeof(array) / sizeof((array)[0]))

/* AUTO(x_free_auto) X *x = NULL;  is released when it leaves scope; TAKE(x) hands it on. */
#define AUTO(fn) __attribute__((cleanup(fn)))
#define DEFINE_AUTO_FREE(Type, free_fn) \
    __attribute__((unused)) static inline void free_fn##_auto(Type **p) { free_fn(*p); }
#define DEFINE_AUTO_DONE(Type, done_fn) \
    __attribute__((unused)) static inline void done_fn##_auto(Type *p) { done_fn(p); }
#define TAKE(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

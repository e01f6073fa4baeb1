/* key_raw_wrap.c - AES key wrap over a device that does single blocks and keeps the key; see key_raw.h. */
#include "crypto/keys/key_raw.h"

enum { SEMIBLOCK = 8, BLOCK = 16, ROUNDS = 6 };
static const uint8_t PLAIN_IV[SEMIBLOCK] = { 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6 };          /* RFC 3394 section 2.2.3.1 */
static const uint8_t PADDED_IV[4] = { 0xa6, 0x59, 0x59, 0xa6 };                                         /* RFC 5649 section 3, then the length */

static void add_counter(uint8_t *a, uint64_t t)
{
    for (int i = SEMIBLOCK - 1; i >= 0; i--, t >>= 8)
        a[i] ^= (uint8_t)t;
}

/* RFC 3394 section 2.2.1, in place: text is A and then n semiblocks. */
static bool wrap_rounds(const AesDevice *device, uint8_t *text, size_t n, Err *err)
{
    uint8_t in[BLOCK], out[BLOCK];
    bool good = true;
    for (uint64_t t = 1; good && t <= ROUNDS * n; t++) {
        uint8_t *r = text + SEMIBLOCK * (1 + (t - 1) % n);
        memcpy(in, text, SEMIBLOCK);
        memcpy(in + SEMIBLOCK, r, SEMIBLOCK);
        good = device->block(device->self, false, in, out, err);
        if (!good)
            break;
        memcpy(text, out, SEMIBLOCK);
        add_counter(text, t);
        memcpy(r, out + SEMIBLOCK, SEMIBLOCK);
    }
    secret_wipe(in, sizeof in);
    return good;
}

/* Section 2.2.2. */
static bool unwrap_rounds(const AesDevice *device, uint8_t *text, size_t n, Err *err)
{
    uint8_t in[BLOCK], out[BLOCK];
    bool good = true;
    for (uint64_t t = ROUNDS * n; good && t > 0; t--) {
        uint8_t *r = text + SEMIBLOCK * (1 + (t - 1) % n);
        add_counter(text, t);
        memcpy(in, text, SEMIBLOCK);
        memcpy(in + SEMIBLOCK, r, SEMIBLOCK);
        good = device->block(device->self, true, in, out, err);
        if (!good)
            break;
        memcpy(text, out, SEMIBLOCK);
        memcpy(r, out + SEMIBLOCK, SEMIBLOCK);
    }
    secret_wipe(out, sizeof out);
    return good;
}

bool aes_wrap(const AesDevice *device, bool is_padded, Bytes plain, uint8_t *out, size_t *len, Err *err)
{
    size_t n = (plain.len + SEMIBLOCK - 1) / SEMIBLOCK;
    memset(out, 0, SEMIBLOCK * (n + 1));
    memcpy(out, PLAIN_IV, SEMIBLOCK);
    memcpy(out + SEMIBLOCK, plain.ptr, plain.len);
    if (is_padded) {
        memcpy(out, PADDED_IV, sizeof PADDED_IV);
        for (size_t i = 0; i < 4; i++)
            out[4 + i] = (uint8_t)(plain.len >> (24 - 8 * i));
    }
    uint8_t single[BLOCK];
    bool good;
    if (n == 1) {                               /* RFC 5649 section 4.1: one block and no rounds */
        good = device->block(device->self, false, out, single, err);
        if (good)
            memcpy(out, single, BLOCK);
    } else {
        good = wrap_rounds(device, out, n, err);
    }
    if (!good) {
        secret_wipe(out, SEMIBLOCK * (n + 1));
        return false;
    }
    *len = SEMIBLOCK * (n + 1);
    return true;
}

/* All of it is looked at, whatever is wrong: how long it takes tells nothing. */
static bool is_intact(bool is_padded, const uint8_t *text, size_t n, size_t *len)
{
    unsigned wrong = 0;
    size_t most = SEMIBLOCK * n, stated = most;
    if (is_padded) {
        stated = (size_t)text[4] << 24 | (size_t)text[5] << 16 | (size_t)text[6] << 8 | text[7];
        for (size_t i = 0; i < sizeof PADDED_IV; i++)
            wrong |= text[i] ^ PADDED_IV[i];
        wrong |= stated > most || stated + SEMIBLOCK <= most;
        for (size_t i = most - SEMIBLOCK; i < most; i++)
            wrong |= (unsigned)-(i >= stated) & text[SEMIBLOCK + i];
    } else {
        for (size_t i = 0; i < SEMIBLOCK; i++)
            wrong |= text[i] ^ PLAIN_IV[i];
    }
    *len = stated;
    return !wrong;
}

bool aes_unwrap(const AesDevice *device, bool is_padded, Bytes wrapped, Secret **plain, Err *err)
{
    size_t n = wrapped.len / SEMIBLOCK - 1, len;
    AUTO(secret_free_auto) Secret *text = secret_copy(wrapped);
    AUTO(secret_free_auto) Secret *single = secret_new(BLOCK);
    if (!text || !single)
        return err_set(err, ERR_INTERNAL, "out of memory for an unwrapped value");
    uint8_t *bytes = secret_ptr(text);
    if (n == 1) {
        if (!device->block(device->self, true, bytes, secret_ptr(single), err))
            return false;
        memcpy(bytes, secret_ptr(single), BLOCK);
    } else if (!unwrap_rounds(device, bytes, n, err)) {
        return false;
    }
    if (!is_intact(is_padded, bytes, n, &len))
        return err_field(err, "value", "value does not decrypt with this key and algorithm");
    memmove(bytes, bytes + SEMIBLOCK, len);
    secret_truncate(text, len);
    *plain = TAKE(text);
    return true;
}

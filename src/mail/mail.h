/* mail.h - one message to a relay, by SMTP (RFC 5321) through libcurl. */
#pragma once
#include "base/arena.h"

typedef enum MailTls { MAIL_STARTTLS = 0, MAIL_IMPLICIT, MAIL_PLAIN } MailTls;     /* STARTTLS (RFC 3207) is a must where it is asked for; IMPLICIT: RFC 8314 */

typedef struct MailRelay {
    const char *host;                   /* "mail.example" */
    int port;
    MailTls tls;
    const char *ca_file;                /* NULL: the system's */
    const char *user, *password_file;   /* NULL: no sign-in; the file is read for each message, so that it can be changed */
    Str from;                           /* the address that replies and complaints go to */
} MailRelay;

enum { MAIL_RECIPIENTS_MAX = 100 };
typedef struct MailMessage {
    const Str *to; size_t to_count;
    Str subject, text;                  /* UTF-8; lines end in LF */
    Str id;                             /* of this message, for Message-ID: the same when it is sent again, so that receivers can drop one of them */
    int64_t time_ms;
} MailMessage;

/* Nothing that could end an address, a header line or a command: what mail_send takes. */
bool mail_address_is_plain(Str address);

/* true: the relay has taken it for at least one recipient; *refused is how many it would not have. ERR_UNAVAILABLE: it has not (try again), in one
 * sentence. ERR_BAD_INPUT: a recipient that is no address. Takes up to a minute. */
bool mail_send(const MailRelay *relay, Arena *arena, const MailMessage *message, size_t *refused, Err *err) MUST_CHECK;
/* The message as it is sent (RFC 5322). */
bool mail_compose(Arena *arena, const MailRelay *relay, const MailMessage *message, Str *out, Err *err) MUST_CHECK;

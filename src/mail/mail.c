/* mail.c - see mail.h. */
#include "mail/mail.h"
#include <curl/curl.h>
#include <time.h>
#include "base/buf.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/secret.h"

enum { CONNECT_MS = 15 * 1000, SEND_MS = 60 * 1000, MESSAGE_MAX = 256 << 10, PASSWORD_MAX = 4096, ADDRESS_MAX = 320, LINE_BYTES = 60 };

DEFINE_AUTO_FREE(CURL, curl_easy_cleanup)
typedef struct curl_slist List;
DEFINE_AUTO_FREE(List, curl_slist_free_all)

bool mail_address_is_plain(Str address)
{
    Str domain = address, local = str_cut(&domain, '@');
    if (str_empty(local) || str_empty(domain) || address.len > ADDRESS_MAX)
        return false;
    size_t ats = 0;
    for (size_t i = 0; i < address.len; i++) {
        unsigned char c = (unsigned char)address.ptr[i];
        if (c <= ' ' || c == 0x7F || strchr("<>()[],;:\\\"", c))
            return false;
        ats += c == '@';
    }
    return ats == 1 && str_is_utf8(address);
}

static bool is_ascii(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || (unsigned char)text.ptr[i] > '~')
            return false;
    return true;
}

/* RFC 2047 section 2: an encoded word is at most 75 characters; pieces end between characters. */
static void put_header_text(Arena *arena, Buf *out, Str text)
{
    enum { PIECE = 42 };
    if (is_ascii(text)) {
        buf_put_str(out, text);
        return;
    }
    for (size_t at = 0; at < text.len;) {
        size_t end = at + PIECE < text.len ? at + PIECE : text.len;
        while (end < text.len && end > at && ((unsigned char)text.ptr[end] & 0xC0) == 0x80)
            end--;
        Str word = base64_encode(arena, bytes_of(str_slice(text, at, end)));
        buf_printf(out, "%s=?UTF-8?B?" STR_FMT "?=", at ? "\r\n " : "", STR_ARG(word));
        at = end;
    }
}

/* RFC 5322 section 3.3. */
static void put_date(Buf *out, int64_t time_ms)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm when;
    gmtime_r(&seconds, &when);
    buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[when.tm_wday], when.tm_mday, months[when.tm_mon], when.tm_year + 1900, when.tm_hour, when.tm_min,
               when.tm_sec);
}

static bool recipients_check(const MailMessage *message, Err *err)
{
    if (message->to_count == 0 || message->to_count > MAIL_RECIPIENTS_MAX)
        return err_set(err, ERR_BAD_INPUT, "a message has 1 to %d recipients", MAIL_RECIPIENTS_MAX);
    for (size_t i = 0; i < message->to_count; i++)
        if (!mail_address_is_plain(message->to[i]))
            return err_set(err, ERR_BAD_INPUT, "recipient %zu is no e-mail address", i);
    return true;
}

bool mail_compose(Arena *arena, const MailRelay *relay, const MailMessage *message, Str *out, Err *err)
{
    AUTO(buf_done_auto) Buf text = { 0 };
    Str domain = relay->from;
    (void)str_cut(&domain, '@');
    if (!recipients_check(message, err))
        return false;
    buf_init(&text, MESSAGE_MAX);
    put_date(&text, message->time_ms);
    buf_printf(&text, "From: Vaultyard <" STR_FMT ">\r\nTo: ", STR_ARG(relay->from));
    for (size_t i = 0; i < message->to_count; i++)
        buf_printf(&text, "%s<" STR_FMT ">", i ? ",\r\n " : "", STR_ARG(message->to[i]));
    buf_put_str(&text, STR("\r\nSubject: "));
    put_header_text(arena, &text, message->subject);
    /* RFC 3834 section 5: nobody's holiday answers this. */
    buf_printf(&text, "\r\nMessage-ID: <" STR_FMT "@" STR_FMT ">\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
               "Content-Transfer-Encoding: base64\r\n\r\n", STR_ARG(message->id), STR_ARG(domain));
    Str body = base64_encode(arena, bytes_of(message->text));
    for (size_t at = 0; at < body.len; at += LINE_BYTES)
        buf_printf(&text, STR_FMT "\r\n", STR_ARG(str_slice(body, at, at + LINE_BYTES)));
    *out = str_dup(arena, buf_str(&text));
    return text.failed || !arena_ok(arena) ? err_too_big(err) : true;
}

typedef struct Outgoing { Str rest; } Outgoing;

static size_t give(char *out, size_t size, size_t count, void *ctx)
{
    Outgoing *outgoing = ctx;
    size_t room = size * count, len = outgoing->rest.len < room ? outgoing->rest.len : room;
    memcpy(out, outgoing->rest.ptr, len);
    outgoing->rest = str_slice(outgoing->rest, len, outgoing->rest.len);
    return len;
}

/* The last line of the file is not part of the password if it is only an end of line. */
static bool read_password(const MailRelay *relay, Arena *arena, const char **out, Err *err)
{
    Str text;
    Err why = { 0 };
    if (!file_read(arena, relay->password_file, PASSWORD_MAX, &text, &why))
        return err_set(err, ERR_UNAVAILABLE, "the password of the mail relay cannot be read: %s", why.text);
    char *bytes = (char *)(uintptr_t)text.ptr;
    while (text.len > 0 && (bytes[text.len - 1] == '\n' || bytes[text.len - 1] == '\r'))
        bytes[--text.len] = '\0';
    *out = bytes;
    return true;
}

static bool set_up(CURL *easy, const MailRelay *relay, const char *url, const char *from, const char *password, List *to, Outgoing *outgoing, char *reason, Err *err)
{
    bool set = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L) == CURLE_OK &&           /* one bad address does not cost the others theirs */
               curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_READFUNCTION, give) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_READDATA, outgoing) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_USE_SSL, relay->tls == MAIL_PLAIN ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)SEND_MS) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, reason) == CURLE_OK;
    if (set && relay->ca_file)
        set = curl_easy_setopt(easy, CURLOPT_CAINFO, relay->ca_file) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    if (set && relay->user)
        set = curl_easy_setopt(easy, CURLOPT_USERNAME, relay->user) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_PASSWORD, password ? password : "") == CURLE_OK;
    return set || err_set(err, ERR_INTERNAL, "libcurl takes no mail");
}

/* How many of the recipients were taken is in the log of the conversation alone. */
typedef struct Talk { bool asks_recipient; size_t refused; } Talk;

static int listen_in(CURL *easy, curl_infotype type, char *bytes, size_t len, void *ctx)
{
    Talk *talk = ctx;
    Str line = { bytes, len };
    (void)easy;
    if (type == CURLINFO_HEADER_OUT)
        talk->asks_recipient = str_starts_nocase(line, STR("RCPT TO"));
    else if (type == CURLINFO_HEADER_IN && talk->asks_recipient && len > 0)
        talk->refused += bytes[0] == '4' || bytes[0] == '5';
    return 0;
}

bool mail_send(const MailRelay *relay, Arena *arena, const MailMessage *message, size_t *refused, Err *err)
{
    AUTO(curl_easy_cleanup_auto) CURL *easy = curl_easy_init();
    AUTO(curl_slist_free_all_auto) List *to = NULL;
    char reason[CURL_ERROR_SIZE] = "";
    const char *password = NULL;
    Talk talk = { 0 };
    Str text;
    if (!easy)
        return err_set(err, ERR_INTERNAL, "cannot start libcurl");
    if (!mail_compose(arena, relay, message, &text, err) || (relay->password_file && !read_password(relay, arena, &password, err)))
        return false;
    for (size_t i = 0; i < message->to_count; i++) {
        List *longer = curl_slist_append(to, str_printf(arena, STR_FMT "%c", STR_ARG(message->to[i]), '\0').ptr);
        if (!longer)
            return err_set(err, ERR_INTERNAL, "out of memory for recipients");
        to = longer;
    }
    Outgoing outgoing = { text };
    Str url = str_printf(arena, "%s://%s:%d%c", relay->tls == MAIL_IMPLICIT ? "smtps" : "smtp", relay->host, relay->port, '\0');
    Str from = str_printf(arena, STR_FMT "%c", STR_ARG(relay->from), '\0');
    if (!arena_ok(arena))
        return err_too_big(err);
    bool set = set_up(easy, relay, url.ptr, from.ptr, password, to, &outgoing, reason, err) && curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, listen_in) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &talk) == CURLE_OK && curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK;
    CURLcode result = set ? curl_easy_perform(easy) : CURLE_FAILED_INIT;
    if (password)
        secret_wipe((void *)(uintptr_t)password, strlen(password));
    if (!set)
        return false;
    *refused = talk.refused;
    return result == CURLE_OK || err_set(err, ERR_UNAVAILABLE, "the mail relay %s did not take the message: %s", relay->host, reason[0] ? reason : curl_easy_strerror(result));
}

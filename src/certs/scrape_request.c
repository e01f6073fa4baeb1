/* scrape_request.c - where to listen, and what is a request for the metrics (RFC 9112 sections 2 to 5). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/un.h>
#include "certs/scrape.h"

static bool no_address(Str listen, Err *err)
{
    return err_field(err, "vaultyard.metrics.listen", "'" STR_FMT "' must be an address and a port such as 127.0.0.1:9477 or [::1]:9477, or unix:/absolute/path",
                     STR_ARG(str_slice(listen, 0, 120)));
}

bool scrape_address(Str listen, ScrapeAddress *out, Err *err)
{
    ScrapeAddress address = { 0 };
    struct sockaddr_un *local = (struct sockaddr_un *)&address.to;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address.to;
    char host[INET6_ADDRSTRLEN];
    int64_t port;
    if (listen.len && memchr(listen.ptr, '\0', listen.len))
        return no_address(listen, err);
    if (str_starts(listen, STR("unix:"))) {
        Str path = str_slice(listen, 5, listen.len);
        if (!str_starts(path, STR("/")) || str_ends(path, STR("/")) || path.len >= sizeof local->sun_path)
            return no_address(listen, err);
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, path.ptr, path.len);
        address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
        *out = address;
        return true;
    }
    size_t colon = listen.len;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2 || !str_to_int64(str_slice(listen, colon, listen.len), 0, 65535, &port, err))
        return no_address(listen, err);
    Str name = str_slice(listen, 0, colon - 1);
    bool bracketed = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    if (bracketed)
        name = str_slice(name, 1, name.len - 1);
    if (name.len >= sizeof host)
        return no_address(listen, err);
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    if (bracketed ? inet_pton(AF_INET6, host, &v6->sin6_addr) != 1 : inet_pton(AF_INET, host, &v4->sin_addr) != 1)
        return no_address(listen, err);
    address.to.ss_family = bracketed ? AF_INET6 : AF_INET;
    *(bracketed ? &v6->sin6_port : &v4->sin_port) = htons((uint16_t)port);
    address.len = bracketed ? sizeof *v6 : sizeof *v4;
    *out = address;
    return true;
}

static bool is_token(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], folded = (char)(c | 0x20);
        if (!((folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return text.len > 0;
}

/* Neither controls nor spaces; bytes beyond ASCII are nobody's business here. */
static bool is_target(Str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0;
}

static bool is_metrics(Str target)
{
    if (str_starts_nocase(target, STR("http://"))) {             /* the absolute form, which every server has to take (section 3.2.2) */
        target = str_slice(target, 7, target.len);
        (void)str_cut(&target, '/');
        return str_eq(str_cut(&target, '?'), STR("metrics"));
    }
    return str_eq(str_cut(&target, '?'), STR("/metrics"));
}

/* The fields' names and values, and that an HTTP/1.1 request has one Host. */
static bool are_fields(Str fields, bool needs_host)
{
    int hosts = 0;
    while (fields.len) {
        size_t end;
        if (!str_find(fields, STR("\r\n"), &end))
            end = fields.len;
        Str value = str_slice(fields, 0, end), name = str_cut(&value, ':');
        if (!value.ptr || !is_token(name))
            return false;
        for (size_t i = 0; i < value.len; i++)
            if (((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
                return false;
        hosts += str_eq_nocase(name, STR("Host"));
        fields = str_slice(fields, end + 2, fields.len);
    }
    return hosts == 1 || (hosts == 0 && !needs_host);
}

int scrape_judge(Str received)
{
    size_t end, line_end;
    if (!str_find(received, STR("\r\n\r\n"), &end))
        return received.len >= SCRAPE_HEAD_MAX ? 431 : 0;
    Str head = str_slice(received, 0, end);
    if (!str_find(head, STR("\r\n"), &line_end))
        line_end = head.len;
    Str line = str_slice(head, 0, line_end), method = str_cut(&line, ' '), target = str_cut(&line, ' '), version = line;
    if (!is_token(method) || !is_target(target) || version.len != 8 || !str_starts(version, STR("HTTP/")) || version.ptr[6] != '.')
        return 400;
    if (!str_eq(version, STR("HTTP/1.1")) && !str_eq(version, STR("HTTP/1.0")))
        return 505;
    if (!are_fields(str_slice(head, line_end + 2, head.len), version.ptr[7] == '1'))
        return 400;
    if (!is_metrics(target))
        return 404;
    return str_eq(method, STR("GET")) ? 200 : 405;
}

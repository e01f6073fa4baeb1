/* password.c - passwords from the terminal with echo off. */
#include "cli/password.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/select.h>
#include <termios.h>
#include <unistd.h>
#include "base/file.h"

enum { TRIES_MAX = 3 };

/* Not those of a background process that asks: the default, to stop it before it touches the terminal, is right. */
static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

typedef struct Terminal {
    int fd;
    bool is_quiet;
    struct termios before;
    sigset_t mask;                                         /* of the caller; ours keeps the signals back but while we wait */
    struct sigaction actions[COUNT_OF(signals)];
} Terminal;

/* ---- the terminal while it is ours ---- */

static bool terminal_begin(Terminal *t, Err *err)
{
    struct sigaction action = { .sa_handler = on_signal };
    sigset_t kept_back;

    *t = (Terminal){ .fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) };
    if (t->fd < 0 || tcgetattr(t->fd, &t->before) < 0)
        return err_set(err, ERR_BAD_INPUT, "there is no terminal to ask for a password on");

    struct termios quiet = t->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    quiet.c_lflag |= ICANON | ISIG;
    quiet.c_iflag |= ICRNL;
    caught = 0;
    (void)sigemptyset(&kept_back);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)sigaddset(&kept_back, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &kept_back, &t->mask);
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        (void)sigaction(signals[i], &action, &t->actions[i]);
    t->is_quiet = true;
    return tcsetattr(t->fd, TCSAFLUSH, &quiet) == 0 || err_errno(err, "cannot turn the echo of the terminal off");
}

/* Returns the signal that came meanwhile; 0: none. */
static int terminal_end(Terminal *t)
{
    if (t->is_quiet) {
        (void)tcsetattr(t->fd, TCSADRAIN, &t->before);
        for (size_t i = 0; i < COUNT_OF(signals); i++)
            (void)sigaction(signals[i], &t->actions[i], NULL);
        (void)sigprocmask(SIG_SETMASK, &t->mask, NULL);
    }
    fd_close(&t->fd);
    return t->is_quiet ? caught : 0;
}

static void say(const Terminal *t, const char *text)
{
    (void)!write(t->fd, text, strlen(text));               /* a terminal that takes no question gives no answer either */
}

/* ---- one answer ---- */

static bool check_answer(const Secret *line, bool too_long, Err *err)
{
    if (too_long)
        return err_set(err, ERR_BAD_INPUT, "the password has more than %d bytes", PASSWORD_BYTES_MAX);
    if (!str_is_utf8(str_of(secret_bytes(line))))
        return err_set(err, ERR_BAD_INPUT, "the password is not UTF-8; set the terminal to UTF-8");
    return true;
}

/* 1: a character; 0: the end; -1: trouble, or a signal came. */
static int read_char(const Terminal *t, char *c)
{
    fd_set set;

    FD_ZERO(&set);
    FD_SET(t->fd, &set);
    if (pselect(t->fd + 1, &set, NULL, NULL, NULL, &t->mask) < 0)
        return -1;
    return (int)read(t->fd, c, 1);
}

static bool read_line(const Terminal *t, Secret **out, Err *err)
{
    AUTO(secret_free_auto) Secret *line = secret_new(PASSWORD_BYTES_MAX);
    size_t len = 0;
    bool too_long = false;
    char c = '\0';

    if (!line)
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (;;) {
        int got = read_char(t, &c);
        if (got < 0 && errno == EINTR && !caught)
            continue;
        if (got < 0 || (got == 0 && len == 0))
            return err_set(err, ERR_BAD_INPUT, "no password was given");
        if (got == 0 || c == '\n')
            break;
        if (len < PASSWORD_BYTES_MAX)
            secret_ptr(line)[len++] = (uint8_t)c;
        else
            too_long = true;
    }
    secret_wipe(&c, sizeof c);
    secret_truncate(line, len);
    if (!check_answer(line, too_long, err))
        return false;
    *out = TAKE(line);
    return true;
}

static bool ask(const Terminal *t, const char *question, Secret **out, Err *err)
{
    say(t, question);
    bool answered = read_line(t, out, err);
    say(t, "\n");                                          /* the one that was typed is not shown either */
    return answered;
}

static bool ask_twice(const Terminal *t, const char *question, const char *repeat, Secret **out, Err *err)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        AUTO(secret_free_auto) Secret *first = NULL, *second = NULL;
        if (!ask(t, question, &first, err) || !ask(t, repeat, &second, err))
            return false;
        if (secret_equal(secret_bytes(first), secret_bytes(second))) {
            *out = TAKE(first);
            return true;
        }
        say(t, "The two are not the same.\n");
    }
    return err_set(err, ERR_BAD_INPUT, "the password and its repetition differed %d times", TRIES_MAX);
}

/* ---- from beginning to end ---- */

/* repeat NULL: an existing password. */
static bool session(const char *question, const char *repeat, Secret **out, Err *err)
{
    for (;;) {
        AUTO(secret_free_auto) Secret *answer = NULL;
        Terminal t;
        bool answered = terminal_begin(&t, err) && (repeat ? ask_twice(&t, question, repeat, &answer, err) : ask(&t, question, &answer, err));
        int number = terminal_end(&t);
        if (number)
            (void)raise(number);                           /* as if we had never caught it; on from here when it was a stop */
        if (number == SIGTSTP)
            continue;
        if (answered && !number)
            *out = TAKE(answer);
        return number ? err_set(err, ERR_BAD_INPUT, "no password was given") : answered;
    }
}

bool password_ask(const char *question, Secret **out, Err *err)
{
    return session(question, NULL, out, err);
}

bool password_ask_new(const char *question, const char *repeat, Secret **out, Err *err)
{
    return session(question, repeat, out, err);
}

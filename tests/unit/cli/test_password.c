/* test_password.c - questions on a pseudo-terminal: what is asked, what is not shown, and what becomes of the terminal. */
#include "../cm.h"
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "cli/password.h"

enum { OUTPUT_MAX = 16384, WAIT_MS = 60000 };

typedef struct Talk { pid_t pid; int fd; char seen[OUTPUT_MAX]; size_t len, read_to; } Talk;

/* What the child does: ask, say what it got and whether the terminal echoes. */
static void ask_and_tell(bool is_new)
{
    Secret *secret = NULL;
    struct termios now;
    Err err = { 0 };
    bool done = is_new ? password_ask_new("Password: ", "Again: ", &secret, &err) : password_ask("Password: ", &secret, &err);

    if (done)
        printf("got <" STR_FMT "> ", STR_ARG(str_of(secret_bytes(secret))));
    else
        printf("refused <%s> ", err.text);
    if (tcgetattr(STDIN_FILENO, &now) == 0)
        printf("echo %s.\n", now.c_lflag & ECHO ? "on" : "off");
    else
        printf("no terminal.\n");
    fflush(stdout);
    secret_free(secret);
}

static Talk *talk_begin(bool is_new)
{
    Talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->pid = forkpty(&t->fd, NULL, NULL, NULL);
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        ask_and_tell(is_new);
        _exit(0);
    }
    return t;
}

static void say(Talk *t, const char *text)
{
    assert_int_equal(write(t->fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Reads until `text` has come behind what was waited for before. */
static void wait_for(Talk *t, const char *text)
{
    char *at;
    while (!(at = strstr(t->seen + t->read_to, text))) {
        struct pollfd ready = { .fd = t->fd, .events = POLLIN };
        ssize_t got = poll(&ready, 1, WAIT_MS) > 0 ? read(t->fd, t->seen + t->len, OUTPUT_MAX - 1 - t->len) : -1;
        if (got <= 0)
            fail_msg("waited for '%s' and saw '%s'", text, t->seen + t->read_to);
        t->len += (size_t)got;
    }
    t->read_to = (size_t)(at - t->seen) + strlen(text);
}

static void answer(Talk *t, const char *question, const char *text)
{
    wait_for(t, question);
    say(t, text);
}

/* How the child ended, as waitpid says. */
static int talk_end(Talk *t)
{
    int status;
    while (waitpid(t->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    close(t->fd);
    free(t);
    return status;
}

static void test_an_answer_is_not_shown_and_the_echo_comes_back(void **state)
{
    (void)state;
    Talk *t = talk_begin(false);
    answer(t, "Password: ", "s\xc3\xa9" "cret with spaces \n");
    wait_for(t, "got <");
    assert_null(memmem(t->seen, t->read_to, "cret", 4));       /* shown by nobody before the child tells it */
    wait_for(t, "s\xc3\xa9" "cret with spaces > echo on.");
    assert_int_equal(talk_end(t), 0);
}

static void test_the_line_can_be_edited_and_be_empty(void **state)
{
    (void)state;
    Talk *t = talk_begin(false);
    answer(t, "Password: ", "wrong\x15righ\x7fht\n");           /* ^U and the rubout key */
    wait_for(t, "got <right> echo on.");
    assert_int_equal(talk_end(t), 0);
    t = talk_begin(false);
    answer(t, "Password: ", "\n");
    wait_for(t, "got <> echo on.");
    assert_int_equal(talk_end(t), 0);
}

static void test_a_new_password_is_asked_twice(void **state)
{
    (void)state;
    Talk *t = talk_begin(true);
    answer(t, "Password: ", "one\n");
    answer(t, "Again: ", "one\n");
    wait_for(t, "got <one> echo on.");
    assert_int_equal(talk_end(t), 0);

    t = talk_begin(true);                                        /* both lines at once, as a script may send them */
    answer(t, "Password: ", "two\ntwo\n");
    wait_for(t, "got <two> echo on.");
    assert_int_equal(talk_end(t), 0);
}

static void test_answers_that_differ_are_asked_again_and_refused_the_third_time(void **state)
{
    (void)state;
    Talk *t = talk_begin(true);
    answer(t, "Password: ", "one\n");
    answer(t, "Again: ", "onE\n");
    answer(t, "not the same.\r\nPassword: ", "two\n");
    answer(t, "Again: ", "two\n");
    wait_for(t, "got <two> echo on.");
    assert_int_equal(talk_end(t), 0);

    t = talk_begin(true);
    for (int i = 0; i < 3; i++) {
        answer(t, "Password: ", "one\n");
        answer(t, "Again: ", "\n");
    }
    wait_for(t, "refused <the password and its repetition differed 3 times> echo on.");
    assert_int_equal(talk_end(t), 0);
}

static void test_bad_answers_are_refused(void **state)
{
    (void)state;
    char longest[PASSWORD_BYTES_MAX + 3];
    Talk *t = talk_begin(false);
    answer(t, "Password: ", "\xff\xfe\n");
    wait_for(t, "refused <the password is not UTF-8; set the terminal to UTF-8> echo on.");
    assert_int_equal(talk_end(t), 0);

    t = talk_begin(false);
    answer(t, "Password: ", "\x04");                             /* ^D: the end */
    wait_for(t, "refused <no password was given> echo on.");
    assert_int_equal(talk_end(t), 0);

    for (size_t len = PASSWORD_BYTES_MAX; len <= PASSWORD_BYTES_MAX + 1; len++) {
        memset(longest, 'x', len);
        memcpy(longest + len, "\n", 2);
        t = talk_begin(false);
        answer(t, "Password: ", longest);
        wait_for(t, len == PASSWORD_BYTES_MAX ? "x> echo on." : "refused <the password has more than 512 bytes> echo on.");
        assert_int_equal(talk_end(t), 0);
    }
}

static const char *echo_now(void)
{
    struct termios now;
    return tcgetattr(STDIN_FILENO, &now) < 0 ? "unknown" : now.c_lflag & ECHO ? "on" : "off";
}

/* A shell in little: it runs the asking process as a job of its own, tells what becomes of it, and wakes it when it was stopped. */
static void run_job(void)
{
    int ready[2], status;
    char go;
    if (pipe(ready) < 0)
        _exit(9);
    pid_t job = fork();
    if (job == 0) {
        struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        if (read(ready[0], &go, 1) == 1)                         /* not before it is in the foreground */
            ask_and_tell(true);
        _exit(0);
    }
    (void)signal(SIGTTOU, SIG_IGN);
    if (setpgid(job, job) < 0 || tcsetpgrp(STDIN_FILENO, job) < 0 || write(ready[1], "g", 1) != 1)
        _exit(8);
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
        printf("stopped, echo %s.\n", echo_now());
        fflush(stdout);
        (void)kill(job, SIGCONT);
    }
    if (WIFSIGNALED(status))
        printf("killed by %d, echo %s.\n", WTERMSIG(status), echo_now());
    fflush(stdout);
    _exit(0);
}

static Talk *job_begin(void)
{
    Talk *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->pid = forkpty(&t->fd, NULL, NULL, NULL);
    assert_true(t->pid >= 0);
    if (t->pid == 0)
        run_job();
    return t;
}

static void test_an_interrupt_ends_the_program_with_the_echo_back(void **state)
{
    (void)state;
    static const struct { const char *key, *end; } keys[] = { { "\x03", "killed by 2, echo on." }, { "\x1c", "killed by 3, echo on." } };

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        Talk *t = job_begin();
        answer(t, "Password: ", "one\n");
        answer(t, "Again: ", "half");
        say(t, keys[i].key);
        wait_for(t, keys[i].end);
        assert_int_equal(talk_end(t), 0);
    }
}

static void test_a_stopped_program_asks_again(void **state)
{
    (void)state;
    Talk *t = job_begin();
    answer(t, "Password: ", "half\x1a");                         /* ^Z */
    wait_for(t, "stopped, echo on.");
    answer(t, "Password: ", "one\n");
    answer(t, "Again: ", "\x1a");
    wait_for(t, "stopped, echo on.");
    answer(t, "Password: ", "whole\n");
    answer(t, "Again: ", "whole\n");
    wait_for(t, "got <whole> echo on.");
    assert_int_equal(talk_end(t), 0);
}

static void test_without_a_terminal_it_is_refused(void **state)
{
    (void)state;
    char text[256] = "";
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();                                          /* a session of its own has no terminal */
        (void)dup2(ends[0], STDIN_FILENO);
        (void)dup2(ends[1], STDOUT_FILENO);
        ask_and_tell(false);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    assert_string_equal(text, "refused <there is no terminal to ask for a password on> no terminal.\n");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    /* A test run in the background may have inherited these as ignored, and an ignored signal ends nothing. */
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGQUIT, SIG_DFL);
    (void)signal(SIGTSTP, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_not_shown_and_the_echo_comes_back), cmocka_unit_test(test_the_line_can_be_edited_and_be_empty),
        cmocka_unit_test(test_a_new_password_is_asked_twice),                  cmocka_unit_test(test_answers_that_differ_are_asked_again_and_refused_the_third_time),
        cmocka_unit_test(test_bad_answers_are_refused),                        cmocka_unit_test(test_an_interrupt_ends_the_program_with_the_echo_back),
        cmocka_unit_test(test_a_stopped_program_asks_again),                   cmocka_unit_test(test_without_a_terminal_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

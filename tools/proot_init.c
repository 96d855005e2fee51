/* The first program of a step on the host; the first and the last before the command of a step in PRoot.  It
   needs no C library.

   proot-init host PARENT REPORT TTY DIRECTORY COMMAND ARGUMENT...

   Becomes COMMAND in DIRECTORY, in a session of its own that dies with the process PARENT, with standard input as
   its controlling terminal if TTY is 1.

   proot-init start PARENT REPORT RULESET FILTER TTY PROGRAM ARGUMENT...

   Becomes PROGRAM, which is PRoot, likewise; restricted by the Landlock rules in the descriptor RULESET (-: none)
   and by the seccomp program FILTER (bytes as hexadecimal digits).

   proot-init run REPORT SELF COMMAND ARGUMENT...

   Runs COMMAND inside of PRoot, and ends with its status, 128 + n after signal n: PRoot itself may call a killed
   command a success.  No signal but SIGKILL ends it before the command has ended.  SELF is the descriptor that
   it was executed from; the command gets neither.

   What goes wrong, and how the command ended, is written to the descriptor REPORT.  That, how the command is
   looked up and what is said if it cannot be executed are as in executors/dodas/containers/engines/start.py;
   the command lines are made in host.py and traced.py there. */

#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/uio.h>
#include <linux/wait.h>

enum { FAULT = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };
enum { LONGEST_PATH = 4096, LONGEST_FILTER = 4096 };
enum { LANDLOCK_RESTRICT_SELF = 446 }; /* newer than the headers of some */

/* What it was built from, for who looks whether it is the present source. */
__attribute__((used)) static const char source[] = SOURCE;

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static long call(long number, long a, long b, long c, long d, long e)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return number;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
#error "how this architecture makes system calls is not known here"
#endif
}

static long execute(const char *path, char **words, char **environment)
{
    return call(__NR_execve, (long)path, (long)words, (long)environment, 0, 0);
}

static unsigned long length(const char *text)
{
    unsigned long count = 0;
    while (text[count])
        count++;
    return count;
}

/* What follows START in TEXT; 0 if TEXT begins otherwise. */
static const char *after(const char *text, const char *start)
{
    while (*start)
        if (*text++ != *start++)
            return 0;
    return text;
}

static long number(const char *digits)
{
    long value = 0;
    while (*digits)
        value = 10 * value + *digits++ - '0';
    return value;
}

/* In one system call, so that nothing of other processes comes in between. */
static void say(long descriptor, const char *first, const char *second, const char *third)
{
    const char *parts[] = {first, second, third};
    struct iovec vector[3];
    for (int i = 0; i < 3; i++) {
        vector[i].iov_base = (void *)parts[i];
        vector[i].iov_len = length(parts[i]);
    }
    call(__NR_writev, descriptor, (long)vector, 3, 0, 0);
}

/* ---- start ---- */

static int nibble(char digit)
{
    return digit <= '9' ? digit - '0' : digit - 'a' + 10;
}

static long install(const char *filter)
{
    unsigned char bytes[LONGEST_FILTER];
    unsigned long size = 0;
    for (; *filter; filter += 2) {
        if (size == sizeof bytes)
            return -E2BIG;
        bytes[size++] = nibble(filter[0]) << 4 | nibble(filter[1]);
    }
    struct sock_fprog program = {size / sizeof(struct sock_filter), (struct sock_filter *)bytes};
    return call(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program, 0, 0);
}

/* Returns what cannot be done. */
static const char *restrict_self(const char *ruleset, const char *filter)
{
    call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (*ruleset != '-') {
        if (call(LANDLOCK_RESTRICT_SELF, number(ruleset), 0, 0, 0, 0) < 0)
            return "fault Landlock cannot restrict ";
        call(__NR_close, number(ruleset), 0, 0, 0, 0);
    }
    return *filter && install(filter) < 0 ? "fault seccomp cannot restrict " : 0;
}

/* Returns whether there is a parent to live with: it may have died before we could be bound to it, and then nobody
   is left to be told. */
static int settle(const char *parent, const char *tty)
{
    call(__NR_setsid, 0, 0, 0, 0, 0);
    call(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (call(__NR_getppid, 0, 0, 0, 0, 0) != number(parent))
        return 0;
    if (*tty == '1')
        call(__NR_ioctl, 0, TIOCSCTTY, 0, 0, 0);
    return 1;
}

static int start(char **words, char **environment)
{
    long report = number(words[1]);
    char **program = words + 5;

    if (!settle(words[0], words[4]))
        return FAULT;
    const char *problem = restrict_self(words[2], words[3]);
    if (!problem) {
        execute(*program, program, environment);
        problem = "fault cannot execute ";
    }
    say(report, problem, *program, "");
    return FAULT;
}

/* ---- run ---- */

/* Takes out what was meant for PRoot. */
static void clean(char **environment)
{
    char **kept = environment;
    for (; *environment; environment++)
        if (!after(*environment, "PROOT_LOADER=") && !after(*environment, "PROOT_TMP_DIR=") &&
            !after(*environment, "PROOT_NO_SECCOMP="))
            *kept++ = *environment;
    *kept = 0;
}

static long try(char *path, char **words, char **environment)
{
    long error = execute(path, words, environment);
    if (error == -ENOEXEC) { /* a script without #!, which execvp(3) gives to sh */
        char *name = words[0];
        words[-1] = "sh";
        words[0] = path;
        error = execute("/bin/sh", words - 1, environment);
        words[0] = name;
    }
    if (call(__NR_faccessat, AT_FDCWD, (long)path, 0, 0, 0) < 0)
        return 0; /* there is no such file, or it is in a directory that cannot be entered */
    return error;
}

/* Tries the command in the directory that is written from FOLDER to END. */
static long try_in(const char *folder, const char *end, char **words, char **environment)
{
    char path[LONGEST_PATH], *to = path;
    const char *name = words[0];
    if (end - folder + length(name) + sizeof "./" > sizeof path)
        return 0;
    if (folder == end)
        *to++ = '.';
    while (folder < end)
        *to++ = *folder++;
    *to++ = '/';
    while ((*to++ = *name++))
        ;
    return try(path, words, environment);
}

static int has_slash(const char *text)
{
    while (*text)
        if (*text++ == '/')
            return 1;
    return 0;
}

/* Becomes the command; else returns the last error of a file that was there, 0 if there was none. */
static long become(char **words, char **environment)
{
    const char *end, *folder = DEFAULT_PATH;
    long error, problem = 0;
    if (has_slash(words[0]))
        return try(words[0], words, environment);
    for (char **line = environment; *line; line++)
        if (after(*line, "PATH="))
            folder = after(*line, "PATH=");
    for (;; folder = end + 1) {
        for (end = folder; *end && *end != ':'; end++)
            ;
        if ((error = try_in(folder, end, words, environment)))
            problem = error;
        if (!*end)
            return problem;
    }
}

static const char *reason(long problem)
{
    switch (problem) {
    case 0:
        return ": no such command\n";
    case -ENOENT:
        return ": its interpreter or loader is not there\n";
    case -EACCES:
        return ": Permission denied\n";
    case -ENOEXEC:
        return ": Exec format error\n";
    case -E2BIG:
        return ": Argument list too long\n";
    default:
        return ": it cannot be executed\n";
    }
}

static int command(char **words, char **environment)
{
    long problem = become(words, environment);
    say(2, "dodas: ", words[0], reason(problem));
    return problem == 0 || problem == -ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}

static void tell(long report, const char *how, int value)
{
    char line[] = {'0' + value / 100, '0' + value / 10 % 10, '0' + value % 10, '\n', 0};
    say(report, how, line, "");
}

/* Gives the command what a shell would: Python ignores signals, and those of a step are blocked in PRoot.
   Of all signals, also those that a libc keeps for itself and lets nobody set: whoever started us may ignore them. */
static void reset_signals(void)
{
    static const struct sigaction by_default;
    static const unsigned long none;
    for (long signal = 1; signal <= 8 * (long)sizeof none; signal++)
        call(__NR_rt_sigaction, signal, (long)&by_default, 0, sizeof none, 0);
    call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0);
}

static int run(char **words, char **environment)
{
    long report = number(words[0]), child, failed;
    static const unsigned long all = ~0ul;
    unsigned long pending;
    siginfo_t end;

    call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof all, 0);
    call(__NR_close, number(words[1]), 0, 0, 0, 0);
    call(__NR_fcntl, report, F_SETFD, FD_CLOEXEC, 0, 0);
    tell(report, "signal ", SIGKILL); /* true if nothing follows */
    child = call(__NR_clone, SIGCHLD, 0, 0, 0, 0); /* a fork */
    if (child == 0) {
        reset_signals();
        clean(environment);
        return command(words + 2, environment);
    }
    if (child < 0) {
        say(report, "fault no process can be started in PRoot", "", "");
        return FAULT;
    }
    call(__NR_rt_sigpending, (long)&pending, sizeof pending, 0, 0, 0);
    if (pending & 1ul << (SIGTERM - 1)) /* it came before the command was there to get it */
        call(__NR_kill, child, SIGTERM, 0, 0, 0);
    do /* not wait4, at which PRoot stops */
        failed = call(__NR_waitid, P_PID, child, (long)&end, WEXITED, 0);
    while (failed == -EINTR);
    int exited = end.si_code == CLD_EXITED;
    tell(report, exited ? "exit " : "signal ", end.si_status);
    return exited ? end.si_status : 128 + end.si_status;
}

/* ---- host ---- */

static const char *no_directory(long problem)
{
    switch (problem) {
    case -ENOENT:
        return ": No such file or directory";
    case -EACCES:
        return ": Permission denied";
    case -ENOTDIR:
        return ": Not a directory";
    default:
        return ": it cannot be entered";
    }
}

static int host(char **words, char **environment)
{
    long report = number(words[1]);

    if (!settle(words[0], words[2]))
        return FAULT;
    long problem = call(__NR_chdir, (long)words[3], 0, 0, 0, 0);
    if (problem < 0) {
        say(report, "fault working directory ", words[3], no_directory(problem));
        return FAULT;
    }
    call(__NR_fcntl, report, F_SETFD, FD_CLOEXEC, 0, 0);
    reset_signals();
    return command(words + 4, environment);
}

/* ---- */

/* The kernel puts the count of the words, the words, a null and the environment on the stack. */
__attribute__((noreturn, used)) static void begin(long *stack)
{
    long count = stack[0];
    char **words = (char **)(stack + 1), **environment = words + count + 1;
    int status = FAULT;
    if (count > 6 && after(words[1], "host"))
        status = host(words + 2, environment);
    else if (count > 7 && after(words[1], "start"))
        status = start(words + 2, environment);
    else if (count > 4 && after(words[1], "run"))
        status = run(words + 2, environment);
    for (;;)
        call(__NR_exit_group, status, 0, 0, 0, 0);
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
#else
__asm__(".globl _start\n_start: mov x29, #0\n mov x30, #0\n mov x0, sp\n bl begin\n");
#endif

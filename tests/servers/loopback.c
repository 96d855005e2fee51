/* Preloaded into servers that tests start.

   XRootD cannot be told which address to listen on: whatever it binds is moved to loopback.  It and Apache
   will not run as root: they are told that they run as somebody else, so that they own what the tests own.
   Its library for tokens trusts the authorities of the system alone: it is given others for these. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SOMEBODY 65534
#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

static uid_t
unless_root(long id)
{
    return id == 0 ? SOMEBODY : (uid_t)id;
}

uid_t
getuid(void)
{
    return unless_root(syscall(SYS_getuid));
}

uid_t
geteuid(void)
{
    return unless_root(syscall(SYS_geteuid));
}

int
bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
    struct sockaddr_storage moved = {0};

    if (length > sizeof moved)
        return real(fd, address, length);
    memcpy(&moved, address, length);
    if (moved.ss_family == AF_INET)
        ((struct sockaddr_in *)&moved)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (moved.ss_family == AF_INET6)
        inet_pton(AF_INET6, "::ffff:127.0.0.1", &((struct sockaddr_in6 *)&moved)->sin6_addr);
    return real(fd, (struct sockaddr *)&moved, length);
}

static const char *
trusted(const char *path)
{
    const char *bundle = getenv("DODAS_TEST_BUNDLE");

    return bundle != NULL && strcmp(path, SYSTEM_BUNDLE) == 0 ? bundle : path;
}

FILE *
fopen(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen");

    return real(trusted(path), mode);
}

FILE *
fopen64(const char *path, const char *mode)
{
    FILE *(*real)(const char *, const char *) = dlsym(RTLD_NEXT, "fopen64");

    return real(trusted(path), mode);
}

/*
 * Faults of the machine, brought upon a process from outside: preloaded into a relay
 * (LD_PRELOAD), it makes writes and syncs fail and the clock jump, as a control file says.
 *
 * AXON_FAULTS      the control file, 16 bytes, mapped and read at every call:
 *                    0      errno of every write, 0: none
 *                    1      errno of every sync, 0: none
 *                    2      1: a write that fails writes half of its bytes first
 *                    8..16  seconds added to the wall clock, big-endian, two's complement
 * AXON_FAULTS_DIR  only files below this directory fail; sockets and pipes never do
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile unsigned char *control;
static char dir[4096];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("AXON_FAULTS"), *below = getenv("AXON_FAULTS_DIR");
    if (!path || !below || !realpath(below, dir)) return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, 16, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

/* The errno at `place` of the control file, if it is set and the file is one of ours. */
static int fault(int place, int fd) {
    if (!control || !control[place]) return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/' ? control[place] : 0;
}

#define REAL(name, type)                                       \
    static type real;                                          \
    if (!real) real = (type)dlsym(RTLD_NEXT, #name)

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite_fn)(int, const void *, size_t, off_t);
typedef int (*sync_fn)(int);
typedef int (*clock_fn)(clockid_t, struct timespec *);
typedef int (*timeofday_fn)(struct timeval *, void *);

ssize_t write(int fd, const void *bytes, size_t n) {
    REAL(write, write_fn);
    int error = fault(0, fd);
    if (!error) return real(fd, bytes, n);
    if (control[2] && n > 1) (void)!real(fd, bytes, n / 2);
    errno = error;
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    REAL(pwrite, pwrite_fn);
    int error = fault(0, fd);
    if (!error) return real(fd, bytes, n, at);
    errno = error;
    return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at) { return pwrite(fd, bytes, n, at); }

int fsync(int fd) {
    REAL(fsync, sync_fn);
    int error = fault(1, fd);
    if (!error) return real(fd);
    errno = error;
    return -1;
}

int fdatasync(int fd) {
    REAL(fdatasync, sync_fn);
    int error = fault(1, fd);
    if (!error) return real(fd);
    errno = error;
    return -1;
}

static time_t jump(void) {
    uint64_t seconds = 0;
    for (int i = 8; control && i < 16; i++) seconds = seconds << 8 | control[i];
    return (time_t)(int64_t)seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_gettime, clock_fn);
    int done = real(clock, now);
    if (done == 0 && clock == CLOCK_REALTIME) now->tv_sec += jump();
    return done;
}

int gettimeofday(struct timeval *now, void *zone) {
    REAL(gettimeofday, timeofday_fn);
    int done = real(now, zone);
    if (done == 0) now->tv_sec += jump();
    return done;
}

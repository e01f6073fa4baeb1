/* lease_mark.c - until when the node's lease holds. */
#include "node/lease_mark.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"

int64_t boot_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool lease_mark_open(const char *path, bool for_writing, LeaseMark **out, Err *err)
{
    struct stat st;
    AUTO(fd_close) int fd = open(path, (for_writing ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_errno(err, "cannot open %s", path);
    if (st.st_size < (off_t)sizeof(LeaseMark) && (!for_writing || ftruncate(fd, sizeof(LeaseMark)) < 0))
        return err_errno(err, "%s is too short", path);
    void *at = mmap(NULL, sizeof(LeaseMark), for_writing ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return err_errno(err, "cannot map %s", path);
    *out = at;
    return true;
}

void lease_mark_close(LeaseMark *mark)
{
    if (mark)
        (void)munmap(mark, sizeof *mark);
}

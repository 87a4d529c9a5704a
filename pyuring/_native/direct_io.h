/* What direct I/O needs to know of a file, asked for without a ring. */
#ifndef PYURING_DIRECT_IO_H
#define PYURING_DIRECT_IO_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/fs.h>

#include "compat.h"

/* statx(2) of `path`, or of the descriptor `fd` where the path is NULL: 0 or -errno.
 *
 * By the number of the system call: older C libraries know neither the alignments nor
 * that the structure has room for them. */
static int pyuring_statx(int fd, const char *path, uint32_t mask, struct pyuring_statx *found)
{
	int flags = path ? 0 : AT_EMPTY_PATH;

	return syscall(SYS_statx, fd, path ? path : "", flags, mask, found) == 0 ? 0 : -errno;
}

/* The bytes that a block device has, of which no stat tells; or -errno. */
static int64_t pyuring_device_size(int fd)
{
	uint64_t size = 0;

	return ioctl(fd, BLKGETSIZE64, &size) == 0 ? (int64_t)size : -errno;
}

#endif
